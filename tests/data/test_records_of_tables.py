"""Tables of records: numbers and categories, missing cells, in the data, the likelihood and whole runs."""

import json

import numpy as np
import pandas
import pytest
import torch
from composing import configured, made, refusal
from conftest import same
from torch.distributions import Categorical, Normal

from aeexp.columns import Layout
from aeexp.data.records import Embedded, Table
from aeexp.errors import UserError
from aeexp.likelihoods import Columns

ROWS = 60


def people(n=ROWS, seed=0):
    drawn = np.random.default_rng(seed)
    age, colour = drawn.normal(40, 10, n), drawn.choice(["blue", "green", "red"], n)
    size, member = drawn.integers(1, 4, n), drawn.random(n) < 0.5
    table = pandas.DataFrame({"age": age, "colour": colour, "size": size, "member": member})
    table["kind"] = np.where(age > 45, "old", "young")
    table.loc[::7, "age"] = np.nan
    table.loc[3, "colour"] = None
    return table


@pytest.fixture
def folder(tmp_path):
    people().to_csv(tmp_path / "people.csv", index=False)
    return tmp_path


def table(**options):
    given = {"test_path": None, "label": "kind", "categorical": [], "drop": [], "columns": None}
    return Table("people.csv", **{**given, **options})


def test_columns_are_numbers_or_categories_and_say_whether_cells_are_missing(folder):
    assert table(categorical=["size"]).schema(folder) == [
        {"name": "age", "categories": None, "missing": True},
        {"name": "colour", "categories": ["blue", "green", "red"], "missing": True},
        {"name": "size", "categories": ["1", "2", "3"], "missing": False},
        {"name": "member", "categories": None, "missing": False},
    ]
    facts = table(drop=["size"]).describe(folder)
    assert facts.shape == [1 + 3 + 1 + 2] and facts.classes == 2 and facts.class_names == ["old", "young"]
    assert table(label=None, drop=["kind"]).describe(folder).classes == 0


def test_a_record_is_its_numbers_its_one_hot_categories_and_what_is_missing(folder):
    frame = people()
    (x, y), _ = table().load(folder)
    assert x.shape == (ROWS, 8)
    np.testing.assert_allclose(x[:, 0], frame["age"], rtol=1e-6)
    expected = pandas.get_dummies(frame["colour"])[["blue", "green", "red"]].to_numpy(np.float32)
    assert torch.equal(x[:, 1:4], torch.tensor(expected)) and x[3, 1:4].sum() == 0
    assert torch.equal(x[:, 4], torch.tensor(frame["size"].to_numpy(np.float32)))
    assert torch.equal(x[:, 6].bool(), torch.tensor(frame["age"].isna().to_numpy()))
    assert x[:, 7].nonzero().flatten().tolist() == [3]
    assert torch.equal(y == 0, torch.tensor((frame["kind"] == "old").to_numpy()))


def test_numbers_are_standardised_by_the_training_examples_alone(folder):
    source = table(categorical=["size"])
    (x, _), _ = source.load(folder)
    train = x[:40]
    found = source.fitted(train, Layout(source.schema(folder)))(x)
    ages = train[:, 0][~train[:, 0].isnan()]
    known = ~x[:, 0].isnan()
    same(found[known, 0], (x[known, 0] - ages.mean()) / ages.std(correction=0))
    assert (found[~known, 0] == 0).all() and found.isfinite().all()
    same(found[:, 1:4], x[:, 1:4])
    same(found[:40, 7].std(correction=0), torch.tensor(1.0))  # member: a number of two values


def test_what_a_run_was_composed_with_decides_the_vectors_of_other_files(folder):
    columns = table().schema(folder)
    other = people(20, seed=1)
    other["colour"] = other["colour"].where(other["colour"] != "green", "blue")
    other.to_csv(folder / "people.csv", index=False)
    (x, _), _ = table(columns=columns).load(folder)
    assert x.shape[1] == 8 and (x[:, 2] == 0).all()
    other["colour"] = "yellow"
    other.to_csv(folder / "people.csv", index=False)
    assert "colour has yellow, which no training example has: choose" in refusal(table(columns=columns).load, folder)
    other.drop(columns="age").to_csv(folder / "people.csv", index=False)
    assert "no column age" in refusal(table(columns=columns).load, folder)


def test_a_test_part_has_the_columns_of_the_training_part(folder):
    people(20, seed=1).to_csv(folder / "new.csv", index=False)
    train, test = table(test_path="new.csv").load(folder)
    assert len(train[0]) == ROWS and len(test[0]) == 20
    people(20, seed=1).drop(columns="size").to_csv(folder / "new.csv", index=False)
    assert "the test part has columns age, colour" in refusal(table(test_path="new.csv").schema, folder)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"age": np.nan}, {}, "age has no cell with a value: choose data.source.drop=[age]"),
        ({"colour": [f"name {i}" for i in range(120)]}, {}, "colour has 120 different words"),
        ({"age": pandas.Timestamp("2020-01-01")}, {}, "columns of dates, age: choose"),
        ({}, {"label": "nobody"}, "has no column nobody: choose data.source.label"),
        ({}, {"drop": ["nothing"]}, "has no column nothing: choose"),
        ({}, {"drop": ["age", "colour", "size", "member"]}, "choose to drop fewer"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_columns_that_cannot_be_read_are_refused(tmp_path, change, options, said):
    frame = people(120)
    for name, value in change.items():
        frame[name] = value
    frame.to_parquet(tmp_path / "people.parquet")
    given = {"test_path": None, "label": "kind", "categorical": [], "drop": [], "columns": None, **options}
    with pytest.raises(UserError, match=said.replace("[", r"\[").replace("]", r"\]")):
        Table("people.parquet", **given).schema(tmp_path)


def test_a_table_that_is_not_there_or_does_not_come_with_scikit_learn_is_refused(tmp_path):
    assert "people.csv is not there" in refusal(table().schema, tmp_path)
    assert "choose breast_cancer or wine" in refusal(Embedded, "iris", None)


# the likelihood

COLUMNS = [
    {"name": "a", "categories": None, "missing": True},
    {"name": "b", "categories": ["x", "y", "z"], "missing": True},
    {"name": "c", "categories": None, "missing": False},
]


def records(n=50):
    layout = Layout(COLUMNS)
    assert layout.size == 7 and layout.names == ["a", "b", "c"]
    x = torch.randn(n, 7)
    x[:, 1:4] = torch.nn.functional.one_hot(torch.randint(3, (n,)), 3).float()
    x[:, 5:] = (torch.rand(n, 2) < 0.3).float()
    x[x[:, 5] == 1, 0] = 0
    x[x[:, 6] == 1, 1:4] = 0
    return x


def test_nats_are_those_of_gaussians_and_categories_that_are_not_missing():
    likelihood, x, theta = Columns(COLUMNS, floor=0.1), records(), torch.randn(50, 7)
    likelihood.log_sigma.data.copy_(torch.tensor([0.3, -0.5]))
    found = likelihood.of_columns(theta, x)
    known = x[:, 6] == 0
    expected = torch.zeros(50, 3)
    expected[:, 0] = -Normal(theta[:, 0], torch.tensor(0.3).exp()).log_prob(x[:, 0]) * (x[:, 5] == 0)
    expected[known, 1] = -Categorical(logits=theta[known, 1:4]).log_prob(x[known, 1:4].argmax(1))
    expected[:, 2] = -Normal(theta[:, 4], torch.tensor(-0.5).exp()).log_prob(x[:, 4])
    same(found, expected)
    same(likelihood.nll(theta, x), expected.sum(1))
    gradient = torch.autograd.grad(likelihood.nll(theta.requires_grad_(), x).sum(), theta)[0]
    assert (gradient[x[:, 5] == 1, 0] == 0).all() and (gradient[~known, 1:4] == 0).all()
    assert (gradient[:, 5:] == 0).all()


def test_means_are_numbers_and_probabilities_and_the_bias_starts_at_them():
    likelihood, theta = Columns(COLUMNS, floor=0.1), torch.randn(9, 7)
    mean = likelihood.mean(theta)
    same(mean[:, [0, 4]], theta[:, [0, 4]])
    same(mean[:, 1:4], theta[:, 1:4].softmax(1))
    assert (mean[:, 5:] == 0).all()
    of_data = records(400).mean(0)
    of_data[1:4] /= of_data[1:4].sum()
    same(likelihood.mean(likelihood.parameter(of_data)[None])[0, :5], of_data[:5])


def test_deviations_have_a_floor():
    likelihood, x = Columns(COLUMNS, floor=0.1), records()
    likelihood.log_sigma.data.fill_(-50.0)
    at_floor = likelihood.nll(x, x)
    likelihood.log_sigma.data.fill_(np.log(0.1))
    same(at_floor, likelihood.nll(x, x))
    for columns, floor in ((None, 0.1), (COLUMNS, 0.0)):
        assert "choose data=table" in refusal(Columns, columns, floor)


@pytest.mark.parametrize("model", ["undercomplete", "vae", "conditional_vae", "rae", "pca"])
def test_models_of_tables_have_finite_losses_that_fall(model):
    task, data = made(f"model={model}", "data=breast_cancer", "bottleneck=4")
    batch = data.train[torch.arange(64)]
    loss = task.model.loss(batch)
    assert loss.terms["recon"].shape == (64,) and loss.total.isfinite()
    if model == "pca":
        return
    loss.total.backward()
    assert all(parameter.grad is not None for parameter in task.model.parameters())
    optimizer = task.configure_optimizers()
    for _ in range(30):
        optimizer.zero_grad()
        last = task.model.loss(batch)
        last.total.backward()
        optimizer.step()
    assert last.terms["recon"].mean() < loss.terms["recon"].mean()


# whole runs


def test_a_table_brings_its_likelihood_and_its_columns():
    config = configured("data=breast_cancer")
    assert config["likelihood"]["_target_"] == "aeexp.likelihoods.Columns"
    assert len(config["likelihood"]["columns"]) == 30 == len(config["data"]["source"]["columns"])
    assert configured("data=wine", "likelihood=gaussian")["likelihood"] == {"_target_": "aeexp.likelihoods.Gaussian"}


@pytest.mark.parametrize("words", [["likelihood=bernoulli"], ["corruption=gaussian"], ["model=vamp_prior"]], ids=str)
def test_what_is_of_numbers_from_0_to_1_is_refused(program, words):
    done = program("train.py", "data=wine", *words)
    assert done.returncode == 1 and "data=wine has numbers beyond [0, 1]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_anomalies_of_a_table_are_found_and_explained_by_their_columns(program, folder):
    frame = people(400)
    frame["twice"] = 2 * frame["age"].fillna(40) + np.random.default_rng(1).normal(0, 0.1, 400)
    strange = frame.index % 20 == 0
    frame.loc[strange, "twice"] += 60
    frame["kind"] = np.where(strange, "strange", "normal")
    frame.to_csv(folder / "people.csv", index=False)
    words = [
        "data=table", "data.source.path=people.csv", "data.source.label=kind", "data.source.categorical=[size]",
        f"data.root={folder}", "data.test=0.4", "class_filter=one_class", "model=undercomplete", "bottleneck=4",
        "evaluation=[anomaly]", "trainer.max_epochs=40", "data.batch_size=16", "likelihood.floor=0.3",
        f"runs={folder}/runs",
    ]  # fmt: skip
    done = program("train.py", *words)
    assert done.returncode == 0, done.stderr
    (found,) = (folder / "runs" / "single").iterdir()
    (entry,) = json.loads((found / "results.json").read_text())["protocols"]
    assert entry["metrics"]["anomaly/squared_error_auroc"] > 0.8
    assert 0 <= entry["metrics"]["anomaly/squared_error_f1"] <= 1
    assert (found / "figures" / "anomaly_columns.png").exists()
    assert len(entry["facts"]) == 8
    row, kind = next(iter(entry["facts"])).removeprefix("row ").rstrip(")").split(" (")
    assert kind == frame["kind"][int(row)]  # the row of the file
    strange = [top for name, top in entry["facts"].items() if "strange" in name]
    assert len(strange) >= 3 and sum("twice" in top for top in strange) >= len(strange) - 1
    again = program("evaluate.py", f"run={found}", "evaluation=[reconstruction]")
    assert again.returncode == 0, again.stderr
