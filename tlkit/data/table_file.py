"""Read CSV, TSV and JSON-lines files in any common encoding, and find their columns."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from tlkit.data import table_source
from tlkit.data.table_source import Source
from tlkit.errors import DataError
from tlkit.utils import regular_files

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
# A first line that is no header may hold long texts, and a table of measurements a thousand columns.
SHOWN_LETTERS, SHOWN_COLUMNS = 40, 20


@dataclass(frozen=True)
class Table:
    """A table read from a file.

    Args:
        path: the path of the file.
        columns: the names of the columns.
        rows: line number (the first, if it takes several) and values of every row.
        broken: name and reason of every row that cannot be read.
        note: a remark for the user on how the file was read, or "".
    """

    path: str
    columns: list[str]
    rows: list[tuple[int, dict[str, Any]]]
    broken: list[tuple[str, str]]
    note: str = ""


# === Files ===


def is_table(path: str) -> bool:
    """Return whether a file is a table that tlkit reads, by its name."""
    return _suffix(path) in SUFFIXES


def read(path: str | Path | Source, first: int | None = None) -> Table:
    """Read a table: .csv, .tsv, .jsonl or .ndjson, also with .gz, here or at an address such as gs://bucket/a.csv.

    Args:
        path: the file, in UTF-8, or in UTF-16 with a byte order mark. What is neither is read as Windows-1252, and
            where that cannot be as Latin-1; the note says so.
        first: read so many rows only, and of the file no more than they take. Faults behind them are not seen.

    Raises:
        DataError: no such file, not a table, or no row that can be read.
    """
    with table_source.opened(path) as source:
        source.check()
        if not is_table(source.path):
            raise DataError(
                f"{source} is not a table tlkit reads; convert it to one of {', '.join(SUFFIXES)} (or with .gz)"
            )
        with _worded(source.path):
            if first is None:
                data, encoding, note = source.content()
                file = io.BytesIO(data)
            else:
                (file, encoding), note = source.beginning(), ""
            with io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="") as lines:
                table = (_lines if is_json(source.path) else _csv)(source.path, lines, first)
    if not table.rows:
        lost = f" ({table.broken[0][0]}: {table.broken[0][1]})" if table.broken else ""
        raise DataError(f"{table.path} has no readable row{lost}; add a header line and rows of examples and labels")
    return replace(table, note=note)


def text(path: str | Path) -> tuple[str, str]:
    """Return the content of a text file, which may be packed as .gz, and a note on its encoding.

    Encodings are those of `read`; bytes that are no characters become halves of surrogate pairs.

    Raises:
        DataError: no such file, or it cannot be read.
    """
    with Source(path) as source:
        source.check()
        with _worded(source.path):
            data, encoding, note = source.content()
            return data.decode(encoding, "surrogateescape"), note


@contextlib.contextmanager
def _worded(path: str) -> Iterator[None]:
    """Turn Python's errors about the content of a file into a DataError with a remedy."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not sound UTF-16 text ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path} is not sound CSV: {error}; double every quote inside a quoted field") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"cannot read {path}: {regular_files.why(error)}; check that it is whole and that you may read it"
        ) from error


def _suffix(path: str) -> str:
    return Path(path.lower().removesuffix(".gz")).suffix


def is_json(path: str) -> bool:
    """Return whether a file holds JSON lines, by its name."""
    return _suffix(path) in {".jsonl", ".ndjson"}


def _csv(path: str, file: IO[str], first: int | None) -> Table:
    header = file.readline()
    if "\0" in header:
        raise DataError(
            f"{path} has NUL characters in its first line: it is not text, or UTF-16 without a byte order mark; save "
            f"it as UTF-8"
        )
    unquoted = re.sub('"[^"]*"', "", header)
    with _long_fields():
        reader = csv.reader(chain([header], file), delimiter=max(",;\t", key=unquoted.count), strict=True)
        try:
            columns, before, rows, broken = next(reader, []), reader.line_num, [], []
            for fields in islice(reader, first):
                line, before = before + 1, reader.line_num
                if len(fields) == len(columns):
                    rows.append((line, dict(zip(columns, fields, strict=True))))
                elif fields:
                    broken.append((f"line {line}", f"{len(fields)} fields where the header has {len(columns)}"))
        except csv.Error as error:
            raise csv.Error(f"line {reader.line_num}: {error}") from error
    return Table(path, columns, rows, broken)


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Let a field be longer than the csv module's 128 KiB."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _lines(path: str, file: IO[str], first: int | None) -> Table:
    columns: dict[str, None] = {}
    rows, broken = [], []
    for line, text in enumerate(islice(file, first), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            broken.append((f"line {line}", f"not JSON: {error}"))
            continue
        if isinstance(row, dict):
            columns.update(dict.fromkeys(row))
            rows.append((line, row))
        else:
            broken.append((f"line {line}", "not a JSON object"))
    return Table(path, list(columns), rows, broken)


# === Columns ===


def guess(table: Table, names: Iterable[str]) -> str | None:
    """Return the column that matches the first possible of these names, ignoring case."""
    lower = {column.strip().lower(): column for column in reversed(table.columns)}
    return next((lower[name] for name in names if name in lower), None)


def column(table: Table, given: str | None, guesses: Sequence[str], option: str) -> str:
    """Return the column that the caller named, or else the one that can be guessed.

    Raises:
        DataError: there is none, or more than one of this name; `option` is the option that names a column.
    """
    shown = [name if len(name) <= SHOWN_LETTERS else f"{name[:SHOWN_LETTERS]}..." for name in table.columns]
    has = f"it has {', '.join(shown[:SHOWN_COLUMNS])}" + (", ..." if len(shown) > SHOWN_COLUMNS else "")
    if given is not None and given not in table.columns:
        raise DataError(f"{table.path} has no column {given!r}; {has}")
    chosen = guess(table, guesses) if given is None else given
    if chosen is None:
        header = "" if is_json(table.path) else ", or add a first line that names the columns where there is none"
        known = ", ".join([*guesses[:2], "..."])
        raise DataError(f"{table.path} has no column called {known}; {has}; name one with {option}={header}")
    if (count := table.columns.count(chosen)) > 1:
        raise DataError(f"{table.path} has {count} columns called {chosen!r}; give each a name of its own")
    return chosen
