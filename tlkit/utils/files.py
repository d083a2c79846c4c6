"""Files that appear whole or not at all, their digests, and locks between processes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from tlkit.errors import InputError, IntegrityError, RunError, TlkitError
from tlkit.utils import environment, regular_files

MOST_JSON = regular_files.MOST_JSON
RUN_FILE = "run.json"  # what a run directory is known by; `tlkit.runs.record` writes it
_REMEDIES = {
    **environment.LIMITS,
    errno.ENOSPC: "the disk is full; free some space or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another place",
    errno.EACCES: "permission is denied; choose another place or change its permissions",
    errno.EPERM: "permission is denied; choose another place or change its permissions",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EISDIR: "there is a folder of that name; name a file",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "there is a link of that name; remove it or choose another place",
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), "a part of it is a file, not a folder; choose another place"),
}


def cache_home() -> Path:
    """Return tlkit's cache folder: $TLKIT_HOME, else $XDG_CACHE_HOME/tlkit, else ~/.cache/tlkit."""
    if home := os.environ.get("TLKIT_HOME"):
        return environment.expanded(home, "TLKIT_HOME")
    return environment.expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "XDG_CACHE_HOME") / "tlkit"


def unmistakable(folder: str | os.PathLike) -> str:
    """Return a folder's absolute path, which KerasHub and keras-cv take for neither a preset's name nor an address.

    They look up what they are given among their presets first, so that "bert_base_en" is fetched, even where a folder
    of this name is meant.
    """
    return os.path.abspath(os.path.expanduser(folder))


# === Writing ===


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Turn a full disk, a read-only one and a denied permission into an error a person can act on.

    Args:
        path: what is being written, for the message.

    Raises:
        RunError: with the path and the remedy, also for a path that no file can have. Any other error passes
            unchanged.
    """
    if wrong := regular_files.fault(path):
        raise RunError(f"cannot write {path}: {wrong}; choose another")
    try:
        yield
    except TlkitError:
        raise
    except Exception as error:  # TensorFlow and HDF5 have errors of their own for a full disk
        number = _number(error)
        if number not in _REMEDIES:
            raise
        raise RunError(f"cannot write {path}: {_REMEDIES[number]}") from error


def _number(error: Exception) -> int | None:
    """Return the system's number of what failed; that of a full disk also where it is told in words alone.

    TensorFlow tells of a full disk by the same kind of error as of a full memory.
    """
    if isinstance(error, OSError) and error.errno:
        return error.errno
    told = str(error)
    return next((number for number in (errno.ENOSPC, errno.EDQUOT) if os.strerror(number) in told), None)


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path that takes the place of `path` once the block succeeds.

    The block makes a file or a directory there. It has the target's own name, since Keras chooses a format by suffix,
    and lies in a private folder beside the target, so that a rename is enough. A directory that is already there is
    moved aside first, because no system call replaces a full one; a file is replaced in one step.

    Args:
        path: the target; missing parent folders are made.

    Raises:
        RunError: the disk is full or may not be written. Nothing half-written is left, and the old target stays.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        private = Path(tempfile.mkdtemp(prefix=".tlkit-", dir=path.parent))
        try:
            yield private / path.name
            _fsync(private / path.name)
            _replace(private / path.name, path)
            _fsync_one(path.parent)
        finally:
            shutil.rmtree(private, ignore_errors=True)


def _replace(new: Path, path: Path) -> None:
    if not (path.is_dir() and new.is_dir()):
        os.replace(new, path)
        return
    old = new.with_name(new.name + ".old")
    os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old, path)
        raise


def _fsync(path: Path) -> None:
    for inner in path.rglob("*") if path.is_dir() else ():
        _fsync_one(inner)
    _fsync_one(path)


def _fsync_one(path: Path) -> None:
    if path.is_symlink() or (os.name == "nt" and path.is_dir()):
        return
    # Windows flushes only what is open for writing.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remedy(error: BaseException) -> str | None:
    """Return the path that an error of the system names and what to do; None where it is another, or names none."""
    if isinstance(error, OSError) and error.filename is not None and error.errno in _REMEDIES:
        return f"cannot use {os.fsdecode(error.filename)}: {_REMEDIES[error.errno]}"
    return None


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a UTF-8 text file in one step; raise RunError where that cannot be."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write a value as readable JSON in one step, numbers that are not finite as null; raise RunError where that cannot
    be."""
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # a file's name that is no UTF-8 holds halves of surrogate pairs, which only an escape can carry
    write_text(path, re.sub("[\ud800-\udfff]", lambda half: ascii(half[0])[1:-1], text))


def finite(value: Any) -> Any:
    """Return a value for JSON with null in place of every number that is not finite, which JSON cannot write."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: str | os.PathLike, *, within: str | os.PathLike | None = None) -> Any:
    """Read a regular file of JSON, as `regular_files.parsed` takes it.

    Args:
        path: the file.
        within: a folder that a link must not lead out of.

    Raises:
        RunError: it is missing, no regular file, damaged, or larger than any of ours.
    """
    try:
        return regular_files.read_json(path, within=within)
    except OSError as error:
        raise RunError(f"cannot read {path}: {regular_files.why(error)}; check the path") from error
    except ValueError as error:
        raise RunError(f"{path} is not valid JSON ({error}); restore it, or delete it and start anew") from error


# === Digests ===


def digest(path: str | os.PathLike, algorithm: str = "sha256") -> str:
    """Return the digest of a file, or of a folder's names and contents, as "sha256:..." in hexadecimal.

    Args:
        path: a file or a folder. Hidden files of a folder do not count.
        algorithm: a name that `hashlib` knows.

    Raises:
        InputError: for an algorithm that `hashlib` does not know.
    """
    path = Path(path)
    if algorithm not in hashlib.algorithms_available:
        raise InputError(f"unknown digest algorithm {algorithm!r}; use sha256 or md5")
    if path.is_dir():
        return f"{algorithm}:{_folder_hash(path, algorithm)}"
    with regular_files.regular(path, most=None) as file:
        return f"{algorithm}:{hashlib.file_digest(file, lambda: _hash(algorithm)).hexdigest()}"


def _hash(algorithm: str) -> Any:
    return hashlib.new(algorithm, usedforsecurity=False)


def _folder_hash(path: Path, algorithm: str) -> str:
    names = (inner.relative_to(path) for inner in path.rglob("*") if inner.is_file())
    total = _hash(algorithm)
    for name in sorted(name.as_posix() for name in names if not any(part[0] == "." for part in name.parts)):
        total.update(f"{name}\0{digest(path / name, algorithm)}\n".encode())
    return total.hexdigest()


def check(path: str | os.PathLike, pinned: str) -> None:
    """Compare a file with its pinned digest.

    Args:
        path: the file.
        pinned: "sha256:..." or "md5:..."; empty where nothing is published, and then anything passes.

    Raises:
        IntegrityError: the digests differ; the message names both.
        InputError: the pin names no algorithm.
    """
    if not pinned:
        return
    algorithm, colon, _ = pinned.partition(":")
    if not colon:
        raise InputError(f"the digest {pinned!r} names no algorithm; write sha256:... or md5:...")
    found = digest(path, algorithm)
    if found != pinned.lower():
        raise IntegrityError(
            f"{path} is not the published file: its digest is {found}, expected {pinned}; delete it and fetch it again"
        )


def sound(path: str | os.PathLike, pinned: str) -> bool:
    """Return whether a file is there and has its pinned digest (any, where the pin is empty)."""
    try:
        check(path, pinned)
    except (IntegrityError, FileNotFoundError):
        return False
    return Path(path).is_file()


def accept(part: Path, target: Path, pinned: str, origin: str) -> None:
    """Move a freshly fetched file into its place if it has its pinned digest, and delete it otherwise.

    Args:
        part: the fetched file.
        target: its place.
        pinned: "sha256:..." or "md5:..."; empty where nothing is published.
        origin: where it came from, for the message.

    Raises:
        IntegrityError: the digests differ; the message names both.
        RunError: the disk is full or may not be written.
    """
    if not sound(part, pinned):
        found = digest(part, pinned.partition(":")[0])
        part.unlink()
        raise IntegrityError(
            f"{origin} gave another {target.name} than the published one: its digest is {found}, expected {pinned}. It "
            f"was deleted; fetch the published file on another machine and put it at {target}"
        )
    with atomic(target) as temporary:
        shutil.move(part, temporary)


# === Locks ===


@contextlib.contextmanager
def lock(path: str | os.PathLike, *, timeout: float = -1) -> Iterator[None]:
    """Hold `path` against other processes; the system releases it even when this process is killed.

    Args:
        path: what is locked, there or not; the lock itself is the hidden file `.NAME.lock` beside it.
        timeout: seconds to wait for another holder; negative waits for as long as it takes.

    Raises:
        RunError: another process holds it, or its folder cannot be written.
    """
    path = Path(os.path.abspath(path))
    lock_file = path.with_name(f".{path.name}.lock")
    held = filelock.FileLock(lock_file)
    with writing(lock_file):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire(timeout=timeout)
        except filelock.Timeout:
            raise RunError(f"{path} is in use by another process; wait until it ends or stop it") from None
    try:
        yield
    finally:
        held.release()


def is_locked(path: str | os.PathLike) -> bool:
    """Return whether a process holds `path` by `lock`."""
    lock_file = Path(path).with_name(f".{Path(path).name}.lock")
    if not lock_file.exists():
        return False
    try:
        with filelock.FileLock(lock_file, timeout=0):
            return False
    except filelock.Timeout:
        return True


def plain(value: Any) -> Any:
    """Turn numbers and arrays into what JSON knows; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
