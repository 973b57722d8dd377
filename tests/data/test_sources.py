"""Where examples come from besides MNIST: published archives, folders, arrays, series, sound; and views of classes."""

import bz2
import hashlib
import pickle
import wave
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
import torchvision
from PIL import Image
from scipy.io import wavfile

from aeexp.app.components import make_data
from aeexp.app.sweep import CONFIGS, points
from aeexp.data.array import Array
from aeexp.data.class_filters import LeaveOut, OneClass
from aeexp.data.folder import Folder
from aeexp.data.module import DataModule
from aeexp.data.series import Series
from aeexp.data.sources import CIFAR10, USPS, Facts, Torchvision
from aeexp.data.speech import RATE, LogMel, Raw, SpokenDigits
from aeexp.errors import UserError
from aeexp.runs.identity import identity

SHARED = Path(__file__).parents[3] / "shared" / "data"


def refusal(call, *args, **kwargs):
    """The one sentence in which the call is refused."""
    with pytest.raises(UserError) as error:
        call(*args, **kwargs)
    assert "\n" not in str(error.value)
    return str(error.value)


def module(source, root, **options):
    said = {"shape": None, "classes": None, "peak": None, "scale": 1, "val": 0.1, "test": 0.2, "seed": 0}
    said |= {"labels": 1.0, "stratified": False, "label_seed": 0, "batch_size": 8}
    data = DataModule("mine", source, str(root), **{**said, **options})
    data.prepare_data()
    data.setup()
    return data


def everything(data):
    return torch.cat([batch.x for part in (data.train, data.val, data.test) for batch in part.batches(50)])


# published archives


def md5_of(*files):
    return {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Two images a batch in torchvision's own layout: a pickle of rows, all of red first, then green, then blue."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    rows = np.random.default_rng(0).integers(0, 256, (12, 3072), dtype=np.uint8)
    for i, name in enumerate(names):
        content = {"data": rows[2 * i : 2 * i + 2], "labels": [i, 9 - i]}
        (folder / name).write_bytes(pickle.dumps(content))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    md5 = md5_of(*folder.iterdir())
    reader = torchvision.datasets.CIFAR10
    monkeypatch.setattr(reader, "train_list", [[name, md5[name]] for name in names[:5]])
    monkeypatch.setattr(reader, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": md5["batches.meta"]})
    return CIFAR10("CIFAR10", md5), tmp_path, torch.as_tensor(rows)


def test_cifar_images_have_their_colours_in_front(cifar):
    source, root, rows = cifar
    source.prepare(root)
    train, test = source.load(root)
    for (x, y), part in ((train, rows[:10]), (test, rows[10:])):
        assert torch.equal(x, part.reshape(-1, 3, 32, 32)) and x.dtype == torch.uint8 and x.is_contiguous()
        assert y.dtype == torch.int64
    assert train[1].tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]


def test_a_damaged_pickle_is_refused_before_it_is_opened_whatever_checksums_are_given(cifar, monkeypatch):
    source, root, _ = cifar
    (root / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"evil")
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("a file that is not the published one was opened"))
    assert "data_batch_1 is damaged" in refusal(source.load, root)
    for checksums in ({}, {"data_batch_1": None}):
        assert "is not CIFAR10 as published" in refusal(CIFAR10("CIFAR10", checksums).load, root)


@pytest.mark.parametrize("name", ["ImageFolder", "QMNIST", "utils", "__doc__", "CIFAR10"])
def test_what_torchvision_does_not_read_in_this_way_is_refused(name):
    assert f"data.source.name={name} is not read in this way: choose MNIST or" in refusal(Torchvision, name, {})


@pytest.mark.parametrize(("source", "place"), [(USPS, "USPS"), (CIFAR10, "cifar-10-batches-py")])
def test_what_is_missing_and_cannot_be_downloaded_is_named(source, place, tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.usps.download_url", offline)
    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", offline)
    text = refusal(source(source.__name__, {"a": None, "b": None}).prepare, tmp_path)
    assert all(part in text for part in ("looked for a, b", str(tmp_path / place), "no route to host", "data=digits"))


def test_usps_is_read_and_a_checksum_of_null_lets_any_file_pass(tmp_path):
    folder = tmp_path / "USPS"
    folder.mkdir()
    pixels = np.linspace(-1, 1, 256)
    line = "10 " + " ".join(f"{i + 1}:{value:.6f}" for i, value in enumerate(pixels)) + "\n"
    for name in ("usps.bz2", "usps.t.bz2"):
        (folder / name).write_bytes(bz2.compress(line.encode()))
    source = USPS("USPS", {"usps.bz2": None, "usps.t.bz2": None})
    source.prepare(tmp_path)
    (x, y), _ = source.load(tmp_path)
    assert x.shape == (1, 1, 16, 16) and y.tolist() == [9]
    assert (x.flatten().double() / 255 - torch.as_tensor((pixels + 1) / 2)).abs().max() < 1.01 / 255
    assert "null" in refusal(USPS("USPS", {"usps.bz2": "0" * 32}).load, tmp_path)


# folders


def folder(root, **options):
    said = {"path": "pictures", "shape": None, "resize": False, "skip_broken": False, "cache": str(root / "cache")}
    return Folder(**{**said, **options})


def paint(file, array, **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(file, **options)


@pytest.fixture
def pictures(tmp_path):
    """Three classes of four coloured images of 6x5 pixels, class c and number i: 10 c + i is their red."""
    for c, name in enumerate("abc"):
        for i in range(4):
            pixels = np.zeros((6, 5, 3), dtype=np.uint8)
            pixels[..., 0] = 10 * c + i
            pixels[1, 2] = 200
            paint(tmp_path / "pictures" / name / f"{i}.png", pixels)
    return tmp_path


def test_subfolders_are_classes_and_pixels_stay_as_they_were(pictures):
    source = folder(pictures)
    assert source.describe(pictures) == Facts([3, 6, 5], 3, False, 255, ["a", "b", "c"])
    (x, y), test = source.load(pictures)
    assert test is None and x.shape == (12, 3, 6, 5) and x.dtype == torch.uint8
    assert y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert x[:, 0, 0, 0].tolist() == [10 * c + i for c in range(3) for i in range(4)]
    assert (x[:, :, 1, 2] == 200).all() and (x[:, 1:, 0] == 0).all()


def test_images_are_decoded_once_until_a_file_changes(pictures, monkeypatch):
    file = pictures / "pictures" / "a" / "0.png"
    file.write_bytes(file.read_bytes().ljust(500, b"\0"))  # what follows an image's end is not read
    folder(pictures).prepare(pictures)
    opened, real = [], Image.open
    monkeypatch.setattr(Image, "open", lambda file: opened.append(file) or real(file))
    first = folder(pictures, shape=[3, 6, 5]).load(pictures)
    assert opened == []
    paint(file, np.full((6, 5, 3), 77, dtype=np.uint8))
    file.write_bytes(file.read_bytes().ljust(500, b"\0"))  # as long as it was
    second = folder(pictures, shape=[3, 6, 5]).load(pictures)
    assert len(opened) == 12
    assert (second[0][0][0] == 77).all() and torch.equal(first[0][0][1:], second[0][0][1:])
    assert not (pictures / "pictures" / "cache").exists()


def test_train_and_test_are_the_parts_and_share_their_classes(pictures):
    for part in ("train", "test"):
        paint(pictures / "split" / part / "b" / "0.png", np.full((4, 4), 3, dtype=np.uint8))
    paint(pictures / "split" / "train" / "a" / "0.png", np.full((4, 4), 9, dtype=np.uint8))
    source = folder(pictures, path="split")
    assert source.describe(pictures) == Facts([1, 4, 4], 2, True, 255, ["a", "b"])
    (x, y), test = source.load(pictures)
    assert y.tolist() == [0, 1] and test[1].tolist() == [1] and x[0].unique().tolist() == [9]
    paint(pictures / "split" / "test" / "c" / "0.png", np.full((4, 4), 3, dtype=np.uint8))
    assert "classes c" in refusal(source.load, pictures)


def test_a_flat_folder_has_no_labels(pictures):
    paint(pictures / "flat" / "0.jpg", np.full((8, 8), 100, dtype=np.uint8))
    (x, y), _ = folder(pictures, path="flat").load(pictures)
    assert y.tolist() == [-1] and x.shape == (1, 1, 8, 8)
    assert folder(pictures, path="flat").describe(pictures).classes == 0


def test_size_and_channels_are_options(pictures):
    (x, _), _ = folder(pictures, shape=[1, 12, 10], resize=True).load(pictures)
    assert x.shape == (12, 1, 12, 10)
    gray = 0.299 * 200 + 0.587 * 200 + 0.114 * 200
    (x, _), _ = folder(pictures, shape=[1, 6, 5]).load(pictures)
    assert abs(x[0, 0, 1, 2].item() - gray) <= 1


def test_mixed_sizes_are_refused_by_name_or_resized(pictures):
    paint(pictures / "pictures" / "c" / "3.png", np.zeros((7, 5, 3), dtype=np.uint8))
    text = refusal(folder(pictures).load, pictures)
    assert "3.png is 7x5" in text and "6x5" in text and "resize=true" in text
    assert len(folder(pictures, resize=True).load(pictures)[0][0]) == 12


@pytest.mark.parametrize("content", [b"", b"not an image", "half"])
def test_a_broken_file_is_refused_by_name_or_left_out(pictures, capsys, content):
    file = pictures / "pictures" / "b" / "2.png"
    if content == "half":
        paint(file, np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8))
        content = file.read_bytes()[:90]
    file.write_bytes(content)
    text = refusal(folder(pictures).load, pictures)
    assert str(file) in text and "skip_broken=true" in text
    (x, y), _ = folder(pictures, skip_broken=True).load(pictures)
    assert str(file) in capsys.readouterr().err
    assert y.tolist() == [0] * 4 + [1] * 3 + [2] * 4 and x[:, 0, 0, 0].tolist() == [
        0,
        1,
        2,
        3,
        10,
        11,
        13,
        20,
        21,
        22,
        23,
    ]


def test_pixels_of_16_bits_are_not_silently_cut_to_8(pictures):
    paint(pictures / "pictures" / "a" / "1.png", np.full((6, 5), 60_000, dtype=np.uint16))
    assert "8 bits" in refusal(folder(pictures).load, pictures)


def test_a_folder_that_is_none_or_holds_no_image_is_refused(pictures):
    (pictures / "empty").mkdir()
    (pictures / "empty" / "switches.txt").write_text("nothing")
    assert "is no folder" in refusal(folder(pictures, path="picture").load, pictures)
    assert "holds no image" in refusal(folder(pictures, path="empty").describe, pictures)
    assert "data.shape" in refusal(folder, pictures, shape=[2, 6, 5])
    for file in (pictures / "pictures").rglob("*.png"):
        file.write_bytes(b"")
    assert "none of the 12 images" in refusal(folder(pictures, skip_broken=True, shape=[3, 6, 5]).load, pictures)


def test_a_folder_without_a_test_part_is_split_and_says_so(pictures):
    data = module(folder(pictures), pictures, test=None)
    assert data.remarks == ["data=mine has no test part of its own: data.test=0.2 of it is taken"]
    assert (len(data.train), len(data.val), len(data.test)) == (9, 1, 2)
    assert data.shape == (3, 6, 5) and data.classes == 3 and data.class_names == ["a", "b", "c"]
    assert everything(data).max() == pytest.approx(200 / 255)
    assert module(folder(pictures), pictures).remarks == []


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
@pytest.mark.parametrize("test", [True, False])
def test_a_validation_folder_is_the_validation_part_and_no_class(pictures, val, test):
    for part, n in {"train": 6, val: 2, **({"test": 3} if test else {})}.items():
        for i in range(n):
            for c, name in enumerate("ab"):
                image = np.full((4, 4), 100 * c + 10 * (part == val) + 20 * (part == "test") + i, dtype=np.uint8)
                paint(pictures / "split" / part / name / f"{i}.png", image)
    data = module(folder(pictures, path="split"), pictures, test=None, val=0.5)
    assert data.classes == 2
    assert sorted((data.val.x[:, 0, 0, 0]).tolist()) == [10, 11, 110, 111]
    assert data.val.y.tolist() == [0, 0, 1, 1]
    if test:
        assert sorted((data.test.x[:, 0, 0, 0]).tolist()) == [20, 21, 22, 120, 121, 122]
    assert len(data.train) + (0 if test else len(data.test)) == 12


def test_two_validation_folders_are_refused(pictures):
    for part in ("train", "val", "valid"):
        paint(pictures / "split" / part / "a" / "0.png", np.zeros((4, 4), dtype=np.uint8))
    assert "both" in refusal(folder(pictures, path="split").load, pictures)


def test_names_that_begin_with_a_dot_are_skipped_at_every_level(pictures):
    for hidden in (".ipynb_checkpoints/0.png", "a/.ipynb_checkpoints/0.png", "a/._0.png", "a/.DS_Store"):
        file = pictures / "pictures" / hidden
        file.parent.mkdir(exist_ok=True)
        file.write_bytes((pictures / "pictures" / "a" / "0.png").read_bytes() if file.suffix else b"no image")
    (_, y), _ = folder(pictures).load(pictures)
    assert y.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_links_to_folders_and_files_are_followed_and_never_in_a_circle(pictures):
    (pictures / "linked").mkdir()
    (pictures / "linked" / "a").symlink_to(pictures / "pictures" / "a")
    (pictures / "linked" / "b").mkdir()
    (pictures / "linked" / "b" / "0.png").symlink_to(pictures / "pictures" / "b" / "2.png")
    (pictures / "linked" / "b" / "around").symlink_to(pictures / "linked")
    (x, y), _ = folder(pictures, path="linked").load(pictures)
    assert y.tolist() == [0] * 4 + [1]
    assert x[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 12]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
@pytest.mark.parametrize(("background", "expected"), [(255, [0, 255]), (0, [0, 0]), (100, [0, 100])])
def test_what_is_transparent_lies_on_the_background(pictures, mode, background, expected):
    """A drawing that is black throughout, and opaque in its left half alone."""
    alpha = np.zeros((4, 4), dtype=np.uint8)
    alpha[:, :2] = 255
    image = Image.merge("RGBA", [Image.new("L", (4, 4), 0)] * 3 + [Image.fromarray(alpha)])
    (pictures / "drawn").mkdir()
    if mode == "P":
        palette = Image.fromarray(np.where(alpha > 0, 1, 0).astype(np.uint8), "P")
        palette.putpalette([0] * 768)
        palette.save(pictures / "drawn" / "0.png", transparency=0)
    else:
        image.convert("RGBA" if mode == "PA" else mode).save(pictures / "drawn" / "0.png")
    (x, _), _ = folder(pictures, path="drawn", shape=[1, 4, 4], background=background).load(pictures)
    assert x[0, 0, 0].tolist() == [expected[0]] * 2 + [expected[1]] * 2


def test_pictures_are_upright_as_their_camera_says(pictures):
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    paint(pictures / "turned" / "0.png", pixels, exif=exif)
    source = folder(pictures, path="turned")
    assert source.describe(pictures).shape == [3, 6, 4]
    (x, _), _ = source.load(pictures)
    assert x[0, 0].nonzero().tolist() == [[0, 3]]


def test_gray_and_coloured_files_together_are_said(pictures, capsys):
    paint(pictures / "pictures" / "a" / "9.png", np.full((6, 5), 3, dtype=np.uint8))
    (x, _), _ = folder(pictures).load(pictures)
    assert x.shape == (13, 3, 6, 5)
    assert "1 of 13 images are gray, others coloured: all are read in colour" in capsys.readouterr().out


# arrays


def array(**options):
    return Array(**{"y": None, "test_x": None, "test_y": None, "shape": None, "range": None, **options})


@pytest.fixture
def arrays(tmp_path):
    """x.npy: 20 gray images of bytes; all.npz: coloured ones, channels last, with labels and a test part."""
    generator = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", generator.integers(0, 256, (20, 6, 5), dtype=np.uint8))
    np.save(tmp_path / "y.npy", np.arange(20) % 4)
    colours = generator.integers(0, 256, (25, 6, 5, 3), dtype=np.uint8)
    np.savez(tmp_path / "all.npz", x=colours[:20], test=colours[20:], y=np.arange(20) % 4, test_y=np.arange(5) % 4)
    np.save(tmp_path / "series.npy", generator.normal(size=(20, 7, 2)))
    np.save(tmp_path / "vectors.npy", generator.uniform(size=(20, 9)))
    return tmp_path


def test_bytes_are_gray_images_and_have_no_labels_unless_told(arrays):
    data = module(array(x="x.npy"), arrays)
    assert data.shape == (1, 6, 5) and data.classes == 0 and data.train.x.dtype == torch.uint8
    assert (torch.cat([data.train.y, data.val.y, data.test.y]) == -1).all()
    own = np.load(arrays / "x.npy") / 255
    assert everything(data).double().sum().item() == pytest.approx(own.sum(), rel=1e-5)
    labelled = module(array(x="x.npy", y="y.npy"), arrays)
    assert labelled.classes == 4
    assert torch.equal(torch.cat([labelled.train.y, labelled.val.y, labelled.test.y]).bincount(), torch.full((4,), 5))


def test_labels_asked_of_data_that_have_none_are_refused(arrays):
    assert "none" in refusal(module, array(x="x.npy"), arrays, labels=0.5)


def test_an_archive_gives_both_parts_and_turns_its_channels(arrays):
    said = array(x="all.npz:x", y="all.npz:y", test_x="all.npz:test", test_y="all.npz:test_y")
    assert said.describe(arrays) == Facts([3, 6, 5], 4, True, 255)
    (x, y), (test_x, test_y) = said.load(arrays)
    with np.load(arrays / "all.npz") as own:
        assert np.array_equal(x.permute(0, 2, 3, 1), own["x"]) and np.array_equal(
            test_x.permute(0, 2, 3, 1), own["test"]
        )
        assert np.array_equal(y, own["y"]) and np.array_equal(test_y, own["test_y"])
    asked = array(x="all.npz:x", shape=[3, 6, 5]).load(arrays)[0][0]
    assert torch.equal(asked, x)


def test_floats_are_read_in_0_1_or_mapped_from_their_range(arrays):
    assert torch.equal(
        everything(module(array(x="vectors.npy"), arrays)).sort(0).values[:1].ge(0), torch.ones(1, 9).bool()
    )
    text = refusal(module, array(x="series.npy"), arrays)
    assert "data.source.range" in text and "scaling=standard" in text and "outside of [0, 1]" in text
    (x, _), _ = array(x="series.npy", range=[-8.0, 8.0]).load(arrays)
    assert x.shape == (20, 7, 2) and x.dtype == torch.float32
    assert torch.allclose(x.double() * 16 - 8, torch.as_tensor(np.load(arrays / "series.npy")), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "dtype", "read"),
    [
        ((6, 5), np.uint8, [1, 6, 5]),
        ((6, 5, 1), np.float32, [1, 6, 5]),
        ((6, 5, 3), np.float32, [3, 6, 5]),
        ((6, 5, 4), np.uint8, [4, 6, 5]),
        ((3, 6, 5), np.uint8, [3, 6, 5]),
        ((10, 6, 5), np.float32, [10, 6, 5]),
        ((7, 2), np.float32, [7, 2]),
        ((9,), np.float32, [9]),
    ],
    ids=str,
)
def test_the_axis_of_the_channels_is_recognised(tmp_path, shape, dtype, read):
    own = np.random.default_rng(0).uniform(0, 1 if dtype == np.float32 else 255, (20, *shape)).astype(dtype)
    np.save(tmp_path / "x.npy", own)
    source = array(x="x.npy")
    assert source.describe(tmp_path).shape == read
    (x, _), _ = source.load(tmp_path)
    turned = len(shape) == 3 and read != list(shape)
    assert np.array_equal(x, np.moveaxis(own, -1, 1) if turned else own.reshape(20, *read))


@pytest.mark.parametrize(
    ("shape", "dtype", "choices"),
    [
        ((28, 28), np.float32, ["[1,28,28]", "[28,28]"]),
        ((3, 8, 3), np.uint8, ["[3, 8, 3]", "[3, 3, 8]"]),
        ((1, 8, 4), np.float32, ["[1, 8, 4]", "[4, 1, 8]"]),
    ],
    ids=str,
)
def test_what_may_be_read_in_two_ways_is_asked(tmp_path, shape, dtype, choices):
    np.save(tmp_path / "x.npy", np.zeros((20, *shape), dtype))
    text = refusal(array(x="x.npy").describe, tmp_path)
    assert f"two ways: choose data.shape={choices[0]}" in text and choices[1] in text


TABLES = {
    "x.csv": lambda table, file: table.to_csv(file, index=False),
    "x.tsv": lambda table, file: table.to_csv(file, index=False, sep="\t"),
    "x.parquet": lambda table, file: table.to_parquet(file),
}


@pytest.mark.parametrize("label", ["species", 1])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_an_example_a_row_and_a_column_of_labels(tmp_path, name, label):
    species = ["b", "a", None, "b"] * 5
    table = pandas.DataFrame({"length": np.arange(20.0), "species": species, "width": np.arange(20)})
    TABLES[name](table, tmp_path / name)
    source = array(x=name, label=label, range=[0.0, 20.0])
    assert source.describe(tmp_path) == Facts([2], 2, False, 1, ["a", "b"])
    (x, y), _ = source.load(tmp_path)
    assert torch.allclose(x * 20, torch.arange(20.0)[:, None].expand(20, 2))
    assert y.tolist() == [1, 0, -1, 1] * 5


def test_whole_numbers_of_a_table_are_labels_as_they_are(tmp_path):
    pandas.DataFrame({"x": [0.1, 0.2, 0.3], "y": [3, None, 0]}).to_csv(tmp_path / "x.csv", index=False)
    source = array(x="x.csv", label="y")
    assert source.load(tmp_path)[0][1].tolist() == [3, -1, 0] and source.describe(tmp_path).classes == 4


def test_tables_that_do_not_fit_are_refused(tmp_path):
    pandas.DataFrame({"x": [0.1, 0.2], "name": ["a", "b"], "y": [0, 1]}).to_csv(tmp_path / "x.csv", index=False)
    assert "not of numbers, name" in refusal(array(x="x.csv", label="y").load, tmp_path)
    assert "choose data.source.label of x, name, y" in refusal(array(x="x.csv", label="z").load, tmp_path)
    assert "no column 3" in refusal(array(x="x.csv", label=3).load, tmp_path)
    assert "is not there" in refusal(array(x="none.csv").prepare, tmp_path)
    (tmp_path / "damaged.parquet").write_bytes(b"no table")
    assert "damaged.parquet cannot be read" in refusal(array(x="damaged.parquet").prepare, tmp_path)
    (tmp_path / "empty.csv").write_text("a,b\n")
    assert "has no row" in refusal(array(x="empty.csv").prepare, tmp_path)
    assert "data.source.label" in refusal(array, x="x.npy", label="y")


def test_words_are_labels_in_their_order_and_have_names(arrays):
    words = np.array(["dog", "cat", "", "cow"] * 5)
    np.save(arrays / "words.npy", words)
    np.save(arrays / "new.npy", np.array(["dog", "bat"] * 10))
    data = module(array(x="x.npy", y="words.npy"), arrays, test=0.2)
    assert data.class_names == ["cat", "cow", "dog"] and data.classes == 3
    assert array(x="x.npy", y="words.npy").load(arrays)[0][1].tolist() == [2, 0, -1, 1] * 5
    other = array(x="x.npy", y="words.npy", test_x="x.npy", test_y="new.npy")
    assert "bat, which no training example has" in refusal(other.load, arrays)


def test_labels_that_only_the_test_part_has_are_refused(arrays):
    np.save(arrays / "more.npy", np.arange(20) % 5)
    source = array(x="x.npy", y="y.npy", test_x="x.npy", test_y="more.npy")
    assert "labels [4], which no training example has" in refusal(module, source, arrays, test=None)


def test_a_vector_can_be_read_as_an_image(arrays):
    data = module(array(x="vectors.npy", shape=[1, 3, 3]), arrays, shape=[1, 3, 3])
    assert data.shape == (1, 3, 3) and data.train.x.shape[1:] == (1, 3, 3)
    assert "data.shape" in refusal(module, array(x="vectors.npy", shape=[1, 3, 4]), arrays, shape=[1, 3, 4])


BAD = {
    "not.npy": (lambda file: file.write_bytes(b"no array"), "not an array"),
    "cut.npy": (lambda file: file.write_bytes((file.parent / "vectors.npy").read_bytes()[:300]), "damaged"),
    "objects.npy": (lambda file: np.save(file, np.array([{}, None]), allow_pickle=True), "real numbers"),
    "words.npy": (lambda file: np.save(file, np.array(["a", "b"])), "real numbers"),
    "one.npy": (lambda file: np.save(file, np.float32(3)), "real numbers"),
    "none.npy": (lambda file: np.save(file, np.zeros((0, 3))), "one example a row"),
    "nan.npy": (lambda file: np.save(file, np.full((4, 3), np.nan)), "not finite"),
    "missing.npy": (lambda file: None, "is not there"),
    "all.npz": (lambda file: None, "all.npz:x, all.npz:test"),
    "all.npz:z": (lambda file: None, "all.npz:x, all.npz:test"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_array_of_numbers_is_refused_by_name(arrays, name):
    make, said = BAD[name]
    make(arrays / name)
    text = refusal(array(x=name).load, arrays)
    assert said in text and name.split(":")[0] in text


@pytest.mark.parametrize("y", [np.arange(19), np.arange(20.0), np.arange(20)[:, None], np.arange(20) - 5], ids=str)
def test_labels_that_do_not_fit_are_refused(arrays, y):
    np.save(arrays / "wrong.npy", y)
    assert "wrong.npy" in refusal(array(x="x.npy", y="wrong.npy").describe, arrays)


def test_labels_that_are_not_there_are_refused_before_anything_is_read(arrays):
    assert "none.npy is not there" in refusal(array(x="x.npy", y="none.npy").prepare, arrays)
    said = {"x": "x.npy", "y": "y.npy", "test_x": "x.npy", "test_y": "all.npz:none"}
    assert "all.npz" in refusal(array(**said).prepare, arrays)


def test_parts_of_different_shapes_and_half_labelled_parts_are_refused(arrays):
    assert "shape" in refusal(array(x="x.npy", test_x="all.npz:test").load, arrays)
    assert "test_y" in refusal(array, x="all.npz:x", y="all.npz:y", test_x="all.npz:test")
    assert "range" in refusal(array, x="x.npy", range=[1.0, 0.0])


# series and sound


def test_series_are_mapped_from_their_range_and_classes_counted_from_nought(tmp_path):
    rows = np.array([[1, -2.0, 0.0, 2.0], [3, 1.0, -1.0, 0.5]])
    for name in ("a.txt", "b.txt"):
        np.savetxt(tmp_path / name, rows)
    source = Series("a.txt", "b.txt", [-2.0, 2.0], 1)
    source.prepare(tmp_path)
    (x, y), test = source.load(tmp_path)
    assert torch.equal(x, torch.tensor([[0, 0.5, 1], [0.75, 0.25, 0.625]])) and y.tolist() == [0, 2]
    assert torch.equal(test[0], x)
    assert "outside" in refusal(Series("a.txt", "b.txt", [-1.0, 2.0], 1).load, tmp_path)
    (tmp_path / "a.txt").write_text("1 two 3")
    assert "not a table" in refusal(source.load, tmp_path)
    (tmp_path / "b.txt").unlink()
    assert "b.txt" in refusal(source.prepare, tmp_path)


@pytest.mark.parametrize(("written", "read"), [((-1, 1), (0, 1)), ((0, 1), (0, 1)), ((7, 3), (1, 0))], ids=str)
def test_classes_that_are_not_counted_from_first_are_refused_or_counted_in_their_order(tmp_path, written, read):
    for name, order in (("a.txt", written), ("b.txt", written[::-1])):
        np.savetxt(tmp_path / name, [[label, 0.5, 0.25] for label in order])
    (_, y), (_, test_y) = Series("a.txt", "b.txt", [0.0, 1.0], None).load(tmp_path)
    assert y.tolist() == [*read] and test_y.tolist() == [*read[::-1]]
    if min(written) < 1:
        text = refusal(Series("a.txt", "b.txt", [0.0, 1.0], 1).load, tmp_path)
        assert "data.source.first=null" in text and str(min(written)) in text
    np.savetxt(tmp_path / "b.txt", [[9, 0.5, 0.25]])
    assert "9, which no training example has" in refusal(Series("a.txt", "b.txt", [0.0, 1.0], None).load, tmp_path)


@pytest.mark.parametrize(
    ("lines", "shape"), [(["1,2,3:up", "3,2,1:down"], (3,)), (["1,2:3,4:up", "3,1:0,1:down"], (2, 2))]
)
def test_the_header_of_a_ts_file_is_read_over_and_its_last_word_is_the_class(tmp_path, lines, shape):
    header = ["# comment", "@problemName Own", "@classLabel true up down", "@data"]
    for name in ("a.ts", "b.ts"):
        (tmp_path / name).write_text("\n".join([*header, *lines]))
    (x, y), _ = Series("a.ts", "b.ts", [0.0, 4.0], None).load(tmp_path)
    assert x.shape == (2, *shape) and y.tolist() == [1, 0]
    assert (x[0].flatten() * 4).tolist() == ([1, 2, 3] if shape == (3,) else [1, 3, 2, 4])


def tone(hertz, seconds=0.2, loudness=0.5):
    t = np.arange(int(seconds * RATE)) / RATE
    return (loudness * np.sin(2 * np.pi * hertz * t) * 2**15).astype("<i2")


def record(file, samples, channels=1, rate=RATE):
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as recording:
        recording.setnchannels(channels)
        recording.setsampwidth(2)
        recording.setframerate(rate)
        recording.writeframes(samples.tobytes())


@pytest.fixture
def recordings(tmp_path):
    for digit in range(3):
        for index in (0, 4, 5, 12):
            record(tmp_path / "wav" / f"{digit}_eva_{index}.wav", tone(400 * (digit + 1)))
    return tmp_path


def test_recordings_are_cut_or_filled_and_the_first_five_of_each_are_the_test_part(recordings):
    source = SpokenDigits("wav", Raw(2048))
    source.prepare(recordings)
    (x, y), (_, test_y) = source.load(recordings)
    assert x.shape == (6, 2048) and y.tolist() == [0, 0, 1, 1, 2, 2] and test_y.tolist() == y.tolist()
    own = torch.as_tensor(tone(400) / 2**15 / 2 + 0.5).float()
    assert torch.allclose(x[0, :1600], own) and (x[0, 1600:] == 0.5).all()
    assert torch.equal(SpokenDigits("wav", Raw(1000)).load(recordings)[0][0], x[:, :1000])


@pytest.mark.parametrize("hertz", [300, 1000, 2500])
def test_a_tone_lights_the_band_of_its_pitch_however_loud_it_is(hertz):
    sound = LogMel(2048, bands=24, hop=128, fft=512, decibels=60)
    quiet, loud = (sound(torch.as_tensor(tone(hertz, 0.256, level) / 2**15).float()[None]) for level in (0.1, 0.9))
    assert loud.shape == (1, 1, 24, 16)
    assert torch.allclose(quiet, loud, atol=0.02) and loud.max() == 1 and loud.min() >= 0
    mel = 2595 * np.log10(1 + hertz / 700) / (2595 * np.log10(1 + RATE / 2 / 700))
    assert abs(loud[0, 0, :, 8].argmax().item() - (mel * 25 - 1)) <= 1


@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<f4", "<f8", "u1", "24 bits"])
def test_recordings_of_every_depth_are_read_alike(recordings, dtype):
    own = tone(400) / 2**15
    file = recordings / "wav" / "0_eva_0.wav"
    if dtype == "24 bits":
        whole = np.round(own * 2**23).astype("<i4")
        with wave.open(str(file), "wb") as recording:
            recording.setparams((1, 3, RATE, len(own), "NONE", ""))
            recording.writeframes(whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    elif dtype == "u1":
        wavfile.write(file, RATE, (own * 128 + 128).round().astype(np.uint8))
    else:
        wavfile.write(file, RATE, (own * (1 if "f" in dtype else 2.0 ** (8 * int(dtype[-1]) - 1))).astype(dtype))
    (_, _), (test_x, _) = SpokenDigits("wav", Raw(1600)).load(recordings)
    assert torch.allclose(2 * test_x[0] - 1, torch.as_tensor(own).float(), atol=0.01 if dtype == "u1" else 1e-4)


@pytest.mark.parametrize("name", ["three_eva_0.wav", "3_eva_x.wav", "3_eva_much_0.wav"])
def test_a_recording_whose_name_does_not_fit_is_named(recordings, name):
    record(recordings / "wav" / name, tone(400))
    text = refusal(SpokenDigits("wav", Raw(100)).load, recordings)
    assert name in text and "7_jackson_32.wav" in text


@pytest.mark.parametrize("damage", ["empty", "stereo", "fast"])
def test_a_recording_of_another_kind_is_refused_by_name(recordings, damage):
    file = recordings / "wav" / "0_eva_0.wav"
    if damage == "empty":
        file.write_bytes(b"")
    else:
        record(file, tone(400), channels=2 if damage == "stereo" else 1, rate=44_100 if damage == "fast" else RATE)
    assert str(file) in refusal(SpokenDigits("wav", Raw(100)).load, recordings)
    assert "no recordings" in refusal(SpokenDigits("nowhere", Raw(100)).prepare, recordings)


# views


@pytest.mark.parametrize(
    ("class_filter", "kept"),
    [(OneClass([3]), {3}), (OneClass([0, 2]), {0, 2}), (LeaveOut([3]), {0, 1, 2})],
    ids=["one", "two", "all but one"],
)
def test_a_class_filter_narrows_what_is_trained_on_and_nothing_else(arrays, class_filter, kept):
    whole = module(array(x="x.npy", y="y.npy"), arrays, val=10)
    data = module(array(x="x.npy", y="y.npy"), arrays, val=10, class_filter=class_filter)
    for part in ("train", "val"):
        own, all_of_them = getattr(data, part), getattr(whole, part)
        mask = torch.tensor([y in kept for y in all_of_them.y.tolist()])
        assert 0 < len(own) < len(all_of_them)
        assert torch.equal(own.x, all_of_them.x[mask]) and torch.equal(own.y, all_of_them.y[mask])
    assert torch.equal(data.test.x, whole.test.x) and torch.equal(data.test.y, whole.test.y)
    assert data.digest != whole.digest


def test_unlabelled_examples_belong_to_no_class():
    y = torch.tensor([-1, 0, 1])
    assert OneClass([0]).normal(y).tolist() == [False, True, False]
    assert LeaveOut([0]).normal(y).tolist() == [False, False, True]


def test_a_class_filter_that_leaves_nothing_is_refused(arrays):
    text = refusal(module, array(x="x.npy", y="y.npy"), arrays, class_filter=OneClass([7]))
    assert "classes 0, 1, 2, 3" in text and "training" in text
    assert "without labels" in refusal(module, array(x="x.npy"), arrays, class_filter=LeaveOut([1]))
    assert "validation" in refusal(
        module, array(x="x.npy", y="y.npy"), arrays, val=1, class_filter=OneClass([0]), seed=1
    )


# as composed


def config_of(*words):
    (point,) = points("train", list(words))
    return point.config


NEEDED = {"folder": ["data.source.path=pictures"], "array": ["data.source.x=x.npy", "data.test=0.2"]}


@pytest.mark.slow
@pytest.mark.parametrize("class_filter", ["all", "one_class", "leave_out"])
def test_every_data_set_composes_with_every_view(class_filter):
    options = sorted(file.stem for file in (CONFIGS / "data").glob("*.yaml"))
    assert len(options) >= 10
    for name in options:
        data = config_of(f"data={name}", f"class_filter={class_filter}", *NEEDED.get(name, []))["data"]
        assert data["name"] == name
        assert ("class_filter" in data) == (
            class_filter != "all"
        )  # runs that were made before there were views keep their identity


def test_a_class_filter_is_chosen_in_words():
    data = make_data(config_of("data=digits", "class_filter=one_class", "data.class_filter.classes=[3,5]"))
    data.prepare_data()
    data.setup()
    assert set(data.train.y.tolist()) == set(data.val.y.tolist()) == {3, 5}
    assert set(data.test.y.tolist()) == set(range(10))


def test_where_decoded_images_are_kept_does_not_change_which_run_it_is():
    here, there, other = (
        identity(config_of("data=folder", f"data.source.path={path}", f"runs={runs}", "data.test=0.2"))
        for path, runs in (("a", "x"), ("a", "y"), ("b", "x"))
    )
    assert here == there != other


# the real ones


@pytest.mark.realdata
@pytest.mark.skipif(not (SHARED / "ECG5000").is_dir(), reason="no shared data")
def test_published_beats_and_digits_are_what_their_configs_say():
    counts = {"ecg5000": (500, 4500), "spoken_digits": (2700, 300), "spoken_digits_raw": (2700, 300)}
    for name, (train, test) in counts.items():
        data = make_data(config_of(f"data={name}", f"data.root={SHARED}"))
        data.prepare_data()
        data.setup()
        assert (len(data.train) + len(data.val), len(data.test)) == (train, test)
        assert len(data.test.y.unique()) == data.classes
        x = everything(data)
        assert x.shape[1:] == data.shape and x.min() >= 0 and x.max() <= 1
