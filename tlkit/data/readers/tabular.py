"""Read a table of numbers and categories: CSV, TSV or JSON lines, one example in every row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.config import Splitting
from tlkit.data import example_info, table_columns, table_file, table_labels
from tlkit.data.assemble import About, Part, assemble
from tlkit.data.splits import Data
from tlkit.data.splitting import settled
from tlkit.data.table_columns import Column
from tlkit.data.table_source import Source
from tlkit.errors import DataError, InputError

LABELS = (*table_labels.LABEL_COLUMNS, "fraud", "is_fraud", "isfraud", "anomaly", "is_anomaly", "outlier", "y")
MAX_CATEGORIES = 100  # of a column; more different texts are names or remarks
MIN_NUMERIC_SHARE = 0.9  # of the cells of a column of numbers; its other cells are mistakes


def table(
    path: str | Path | Source,
    *,
    label_column: str | None = None,
    ignore: Iterable[str] = (),
    categorical: Iterable[str] = (),
    like: Sequence[Column] | None = None,
    seed: int = 0,
    splitting: Splitting | None = None,
    strict: bool = False,
) -> Data:
    """Read a table with a header, whose rows are the examples: .csv, .tsv, .jsonl or .ndjson, also with .gz.

    A column whose cells are numbers, but for one in ten at most, is one of numbers; any other is one of categories.
    Empty cells and "?", "NA", "NaN", "null" and "None" are missing. A row without a label is for pretraining alone. A
    column `split` is honoured where it holds nothing but train, val (or validation, valid, dev) and test.

    Args:
        path: the file.
        label_column: by default the first that is called label, category, class, ..., fraud, anomaly, ...
        ignore: columns that are not read: numbers of customers, dates, whatever tells the label from outside.
        categorical: columns whose numbers are codes, such as post codes.
        like: the columns of another table or a model, whose order and codes are kept, in place of one's own.
        seed, splitting, strict: as for `image_folder`; `group_by` names a column, which is then not read.

    Returns:
        The data set, whose examples are called "line 2", ...; rows with a text in a column of numbers, or with too few
        or too many fields, are in `unreadable`, with the reason.

    Raises:
        DataError: no such file, not a table, a column is missing or holds too many texts for categories, no row has a
            label, fractional numbers for labels, or nothing to learn from.
        InputError: an option that cannot be.

    Examples:
        >>> rows = [f"{number},{'north' if number % 3 else 'south'},{number % 2}" for number in range(40)]
        >>> _ = Path("sales.csv").write_text("\\n".join(["price,region,sold", *rows]))
        >>> data = tlkit.table("sales.csv", label_column="sold")
        >>> data.labels, [column.name for column in data.columns]
        (('0', '1'), ['price', 'region'])
    """
    read = table_file.read(path)
    label = table_file.column(read, label_column, LABELS, "label_column")
    splitting = settled(seed, splitting)
    group = None if splitting.group_by is None else table_file.column(read, splitting.group_by, (), "group_by")
    for name in (*ignore, *categorical):
        table_file.column(read, name, (), "ignore")
    taken = {label, group, table_file.guess(read, ["split"]), *ignore}
    columns = _like(read, like) if like is not None else _columns(read, taken, set(categorical))
    parts, lost, note = _labelled(read, label, group, columns)
    others, more = _unlabeled(read, label, columns)
    _check_varied([*(part.items for part in parts.values()), *([] if others is None else [others])], read.path)
    data = assemble(parts, About("table", str(path), note, (*lost, *more)), splitting, strict=strict)
    return replace(data, columns=columns, unlabeled=others)


def _labelled(
    read: table_file.Table, label: str, group: str | None, columns: Sequence[Column]
) -> tuple[dict[str, Part], list[tuple[str, str]], str]:
    """Return the rows with a label by split, name and reason of the unreadable ones, and a note."""
    named = [(line, row) for line, row in read.rows if not table_columns.is_missing(row.get(label))]
    if not named:
        raise DataError(f"no row of {read.path} has a label in the column {label!r}; give some rows theirs")
    known, lost, note = table_labels.examples(replace(read, rows=named), label, group, lambda row: _row(row, columns))
    items = _array([row.value for row in known], columns)
    traits = example_info.look(items, "table", [f"line {row.line}" for row in known])
    parts = table_labels.parts(known, items, traits, grouped=group is not None)
    return {name: replace(part, items=_array(part.items, columns)) for name, part in parts.items()}, lost, note


def _check_varied(parts: Sequence[np.ndarray], path: str) -> None:
    everything = np.concatenate(parts) if parts else np.zeros((0, 0))
    if len(everything) and not any(len(np.unique(column)) > 1 for column in everything.T):
        raise DataError(f"every column of {path} holds the same in all rows: there is nothing to learn from; add some")


def _array(values: Sequence[Any], columns: Sequence[Column]) -> np.ndarray:
    return np.array(values, np.float32).reshape(len(values), len(columns))


def _unlabeled(
    read: table_file.Table, label: str, columns: Sequence[Column]
) -> tuple[np.ndarray | None, list[tuple[str, str]]]:
    """Return the rows without a label (None if there are none), and name and reason of the unreadable ones."""
    items, lost = [], []
    for line, row in read.rows:
        if table_columns.is_missing(row.get(label)):
            item, reason = _row(row, columns)
            if reason:
                lost.append((f"line {line}", reason))
            else:
                items.append(item)
    return (_array(items, columns) if items else None), lost


def _row(row: dict[str, Any], columns: Sequence[Column]) -> tuple[list[float], str]:
    """Return the numbers of a row, and the reason if it cannot be read."""
    try:
        return [column.number(row.get(column.name)) for column in columns], ""
    except InputError as error:
        return [], str(error)


def is_numeric(read: table_file.Table) -> bool:
    """Return whether a table has labels, and besides them only numbers and missing cells."""
    label = table_file.guess(read, LABELS)
    features = set(read.columns) - {label, table_file.guess(read, ["split"])}
    cells = [row.get(name) for _, row in read.rows for name in features]
    known = [table_columns.as_number(cell) is not None for cell in cells if not table_columns.is_missing(cell)]
    return label is not None and bool(known) and all(known)


# === Columns ===


def _like(read: table_file.Table, like: Sequence[Column]) -> tuple[Column, ...]:
    for column in like:
        table_file.column(read, column.name, (), "like")
    return tuple(like)


def _columns(read: table_file.Table, taken: set[str | None], categorical: set[str]) -> tuple[Column, ...]:
    names = [name for name in read.columns if name not in taken]
    if not names:
        raise DataError(f"{read.path} has no column besides that of the labels; add what is to be learned from")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{read.path} has more than one column called {twice[0]!r}; give each a name of its own")
    columns = [_column(read, name, name in categorical) for name in names]
    return tuple(columns)


def _column(read: table_file.Table, name: str, categorical: bool) -> Column:
    """Return the typed column: numbers or categories.

    Raises:
        DataError: more different texts than categories may have, or lists in the cells.
    """
    cells = [cell for _, row in read.rows if not table_columns.is_missing(cell := row.get(name))]
    if listed := next((cell for cell in cells if isinstance(cell, list | dict)), None):
        raise DataError(
            f"the column {name!r} of {read.path} holds lists, such as {str(listed)[:40]}; leave it out with "
            f"ignore=[{name!r}]"
        )
    texts = [cell for cell in cells if isinstance(cell, bool) or table_columns.as_number(cell) is None]
    if not categorical and len(texts) <= (1 - MIN_NUMERIC_SHARE) * len(cells):
        return Column(name)
    names = sorted({table_columns.written(cell) for cell in cells})
    if len(names) > MAX_CATEGORIES:
        raise DataError(
            f"the column {name!r} of {read.path} holds {len(names):,} different texts, such as {names[0][:40]!r} and "
            f"{names[-1][:40]!r}; categories are {MAX_CATEGORIES} at most: leave it out with ignore=[{name!r}]"
        )
    return Column(name, tuple(names))
