"""How tags and numbers are spread: each finding, and data in which it is not found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.helpers import tiny_data
from tlkit.data.examples import gather
from tlkit.data.splits import Data
from tlkit.doctor.checks import check
from tlkit.doctor.diagnosis import Diagnosis
from tlkit.reporting.findings import Finding


def made(truths: np.ndarray, names: tuple[str, ...], texts: list[str] | None = None) -> Data:
    """Return texts with tags or with values."""
    count = len(truths)
    plain = tiny_data.texts(texts or [f"text {number}" for number in range(count)], list(range(count)))
    numbers = [[int(label) for label in split.labels] for split in plain.splits().values()]
    parts = {
        name: dataclasses.replace(split, labels=np.asarray(truths, np.float32)[own])
        for (name, split), own in zip(plain.splits().items(), numbers, strict=True)
    }
    return dataclasses.replace(plain, **parts, labels=names, task="tags" if truths.ndim > 1 else "value")


def found(data: Data) -> dict[str, Finding]:
    every = check(data)
    assert len({finding.code for finding in every}) == len(every)
    return {finding.code: finding for finding in every}


def tags(count: int = 100) -> np.ndarray:
    return (np.random.default_rng(0).random((count, 2)) < [0.6, 0.4]).astype(np.float32)


# === Tags ===


def test_sound_tags() -> None:
    assert found(made(tags(), ("a", "b"))) == {}


def test_rare_and_missing_tags() -> None:
    rows = np.concatenate([tags(), np.zeros((100, 1))], 1)
    rows[[0, 5, 10], 2] = 1  # all of them in train
    every = found(made(rows, ("a", "b", "c")))
    assert every["rare_tag"].title == "1 of 3 tags have fewer than 10 training examples: c 3"
    assert every["rare_tag"].examples == (("line 0", "line 5", "line 10"),) and every["rare_tag"].said == ("c",)
    assert every["missing_tag"].title == "val has no example of c; test has no example of c"
    assert set(every) == {"rare_tag", "missing_tag"}


def test_tags_that_say_nothing() -> None:
    rows = np.concatenate([tags(), np.ones((100, 1)), tags()[:, :1]], 1)
    every = found(made(rows, ("a", "b", "c", "d")))
    assert every["constant_tag"].title == "every training example has c"
    assert every["twin_tags"].title == "1 groups of tags are always given together: a and d"
    assert set(every) == {"constant_tag", "twin_tags"}


def test_examples_without_tags() -> None:
    rows = tags()
    rows[:60] = 0
    assert found(made(rows, ("a", "b")))["untagged"].title.endswith("of 100 examples have no tag")


# === Values ===


def values(count: int = 100) -> np.ndarray:
    return np.random.default_rng(0).normal(50, 10, count)


def test_sound_values() -> None:
    assert found(made(values(), ("price",))) == {}


def test_values_that_look_like_classes() -> None:
    finding = found(made(np.arange(100) % 2 + 0.0, ("price",)))["few_values"]
    assert finding.title == "price has only 2 different values: 0 and 1" and "--target label" in finding.remedy


def test_one_value_for_most() -> None:
    rows = values()
    rows[:60] = -1
    assert found(made(rows, ("price",)))["usual_value"].title == "60 of 100 examples have the same price, -1"


def test_the_short_form_names_the_target() -> None:
    data = made(np.arange(100) % 2 + 0.0, ("price",))
    told = Diagnosis("t.csv", "text", data.labels, data.counts(), tuple(check(data)), "value").brief()
    assert told.endswith("what to do about it: tlkit doctor t.csv --target value")


def test_values_far_out() -> None:
    rows = values()
    rows[7] = 5000
    finding = found(made(rows, ("price",)))["outlier_value"]
    assert finding.title.startswith("1 of 100 values lie far from the median, 5") and finding.title.endswith(": 5000")
    assert finding.examples == (("line 7",),)


def test_skewed_values() -> None:
    rows = np.exp(np.random.default_rng(0).normal(0, 0.65, 400))
    every = found(made(rows, ("price",)))
    assert set(every) == {"skewed_value"} and every["skewed_value"].severity == "note"


# === Copies, and how they are told ===


@pytest.mark.parametrize(
    ("truths", "names", "severity", "said"),
    [
        (tags(), ("a", "b"), "error", "has different tags"),
        (values(), ("price",), "warning", "has different values"),
    ],
)
def test_copies_that_differ(truths: np.ndarray, names: tuple[str, ...], severity: str, said: str) -> None:
    truths = truths.copy()
    truths[10] = truths[5]
    truths[15] = truths[5] + 1 if truths.ndim == 1 else 1 - truths[5]
    texts = [f"text {number}" for number in range(100)]
    texts[10] = texts[15] = texts[5]
    every = found(made(truths, names, texts))
    assert every["conflict"].severity == severity
    assert every["conflict"].title == f"1 group of identical texts {said}"
    word = "tags" if truths.ndim > 1 else "value"
    assert every["duplicate_text"].title.endswith(f"repeat another of their split and {word} byte for byte")


def test_truths_that_agree_have_one_facet() -> None:
    facets = gather(made(np.array([[1, 0], [1, 0], [0, 1]] * 5), ("a", "b"))).facets
    assert len(np.unique(facets)) == 2 and gather(tiny_data.texts(["a", "b"], [1, 0])).facets.tolist() == [1, 0]


def test_examples_are_counted_though_they_have_several_tags() -> None:
    data = made(np.ones((10, 2)), ("a", "b"))
    sizes = {name: len(split) for name, split in data.splits().items()}
    told = Diagnosis("x", "text", data.labels, data.counts(), (), "tags", sizes)
    lines = str(told).splitlines()
    assert lines[0] == "x: text, 10 examples" and lines[3].split() == ["a", "6", "2", "2"]
    assert lines[5].split() == ["2", "tags", "6", "2", "2"] and told.to_dict()["sizes"]["train"] == 6
    data = made(values(10), ("price",))
    lines = str(Diagnosis("x", "text", data.labels, data.counts(), (), "value")).splitlines()
    assert lines[0] == "x: text, 10 examples" and lines[3].split() == ["value", "price", "6", "2", "2"]
