"""What a tail is trained on: stored features, mapped from disk, or a stream where they are too large to store."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tlkit.config import Reading
from tlkit.features.shards import Column

if TYPE_CHECKING:
    import keras

CHUNK = 2**25  # bytes handed to the training steps at a time
MOST_STEPS = 64  # in one call into TensorFlow: few enough that Ctrl-C is heard

Chunk = tuple[list[np.ndarray], np.ndarray]


class Features(Protocol):
    """What a tail is trained on.

    `labels` are int64 (examples,); `ragged` tells that examples are sorted by length, so that batches of neighbours
    hold little padding; `nbytes` is what is stored.
    """

    labels: np.ndarray
    ragged: bool
    nbytes: int

    def chunks(self, order: np.ndarray, epoch: int) -> Iterator[Chunk]:
        """Give batches: for order (steps, batch), chunks of arrays (k, batch, ...) per tensor and labels (k, batch)."""


@dataclass(frozen=True, eq=False)
class Store:
    """Give stored features; a batch of a ragged tensor is as long as its longest shard.

    Args:
        views: for each augmented view (one where nothing is augmented) a column per tensor of the cut.
        labels: int64 (examples,).
        ragged: whether the examples are sorted by length.
    """

    views: tuple[tuple[Column, ...], ...]
    labels: np.ndarray
    ragged: bool = False

    @property
    def nbytes(self) -> int:
        """The size in bytes."""
        return sum(column.nbytes for view in self.views for column in view)

    def chunks(self, order: np.ndarray, epoch: int) -> Iterator[Chunk]:
        """Gather batches ahead of their use, in a thread of its own."""
        columns = self.views[(epoch - 1) % len(self.views)]
        each = sum(column.pieces[0][:1].nbytes for column in columns) * order.shape[1]
        steps = 1 if self.ragged else int(np.clip(CHUNK // max(each, 1), 1, MOST_STEPS))

        def gathered() -> Iterator[Chunk]:
            for start in range(0, len(order), steps):
                part = order[start : start + steps]
                arrays = [column.take(part.ravel()) for column in columns]
                yield [array.reshape(*part.shape, *array.shape[1:]) for array in arrays], self.labels[part]

        with ThreadPoolExecutor(1) as pool:
            waiting = gathered()
            coming = pool.submit(next, waiting, None)
            while (chunk := coming.result()) is not None:
                coming = pool.submit(next, waiting, None)
                yield chunk


@dataclass(frozen=True, eq=False)
class Source:
    """State what is computed: a split, in an order of our own, and how it is read.

    Args:
        clf: the classifier.
        split: the examples.
        reading: resizing, augmentation and its seed.
        order: the numbers of the examples as they are stored, int64 (n,).
        lengths: how long each example is, int64 (n,), or None where all are of one size; the order is by length.
    """

    clf: keras.Model
    split: Any
    reading: Reading
    order: np.ndarray
    lengths: np.ndarray | None

    @property
    def ragged(self) -> bool:
        """Whether examples differ in length."""
        return self.lengths is not None

    @property
    def labels(self) -> np.ndarray:
        """The classes in this order, int64 (n,)."""
        return self.split.labels[self.order]

    def batches(self, rows: np.ndarray, view: int, batch_size: int) -> Iterator[Any]:
        """Read the examples of these numbers."""
        reading = dataclasses.replace(self.reading, batch_size=batch_size)
        return iter(self.clf.spec.input.batches(self.split, reading, view, rows))


def source(clf: keras.Model, split: Any, reading: Reading, lengths: np.ndarray | None) -> Source:
    """Put a split into the order in which it costs the least: by length, where examples differ in it.

    Examples of one length are mixed, always in the same way: they often come class by class, and neighbours will share
    batches.
    """
    order = np.arange(len(split))
    if lengths is not None:
        mixed = np.random.default_rng(0).permutation(len(split))
        order = mixed[np.argsort(lengths[mixed], kind="stable")]
    return Source(clf, split, reading, order, lengths)


@dataclass(frozen=True, eq=False)
class Stream:
    """Compute features anew whenever they are asked for, where they are too large to store.

    Args:
        source: the examples and how they are read.
        run: compiled, from a raw batch to the tensors of the cut.
    """

    source: Source
    run: Callable[[Any], Sequence[Any]]
    nbytes: int = 0

    @property
    def labels(self) -> np.ndarray:
        """The classes, int64 (examples,)."""
        return self.source.labels

    @property
    def ragged(self) -> bool:
        """Whether the examples are sorted by length."""
        return self.source.ragged

    def chunks(self, order: np.ndarray, epoch: int) -> Iterator[Chunk]:
        """Compute batches one by one; with augmentation each epoch sees pictures of its own."""
        numbers = self.source.order[order]
        view = epoch - 1 if self.source.reading.augment else 0
        for batch, part in zip(self.source.batches(numbers.ravel(), view, order.shape[1]), numbers, strict=True):
            yield [tensor.numpy()[None] for tensor in self.run(batch)], self.source.split.labels[part][None]
