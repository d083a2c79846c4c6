"""A data set as the rest of tlkit sees it: three splits of examples, and what is known of each example."""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tlkit import files, traits
from tlkit.nexttoken import Reply, Summary
from tlkit.targets import Label, Tags, Target, Value
from tlkit.traits import Traits

SPLIT_NAMES = {"train": "train", "val": "val", "validation": "val", "valid": "val", "dev": "val", "test": "test"}


@dataclass(frozen=True, eq=False)
class Split:
    """Hold one split: examples and what they are.

    Args:
        items: paths or contents of picture files, texts, or an array of pictures (n, height, width[, channels]).
        labels: int64, (n,), numbers into `Data.labels`; of tags float32 (n, tags), 1.0 for each that an example has;
            of a value float32 (n,).
        traits: what the reader saw of each example; None where nobody looked.
    """

    items: list[str | bytes] | np.ndarray
    labels: np.ndarray
    traits: Traits | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, numbers: np.ndarray) -> Split:
        """Return the split of these examples, in their order."""
        items = self.items
        chosen = items[numbers] if isinstance(items, np.ndarray) else [items[number] for number in numbers]
        return Split(chosen, self.labels[numbers], self.traits and self.traits.take(numbers))

    def digest(self, kind: str) -> str:
        """Return the SHA-256 of the examples in their order, without labels; a picture file counts by name and content.
        It is computed once.

        Args:
            kind: "image" or "text", which tells a path from a text.
        """
        kept = self.__dict__  # a frozen dataclass takes no other way
        if "_digest" not in kept:
            kept["_digest"] = _digest(self, kind)
        return kept["_digest"]

    def seen(self, kind: str) -> Traits:
        """Return the traits of the examples; where nobody looked yet, look."""
        kept = self.__dict__
        if self.traits is None and "_seen" not in kept:
            kept["_seen"] = traits.look(self.items, kind)
        return self.traits or kept["_seen"]


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Hold a data set to learn from.

    Args:
        train, val, test: what is learned from, what early stopping looks at, and what the report is about.
        labels: the names of the classes or tags, or of the value.
        kind: "image" or "text".
        source: where it came from.
        splitting: in a sentence, which splits were given and which were drawn.
        unreadable: name and reason of each example that was left out.
        flip: whether a picture means the same when it is mirrored.
        licence: of the data, where it is known.
        task: what is to be learned of an example: one label, any number of tags, a value; or to write a reply to a
            prompt, or the summary of a document, whose items are pairs of texts, all of label 0.
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
    task: Literal["label", "tags", "value", "reply", "summary"] = "label"

    @functools.cached_property
    def target(self) -> Target:
        """What a factory needs to know of what is learned; of a value, the spread of the training examples too."""
        if self.task == "value":
            values = np.asarray(self.train.labels, np.float64)
            return Value(self.labels, float(values.mean()), float(values.std()) or 1.0)
        if self.task in ("reply", "summary"):
            return (Reply if self.task == "reply" else Summary)(self.labels)
        return Tags(self.labels) if self.task == "tags" else Label(self.labels)

    def splits(self) -> dict[str, Split]:
        """Return the splits by name."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of examples by split and class."""
        sizes = {name: np.bincount(split.labels, minlength=len(self.labels)) for name, split in self.splits().items()}
        return {name: dict(zip(self.labels, map(int, size), strict=True)) for name, size in sizes.items()}

    def fingerprint(self) -> str:
        """Return the SHA-256 of labels, splits and contents; a picture file counts by name and content."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        total = hashlib.sha256(repr((self.kind, self.labels, self.flip)).encode())
        for name, split in self.splits().items():
            total.update(f"{name} {len(split)}".encode() + np.ascontiguousarray(split.labels).tobytes())
            total.update(split.digest(self.kind).encode())
        return total.hexdigest()

    def write_splits(self, path: str | Path) -> None:
        """Write which example went where, as CSV: example, label, split, digest. A reader takes it as `splits=`."""
        _write_table(path, ("example", "label", "split", "digest"), self._placed())

    def _placed(self) -> Iterator[tuple[str, str, str, str]]:
        for name, split in self.splits().items():
            seen = split.seen(self.kind)
            for number, label in enumerate(split.labels):
                yield seen.names[number], self.labels[label], name, seen.hexdigest(number)

    def write_quarantine(self, path: str | Path) -> None:
        """Write the examples that were left out, as CSV: example, reason."""
        _write_table(path, ("example", "reason"), self.unreadable)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(split):,}" for name, split in self.splits().items())
        lost = f", {len(self.unreadable):,} unreadable" if self.unreadable else ""
        about = f"{len(self.labels)} classes" if self.task not in ("reply", "summary") else f"to learn a {self.task}"
        return f"Data({self.source}: {self.kind}, {about}; {sizes}{lost})"


def _write_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    how = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}  # a file's name may be no UTF-8
    with files.atomic(Path(path)) as temporary, temporary.open("w", **how) as file:
        plain = csv.writer(file, lineterminator="\n")
        quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(header)
        for row in rows:  # the module itself quotes no carriage return, and then cannot read it again
            (quoted if any("\r" in cell for cell in row) else plain).writerow(row)


def joined(splits: Sequence[Split]) -> Split:
    """Put splits after one another; traits are kept where all have them."""
    splits = [split for split in splits if len(split)] or list(splits[:1])
    items: Any = [item for split in splits for item in split.items]
    if all(isinstance(split.items, np.ndarray) for split in splits):
        items = np.concatenate([split.items for split in splits])
    seen = [split.traits for split in splits]
    whole = traits.joined(seen) if None not in seen else None
    return Split(items, np.concatenate([split.labels for split in splits]), whole)


def _digest(split: Split, kind: str) -> str:
    items = split.items
    if isinstance(items, np.ndarray):
        total = hashlib.sha256(f"{items.dtype} {items.shape}".encode())
        total.update(np.ascontiguousarray(items))
        return total.hexdigest()
    if kind == "text":
        return hashlib.sha256(b"".join(hashlib.sha256(traits.encoded(item)).digest() for item in items)).hexdigest()
    total = hashlib.sha256()
    for item, digest in zip(items, split.seen(kind).digests, strict=True):
        total.update(f"{Path(item).name if isinstance(item, str) else ''} {digest.hex()} ".encode())
    return total.hexdigest()
