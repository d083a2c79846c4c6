"""Build a data set with three splits from the examples of a reader."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tlkit.config import Splitting
from tlkit.data import example_info, label_parsing
from tlkit.data.example_info import Traits
from tlkit.data.splits import Data, Split, joined
from tlkit.data.splitting import draw, grouped
from tlkit.data.splitting import from_file as numbers_from_file
from tlkit.errors import DataError
from tlkit.tasks import registry

MAX_NAMES_SHOWN = 5  # in a message
DIGITS = 640  # Python may be set to read numbers of no more than these


@dataclass(frozen=True, eq=False)
class Part:
    """The examples of one split, or of all of them, as a reader returns them.

    Args:
        items: as in `Split`.
        labels: the names of their classes: strings, whole numbers or booleans.
        traits: their metadata; computed from the items if None.
    """

    items: list[str | bytes] | np.ndarray
    labels: Sequence[Any]
    traits: Traits | None = None


@dataclass(frozen=True)
class About:
    """Facts about a data set besides its examples: fields of `Data`, and a note on the splits.

    Depending on the task, the labels of the parts are names of classes, tuples of names, or numbers.
    """

    kind: Literal["image", "text", "table"]
    source: str
    note: str = ""
    unreadable: tuple[tuple[str, str], ...] = ()
    flip: bool = True
    licence: str = ""
    task: Literal["label", "tags", "value", "entities", "reply", "summary"] = "label"


def assemble(
    parts: Mapping[str, Part],
    about: About,
    splitting: Splitting | None = None,
    *,
    labels: Sequence[str] | None = None,
    strict: bool = False,
) -> Data:
    """Build a data set with three splits from the examples of a reader.

    Args:
        parts: {"train": all examples}, or the existing ones of "train", "val" and "test".
        about: facts about the data set; its note follows the sentence on the splits.
        splitting: how to draw the missing splits.
        labels: the names of the classes 0, 1, ..., where the parts hold numbers; of the tags, in order; of the value.
        strict: raise an error if any example cannot be read.

    Raises:
        DataError: there is nothing to learn from: no train split, no example, a single class, a class with one example,
            names of mixed types, a class that the train split lacks, or too few examples for every split; or an
            example cannot be read and `strict` is set.
    """
    splitting = splitting or Splitting()
    refuse(about.source, about.unreadable, strict=strict)
    parts = {name: part for name, part in parts.items() if len(part.labels) or name == "train"}
    wanted = parts.values() if splitting.file is not None else [parts.get("train", Part([], []))]
    if not any(len(part.labels) for part in wanted):
        raise DataError(f"{about.source} holds no readable example to train on{_some_lost(about)}; add some")
    found = [name for part in parts.values() for name in part.labels]
    names, encode = _named(found, about, labels)
    given = {key: _split(part, encode, about, splitting) for key, part in parts.items()}
    if splitting.file is not None:
        given, sentence = from_file(given, about.kind, splitting.file)
    given, kept = _settled(given, names, about)
    val_given = set(given) == {"train", "val", "test"}
    splits, said = drawn(given, about, splitting)
    _insist_on_all(splits["train"], kept, about)
    return Data(
        **splits,
        labels=kept,
        kind=about.kind,
        source=about.source,
        splitting=" ".join(
            filter(None, [sentence if splitting.file is not None else said, about.note, _unused(names, kept)])
        ),
        unreadable=about.unreadable,
        flip=about.flip,
        licence=about.licence,
        task=about.task,
        val_given=val_given,
    )


def refuse(source: str, unreadable: Sequence[tuple[str, str]], *, strict: bool) -> None:
    """Raise DataError if any example cannot be read and `strict` is set."""
    if strict and unreadable:
        raise DataError(f"{source}: {_lost(unreadable, MAX_NAMES_SHOWN)}; repair or remove them, or do without strict")


def _split(part: Part, encode: Callable[[Sequence[Any]], np.ndarray], about: About, splitting: Splitting) -> Split:
    labels = encode(part.labels)
    seen = part.traits or example_info.look(part.items, about.kind)
    if splitting.group_by is not None and seen.groups is None and len(labels):
        seen = grouped(seen, splitting.group_by, about.source)
    return Split(part.items, labels, seen)


def _insist_on_all(train: Split, names: Sequence[str], about: About) -> None:
    """Raise DataError if the train split has no example of a class or tag."""
    if about.task == "value" or registry.writes(about.task):
        return
    there = np.unique(train.labels) if about.task == "label" else np.flatnonzero(train.labels.any(0))
    if lacking := [names[number] for number in np.setdiff1d(range(len(names)), there)]:
        some = _some(lacking) if about.task == "label" else label_parsing.some(lacking)
        raise DataError(
            f"no example of {some} in {about.source} is left for train: all belong to groups, or to examples "
            f"they are copies of, that went elsewhere. Add some, do without group_by, or draw copies on their own with "
            f"near_duplicates='anywhere'"
        )


def from_file(given: Mapping[str, Split], kind: str, path: str) -> tuple[dict[str, Split], str]:
    """Split examples by a `splits.csv`; return the splits and a sentence on them. Raise DataError if one is empty."""
    whole = joined(list(given.values()))
    numbers, note = numbers_from_file(whole.seen(kind), path)
    if missing := [name for name, chosen in numbers.items() if not len(chosen)]:
        raise DataError(f"{path} puts no example of these data into {' and '.join(missing)}; add some")
    splits = {name: whole.take(chosen) for name, chosen in numbers.items()}
    return splits, " ".join(filter(None, [f"The splits are those of {Path(path).name}.", note]))


def drawn(
    given: Mapping[str, Split], about: About, splitting: Splitting, by: Callable[[Split], np.ndarray] | None = None
) -> tuple[dict[str, Split], str]:
    """Draw the missing splits; return all splits and a sentence on them.

    Args:
        given: the existing splits, including "train".
        about: the kind of data and the task.
        splitting: how to draw.
        by: returns the groups to stratify by, int64 (n,); by default examples are stratified by their labels.

    Raises:
        DataError: there are too few examples for every split to have one.
    """
    train = given["train"]
    if set(given) == {"train", "val", "test"}:
        return dict(given), "The train, val and test splits were given."
    parts = 2 if set(given) == {"train"} else 1
    sorts, task = (train, about.task) if by is None else (dataclasses.replace(train, labels=by(train)), "label")
    kind = registry.target(about.task)
    task = "label" if registry.writes(task) else task
    numbers, said = draw(sorts, about.kind, splitting, parts, task)
    pieces = [train.take(chosen) for chosen in numbers]
    if missing := [name for name, piece in zip(("train", "val", "test"), pieces, strict=False) if not len(piece)]:
        raise DataError(
            f"no example is left for {' and '.join(missing)}: {kind.needing} needs three examples, or groups of "
            f"them, that are no copies of one another. {said + ' ' if said else ''}Add some, do without group_by, or "
            f"draw copies on their own with near_duplicates='anywhere'"
        )
    how, roughly = f"seed {splitting.seed}", ""
    if splitting.how == "stable":
        how, roughly = f"{how}, by each example's digest", "about "
    if parts == 2:
        sentence = (
            f"No val or test split was given; {roughly}70 % train, 15 % val and 15 % test were drawn "
            f"{kind.sampled} ({how})."
        )
        return dict(zip(("train", "val", "test"), pieces, strict=True)), " ".join(filter(None, [sentence, said]))
    other = "test" if "test" in given else "val"
    used = "as test" if other == "test" else "as val; it is used as test"
    of = "each class of train" if about.task == "label" else "train"
    sentence = f"The train split was given, and another {used}; {roughly}15 % of {of} was drawn as val ({how})."
    splits = {"train": pieces[0], "val": pieces[1], "test": given[other]}
    return splits, " ".join(filter(None, [sentence, said]))


# === Labels and checks ===


def _named(
    found: Sequence[Any], about: About, labels: Sequence[str] | None
) -> tuple[tuple[str, ...], Callable[[Sequence[Any]], np.ndarray]]:
    """Return the names of the classes or tags, or of the value, and a function that turns raw labels into an array."""
    if about.task != "label" and not registry.writes(about.task):
        return label_parsing.reader(about.task, found, about.source, labels)
    order, names = _order(found, about, labels)
    return names, lambda rows: np.array([order[name] for name in rows], np.int64)


def _order(found: Sequence[Any], about: About, labels: Sequence[str] | None) -> tuple[dict[Any, int], tuple[str, ...]]:
    """Return a mapping of raw name to class number, and the names in that order."""
    types = {type(name.item() if isinstance(name, np.generic) else name) for name in found}
    if len(types) > 1 or not types <= {str, int, bool}:
        kinds = ", ".join(sorted(kind.__name__ for kind in types))
        raise DataError(
            f"the labels of {about.source} are of the types {kinds}; make them all strings, or all whole numbers"
        )
    values = set(found)
    if labels is None:
        numeric = all(str(value).isdecimal() and len(str(value)) <= DIGITS for value in values)
        ordered = sorted(values, key=lambda value: (int(value), str(value)) if numeric else value)
        return {value: number for number, value in enumerate(ordered)}, tuple(map(str, ordered))
    order = {label: number for number, label in enumerate(labels)} if types == {str} else range(len(labels))
    if strange := sorted(value for value in values if value not in order):
        raise DataError(f"{about.source} has the label {strange[0]!r}, which is not among the {len(labels)} in labels=")
    return (order if isinstance(order, dict) else {number: number for number in order}), tuple(map(str, labels))


def _settled(
    given: Mapping[str, Split], names: tuple[str, ...], about: About
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Check that the labels can be learned, and drop classes and tags that no example has."""
    if registry.writes(about.task):
        return dict(given), names
    if about.task == "label":
        _check(given, names, about)
        used = np.unique(given["train"].labels)
        kept = tuple(names[number] for number in used)
        return {key: Split(s.items, np.searchsorted(used, s.labels), s.traits) for key, s in given.items()}, kept
    used, kept = label_parsing.settled(about.task, {key: s.labels for key, s in given.items()}, names, about.source)
    if about.task == "value":
        return dict(given), kept
    return {key: Split(s.items, s.labels[:, used], s.traits) for key, s in given.items()}, kept


def _unused(names: Sequence[str], kept: Sequence[str]) -> str:
    """Return a sentence on the names that no example has, or ""."""
    known = set(kept)
    unused = [name for name in names if name not in known]
    return f"Left out for want of examples: {', '.join(unused)}." if unused else ""


def _check(given: Mapping[str, Split], names: tuple[str, ...], about: About) -> None:
    total = np.bincount(np.concatenate([split.labels for split in given.values()]), minlength=len(names))
    if (total > 0).sum() < 2:
        one = names[int(total.argmax())]
        raise DataError(f"{about.source} has a single class, {one!r}{_some_lost(about)}; a classifier needs two")
    if single := [names[number] for number in np.flatnonzero(total == 1)]:
        raise DataError(
            f"{about.source} has one example only of {_some(single)}{_some_lost(about)}; add examples, or remove or "
            f"merge these classes"
        )
    train = set(given["train"].labels)
    for key, split in given.items():
        if missing := sorted(set(split.labels) - train):
            raise DataError(
                f"the {key} split of {about.source} has {_some([names[number] for number in missing])}, which the "
                f"train split lacks; add it there, or remove it"
            )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MAX_NAMES_SHOWN])
    kind = "the class" if len(names) == 1 else f"{len(names)} classes:"
    return f"{kind} {shown}" + (", ..." if len(names) > MAX_NAMES_SHOWN else "")


def _lost(unreadable: Sequence[tuple[str, str]], shown: int) -> str:
    told = "; ".join(f"{name}: {reason}" for name, reason in unreadable[:shown])
    return f"{len(unreadable)} could not be read; {told}" + ("; ..." if len(unreadable) > shown > 1 else "")


def _some_lost(about: About) -> str:
    return f" ({_lost(about.unreadable, 1)})" if about.unreadable else ""
