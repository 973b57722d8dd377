"""Sequences of symbols: lines of files, numerals and molecules, as one-hot examples and back."""

import sys

import composing
import pytest
import torch
from conftest import REAL_DATA

from aeexp.data.module import DataModule
from aeexp.data.molecules import Molecules
from aeexp.data.numerals import Numerals, in_words
from aeexp.data.sequences import Sequences
from aeexp.symbols import Language, Vocabulary, lengths, until_end

SMILES = r"\[[^\]]+\]|Br|Cl|."


def lines(path="a.txt", test_path=None, pattern=".", glue="", length=None, leave_out=False, of=Sequences):
    return of(path, test_path, pattern, glue, length, leave_out)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.txt").write_text("abba\n\n  \nc\nab\n")
    (tmp_path / "b.txt").write_text("cab\nbad\n")
    return tmp_path


def refusal(function, *arguments):
    said = composing.refusal(function, *arguments)
    assert "choose" in said
    return said


def test_a_row_for_each_symbol_then_the_end_then_nothing(folder):
    (x, y), test = lines().load(folder)
    assert test is None and y.tolist() == [-1, -1, -1]  # blank lines are no examples
    assert x.dtype == torch.uint8 and x.shape == (3, 5, 4)  # the longest line's and the end; a, b, c and the end
    assert x.argmax(2).tolist() == [[1, 2, 2, 1, 0], [3, 0, 0, 0, 0], [1, 2, 0, 0, 0]]
    assert x.sum(2).tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]
    words = lines().vocabulary(folder)
    assert words.symbols == ("a", "b", "c")
    assert words.texts(x) == ["abba", "c", "ab"] and lengths(x).tolist() == [4, 1, 2]
    assert words.texts(0.7 * x.float()) == ["abba", "c", "ab"]
    assert lines().describe(folder) == ([5, 4], 0, False, 1, ())


def test_what_follows_the_first_end_is_cut_off():
    words = Vocabulary(("a", "b"), "", Language())
    x = torch.eye(3)[torch.tensor([[1, 0, 2, 0, 1], [2, 2, 2, 2, 2]])]
    assert until_end(x).sum(2).tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert words.texts(x) == ["a", "bbbbb"]  # of a sequence without an end, all


def test_symbols_are_what_the_pattern_matches(tmp_path):
    (tmp_path / "a.txt").write_text("C[C@@H]1CC(Br)C1Cl\n")
    words = lines(pattern=SMILES).vocabulary(tmp_path)
    assert words.symbols == tuple(sorted(["C", "[C@@H]", "1", "(", "Br", ")", "Cl"]))
    (tmp_path / "a.txt").write_text("a house  on a hill\n")
    source = lines(pattern=r"\S+", glue=" ")
    assert source.vocabulary(tmp_path).texts(source.load(tmp_path)[0][0]) == ["a house on a hill"]


def test_a_test_part_is_written_in_the_symbols_of_the_training_part(folder):
    said = refusal(lines(test_path="b.txt").prepare, folder)
    assert "1 of 2 test lines" in said and "the symbols d, which no training line has" in said
    source = lines(test_path="b.txt", leave_out=True)
    (x, _), (test, _) = source.load(folder)
    assert len(x) == 3 and source.vocabulary(folder).texts(test) == ["cab"]
    assert test.shape[1:] == x.shape[1:]


def test_lines_that_are_too_long_are_refused_or_left_out(folder):
    assert "1 of 3 training lines have more than data.source.length=3 symbols" in refusal(
        lines(length=3).prepare, folder
    )
    (x, _), _ = lines(length=3, leave_out=True).load(folder)
    assert x.shape == (2, 4, 4)
    (folder / "a.txt").write_text("abcd\n")
    assert "1 of 1 training lines" in refusal(lines(length=3, leave_out=True).prepare, folder)


def test_what_is_no_text_is_refused(tmp_path):
    assert "is not there" in refusal(lines().prepare, tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    assert "no text in UTF-8" in refusal(lines().prepare, tmp_path)
    (tmp_path / "a.txt").write_text("\n \n")
    assert "has no line" in refusal(lines().prepare, tmp_path)
    (tmp_path / "a.txt").write_text("ab\n")
    assert "no match of data.source.pattern" in refusal(lines(pattern="c").prepare, tmp_path)
    assert "is no regular expression" in refusal(lambda: lines(pattern="("))
    assert "at least 1" in refusal(lambda: lines(length=0))


def test_a_file_that_changed_is_read_again(folder):
    source = lines()
    assert source.describe(folder).shape == [5, 4]
    (folder / "a.txt").write_text("abcdefg\n")
    assert source.describe(folder).shape == [8, 8]


def test_numbers_in_words():
    assert [in_words(n) for n in (0, 7, 13, 20, 45, 100, 219, 5000, 7241, 9999)] == [
        *("zero", "seven", "thirteen", "twenty", "forty five", "one hundred", "two hundred nineteen", "five thousand"),
        *("seven thousand two hundred forty one", "nine thousand nine hundred ninety nine"),
    ]
    source = Numerals()
    (x, y), _ = source.load(None)
    texts = source.vocabulary(None).texts(x)
    assert len({*texts}) == 10_000 and all(map(source.valid, texts[::97]))
    assert not source.valid("one thousand thousand") and not source.valid("")
    assert y.tolist() == [n // 1000 for n in range(10_000)]
    assert source.property(["forty five", "zero"]).values.tolist() == [45, 0]
    assert source.describe(None).classes == 10


def test_a_data_module_knows_its_vocabulary(folder):
    (folder / "a.txt").write_text("ab\nba\naa\nbb\nabab\n" * 4)
    data = DataModule("lines", lines(), str(folder), None, None, None, 1, 4, 4, 0, 1.0, False, 0, 4)
    data.setup()
    assert data.source.of_symbols and data.shape == (5, 3)
    assert set(data.vocabulary.texts(data.train[torch.arange(12)].x)) <= {"ab", "ba", "aa", "bb", "abab"}


def test_molecules_are_told_from_other_texts():
    pytest.importorskip("rdkit")
    source = lines(of=Molecules)
    assert [source.valid(text) for text in ("CCO", "c1ccccc1", "C1CC", "C(", "")] == [True, True, False, False, False]
    found = source.property(["C", "CCO"])
    # methane: a carbon of 0.1441 and four hydrogens of 0.1230, Wildman and Crippen (1999), table 1
    assert found.values[0].item() == pytest.approx(0.1441 + 4 * 0.1230)
    assert found.features.shape == (2, 2048) and found.features.sum(1).tolist()[0] == 1  # one atom, one environment


def test_without_rdkit_nobody_knows(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    source = lines(of=Molecules)
    assert source.valid("CCO") is None
    assert "pip install 'aeexp[molecules]'" in refusal(source.property, ["CCO"])


@pytest.mark.skipif(not (REAL_DATA / "ZINC250k").exists(), reason="ZINC250k is not there")
def test_molecules_of_zinc():
    pytest.importorskip("rdkit")
    source = lines("ZINC250k/valid.txt", "ZINC250k/test.txt", SMILES, leave_out=True, of=Molecules)
    (x, _), (test, _) = source.load(REAL_DATA)
    assert x.shape == (24_445, 69, 48) and 4_990 < len(test) < 5_000
    assert all(map(source.valid, source.vocabulary(REAL_DATA).texts(test[:200])))
