"""A data set in three splits: what is counted, digested and written of it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import tiny_data
from tlkit.data import splits
from tlkit.data.example_info import look
from tlkit.data.readers import arrays
from tlkit.data.splits import Data, Split, joined, learned
from tlkit.tasks.next_token import Reply
from tlkit.tasks.targets import Label, Tags, Value

TEXTS = ["good film", "bad film", "fine play", "poor play", "great book", "dull book"]
LABELS = ["pos", "neg"] * 3


def made(labels: object, task: str = "label", names: tuple[str, ...] = ("a", "b", "c")) -> Data:
    """Return texts of this truth: the first half to learn from, the rest for val and test."""
    labels = np.asarray(labels)
    whole, count = Split([f"text {number}" for number in range(len(labels))], labels), len(labels)
    half, most = count // 2, 3 * count // 4
    parts = [whole.take(np.arange(*ends)) for ends in ((0, half), (half, most), (most, count))]
    return Data(*parts, labels=names, kind="text", source="made", splitting="Drawn for a test.", task=task)


def table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


# === A split ===


def test_examples_are_taken_in_the_order_asked_for_with_what_is_known_of_them() -> None:
    items = ["a", "b", "c"]
    taken = Split(items, np.array([0, 1, 2]), look(items, "text")).take(np.array([2, 0]))
    assert taken.items == ["c", "a"] and taken.labels.tolist() == [2, 0] and len(taken) == 2
    assert taken.traits.hexdigest(0) == look(["c"], "text").hexdigest(0)
    pixels = Split(np.arange(3)[:, None], np.array([0, 1, 2])).take(np.array([1]))
    assert pixels.items.tolist() == [[1]] and pixels.traits is None


def test_a_digest_is_of_the_examples_in_their_order_and_not_of_labels() -> None:
    first, relabelled = Split(["a", "b"], np.array([0, 1])), Split(["a", "b"], np.array([1, 1]))
    assert first.digest("text") == relabelled.digest("text") == first.digest("text")
    assert first.digest("text") != Split(["b", "a"], np.array([0, 1])).digest("text")
    assert Split(["ab", "c"], np.zeros(2)).digest("text") != Split(["a", "bc"], np.zeros(2)).digest("text")
    bytes_, floats = (Split(np.zeros((2, 4), kind), np.zeros(2)) for kind in ("uint8", "float32"))
    assert bytes_.digest("image") != floats.digest("image")


def test_examples_are_looked_at_once_where_nobody_did(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(splits.example_info, "look", lambda *given: asked.append(given) or look(*given))
    split = Split(["a"], np.array([0]))
    assert split.seen("text") is split.seen("text") and len(asked) == 1
    known = Split(["a"], np.array([0]), look(["a"], "text"))
    assert known.seen("text") is known.traits and len(asked) == 1


def test_splits_after_one_another() -> None:
    known, unknown = Split(["a"], np.array([0]), look(["a"], "text")), Split(["b"], np.array([1]))
    empty = Split([], np.zeros(0, int))
    whole = joined([known, empty, unknown])
    assert whole.items == ["a", "b"] and whole.labels.tolist() == [0, 1] and whole.traits is None
    assert len(joined([known, known]).traits.names) == 2 and len(joined([empty])) == 0
    pixels = joined([Split(np.zeros((2, 3)), np.zeros(2)), Split(np.ones((1, 3)), np.zeros(1))])
    assert isinstance(pixels.items, np.ndarray) and pixels.items.shape == (3, 3)


# === A data set ===


def test_drawn_splits() -> None:
    dataset = arrays.arrays([f"text {i}" for i in range(100)], ["a"] * 60 + ["b"] * 40, seed=3)
    assert dataset.counts() == {"train": {"a": 42, "b": 28}, "val": {"a": 9, "b": 6}, "test": {"a": 9, "b": 6}}
    assert "No val or test split was given; 70 % train, 15 % val and 15 % test" in dataset.splitting
    assert "(seed 3)" in dataset.splitting
    texts = [text for split in dataset.splits().values() for text in split.items]
    assert sorted(texts) == sorted(f"text {i}" for i in range(100))
    assert (len(dataset.train), dataset.train.labels.dtype) == (70, np.int64)
    other = arrays.arrays([f"text {i}" for i in range(100)], ["a"] * 60 + ["b"] * 40)
    assert dataset.train.items != other.train.items


def test_fingerprint_of_texts_changes_with_what_matters() -> None:
    def mark(texts: list[str], labels: list[str], seed: int = 0) -> str:
        return arrays.arrays(texts, labels, seed=seed).fingerprint()

    same = mark(TEXTS, LABELS)
    assert same == mark(list(TEXTS), list(LABELS)) and len(same) == 64
    others = [mark([*TEXTS[:-1], "dull books"], LABELS), mark(TEXTS, LABELS[::-1]), mark(TEXTS, ["x", "neg"] * 3)]
    assert len({same, *others, mark(TEXTS, LABELS, seed=1)}) == 5


TAGS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], np.float32)
ENTITIES = np.array([[0, 1, 2, -1], [3, 0, -1, -1], [1, 3, 1, -1], [0, -1, -1, -1]], np.int16)
BIO = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


@pytest.mark.parametrize(
    ("data", "counts", "kind"),
    [
        (made([0, 1, 1, 2]), [{"a": 1, "b": 1, "c": 0}, {"a": 0, "b": 1, "c": 0}, {"a": 0, "b": 0, "c": 1}], Label),
        (made(TAGS, "tags"), [{"a": 2, "b": 1, "c": 0}, {"a": 0, "b": 0, "c": 0}, {"a": 0, "b": 0, "c": 1}], Tags),
        (made([1.0, 3.0, 5.0, 7.0], "value", ("price",)), [{"price": 2}, {"price": 1}, {"price": 1}], Value),
        (made([0] * 4, "reply", ("reply",)), [{"reply": 2}, {"reply": 1}, {"reply": 1}], Reply),
        (made(ENTITIES, "entities", BIO), [{"PER": 1, "LOC": 1}, {"PER": 2, "LOC": 1}, {"PER": 0, "LOC": 0}], None),
    ],
    ids=["label", "tags", "value", "reply", "entities"],
)
def test_counts_and_target_follow_the_task(data: Data, counts: list[dict], kind: type | None) -> None:
    assert list(data.counts().values()) == counts and list(data.counts()) == ["train", "val", "test"]
    assert kind is None or type(data.target) is kind
    assert data.target.labels == data.labels and data.target is data.target


def test_a_value_is_learned_in_units_of_its_spread_in_train() -> None:
    target = made([1.0, 3.0, 50.0, 70.0], "value", ("price",)).target
    assert (target.mean, target.scale) == (2.0, 1.0)
    assert made([4.0, 4.0, 4.0, 5.0], "value", ("price",)).target.scale == 1.0, "of values that are all alike"


@pytest.mark.parametrize(
    ("data", "truth", "told"),
    [
        (made([0, 1, 1, 2]), 2, "c"),
        (made(TAGS, "tags"), TAGS[1], "a|b"),
        (made(TAGS, "tags"), TAGS[2], ""),
        (made([1.0] * 4, "value", ("price",)), 1.5, "1.5"),
        (made(ENTITIES, "entities", BIO), ENTITIES[0], "O B-PER I-PER"),
        (made([0] * 4, "reply", ("reply",)), 0, "reply"),
    ],
)
def test_a_truth_in_words(data: Data, truth: object, told: str) -> None:
    assert data.described(truth) == told


def test_what_is_learned_in_two_words() -> None:
    assert learned("label", ("a", "b")) == "2 classes" and learned("tags", ("a",)) == "1 tags"
    assert learned("entities", ("PER", "LOC")) == "2 types of entities" and learned("summary", ("x",)) == "a summary"
    assert learned("value", ("price",)) == "value price"


def test_repr_is_short_and_on_one_line() -> None:
    data = tiny_data.texts(["one", "two", "three", "four", "five"], [0, 1, 0, 1, 0])
    assert repr(data) == "Data(made: text, 2 classes; train 3, val 1, test 1)"
    hostile = Data(
        **data.splits(), labels=("a", "b"), kind="text", source="a\nb", splitting="", unreadable=(("c", "d"),)
    )
    assert repr(hostile) == "Data(a\\nb: text, 2 classes; train 3, val 1, test 1, 1 unreadable)"


def test_a_fingerprint_changes_with_task_labels_and_flip() -> None:
    data = tiny_data.texts(["one", "two", "three", "four", "five"], [0, 1, 0, 1, 0])
    common = {**data.splits(), "kind": "text", "source": "elsewhere", "splitting": ""}
    assert Data(**common, labels=data.labels).fingerprint() == data.fingerprint(), "the source does not matter"
    others = [Data(**common, labels=("a", "c")), Data(**common, labels=data.labels, flip=False)]
    others.append(Data(**{**common, "train": data.val, "val": data.train}, labels=data.labels))
    assert len({data.fingerprint(), *(other.fingerprint() for other in others)}) == 4


# === Tables ===


def test_who_went_where_is_written(tmp_path: Path) -> None:
    data = tiny_data.texts(["one", "two", "three", "four", "five"], [0, 1, 0, 1, 0])
    data.write_splits(tmp_path / "splits.csv")
    head, *rows = table(tmp_path / "splits.csv")
    assert head == ["example", "label", "split", "digest"] and [row[1:3] for row in rows] == [
        ["a", "train"],
        ["b", "train"],
        ["a", "train"],
        ["b", "val"],
        ["a", "test"],
    ]
    assert rows[3] == ["line 3", "b", "val", data.val.traits.hexdigest(0)]


def test_what_was_left_out_is_written_and_no_formula_is(tmp_path: Path) -> None:
    data = tiny_data.texts(["one", "two", "three", "four", "five"], [0, 1, 0, 1, 0])
    lost = (("=1+1", "the file is empty"), ("a\rb", "a, b"), ("caf\udce9.png", "no picture"))
    Data(**data.splits(), labels=data.labels, kind="text", source="", splitting="", unreadable=lost).write_quarantine(
        tmp_path / "quarantine.csv"
    )
    with (tmp_path / "quarantine.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        head, *rows = csv.reader(file)
    assert head == ["example", "reason"] and rows[0] == ["'=1+1", "the file is empty"]
    assert rows[1][1] == "a, b" and rows[2] == ["caf\udce9.png", "no picture"]


def test_how_each_example_was_answered_is_written(tmp_path: Path) -> None:
    data = tiny_data.texts(
        ["one", "two", "three", "four", "five", "six"], [0, 1, 0, 1, 0, 1], ["train"] * 4 + ["test"] * 2
    )
    data.write_answers(tmp_path / "a.csv", {"right": np.array([True, False]), "loss": np.array([0.1, 2.5])})
    head, *rows = table(tmp_path / "a.csv")
    digests = [data.test.traits.hexdigest(number) for number in (0, 1)]
    assert head == ["digest", "right", "loss"] and rows == [[digests[0], "1", "0.1"], [digests[1], "0", "2.5"]]
