"""The page of a sweep: all of it is inside, and it works from a file manager."""

import base64
import io
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import CHROMIUM, chromium, text_of
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from aeexp.files import write, write_json, write_yaml
from aeexp.plots.palette import MARKERS
from aeexp.report import learning, refresh, show_page, thumbnails
from aeexp.report.learning import learning_curves
from aeexp.report.report import Report
from aeexp.report.sweep import announce, form
from aeexp.runs import events
from aeexp.runs.run import Run

NASTY = """<img src=x onerror="document.title='taken'"> & $title </script> "'"""
STRANGE = """deep'"><i>"""
TABLE = {
    "title": f"Models {NASTY}",
    "rows": ["model"],
    "columns": ["data"],
    "metrics": {"reconstruction/squared_error": {"title": f"error {NASTY}", "digits": 1}},
    "notes": [f"note {NASTY}"],
    "sweep": {"model": ["vae", "pca", "deep"]},
}


def png(seed, width=1200, height=300):
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, format="png")
    return buffer.getvalue()


def config(model, data, seed):
    return {
        "runs": "runs",
        "sweep": "models",
        "seed": seed,
        "data": {"name": data},
        "bottleneck": {"dim": 8},
        "table": TABLE,
        "choices": {"model": model, "data": data, "bottleneck": "8"},
        "overrides": {"model": model, "data": data, "seed": str(seed)},
    }


def a_run(folder, model, data, seed, titles=("samples", "filters")):
    run = Run(folder / re.sub(r"\W+", "-", f"{model}-{data}-s{seed}"))
    write_yaml(run.path / "config.yaml", config(model, data, seed))
    write_json(run.path / "status.json", {"state": "completed"})
    metrics = {"reconstruction/squared_error": len(model) + seed}
    entry = {"protocol": "reconstruction", "settings": {}, "metrics": metrics, "figures": [*titles]}
    write_json(run.path / "results.json", {"training": {}, "protocols": [entry]})
    for n, title in enumerate(titles):
        write(run.figures / f"{title}.png", png(10 * seed + n))
    return run


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "models"
    runs = [a_run(folder, model, data, seed) for model in ("vae", "pca") for data in ("b", "a") for seed in (1, 0)]
    for run in runs[:4]:
        with SummaryWriter(str(run.path)) as board:
            for step, value in enumerate((9.0, 5.0, 4.0)):
                board.add_scalar("val/squared_error", value, 10 * step + 9)
                board.add_scalar("val/loss", 1.0, 10 * step + 9)
    level = Summary.Value(tag="val/squared_error", simple_value=6.0)
    events.replace(runs[4].path, "measured", [level])
    failed = a_run(folder, STRANGE, "a", 0, ())
    (failed.path / "results.json").unlink()
    write_json(failed.path / "status.json", {"state": "failed", "error": f"it broke {NASTY}"})
    announce(folder, TABLE, [config("vae", "a", 0)])
    show_page(folder)
    return folder


class Seen(HTMLParser):
    """The tags with their attributes, and the text."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def seen(sweep):
    return Seen((sweep / "index.html").read_text())


def test_everything_is_inside(seen):
    for tag, attributes in seen.tags:
        assert tag not in ("link", "iframe", "object", "base")
        assert attributes.get("href", "./").startswith("./")  # relative, within the folder, and no javascript:
        assert attributes.get("src", "data:").startswith("data:image/png;base64,") or "src" not in attributes
    assert len(seen.all("script")) == 1
    assert "src" not in seen.all("script")[0]


def test_what_the_runs_say_is_text_and_no_markup(seen):
    assert {image["class"] for image in seen.all("img")} == {"table", "small"}
    assert all("onerror" not in attributes for _, attributes in seen.tags)
    keys = [json.loads(row["data-keys"]) for row in seen.all("tr") if "data-keys" in row]
    assert {each["model"] for each in keys} == {"vae", "pca", STRANGE}
    assert STRANGE in [box.get("value") for box in seen.all("input")]
    assert seen.all("i") == []
    for what in ("Models", "error", "note", "it broke"):
        assert f"{what} {NASTY}" in seen.text


def test_each_configuration_is_a_row_with_its_first_seed_and_each_title_a_column(sweep, seen):
    names = [f"{model} {data}" for model, data in (("vae", "a"), ("vae", "b"), ("pca", "a"), ("pca", "b"))]
    pictures = [image for image in seen.all("img") if image["class"] == "small"]
    assert [each["alt"] for each in pictures] == [
        f"{name}: {title}" for name in names for title in ("samples", "filters")
    ]
    for image in pictures:
        content = base64.b64decode(image["src"].partition(",")[2])
        small = Image.open(io.BytesIO(content)).convert("L")
        assert small.size == (thumbnails.WIDEST, thumbnails.WIDEST // 4)
    first = Run(sweep / "vae-a-s0").figures / "filters.png"
    shown = Image.open(io.BytesIO(base64.b64decode(pictures[1]["src"].partition(",")[2]))).convert("L")
    expected = Image.open(first).resize(shown.size, Image.Resampling.LANCZOS)
    assert np.corrcoef(np.ravel(shown), np.ravel(expected))[0, 1] > 0.95
    assert seen.text.count("2 completed") == 4
    assert "1 failed" in seen.text


def test_the_table_is_the_table(sweep, seen):
    (table,) = Report(sweep).tables()
    cells = re.findall(r"<td>(.*?)</td>", (sweep / "index.html").read_text())
    shown = [unescape(re.sub("</?b>", "", cell)) for cell in cells][: sum(map(len, table.body))]
    assert shown == [text for row in table.body for text in row]
    assert "1 failed" in shown


def test_curves_are_read_from_what_tensorboard_reads(sweep):
    assert events.curve(sweep / "vae-b-s1", "val/squared_error") == [9.0, 5.0, 4.0]
    assert events.curve(sweep / "pca-b-s1", "val/squared_error") == []
    curves = [name for name in re.findall(r'alt="(\w+)"', (sweep / "index.html").read_text()) if name in "ab"]
    assert sorted(curves) == ["a", "b"]


def test_what_nothing_trains_has_a_level_and_what_has_neither_no_picture(sweep, tmp_path):
    assert learning_curves("b", {"pca": [Run(sweep / "pca-b-s1")]})
    assert learning_curves("b", {"pca": [Run(sweep / "pca-b-s0")], "vae": [a_run(tmp_path, "vae", "b", 0)]}) is None


def test_many_pictures_are_smaller_so_that_the_page_stays_bounded():
    assert thumbnails.width_of(10) == thumbnails.WIDEST
    for n in (200, 1000, 100_000):
        assert n * thumbnails.width_of(n) ** 2 <= thumbnails.AREA
    assert thumbnails.width_of(1000) > 200


def test_the_page_is_made_at_the_end_of_a_sweep_and_not_after_every_job(tmp_path):
    a_run(tmp_path, "vae", "a", 0)
    refresh(tmp_path)
    assert (tmp_path / "table.md").exists()
    assert not (tmp_path / "index.html").exists()
    assert str(tmp_path / "index.html") in refresh(tmp_path, force=True)
    assert (tmp_path / "index.html").exists()


def test_a_picture_that_is_missing_or_damaged_is_a_dash(tmp_path):
    run = a_run(tmp_path, "vae", "a", 0, ("samples", "filters", "scatter"))
    (run.figures / "samples.png").write_bytes(b"no picture")
    (run.figures / "filters.png").unlink()
    seen = Seen(form(Report(tmp_path), "html", tmp_path))
    assert [image["alt"] for image in seen.all("img")] == ["vae: scatter"]
    assert seen.text.count("—") == 2


def test_runs_of_no_sweep_have_a_page_too(tmp_path):
    a_run(tmp_path, "vae", "a", 0, ("samples",))
    a_run(tmp_path, STRANGE, "a", 3, ("samples",))
    images = Seen(form(Report(tmp_path), "html", tmp_path)).all("img")
    assert [image["alt"] for image in images] == [f"{STRANGE}: samples", "vae: samples"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")
def test_it_works_in_a_browser_from_a_file(sweep, tmp_path):
    def ask(expression):
        return page("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    rows = "[...document.querySelectorAll('#gallery tr[data-keys]')].filter(row => row.offsetHeight)"
    with chromium(tmp_path) as page:
        text = text_of(page, f"file://{sweep / 'index.html'}", "Learning", "it broke")
        assert ask("document.title").startswith("Models")
        assert "vae b" in text
        assert ask("[...document.images].every(image => image.complete && image.naturalWidth > 100)")
        assert ask(f"{rows}.length") == 5
        ask("document.querySelector('input[value=vae]').click()")
        assert ask(f"{rows}.length") == 3
        assert ask("[...document.querySelectorAll('table tr')].filter(r => r.hidden).length") == 7
        ask("document.querySelector('input[value=a]').click()")
        assert ask(f"{rows}.length") == 1
        ask("document.querySelector('input[value=vae]').click()")
        assert ask(f"{rows}.length") == 2
        width = "document.querySelector('img[alt=\"vae b: samples\"]').offsetWidth"
        before = ask(width)
        ask("document.querySelector('img[alt=\"vae b: samples\"]').click()")
        assert ask(width) == thumbnails.WIDEST > before


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")
def test_rows_are_sorted_by_a_click_searched_by_words_and_dark_where_the_system_is(sweep, tmp_path):
    def ask(expression):
        return page("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    first = (
        "[...document.querySelectorAll('.result tbody tr')].filter(r => r.offsetHeight).map(r => r.innerText.trim())"
    )
    with chromium(tmp_path) as page:
        text_of(page, f"file://{sweep / 'index.html'}", "Learning", "it broke")
        value = "[...document.querySelectorAll('.result tbody tr')].map(r => parseFloat(r.children[1].innerText))"
        ask("document.querySelectorAll('.result thead th')[1].click()")
        rising = [x for x in ask(value) if x is not None]
        assert rising == sorted(rising) and len(rising) > 1
        ask("document.querySelectorAll('.result thead th')[1].click()")
        assert [x for x in ask(value) if x is not None] == rising[::-1]
        ask("document.querySelector('[type=search]').value = 'pca'; document.querySelector('#filter').oninput()")
        assert [row.split()[0] for row in ask(first)] == ["pca"]
        paper = "getComputedStyle(document.body).backgroundColor"
        assert ask(paper) == "rgb(255, 255, 255)"
        page("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        assert ask(paper) == "rgb(22, 24, 28)"
        assert ask("document.querySelector('a').protocol") == "file:"
        assert ask("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_curve_of_one_epoch_is_a_point(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(learning, "bytes_of", lambda figure, form: drawn.append(figure) or b"")
    for n, values in enumerate(((5.0,), (5.0, 4.0))):
        run = a_run(tmp_path, "vae", "b", n)
        with SummaryWriter(str(run.path)) as board:
            for step, value in enumerate(values):
                board.add_scalar("val/squared_error", value, step)
        learning_curves("b", {"vae": [run]})
    markers = [figure.axes[0].lines[0].get_marker() for figure in drawn]
    assert markers[0] in MARKERS
    assert markers[1] in ("", "None")
