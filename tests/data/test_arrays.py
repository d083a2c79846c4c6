"""Data sets from arrays in memory: pictures, texts, their labels and groups, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit import errors
from tlkit.data.readers import arrays

TEXTS = ["good film", "bad film", "fine play", "poor play", "great book", "dull book"]


LABELS = ["pos", "neg"] * 3


@pytest.mark.parametrize("shape", [(8, 4, 4), (8, 4, 4, 1), (8, 4, 4, 3)])
def test_arrays_of_pictures(shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape)).reshape(shape) % 256
    dataset = arrays.arrays(pixels, np.array([0, 1] * 4), labels=["even", "odd"])
    assert (dataset.labels, dataset.kind) == (("even", "odd"), "image")
    for split in (dataset.train, dataset.val, dataset.test):
        for image, label in zip(split.items, split.labels, strict=True):
            place = [np.array_equal(image, one) for one in pixels].index(True)
            assert place % 2 == label


def test_labels_of_arrays() -> None:
    assert arrays.arrays(TEXTS, np.array(LABELS)).labels == ("neg", "pos")
    assert arrays.arrays(TEXTS, LABELS, labels=["pos", "neg"]).labels == ("pos", "neg")
    assert arrays.arrays(np.array(TEXTS), [10, 9] * 3).labels == ("9", "10")
    assert arrays.arrays(TEXTS, [True, False] * 3).labels == ("False", "True")
    unused = arrays.arrays(TEXTS, [2, 0] * 3, labels=["a", "b", "c"])
    assert unused.labels == ("a", "c") and "Left out for want of examples: b." in unused.splitting
    parts = unused.splits().values()
    told = {
        text: unused.described(label) for part in parts for text, label in zip(part.items, part.labels, strict=True)
    }
    assert told["good film"] == "c" and told["bad film"] == "a"


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (TEXTS, LABELS[:-1], errors.InputError, "x has 6 examples and y has 5 labels; make them match"),
        (TEXTS, np.eye(6), errors.InputError, "one label for each example; turn one-hot rows into numbers with argmax"),
        (
            [1, 2],
            ["a", "b"],
            errors.InputError,
            "x holds 1; give texts, or pairs of them",
        ),
        (np.zeros((2, 4, 4, 2)), [0, 1], errors.InputError, "pictures must have the shape"),
        (np.full((2, 4, 4), np.nan), [0, 1], errors.InputError, "the pictures hold NaN"),
        (TEXTS, ["a", None] * 3, errors.DataError, "the labels of arrays are of the types NoneType, str"),
        (TEXTS, ["a"] * 6, errors.DataError, "single class"),
        ([], [], errors.DataError, "no readable example"),
    ],
)
def test_arrays_that_cannot_be_used(x: object, y: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        arrays.arrays(x, y)


@pytest.mark.parametrize(("y", "labels"), [([0, 5] * 3, ["a", "b"]), (["a", "c"] * 3, ["a", "b"])])
def test_labels_outside_the_given_ones(y: list, labels: list[str]) -> None:
    with pytest.raises(errors.DataError, match=r"has the label (5|'c'), which is not among the 2 in labels="):
        arrays.arrays(TEXTS, y, labels=labels)


def test_pairs_of_texts_stay_pairs() -> None:
    pairs = [(text, f"{text}?") for text in TEXTS]
    dataset = arrays.arrays(pairs, LABELS)
    found = [item.parts for split in dataset.splits().values() for item in split.items]
    assert dataset.kind == "text" and sorted(found) == sorted(pairs)


def test_groups_stay_on_one_side_and_must_be_as_many() -> None:
    texts, groups = [f"text {number}" for number in range(40)], [number // 4 for number in range(40)]
    dataset = arrays.arrays(texts, ["a", "b"] * 20, groups=groups)
    sides = [{int(text.split()[1]) // 4 for text in split.items} for split in dataset.splits().values()]
    assert all(sides) and not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    apart = arrays.arrays(texts, ["a", "b"] * 20)
    assert {int(text.split()[1]) // 4 for text in apart.train.items} & {
        int(text.split()[1]) // 4 for text in apart.test.items
    }, "the control"
    with pytest.raises(errors.InputError, match="x has 40 examples and groups has 3 values; make them match"):
        arrays.arrays(texts, ["a", "b"] * 20, groups=[1, 2, 3])


def test_tags_and_values() -> None:
    tags = arrays.arrays(TEXTS * 2, [["good"], ["good", "old"], []] * 4, task="tags")
    assert tags.labels == ("good", "old") and tags.train.labels.dtype == np.float32
    values = arrays.arrays(TEXTS * 2, np.arange(12.0), labels=["stars"], task="value")
    assert values.labels == ("stars",) and values.task == "value"
    with pytest.raises(errors.InputError, match="unknown task 'tag'; did you mean tags"):
        arrays.arrays(TEXTS, LABELS, task="tag")
