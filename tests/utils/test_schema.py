"""Values that anybody may have written are held against a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from tlkit.utils.schema import mismatches

HOW = Literal["crop", "pad"]


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (1, int),
        (1, float),
        (None, int | None),
        (2, float | None),
        ("pad", HOW),
        (None, HOW | None),
        ([], [int]),
        ([1, 2], Sequence[float]),
        ([1, "a"], (int, str)),
        ({"a": 1, "b": 2}, {"a": int}),
        ({}, {"*": int}),
        ({"a": {"b": [[1.5]]}}, {"a": {"*": [[float]]}}),
        ({"a": {"b": 1}}, {"a": {}}),
    ],
)
def test_what_fits(value: Any, form: Any) -> None:
    assert list(mismatches(value, form)) == []


@pytest.mark.parametrize(
    ("value", "form", "said"),
    [
        ("1", int, "it is of type str, not int"),
        (True, int, "it is of type bool, not int"),
        (1, bool, "it is of type int, not bool"),
        (1.0, int, "it is of type float, not int"),
        ("x", int | None, "it is 'x', not int or null"),
        (True, float | None, "it is of type bool, not float or null"),
        ("bend", HOW | None, "it is 'bend', not 'crop' or 'pad' or null"),
        (["crop"], HOW, "it is of type list, not 'crop' or 'pad'"),
        (1, Literal[True, "all"], "it is of type int, not True or 'all'"),
        ([1, "a"], Sequence[int] | None, "it is of type list, not list of int or null"),
        ("ab", [str], "it is of type str, not list"),
        ([1, "a"], [int], "[1] is of type str, not int"),
        ([1], (int, str), "it has 1 items, not 2"),
        ([1, 2], (int, str), "[1] is of type int, not str"),
        ({}, (int,), "it is of type dict, not list"),
        ([], {}, "it is of type list, not dict"),
        ({"b": 1}, {"a": int}, "a is missing"),
        ({"a": {"b": [1, None]}}, {"a": {"*": [int]}}, "a.b[1] is of type NoneType, not int"),
        ({"a": 1}, {"a": {}}, "a is of type int, not dict"),
        ("a" * 10_000, HOW, f"it is {'a' * 100!r}, not 'crop' or 'pad'"),
    ],
)
def test_what_does_not_fit(value: Any, form: Any, said: str) -> None:
    assert next(mismatches(value, form)) == said


def test_a_name_stands_before_what_is_wrong() -> None:
    assert list(mismatches({"a": 1}, {"a": str, "b": int}, "job")) == [
        "job.b is missing",
        "job.a is of type int, not str",
    ]


@pytest.mark.parametrize(
    ("value", "form", "fault"),
    [
        ({"a": 10**400}, {"a": float}, "a is a number of more than 63 bits"),
        ({"a": -(2**63)}, {"a": int}, "a is a number of more than 63 bits"),
        ({"a": [1, 2**63]}, {"a": [int]}, r"a[1] is a number of more than 63 bits"),
        ({"a": float("inf")}, {"a": float}, "a is not a finite number"),
        ({"a": float("nan")}, {"a": float | None}, "a is not a finite number"),
    ],
)
def test_numbers_that_nothing_can_use(value: dict, form: dict, fault: str) -> None:
    assert list(mismatches(value, form)) == [fault]
    assert list(mismatches({"a": 2**63 - 1}, {"a": int})) == []
