"""Read tables: CSV, TSV and JSON lines, in the encodings they come in, and find their columns."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

from tlkit import opening, paths
from tlkit.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
# A packed table may be so many times as large as its file, or so many bytes; texts shrink to a third, a bomb to a
# thousandth.
EXPANSION, FLOOR = 100, 16_000_000
# A first line that is no header may hold long texts, and a table of measurements a thousand columns.
SHOWN_LETTERS, SHOWN_COLUMNS = 40, 20
_FOREIGN, _ACCENTED = re.compile("[\udc80-\udcff]"), re.compile("[^\0-\x7f\udc80-\udcff]")


@dataclass(frozen=True)
class Table:
    """Hold a table.

    Args:
        path: of its file.
        columns: what they are called.
        rows: line number (of several, the first) and values of each.
        broken: name and reason of each row that is none.
        note: what there is to say about how the file was read.
    """

    path: str
    columns: list[str]
    rows: list[tuple[int, dict[str, Any]]]
    broken: list[tuple[str, str]]
    note: str = ""


# === Files ===


def is_table(path: str) -> bool:
    """Tell by its name whether a file is a table that tlkit reads."""
    return _suffix(path) in SUFFIXES


def read(path: str | Path, first: int | None = None) -> Table:
    """Read a table: .csv, .tsv, .jsonl or .ndjson, also with .gz, here or at an address such as gs://bucket/a.csv.

    Args:
        path: the file, in UTF-8, or in UTF-16 with a byte order mark. What is neither is read as Windows-1252, and
            where that cannot be as Latin-1; the note says so.
        first: read so many rows only.

    Raises:
        DataError: no such file, not a table, or no row that can be read.
    """
    path = str(path)
    _check_there(path)
    if not is_table(path):
        raise DataError(f"{path} is not a table tlkit reads; convert it to one of {', '.join(SUFFIXES)} (or with .gz)")
    try:
        data = _content(path)
        encoding, note = _encoding(data)
        with io.TextIOWrapper(io.BytesIO(data), encoding, errors="surrogateescape", newline="") as file:
            table = (_lines if is_json(path) else _csv)(path, file, first)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not sound UTF-16 text ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path} is not sound CSV: {error}; double every quote inside a quoted field") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"cannot read {path}: {opening.why(error)}; check that it is whole and that you may read it"
        ) from error
    if not table.rows:
        lost = f" ({table.broken[0][0]}: {table.broken[0][1]})" if table.broken else ""
        raise DataError(f"{path} has no readable row{lost}; add a header line and rows of examples and labels")
    return replace(table, note=note)


def text(path: str | Path) -> tuple[str, str]:
    """Return what a text file holds, which may be packed as .gz, and what there is to say about its encoding.

    Encodings are those of `read`; bytes that are no characters become halves of surrogate pairs.

    Raises:
        DataError: no such file, or it cannot be read.
    """
    path = str(path)
    _check_there(path)
    try:
        data = _content(path)
        encoding, note = _encoding(data)
        return data.decode(encoding, "surrogateescape"), note
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not sound UTF-16 text ({error.reason}); save it as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"cannot read {path}: {opening.why(error)}; check that it is whole and that you may read it"
        ) from error


def _check_there(path: str) -> None:
    paths.check_name(path)
    if not paths.exists(path) or paths.is_folder(path):
        raise DataError(
            f"{path} is a folder; give a file" if paths.exists(path) else f"there is no file {path}; check it"
        )


def _suffix(path: str) -> str:
    return Path(path.lower().removesuffix(".gz")).suffix


def is_json(path: str) -> bool:
    """Tell by its name whether a file holds JSON lines."""
    return _suffix(path) in {".jsonl", ".ndjson"}


def _content(path: str) -> bytes:
    if paths.is_remote(path):
        from tlkit import images

        data = images.content(path)
    else:
        data = opening.content(path, most=opening.MOST_TABLE)
    return _unpacked(path, data) if path.lower().endswith(".gz") else data


def _unpacked(path: str, data: bytes) -> bytes:
    most = min(max(FLOOR, EXPANSION * len(data)), opening.MOST_TABLE)
    with gzip.open(io.BytesIO(data)) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise DataError(f"{path} unpacks to more than {most:,} bytes; unpack it with gunzip if that is as it should be")
    return found


def _encoding(data: bytes) -> tuple[str, str]:
    """Return the encoding of a file, and what there is to say about it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", ""
    with contextlib.suppress(UnicodeDecodeError):
        data.decode("utf-8")
        return "utf-8-sig", ""
    text = data.decode("utf-8", "surrogateescape")
    if len(_FOREIGN.findall(text)) <= len(_ACCENTED.findall(text)):
        return "utf-8-sig", ""  # with single faults; another encoding would garble all other rows
    with contextlib.suppress(UnicodeDecodeError):
        data.decode("cp1252")
        return "cp1252", "The file is not in UTF-8; it was read as Windows-1252."
    return "latin-1", "The file is neither in UTF-8 nor in Windows-1252; it was read as Latin-1."


def _csv(path: str, file: IO[str], first: int | None) -> Table:
    header = file.readline()
    if "\0" in header:
        raise DataError(
            f"{path} has NUL characters in its first line: it is not text, or UTF-16 without a byte order mark; save "
            f"it as UTF-8"
        )
    file.seek(0)
    unquoted = re.sub('"[^"]*"', "", header)
    with _long_fields():
        reader = csv.reader(file, delimiter=max(",;\t", key=unquoted.count), strict=True)
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
    """Return the column that is called like the first of these names that any is called like."""
    lower = {column.strip().lower(): column for column in reversed(table.columns)}
    return next((lower[name] for name in names if name in lower), None)


def column(table: Table, given: str | None, guesses: Sequence[str], option: str) -> str:
    """Return the column that was named, or else the one that can be guessed.

    Raises:
        DataError: there is none, or more than one of this name; `option` is what would name another.
    """
    shown = [name if len(name) <= SHOWN_LETTERS else f"{name[:SHOWN_LETTERS]}..." for name in table.columns]
    has = f"it has {', '.join(shown[:SHOWN_COLUMNS])}" + (", ..." if len(shown) > SHOWN_COLUMNS else "")
    if given is not None and given not in table.columns:
        raise DataError(f"{table.path} has no column {given!r}; {has}")
    found = guess(table, guesses) if given is None else given
    if found is None:
        header = "" if is_json(table.path) else ", or add a first line that names the columns where there is none"
        known = ", ".join([*guesses[:2], "..."])
        raise DataError(f"{table.path} has no column called {known}; {has}; name one with {option}={header}")
    if (count := table.columns.count(found)) > 1:
        raise DataError(f"{table.path} has {count} columns called {found!r}; give each a name of its own")
    return found
