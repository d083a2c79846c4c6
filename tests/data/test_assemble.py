"""From what a reader found to three splits: which are drawn, what is said of it, and what cannot be learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlkit.config import Splitting
from tlkit.data.assemble import About, Part, assemble, drawn, refuse
from tlkit.data.splits import Split
from tlkit.errors import DataError

ABOUT = About("text", "films.csv")


def part(count: int, labels: tuple[Any, ...] = ("bad", "good"), word: str = "text") -> Part:
    return Part(
        [f"{word} {number}" for number in range(count)], [labels[number % len(labels)] for number in range(count)]
    )


def sizes(data: Any) -> list[int]:
    return [len(split) for split in data.splits().values()]


# === Splits ===


def test_all_three_are_drawn_of_one_part() -> None:
    data = assemble({"train": part(40)}, ABOUT, Splitting(3))
    assert sizes(data) == [28, 6, 6] and data.splitting == (
        "No val or test split was given; 70 % train, 15 % val and 15 % test were drawn from each class (seed 3)."
    )
    texts = [text for split in data.splits().values() for text in split.items]
    assert sorted(texts) == sorted(part(40).items) and data.labels == ("bad", "good")
    again, other = (assemble({"train": part(40)}, ABOUT, Splitting(seed)) for seed in (3, 4))
    assert again.train.items == data.train.items != other.train.items


@pytest.mark.parametrize(("name", "said"), [("test", "as test;"), ("val", "as val; it is used as test;")])
def test_of_two_parts_val_is_drawn(name: str, said: str) -> None:
    given = part(6, word="held out")
    data = assemble({"train": part(40), name: given}, ABOUT)
    assert sizes(data) == [34, 6, 6] and data.test.items == given.items and f"another {said}" in data.splitting


def test_three_parts_stay_as_they_are() -> None:
    data = assemble({"train": part(10), "val": part(4, word="b"), "test": part(2, word="c")}, ABOUT)
    assert sizes(data) == [10, 4, 2] and data.splitting == "The train, val and test splits were given."


def test_a_part_without_examples_was_not_given() -> None:
    data = assemble({"train": part(40), "val": Part([], []), "test": part(6, word="c")}, ABOUT)
    assert sizes(data) == [34, 6, 6]


def test_a_file_of_splits_decides(tmp_path: Path) -> None:
    data = assemble({"train": part(40)}, ABOUT)
    data.write_splits(tmp_path / "splits.csv")
    again = assemble({"train": part(40)}, ABOUT, Splitting(9, file=str(tmp_path / "splits.csv")))
    assert [set(a.items) for a in again.splits().values()] == [set(a.items) for a in data.splits().values()]
    assert again.splitting.startswith("The splits are those of splits.csv.")


def test_by_another_sort_than_the_truth() -> None:
    whole = Split([f"text {number}" for number in range(40)], np.zeros(40, np.int64))
    sorts = np.arange(40) % 2
    splits, said = drawn({"train": whole}, ABOUT, Splitting(), lambda split: sorts)
    halves = [np.mean([int(text.split()[1]) % 2 for text in split.items]) for split in splits.values()]
    assert halves == [0.5, 0.5, 0.5] and "from each class (seed 0)" in said


# === Labels ===


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (("b", "a"), ("a", "b")),
        ((10, 9), ("9", "10")),
        (("10", "9"), ("9", "10")),
        ((True, False), ("False", "True")),
        (("10", "9", "x"), ("10", "9", "x")),
    ],
)
def test_classes_are_in_the_order_of_their_names_or_numbers(labels: tuple, names: tuple) -> None:
    data = assemble({"train": part(30, labels)}, ABOUT)
    assert data.labels == names
    first = data.train.labels[0]
    number = int(data.train.items[0].split()[1])
    assert data.labels[first] == str(labels[number % len(labels)])


def test_names_may_be_given_and_those_without_examples_are_left_out() -> None:
    data = assemble({"train": part(20, (2, 0))}, ABOUT, labels=["a", "b", "c"])
    assert data.labels == ("a", "c") and data.splitting.endswith("Left out for want of examples: b.")
    assert assemble({"train": part(20)}, ABOUT, labels=["good", "bad"]).labels == ("good", "bad")


def test_tags_and_values() -> None:
    tags = assemble({"train": part(40, (("a",), ("a", "b"), ()))}, About("text", "x", task="tags"))
    assert tags.labels == ("a", "b") and tags.train.labels.shape == (len(tags.train), 2)
    values = assemble({"train": part(40, (1.5, 2.5))}, About("text", "x", task="value"), labels=["stars"])
    assert values.labels == ("stars",) and set(values.train.labels.tolist()) == {1.5, 2.5}


# === Refused ===


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, r"films\.csv holds no readable example to train on; add some"),
        ({"train": Part([], [])}, "no readable example"),
        ({"test": part(6)}, "no readable example"),
        ({"train": part(6, ("a",))}, "has a single class, 'a'; a classifier needs two"),
        (
            {"train": Part(["x", "y", "z"], ["a", "a", "b"])},
            "one example only of the class 'b'; add examples, or remove",
        ),
        ({"train": part(6, ("a", 1))}, "are of the types int, str; make them all strings, or all whole numbers"),
        ({"train": part(6, (1.5, 2.5))}, "are of the types float;"),
        (
            {"train": part(6), "test": part(6, ("bad", "new"), "c")},
            "the test split .* has the class 'new', which the tr",
        ),
        ({"train": part(4)}, "no example is left for val: some class needs three examples"),
        (
            {"train": Part(["same"] * 9, ["a", "b", "b"] * 3)},
            r"left for val and test: .* 8 examples are copies or near copies of others",
        ),
    ],
)
def test_what_cannot_be_learned_from(parts: dict[str, Part], message: str) -> None:
    with pytest.raises(DataError, match=message):
        assemble(parts, ABOUT)


def test_a_label_that_is_not_among_the_names() -> None:
    with pytest.raises(DataError, match=r"films\.csv has the label 'bad', which is not among the 1 in labels="):
        assemble({"train": part(6)}, ABOUT, labels=["good"])


def test_a_file_of_splits_that_leaves_a_side_empty(tmp_path: Path) -> None:
    assemble({"train": part(40)}, ABOUT).write_splits(tmp_path / "splits.csv")
    text = (tmp_path / "splits.csv").read_text().replace(",val,", ",train,")
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(DataError, match=r"splits\.csv puts no example of these data into val; add some"):
        assemble({"train": part(40)}, ABOUT, Splitting(file=str(tmp_path / "splits.csv")))


def test_what_cannot_be_read_is_named_or_refused() -> None:
    lost = tuple((f"line {number}", "an empty text") for number in range(7))
    data = assemble({"train": part(20)}, About("text", "films.csv", unreadable=lost))
    assert data.unreadable == lost
    with pytest.raises(
        DataError, match=r"7 could not be read; line 0: an empty text; .*line 4: an empty text; \.\.\.; \w+ or remove"
    ):
        assemble({"train": part(20)}, About("text", "films.csv", unreadable=lost), strict=True)
    with pytest.raises(
        DataError, match=r"no readable example to train on \(7 could not be read; line 0: an empty text\)"
    ):
        assemble({}, About("text", "films.csv", unreadable=lost))
    refuse("films.csv", lost, strict=False)
    refuse("films.csv", (), strict=True)
