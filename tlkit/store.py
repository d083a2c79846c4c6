"""The feature cache: the frozen part of a classifier runs once over the data, and what it says is kept.

In memory. A cut may be crossed by several tensors; a split with augmentation is stored in several views.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit import frontier
from tlkit.errors import InputError
from tlkit.spec import Reading

if TYPE_CHECKING:
    import keras

MEMORY_SHARE = 0.5  # of the machine's free memory that stored features may take


@dataclass(frozen=True, eq=False)
class Store:
    """Hold what the trunk says of one split at one cut.

    Args:
        views: per augmented view (one where nothing is augmented), an array (examples, ...) per tensor of the cut.
        labels: int64 (examples,).
    """

    views: tuple[tuple[np.ndarray, ...], ...]
    labels: np.ndarray

    @property
    def nbytes(self) -> int:
        """The size in bytes."""
        return sum(array.nbytes for view in self.views for array in view)


def fill(
    clf: keras.Model, cuts: Sequence[frontier.Cut], split: Any, reading: Reading, *, views: int = 1, bar: Any = None
) -> list[Store]:
    """Run the trunk once over a split and keep its output at every cut.

    Args:
        clf: the classifier.
        cuts: where to store, from the lowest to the highest; what leads from one to the next is computed once.
        split: the examples.
        reading: batch size, resizing, augmentation and its seed.
        views: how many augmented versions of each example to store.
        bar: told of every finished batch by `bar.update(examples)`.

    Returns:
        One store per cut.

    Raises:
        InputError: the features would not fit in memory.
    """
    trunk = _trunk(clf, cuts)
    stored: list[list[tuple[np.ndarray, ...]]] = [[] for _ in cuts]
    for view in range(views):
        arrays: list[list[np.ndarray]] = []
        done = 0
        for batch in clf.spec.input.batches(split, reading, view):
            outputs = [[tensor.numpy() for tensor in tensors] for tensors in trunk(batch)]
            if not arrays:
                arrays = _allocate(outputs, len(split), views - view)
            size = len(outputs[0][0])
            for kept, new in zip(_flat(arrays), _flat(outputs), strict=True):
                kept[done : done + size] = new
            done += size
            if bar is not None:
                bar.update(size)
        for place, at_cut in zip(stored, arrays, strict=True):
            place.append(tuple(at_cut))
    return [Store(tuple(place), split.labels) for place in stored]


def _flat(nested: list[list[np.ndarray]]) -> list[np.ndarray]:
    return [array for arrays in nested for array in arrays]


def _trunk(clf: keras.Model, cuts: Sequence[frontier.Cut]) -> Any:
    """Compile the way from the raw input through every cut."""
    import tensorflow as tf

    starts = [None, *cuts[:-1]]
    parts = [frontier.segment(clf, start, end) for start, end in zip(starts, cuts, strict=True)]

    @tf.function(reduce_retracing=True)
    def run(value: Any) -> list[list[Any]]:
        reached = []
        for part in parts:
            value = part(value, training=False)
            value = list(value) if isinstance(value, list | tuple) else [value]
            reached.append(value)
        return reached

    return run


def _allocate(outputs: list[list[np.ndarray]], examples: int, views: int) -> list[list[np.ndarray]]:
    needed = views * examples * sum(array[0].nbytes for array in _flat(outputs))
    free = int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * MEMORY_SHARE)
    if needed > free:
        raise InputError(
            f"the stored features need {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory may be used; "
            f"unfreeze fewer blocks, choose a smaller size, or store fewer augmented views (views=1)"
        )
    return [[np.empty((examples, *array.shape[1:]), array.dtype) for array in arrays] for arrays in outputs]
