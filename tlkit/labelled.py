"""Read what every row of a table says of its example: the label, the split and the group."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tlkit import rows, traits
from tlkit.assembly import Part
from tlkit.errors import DataError
from tlkit.splits import SPLIT_NAMES
from tlkit.traits import Traits

LABEL_COLUMNS = ("label", "category", "class", "target", "topic", "intent", "sentiment")


@dataclass(frozen=True)
class Row:
    """Hold what a table says of one example; `value` is its text or its path, an empty group is none."""

    line: int
    value: str
    label: Any
    split: str
    group: str


# === Examples ===


def unfit(text: str) -> str:
    """Return what a string holds that nothing after the reader could take, or ""."""
    if "\0" in text:
        return "a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "bytes that are not characters of its encoding"
    return ""


def examples(
    table: rows.Table, label: str, group: str | None, value: Callable[[dict[str, Any]], tuple[str, str]]
) -> tuple[list[Row], list[tuple[str, str]], str]:
    """Return the rows that are examples, name and reason of the others, and what there is to say about them.

    Args:
        table: the rows.
        label: the column of the labels.
        group: the column of the groups, or None.
        value: returns a row's text or path, and why it has none.

    Raises:
        DataError: labels that no classifier learns: several in a cell, or fractional numbers.
    """
    kept, lost = [], list(table.broken)
    for line, row in table.rows:
        found, reason = value(row)
        if reason := reason or _without_label(row.get(label), label):
            lost.append((f"line {line}", reason))
        else:
            kept.append((line, found, row))
    _check_labels([row[label] for _, _, row in kept], f"the column {label!r} of {table.path}")
    place = rows.guess(table, ["split"])
    splits, note = _splits([row.get(place) for _, _, row in kept]) if place not in {None, label} else ([], "")
    splits = splits or ["train"] * len(kept)
    made = [
        Row(line, found, row[label], split, "" if row.get(group) is None else str(row[group]).strip())
        for (line, found, row), split in zip(kept, splits, strict=True)
    ]
    return made, lost, " ".join(filter(None, [table.note, note]))


def parts(found: Sequence[Row], items: Sequence[Any], seen: Traits, *, grouped: bool) -> dict[str, Part]:
    """Sort examples by their splits; `items` and `seen` are what was read for `found`."""
    if grouped:
        seen = replace(seen, groups=traits.strings([row.group for row in found]))
    places: dict[str, list[int]] = {}
    for number, row in enumerate(found):
        places.setdefault(row.split, []).append(number)
    return {
        split: Part([items[n] for n in numbers], [found[n].label for n in numbers], seen.take(np.array(numbers)))
        for split, numbers in places.items()
    }


def _splits(values: list[Any]) -> tuple[list[str], str]:
    """Return the split of each example, or none where the column holds something else; and a note that says so."""
    written = [str(value).strip().lower() for value in values]
    if set(written) <= set(SPLIT_NAMES):
        return [SPLIT_NAMES[split] for split in written], ""
    return [], "The column 'split' was not used: it holds something else than train, val and test."


# === Labels ===


def _without_label(value: Any, label: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return f"no label in the column {label!r}"
    if isinstance(value, str) and not value.strip():
        return f"no label in the column {label!r}"
    wrong = unfit(value) if isinstance(value, str) else ""
    return f"{wrong} in the column {label!r}" if wrong else ""


def _check_labels(values: list[Any], where: str) -> None:
    if several := _several(values):
        raise DataError(
            f"{where} holds several labels in one cell, such as {several[0]!r}; tlkit learns one label for each "
            f"example so far: keep one label a row"
        )
    if fractions := _fractions(values):
        raise DataError(
            f"{where} holds fractional numbers, such as {fractions[0]!r}; tlkit learns classes, not quantities, so "
            f"far: write the name of one class, such as that of a range, in each row"
        )


def _several(values: list[Any]) -> list[Any]:
    """Return the cells that hold more than one label."""
    if listed := [value for value in values if isinstance(value, list | dict)]:
        return listed
    written = {value for value in values if isinstance(value, str)}
    if listed := [value for value in sorted(written) if _is_list(value)]:
        return listed
    cells = {value: {part.strip() for part in re.split("[|;]", value)} for value in sorted(written)}
    cells = {value: parts - {""} for value, parts in cells.items() if len(parts) > 1}
    # A name such as "n02110341; dalmatian" is one label: what stands in it stands nowhere else.
    counts = Counter(part for parts in cells.values() for part in parts)
    return [value for value, parts in cells.items() if any(part in written or counts[part] > 1 for part in parts)]


def _is_list(value: str) -> bool:
    try:
        return value.lstrip().startswith("[") and isinstance(json.loads(value), list)
    except (ValueError, RecursionError):
        return False


def _fractions(values: list[Any]) -> list[Any]:
    """Return the numbers that are not whole, where all are numbers."""
    try:
        numbers = {value: float(value) for value in dict.fromkeys(values)}
    except (TypeError, ValueError, OverflowError):
        return []
    return [value for value, number in numbers.items() if math.isfinite(number) and not number.is_integer()]
