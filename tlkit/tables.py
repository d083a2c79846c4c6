"""Read texts and their labels from a table: CSV, TSV or JSON lines."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tlkit.errors import DataError
from tlkit.splits import SPLIT_NAMES, About, Data, Group, assemble

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
TEXT_COLUMNS = ("text", "sentence", "review", "message", "content", "document", "body", "question", "utterance")
LABEL_COLUMNS = ("label", "category", "class", "target", "topic", "intent", "sentiment")


@dataclass(frozen=True)
class _Table:
    columns: list[str]
    rows: list[tuple[int, dict[str, Any]]]  # line number, values
    broken: list[tuple[str, str]]  # "line 5", reason


def text_table(
    path: str | Path, *, text_column: str | None = None, label_column: str | None = None, seed: int = 0
) -> Data:
    """Read a table of texts with a header: .csv, .tsv, .jsonl or .ndjson, in UTF-8, also with .gz.

    A column `split` is honoured where it holds nothing but train, val (or validation, valid, dev) and test.

    Args:
        path: the file. In CSV and TSV the separator is whichever of comma, semicolon and tab the header has most of.
        text_column: by default the first that is called text, sentence, review, ...
        label_column: by default the first that is called label, category, class, ...
        seed: seeds the splits that are drawn.

    Returns:
        The data set; rows without text or label, or with too many fields, are in `unreadable`, with the reason.

    Raises:
        DataError: no such file, not a table, a column is missing, the texts are numbers, or nothing to learn from.
    """
    path = Path(path)
    table = _read(path)
    text = _column(table, path, text_column, TEXT_COLUMNS, "text_column")
    label = _column(table, path, label_column, LABEL_COLUMNS, "label_column")
    values = [row.get(text) for _, row in table.rows]
    if all(_number(value) for value in values):
        raise DataError(
            f"the column {text!r} of {path} holds only numbers; name the column with the texts: text_column= one of "
            f"{', '.join(table.columns)}"
        )
    reasons = [_wrong(row, text, label) for _, row in table.rows]
    rows = [row for (_, row), reason in zip(table.rows, reasons, strict=True) if not reason]
    bad = [(f"line {line}", reason) for (line, _), reason in zip(table.rows, reasons, strict=True) if reason]
    groups, note = _groups(rows, text, label)
    return assemble(groups, About("text", str(path), note, (*table.broken, *bad)), seed=seed)


# === Rows ===


def _wrong(row: dict[str, Any], text: str, label: str) -> str:
    if not isinstance(row.get(text), str):
        return f"no text in the column {text!r}"
    if not row[text].strip():
        return f"an empty text in the column {text!r}"
    value = row.get(label)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return f"no label in the column {label!r}"
    return ""


def _number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _groups(rows: list[dict[str, Any]], text: str, label: str) -> tuple[dict[str, Group], str]:
    splits = [str(row.get("split", "")).strip().lower() for row in rows]
    known = bool(rows) and "split" in rows[0] and label != "split" and set(splits) <= set(SPLIT_NAMES)
    ignored = bool(rows) and "split" in rows[0] and not known and label != "split"
    note = "The column 'split' was not used: it holds something else than train, val and test." if ignored else ""
    places: dict[str, list[dict[str, Any]]] = {}
    for row, split in zip(rows, splits, strict=True):
        places.setdefault(SPLIT_NAMES[split] if known else "train", []).append(row)
    groups = {key: Group([row[text] for row in held], [row[label] for row in held]) for key, held in places.items()}
    for group in groups.values():
        if strange := [name for name in group.names if isinstance(name, list | dict)]:
            raise DataError(
                f"the column {label!r} holds lists or objects, such as {strange[0]!r}; give one label a row"
            )
    return groups, note


def _column(table: _Table, path: Path, given: str | None, guesses: tuple[str, ...], option: str) -> str:
    has = f"it has {', '.join(table.columns)}"
    if given is not None:
        if given not in table.columns:
            raise DataError(f"{path} has no column {given!r}; {has}")
        return given
    lower = {column.strip().lower(): column for column in reversed(table.columns)}
    for guess in guesses:
        if guess in lower:
            return lower[guess]
    raise DataError(f"{path} has no column called {guesses[0]}, {guesses[1]}, ...; {has}; name one with {option}=")


# === Files ===


def _read(path: Path) -> _Table:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    suffix = (suffixes[:-1] if packed else suffixes)[-1:]
    if not path.is_file():
        raise DataError(f"{path} is a folder; give a file" if path.is_dir() else f"there is no file {path}; check it")
    if not suffix or suffix[0] not in SUFFIXES:
        raise DataError(f"{path} is not a table tlkit reads; convert it to one of {', '.join(SUFFIXES)} (or with .gz)")
    opener = gzip.open if packed else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            table = _lines(file) if suffix[0] in {".jsonl", ".ndjson"} else _csv(file)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path} is not sound CSV: {error}; double every quote inside a quoted field") from error
    except (OSError, EOFError) as error:
        raise DataError(f"cannot read {path}: {error}; check that it is whole and that you may read it") from error
    if not table.rows:
        lost = f" ({table.broken[0][0]}: {table.broken[0][1]})" if table.broken else ""
        raise DataError(f"{path} has no readable row{lost}; add a header line and rows of texts and labels")
    return table


def _csv(file: IO[str]) -> _Table:
    header = file.readline()
    file.seek(0)
    separator = max(",;\t", key=header.count)
    with _long_fields():
        reader = csv.reader(file, delimiter=separator, strict=True)
        try:
            columns = next(reader, [])
            rows, broken = [], []
            for fields in reader:
                if len(fields) == len(columns):
                    rows.append((reader.line_num, dict(zip(columns, fields, strict=True))))
                elif fields:
                    reason = f"{len(fields)} fields where the header has {len(columns)}"
                    broken.append((f"line {reader.line_num}", reason))
        except csv.Error as error:
            raise csv.Error(f"line {reader.line_num}: {error}") from error
    return _Table(columns, rows, broken)


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Let a field be longer than the csv module's 128 KiB."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _lines(file: IO[str]) -> _Table:
    columns: dict[str, None] = {}
    rows, broken = [], []
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError as error:
            broken.append((f"line {line}", f"not JSON: {error}"))
            continue
        if isinstance(row, dict):
            columns.update(dict.fromkeys(row))
            rows.append((line, row))
        else:
            broken.append((f"line {line}", "not a JSON object"))
    return _Table(list(columns), rows, broken)
