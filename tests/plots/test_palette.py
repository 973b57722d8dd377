"""The looks of models: by name alone, and distinguishable by every eye."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
import yaml
from conftest import ROOT
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from aeexp.plots import palette
from aeexp.plots.palette import COLOURS, LINE_STYLES, MARKERS, colour, line_style, marker

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
DICHROMACY = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
TABLES = sorted((ROOT / "configs" / "table").glob("*.yaml"))


def cielab(rgb, matrix):
    rgb = np.asarray(rgb)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ np.transpose(matrix), 0, 1) @ np.transpose(XYZ) / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


@pytest.mark.parametrize("eye", DICHROMACY)
def test_the_colours_differ_for_every_eye_and_from_white(eye):
    places = cielab([to_rgb(code) for code in [*COLOURS, "white"]], DICHROMACY[eye])
    assert len({*COLOURS}) == len(COLOURS) >= 10
    assert min(np.linalg.norm(one - other) for one, other in combinations(places, 2)) > 20


def test_markers_and_line_styles_are_ones_that_matplotlib_draws():
    assert len({*MARKERS}) == len(MARKERS) >= 10
    for mark in MARKERS:
        for style in LINE_STYLES:
            assert Line2D([0], [0], marker=mark, linestyle=style).get_marker() == mark


def test_a_look_depends_on_the_name_alone(monkeypatch):
    names = ["vae", "deep", "a_new_model", "another"]
    before = [(colour(name), marker(name), line_style(name)) for name in names]
    monkeypatch.setattr(palette, "PLACES", {**palette.PLACES, "yet_another": len(palette.PLACES)})
    assert [(colour(name), marker(name), line_style(name)) for name in names] == before
    assert before[0][0] == to_rgb(COLOURS[0])


def test_the_palette_reads_no_configuration_and_needs_no_torch():
    code = "import builtins, sys, pathlib; sys.modules['torch'] = None\nfrom aeexp.plots import palette\n"
    code += "builtins.open = pathlib.Path.open = pathlib.Path.glob = None; print(palette.colour('x'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_the_models_of_one_table_look_different(file):
    table = yaml.safe_load(file.read_text())["table"]
    names = next(table["sweep"][key] for key in ("model", "experiment") if key in table["sweep"])
    looks = {(colour(name), marker(name)) for name in names}
    assert len(looks) == len(names)


def test_names_without_a_place_are_spread_over_all_looks():
    names = [f"model_{n}" for n in range(2000)]
    assert {colour(name) for name in names} == {to_rgb(code) for code in COLOURS}
    assert {marker(name) for name in names} == {*MARKERS}
    assert len({(colour(name), marker(name), line_style(name)) for name in names}) > 400
