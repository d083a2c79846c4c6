"""What is known of each example besides its content: its name, digest and group, and how a picture file looks."""

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

DIGEST = 16  # bytes of a SHA-256 that are kept
# Of a picture: how it looks in grey, its sides in pixels as stored, the bytes, format and mode of its file.
_NUMBERS = [("width", "i4"), ("height", "i4"), ("bytes", "i8")]
LOOK = np.dtype([("thumb", "u1", (SIDE, SIDE)), *_NUMBERS, ("format", "S6"), ("mode", "S8")])
BLOCK = 512  # files in the pool at a time: a million of them would fill memory with what waits


@dataclass(frozen=True, eq=False)
class Traits:
    """Hold what is known of n examples.

    Args:
        names: what each is called, strings as objects (n,): a path below the folder, "line 5", or its number.
        digests: the first 16 bytes of a SHA-256 (n,), of a file, of pixels, of a row, or of a text as
            `normalised` gives it.
        groups: what each has in common with others, strings as objects (n,), empty for nothing; None for no groups.
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
        return self.digests[number].ljust(DIGEST, b"\0").hex()


def joined(parts: Sequence[Traits]) -> Traits:
    """Put traits after one another; what one part lacks is dropped."""
    columns = [[getattr(part, name) for part in parts] for name in ("names", "digests", "groups", "looks")]
    return Traits(*(None if any(part is None for part in column) else np.concatenate(column) for column in columns))


def strings(values: Sequence[str]) -> np.ndarray:
    """Return strings as an array of objects (n,)."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def look(items: Sequence[Any] | np.ndarray, kind: str, names: Sequence[str] | None = None) -> Traits:
    """Look at examples of any kind.

    Args:
        items: as in `Split.items`.
        kind: "image", "text" or "table".
        names: what they are called; paths, or their numbers, by default.
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

    def one(item: str | bytes) -> tuple[bytes, Any]:
        content = item if isinstance(item, bytes) else paths.content(item)
        return digest(content), of_file(content, images.examine(content)[1])

    seen = list(in_blocks(one, items))
    return Traits(strings(names), digests([own for own, _ in seen]), None, np.array([own for _, own in seen], LOOK))


def encoded(text: str | bytes) -> bytes:
    """Return a text as bytes, also one that holds half a surrogate pair; of a pair, with what parts it."""
    if isinstance(text, Pair):
        text = "\0".join(text.parts)
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def digest(content: Any) -> bytes:
    """Return the digest of what holds bytes, as traits keep it."""
    return hashlib.sha256(content).digest()[:DIGEST]


def digests(values: Sequence[bytes]) -> np.ndarray:
    """Return digests as an array (n,)."""
    return np.array(values, f"S{DIGEST}") if len(values) else np.zeros(0, f"S{DIGEST}")


def of_file(content: bytes, thumb: np.ndarray) -> tuple:
    """Return a row of LOOK for a picture file that can be read."""
    from PIL import Image

    from tlkit.data import images

    try:
        with Image.open(io.BytesIO(content), formats=images.FORMATS) as picture:
            about = (*picture.size, len(content), (picture.format or "").encode(), picture.mode.encode())
    except Exception:  # Pillow refuses a few files that the graph reads; nothing is said of them
        about = (0, 0, len(content), b"", b"")
    return (thumb, *about)


def in_blocks(function: Any, values: Sequence[Any]) -> Iterator[Any]:
    """Apply a function in several threads, in order, a block of values at a time."""
    waiting = iter(values)
    with ThreadPoolExecutor() as pool:
        while block := list(islice(waiting, BLOCK)):
            yield from pool.map(function, block)


def _of_pixels(picture: np.ndarray) -> tuple:
    from PIL import Image

    grey = picture if picture.ndim == 2 else picture.mean(axis=-1)
    small = Image.fromarray(grey.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.round(np.asarray(small)).astype(np.uint8), picture.shape[1], picture.shape[0], picture.nbytes, b"", b""
