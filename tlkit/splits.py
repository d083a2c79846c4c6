"""A data set as the rest of tlkit sees it, and how it comes to its three splits."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tlkit.errors import DataError

SHARE = 0.15  # of a class, for each of val and test
SPLIT_NAMES = {"train": "train", "val": "val", "validation": "val", "valid": "val", "dev": "val", "test": "test"}

# === The data set ===


@dataclass(frozen=True, eq=False)
class Split:
    """Hold one split: examples and what they are.

    Args:
        items: paths or contents of picture files, texts, or an array of pictures (n, height, width[, channels]).
        labels: int64, (n,), numbers into `Data.labels`.
    """

    items: list[str | bytes] | np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self, kind: str) -> str:
        """Return the SHA-256 of the examples in their order, without labels; a picture file counts by name, size and
        content. It is computed once.

        Args:
            kind: "image" or "text", which tells a path from a text.
        """
        kept = self.__dict__  # a frozen dataclass takes no other way
        if "_digest" not in kept:
            kept["_digest"] = hashlib.sha256(_digest(self.items, kind)).hexdigest()
        return kept["_digest"]


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Hold a data set for classification.

    Args:
        train, val, test: what is learned from, what early stopping looks at, and what the report is about.
        labels: the names of the classes.
        kind: "image" or "text".
        source: where it came from.
        splitting: in a sentence, which splits were given and which were drawn.
        unreadable: name and reason of each example that was left out.
        flip: whether a picture means the same when it is mirrored.
        licence: of the data, where it is known.
    """

    train: Split
    val: Split
    test: Split
    labels: tuple[str, ...]
    kind: Literal["image", "text"]
    source: str
    splitting: str
    unreadable: tuple[tuple[str, str], ...] = ()
    flip: bool = True
    licence: str = ""

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of examples by split and class."""
        sizes = {name: np.bincount(split.labels, minlength=len(self.labels)) for name, split in self._splits()}
        return {name: dict(zip(self.labels, map(int, size), strict=True)) for name, size in sizes.items()}

    def fingerprint(self) -> str:
        """Return the SHA-256 of labels, splits and contents; a picture file counts by name, size and content."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        total = hashlib.sha256(repr((self.kind, self.labels, self.flip)).encode())
        for name, split in self._splits():
            total.update(f"{name} {len(split)}".encode() + np.ascontiguousarray(split.labels).tobytes())
            total.update(split.digest(self.kind).encode())
        return total.hexdigest()

    def _splits(self) -> list[tuple[str, Split]]:
        return [("train", self.train), ("val", self.val), ("test", self.test)]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(split):,}" for name, split in self._splits())
        lost = f", {len(self.unreadable):,} unreadable" if self.unreadable else ""
        return f"Data({self.source}: {self.kind}, {len(self.labels)} classes; {sizes}{lost})"


def _digest(items: Sequence[Any] | np.ndarray, kind: str) -> bytes:
    if isinstance(items, np.ndarray):
        head = f"{items.dtype} {items.shape}".encode()
        total = hashlib.sha256(head)
        total.update(np.ascontiguousarray(items))
        return total.digest()

    def one(item: str | bytes) -> bytes:
        if isinstance(item, bytes) or kind == "text":
            content = item if isinstance(item, bytes) else item.encode("utf-8", "surrogatepass")
            return hashlib.sha256(content).digest()
        content = Path(item).read_bytes()
        return hashlib.sha256(f"{Path(item).name} {len(content)} ".encode() + content).digest()

    if kind == "text":
        return b"".join(map(one, items))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return b"".join(pool.map(one, items))


# === From groups to splits ===


@dataclass(frozen=True, eq=False)
class Group:
    """Hold examples as they were read, with the names of their classes: strings, whole numbers or truth values."""

    items: list[str | bytes] | np.ndarray
    names: Sequence[Any]


@dataclass(frozen=True)
class About:
    """State what a reader knows of a data set besides its examples: fields of `Data`, and a note on the splits."""

    kind: Literal["image", "text"]
    source: str
    note: str = ""
    unreadable: tuple[tuple[str, str], ...] = ()
    flip: bool = True
    licence: str = ""


def assemble(groups: Mapping[str, Group], about: About, *, labels: Sequence[str] | None = None, seed: int = 0) -> Data:
    """Turn what was read into a data set with three splits.

    Args:
        groups: {"train": everything} or what was given of "train", "val" and "test".
        about: what else is known; its note goes after the sentence on the splits.
        labels: the names of the classes 0, 1, ..., where the groups hold numbers.
        seed: seeds what is drawn.

    Raises:
        DataError: nothing to learn from: no train split, no example, one class, a class with one example, names of
            mixed type, or a class of another split that the train split lacks.
    """
    groups = {name: group for name, group in groups.items() if len(group.names) or name == "train"}
    if not len(groups.get("train", Group([], [])).names):
        raise DataError(f"{about.source} holds no readable example to train on{_lost(about)}; add some")
    order, names = _order([name for group in groups.values() for name in group.names], about, labels)
    given = {key: Split(group.items, _numbers(group.names, order)) for key, group in groups.items()}
    _check(given, names, about)
    used = np.unique(given["train"].labels)
    unused = [name for number, name in enumerate(names) if number not in used]
    given = {key: Split(split.items, np.searchsorted(used, split.labels)) for key, split in given.items()}
    splits, sentence = _split(given, seed)
    left = f"Left out for want of examples: {', '.join(unused)}." if unused else ""
    return Data(
        **splits,
        labels=tuple(names[number] for number in used),
        kind=about.kind,
        source=about.source,
        splitting=" ".join(filter(None, [sentence, about.note, left])),
        unreadable=about.unreadable,
        flip=about.flip,
        licence=about.licence,
    )


def carve(labels: np.ndarray, seed: int, *parts: float) -> list[np.ndarray]:
    """Draw parts from each class, at random but evenly.

    Args:
        labels: the class of each example, (n,).
        seed: seeds the draw.
        parts: the share of each part. A class gives at least one example to each, the last part first, as long as it
            keeps one.

    Returns:
        The sorted numbers of the examples that stay, and of those of each part.
    """
    rng = np.random.default_rng(seed)
    drawn: list[list[np.ndarray]] = [[] for _ in range(len(parts) + 1)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        size = len(members)
        for place, share in reversed(list(enumerate(parts, 1))):
            taken = min(max(1, round(share * size)), len(members) - 1)
            drawn[place].append(members[:taken])
            members = members[taken:]
        drawn[0].append(members)
    return [np.sort(np.concatenate(numbers)) for numbers in drawn]


def _take(split: Split, numbers: np.ndarray) -> Split:
    if isinstance(split.items, np.ndarray):
        return Split(split.items[numbers], split.labels[numbers])
    return Split([split.items[number] for number in numbers], split.labels[numbers])


def _split(given: Mapping[str, Split], seed: int) -> tuple[dict[str, Split], str]:
    train = given["train"]
    if set(given) == {"train", "val", "test"}:
        return dict(given), "The train, val and test splits were given."
    if set(given) == {"train"}:
        rest, val, test = (_take(train, part) for part in carve(train.labels, seed, SHARE, SHARE))
        return {"train": rest, "val": val, "test": test}, (
            f"No val or test split was given; 70 % train, 15 % val and 15 % test were drawn from each class "
            f"(seed {seed})."
        )
    other = "test" if "test" in given else "val"
    rest, val = (_take(train, part) for part in carve(train.labels, seed, SHARE))
    used = "as test" if other == "test" else "as val; it is used as test"
    return {"train": rest, "val": val, "test": given[other]}, (
        f"The train split was given, and another {used}; 15 % of each class of train was drawn as val (seed {seed})."
    )


# === Labels and checks ===


def _order(found: Sequence[Any], about: About, labels: Sequence[str] | None) -> tuple[dict[Any, int], tuple[str, ...]]:
    """Return the number of each raw name, and the names in that order."""
    types = {type(name.item() if isinstance(name, np.generic) else name) for name in found}
    if len(types) > 1 or not types <= {str, int, bool}:
        kinds = ", ".join(sorted(kind.__name__ for kind in types))
        raise DataError(
            f"the labels of {about.source} are of the types {kinds}; make them all strings, or all whole numbers"
        )
    values = set(found)
    if labels is None:
        numeric = all(str(value).isdecimal() for value in values)
        ordered = sorted(values, key=lambda value: (int(value), str(value)) if numeric else value)
        return {value: number for number, value in enumerate(ordered)}, tuple(map(str, ordered))
    order = {label: number for number, label in enumerate(labels)} if types == {str} else range(len(labels))
    if strange := sorted(value for value in values if value not in order):
        raise DataError(f"{about.source} has the label {strange[0]!r}, which is not among the {len(labels)} in labels=")
    return (order if isinstance(order, dict) else {number: number for number in order}), tuple(map(str, labels))


def _numbers(names: Sequence[Any], order: Mapping[Any, int]) -> np.ndarray:
    return np.array([order[name] for name in names], np.int64)


def _check(given: Mapping[str, Split], names: tuple[str, ...], about: About) -> None:
    total = np.bincount(np.concatenate([split.labels for split in given.values()]), minlength=len(names))
    if (total > 0).sum() < 2:
        one = names[int(total.argmax())]
        raise DataError(f"{about.source} has a single class, {one!r}{_lost(about)}; a classifier needs two")
    if single := [names[number] for number in np.flatnonzero(total == 1)]:
        raise DataError(
            f"{about.source} has one example only of {_some(single)}{_lost(about)}; add examples, or remove or merge "
            f"these classes"
        )
    train = set(given["train"].labels)
    for key, split in given.items():
        if missing := sorted(set(split.labels) - train):
            raise DataError(
                f"the {key} split of {about.source} has {_some([names[number] for number in missing])}, which the "
                f"train split lacks; add it there, or remove it"
            )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    kind = "the class" if len(names) == 1 else f"{len(names)} classes:"
    return f"{kind} {shown}" + (", ..." if len(names) > 5 else "")


def _lost(about: About) -> str:
    if not about.unreadable:
        return ""
    name, reason = about.unreadable[0]
    return f" ({len(about.unreadable)} could not be read; {name}: {reason})"
