"""The best and the last checkpoint."""

import pytest
import torch

from aeexp.app import session
from aeexp.app.sweep import points
from aeexp.files import link
from aeexp.training.checkpoints import name_of
from aeexp.training.task import Task


@pytest.mark.parametrize(
    ("losses", "best"), [([3.0, 2.0, 1.0], 2), ([3.0, 1.0, 2.0], 1), ([1.0, 2.0, 3.0], 0)], ids=str
)
def test_the_best_checkpoint_is_of_the_least_loss_and_one_file_with_the_last_where_that_is_it(
    tmp_path, monkeypatch, losses, best
):
    given, log = iter(losses), Task.log_dict

    def logged(task, numbers, **options):
        changed = {"val/loss": torch.tensor(next(given))} if "val/loss" in numbers else {}
        log(task, {**numbers, **changed}, **options)

    monkeypatch.setattr(Task, "log_dict", logged)
    (point,) = points("train", ["trainer.max_epochs=3", "evaluation=[reconstruction]", f"runs={tmp_path}"])
    with point.run.working(point.config):
        session.train(point.run, point.config)
    files = [point.run.checkpoints / f"{name}.ckpt" for name in ("best", "last")]
    assert [session.load(file)["epoch"] for file in files] == [best, 2]
    assert files[0].samefile(files[1]) == (best == 2)
    assert [file.name for file in point.run.checkpoints.iterdir() if file not in files] == []


def test_a_second_name_follows_its_file_and_is_a_copy_where_the_disk_has_no_links(tmp_path, monkeypatch):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1")
    for _ in range(2):
        link(one, other)
        assert other.samefile(one) and {file.name for file in tmp_path.iterdir()} == {"one", "other"}

    def refused(*_):
        raise OSError("no links here")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refused)
    one.unlink()
    one.write_text("2")
    link(one, other)
    assert other.read_text() == "2" and not other.samefile(one)


def test_a_run_keeps_how_long_it_was_trained_and_on_what(tmp_path):
    (point,) = points("train", ["trainer.max_epochs=2", "evaluation=[reconstruction]", f"runs={tmp_path}"])
    with point.run.working(point.config):
        session.train(point.run, point.config)
    facts = point.run.results["training"]
    assert facts["device"] == name_of(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    assert facts["epochs"] == 2 and facts["seconds"] > 0
