"""Run directories that a test writes by hand: finished and failed ones of a table of two models."""

import pytest

from aeexp.report.report import Report
from aeexp.report.sweep import announce
from aeexp.runs.identity import directory
from aeexp.runs.run import Run

TABLE = {
    "title": "Errors",
    "rows": ["model"],
    "columns": ["bottleneck"],
    "metrics": {"probe/accuracy": {"title": "accuracy, %", "digits": 1, "factor": 100}},
    "sweep": {"model": ["vae", "pca"], "bottleneck": [2, 10]},
    "published": [{"where": {"model": "vae", "bottleneck": 10}, "metric": "probe/accuracy", "value": 0.9, "source": 1}],
    "sources": {1: "a paper"},
    "baselines": ["pca"],
    "curve": True,
}
SEEDS = {0: 0.80, 1: 0.84, 2: 0.85}


def config(root, model, dim, seed, **more):
    return {
        "runs": str(root),
        "sweep": "s",
        "force": False,
        "seed": seed,
        "data": {"name": "digits"},
        "bottleneck": {"dim": dim},
        "optimizer": {"lr": 0.001},
        "choices": {"model": model, "data": "digits", "bottleneck": str(dim)},
        "overrides": {"model": model, "bottleneck": str(dim), "seed": str(seed), **more},
        **{key.split(".")[0]: {key.split(".")[1]: value} for key, value in more.items()},
    }


def finish(root, model, dim, seed, value, **more):
    given = config(root, model, dim, seed, **more)
    run = Run(directory(given))
    with run.working(given):
        run.mark_trained({})
        metrics = value if isinstance(value, dict) else {"probe/accuracy": value}
        run.add({"protocol": "probe", "settings": {}, "metrics": metrics}, {})


def fail(root, model, dim, seed):
    given = config(root, model, dim, seed)
    with pytest.raises(RuntimeError), Run(directory(given)).working(given):
        raise RuntimeError("no luck")


def shown(folder, **query):
    """The only table, as row -> column -> text."""
    (table,) = Report(folder, **query).tables()
    return {
        " ".join(line): dict(zip(table.header, row, strict=True))
        for line, row in zip(table.lines, table.body, strict=True)
    }


def bold(folder, **query):
    """The rows and columns of the only table whose cells are marked."""
    (table,) = Report(folder, **query).tables()
    return {(" ".join(table.lines[row]), table.header[column]) for row, column in table.best}


def a_sweep(root):
    """vae: three seeds at 2 and 10; pca: one seed at 2, failed at 10."""
    points = [config(root, model, dim, seed) for model in ("vae", "pca") for dim in (2, 10) for seed in SEEDS]
    announce(root / "s", TABLE, points)
    for seed, value in SEEDS.items():
        finish(root, "vae", 10, seed, value)
        finish(root, "vae", 2, seed, value / 2)
    finish(root, "pca", 2, 0, 0.3)
    fail(root, "pca", 10, 0)
    return root / "s"
