"""A flat view of all examples over all splits: their names, labels and traits."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tlkit.data import example_info
from tlkit.data.example_info import Traits
from tlkit.data.splits import Data

SPLITS = ("train", "val", "test")
GROUPS, MEMBERS = 20, 6  # in a finding, as many as a person will look through


@dataclass(frozen=True, eq=False)
class Examples:
    """All n examples of a data set.

    Args:
        data: the data set.
        names: the unique name of every example, an object array of strings (n,).
        labels: the truths, as in `Split`, (n,), (n, tags) or (n, words).
        sides: the split of every example, as an index into SPLITS, int64 (n,), sorted.
        seen: their traits.
    """

    data: Data
    names: np.ndarray
    labels: np.ndarray
    sides: np.ndarray
    seen: Traits

    @functools.cached_property
    def facets(self) -> np.ndarray:
        """One number for each distinct label (of classes their own number), int64 (n,)."""
        if self.data.task == "label":
            return self.labels
        return np.unique(self.labels, axis=0, return_inverse=True)[1].reshape(-1)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def items(self) -> Iterable[Any]:
        """Iterate over the items without copying them."""
        return (item for split in self.data.splits().values() for item in split.items)

    def item(self, number: int) -> Any:
        """Return one item: the path or content of a picture file, an array, or a text."""
        side = SPLITS[self.sides[number]]
        return self.data.splits()[side].items[number - int(np.searchsorted(self.sides, self.sides[number]))]

    def named(self, groups: Iterable[Sequence[int] | np.ndarray]) -> tuple[tuple[str, ...], ...]:
        """Return the names of examples by group, limited to GROUPS groups and MEMBERS of each."""
        return tuple(tuple(self.names[number] for number in group[:MEMBERS]) for group in islice(groups, GROUPS))


def gather(data: Data) -> Examples:
    """Concatenate the examples of all splits. If names are not unique, they are prefixed with the split."""
    splits = data.splits()
    traits = example_info.joined([split.seen(data.kind) for split in splits.values()])
    labels = np.concatenate([split.labels for split in splits.values()])
    sides = np.repeat(np.arange(len(SPLITS)), [len(splits[name]) for name in SPLITS])
    names = traits.names
    if len(set(names)) < len(names):
        names = example_info.strings([f"{SPLITS[side]} {name}" for side, name in zip(sides, names, strict=True)])
    return Examples(data, names, labels, sides, traits)
