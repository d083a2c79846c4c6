"""From what lies in memory to tags and numbers, and what is refused of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tlkit.data import label_parsing
from tlkit.errors import DataError, InputError


@pytest.mark.parametrize(
    ("y", "labels", "expected", "names"),
    [
        ([["b"], [], ["a", "b", "a"]], None, [("b",), (), ("a", "b")], None),
        ([{"b", "a"}, ("c",)], ["a", "b", "c"], [("a", "b"), ("c",)], ["a", "b", "c"]),
        (np.array([[1, 0], [0, 0], [1, 1]]), ["x", "y"], [("x",), (), ("x", "y")], ["x", "y"]),
        (np.array([[True, False]]), None, [("0",)], ["0", "1"]),
        ([[0.0, 1.0], [1.0, 1.0]], None, [("1",), ("0", "1")], ["0", "1"]),
    ],
)
def test_tags_in_memory(y: object, labels: list | None, expected: list, names: list | None) -> None:
    assert label_parsing.held("tags", y, labels) == (expected, names)


@pytest.mark.parametrize(
    ("y", "labels", "message"),
    [
        (["a", "b"], None, "y holds 'a'; for tags give a list of names for each example, empty where it has none"),
        ([[1, 2], [0, 1]], None, "y holds [1, 2]; for tags give lists of names, or an array (examples, tags)"),
        ([[1], [0, 1]], None, "y holds [1]; for tags give lists of names"),
        ([["a", 1]], None, "y holds ['a', 1]; for tags"),
        (np.eye(3), ["a", "b"], "y has 3 columns and labels has 2 names; make them match"),
    ],
)
def test_no_tags(y: object, labels: list | None, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        label_parsing.held("tags", y, labels)


def test_numbers_in_memory() -> None:
    assert label_parsing.held("value", np.array([1, 2.5]), None) == ([1.0, 2.5], None)
    assert label_parsing.held("value", np.array([[1.0], [2.0]]), ["price"]) == ([1.0, 2.0], ["price"])
    for bad, why in (("x", "no number but 'x'"), (float("nan"), "no finite number but nan"), ([1, 2], "no number but")):
        with pytest.raises(InputError, match=f"y holds {re.escape(why)}.* at 1; give one finite number for each"):
            label_parsing.held("value", [1.0, bad], None)


def test_an_unknown_task() -> None:
    with pytest.raises(InputError, match="unknown task 'tag'; did you mean tags"):
        label_parsing.known("tag")


# === All examples ===


def test_tags_become_rows() -> None:
    names, encode = label_parsing.reader("tags", [("b", "10"), (), ("9",)], "t", None)
    assert names == ("b", "9", "10")
    rows = encode([("10",), (), ("b", "9")])
    assert rows.dtype == np.float32 and rows.tolist() == [[0, 0, 1], [0, 0, 0], [1, 1, 0]]
    assert encode([]).shape == (0, 3)
    assert label_parsing.reader("tags", [("b",)], "t", ["c", "b"])[0] == ("c", "b")


def test_numbers_become_floats() -> None:
    names, encode = label_parsing.reader("value", [1.5], "t", None)
    assert names == ("value",) and encode([1.5, 2]).dtype == np.float32 and encode([]).shape == (0,)


def test_what_no_reader_takes() -> None:
    with pytest.raises(DataError, match="no example of t has a tag; check that the right column holds them"):
        label_parsing.reader("tags", [(), ()], "t", None)
    with pytest.raises(DataError, match="t has the tag 'b', which is not among the 1 in labels="):
        label_parsing.reader("tags", [("a",), ("b",)], "t", ["a"])
    with pytest.raises(InputError, match="labels must differ; these stand more than once: a"):
        label_parsing.reader("tags", [("a",)], "t", ["a", "a"])
    with pytest.raises(InputError, match="a value has one name, not 2: price, cost"):
        label_parsing.reader("value", [1.0], "t", ["price", "cost"])


def test_tags_that_no_training_example_has() -> None:
    train, test = np.array([[1, 0, 0], [0, 0, 0]]), np.array([[1, 0, 0]])
    kept, names = label_parsing.settled("tags", {"train": train, "test": test}, ("a", "b", "c"), "t")
    assert kept.tolist() == [0] and names == ("a",)
    said = "the test split of t has 2 tags: 'b', 'c', which the train split lacks; add it there, or remove it"
    with pytest.raises(DataError, match=said):
        label_parsing.settled("tags", {"train": train, "test": np.ones((1, 3))}, ("a", "b", "c"), "t")
    with pytest.raises(DataError, match="no training example of t has a tag; add some"):
        label_parsing.settled("tags", {"train": train * 0}, ("a", "b", "c"), "t")


def test_one_number_for_all() -> None:
    with pytest.raises(DataError, match=r"every training example of t has the price 2\.5; there is nothing to learn"):
        label_parsing.settled("value", {"train": np.array([2.5, 2.5])}, ("price",), "t")
