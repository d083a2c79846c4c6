"""Open regular files of limited size only: no pipe or device that would block, no link that leads out of a folder.

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

MAX_JSON_BYTES = 64 << 20  # no file of tlkit comes near it
MAX_RECORD_BYTES = 1 << 30  # of a table that a run writes, such as splits.csv: some millions of examples
MAX_IMAGE_BYTES = 1 << 30  # of an encoded picture
MAX_TABLE_BYTES = 4 << 30  # of a user's table or text; all of it is held in memory
# Without O_NONBLOCK opening a pipe waits for its other end; without O_NOCTTY a terminal might become our own.
OPEN_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
SPECIAL_FILES = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
REASONS = {
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "links lead in a circle",
}


def why(error: BaseException) -> str:
    """Return the reason a system error gives, without its number and path."""
    return getattr(error, "strerror", None) or str(error)


def shown(name: str | os.PathLike) -> str:
    """Return a path that any stream can print: bytes that are not UTF-8 are written out, as in `caf\\xe9`."""
    try:
        return os.fspath(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # halves of letters that stand for no byte; no file has such a name
        return os.fspath(name).encode("utf-8", "backslashreplace").decode("utf-8")


def is_utf8(name: str | os.PathLike) -> bool:
    """Return whether a path is valid Unicode; TensorFlow and text files cannot handle any other."""
    try:
        os.fspath(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def fault(path: str | os.PathLike) -> str:
    """Return why no file can have this path, or ""."""
    try:
        if "\0" in os.fspath(path):
            return "a name cannot hold a NUL character"
        os.fsencode(path)
    except UnicodeEncodeError:
        return "no name can hold such characters"
    return ""


@contextlib.contextmanager
def regular(
    path: str | os.PathLike, *, most: int | None = MAX_JSON_BYTES, within: str | os.PathLike | None = None
) -> Iterator[BinaryIO]:
    """Open a regular file, or a link to one, and yield it.

    Args:
        path: the file.
        most: the bytes it may have; None for no limit, if it is not read as a whole.
        within: a folder that a link must not lead out of.

    Raises:
        OSError: it cannot be opened, is a folder, a pipe, a device or a socket, is larger, or leads outside; `why`
            gives the reason.
    """
    with _plain_reasons(path):
        if within is not None and not _inside(path, within):
            raise OSError(errno.ELOOP, f"it is a link that leads out of {shown(within)}")
        _check_kind(os.stat(path))  # before opening it, which alone may set a device in motion
        with open(os.open(path, OPEN_FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            _check_kind(status)  # again, as the path may lead to another file by now
            if most is not None and status.st_size > most:
                raise OSError(errno.EFBIG, f"it has {status.st_size:,} bytes, at most {most:,} are read")
            yield file


def content(path: str | os.PathLike, *, most: int = MAX_JSON_BYTES, within: str | os.PathLike | None = None) -> bytes:
    """Return the content of a regular file; raise OSError as `regular` does, also if it grows beyond the limit."""
    with regular(path, most=most, within=within) as file:
        data = file.read(most + 1)
        if len(data) > most:
            raise OSError(errno.EFBIG, f"it has more than {most:,} bytes; no more are read")
        return data


def parsed(text: str | bytes) -> Any:
    """Parse JSON; a number that is not finite, such as NaN or 1e999, becomes None.

    Raises:
        ValueError: it is not JSON, holds an integer of thousands of digits, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_float=_finite, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: str | os.PathLike, *, most: int = MAX_JSON_BYTES, within: str | os.PathLike | None = None) -> Any:
    """Read a regular JSON file; raise OSError as `regular` and ValueError as `parsed` does."""
    return parsed(content(path, most=most, within=within).decode("utf-8"))


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


@contextlib.contextmanager
def _plain_reasons(path: str | os.PathLike) -> Iterator[None]:
    """Raise OSError for impossible names too, and put the rarer reasons of the system in plain words."""
    if wrong := fault(path):
        raise OSError(errno.EINVAL, wrong)
    try:
        yield
    except OSError as error:
        if error.filename is not None and error.errno in REASONS:
            error.strerror = REASONS[error.errno]
        raise


def _check_kind(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "it is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        kind = SPECIAL_FILES.get(stat.S_IFMT(status.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is not a regular file but {kind}")


def _inside(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
