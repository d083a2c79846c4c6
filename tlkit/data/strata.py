"""What a draw keeps even besides classes: every tag of a set, and the range of a number."""

from __future__ import annotations

import numpy as np

BINS = 10  # ranges of a number that are drawn from one by one
LEAST = 7  # units of a range: of fewer, a share of 15 % rounds to none


def ranges(values: np.ndarray, units: np.ndarray | None = None) -> np.ndarray:
    """Return the number of each value's range, (n,): quantiles, as many as there are units for, 10 at most.

    `units` (n,) are what stays together when it is drawn; each example on its own by default.
    """
    count = max(1, min(BINS, len(values if units is None else np.unique(units)) // LEAST))
    edges = np.quantile(values, np.arange(1, count) / count) if len(values) else []
    return np.searchsorted(np.unique(edges), values, side="right")


def owned(labels: np.ndarray) -> list[np.ndarray]:
    """Return the examples of each class; where labels are rows of tags, of each tag, the rarest last."""
    if labels.ndim == 1:
        return [np.flatnonzero(labels == label) for label in np.unique(labels)]
    counts = labels.sum(0)
    return [np.flatnonzero(labels[:, tag]) for tag in np.argsort(-counts, kind="stable") if counts[tag]]


def carve_tags(tags: np.ndarray, seed: int, *parts: float, units: np.ndarray | None = None) -> list[np.ndarray]:
    """Draw parts so that each tag is in all of them: iterative stratification.

    The rarest tag that is left is dealt out first, each unit to the side that lacks most examples of it.

    Args:
        tags: 1 for each tag that an example has, else 0, (n, tags).
        seed: seeds the draw.
        parts: the share of each part. Of a tag each gets at least one unit, as long as there are as many.
        units: (n,); examples of the same unit stay together. Each on its own by default.

    Returns:
        The sorted numbers of the examples that stay, and of those of each part.

    Source:
        K. Sechidis, G. Tsoumakas, I. Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011.
    """
    _, unit = np.unique(np.arange(len(tags)) if units is None else units, return_inverse=True)
    # those without any tag count as of one more
    columns = np.column_stack([tags > 0, ~(tags > 0).any(1)]).astype(np.float32)
    counts = np.zeros((unit.max(initial=-1) + 1, columns.shape[1]), np.float32)
    np.add.at(counts, unit, columns)
    sizes, total, has = np.bincount(unit), columns.sum(0), counts > 0
    wanted = np.stack([np.maximum(share * total, 1) for share in parts])
    wanted = np.concatenate([np.maximum(total - wanted.sum(0), 1)[None], wanted])
    room = np.array([1 - sum(parts), *parts]) * len(tags)
    side, order = np.full(len(counts), -1), np.random.default_rng(seed).permutation(len(counts))
    left = has.sum(0)
    while left.any():
        rarest = np.where(left > 0, left, len(counts) + 1).argmin()
        for number in order[has[order, rarest] & (side[order] < 0)]:
            # of equals the side with most room, which for a rare tag is the one that is learned from
            side[number] = place = np.lexsort((room, wanted[:, rarest]))[-1]
            wanted[place] -= counts[number]
            room[place] -= sizes[number]
            left -= has[number]
    return [np.flatnonzero(side[unit] == place) for place in range(len(parts) + 1)]
