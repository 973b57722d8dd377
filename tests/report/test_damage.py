"""A damaged run leaves the others' table, page and files as they are, and is marked and named below them."""

import json
import shutil
import struct
import zlib
from statistics import mean

import pytest
import yaml
from PIL import Image
from stored_runs import SEEDS, TABLE, a_sweep, config, finish, shown
from tensorboard.compat.proto.summary_pb2 import Summary

from aeexp.errors import UserError
from aeexp.report.report import Report
from aeexp.report.sweep import announce, form, refresh
from aeexp.report.thumbnails import thumbnail
from aeexp.runs import events
from aeexp.runs.identity import directory
from aeexp.runs.run import Run

RECORDS = ("config.yaml", "status.json", "results.json")
DAMAGES = {
    "empty": lambda file: file.write_bytes(b""),
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "flipped": lambda file: file.write_bytes(bytes(255 - byte for byte in file.read_bytes())),
    "folder": lambda file: (file.unlink(), file.mkdir()),
    "no object": lambda file: file.write_text("[1, 2]"),
    "text": lambda file: file.write_text("abc"),
}


@pytest.fixture
def sweep(tmp_path):
    return a_sweep(tmp_path)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_named_below_the_table_of_the_others(sweep, name, damage):
    run = directory(config(sweep.parent, "vae", 10, 0))
    DAMAGES[damage](run / name)
    table = shown(sweep)
    assert "(2)" in table["vae"]["bottleneck 10"]
    assert ("1 damaged" in table["vae"]["bottleneck 10"]) == (name != "config.yaml")
    assert "(3)" in table["vae"]["bottleneck 2"]
    assert f"damaged: {run / name}" in Report(sweep).form("markdown")


def test_a_configuration_that_is_gone_is_named(sweep):
    run = directory(config(sweep.parent, "vae", 10, 0))
    (run / "config.yaml").unlink()
    assert f"damaged: {run / 'config.yaml'} is missing" in Report(sweep).form("markdown")


@pytest.mark.parametrize("value", ["abc", {}, [], True, 10**400])
def test_values_that_are_no_numbers_are_damages(sweep, value):
    run = directory(config(sweep.parent, "vae", 10, 0))
    (run / "results.json").write_text(json.dumps({"protocols": [{"metrics": {"probe/accuracy": value}}]}))
    assert "1 damaged" in shown(sweep)["vae"]["bottleneck 10"]


@pytest.mark.parametrize("content", [b"\0\0", b"", b"[]", b"- " * 9999, b"title: 1", b"title: t\nrows: 1"])
def test_a_damaged_table_is_a_sentence(sweep, content):
    (sweep / "table.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"table\.yaml is "):
        Report(sweep)


def test_another_programs_config_is_no_damage(sweep):
    (sweep / "other").mkdir()
    (sweep / "other" / "config.yaml").write_text("key: value")
    assert Report(sweep).troubles() == [
        "failed: " + next(r.name for r in sweep.glob("pca*10*")) + ": RuntimeError: no luck"
    ]


def test_a_copy_of_a_run_is_no_other_seed(sweep):
    run = directory(config(sweep.parent, "vae", 10, 0))
    before = shown(sweep)
    shutil.copytree(run, sweep / "copy")
    shutil.copytree(run, sweep / "backup" / run.name)
    assert shown(sweep) == before
    assert "2 copies of runs are not counted" in Report(sweep).form("markdown")


def test_two_runs_of_a_seed_that_differ_in_a_shown_key_are_two_cells_else_one_counts_and_a_sentence_says_so(sweep):
    finish(sweep.parent, "vae", 10, 0, 0.1, **{"optimizer.lr": 0.1})
    assert set(shown(sweep)) == {"vae 0.001", "vae 0.1", "pca 0.001"}
    for run in sweep.glob("*/config.yaml"):  # as if the configuration's file had been edited between two launches
        content = yaml.safe_load(run.read_text())
        content["overrides"].pop("optimizer.lr", None)
        run.write_text(yaml.safe_dump(content))
    twins = sorted(sweep.glob("vae-*10*-s0*/results.json"))
    values = [json.loads(file.read_text())["protocols"][0]["metrics"]["probe/accuracy"] for file in twins]
    assert sorted(values) == [0.1, SEEDS[0]]
    for first, last, value in ((0, 1, values[1]), (1, 0, values[0])):
        for place, ended in ((first, "2000-01-01"), (last, "2999-01-01")):
            run = Run(twins[place].parent)
            (run.path / "status.json").write_text(json.dumps({**run.status, "ended": ended}))
        expected = 100 * mean([value, SEEDS[1], SEEDS[2]])
        assert shown(sweep)["vae"]["bottleneck 10"].startswith(f"{expected:.1f} ± ")
        assert "(3)" in shown(sweep)["vae"]["bottleneck 10"]
    text = Report(sweep).form("markdown")
    assert "vae 10, seed 0, differ in optimizer.lr" in text
    assert shown(sweep, by=["optimizer.lr"])["0.1"]["bottleneck 10, model vae"] == "10.0† (1)"


def test_one_value_that_is_written_in_two_ways_is_one_seed(tmp_path):
    for beta in (4, 4.0):
        finish(tmp_path, "vae", 10, 0, 0.5, **{"code.beta": beta})
    report = Report(tmp_path / "s", by=["model"])
    assert report.tables()[0].columns[0].cells[0].n == 1


def test_facts_of_the_training_are_metrics(tmp_path):
    given = config(tmp_path, "vae", 2, 0)
    run = Run(directory(given))
    with run.working(given):
        run.mark_trained({"epochs": 12, "seconds": 3.5, "best": {"val/loss": 1.0}})
        run.add({"protocol": "probe", "settings": {}, "metrics": {"probe/accuracy": 0.5}}, {})
    assert "12.0000†" in Report(tmp_path / "s", metrics=["training/epochs"]).form("markdown")
    assert [metric.name for metric in Report(tmp_path / "s").spec.metrics] == ["probe/accuracy"]
    metrics = {"probe/accuracy": {}, "training/epochs": {}, "training/weight": {}}
    announce(tmp_path / "s", {**TABLE, "metrics": metrics}, [])
    shown_metrics = [metric.name for metric in Report(tmp_path / "s").spec.metrics]
    assert shown_metrics == ["probe/accuracy", "training/epochs"]  # a fact that no run has is no table of dashes


def test_the_page_of_damaged_runs_is_whole(sweep):
    for name in RECORDS:
        for number, run in enumerate(sorted(sweep.glob("vae*"))[:3]):
            list(DAMAGES.values())[number](run / name)
    refresh(sweep, force=True)
    html = (sweep / "index.html").read_text()
    assert html.endswith("</html>")
    assert TABLE["title"] in html
    assert html.count("damaged: ") == 3


def test_damaged_events_and_pictures_leave_the_page_the_rest(tmp_path):
    for number, damage in enumerate(DAMAGES.values()):
        for seed, place in enumerate(("events.out.tfevents.measured", "events.out.tfevents.1", "figures/f.png")):
            run = Run(directory(config(tmp_path, "vae", number + 2, seed)))
            finish(tmp_path, "vae", number + 2, seed, 0.5)
            results = {**run.results, "protocols": [{"metrics": {"probe/accuracy": 0.5}, "figures": ["f"]}]}
            (run.path / "results.json").write_text(json.dumps(results))
            run.figures.mkdir()
            Image.new("L", (20, 20)).save(run.figures / "f.png")
            values = [Summary.Value(tag="val/squared_error", simple_value=6.0)]
            events.replace(run.path, "measured", values)
            events.replace(run.path, "1", values)
            damage(run.path / place)
    html = form(Report(tmp_path / "s"), "html", tmp_path / "s")
    assert html.count('class="small"') == len(DAMAGES)  # of the first seed, whose picture is whole


def test_a_picture_that_unpacks_to_too_much_is_left_out(tmp_path):
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 40_000, 40_000, 8, 2, 0, 0, 0)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "f.png").write_bytes(header + struct.pack(">I", zlib.crc32(header[12:])))
    assert thumbnail(Run(tmp_path), "f", 700) is None
