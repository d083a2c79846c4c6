"""From what was written of an example to its tags or its number: read from cells, arrays and rows, and checked."""

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
SHOWN = 5  # names in a message
LARGEST = float(np.finfo(np.float32).max)
SEPARATORS = ("|", ";")


def known(task: str) -> str:
    """Return the name of what is learned; raise InputError where there is no such thing."""
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    return task


# === Cells ===


def number(cell: Any) -> tuple[float | None, str]:
    """Return the number that a cell holds, or None and why it is none."""
    if isinstance(cell, str | int | float) and not isinstance(cell, bool):
        try:
            value = float(cell)
        except ValueError:
            return None, f"no number but {_short(cell)}"
        except OverflowError:  # a whole number of JSON that no float holds
            return None, f"a number too large, {_short(cell)}"
        if not math.isfinite(value):
            return None, f"no finite number but {_short(cell)}"
        return (value, "") if abs(value) <= LARGEST else (None, f"a number too large, {_short(cell)}")
    return None, f"no number but {_short(cell)}"


def separator(cells: Iterable[Any]) -> str:
    """Return what parts the tags of a column: "|" where any cell holds one, else ";"."""
    return "|" if any("|" in cell for cell in cells if isinstance(cell, str) and not is_list(cell)) else ";"


def is_list(cell: str) -> bool:
    """Tell whether a string is a list in JSON."""
    try:
        return cell.lstrip().startswith("[") and isinstance(json.loads(cell), list)
    except (ValueError, RecursionError):
        return False


def tags(cell: Any, between: str) -> tuple[tuple[str, ...] | None, str]:
    """Return the tags that a cell holds, each once, or None and why it holds none; an empty one holds no tag.

    Args:
        cell: names parted by `between`, a list of names, the same in JSON, or nothing.
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


def by_commas(found: Iterable[Sequence[str]]) -> str:
    """Return a tag that looks like several parted by commas, whose parts recur; or ""."""
    written = sorted({name for names in found for name in names})
    parts = [part.strip() for name in written for part in name.split(",")]
    again = {part for part in parts if parts.count(part) > 1} if len(parts) > len(written) else set()
    return next((name for name in written if "," in name and {p.strip() for p in name.split(",")} & again), "")


# === What lies in memory ===


def held(task: str, y: Any, labels: Sequence[str] | None) -> tuple[list[Any], Sequence[str] | None]:
    """Return the tags (names) or the number of each example, from an array or a list, and the names in order.

    Raises:
        InputError: `y` holds something else.
    """
    values = y.tolist() if hasattr(y, "tolist") else list(y)
    return _rows(values, labels) if task == "tags" else (_numbers(values), labels)


def _numbers(values: Sequence[Any]) -> list[float]:
    found = [number(value[0] if isinstance(value, list | tuple) and len(value) == 1 else value) for value in values]
    if strange := next(((place, why) for place, (_, why) in enumerate(found) if why), None):
        raise InputError(f"y holds {strange[1]} at {strange[0]}; give one finite number for each example")
    return [value for value, _ in found]


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
    names = [str(place) for place in range(widths.pop())] if labels is None else list(map(str, labels))
    if len(names) != len(values[0]):
        raise InputError(f"y has {len(values[0])} columns and labels has {len(names)} names; make them match")
    return [tuple(name for name, cell in zip(names, row, strict=True) if cell) for row in values], names


# === All examples ===


def reader(
    task: str, found: Sequence[Any], source: str, labels: Sequence[str] | None
) -> tuple[tuple[str, ...], Callable[[Sequence[Any]], np.ndarray]]:
    """Return the names of the tags or of the number, and what turns the truths of a split into an array.

    Args:
        task: "tags" or "value".
        found: of all examples, their tags or numbers.
        source: of the data, for messages.
        labels: the tags in their order, or the name of the number.

    Raises:
        DataError: a tag that is not among `labels`, or no tag at all.
        InputError: labels that no target takes, such as the same twice.
    """
    if task == "value":
        names = Value(("value",) if labels is None else tuple(labels)).labels
        return names, lambda values: np.array(values, np.float32).reshape(len(values))
    there = dict.fromkeys(name for names in found for name in names)
    if not there:
        raise DataError(f"no example of {source} has a tag; check that the right column holds them")
    names = Tags(tuple(sorted(there, key=_numbered) if labels is None else labels)).labels
    order = {name: place for place, name in enumerate(names)}
    if strange := sorted(name for name in there if name not in order):
        raise DataError(f"{source} has the tag {strange[0]!r}, which is not among the {len(order)} in labels=")

    def encode(rows: Sequence[Any]) -> np.ndarray:
        table = np.zeros((len(rows), len(order)), np.float32)
        for place, own in enumerate(rows):
            table[place, [order[name] for name in own]] = 1
        return table

    return names, encode


def _numbered(name: str) -> tuple[int, str]:
    """Sort tags that are numbers as numbers."""
    return (int(name), name) if re.fullmatch(r"[0-9]{1,18}", name) else (-1, name)


def settled(
    task: str, given: Mapping[str, np.ndarray], names: tuple[str, ...], source: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Check that there is something to learn; return the numbers and the names of the tags that stay.

    Args:
        task: "tags" or "value".
        given: the truths of each split.
        names: of the tags, or of the number.
        source: of the data, for messages.

    Raises:
        DataError: one and the same number for all, a tag of another split that train lacks, or none in train.
    """
    train = given["train"]
    if task == "value":
        if len(np.unique(train)) < 2:
            one = f"{train[0]:g}"
            raise DataError(f"every training example of {source} has the {names[0]} {one}; there is nothing to learn")
        return np.arange(1), names
    used = train.any(0)
    for split, truth in given.items():
        if missing := [name for name, there in zip(names, truth.any(0) & ~used, strict=True) if there]:
            raise DataError(
                f"the {split} split of {source} has {some(missing)}, which the train split lacks; add it there, or "
                f"remove it"
            )
    if not used.any():
        raise DataError(f"no training example of {source} has a tag; add some")
    return np.flatnonzero(used), tuple(name for name, there in zip(names, used, strict=True) if there)


def some(names: Sequence[str]) -> str:
    """Write a few tags for a message."""
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    kind = "the tag" if len(names) == 1 else f"{len(names)} tags:"
    return f"{kind} {shown}" + (", ..." if len(names) > SHOWN else "")
