"""Parse and validate multi-label and regression targets, from cells, arrays and rows."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tlkit.errors import DataError, InputError, unknown
from tlkit.tasks.targets import Tags, Value

TASKS = ("label", "tags", "value")
MAX_NAMES_SHOWN = 5  # in a message
MAX_FLOAT32 = float(np.finfo(np.float32).max)


def known(task: str) -> str:
    """Return the name of a task; raise InputError if there is no such task."""
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    return task


# === Cells ===


def number(cell: Any) -> tuple[float | None, str]:
    """Return the number in a cell and "", or None and the reason why it holds none."""
    if isinstance(cell, str | int | float) and not isinstance(cell, bool):
        try:
            value = float(cell)
        except ValueError:
            return None, f"no number but {_short(cell)}"
        except OverflowError:  # a whole number of JSON that no float holds
            return None, f"a number too large, {_short(cell)}"
        if not math.isfinite(value):
            return None, f"no finite number but {_short(cell)}"
        return (value, "") if abs(value) <= MAX_FLOAT32 else (None, f"a number too large, {_short(cell)}")
    return None, f"no number but {_short(cell)}"


def separator(cells: Iterable[Any]) -> str:
    """Return the separator of the tags in a column: "|" if any cell holds one, else ";"."""
    return "|" if any("|" in cell for cell in cells if isinstance(cell, str) and not is_list(cell)) else ";"


def is_list(cell: str) -> bool:
    """Return whether a string is a JSON list."""
    try:
        return cell.lstrip().startswith("[") and isinstance(json.loads(cell), list)
    except (ValueError, RecursionError):
        return False


def tags(cell: Any, between: str) -> tuple[tuple[str, ...] | None, str]:
    """Return the distinct tags in a cell and "", or None and the reason why it cannot be read; an empty cell has none.

    Args:
        cell: names separated by `between`, a list of names, a JSON list of names, or nothing.
        between: the separator.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return (), ""
    if isinstance(cell, str):
        names = json.loads(cell) if is_list(cell) else cell.split(between)
    else:
        names = cell if isinstance(cell, list | tuple) else [cell]
    if strange := [name for name in names if not isinstance(name, str | int)]:
        return None, f"no names of tags but {_short(strange[0])}"
    return tuple(dict.fromkeys(name for name in (str(name).strip() for name in names) if name)), ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def by_commas(tag_lists: Iterable[Sequence[str]]) -> str:
    """Return a tag that looks like several tags separated by commas, whose parts occur again; or ""."""
    written = sorted({name for names in tag_lists for name in names})
    parts = [part.strip() for name in written for part in name.split(",")]
    again = {part for part in parts if parts.count(part) > 1} if len(parts) > len(written) else set()
    return next((name for name in written if "," in name and {p.strip() for p in name.split(",")} & again), "")


# === What lies in memory ===


def held(task: str, y: Any, labels: Sequence[str] | None) -> tuple[list[Any], Sequence[str] | None]:
    """Return the tags or the number of every example, from an array or a list, and the names in order.

    Raises:
        InputError: `y` holds something else.
    """
    values = y.tolist() if hasattr(y, "tolist") else list(y)
    return _rows(values, labels) if task == "tags" else (_numbers(values), labels)


def _numbers(values: Sequence[Any]) -> list[float]:
    parsed = [number(value[0] if isinstance(value, list | tuple) and len(value) == 1 else value) for value in values]
    if strange := next(((index, why) for index, (_, why) in enumerate(parsed) if why), None):
        raise InputError(f"y holds {strange[1]} at {strange[0]}; give one finite number for each example")
    return [value for value, _ in parsed]


def _rows(values: Sequence[Any], labels: Sequence[str] | None) -> tuple[list[Any], Sequence[str] | None]:
    if strange := [row for row in values if not isinstance(row, list | tuple | set | frozenset)]:
        raise InputError(
            f"y holds {_short(strange[0])}; for tags give a list of names for each example, empty where it has none, "
            f"or an array (examples, tags) of 0 and 1"
        )
    values = [sorted(row) if isinstance(row, set | frozenset) else row for row in values]
    if all(isinstance(name, str) for row in values for name in row):
        return [tuple(dict.fromkeys(row)) for row in values], labels
    widths = {len(row) for row in values}
    if len(widths) > 1 or not all(cell in (0, 1) for row in values for cell in row):
        strange = next(row for row in values if not all(isinstance(name, str) for name in row))
        raise InputError(
            f"y holds {_short(strange)}; for tags give lists of names, or an array (examples, tags) of 0 and 1"
        )
    names = [str(index) for index in range(widths.pop())] if labels is None else list(map(str, labels))
    if len(names) != len(values[0]):
        raise InputError(f"y has {len(values[0])} columns and labels has {len(names)} names; make them match")
    return [tuple(name for name, cell in zip(names, row, strict=True) if cell) for row in values], names


# === All examples ===


def reader(
    task: str, found: Sequence[Any], source: str, labels: Sequence[str] | None
) -> tuple[tuple[str, ...], Callable[[Sequence[Any]], np.ndarray]]:
    """Return the names of the tags or of the number, and a function that turns the labels of a split into an array.

    Args:
        task: "tags" or "value".
        found: the tags or numbers of all examples.
        source: of the data, for messages.
        labels: the tags in their order, or the name of the number.

    Raises:
        DataError: a tag that is not among `labels`, or no tag at all.
        InputError: `labels` are not valid for a target, as when a name occurs twice.
    """
    if task == "value":
        names = Value(("value",) if labels is None else tuple(labels)).labels
        return names, lambda values: np.array(values, np.float32).reshape(len(values))
    occurring = dict.fromkeys(name for names in found for name in names)
    if not occurring:
        raise DataError(f"no example of {source} has a tag; check that the right column holds them")
    names = Tags(tuple(sorted(occurring, key=_numbered) if labels is None else labels)).labels
    order = {name: index for index, name in enumerate(names)}
    if strange := sorted(name for name in occurring if name not in order):
        raise DataError(f"{source} has the tag {strange[0]!r}, which is not among the {len(order)} in labels=")

    def encode(rows: Sequence[Any]) -> np.ndarray:
        table = np.zeros((len(rows), len(order)), np.float32)
        for index, tags_of_row in enumerate(rows):
            table[index, [order[name] for name in tags_of_row]] = 1
        return table

    return names, encode


def _numbered(name: str) -> tuple[int, str]:
    """Return a sort key that orders tags that are numbers as numbers."""
    return (int(name), name) if re.fullmatch(r"[0-9]{1,18}", name) else (-1, name)


def settled(
    task: str, given: Mapping[str, np.ndarray], names: tuple[str, ...], source: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Check that there is something to learn; return the numbers and the names of the tags that are used.

    Args:
        task: "tags" or "value".
        given: the labels of every split.
        names: of the tags, or of the number.
        source: of the data, for messages.

    Raises:
        DataError: all numbers are the same, a tag of another split is missing from train, or train has no tag.
    """
    train = given["train"]
    if task == "value":
        if len(np.unique(train)) < 2:
            one = f"{train[0]:g}"
            raise DataError(f"every training example of {source} has the {names[0]} {one}; there is nothing to learn")
        return np.arange(1), names
    used = train.any(0)
    for split, truth in given.items():
        if missing := [name for name, occurs in zip(names, truth.any(0) & ~used, strict=True) if occurs]:
            raise DataError(
                f"the {split} split of {source} has {some(missing)}, which the train split lacks; add it there, or "
                f"remove it"
            )
    if not used.any():
        raise DataError(f"no training example of {source} has a tag; add some")
    return np.flatnonzero(used), tuple(name for name, occurs in zip(names, used, strict=True) if occurs)


def some(names: Sequence[str]) -> str:
    """Return the first few tags, quoted, for a message."""
    shown = ", ".join(repr(name) for name in names[:MAX_NAMES_SHOWN])
    kind = "the tag" if len(names) == 1 else f"{len(names)} tags:"
    return f"{kind} {shown}" + (", ..." if len(names) > MAX_NAMES_SHOWN else "")
