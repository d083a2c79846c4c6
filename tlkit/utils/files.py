"""Write files atomically, hash them, and lock them between processes."""

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

RUN_FILE = "run.json"  # marks a run directory; `tlkit.runs.record` writes it
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


def absolute_path(folder: str | os.PathLike) -> str:
    """Return a folder's absolute path, which KerasHub and keras-cv cannot take for the name of a preset or an address.

    They look among their presets first: given "bert_base_en", they would download that preset instead of reading a
    folder of that name.
    """
    return os.path.abspath(os.path.expanduser(folder))


# === Writing ===


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Turn errors such as a full disk, a read-only disk or a denied permission into a RunError with a remedy.

    Args:
        path: the file or folder being written, for the message.

    Raises:
        RunError: names the path and the remedy; also for a path that no file can have. Other errors pass unchanged.
    """
    if wrong := regular_files.fault(path):
        raise RunError(f"cannot write {path}: {wrong}; choose another")
    try:
        yield
    except TlkitError:
        raise
    except Exception as error:  # TensorFlow and HDF5 have errors of their own for a full disk
        number = _error_number(error)
        if number not in _REMEDIES:
            raise
        raise RunError(f"cannot write {path}: {_REMEDIES[number]}") from error


def _error_number(error: Exception) -> int | None:
    """Return the error number of the system; that of a full disk also if the error only says so in words.

    TensorFlow raises the same kind of error for a full disk as for full memory.
    """
    if isinstance(error, OSError) and error.errno:
        return error.errno
    message = str(error)
    return next((number for number in (errno.ENOSPC, errno.EDQUOT) if os.strerror(number) in message), None)


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` once the block succeeds.

    The block creates a file or a directory there. The temporary path has the same name, since Keras chooses a format by
    suffix, and lies in a private folder beside the target, so that a rename is enough. An existing directory is moved
    aside first, because no system call replaces one that is not empty; a file is replaced in one step.

    Args:
        path: the target; missing parent folders are created.

    Raises:
        RunError: the disk is full or cannot be written to. Nothing half-written is left, and the old target stays.
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
    """Return one line with the path that a system error names and its remedy; None for other errors."""
    if isinstance(error, OSError) and error.filename is not None and error.errno in _REMEDIES:
        return f"cannot use {os.fsdecode(error.filename)}: {_REMEDIES[error.errno]}"
    return None


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a UTF-8 text file atomically; raise RunError if that fails."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write a value as indented JSON atomically, numbers that are not finite as null; raise RunError if that fails."""
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # a file name that is not UTF-8 holds halves of surrogate pairs, which JSON can only hold as escapes
    write_text(path, re.sub("[\ud800-\udfff]", lambda half: ascii(half[0])[1:-1], text))


def finite(value: Any) -> Any:
    """Return a JSON value with None for every number that is not finite, which JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: str | os.PathLike, *, within: str | os.PathLike | None = None) -> Any:
    """Read a regular JSON file, as `regular_files.parsed` does.

    Args:
        path: the file.
        within: a folder that a link must not lead out of.

    Raises:
        RunError: it is missing, damaged, too large or not a regular file.
    """
    try:
        return regular_files.read_json(path, within=within)
    except OSError as error:
        raise RunError(f"cannot read {path}: {regular_files.why(error)}; check the path") from error
    except ValueError as error:
        raise RunError(f"{path} is not valid JSON ({error}); restore it, or delete it and start over") from error


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
    """Raise an error if a file does not have its pinned digest.

    Args:
        path: the file.
        pinned: "sha256:..." or "md5:..."; if empty, as nothing is published, any file passes.

    Raises:
        IntegrityError: the digests differ; the message names both.
        InputError: the pinned digest names no algorithm.
    """
    if not pinned:
        return
    algorithm, colon, _ = pinned.partition(":")
    if not colon:
        raise InputError(f"the digest {pinned!r} names no algorithm; write sha256:... or md5:...")
    actual = digest(path, algorithm)
    if actual != pinned.lower():
        raise IntegrityError(
            f"{path} is not the published file: its digest is {actual}, expected {pinned}; delete it and fetch it again"
        )


def has_digest(path: str | os.PathLike, pinned: str) -> bool:
    """Return whether a file exists and has its pinned digest; any digest will do if `pinned` is empty."""
    try:
        check(path, pinned)
    except (IntegrityError, FileNotFoundError):
        return False
    return Path(path).is_file()


def accept(part: Path, target: Path, pinned: str, origin: str) -> None:
    """Move a downloaded file to `target` if it has its pinned digest, and delete it otherwise.

    Args:
        part: the downloaded file.
        target: its final path.
        pinned: "sha256:..." or "md5:..."; empty if nothing is published.
        origin: the address or package it came from, for the message.

    Raises:
        IntegrityError: the digests differ; the message names both.
        RunError: the disk is full or cannot be written to.
    """
    if not has_digest(part, pinned):
        actual = digest(part, pinned.partition(":")[0])
        part.unlink()
        raise IntegrityError(
            f"{target.name} from {origin} is not the published file: its digest is {actual}, expected {pinned}. It "
            f"was deleted; fetch the published file on another machine and put it at {target}"
        )
    with atomic(target) as temporary:
        shutil.move(part, temporary)


# === Locks ===


@contextlib.contextmanager
def lock(path: str | os.PathLike, *, timeout: float = -1) -> Iterator[None]:
    """Lock `path` against other processes; the system releases the lock even if this process is killed.

    Args:
        path: the file or folder to lock; it need not exist. The lock itself is the hidden file `.NAME.lock` beside it.
        timeout: seconds to wait for another process; if negative, as long as it takes.

    Raises:
        RunError: another process holds the lock, or the folder cannot be written to.
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
    """Return whether a process has locked `path`."""
    lock_file = Path(path).with_name(f".{Path(path).name}.lock")
    if not lock_file.exists():
        return False
    try:
        with filelock.FileLock(lock_file, timeout=0):
            return False
    except filelock.Timeout:
        return True


def plain(value: Any) -> Any:
    """Convert NumPy numbers and arrays to JSON values; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
