"""Read pictures listed in a table with their paths and labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tlkit.config import Splitting
from tlkit.data import example_info, label_parsing, table_file, table_labels
from tlkit.data.assemble import MAX_NAMES_SHOWN, About, assemble
from tlkit.data.readers import image_folder, tabular
from tlkit.data.readers.text_table import TEXT_COLUMNS
from tlkit.data.splits import Data
from tlkit.data.splitting import settled
from tlkit.data.table_labels import Row
from tlkit.data.table_source import Source
from tlkit.errors import DataError, InputError
from tlkit.utils import paths

IMAGE_COLUMNS = (
    *("image", "image_path", "image_file", "img", "img_path", "photo", "picture"),
    *("path", "filepath", "file_path", "file", "filename", "file_name"),
)
ROWS_TO_GUESS_FROM = 20  # what a table holds


def image_table(
    path: str | Path | Source,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    root: str | Path | None = None,
    seed: int = 0,
    splitting: Splitting | None = None,
    strict: bool = False,
    task: str = "label",
) -> Data:
    """Read a table of picture files with a header: .csv, .tsv, .jsonl or .ndjson, also with .gz.

    A column `split` is honoured where it holds nothing but train, val (or validation, valid, dev) and test. A picture
    that is listed again, in the same split and with the same label, is read once; the encoding is as for `text_table`.
    `Data.splitting` says where any of this mattered.

    Args:
        path: the table.
        image_column: of paths, or of addresses such as gs://bucket/a.jpg; by default the first that is called image,
            photo, path, file, filename, ...
        label_column: by default the first that is called label, category, class, ..., or as suits the task.
        root: the folder or address that relative paths start from; by default the table's own folder.
        seed, splitting, strict: as for `image_folder`; `group_by` names a column.
        task: what the column of the labels holds, as for `text_table`.

    Returns:
        The data set, whose examples are called by their paths as written; rows without path, label or number and files
        that are missing or cannot be read are in `unreadable`, with the reason.

    Raises:
        DataError: no such table, a column or half of the files are missing, labels of another task, nothing to learn.
        InputError: an option that cannot be.
    """
    table = table_file.read(path)
    image = table_file.column(table, image_column, IMAGE_COLUMNS, "image_column")
    label = table_file.column(table, label_column, table_labels.COLUMNS[label_parsing.known(task)], "label_column")
    splitting = settled(seed, splitting)
    group = None if splitting.group_by is None else table_file.column(table, splitting.group_by, (), "group_by")
    rows, lost, note = table_labels.examples(table, label, group, lambda row: _path(row, image), task)
    base = os.path.dirname(table.path) if root is None else os.fspath(root)
    paths.check_name(base)
    pictures, repeated = _once(rows, base)
    pictures, missing = _present(pictures, table.path, base or ".")
    items, traits, reasons = image_folder.pictures(
        [picture.place for picture in pictures], [picture.name for picture in pictures]
    )
    lost += missing + [(pictures[number].name, reason) for number, reason in reasons.items()]
    readable = [picture.row for number, picture in enumerate(pictures) if number not in reasons]
    _check_classes(rows, readable, table.path, lost)
    parts = table_labels.parts(readable, items, traits, grouped=group is not None)
    info = About("image", str(path), f"{note} {repeated}".strip(), tuple(lost), task=task)
    return assemble(parts, info, splitting, labels=[label] if task == "value" else None, strict=strict)


def kind_of(
    path: str | Path | Source,
    *,
    text_column: str | None = None,
    image_column: str | None = None,
    root: str | Path | None = None,
) -> Literal["image", "text", "table"]:
    """Return the kind of data in a table, "image", "text" or "table"; a folder holds pictures.

    A table lists pictures where it has a column of a name that `image_table` knows, most of whose first values end
    like picture files or exist, and none of a name that `text_table` knows. Without either, it is one for `table` where
    all columns but that of the labels hold numbers. The other arguments are as for these.

    Raises:
        InputError: both columns are given.
        DataError: no such file, not a table, or no column of either kind.
    """
    if text_column is not None and image_column is not None:
        raise InputError(
            f"text_column={text_column!r} and image_column={image_column!r} are both given; leave out one, as a table "
            f"holds texts or lists pictures"
        )
    if image_column is not None or paths.is_folder(str(path)):
        return "image"
    if text_column is not None:
        return "text"
    table = table_file.read(path, first=ROWS_TO_GUESS_FROM)
    image = table_file.guess(table, IMAGE_COLUMNS)
    if image is not None and table_file.guess(table, TEXT_COLUMNS) is None:
        base = os.path.dirname(table.path) if root is None else os.fspath(root)
        values = [value for value in (row.get(image) for _, row in table.rows) if isinstance(value, str)]
        if 2 * sum(_like_picture(value, base) for value in values) > len(values):
            return "image"
    if table_file.guess(table, TEXT_COLUMNS) is None and tabular.is_numeric(table):
        return "table"
    options = "kind='table' for numbers and categories, image_column= for a list of pictures, or text_column"
    table_file.column(table, None, TEXT_COLUMNS, options)
    return "text"


@dataclass(frozen=True)
class _Picture:
    row: Row
    place: str  # the path or address that is read
    name: str


def _path(row: dict[str, Any], image: str) -> tuple[str, str]:
    """Return the path of a row, and the reason if it has none."""
    value = row.get(image)
    if not isinstance(value, str) or not value.strip():
        return "", f"no path in the column {image!r}"
    wrong = table_labels.unfit(value)
    return value.strip(), f"{wrong} in the column {image!r}" if wrong else ""


def _joined(base: str, value: str) -> str:
    return value if paths.is_remote(value) else os.path.join(base, value)


def _like_picture(value: str, base: str) -> bool:
    path = _joined(base, value.strip())
    return Path(value.strip()).suffix.lower() in image_folder.SUFFIXES or (
        not paths.is_remote(path) and os.path.isfile(path)
    )


def _once(rows: Sequence[Row], base: str) -> tuple[list[_Picture], str]:
    """Return the pictures without repeated rows, with unique names, and a note on the repeated ones."""
    distinct, keys, names = [], set(), set()
    for row in rows:
        path = _joined(base, row.value)
        same = path if paths.is_remote(path) else os.path.normpath(path)
        if (same, row.label, row.split) in keys:
            continue
        keys.add((same, row.label, row.split))
        distinct.append(_Picture(row, path, f"{row.value} (line {row.line})" if row.value in names else row.value))
        names.add(row.value)
    repeats = len(rows) - len(distinct)
    return (
        distinct,
        f"{repeats:,} rows list a picture again, with the same label, and were left out." if repeats else "",
    )


def _present(pictures: Sequence[_Picture], path: str, base: str) -> tuple[list[_Picture], list[tuple[str, str]]]:
    """Return the pictures that exist, and name and reason of the missing ones."""
    existing = list(example_info.in_blocks(lambda picture: paths.exists(picture.place), pictures))
    missing = [picture for picture, exists in zip(pictures, existing, strict=True) if not exists]
    if 2 * len(missing) > len(pictures):
        shown = ", ".join(
            [*(picture.place for picture in missing[:MAX_NAMES_SHOWN]), *["..."] * (len(missing) > MAX_NAMES_SHOWN)]
        )
        raise DataError(
            f"{len(missing):,} of the {len(pictures):,} pictures that {path} lists are not there: {shown}; relative "
            f"paths start from {base}, unless root= names another folder"
        )
    present = [picture for picture, exists in zip(pictures, existing, strict=True) if exists]
    return present, [(picture.name, f"there is no file {picture.place}") for picture in missing]


def _check_classes(rows: Sequence[Row], readable: Sequence[Row], path: str, lost: Sequence[tuple[str, str]]) -> None:
    if any(isinstance(row.label, float) for row in rows):  # values
        return
    names = {row: row.label if isinstance(row.label, tuple) else (str(row.label),) for row in rows}
    gone = sorted({name for row in rows for name in names[row]} - {name for row in readable for name in names[row]})
    if not readable or not gone:
        return
    example = next(row.value for row in rows if gone[0] in names[row])
    kind = "tag" if isinstance(readable[0].label, tuple) else "class"
    raise DataError(
        f"no picture of the {kind} {gone[0]!r} in {path} can be read ({example}: {dict(lost)[example]}); replace them "
        f"or remove their rows"
    )
