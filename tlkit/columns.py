"""The columns of a table of numbers and categories, and what a cell of theirs is as a number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tlkit.errors import InputError

MISSING = ("", "?", "na", "n/a", "nan", "null", "none")  # cells, in any case, that hold nothing
LARGEST = 3.4e38  # of float32
# what `TableInput.facts` writes, as `forms.mismatches` takes it
FACTS = {"columns": [str], "categories": [[str]], "means": [float], "scales": [float], "gaps": [bool]}


@dataclass(frozen=True)
class Column:
    """Describe a column.

    Args:
        name: what it is called.
        categories: the texts that a cell may hold, in the order of their codes 0, 1, ...; empty for numbers.
    """

    name: str
    categories: tuple[str, ...] = ()

    def number(self, cell: Any) -> float:
        """Return a cell as the model takes it: the number, the code of the category, or NaN for a missing cell.

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
        if not abs(value) <= LARGEST:
            raise InputError(f"the column {self.name!r} holds {written(cell)[:40]}, which is not a finite number")
        return value


def faults(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with facts that have the form FACTS."""
    counts = {name: len(facts[name]) for name in FACTS}
    if len(set(counts.values())) > 1 or not counts["columns"]:
        yield f"its columns, categories, means, scales and gaps are not of one number: {list(counts.values())}"
    for name in ("means", "scales"):
        if not all(math.isfinite(value) for value in facts[name]) or (name == "scales" and min(facts[name]) < 0):
            yield f"its {name} are not finite, or below 0"


def is_missing(cell: Any) -> bool:
    """Tell whether a cell holds nothing: None, NaN, an empty text, or one of MISSING."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    return isinstance(cell, str) and cell.strip().lower() in MISSING


def written(cell: Any) -> str:
    """Return a cell as a table has it in writing, without blanks around it; 1.0 and 1 are the same."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def as_number(cell: Any) -> float | None:
    """Return the number that a cell holds, or None where it holds none."""
    if isinstance(cell, str) and "_" in cell:
        return None  # Python reads 1_000 as a number, which nobody else does
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None
    except OverflowError:  # a whole number of JSON that no float holds
        return math.inf
