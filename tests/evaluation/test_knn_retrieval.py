"""Neighbours and rankings against scikit-learn, brute force and codes whose answer is known."""

import numpy as np
import pytest
import torch
from labelled_oracle import CHANCE, Oracle, codes_of, constant, context, corner, noise
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier

from aeexp.context.label_budgets import LabelBudgets
from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.knn import KNN
from aeexp.evaluation.retrieval import Retrieval
from aeexp.metrics.buckets import binary, numbered, shared
from aeexp.metrics.neighbours import Cosine, Euclidean, Neighbours, Standardised, majority_vote
from aeexp.metrics.ranking import Distances, average_precision, precision, ranked


def knn(**settings):
    defaults = {
        "k": [5],
        "geometries": {"euclidean": Euclidean()},
        "labels": [1.0, 40],
        "draws": 3,
        "stratified": False,
        "seed": 0,
    }
    return KNN(**defaults | settings)


def retrieval(**settings):
    return Retrieval(**{"queries": 200, "at": [5, 50], "in_bucket": 5, "shown": 4, "seed": 0} | settings)


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def bits(*shape, seed=0):
    return torch.randint(2, shape, generator=torch.Generator().manual_seed(seed)).float()


def labels(n, seed=0, classes=4):
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))


def sorted_by_brute_force(queries, codes):
    distances = torch.cdist(queries.double(), codes.double(), compute_mode="donot_use_mm_for_euclid_dist")
    return distances.sort(dim=1, stable=True).indices


@pytest.mark.parametrize("n", [1, 3, 100, 2048, 4097, 9000])
@pytest.mark.parametrize("k", [1, 5, 200])
@pytest.mark.parametrize("codes", [gaussian, bits], ids=["real", "binary"])
def test_the_nearest_are_those_of_brute_force_and_of_equal_ones_the_earlier(n, k, codes):
    database, queries = codes(n, 7), codes(60, 7, seed=1)
    wanted = sorted_by_brute_force(queries, database)[:, :k]
    assert torch.equal(Neighbours(database).nearest(queries, k), wanted)


@pytest.mark.parametrize("width", [2, 800])
def test_the_nearest_of_wide_codes_and_of_many_queries(width):
    database, queries = gaussian(4200, width), gaussian(270, width, seed=1)
    assert torch.equal(Neighbours(database).nearest(queries, 3), sorted_by_brute_force(queries, database)[:, :3])


def test_codes_far_from_the_origin_keep_their_neighbours():
    database, queries = gaussian(3000, 6), gaussian(100, 6, seed=1)
    far = Neighbours(database + 3000).nearest(queries + 3000, 4)
    assert torch.equal(far, sorted_by_brute_force(queries + 3000, database + 3000)[:, :4])


def test_a_code_that_is_not_finite_is_refused():
    with pytest.raises(UserError, match="choose"):
        Neighbours(torch.tensor([[0.0], [torch.nan]]))


@pytest.mark.parametrize(
    ("geometry", "metric"), [(Euclidean(), "euclidean"), (Cosine(), "cosine"), (Standardised(), "seuclidean")]
)
@pytest.mark.parametrize("k", [1, 4])
def test_knn_is_that_of_scikit_learn(geometry, metric, k):
    scale = torch.tensor([1.0, 10.0, 0.1])
    z, test_z = gaussian(500, 3) * scale + 1, gaussian(300, 3, seed=1) * scale + 1
    y, test_y = labels(500), labels(300, 1)
    options = {"metric_params": {"V": z.double().var(0, correction=0).numpy()}} if metric == "seuclidean" else {}
    other = KNeighborsClassifier(k, algorithm="brute", metric=metric, **options).fit(z.double().numpy(), y.numpy())
    ours = knn(geometries={"": geometry}, k=[k], labels=[1.0])(codes_of(z, y, test_z, test_y)).metrics
    assert ours == {"k": k, "accuracy": pytest.approx(other.score(test_z.double().numpy(), test_y.numpy()))}


def test_knn_is_that_of_scikit_learn_where_most_distances_are_equal_and_the_earlier_is_nearer():
    z, test_z, y, test_y = bits(600, 6), bits(300, 6, seed=1), labels(600), labels(300, 1)
    hamming = (test_z[:, None] != z).sum(2).numpy() + 1e-6 * np.arange(600)
    other = KNeighborsClassifier(7, algorithm="brute", metric="precomputed").fit(np.zeros((600, 600)), y.numpy())
    ours = knn(k=[7], labels=[1.0])(codes_of(z, y, test_z, test_y)).metrics
    assert ours["accuracy"] == pytest.approx(other.score(hamming, test_y.numpy()))


def test_of_equally_common_labels_the_smallest_is_voted_for():
    assert majority_vote(torch.tensor([[3, 1, 1, 3], [2, 0, 2, 1], [5, 4, 3, 2]])).tolist() == [1, 2, 2]


class TestKNN:
    def test_a_code_that_holds_the_class_is_perfect(self):
        assert set(knn()(context(Oracle(corner))).metrics.items()) >= {("accuracy", 1.0), ("accuracy_40", 1.0)}

    @pytest.mark.parametrize("code", [constant, noise])
    def test_a_code_without_the_class_is_at_chance(self, code):
        assert CHANCE[0] < knn()(context(Oracle(code))).metrics["accuracy"] < CHANCE[1]

    def test_shuffled_labels_are_at_chance(self):
        shuffled = context(Oracle(corner))
        train = shuffled.data.train
        train.y = train.y[torch.randperm(len(train.y), generator=torch.Generator().manual_seed(3))]
        assert knn()(shuffled).metrics["accuracy"] < CHANCE[1]

    def test_unlabelled_examples_are_neither_neighbours_nor_queries(self):
        partly = context(Oracle(lambda x: corner(x) + 0.01 * noise(x)[:, :4]))
        partly.data.train.y[::2] = -1
        partly.data.test.y[::3] = -1
        assert knn()(partly).metrics["accuracy"] == 1.0

    def test_more_neighbours_than_codes_are_all_of_them(self):
        z, y = torch.arange(5.0)[:, None], torch.tensor([0, 0, 0, 1, 1])
        assert knn(k=[50], labels=[1.0])(codes_of(z, y, z, y)).metrics["accuracy"] == 0.6

    def test_data_without_labels_and_settings_without_sense_are_refused(self):
        blind = context(Oracle(corner))
        blind.data.train.y = torch.full_like(blind.data.train.y, -1)
        with pytest.raises(NotApplicable, match="choose"):
            knn()(blind)
        with pytest.raises(UserError, match="choose"):
            knn(k=[0])
        with pytest.raises(UserError, match="choose"):
            knn(geometries={})

    def test_k_and_geometry_are_chosen_on_validation_data_and_stored(self):
        y, val_y, test_y = labels(200), labels(200, 1), labels(300, 2)
        angle = [
            2 * torch.pi * each / 4 + 0.4 * gaussian(len(each), seed=i) for i, each in enumerate((y, val_y, test_y))
        ]
        z = [
            torch.stack([a.cos(), a.sin()], 1) * (3 * gaussian(len(a), 1, seed=i + 5)).exp()
            for i, a in enumerate(angle)
        ]  # the class is in the direction alone
        protocol = knn(k=[1, 20], geometries={"euclidean": Euclidean(), "cosine": Cosine()}, labels=[1.0, 100])
        result = protocol(codes_of(z[0], y, z[2], test_y, z[1], val_y))
        assert result.facts["geometry"] == result.facts["geometry_100"] == "cosine"
        assert result.metrics["k"] == result.metrics["k_100"] == 20
        assert "200 labelled validation examples" in result.facts["k"]
        blind = protocol(codes_of(z[0], y, z[2], test_y))
        assert (blind.facts["geometry"], blind.metrics["k"]) == ("euclidean", 1)
        assert "no labels" in blind.facts["k"]
        assert result.metrics["accuracy"] > blind.metrics["accuracy"] + 0.02


class TestLabelBudgets:
    def test_each_is_drawn_so_often_and_has_its_mean_and_deviation(self):
        seen, chosen_at = [], []

        def choose(positions):
            chosen_at.append(positions)
            return len(positions)

        def accuracy(positions, setting):
            assert setting == len(positions)
            seen.append(positions)
            return float(len(seen))

        metrics, settings = LabelBudgets([1.0, 0.1, 7], 3, False, 0).accuracies(labels(100), choose, accuracy)
        assert settings == {"": 100, "_0.1": 10, "_7": 7}
        assert all(a is b for a, b in zip(chosen_at, (seen[0], seen[1], seen[4]), strict=True))  # at the first draws
        assert [len(chosen) for chosen in seen] == [100, 10, 10, 10, 7, 7, 7]
        assert metrics["accuracy"] == 1
        assert (metrics["accuracy_0.1"], metrics["accuracy_0.1_std"], metrics["accuracy_7"]) == (3, 1, 6)
        assert len({tuple(chosen.tolist()) for chosen in seen[1:]}) == 6

    def test_what_asks_for_more_labels_than_there_are_is_left_out(self):
        y = labels(30)
        y[20:] = -1
        metrics, _ = LabelBudgets([1000, 0.01, 20], 2, False, 0).accuracies(y, len, lambda positions, _: len(positions))
        assert set(metrics) == {"accuracy"}

    def test_labels_of_one_class_are_refused(self):
        with pytest.raises(NotApplicable, match="of one class: choose"):
            LabelBudgets([1.0], 1, False, 0).accuracies(
                torch.zeros(9, dtype=torch.int64), len, lambda positions, _: 1.0
            )

    @pytest.mark.parametrize("wrong", [[0], [1.5], [-0.1], []])
    def test_impossible_numbers_of_labels_are_refused(self, wrong):
        with pytest.raises(UserError, match="choose"):
            LabelBudgets(wrong, 1, False, 0)


@pytest.mark.parametrize("codes", [gaussian, bits], ids=["real", "binary"])
def test_average_precision_is_that_of_scikit_learn_also_where_distances_are_equal(codes):
    distances = Distances(codes(400, 5))(codes(30, 5, seed=1))
    relevant = torch.zeros(400, dtype=torch.bool)
    relevant[100:170] = True
    wanted = [average_precision_score(relevant.numpy(), -row) for row in distances.numpy()]
    ranking = ranked(distances.clone(), slice(100, 170))
    assert average_precision(ranking) == pytest.approx(wanted)
    assert (ranked(distances.clone(), relevant.expand(30, -1)) == ranking).all()


def test_the_precision_of_equal_distances_is_the_mean_over_their_orders():
    distances, relevant = torch.tensor([[1.0, 2.0, 2.0, 2.0, 3.0]]), torch.tensor([[0, 1, 0, 0, 1]]).bool()
    ranking = ranked(distances, relevant)
    wanted = {1: 0, 2: 1 / 3 / 2, 3: 2 / 3 / 3, 4: 1 / 4, 5: 2 / 5, 9: 2 / 5}
    assert {k: precision(ranking, k)[0] for k in wanted} == pytest.approx(wanted)


def test_precision_is_the_share_among_the_first():
    distances, relevant = gaussian(20, 300).abs(), bits(20, 300, seed=1).bool()
    first = distances.argsort(1)[:, :9]
    wanted = relevant.gather(1, first).double().mean(1).numpy()
    assert precision(ranked(distances, relevant), 9) == pytest.approx(wanted)


@pytest.mark.parametrize("codes", [gaussian, bits], ids=["real", "binary"])
def test_distances_are_those_of_brute_force_and_exact_for_bits(codes):
    database, queries = codes(50, 9), codes(20, 9, seed=1)
    wanted = (queries[:, None] - database).square().sum(2)
    assert torch.allclose(Distances(database)(queries), wanted, atol=1e-5)
    if codes is bits:
        assert torch.equal(Distances(database)(queries), wanted)


class TestRetrieval:
    def test_a_code_that_holds_the_class_finds_all_of_it(self):
        metrics = retrieval()(context(Oracle(corner))).metrics
        assert {name: metrics[name] for name in ("precision_5", "precision_50", "map", "bits_map")} == {
            "precision_5": 1, "precision_50": 1, "map": 1, "bits_map": 1
        }  # fmt: skip
        assert metrics["buckets"] == 4
        assert metrics["bucket_answered"] == metrics["bucket_precision_5"] == metrics["saturation"] == 1

    def test_a_constant_code_finds_each_class_as_often_as_it_is_there(self):
        one = context(Oracle(constant))
        metrics, y, test_y = retrieval(queries=10**6)(one).metrics, one.data.train.y, one.data.test.y
        share = np.mean([(y == c).double().mean() for c in test_y])
        wanted = {name: pytest.approx(share) for name in ("precision_5", "map", "bits_map", "bucket_precision_5")}
        assert {name: metrics[name] for name in wanted} == wanted
        assert metrics["buckets"] == metrics["bucket_answered"] == 1

    def test_shuffled_labels_are_found_by_chance(self):
        z, y = gaussian(400, 5), labels(400)
        metrics = retrieval().score(z, y, gaussian(200, 5, seed=1), labels(200, 1))
        assert all(0.15 < metrics[name] < 0.35 for name in ("precision_50", "map", "bits_precision_50", "bits_map"))

    def test_the_mean_and_its_error_are_those_of_brute_force(self):
        z, test_z, y, test_y = gaussian(300, 4), gaussian(80, 4, seed=1), labels(300), labels(80, 1)
        z, test_z = z + 2 * y[:, None], test_z + 2 * test_y[:, None]
        distances = (test_z[:, None].double() - z.double()).square().sum(2).numpy()
        pairs = zip(test_y, distances, strict=True)
        each = [average_precision_score((y == c).numpy(), -row) for c, row in pairs]
        metrics = retrieval().score(z, y, test_z, test_y)
        assert metrics["map"] == pytest.approx(np.mean(each), rel=1e-5)
        assert metrics["map_error"] == pytest.approx(np.std(each, ddof=1) / 80**0.5, rel=1e-4)

    def test_a_binary_code_is_its_own_bits(self):
        z, test_z, y, test_y = bits(300, 6), bits(80, 6, seed=1), labels(300), labels(80, 1)
        metrics = retrieval().score(z, y, test_z, test_y)
        assert metrics["map"] == metrics["bits_map"]
        hamming = (test_z[:, None] != z).sum(2).numpy()
        each = [average_precision_score((y == c).numpy(), -row) for c, row in zip(test_y, hamming, strict=True)]
        assert metrics["bits_map"] == pytest.approx(np.mean(each))
        assert metrics["buckets"] == len(z.unique(dim=0))

    def test_a_bucket_is_searched_by_the_code_itself(self):
        z = torch.tensor([[0.9], [0.8], [0.6], [0.1], [0.2]])
        y = torch.tensor([0, 1, 1, 0, 0])
        metrics = retrieval(in_bucket=2, at=[2]).score(z, y, torch.tensor([[0.55], [0.0]]), torch.tensor([1, 1]))
        # 0.55 finds 0.6 and 0.8 of the bucket above 0.5, and 0.0 finds two of class 0
        assert metrics["bucket_precision_2"] == 0.5
        assert metrics["buckets"] == 2
        assert metrics["saturation"] == 0.5

    def test_a_query_in_an_empty_bucket_is_not_answered(self):
        z, y = torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
        metrics = retrieval().score(z, y, torch.tensor([[1.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 1]))
        assert metrics["bucket_answered"] == 0.5
        assert metrics["bucket_precision_5"] == 1
        nothing = retrieval().score(z, y, torch.tensor([[1.0, 1.0]]), torch.tensor([0]))
        assert nothing["bucket_answered"] == 0
        assert "bucket_precision_5" not in nothing

    def test_only_so_many_ask_and_those_of_unknown_classes_do_not(self):
        z, y, test_z, test_y = gaussian(100, 3), labels(100), gaussian(50, 3, seed=1), labels(50, 1)
        test_y[::2] = 77
        metrics = retrieval(queries=1).score(z, y, test_z, test_y)
        assert metrics["map_error"] == 0
        with pytest.raises(NotApplicable, match="choose"):
            retrieval().score(z, y, test_z, torch.full_like(test_y, 77))

    def test_the_picture_frames_what_is_wrong(self):
        right, wrong = (retrieval()(context(Oracle(code))).figures["retrieved"] for code in (corner, noise))
        assert len(right.axes[0].images) == len(wrong.axes[0].images) == 4 * (1 + 4)
        assert len(right.axes[0].patches) == 0
        assert 6 <= len(wrong.axes[0].patches) <= 16

    def test_nothing_of_something_is_refused(self):
        with pytest.raises(UserError, match="choose"):
            retrieval(at=[5, 0])


def test_bits_are_rounded_probabilities_or_beyond_the_median():
    probable = torch.tensor([[0.2, 0.6], [0.7, 0.4], [0.1, 0.0]])
    assert binary(probable, probable).tolist() == [[0, 1], [1, 0], [0, 0]]
    wide = torch.tensor([[-3.0, 10.0], [0.0, 20.0], [5.0, 30.0]])
    assert binary(torch.tensor([[1.0, 15.0]]), wide).tolist() == [[1, 0]]


@pytest.mark.parametrize("width", [3, 20])
def test_equal_bits_have_one_number_and_meet_in_a_bucket(width):
    a, b = bits(200, 3).repeat(1, width)[:, :width], bits(40, 3, seed=1).repeat(1, width)[:, :width]
    first, second = numbered(a, b)
    assert torch.equal(first[:, None] == second, (a[:, None] == b).all(2))
    pairs = {(i, j) for mine, theirs in shared(first, second) for i in mine.tolist() for j in theirs.tolist()}
    assert pairs == set(map(tuple, (first[:, None] == second).nonzero().tolist()))
