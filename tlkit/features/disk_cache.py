"""The folder of stored features: what lies there, what it takes, and making room in it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import RunError
from tlkit.utils import files, regular_files

MEASURED, MOST = "measured.json", 1000  # in the folder: what was measured on this machine; so many entries of it
ABOUT = "about.json"  # in each entry: what its features are of, for people


@dataclass(frozen=True)
class Entry:
    """Describe the stored features of one split at one cut, in one view.

    Args:
        folder: where they lie; its name is their key.
        about: what they are of: backbone, layers, data, view and type.
        bytes: what they take.
        used: when a run last used them, in seconds since 1970.
    """

    folder: Path
    about: str
    bytes: int
    used: float


def root() -> Path:
    """Return the folder of stored features, which need not exist."""
    return files.cache_home() / "features"


def entries() -> list[Entry]:
    """List what is stored, the most recently used first."""
    folders = [path for path in root().iterdir() if path.is_dir()] if root().is_dir() else []
    return sorted(filter(None, map(_entry, folders)), key=lambda entry: -entry.used)


def _entry(folder: Path) -> Entry | None:
    try:
        size = sum(path.stat().st_size for path in folder.iterdir())
        return Entry(folder, _about(folder / ABOUT), size, folder.stat().st_mtime)
    except FileNotFoundError:  # another process removed it meanwhile
        return None


def _about(file: Path) -> str:
    try:
        return str(regular_files.read_json(file)["about"])
    except (OSError, ValueError, KeyError, TypeError):
        return "of unknown origin"


def clear() -> int:
    """Remove everything that is stored; return the bytes that were freed. Running trainings keep what they opened."""
    there = entries()
    for entry in there:
        remove(entry.folder)
    (root() / MEASURED).unlink(missing_ok=True)
    return sum(entry.bytes for entry in there if not entry.folder.exists())


def remove(folder: Path) -> None:
    """Remove one entry."""
    shutil.rmtree(folder, ignore_errors=True)


def touch(folder: Path) -> None:
    """Mark an entry as just used."""
    os.utime(folder)


def make_room(needed: int, budget: int, keep: set[Path]) -> None:
    """Remove the least recently used entries until `needed` more bytes stay within `budget`.

    Args:
        needed: bytes about to be stored.
        budget: bytes that all entries together may take.
        keep: folders that are in use.
    """
    there = entries()
    total = needed + sum(entry.bytes for entry in there)
    for entry in reversed(there):
        if total <= budget:
            return
        if entry.folder not in keep:
            remove(entry.folder)
            total -= entry.bytes


def recall(key: str) -> str | None:
    """Return what was remembered under a key; None where nothing was."""
    return _measured().get(key)


def remember(key: str, value: str) -> None:
    """Write something down for later trainings; the oldest of many make way.

    Raises:
        RunError: the disk is full or may not be written.
    """
    with files.lock(root() / MEASURED):
        files.write_json(root() / MEASURED, dict([*_measured().items(), (key, value)][-MOST:]))


def _measured() -> dict[str, str]:
    try:
        found = files.read_json(root() / MEASURED)
    except RunError:  # not there yet, or damaged: it is measured again
        return {}
    return found if isinstance(found, dict) else {}


def free() -> int:
    """Return how many bytes stored features could take: the disk's free space and what they take already."""
    standing = next(path for path in (root(), *root().parents) if path.exists())
    return shutil.disk_usage(standing).free + sum(entry.bytes for entry in entries())
