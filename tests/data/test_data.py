"""The data: splits, labels, batches and their order, and files that are either right or refused."""

import hashlib
import struct
from collections import Counter
from pathlib import Path

import pytest
import torch
import torchvision
import yaml

from aeexp.data.examples import Examples, InOrder, Shuffled, WithLabelled
from aeexp.data.labels import draw
from aeexp.data.module import DataModule
from aeexp.data.sources import Digits, Torchvision
from aeexp.errors import UserError

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
N = 200


class Numbered:
    """Example i is one pixel of value i, its label i % 4; `own` examples more are the test part."""

    def __init__(self, own=0, classes=4):
        self.own, self.classes = own, classes

    def prepare(self, root):
        pass

    def load(self, root):
        x = torch.arange(N + self.own, dtype=torch.uint8).reshape(-1, 1, 1, 1)
        y = self.label(x)
        return (x[:N], y[:N]), ((x[N:], y[N:]) if self.own else None)

    def label(self, x):
        i = x.flatten().long()
        return i % self.classes if self.classes else torch.full_like(i, -1)


def images(**options):
    defaults = {
        "name": "numbered",
        "source": Numbered(),
        "root": "",
        "shape": [1, 1, 1],
        "classes": 4,
        "peak": 255,
        "scale": 1.0,
        "val": 0.1,
        "test": 0.2,
        "seed": 0,
        "labels": 1.0,
        "stratified": False,
        "label_seed": 0,
        "batch_size": 16,
    }
    data = DataModule(**{**defaults, **options})
    data.prepare_data()
    data.setup()
    return data


def pixels(part):
    return part.x.flatten().tolist()


def refusal(call, *args, **kwargs):
    """The one sentence in which the call is refused."""
    with pytest.raises(UserError) as error:
        call(*args, **kwargs)
    assert "\n" not in str(error.value)
    return str(error.value)


# splits


@pytest.mark.parametrize("options", [{}, {"labels": 20, "stratified": True}, {"val": 7, "test": 9}], ids=str)
def test_same_seeds_give_the_same_split(options):
    one, two = images(**options), images(**options)
    assert one.digest == two.digest
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(one, part).x, getattr(two, part).x)
        assert torch.equal(getattr(one, part).y, getattr(two, part).y)


def test_digest_changes_with_whatever_changes_the_split_or_its_labels():
    changes = [
        {},
        {"seed": 1},
        {"seed": 2},
        {"val": 0.2},
        {"test": 0.1},
        {"labels": 20},
        {"val": 0.2, "test": 0.1},
    ]
    changes += [{"labels": 20, "label_seed": 1}, {"labels": 20, "stratified": True}]
    assert len({images(**change).digest for change in changes}) == len(changes)


def test_digest_ignores_what_leaves_the_split_alone():
    assert images().digest == images(batch_size=5, scale=255, label_seed=1).digest


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("val", "test"), [(0.1, 0.2), (20, 40), (1, 198), (0.25, 1)])
def test_parts_share_no_example_and_lose_none(val, test, seed):
    data = images(val=val, test=test, seed=seed)
    assert len(data.val) == (val if isinstance(val, int) else val * N)
    assert len(data.test) == (test if isinstance(test, int) else test * N)
    assert sorted(pixels(data.train) + pixels(data.val) + pixels(data.test)) == list(range(N))


def test_own_test_part_is_kept_whole_where_none_is_asked_for():
    data = images(source=Numbered(own=30), test=None)
    assert pixels(data.test) == list(range(N, N + 30))
    assert sorted(pixels(data.train) + pixels(data.val)) == list(range(N))


def test_own_test_part_is_left_out_where_another_is_asked_for():
    data = images(source=Numbered(own=30), test=40)
    assert len(data.test) == 40
    assert sorted(pixels(data.train) + pixels(data.val) + pixels(data.test)) == list(range(N))


def test_images_keep_their_own_labels():
    data = images()
    for part in (data.train, data.val, data.test):
        assert torch.equal(part.y, data.source.label(part.x))


def test_setup_splits_once():
    data = images()
    train = data.train
    data.setup("fit")
    assert data.train is train


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"val": 0.5, "test": 0.5}, "none of 200"),
        ({"val": 150, "test": 150}, "none of 200"),
        ({"val": 0}, "data.val=0"),
        ({"val": N}, "data.val=200"),
        ({"val": 1.0}, "data.val=1.0"),
        ({"val": 0.001}, "data.val=0.001"),
        ({"test": -1}, "data.test=-1"),
        ({"test": 1.5}, "data.test=1.5"),
        ({"batch_size": 0}, "data.batch_size"),
        ({"scale": 0}, "data.scale"),
    ],
    ids=str,
)
def test_split_that_leaves_nothing_is_refused(options, named):
    assert named in refusal(images, **options)


# labels


@pytest.mark.parametrize(("labels", "n"), [(1, 1), (20, 20), (140, 140), (0.1, 14), (0.5, 70), (1.0, 140)])
def test_as_many_training_examples_keep_their_label_as_asked_for(labels, n):
    data = images(labels=labels)
    known = data.train.y >= 0
    assert known.sum() == n and len(data.train) == 140
    assert torch.equal(data.train.y[known], data.source.label(data.train.x)[known])
    assert (data.train.y[~known] == -1).all()
    for part in (data.val, data.test):
        assert torch.equal(part.y, data.source.label(part.x))


def test_labels_follow_their_own_seed_and_leave_the_images_alone():
    one, two = images(labels=20, label_seed=0), images(labels=20, label_seed=1)
    assert torch.equal(one.train.x, two.train.x)
    assert not torch.equal(one.train.y, two.train.y)


@pytest.mark.parametrize("labels", [20, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_stratified_labels_keep_the_shares_of_the_classes(labels, seed):
    y = torch.arange(10).repeat(20).sort().values.clamp(max=7)  # seven classes of 20, one of 60
    chosen = draw(y, labels, True, seed)
    assert y[chosen].bincount().tolist() == [2, 2, 2, 2, 2, 2, 2, 6]
    assert len(chosen.unique()) == 20


@pytest.mark.parametrize("stratified", [False, True])
def test_only_known_labels_are_drawn_and_each_at_most_once(stratified):
    y = torch.tensor([0, -1, 1, -1, 0, 1] * 10)
    chosen = draw(y, 12, stratified, seed=0)
    assert len(chosen.unique()) == 12 and (y[chosen] >= 0).all()
    assert torch.equal(chosen, draw(y, 12, stratified, seed=0))
    assert not torch.equal(chosen, draw(y, 12, stratified, seed=1))


def test_random_labels_are_drawn_alike_from_all_examples():
    n, draws = 40, 1000
    often = torch.cat([draw(torch.zeros(n), 10, False, seed) for seed in range(draws)]).bincount(minlength=n)
    expected, std = draws / 4, (draws / 4 * 3 / 4) ** 0.5
    assert ((often - expected).abs() < 5 * std).all()


@pytest.mark.parametrize("labels", [1, 0.5])
@pytest.mark.parametrize("stratified", [False, True])
def test_labels_of_an_unlabelled_set_are_refused(labels, stratified):
    text = refusal(images, source=Numbered(classes=0), labels=labels, stratified=stratified)
    assert f"labels={labels}" in text and "none" in text


def test_all_labels_of_an_unlabelled_set_are_none():
    data = images(source=Numbered(classes=0), labels=1.0)
    assert len(data.train) == 140 and (data.train.y == -1).all()


@pytest.mark.parametrize("labels", [0, -1, 141, 1.1, 0.0, 0.001])
@pytest.mark.parametrize("stratified", [False, True])
def test_too_many_or_too_few_labels_are_refused(labels, stratified):
    text = refusal(images, labels=labels, stratified=stratified)
    assert f"labels={labels}" in text and "140" in text


@pytest.mark.parametrize("labels", [3, 137])
def test_stratified_labels_that_leave_a_class_without_an_example_are_refused(labels):
    assert f"labels={labels}" in refusal(images, labels=labels, stratified=True)


@pytest.mark.parametrize(("rare", "labels"), [(1, 4), (5, 2)])
def test_stratified_labels_that_miss_a_rare_class_are_refused(rare, labels):
    y = torch.tensor([0] * 95 + [1] * rare)
    assert f"labels={labels}" in refusal(draw, y, labels, True, 0)


# batches


@pytest.mark.parametrize("factor", [1.0, 1 / 255, 255 / 16])
def test_batches_are_the_bytes_times_the_factor(factor):
    x, y = torch.randint(256, (11, 2, 3, 4), dtype=torch.uint8), torch.arange(11)
    before, data = x.clone(), Examples(x, y, factor)
    index = torch.tensor([7, 0, 7, 10])
    batch = data[index]
    torch.testing.assert_close(batch.x, before[index] * torch.tensor(factor))
    assert torch.equal(batch.y, index)
    assert batch.x.dtype == torch.float32 and torch.equal(x, before)


def test_floats_are_left_as_they_are_however_often_they_are_read():
    x = torch.rand(11, 5)
    before, data = x.clone(), Examples(x, torch.zeros(11, dtype=torch.int64), 255.0)
    for _ in range(2):
        assert torch.equal(torch.cat([batch.x for batch in data.batches(4)]), before * 255)
        assert torch.equal(data[torch.tensor([3, 3])].x, before[[3, 3]] * 255)
    assert torch.equal(x, before)


@pytest.mark.parametrize("size", [1, 4, 11, 20])
def test_batches_cover_the_set_in_order(size):
    x, y = torch.randint(256, (11, 2, 3), dtype=torch.uint8), torch.arange(11)
    batches = list(Examples(x, y, 0.5).batches(size))
    assert torch.equal(torch.cat([batch.x for batch in batches]), x * 0.5)
    assert torch.equal(torch.cat([batch.y for batch in batches]), y)
    assert [len(batch.x) for batch in batches[:-1]] == [size] * (len(batches) - 1)


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_a_white_pixel_has_the_value_of_scale(scale):
    data = images(peak=N - 1, scale=scale)
    values = torch.cat([batch.x for part in (data.train, data.val, data.test) for batch in part.batches(50)])
    torch.testing.assert_close(values.max(), torch.tensor(scale))
    assert values.min() == 0


def test_one_epoch_of_the_loaders_shows_each_example_once_and_validation_in_order():
    data = images()
    train = torch.cat([batch.x for batch in data.train_dataloader()]).flatten()
    val = torch.cat([batch.x for batch in data.val_dataloader()]).flatten()
    of = [torch.tensor(pixels(part)) / 255 for part in (data.train, data.val)]
    torch.testing.assert_close(train.sort().values, of[0].sort().values)
    assert not torch.equal(train, of[0])
    torch.testing.assert_close(val, of[1])


sizes = pytest.mark.parametrize(("n", "batch_size"), [(20, 4), (23, 4), (23, 1), (3, 8), (8, 8)])


def epoch_of(n, batch_size, seed=0, epoch=0, world=1, rank=0):
    sampler = Shuffled(n, batch_size, seed, world, rank)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    return batches


@sizes
@pytest.mark.parametrize("epoch", [0, 3])
def test_each_epoch_is_a_permutation(n, batch_size, epoch):
    batches = epoch_of(n, batch_size, epoch=epoch)
    assert torch.equal(torch.cat(batches).sort().values, torch.arange(n))
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}


def test_labelled_examples_join_each_batch_beside_the_permutation():
    y = torch.full((23,), -1)
    y[[2, 5, 7, 11, 13]] = 1
    order = Shuffled(23, 4, 0, 1, 0)
    sampler = WithLabelled(order, y, 3)
    batches = iter(sampler)  # a resumed training makes its iterator first
    sampler.set_epoch(2)
    batches = list(batches)
    assert len(batches) == len(sampler) == 6
    assert torch.equal(torch.cat([batch[:-3] for batch in batches]), torch.cat(epoch_of(23, 4, epoch=2)))
    joined = [tuple(sorted(batch[-3:].tolist())) for batch in batches]
    assert all(len({*three}) == 3 and {*three} <= {2, 5, 7, 11, 13} for three in joined)
    assert len({*joined}) > 1
    assert all(map(torch.equal, batches, sampler))  # alike again
    data = images(labels=5, labelled=2)
    assert {int((batch.y >= 0).sum()) for batch in data.train_dataloader()} <= {2, 3, 4, 5, 6, 7}
    for n, labels in ((6, 5), (0, 5), (5, 4)):
        with pytest.raises(UserError, match=rf"data.labelled={n} .* {labels} training examples .* choose a number"):
            images(labels=labels, labelled=n)


def test_order_depends_on_seed_and_epoch_and_on_nothing_else():
    orders = [torch.cat(epoch_of(50, 8, seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert len({tuple(order.tolist()) for order in orders}) == 9
    torch.manual_seed(5)
    again = [torch.cat(epoch_of(50, 8, seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert all(map(torch.equal, orders, again))


def test_order_is_that_of_the_epoch_set_before_the_first_batch_is_asked_for():
    sampler = Shuffled(50, 8, 0, 1, 0)
    batches = iter(sampler)  # a resumed training makes its iterator first
    sampler.set_epoch(3)
    assert torch.equal(torch.cat(list(batches)), torch.cat(epoch_of(50, 8, epoch=3)))


def test_loaders_draw_nothing_from_the_noise_of_the_training():
    data, state = images(), torch.get_rng_state()
    assert len(list(data.train_dataloader())) == 9 and len(list(data.val_dataloader())) == 2
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize(("n", "batch_size"), [(20, 4), (23, 4), (24, 4), (23, 1)])
def test_processes_share_no_example_and_take_equally_many_batches(n, batch_size, world):
    ranks = [epoch_of(n, batch_size, world=world, rank=rank) for rank in range(world)]
    whole, taken = epoch_of(n, batch_size), [i for batches in ranks for i in torch.cat(batches).tolist()]
    assert len(set(taken)) == len(taken)
    assert {len(batches) for batches in ranks} == {len(whole) // world}


def test_processes_take_equally_many_batches_where_there_are_fewer_than_processes():
    assert len({len(epoch_of(8, 4, world=3, rank=rank)) for rank in range(3)}) == 1


@sizes
def test_in_order_is_in_order(n, batch_size):
    batches = list(InOrder(n, batch_size))
    assert torch.equal(torch.cat(batches), torch.arange(n))
    assert len(batches) == len(InOrder(n, batch_size))


# sources


def test_digits_are_all_there():
    (x, y), test = Digits().load(Path())
    assert x.shape == (1797, 1, 8, 8) and x.dtype == torch.uint8 and x.max() == 16
    assert y.unique().tolist() == list(range(10)) and y.dtype == torch.int64 and test is None


def idx(array):
    """The bytes of an IDX file: two zeros, 8 for bytes, the number of axes, each axis, the values."""
    return struct.pack(f">HBB{array.dim()}I", 0, 8, array.dim(), *array.shape) + array.numpy().tobytes()


@pytest.fixture
def mnist(tmp_path):
    """Six training and four test images of 3x2 pixels, and the source that knows their checksums."""
    x, y = torch.randint(256, (10, 3, 2), dtype=torch.uint8), torch.randint(10, (10,), dtype=torch.uint8)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, part in {"train": slice(6), "t10k": slice(6, None)}.items():
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(x[part]))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(y[part]))
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in raw.iterdir()}
    return Torchvision("MNIST", md5), tmp_path, x, y


@pytest.fixture
def no_network(monkeypatch):
    def fails(self):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nno route to host")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", fails)


FILES = [f"{part}-{model}-ubyte" for part in ("train", "t10k") for model in ("images-idx3", "labels-idx1")]


def test_idx_files_are_read_as_they_were_written(mnist, no_network):
    source, root, x, y = mnist
    source.prepare(root)
    train, test = source.load(root)
    for (images, labels), part in ((train, slice(6)), (test, slice(6, None))):
        assert torch.equal(images, x[part, None]) and images.dtype == torch.uint8
        assert torch.equal(labels, y[part].long()) and labels.dtype == torch.int64


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["truncated", "flipped", "longer"])
def test_damaged_file_is_refused_by_name(mnist, file, damage):
    source, root, *_ = mnist
    path = root / "MNIST" / "raw" / file
    good = path.read_bytes()
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    path.write_bytes({"truncated": good[:-1], "flipped": flipped, "longer": good + b"\0"}[damage])
    text = refusal(source.load, root)
    assert str(path) in text and "MD5" in text and "remove the file" in text
    path.write_bytes(good)
    source.load(root)


@pytest.mark.parametrize("file", FILES)
def test_missing_file_without_a_network_is_refused_with_a_way_out(mnist, no_network, file):
    source, root, *_ = mnist
    (root / "MNIST" / "raw" / file).unlink()
    text = refusal(source.prepare, root)
    assert file in text and "data=digits" in text and str(root) in text and "Error downloading" in text
    assert not any(other in text.split("looked for")[1].split(" in ")[0] for other in set(FILES) - {file})


def test_missing_files_are_downloaded_where_that_is_possible(mnist, tmp_path, monkeypatch):
    source, root, *_ = mnist
    path = root / "MNIST" / "raw" / FILES[0]
    good = path.read_bytes()
    path.unlink()
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", lambda self: path.write_bytes(good))
    source.prepare(root)
    source.load(root)


@pytest.mark.realdata
def test_published_mnist_is_what_its_config_says():
    if not (SHARED / "MNIST" / "raw").is_dir():
        pytest.skip(f"{SHARED} holds no MNIST")
    node = yaml.safe_load((ROOT / "configs" / "data" / "mnist.yaml").read_text())["source"]
    source = Torchvision(node["name"], node["md5"])
    source.prepare(SHARED)
    train, test = source.load(SHARED)
    counts = [  # of the digits 0 to 9, as published
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    ]
    for (x, y), n, published in zip((train, test), (60_000, 10_000), counts, strict=True):
        assert x.shape == (n, 1, 28, 28) and x.dtype == torch.uint8
        assert [Counter(y.tolist())[digit] for digit in range(10)] == published
