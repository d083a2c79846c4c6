"""Small data sets for the tests of what is said about data: nothing is read, so everything can be set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tlkit.data import example_info
from tlkit.data.example_info import LOOK, Traits
from tlkit.data.splits import Data, Split

PATTERN = ("train", "train", "train", "val", "test")


def texts(items: Sequence[str], labels: Sequence[int], sides: Sequence[str] | None = None) -> Data:
    """Return texts as data; examples go to the splits as `sides` says, or by PATTERN over and over."""
    return _data("text", list(items), labels, sides, example_info.look(list(items), "text", _names("line", len(items))))


def pictures(labels: Sequence[int], sides: Sequence[str] | None = None, *, seed: int = 0) -> Data:
    """Return picture files that are not there: JPEG, RGB, 300 x 200, all different, sizes in bytes without meaning."""
    rng = np.random.default_rng(seed)
    looks = np.zeros(len(labels), LOOK)
    looks["thumb"] = rng.integers(0, 256, looks["thumb"].shape)
    looks["width"], looks["height"], looks["format"], looks["mode"] = 300, 200, b"JPEG", b"RGB"
    looks["bytes"] = rng.integers(20_000, 90_000, len(labels))
    names = _names("p", len(labels), ".jpg")
    seen = Traits(
        example_info.strings(names),
        example_info.digests([example_info.digest(name.encode()) for name in names]),
        None,
        looks,
    )
    return _data("image", [f"/nowhere/{name}" for name in names], labels, sides, seen)


def altered(data: Data, **columns: dict[int, object]) -> Data:
    """Return data with some facts of some examples changed: fields of LOOK, or `digests`, as number -> value.

    Examples are numbered through the splits in their order.
    """
    start, changed = 0, {}
    for name, split in data.splits().items():
        seen = split.traits
        looks, digests = seen.looks.copy(), seen.digests.copy()
        for column, values in columns.items():
            target = digests if column == "digests" else looks[column]
            for number, value in values.items():
                if start <= number < start + len(split):
                    target[number - start] = value
        changed[name] = Split(split.items, split.labels, Traits(seen.names, digests, None, looks))
        start += len(split)
    return Data(**changed, labels=data.labels, kind=data.kind, source=data.source, splitting=data.splitting)


def _names(word: str, count: int, end: str = "") -> list[str]:
    return [f"{word}{' ' * (word == 'line')}{number}{end}" for number in range(count)]


def _data(kind: str, items: list, labels: Sequence[int], sides: Sequence[str] | None, seen: Traits) -> Data:
    labels = np.asarray(labels, np.int64)
    sides = np.array(sides if sides is not None else [PATTERN[n % len(PATTERN)] for n in range(len(labels))])
    whole = Split(items, labels, seen)
    splits = {side: whole.take(np.flatnonzero(sides == side)) for side in ("train", "val", "test")}
    names = tuple("abcdefghijklmnopqrstuvwxyz"[: int(labels.max()) + 1])
    return Data(**splits, labels=names, kind=kind, source="made", splitting="Drawn for a test.")


def everything(dataset: Data) -> list[tuple[Any, str]]:
    """Return the items of all splits with the names of their labels."""
    parts = (dataset.train, dataset.val, dataset.test)
    return [(item, dataset.labels[i]) for part in parts for item, i in zip(part.items, part.labels, strict=True)]
