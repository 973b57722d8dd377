"""The stored records of a run: what fits is read as it is, what does not is Damaged with the file's name."""

import json
import math

import pytest
import yaml
from stored_runs import config

from aeexp.files import read_yaml
from aeexp.runs import records
from aeexp.runs.records import Damaged

RESULTS = {
    "training": {"epochs": 3, "seconds": 1.5, "best": {"val/loss": 1.0}, "weights_of": None},
    "protocols": [{"protocol": "p", "settings": {}, "metrics": {"p/a": 0.5, "p/b": None}, "figures": ["f"]}],
}
WHOLE = {
    "config.yaml": yaml.safe_dump(config("runs", "vae", 2, 0)),
    "status.json": json.dumps({"state": "completed"}),
    "results.json": json.dumps(RESULTS),
}
READ = {"config.yaml": records.config, "status.json": records.status, "results.json": records.results}
MISFITS = [
    ("results.json", {"protocols": [{"metrics": {"p/a": "abc"}}]}, "protocols[0].metrics.p/a is not a number"),
    ("results.json", {"protocols": [{"metrics": {"p/a": {}}}]}, "protocols[0].metrics.p/a is not a number"),
    ("results.json", {"protocols": [{"metrics": {"p/a": True}}]}, "protocols[0].metrics.p/a is not a number"),
    ("results.json", {"protocols": [{"metrics": {"p/a": 10**400}}]}, "protocols[0].metrics.p/a is not a number"),
    ("results.json", {"protocols": {"p": 1}}, "protocols is not a list"),
    ("results.json", {"protocols": [{"metrics": {}, "figures": [1]}]}, "protocols[0].figures[0] is not a text"),
    ("results.json", [], "the whole is not a mapping"),
    ("status.json", {}, "state is missing"),
    ("status.json", {"state": 1}, "state is not a text"),
    ("config.yaml", {"choices": {}}, "bottleneck is missing"),
]


def write_records(folder, **changes):
    for name, text in {**WHOLE, **changes}.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_records_are_read_as_they_were_written(tmp_path):
    write_records(tmp_path)
    assert records.config(tmp_path) == read_yaml(tmp_path / "config.yaml") == config("runs", "vae", 2, 0)
    assert records.status(tmp_path) == {"state": "completed"}
    assert records.results(tmp_path) == RESULTS
    numbers = records.metrics(RESULTS)
    assert numbers.pop("p/a") == 0.5
    assert math.isnan(numbers.pop("p/b"))
    assert records.training(RESULTS) == {"training/epochs": 3, "training/seconds": 1.5}


def test_what_is_not_there_yet_is_empty(tmp_path):
    assert records.status(tmp_path) == records.results(tmp_path) == {}
    with pytest.raises(FileNotFoundError):
        records.config(tmp_path)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(
    "damage",
    [b"", b"\0" * 99, b"\xff\xfe\x80", b"[" * 100_000, b"- " * 100_000, b"{" + b'"a":[' * 9000, b"null", b"12", "half"],
    ids=["empty", "zeros", "no-text", "nested", "blocks", "json-nested", "null", "number", "half"],
)
def test_a_damaged_file_is_named(tmp_path, name, damage):
    content = WHOLE[name][: len(WHOLE[name]) // 2] if damage == "half" else damage
    write_records(tmp_path, **{name: content})
    with pytest.raises(Damaged, match=name):
        READ[name](tmp_path)


@pytest.mark.parametrize("name", WHOLE)
def test_a_folder_in_the_place_of_a_file_is_named(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(Damaged, match=f"{name} cannot be read: Is a directory"):
        READ[name](tmp_path)


@pytest.mark.parametrize(("name", "content", "sentence"), MISFITS, ids=[sentence for *_, sentence in MISFITS])
def test_what_does_not_fit_the_schema_is_said(tmp_path, name, content, sentence):
    write_records(tmp_path, **{name: json.dumps(content)})
    with pytest.raises(Damaged) as error:
        READ[name](tmp_path)
    assert sentence in str(error.value)


def test_aliases_that_expand_are_refused(tmp_path):
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    write_records(tmp_path, **{"config.yaml": WHOLE["config.yaml"] + "\n".join(lines)})
    with pytest.raises(Damaged, match="more than 20 aliases"):
        records.config(tmp_path)


def test_a_configuration_in_parts_is_read_as_yaml_reads_it(tmp_path):
    odd = {"a": {"b": [1, "x\ny: z"], "c": None}, "list": [{"k": 1}, []], "#no": "- a: b", "12": "long " * 60, "e": {}}
    for more in (odd, {"one": odd["list"], "other": odd["list"]}):
        write_records(tmp_path, **{"config.yaml": yaml.safe_dump({**more, **config("runs", "vae", 2, 0)})})
        assert records.config(tmp_path) == read_yaml(tmp_path / "config.yaml")


def test_directories_of_runs_are_found_by_any_of_their_records(tmp_path):
    for name in (
        "b/config.yaml",
        "a/status.json",
        "deep/er/results.json",
        ".hydra/config.yaml",
        "b/figures/config.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in records.directories(tmp_path)]
    assert found == ["a", "b", "deep/er"]
