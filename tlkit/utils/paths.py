"""Folders and files, on this machine or at an address such as gs://bucket/folder, which TensorFlow's layer reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import DataError
from tlkit.utils import network, regular_files

# Left behind by other programs, in no class of their own.
_LITTER = {"__macosx", "thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Entry:
    """Name one thing in a folder: its own name, its path, and whether it is a folder (a link to one counts)."""

    name: str
    path: str
    folder: bool


def is_remote(path: str) -> bool:
    """Tell an address from a path of this machine."""
    return "://" in path


def is_folder(path: str) -> bool:
    """Tell whether there is a folder.

    Raises:
        DataError: TensorFlow has no file system for such an address, or it does not answer.
    """
    return _remote("isdir", path) if is_remote(path) else os.path.isdir(path)


def check_name(path: str) -> None:
    """Raise DataError for a path that is no UTF-8, which TensorFlow does not take and no table or report can hold."""
    if not regular_files.is_utf8(path):
        raise DataError(f"{regular_files.shown(path)} is no UTF-8; rename it")


def exists(path: str) -> bool:
    """Tell whether there is anything; raises as `is_folder` does."""
    return _remote("exists", path) if is_remote(path) else os.path.lexists(path)


def visible(folder: str) -> list[Entry]:
    """List what lies in a folder, sorted by name, without hidden files and what other programs leave behind.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        found = list(_entries(folder))
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}; check the path and its permissions") from error
    found = [entry for entry in found if not entry.name.startswith(".") and entry.name.lower() not in _LITTER]
    return sorted(found, key=lambda entry: entry.name)


def below(folder: str) -> Iterator[str]:
    """List the files below a folder at any depth, in order; a folder that links lead to again is entered once."""
    entered: set[str] = set()

    def walk(place: str) -> Iterator[str]:
        real = place if is_remote(place) else os.path.realpath(place)
        if real in entered:
            return
        entered.add(real)
        for entry in visible(place):
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

    network.address(path)
    try:
        return getattr(tf.io.gfile, function)(path)
    except tf.errors.OpError as error:
        raise DataError(
            f"TensorFlow cannot reach {path}: {error.message}; s3:// and some others need the package tensorflow-io, "
            f"or copy the folder to this machine"
        ) from error


def content(path: str | Path) -> bytes:
    """Return what a file holds, also at an address such as gs://bucket/a.jpg; raise DataError where it cannot be."""
    import tensorflow as tf

    network.address(str(path))
    try:
        if "://" in str(path):
            return tf.io.gfile.GFile(str(path), "rb").read()
        return regular_files.content(path, most=regular_files.MOST_PICTURE)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", error)
        raise DataError(f"cannot read {path}: {reason}; check the path and its permissions") from error
