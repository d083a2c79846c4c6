"""Stored features on disk: arrays in pieces that appear whole, are checked when opened, and are read as needed.

A folder holds, for each shard and each tensor, one `.npy` file whose name ends in the digest of its content: a
rename publishes both at once, and a file that was cut off or altered does not bear its own name any more.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit.errors import InputError, RunError
from tlkit.features import disk_cache
from tlkit.utils import files, regular_files

DIGITS = 32  # of the SHA-256, in the file's name
NAME = re.compile(rf"(\d{{1,9}})\.(\d{{1,9}})-([0-9a-f]{{{DIGITS}}})\.npy", re.ASCII)


@dataclass(frozen=True, eq=False)
class Column:
    """Hold one tensor of all examples.

    Args:
        pieces: an array (rows, ...) for each shard, mapped from disk; where the second axis is ragged, each shard is
            padded to its own longest example.
        rows: examples in each shard but the last.
        dtype: what the examples are given as.
    """

    pieces: Sequence[np.ndarray]
    rows: int
    dtype: str

    @property
    def nbytes(self) -> int:
        """The size in bytes, as stored."""
        return sum(piece.nbytes for piece in self.pieces)

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Return the examples of these numbers, in their order: (n, ...), zeros after a ragged one's end."""
        owners, places = np.divmod(numbers, self.rows)
        needed = np.unique(owners)
        shape = np.max([self.pieces[owner].shape[1:] for owner in needed], axis=0)
        out = np.zeros((len(numbers), *shape), self.dtype)
        for owner in needed:
            (where,) = np.nonzero(owners == owner)
            found = self.pieces[owner][places[where]]
            out[where, *map(slice, found.shape[1:])] = found
        return out


class Folder:
    """Keep the shards of one split at one cut, in one view.

    Args:
        path: the folder.
        about: what the features are of, for people.
        tensors: how many tensors an example has.
    """

    def __init__(self, path: Path, about: str, tensors: int) -> None:
        self.path, self.about, self.tensors = path, about, tensors
        self.shards: dict[int, list[np.ndarray]] = {}

    @property
    def nbytes(self) -> int:
        """The size in bytes of what is mapped."""
        return sum(array.nbytes for arrays in self.shards.values() for array in arrays)

    def listed(self) -> set[int]:
        """Return the numbers of the shards that seem to be whole, by the names of their files alone."""
        names = filter(None, (NAME.fullmatch(file.name) for file in self.path.glob("*-*.npy")))
        there = {(int(name[1]), int(name[2])) for name in names}
        return {number for number, _ in there if all((number, place) in there for place in range(self.tensors))}

    def open(self) -> None:
        """Map every shard that is whole, and delete what is not; let be what is no shard by its name."""
        there: dict[tuple[int, int], np.ndarray] = {}
        for file in sorted(self.path.glob("*-*.npy")):
            name = NAME.fullmatch(file.name)
            if name and (array := _checked(file, name[3])) is not None:
                there[int(name[1]), int(name[2])] = array
        numbers = {number for number, _ in there}
        found = {number: [there.get((number, tensor)) for tensor in range(self.tensors)] for number in numbers}
        whole = {number: arrays for number, arrays in found.items() if all(array is not None for array in arrays)}
        self.shards = {number: whole[number] for number in sorted(whole)}
        if self.path.exists():
            disk_cache.touch(self.path)

    def write(self, number: int, arrays: Sequence[np.ndarray]) -> None:
        """Write one shard and map it.

        Raises:
            RunError: the disk is full or may not be written; nothing half-written is left.
        """
        written: list[Path] = []
        try:
            if not (self.path / disk_cache.ABOUT).exists():
                files.write_json(self.path / disk_cache.ABOUT, {"about": self.about})
            for place, array in enumerate(arrays):
                written.append(_write(self.path, f"{number:05d}.{place}", array))
        except RunError as error:
            for file in written:
                file.unlink(missing_ok=True)
            raise RunError(
                f"{error}. Stored features lie there: `tlkit cache clear` removes those of earlier runs, TLKIT_HOME "
                f"moves the folder, and a smaller cache budget needs less of it"
            ) from error
        self.shards[number] = [np.load(file, mmap_mode="r") for file in written]


def narrowed(array: np.ndarray, dtype: str) -> np.ndarray:
    """Return an array in the type it is stored in; only floating-point ones change.

    Raises:
        InputError: float16 cannot hold the values.
    """
    if array.dtype.kind != "f" or array.dtype == dtype:
        return array
    largest = np.abs(array).max(initial=0.0)
    if dtype == "float16" and not largest <= np.finfo(np.float16).max:
        raise InputError(
            f"features as large as {largest:.3g} cannot be stored as float16; raise the cache budget, so that they are "
            f"stored as float32, or set it to 0"
        )
    return array.astype(dtype)


def _write(folder: Path, name: str, array: np.ndarray) -> Path:
    """Write an array by plain writes, which unlike a mapped file tell of a full disk, and name it by its digest."""
    with files.writing(folder / name):
        handle, temporary = tempfile.mkstemp(prefix=".tlkit-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
                file.write(np.ascontiguousarray(array).data)
            target = folder / f"{name}-{_digest(Path(temporary))}.npy"
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return target


def _digest(file: Path) -> str:
    with regular_files.regular(file, most=None) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:DIGITS]


def _checked(file: Path, digest: str) -> np.ndarray | None:
    """Map a file that bears its digest and holds numbers; delete any other."""
    try:
        if not os.path.isfile(file):  # a pipe would never end
            return None
        if digest == _digest(file):
            array = np.lib.format.open_memmap(file, mode="r")  # unlike numpy.load it takes neither archives nor pickles
            if array.ndim and len(array) and array.dtype.kind in "fiub":
                return array
    except FileNotFoundError:  # another process made room meanwhile
        return None
    except OSError:
        raise
    except Exception:  # NumPy's reader of headers raises anything, and a digest vouches for nobody
        pass
    file.unlink(missing_ok=True)
    return None
