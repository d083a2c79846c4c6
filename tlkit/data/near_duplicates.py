"""Find exact and near duplicates."""

from __future__ import annotations

import hashlib
import math
import unicodedata

import numpy as np

from tlkit.errors import InputError

SIDE = 16  # pixels of a side of the thumbnails that `near` compares
# A thumbnail is compared as its cosine transform without the mean, divided by its structure plus SOFT. Structure is
# the standard deviation, in grey levels, of what is left without the waves up to order SMOOTH: by its vignette and its
# shades alone, any picture of one blank table would be like any other. SOFT makes room for JPEG and rounding, which
# move each pixel by half a level however little the picture holds.
SMOOTH, SOFT = 3, 10.0
# Copies of 500 photographs of trashnet, re-encoded at quality 60, halved or mirrored, differ by 0.04 at most. Of all
# 2,527, shots of one object moments apart differ by 0.102 and more, any other two that are not identical by 0.199.
LIMIT = 0.12
# Two unrelated pictures of this structure differ by 2.8 levels on average, where LIMIT allows 1.4. With less they are
# taken for blank.
FLAT = 2.0
# the highest order of the waves by which candidates are sought: a few dimensions, fast, hold most of a picture
MAX_SOUGHT_ORDER = 5
MAX_CANDIDATES = 16  # of a picture: a thousand near copies of one picture would be half a million pairs
BLOCK = 512  # pictures at a time

_ORDER = np.add.outer(np.arange(SIDE), np.arange(SIDE))
_SOUGHT = (_ORDER > 0) & (_ORDER <= MAX_SOUGHT_ORDER)
# Mirrored left to right, a picture's odd waves change their sign.
_SIGNS = (np.ones((SIDE, SIDE)), np.where(np.arange(SIDE) % 2, -1.0, np.ones((SIDE, 1))))


def exact(digests: np.ndarray) -> np.ndarray:
    """Find the first example with the same digest, for every example.

    Args:
        digests: (n,) of bytes, or of any other hashable values.

    Returns:
        The number of the first such example, its own where it is the first; int64, (n,).

    Raises:
        InputError: the digests have another shape.
    """
    if digests.ndim != 1:
        raise InputError(f"digests must have the shape (n,), not {digests.shape}; give one for each example")
    first: dict[object, int] = {}
    firsts = (first.setdefault(digest, number) for number, digest in enumerate(digests.tolist()))
    return np.fromiter(firsts, np.int64, len(digests))


def normalised(text: str) -> str:
    """Normalise a text for comparison: NFKC, case-folded, runs of white space as one blank, none at the ends."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def clusters(count: int, pairs: np.ndarray) -> np.ndarray:
    """Cluster examples that pairs link, directly or through others.

    Args:
        count: the number of examples.
        pairs: numbers of two examples each, integers, (m, 2).

    Returns:
        The smallest number in each example's cluster, int64, (count,).

    Raises:
        InputError: the pairs have another shape or type, or name an example that is not there.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise InputError(f"pairs must be integers of the shape (m, 2), not {pairs.dtype} {pairs.shape}; reshape them")
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < count:
        raise InputError(
            f"pairs name examples from {pairs.min()} to {pairs.max()}, but there are {count}; number them from 0"
        )
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    return exact(connected_components(links, directed=False)[1])


# === Near copies ===


def near(thumbs: np.ndarray) -> np.ndarray:
    """Pair pictures that differ only in encoding, size, aspect ratio or mirroring left to right.

    Pictures without structure, such as blank ones, are never paired. Of many copies of one picture not all pairs
    are returned, but enough that `clusters` puts them together: copies with the same thumbnail are paired with the
    first, and any other picture with the nearest few.

    Args:
        thumbs: whole upright pictures in grey, stretched to 16 x 16 by bilinear antialiased resizing of at least
            twice that size; uint8, (n, 16, 16).

    Returns:
        Numbers of two pictures each, the smaller first, sorted; int64, (m, 2).

    Raises:
        InputError: the thumbnails have another shape or type.
    """
    if thumbs.ndim != 3 or thumbs.shape[1:] != (SIDE, SIDE) or thumbs.dtype != np.uint8:
        wanted = f"uint8 of the shape (n, {SIDE}, {SIDE})"
        raise InputError(f"thumbnails must be {wanted}, not {thumbs.dtype} {thumbs.shape}; resize and round them")
    first = exact(np.array([hashlib.blake2b(thumb.tobytes(), digest_size=16).digest() for thumb in thumbs], "S16"))
    keys, flat = _keys(thumbs)
    again = np.flatnonzero((first != np.arange(len(thumbs))) & ~flat)
    rows = np.flatnonzero((first == np.arange(len(thumbs))) & ~flat)
    pairs = np.concatenate([np.stack([first[again], again], axis=1), _linked(thumbs, keys, rows)])
    # Single numbers sort faster than pairs do.
    numbers = np.unique(pairs[:, 0] * len(thumbs) + pairs[:, 1])
    return np.stack(np.divmod(numbers, len(thumbs)), axis=1)


def _linked(thumbs: np.ndarray, keys: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return near copies among the pictures in `rows`, the smaller number first, (m, 2)."""
    linked = []
    left = rows
    # Coarse samples first: what has enough copies among them need not be compared with all of a crowd.
    for level in range(int(math.log(max(len(rows), 1), MAX_CANDIDATES)), -1, -1):
        pairs = _neighbours(thumbs, keys, left, rows[:: MAX_CANDIDATES**level])
        linked.append(np.sort(pairs, axis=1))
        copies = np.bincount(pairs[:, 0], minlength=len(thumbs))
        left = left[copies[left] < MAX_CANDIDATES - 1]
    return np.concatenate(linked)


def _keys(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the search keys of thumbnails, (n, waves), and which thumbnails are practically blank, (n,)."""
    keys, flat = np.zeros((len(thumbs), _SOUGHT.sum())), np.zeros(len(thumbs), bool)
    for start in range(0, len(thumbs), BLOCK):
        block = slice(start, start + BLOCK)
        waves, structure = _waves(thumbs[block])
        keys[block], flat[block] = waves[:, _SOUGHT], structure < FLAT
    return keys, flat


def _waves(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine transforms to compare, (n, 16, 16), and the structure of thumbnails in grey levels, (n,)."""
    from scipy.fft import dctn

    waves = dctn(thumbs.astype(np.float64), axes=(1, 2), norm="ortho") / SIDE
    waves[:, 0, 0] = 0.0
    structure = np.sqrt(np.einsum("nij,nij,ij->n", waves, waves, _ORDER > SMOOTH))
    return waves / (structure + SOFT)[:, None, None], structure


def _neighbours(thumbs: np.ndarray, keys: np.ndarray, rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Pair pictures with the nearest of their near copies among others, (m, 2)."""
    from scipy.spatial import KDTree

    tree = KDTree(keys[among])
    near_pairs = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        for sign in _SIGNS:
            # No two pictures are nearer to each other than a part of their waves is.
            _, nearest = tree.query(keys[block] * sign[_SOUGHT], MAX_CANDIDATES, distance_upper_bound=LIMIT)
            within_limit = nearest < len(among)
            pairs = np.stack([np.repeat(block, within_limit.sum(1)), among[nearest[within_limit]]], axis=1)
            near_pairs.append(_alike(thumbs, pairs[pairs[:, 0] != pairs[:, 1]], sign))
    return np.concatenate(near_pairs)


def _alike(thumbs: np.ndarray, pairs: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Return those of the candidates (m, 2) that are near copies, the first of two with its waves' signs changed."""
    apart = _waves(thumbs[pairs[:, 0]])[0] * sign - _waves(thumbs[pairs[:, 1]])[0]
    return pairs[np.sqrt(np.einsum("nij,nij->n", apart, apart)) <= LIMIT]
