"""Inspect HDF5 files before Keras reads weights from them, and load the weights.

An HDF5 file says how large its data sets are without having to hold them: a few megabytes may declare gigabytes, and
Keras refuses a single data set only from 4 GiB on, and reads many. So what a file declares is added up first, from its
headers alone, and compared with what the network can need.
"""

from __future__ import annotations

import contextlib
import io
import math
import shutil
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.utils.archives import ALWAYS_ALLOWED_BYTES, DAMAGE_ERRORS, MAX_EXPANSION

if TYPE_CHECKING:
    import h5py
    import keras

MAX_OBJECTS = 200_000  # groups and data sets
MAX_DEPTH = 64  # of nested groups; a saved model has some four for every nested model
MAX_ATTRIBUTE_ELEMENTS = 200_000  # such as the names of layers
# a file may declare so many times the bytes of a network: an optimizer keeps up to three numbers for each weight
MAX_RATIO = 4
ALWAYS_ALLOWED_WEIGHT_BYTES = 16_000_000  # that a file for any network may declare
MEMBER = "model.weights.h5"  # of a .keras file
KINDS = "biufV"  # of numbers; V stands for the two bytes of a bfloat16
DEFLATE, SHUFFLE, CHECKSUM = 1, 2, 3  # HDF5's numbers of the filters that are read
# what h5py and Keras raise for files that are damaged, or hold something else than they should
FAULTS = (ValueError, LookupError, OSError, TypeError, RuntimeError, AttributeError, ArithmeticError)
FAULTS += (MemoryError, AssertionError)


# === Reading ===


def load(model: keras.Model, path: Path) -> None:
    """Load a `.h5` or `.weights.h5` file into a network that is built.

    Raises:
        ValueError: the file declares more than the network can need, holds what is not read, or is no HDF5 file.
        One of FAULTS: it does not fit the network; `reason` says why.
    """
    check(path, allowance(model))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.load_weights(str(path))
    # Keras only warns of layers that keep their random weights; where it goes on to an error, that says more
    if warning := next((entry for entry in caught if issubclass(entry.category, UserWarning)), None):
        raise ValueError(str(warning.message))


def allowance(model: keras.Model) -> int:
    """Return how many bytes a file of weights for this network may declare, an optimizer's state included."""
    import numpy as np

    def size(dtype: str) -> int:
        return max(4, np.dtype(dtype).itemsize if dtype in ("float64", "int64", "uint64") else 4)

    weight_bytes = sum(math.prod(variable.shape) * size(str(variable.dtype)) for variable in model.variables)
    return ALWAYS_ALLOWED_WEIGHT_BYTES + MAX_RATIO * weight_bytes


def reason(error: BaseException) -> str:
    """Return in one line why weights were not loaded; in Keras's messages the cause comes after configs and counts."""
    message = str(error).strip()
    message = message.rpartition("Exception encountered:")[2].strip() or message
    if message.startswith("A total of "):
        message = message.partition("Example error message for object ")[2]
        path, _, message = message.partition("\n\n")
        message = f"{path.rstrip(':')}: {message.strip()}"
    return message.split("\n")[0][:300] or type(error).__name__


# === Checking ===


def check(source: Path | io.RawIOBase, most: int) -> None:
    """Check an HDF5 file without reading its numbers; compressed parts are only measured.

    Args:
        source: the file, or its bytes as an open file.
        most: the bytes that its data sets may declare in total.

    Raises:
        ValueError: links, storage outside the file, more than `most`, too many or too deep groups, values that are
            no numbers, a compressed part that holds more than it declares, or damage; says which and where.
    """
    import h5py

    try:
        with h5py.File(source, "r") as file:
            found = [_size_and_path(where, data) for where, data in _sets(file)]
            if (total := sum(size for size, _ in found)) > most:
                raise ValueError(
                    f"its HDF5 data sets declare {total:,} bytes, at most {most:,} are read here; the largest is "
                    f"{max(found, key=lambda each: each[0])[1]!r:.100}"
                )
            for where, data in _sets(file):
                _measure(where, data)
    except ValueError:
        raise
    except FAULTS as error:
        raise ValueError(f"it is no HDF5 file that can be read ({reason(error)})") from error


def check_archive(path: Path, most: int | None = None) -> None:
    """Check the weights in a `.keras` file, as `check` does, without unpacking the archive.

    Args:
        path: an archive that `archives.check` let be.
        most: the bytes that its data sets may declare together; as a rule 20 times the archive's own.

    Raises:
        ValueError: as `check`, or there are no weights in HDF5.
    """
    if most is None:
        most = max(ALWAYS_ALLOWED_BYTES, MAX_EXPANSION * path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                raise ValueError(f"it holds no {MEMBER}, the only form of weights that is read from a .keras file")
            with _opened(path, archive) as member:
                check(member, most)
    except ValueError:
        raise
    except (OSError, struct.error, *DAMAGE_ERRORS) as error:
        raise ValueError(f"its {MEMBER} cannot be read ({error})") from error


def check_folder(folder: Path) -> None:
    """Check the weights in a folder that KerasHub will read.

    Raises:
        ValueError: as `check`, where 20 times a file's own bytes may be declared.
    """
    for path in sorted(folder.glob("*.h5")):
        try:
            check(path, max(ALWAYS_ALLOWED_BYTES, MAX_EXPANSION * path.stat().st_size))
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error


def _sets(top: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the data sets of a file with their paths, without following links; every name of a data set counts."""
    import h5py

    waiting, count = [("", top)], 0
    while waiting:
        path, group = waiting.pop()
        _check_attributes(path, group)
        if path.count("/") > MAX_DEPTH:
            raise ValueError(f"its HDF5 groups lie more than {MAX_DEPTH} deep, from {path[:60]!r} on")
        if (count := count + len(group)) > MAX_OBJECTS:
            raise ValueError(f"it holds more than {MAX_OBJECTS:,} HDF5 objects")
        for name in group:
            where = f"{path}/{name}"
            link = group.get(name, getclass=True, getlink=True)
            if link is not h5py.HardLink:
                raise ValueError(f"{where!r:.100} in it is a {link.__name__}, which may lead anywhere")
            member = group[name]
            if isinstance(member, h5py.Group):
                waiting.append((where, member))
            elif isinstance(member, h5py.Dataset):
                _check_attributes(where, member)
                yield where, member
            else:
                raise ValueError(f"{where!r:.100} in it is neither a group nor a data set")


def _check_attributes(where: str, item: h5py.Group | h5py.Dataset) -> None:
    import h5py

    for number in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=number)
        if math.prod(attribute.shape or ()) > MAX_ATTRIBUTE_ELEMENTS:
            raise ValueError(
                f"an attribute of {where or '/'!r:.100} in it has more than {MAX_ATTRIBUTE_ELEMENTS:,} elements"
            )


def _size_and_path(where: str, data: h5py.Dataset) -> tuple[int, str]:
    """Return the bytes needed to read a data set, and its path; raise ValueError if it cannot be read."""
    kind = data.dtype
    if data.external:
        raise ValueError(f"{where!r:.100} in it is an external Dataset, whose numbers lie in another file")
    if data.is_virtual:
        raise ValueError(f"{where!r:.100} in it is a virtual Dataset, whose numbers lie elsewhere")
    if data.shape is None or kind.kind not in KINDS or kind.fields or kind.subdtype:
        raise ValueError(f"{where!r:.100} in it holds no numbers but {kind!s:.60}")
    return max(math.prod(data.shape), math.prod(data.chunks or ())) * kind.itemsize, where


def _measure(where: str, data: h5py.Dataset) -> None:
    """Raise ValueError if compressed chunks hold more than they should: HDF5 itself unpacks them to the end."""
    if data.chunks is None:
        return
    plan = data.id.get_create_plist()
    filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
    if set(filters) - {DEFLATE, SHUFFLE, CHECKSUM} or filters.count(DEFLATE) > 1:
        raise ValueError(f"{where!r:.100} in it is compressed in a way that is not read; save it with gzip, or plainly")
    size = math.prod(data.chunks) * data.dtype.itemsize
    for number in range(data.id.get_num_chunks()):
        chunk = data.id.get_chunk_info(number)
        if chunk.size > 2 * size + 1024:
            raise ValueError(f"{where!r:.100} in it has a chunk of {chunk.size:,} bytes for {size:,}")
        if DEFLATE in filters and not chunk.filter_mask & 1 << filters.index(DEFLATE):
            packed = data.id.read_direct_chunk(chunk.chunk_offset)[1]
            # a checksum made before the numbers were compressed adds four bytes
            if len(zlib.decompressobj().decompress(packed, size + 5)) > size + 4:
                raise ValueError(
                    f"{where!r:.100} in it is a decompression bomb: a chunk holds more than {size:,} bytes"
                )


# === Archives ===


@contextlib.contextmanager
def _opened(path: Path, archive: zipfile.ZipFile) -> Iterator[Any]:
    """Yield the weights of a `.keras` file as an open file: a part of the archive, or a copy of a compressed one."""
    member = archive.getinfo(MEMBER)
    with archive.open(member) as unpacked, open(path, "rb") as file:
        if member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size:
            file.seek(member.header_offset)
            lengths = struct.unpack("<26x2H", file.read(30))  # of the name and of what follows it
            yield _Part(file, member.header_offset + 30 + sum(lengths), member.file_size)
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(unpacked, copy)
            yield copy


class _Part(io.RawIOBase):
    """Read a part of an open file as if it were a file of its own.

    Args:
        file: open for reading bytes.
        begin, size: where the part begins and how many bytes it has.
    """

    def __init__(self, file: Any, begin: int, size: int) -> None:
        self.file, self.begin, self.size, self.place = file, begin, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def readinto(self, buffer: Any) -> int:
        self.file.seek(self.begin + self.place)
        count = self.file.readinto(memoryview(buffer)[: max(0, self.size - self.place)])
        self.place += count
        return count
