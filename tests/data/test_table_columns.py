"""Cells and rows of a table: what is a number, a category, missing, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tlkit.data import table_columns
from tlkit.data.table_columns import Column
from tlkit.errors import InputError

AMOUNT, CITY = Column("amount"), Column("city", ("Oslo", "Rome", "7"))


@pytest.mark.parametrize("cell", [None, math.nan, "", "  ", "?", "NA", "n/a", "NaN", "null", "None"])
def test_missing_cells_are_nan(cell: Any) -> None:
    assert math.isnan(AMOUNT.number(cell)) and math.isnan(CITY.number(cell))


@pytest.mark.parametrize(("cell", "number"), [("1.5", 1.5), (" -2e3 ", -2000.0), (7, 7.0), (True, 1.0), ("0", 0.0)])
def test_numbers(cell: Any, number: float) -> None:
    assert AMOUNT.number(cell) == number


@pytest.mark.parametrize(("cell", "code"), [("Oslo", 0), (" Rome ", 1), ("7", 2), (7, 2), (7.0, 2)])
def test_categories_become_codes(cell: Any, code: int) -> None:
    assert CITY.number(cell) == code


def test_a_category_nobody_has_seen_counts_as_missing() -> None:
    assert math.isnan(CITY.number("Paris"))


@pytest.mark.parametrize("cell", ["cheap", "1_000", [1], {"a": 1}])
def test_a_text_among_numbers_is_refused(cell: Any) -> None:
    with pytest.raises(InputError, match="the column 'amount' holds numbers, not "):
        AMOUNT.number(cell)


@pytest.mark.parametrize("cell", ["inf", "1e39", -1e39, 10**400])
def test_a_number_that_float32_does_not_hold_is_refused(cell: Any) -> None:
    with pytest.raises(InputError, match="which is not a finite number"):
        AMOUNT.number(cell)


# === Rows ===


@pytest.mark.parametrize(
    "item",
    [
        {"city": "Rome", "amount": 3, "more": "is let be"},
        [3, "Rome"],
        ("3.0", "Rome"),
        '3,"Rome"',
        '{"amount": 3, "city": "Rome"}',
        np.array([3, 1], np.float32),
    ],
)
def test_every_form_of_a_row_is_the_same_row(item: Any) -> None:
    assert table_columns.row((AMOUNT, CITY), item, 0) == [3.0, 1.0]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"amount": 3}, "row 4 lacks the column 'city'; give its cell"),
        ([3], "row 4 has 1 columns, but the model takes 2: amount, city"),
        ("3,Rome,x", "row 4 has 3 columns"),
        ("", "row 4 has 0 columns"),
        ("{", "row 4 is no JSON object"),
        (["x", "Rome"], "row 4: the column 'amount' holds numbers, not 'x'"),
    ],
)
def test_rows_that_do_not_suit_are_refused(item: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table_columns.row((AMOUNT, CITY), item, 4)


def test_faults_of_facts() -> None:
    sound = {
        "columns": ["a"],
        "categories": [[]],
        "means": [0.0],
        "scales": [1.0],
        "edges": [[0.0, 1.0]],
        "gaps": [False],
    }
    assert list(table_columns.faults(sound)) == []
    assert list(table_columns.faults(sound | {"gaps": []}))
    assert list(table_columns.faults({key: [] for key in sound}))
    assert list(table_columns.faults(sound | {"means": [math.nan]}))
    assert list(table_columns.faults(sound | {"scales": [-1.0]}))
    assert list(table_columns.faults(sound | {"edges": [[1.0, 1.0]]})) and list(
        table_columns.faults(sound | {"edges": [[0, math.inf]]})
    )
