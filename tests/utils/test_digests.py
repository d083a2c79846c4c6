"""Digests: what is equal has one, and whatever differs has another."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tlkit.utils import digests


def test_facts_are_digested_whatever_their_order() -> None:
    assert digests.combined({"a": 1, "b": [2, None]}) == digests.combined({"b": [2, None], "a": 1})
    assert digests.combined({}) == hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize("other", [{}, {"a": 2}, {"a": "1"}, {"b": 1}, {"a": 1, "b": None}, {"a": [1]}])
def test_other_facts_have_another_digest(other: dict) -> None:
    assert digests.combined(other) != digests.combined({"a": 1})


def test_facts_that_json_lacks_count_as_they_are_written() -> None:
    assert digests.combined({"a": Path("x")}) == digests.combined({"a": repr(Path("x"))})
    assert digests.combined({"a": Path("x")}) != digests.combined({"a": Path("y")})


def test_an_array_counts_by_its_values_and_not_by_how_it_lies_in_memory() -> None:
    values = np.arange(12, dtype="float32").reshape(3, 4)
    assert digests.array(values) == digests.array(np.asfortranarray(values)) == digests.array(values.copy())
    assert digests.array(values[:, ::2]) == digests.array(np.ascontiguousarray(values[:, ::2]))


def test_value_type_and_shape_of_an_array_matter() -> None:
    values = np.zeros((2, 3), "float32")
    changed = values.copy()
    changed[1, 2] = 1e-30
    others = [changed, values.T, values.ravel(), values.astype("int32"), values[:0]]
    assert len({digests.array(values), *map(digests.array, others)}) == 6
