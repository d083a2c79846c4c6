"""Pairs of texts: one string for whatever looks at texts, two for the backbone."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import text_vocabularies, tiny_models
from tlkit.config import Phase, Reading
from tlkit.data import example_info, text_pairs
from tlkit.data.splits import Split
from tlkit.data.text_pairs import Pair
from tlkit.errors import InputError
from tlkit.models.text.text_backbones import TextInput


def test_a_pair_is_a_text() -> None:
    pair = Pair("a question", "an answer")
    assert pair == "a question\nan answer" and pair.parts == ("a question", "an answer")
    assert copy.deepcopy(pair).parts == pickle.loads(pickle.dumps(pair)).parts == pair.parts


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Pair("a", "b"), True),
        (("a", "b"), True),
        (["a", "b"], True),
        ("ab", False),
        (("a", 1), False),
        ("a b c", False),
    ],
)
def test_what_is_a_pair(item: object, expected: bool) -> None:
    assert text_pairs.is_pair(item) is expected
    if expected:
        assert text_pairs.parts(item) == ("a", "b")


@pytest.mark.parametrize(
    ("line", "expected"), [("a\tb", ("a", "b")), ("ab", "ab"), ("a\tb\tc", "a\tb\tc"), (Pair("a\tb", ""), "a\tb")]
)
def test_a_line_is_parted_at_its_tab(line: str, expected: object) -> None:
    assert text_pairs.parted(line) == expected


def test_pairs_that_read_alike_differ_in_their_digest() -> None:
    one, other = Pair("a\nb", "c"), Pair("a", "b\nc")
    assert one == other and example_info.encoded(one) != example_info.encoded(other)
    alike = [Split([pair], np.array([0])).digest("text") for pair in (one, other, Pair("a\nb", "c"))]
    assert alike[0] != alike[1] and alike[0] == alike[2]


# === Reading ===


def pairs_data(each: int = 12) -> tlkit.Data:
    """Return pairs of which the second text alone tells the class."""
    firsts = [f"the {word}" for word in tiny_models.WORDS[:each]]
    x = [(text, "cat sat") for text in firsts] + [(text, "bank rate") for text in firsts]
    return tlkit.arrays(x, ["pet"] * each + ["money"] * each)


def test_arrays_take_pairs() -> None:
    data = pairs_data()
    assert data.kind == "text" and all(isinstance(item, Pair) for item in data.train.items)
    grid = np.array([[f"a{n}", f"b{n}"] for n in range(12)])
    assert isinstance(tlkit.arrays(grid, ["x", "y", "x", "y"] * 3).train.items[0], Pair)
    with pytest.raises(InputError, match=r"x holds ('c'|\('a', 'b'\)); give texts, or pairs of them"):
        tlkit.arrays([("a", "b"), "c"], ["x", "y"])


PAIRS = "premise,hypothesis,label\n" + "".join(f"p{n},h{n},{'xy'[n % 2]}\n" for n in range(12))


def test_two_columns_are_pairs_where_they_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(PAIRS + "p,,x\n,h,y\n")
    for columns in ("premise,hypothesis", ("premise", "hypothesis")):
        data = tlkit.text_table(path, text_column=columns, pairs=True)
        items = [item for split in data.splits().values() for item in split.items]
        assert sorted(item.parts for item in items)[0] == ("p0", "h0") and len(items) == 12
    reason = "an empty text in the columns 'premise' and 'hypothesis'"
    assert dict(data.unreadable) == {"line 14": reason, "line 15": reason}
    joined = tlkit.read(str(path), text_column="premise,hypothesis")
    assert not any(isinstance(item, Pair) for item in joined.train.items) and len(joined.unreadable) == 0
    assert isinstance(tlkit.read(str(path), text_column="premise,hypothesis", pairs=True).train.items[0], Pair)


def test_pairs_stand_in_two_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(PAIRS)
    for column in (None, "premise"):
        with pytest.raises(InputError, match="pairs of texts stand in two columns; name both, such as text_column="):
            tlkit.text_table(path, text_column=column, pairs=True)
    with pytest.raises(InputError, match="digits is not a table file; leave out pairs"):
        tlkit.read("digits", pairs=True)
    path.write_text("image,label\na.png,x\n")
    with pytest.raises(InputError, match=r"t\.csv lists pictures; leave out pairs"):
        tlkit.read(str(path), pairs=True)


# === Models ===


def test_pairs_need_a_model_for_pairs() -> None:
    given = TextInput(size=16)
    split = Split([Pair("a", "b")], np.array([0]))
    with pytest.raises(InputError, match="the examples are pairs, and this backbone was built for single texts; build"):
        next(iter(given.batches(split, Reading(2))))
    with pytest.raises(InputError, match="item 0 is a str, not a pair; give a list of pairs of texts"):
        next(iter(given.paired().batches(Split(["a"], np.array([0])), Reading(2))))
    read = next(iter(given.paired().batches(split, Reading(2)))).numpy().tolist()
    assert read == [[b"a", b"b"]]


def test_pictures_are_no_pairs() -> None:
    with pytest.raises(InputError, match="pairs=True is for texts; a picture is one example"):
        tlkit.classifier("vgg16", "pool_dense", 2, weights=None, pairs=True)


def test_the_least_size_of_pairs() -> None:
    assert TextInput().sized(4).size == 4 and TextInput().paired().sized(8).segments == 2
    with pytest.raises(InputError, match="size 7 does not suit this backbone; give 8 to 512 tokens"):
        TextInput().paired().sized(7)


def test_a_model_of_pairs_learns_from_both() -> None:
    data = pairs_data()
    clf = text_vocabularies.classifier("bert_tiny_en_uncased", pairs=True)
    there = clf(_tensor(text_vocabularies.PAIRS), training=False).numpy()
    back = clf(_tensor([(second, first) for first, second in text_vocabularies.PAIRS]), training=False).numpy()
    assert np.abs(there - back).max() > 1e-2, "the order of the two texts does not matter"
    row = text_vocabularies.shrunk(tlkit.models.text.text_backbones.TEXT["bert_tiny_en_uncased"])
    clf = tlkit.classifier(row, "cls_dense", data.labels, weights=None, size=16, pairs=True)
    tlkit.fit(clf, data, phases=(Phase("top", 1, 1e-3, 1),), progress=False)
    report = tlkit.evaluate(clf, data.test)
    assert report.n == len(data.test) and isinstance(report.samples[0], Pair)


def _tensor(pairs: list) -> object:
    import tensorflow as tf

    return tf.constant([list(pair) for pair in pairs])


@pytest.mark.slow
def test_a_run_on_pairs_with_a_backbone_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from tlkit.cli import main

    folder = text_vocabularies.save_preset("roberta", tmp_path / "own")
    lines = [f"{text} {word},{other},{label}" for label, other in (("pet", "cat"), ("money", "bank " * 30))
             for text in tiny_models.WORDS for word in ("ran", "fell", "rose")]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(["one,two,label", *lines]))
    out = tmp_path / "out"
    asked = ["train", str(tmp_path / "t.csv"), "--text-column", "one,two", "--pairs", "--backbone", str(folder)]
    asked += ["--size", "16", "--epochs", "1,1", "--quiet", "--deterministic", "--out", str(out)]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "36 of 72 texts (50.0%) are longer than 16 tokens and were cut; try --size 32 where the end" in told
    assert main(asked) == 0 and "this run is finished" in capsys.readouterr().out
    artifact = tlkit.load(out)
    given = artifact.input  # of byte pairs nothing is lower-cased, whatever `lowercase` says
    assert (given.size, given.limit, given.family, given.segments) == (16, 32, "roberta", 2)
    answers = artifact.predict([("the cat", "cat"), ("the cat", "bank bank bank"), Pair("the cat", "cat")])
    assert answers[0] == answers[2] != answers[1]
    with pytest.raises(InputError, match="item 0 is a str, not a pair; give a list of pairs of texts, such as"):
        artifact.predict("the cat")
    assert main(["predict", str(out), "the cat\tcat"]) == 0
    assert capsys.readouterr().out.startswith(f"{answers[0].label}\t")
    assert 'tf.constant([["...", "..."]])' in (out / "README.md").read_text()
    assert "pairs of strings, cut after 16 tokens" in (out / "README.md").read_text()
    assert main(["evaluate", str(out), str(tmp_path / "t.csv"), "--text-column", "one,two", "--pairs"]) == 0
