"""List and read local paths and cloud addresses such as gs://bucket/folder alike; the latter through TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import DataError
from tlkit.utils import network, regular_files

# left behind by other programs
_LITTER = {"__macosx", "thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Entry:
    """An entry of a folder: its name, its path, and whether it is a folder or a link to one."""

    name: str
    path: str
    folder: bool


def is_remote(path: str) -> bool:
    """Return whether a path is an address such as gs://bucket/folder."""
    return "://" in path


def is_folder(path: str) -> bool:
    """Return whether there is a folder at a path or address.

    Raises:
        DataError: TensorFlow has no file system for the address, or it does not answer.
    """
    return _remote("isdir", path) if is_remote(path) else os.path.isdir(path)


def check_name(path: str) -> None:
    """Raise DataError for a path that is not UTF-8, which TensorFlow, tables and reports cannot handle."""
    if not regular_files.is_utf8(path):
        raise DataError(f"{regular_files.shown(path)} is not UTF-8; rename it")


def exists(path: str) -> bool:
    """Return whether a path or address exists; raise DataError as `is_folder` does."""
    return _remote("exists", path) if is_remote(path) else os.path.lexists(path)


def visible(folder: str) -> list[Entry]:
    """List a folder, sorted by name, without hidden files and leftovers of other programs.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        entries = list(_entries(folder))
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}; check the path and its permissions") from error
    entries = [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in _LITTER]
    return sorted(entries, key=lambda entry: entry.name)


def below(folder: str) -> Iterator[str]:
    """Yield the files below a folder at any depth, in order; a folder that links lead to again is entered once."""
    entered: set[str] = set()

    def walk(path: str) -> Iterator[str]:
        real = path if is_remote(path) else os.path.realpath(path)
        if real in entered:
            return
        entered.add(real)
        for entry in visible(path):
            if entry.folder:
                yield from walk(entry.path)
            else:
                yield entry.path

    return walk(folder)


def _entries(folder: str) -> Iterator[Entry]:
    if is_remote(folder):
        for name in _remote("listdir", folder):
            name, path = name.rstrip("/"), f"{folder.rstrip('/')}/{name.rstrip('/')}"
            yield Entry(name, path, _remote("isdir", path))
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            yield Entry(entry.name, entry.path, entry.is_dir())


def _remote(function: str, path: str) -> bool | list[str]:
    import tensorflow as tf

    network.check_address(path)
    try:
        return getattr(tf.io.gfile, function)(path)
    except tf.errors.OpError as error:
        raise DataError(
            f"TensorFlow cannot reach {path}: {error.message}; s3:// and some others need the package tensorflow-io, "
            f"or copy the folder to this machine"
        ) from error


def content(path: str | Path) -> bytes:
    """Read the bytes of a file, also at an address such as gs://bucket/a.jpg; raise DataError if that fails."""
    import tensorflow as tf

    network.check_address(str(path))
    try:
        if "://" in str(path):
            return tf.io.gfile.GFile(str(path), "rb").read()
        return regular_files.content(path, most=regular_files.MAX_IMAGE_BYTES)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", error)
        raise DataError(f"cannot read {path}: {reason}; check the path and its permissions") from error
