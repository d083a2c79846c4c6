"""Label, split and group columns of a table."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tlkit.data import example_info, label_parsing, table_file
from tlkit.data.assemble import Part
from tlkit.data.example_info import Traits
from tlkit.data.splits import SPLIT_NAMES
from tlkit.errors import DataError

LABEL_COLUMNS = ("label", "category", "class", "target", "topic", "intent", "sentiment")
# by task, what the column is probably called
COLUMNS = {
    "label": LABEL_COLUMNS,
    "tags": ("tags", "labels", "keywords", "categories", "topics", *LABEL_COLUMNS),
    "value": ("value", "score", "rating", "price", "target", *LABEL_COLUMNS),
}


@dataclass(frozen=True)
class Row:
    """One example of a table; `value` is its text or its path, an empty group means none."""

    line: int
    value: str
    label: Any
    split: str
    group: str


# === Examples ===


def unfit(text: str) -> str:
    """Return why a string cannot be used after reading, or ""."""
    if "\0" in text:
        return "a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "bytes that are not characters of its encoding"
    return ""


def examples(
    table: table_file.Table,
    label: str,
    group: str | None,
    value: Callable[[dict[str, Any]], tuple[str, str]],
    task: str = "label",
) -> tuple[list[Row], list[tuple[str, str]], str]:
    """Return the rows that are examples, name and reason of the others, and a note for the user.

    Args:
        table: the rows.
        label: the column of the labels.
        group: the column of the groups, or None.
        value: returns a row's text or path, and the reason if it has none.
        task: the content of the label column: "label", "tags" or "value".

    Raises:
        DataError: labels that do not suit the task: several in a cell or fractional numbers where each is to be one
            class, tags parted by commas, or values of which more than half are no numbers.
    """
    usable, lost = [], list(table.broken)
    truth = _truth(table, label, task)
    for line, row in table.rows:
        item, reason = value(row)
        known, wrong = ("", reason) if reason else truth(row.get(label))
        if wrong:
            lost.append((f"line {line}", reason or f"{wrong} in the column {label!r}"))
        else:
            usable.append((line, item, known, row))
    _CHECKS[task]([known for _, _, known, _ in usable], f"the column {label!r} of {table.path}")
    split_column = table_file.guess(table, ["split"])
    splits, note = (
        _splits([row.get(split_column) for *_, row in usable]) if split_column not in {None, label} else ([], "")
    )
    splits = splits or ["train"] * len(usable)
    made = [
        Row(line, item, known, split, "" if row.get(group) is None else str(row[group]).strip())
        for (line, item, known, row), split in zip(usable, splits, strict=True)
    ]
    return made, lost, " ".join(filter(None, [table.note, note]))


def parts(found: Sequence[Row], items: Sequence[Any], seen: Traits, *, grouped: bool) -> dict[str, Part]:
    """Group examples by split; `items` and `seen` are the items and traits of the rows `found`."""
    if grouped:
        seen = replace(seen, groups=example_info.strings([row.group for row in found]))
    places: dict[str, list[int]] = {}
    for number, row in enumerate(found):
        places.setdefault(row.split, []).append(number)
    return {
        split: Part([items[n] for n in numbers], [found[n].label for n in numbers], seen.take(np.array(numbers)))
        for split, numbers in places.items()
    }


def _splits(values: list[Any]) -> tuple[list[str], str]:
    """Return the split of every example, or none if the column holds something else, and a note in that case."""
    written = [str(value).strip().lower() for value in values]
    if set(written) <= set(SPLIT_NAMES):
        return [SPLIT_NAMES[split] for split in written], ""
    return [], "The column 'split' was not used: it holds something else than train, val and test."


# === Labels ===


def _truth(table: table_file.Table, label: str, task: str) -> Callable[[Any], tuple[Any, str]]:
    """Return a function that reads a cell of the column: its label, tags or value, and the reason if it has none."""
    if task == "tags":
        between = label_parsing.separator(row.get(label) for _, row in table.rows)
        return lambda cell: _sound(*label_parsing.tags(cell, between))
    if task == "value":
        _insist_on_numbers([row.get(label) for _, row in table.rows], f"the column {label!r} of {table.path}")
        return _number
    return _label


def _label(cell: Any) -> tuple[Any, str]:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return cell, "no label"
    if isinstance(cell, str) and not cell.strip():
        return cell, "no label"
    return cell, unfit(cell) if isinstance(cell, str) else ""


def _number(cell: Any) -> tuple[Any, str]:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None, "no number"
    return label_parsing.number(cell)


def _sound(names: tuple[str, ...] | None, wrong: str) -> tuple[Any, str]:
    return names, wrong or next(filter(None, map(unfit, names)), "")


def _check_labels(values: list[Any], where: str) -> None:
    if several := _several(values):
        raise DataError(
            f"{where} holds several labels in one cell, such as {several[0]!r}; read it with task='tags' (--target "
            f"tags), or keep one label a row"
        )
    if fractions := _fractions(values):
        raise DataError(
            f"{where} holds fractional numbers, such as {fractions[0]!r}; read it with task='value' (--target value), "
            f"or write the name of one class, such as that of a range, in each row"
        )


def _check_tags(values: list[Any], where: str) -> None:
    if several := label_parsing.by_commas(values):
        raise DataError(f"{where} parts tags by commas, as in {several!r}; part them by | or ;")


def _insist_on_numbers(cells: list[Any], where: str) -> None:
    strange = [cell for cell in cells if _number(cell)[1]]
    if 2 * len(strange) > len(cells):
        raise DataError(
            f"{where} holds {'hardly any' if len(strange) < len(cells) else 'no'} numbers, but such as {strange[0]!r}; "
            f"name the column of the values with label_column=, or learn names with task='label' (--target label)"
        )


_CHECKS = {"label": _check_labels, "tags": _check_tags, "value": lambda values, where: None}


def _several(values: list[Any]) -> list[Any]:
    """Return the cells that hold more than one label."""
    if listed := [value for value in values if isinstance(value, list | dict)]:
        return listed
    written = {value for value in values if isinstance(value, str)}
    if listed := [value for value in sorted(written) if label_parsing.is_list(value)]:
        return listed
    cells = {value: {part.strip() for part in re.split("[|;]", value)} for value in sorted(written)}
    cells = {value: parts - {""} for value, parts in cells.items() if len(parts) > 1}
    # A name such as "n02110341; dalmatian" is one label: what stands in it stands nowhere else.
    counts = Counter(part for parts in cells.values() for part in parts)
    return [value for value, parts in cells.items() if any(part in written or counts[part] > 1 for part in parts)]


def _fractions(values: list[Any]) -> list[Any]:
    """Return the numbers that are not whole, where all are numbers."""
    try:
        numbers = {value: float(value) for value in dict.fromkeys(values)}
    except (TypeError, ValueError, OverflowError):
        return []
    return [value for value, number in numbers.items() if math.isfinite(number) and not number.is_integer()]
