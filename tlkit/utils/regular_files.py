"""Open files that anybody may have left there: regular ones only, within a bound, and never one that blocks.

A pipe waits for a writer, `/dev/zero` never ends, and a link may lead to either. All readers of tlkit open by this
module whatever they read with Python; what they cannot open they tell in one line.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

MOST_JSON = 64 << 20  # bytes; no file of tlkit comes near
MOST_RECORDS = 1 << 30  # bytes of a table that a run writes, such as splits.csv: some millions of examples
MOST_PICTURE = 1 << 30  # bytes of an encoded picture
MOST_TABLE = 4 << 30  # bytes of a table or text of a person's own; all of it is held in memory
# Without O_NONBLOCK opening a pipe waits for its other end; without O_NOCTTY a terminal might become our own.
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
REASONS = {
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "links lead in a circle",
}


def why(error: BaseException) -> str:
    """Return what a system error says, without its number and path."""
    return getattr(error, "strerror", None) or str(error)


def shown(name: str | os.PathLike) -> str:
    """Return a path with its bytes that are no UTF-8 written out, as in `caf\\xe9`, so that all can print it."""
    try:
        return os.fspath(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # halves of letters that stand for no byte; no file has such a name
        return os.fspath(name).encode("utf-8", "backslashreplace").decode("utf-8")


def is_utf8(name: str | os.PathLike) -> bool:
    """Tell whether a path is sound Unicode; of one that is not, TensorFlow takes nothing and no text holds it."""
    try:
        os.fspath(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def fault(path: str | os.PathLike) -> str:
    """Return why nothing can have such a path, or ""."""
    try:
        if "\0" in os.fspath(path):
            return "a name cannot hold a NUL character"
        os.fsencode(path)
    except UnicodeEncodeError:
        return "no name can hold such characters"
    return ""


@contextlib.contextmanager
def regular(
    path: str | os.PathLike, *, most: int | None = MOST_JSON, within: str | os.PathLike | None = None
) -> Iterator[BinaryIO]:
    """Open a regular file, or a link to one, and yield it.

    Args:
        path: the file.
        most: bytes that it may have; None for any number, for what is not read as a whole.
        within: a folder that a link must not lead out of.

    Raises:
        OSError: it cannot be opened, is a folder, a pipe, a device or a socket, is larger, or leads outside; `why`
            tells which.
    """
    with _told(path):
        if within is not None and not _inside(path, within):
            raise OSError(errno.ELOOP, f"it is a link that leads out of {shown(within)}")
        _check_kind(os.stat(path))  # before it is opened: that alone may move a device
        with open(os.open(path, FLAGS), "rb") as file:
            found = os.fstat(file.fileno())
            _check_kind(found)  # of what was opened, whatever has taken its place meanwhile
            if most is not None and found.st_size > most:
                raise OSError(errno.EFBIG, f"it has {found.st_size:,} bytes, at most {most:,} are read")
            yield file


def content(path: str | os.PathLike, *, most: int = MOST_JSON, within: str | os.PathLike | None = None) -> bytes:
    """Return what a regular file holds; raises as `regular` does, also where the file grows beyond the bound."""
    with regular(path, most=most, within=within) as file:
        found = file.read(most + 1)
        if len(found) > most:
            raise OSError(errno.EFBIG, f"it has more than {most:,} bytes; no more are read")
        return found


def parsed(text: str | bytes) -> Any:
    """Read JSON in which a number that is not finite, as NaN or 1e999, stands for null.

    Raises:
        ValueError: it is no JSON, holds a whole number of thousands of digits, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_float=_finite, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: str | os.PathLike, *, most: int = MOST_JSON, within: str | os.PathLike | None = None) -> Any:
    """Read a regular file of JSON; raises OSError as `regular` and ValueError as `parsed` does."""
    return parsed(content(path, most=most, within=within).decode("utf-8"))


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


@contextlib.contextmanager
def _told(path: str | os.PathLike) -> Iterator[None]:
    """Let impossible names raise what the system raises of others, and word the rarer reasons plainly."""
    if wrong := fault(path):
        raise OSError(errno.EINVAL, wrong)
    try:
        yield
    except OSError as error:
        if error.filename is not None and error.errno in REASONS:
            error.strerror = REASONS[error.errno]
        raise


def _check_kind(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, "it is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is no regular file but {kind}")


def _inside(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
