"""Metadata of examples: name, digest, group, and for pictures a thumbnail and the image header."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tlkit.data.near_duplicates import SIDE, normalised
from tlkit.data.text_pairs import Pair

DIGEST_BYTES = 16  # of a SHA-256 that are stored
# Of a picture: a grey thumbnail, its sides in pixels as stored, and the size in bytes, format and mode of its file.
_NUMBERS = [("width", "i4"), ("height", "i4"), ("bytes", "i8")]
LOOK = np.dtype([("thumb", "u1", (SIDE, SIDE)), *_NUMBERS, ("format", "S6"), ("mode", "S8")])
POOL_BLOCK = 512  # files in the thread pool at a time: results of a million of them would fill the memory


@dataclass(frozen=True, eq=False)
class Traits:
    """Metadata of n examples.

    Args:
        names: the name of every example, an object array (n,): a path below the folder, "line 5", or a number.
        digests: the first 16 bytes of the SHA-256 (n,) of a file, of pixels, of a row, or of a text after
            `normalised`.
        groups: the group of every example, an object array (n,), "" for none; None if there are no groups.
        looks: pictures only, (n,) of LOOK; for arrays its format and mode are empty.
    """

    names: np.ndarray
    digests: np.ndarray
    groups: np.ndarray | None = None
    looks: np.ndarray | None = None

    def take(self, numbers: np.ndarray) -> Traits:
        """Return the traits of these examples."""
        groups, looks = (None if part is None else part[numbers] for part in (self.groups, self.looks))
        return Traits(self.names[numbers], self.digests[numbers], groups, looks)

    def hexdigest(self, number: int) -> str:
        """Return the digest of one example in hexadecimal."""
        return self.digests[number].ljust(DIGEST_BYTES, b"\0").hex()


def joined(parts: Sequence[Traits]) -> Traits:
    """Concatenate traits; a field that one part lacks is dropped."""
    columns = [[getattr(part, name) for part in parts] for name in ("names", "digests", "groups", "looks")]
    return Traits(*(None if any(part is None for part in column) else np.concatenate(column) for column in columns))


def strings(values: Sequence[str]) -> np.ndarray:
    """Return strings as an object array (n,)."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def look(items: Sequence[Any] | np.ndarray, kind: str, names: Sequence[str] | None = None) -> Traits:
    """Compute the traits of examples of any kind.

    Args:
        items: as in `Split.items`.
        kind: "image", "text" or "table".
        names: their names; by default their paths, or their numbers.
    """
    if names is None:
        by_path = kind == "image" and not isinstance(items, np.ndarray)
        names = [item if by_path and isinstance(item, str) else str(number) for number, item in enumerate(items)]
    if kind == "text":
        return Traits(strings(names), digests([digest(encoded(normalised(text))) for text in items]))
    if kind == "table":
        return Traits(strings(names), digests([digest(np.ascontiguousarray(row)) for row in items]))
    if isinstance(items, np.ndarray):
        pixels = [np.ascontiguousarray(picture) for picture in items]
        looks = np.array([_of_pixels(picture) for picture in pixels], LOOK)
        return Traits(strings(names), digests([digest(picture) for picture in pixels]), None, looks)
    from tlkit.data import images
    from tlkit.utils import paths

    def read_one(item: str | bytes) -> tuple[bytes, Any]:
        content = item if isinstance(item, bytes) else paths.content(item)
        return digest(content), of_file(content, images.examine(content)[1])

    results = list(in_blocks(read_one, items))
    return Traits(
        strings(names), digests([key for key, _ in results]), None, np.array([row for _, row in results], LOOK)
    )


def encoded(text: str | bytes) -> bytes:
    """Return a text as bytes, also if it holds half a surrogate pair; two texts are joined by a NUL character."""
    if isinstance(text, Pair):
        text = "\0".join(text.parts)
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def digest(content: Any) -> bytes:
    """Return the digest of bytes or of an array, as traits store it."""
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]


def digests(values: Sequence[bytes]) -> np.ndarray:
    """Return digests as an array (n,)."""
    return np.array(values, f"S{DIGEST_BYTES}") if len(values) else np.zeros(0, f"S{DIGEST_BYTES}")


def of_file(content: bytes, thumb: np.ndarray) -> tuple:
    """Return a row of LOOK for a picture file that can be read."""
    from PIL import Image

    from tlkit.data import images

    try:
        with Image.open(io.BytesIO(content), formats=images.FORMATS) as picture:
            facts = (*picture.size, len(content), (picture.format or "").encode(), picture.mode.encode())
    except Exception:  # Pillow refuses a few files that TensorFlow can read
        facts = (0, 0, len(content), b"", b"")
    return (thumb, *facts)


def in_blocks(function: Any, values: Sequence[Any]) -> Iterator[Any]:
    """Apply a function in several threads, one block of values at a time, and yield the results in order."""
    waiting = iter(values)
    with ThreadPoolExecutor() as pool:
        while block := list(islice(waiting, POOL_BLOCK)):
            yield from pool.map(function, block)


def _of_pixels(picture: np.ndarray) -> tuple:
    from PIL import Image

    grey = picture if picture.ndim == 2 else picture.mean(axis=-1)
    small = Image.fromarray(grey.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.round(np.asarray(small)).astype(np.uint8), picture.shape[1], picture.shape[0], picture.nbytes, b"", b""
