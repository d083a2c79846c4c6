"""All examples in one row."""

from __future__ import annotations

import numpy as np

from tests.helpers import tiny_data
from tlkit.data.examples import GROUPS, MEMBERS, SPLITS, gather
from tlkit.data.splits import Data, Split


def test_examples_come_split_by_split() -> None:
    examples = gather(tiny_data.texts(["one", "two", "three", "four", "five"], [0, 1, 0, 1, 0]))
    assert [SPLITS[side] for side in examples.sides] == ["train", "train", "train", "val", "test"]
    assert examples.labels.tolist() == [0, 1, 0, 1, 0] and len(examples) == 5
    assert list(examples.items) == [examples.item(number) for number in range(5)]
    assert examples.item(3) == "four" and examples.item(4) == "five"


def test_order_follows_the_splits_not_the_source() -> None:
    examples = gather(tiny_data.texts(["one", "two", "three"], [0, 1, 0], ["test", "train", "val"]))
    assert list(examples.names) == ["line 1", "line 2", "line 0"]
    assert [examples.item(number) for number in range(3)] == ["two", "three", "one"]
    assert examples.labels.tolist() == [1, 0, 0]


def test_names_used_in_two_splits_are_told_apart() -> None:
    pixels = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
    splits = [Split(pixels[part], np.array([0, 1])) for part in (slice(0, 2), slice(2, 4), slice(4, 6))]
    examples = gather(Data(*splits, labels=("a", "b"), kind="image", source="arrays", splitting=""))
    assert list(examples.names) == ["train 0", "train 1", "val 0", "val 1", "test 0", "test 1"]
    assert np.array_equal(examples.item(3), pixels[3])


def test_an_empty_split_takes_no_place() -> None:
    examples = gather(tiny_data.texts(["one", "two"], [0, 1], ["train", "test"]))
    assert examples.item(1) == "two" and SPLITS[examples.sides[1]] == "test"


def test_names_of_groups_are_kept_to_what_a_person_looks_through() -> None:
    examples = gather(tiny_data.texts([f"text {number}" for number in range(50)], [0, 1] * 25, ["train"] * 50))
    assert examples.named([[1, 2], [5]]) == (("line 1", "line 2"), ("line 5",))
    named = examples.named([range(40)] * 40)
    assert len(named) == GROUPS and {len(group) for group in named} == {MEMBERS}
