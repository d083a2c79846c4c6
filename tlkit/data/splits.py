"""Data and Split: a data set in three splits."""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tlkit.data import example_info
from tlkit.data.example_info import Traits
from tlkit.data.table_columns import Column
from tlkit.tasks import registry
from tlkit.tasks.targets import Target
from tlkit.utils import files
from tlkit.utils.escaping import cell, line

SPLIT_NAMES = {"train": "train", "val": "val", "validation": "val", "valid": "val", "dev": "val", "test": "test"}


@dataclass(frozen=True, eq=False)
class Split:
    """One split: examples and their labels.

    Args:
        items: paths or contents of picture files, texts, an array of pictures (n, height, width[, channels]), or the
            rows of a table, float32 (n, columns): numbers and codes of categories, NaN where missing.
        labels: int64, (n,), numbers into `Data.labels`; of tags float32 (n, tags), 1.0 for each that an example has;
            of a value float32 (n,); of entities int16 (n, words), the tag of each word, -1 after a text's last.
        traits: metadata of the examples; None if not computed yet.
    """

    items: list[str | bytes] | np.ndarray
    labels: np.ndarray
    traits: Traits | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, numbers: np.ndarray) -> Split:
        """Return a split of these examples, in this order."""
        items = self.items
        chosen = items[numbers] if isinstance(items, np.ndarray) else [items[number] for number in numbers]
        return Split(chosen, self.labels[numbers], self.traits and self.traits.take(numbers))

    def digest(self, kind: str) -> str:
        """Return the SHA-256 of the examples in their order, without labels; a picture file counts by name and content.
        It is computed once.

        Args:
            kind: "image", "text" or "table", which tells a path from a text.
        """
        cache = self.__dict__  # a frozen dataclass allows no assignment
        if "_digest" not in cache:
            cache["_digest"] = _digest(self, kind)
        return cache["_digest"]

    def seen(self, kind: str) -> Traits:
        """Return the traits of the examples, computed on first use."""
        cache = self.__dict__
        if self.traits is None and "_seen" not in cache:
            cache["_seen"] = example_info.look(self.items, kind)
        return self.traits or cache["_seen"]


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """A data set to learn from.

    Args:
        train, val, test: what is learned from, what early stopping looks at, and what the report is about.
        labels: the names of the classes or tags, or of the value.
        kind: "image", "text" or "table".
        source: where it came from.
        splitting: in a sentence, which splits were given and which were drawn.
        unreadable: name and reason of each example that was left out.
        flip: whether a picture means the same when it is mirrored.
        licence: of the data, where it is known.
        task: what is to be learned of an example: one label, any number of tags, a value, the tags of its words; or to
            write a reply to a prompt, or the summary of a document, whose items are pairs of texts, all of label 0.
        columns: of a table.
        val_given: whether the val split came with the data or from a file, and was not drawn from train.
        unlabeled: of a table, the rows without a label, float32 (n, columns); they are for pretraining alone.
    """

    train: Split
    val: Split
    test: Split
    labels: tuple[str, ...]
    kind: Literal["image", "text", "table"]
    source: str
    splitting: str
    unreadable: tuple[tuple[str, str], ...] = ()
    flip: bool = True
    licence: str = ""
    task: Literal["label", "tags", "value", "entities", "reply", "summary"] = "label"
    columns: tuple[Column, ...] = ()
    unlabeled: np.ndarray | None = None
    val_given: bool = False

    @functools.cached_property
    def target(self) -> Target:
        """The target to pass to a factory; of a value, with mean and scale of the training examples."""
        return registry.target(self.task).of_data(self.labels, self.train.labels)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names that examples are counted by: the labels, or the types of entities."""
        return registry.target(self.task).kinds(self.labels)

    def splits(self) -> dict[str, Split]:
        """Return the splits by name."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of examples by split and class or tag (of a value by its name), or of entities by type."""
        count = registry.target(self.task).counts
        sizes = {name: count(split.labels, self.labels) for name, split in self.splits().items()}
        return {name: dict(zip(self.kinds, map(int, size), strict=True)) for name, size in sizes.items()}

    def described(self, truth: Any) -> str:
        """Return the text of one of `Split.labels`: a class, tags joined by |, a number, or the tags of words."""
        return registry.target(self.task).described(truth, self.labels)

    def fingerprint(self) -> str:
        """Return the SHA-256 of labels, splits and contents; a picture file counts by name and content."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        other = () if self.task == "label" else (self.task,)
        total = hashlib.sha256(repr((self.kind, self.labels, self.flip, *other)).encode())
        for name, split in self.splits().items():
            total.update(f"{name} {len(split)}".encode() + np.ascontiguousarray(split.labels).tobytes())
            total.update(split.digest(self.kind).encode())
        if self.kind == "table":
            total.update(repr(self.columns).encode())
            total.update(b"" if self.unlabeled is None else np.ascontiguousarray(self.unlabeled).tobytes())
        return total.hexdigest()

    def write_splits(self, path: str | Path) -> None:
        """Write the split of every example as CSV: example, label, split, digest. Readers accept the file as `splits=`.

        In all tables names and labels that a spreadsheet would take for a formula begin with an apostrophe, see
        `escaping.cell`.
        """
        _write_table(path, ("example", "label", "split", "digest"), self._placed())

    def _placed(self) -> Iterator[tuple[str, str, str, str]]:
        for name, split in self.splits().items():
            traits = split.seen(self.kind)
            for number, label in enumerate(split.labels):
                yield traits.names[number], self.described(label), name, traits.hexdigest(number)

    def write_answers(self, path: str | Path, each: Mapping[str, np.ndarray]) -> None:
        """Write how well each example of the test split was answered, as CSV: digest, and a column for each of `each`,
        whose values are bool, written as 0 or 1, or float (n,)."""
        traits = self.test.seen(self.kind)
        columns = [answers.astype(int) if answers.dtype == bool else answers for answers in each.values()]
        rows = enumerate(zip(*(column.tolist() for column in columns), strict=True))
        lines = ((traits.hexdigest(number), *map(repr, values)) for number, values in rows)
        _write_table(path, ("digest", *each), lines)

    def write_quarantine(self, path: str | Path) -> None:
        """Write the examples that could not be read as CSV: example, reason."""
        _write_table(path, ("example", "reason"), self.unreadable)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(split):,}" for name, split in self.splits().items())
        lost = f", {len(self.unreadable):,} unreadable" if self.unreadable else ""
        more = f", {len(self.unlabeled):,} without a label" if self.unlabeled is not None else ""
        return line(f"Data({self.source}: {self.kind}, {learned(self.task, self.kinds)}; {sizes}{more}{lost})")


def learned(task: str, labels: Sequence[str]) -> str:
    """Return a short text on the target: "5 classes", "12 tags", "4 types of entities", or the name of a value."""
    many = {"label": "classes", "tags": "tags", "entities": "types of entities"}
    return f"{len(labels)} {many[task]}" if task in many else f"{task} {labels[0]}" if task == "value" else f"a {task}"


def _write_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    options = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}  # file names may not be UTF-8
    with files.atomic(Path(path)) as temporary, temporary.open("w", **options) as file:
        plain = csv.writer(file, lineterminator="\n")
        quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(map(cell, header))
        for row in rows:
            texts = list(map(cell, row))
            # the csv module does not quote a carriage return by itself, and then cannot read it back
            (quoted if any("\r" in text for text in texts) else plain).writerow(texts)


def joined(splits: Sequence[Split]) -> Split:
    """Concatenate splits; traits are kept if all have them."""
    splits = [split for split in splits if len(split)] or list(splits[:1])
    items: Any = [item for split in splits for item in split.items]
    if all(isinstance(split.items, np.ndarray) for split in splits):
        items = np.concatenate([split.items for split in splits])
    traits = [split.traits for split in splits]
    whole = example_info.joined(traits) if None not in traits else None
    return Split(items, np.concatenate([split.labels for split in splits]), whole)


def _digest(split: Split, kind: str) -> str:
    items = split.items
    if isinstance(items, np.ndarray):
        total = hashlib.sha256(f"{items.dtype} {items.shape}".encode())
        total.update(np.ascontiguousarray(items))
        return total.hexdigest()
    if kind == "text":
        return hashlib.sha256(
            b"".join(hashlib.sha256(example_info.encoded(item)).digest() for item in items)
        ).hexdigest()
    total = hashlib.sha256()
    for item, digest in zip(items, split.seen(kind).digests, strict=True):
        total.update(f"{Path(item).name if isinstance(item, str) else ''} {digest.hex()} ".encode())
    return total.hexdigest()
