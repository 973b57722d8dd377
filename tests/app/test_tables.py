"""aeexp table ls"""

import sys

from conftest import ROOT

from aeexp.app import packages
from aeexp.app.tables import main
from aeexp.report.report import Report


def listed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["aeexp table", "ls"])
    main()
    _, *lines = capsys.readouterr().out.splitlines()
    return {line.split()[0]: line for line in lines}


def test_every_table_is_listed_with_its_runs_and_its_cost(monkeypatch, capsys):
    lines = listed(monkeypatch, capsys)
    assert set(lines) == packages.options("table")
    assert "250" in lines["code_size"] and "10 model x 5 bottleneck x 5 seed" in lines["code_size"]
    assert " h " in lines["code_size"] or " min " in lines["code_size"]


def test_a_table_of_ones_own_has_no_cost_yet(monkeypatch, capsys, tmp_path):
    (tmp_path / "widened" / "configs" / "table").mkdir(parents=True)
    (tmp_path / "widened" / "__init__.py").touch()
    (tmp_path / "widened" / "configs" / "table" / "widths.yaml").write_text("table: {sweep: {seed: [0, 1, 2]}}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AEEXP_PACKAGES", "widened")
    assert listed(monkeypatch, capsys)["widths"].split() == ["widths", "3", "?", "3", "seed"]


def test_the_cost_is_the_sum_over_the_runs():
    runs = ROOT / "results" / "vae_example" / "runs.csv"
    seconds = [line.split(",")[-1] for line in runs.read_text().splitlines() if ",training/seconds," in line]
    assert len(seconds) == 5
    assert Report(runs.parent).seconds == sum(map(float, seconds))
