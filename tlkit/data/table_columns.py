"""Typed columns of a table: numbers and categories, and the conversion of cells to numbers."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tlkit.errors import InputError

MISSING = ("", "?", "na", "n/a", "nan", "null", "none")  # cells, in any case, that hold nothing
MAX_NUMBER = 3.4e38  # the largest of float32, rounded down
# what `TableInput.facts` writes, as `schema.mismatches` takes it
FACTS = {
    "columns": [str], "categories": [[str]], "means": [float], "scales": [float], "edges": [[float]], "gaps": [bool],
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of numbers or of categories.

    Args:
        name: the name in the header.
        categories: the texts that a cell may hold, in the order of their codes 0, 1, ...; empty for numbers.
    """

    name: str
    categories: tuple[str, ...] = ()

    def number(self, cell: Any) -> float:
        """Convert a cell to the number that the model takes: a number, the code of a category, or NaN if missing.

        A category that the column does not have counts as missing: a model knows nothing of it.

        Raises:
            InputError: a text in a column of numbers, or a number that is not finite in float32.
        """
        if is_missing(cell):
            return math.nan
        if self.categories:
            text = written(cell)
            return float(self.categories.index(text)) if text in self.categories else math.nan
        value = as_number(cell)
        if value is None:
            raise InputError(f"the column {self.name!r} holds numbers, not {written(cell)[:40]!r}")
        if not abs(value) <= MAX_NUMBER:
            raise InputError(f"the column {self.name!r} holds {written(cell)[:40]}, which is not a finite number")
        return value

    def cell(self, number: float) -> str:
        """Convert a result of `number` back to the text of a cell, "" if missing."""
        if math.isnan(number):
            return ""
        return self.categories[int(number)] if self.categories else str(number)


def faults(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the errors in facts that match the schema FACTS."""
    counts = {name: len(facts[name]) for name in FACTS}
    if len(set(counts.values())) > 1 or not counts["columns"]:
        yield f"its columns, categories, means, scales, edges and gaps are not of one number: {list(counts.values())}"
    if not all(map(math.isfinite, facts["means"])) or not all(0 <= scale < math.inf for scale in facts["scales"]):
        yield "its means or scales are not finite, or a scale is below 0"
    if not all(-math.inf < low < high < math.inf for edges in facts["edges"] for low, high in pairwise(edges)):
        yield "its edges are not finite and ascending"


def is_missing(cell: Any) -> bool:
    """Return whether a cell is missing: None, NaN, an empty text, or one of MISSING."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    return isinstance(cell, str) and cell.strip().lower() in MISSING


def written(cell: Any) -> str:
    """Return a cell as text, without surrounding blanks; 1.0 and 1 are the same."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def as_number(cell: Any) -> float | None:
    """Return the number in a cell, or None if it holds none."""
    if isinstance(cell, str) and "_" in cell:
        return None  # Python reads 1_000 as a number, which nobody else does
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None
    except OverflowError:  # a whole number of JSON that no float holds
        return math.inf


# === Rows ===


def row(table: Sequence[Column], item: Any, number: int) -> list[float]:
    """Convert one row to the array that the model takes.

    Args:
        table: the columns.
        item: a mapping of column to cell, in which more columns may stand; the cells in the order of the columns; an
            array (columns,) of numbers and codes; or a text: a line of CSV without a header, or a JSON object.
        number: the number of the row, for error messages.

    Raises:
        InputError: a column is missing, there are more or fewer of them, or a cell does not suit its column.
    """
    names = [column.name for column in table]
    item = _unwritten(item, number) if isinstance(item, str) else item
    if isinstance(item, Mapping):
        if lacking := [name for name in names if name not in item]:
            some = ", ".join(map(repr, lacking[:5]))
            raise InputError(f"row {number} lacks the column {some}; give its cell, or None where it is missing")
        item = [item[name] for name in names]
    cells = item.tolist() if hasattr(item, "tolist") else list(item)
    if len(cells) != len(names):
        raise InputError(unlike(f"row {number}", len(cells), names))
    if hasattr(item, "dtype") and item.dtype.kind in "uif":  # codes already
        return [float(cell) for cell in cells]
    try:
        return [column.number(cell) for column, cell in zip(table, cells, strict=True)]
    except InputError as error:
        raise InputError(f"row {number}: {error}") from error


def unlike(what: str, count: int, names: Sequence[str]) -> str:
    """Return the error text for another number of columns."""
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{what} has {count} columns, but the model takes {len(names)}: {shown}"


def _unwritten(text: str, number: int) -> Any:
    """Parse a row that is a JSON object or a line of CSV."""
    if not text.lstrip().startswith("{"):
        return next(csv.reader([text]), [])
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"row {number} is no JSON object: {error}; mend it, or give a line of CSV") from error
