"""Split examples into train, val and test: stratified, grouped, by digest, or from a file."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tlkit.config import Splitting
from tlkit.data import example_info, near_duplicates
from tlkit.data.example_info import Traits
from tlkit.data.splits import SPLIT_NAMES, Split
from tlkit.errors import DataError, InputError, unknown
from tlkit.utils import regular_files
from tlkit.utils.escaping import from_cell

HELD_OUT_SHARE = 0.15  # of a class, for each of val and test
MIN_COMPARABLE_SIDE = 32  # pixels: below it, pictures of different things look alike
METHODS = ("random", "stable")
NEAR_DUPLICATE_CHOICES = ("together", "anywhere")
MAX_RANGES = 10  # of a number, which are drawn from one by one
MIN_UNITS_PER_RANGE = 7  # of fewer, a share of 15 % rounds to none


def settled(seed: int, splitting: Splitting | None) -> Splitting:
    """Combine the two options of a reader, seed and splitting, into one splitting.

    Raises:
        InputError: they have different seeds, or an option is invalid.
    """
    if splitting is None:
        return Splitting(seed)
    if seed not in (0, splitting.seed):
        raise InputError(f"seed={seed} and splitting.seed={splitting.seed} differ; give it in the splitting alone")
    if splitting.how not in METHODS:
        raise unknown("split", splitting.how, METHODS)
    if splitting.near_duplicates not in NEAR_DUPLICATE_CHOICES:
        raise unknown("near_duplicates", splitting.near_duplicates, NEAR_DUPLICATE_CHOICES)
    return splitting


def draw(
    split: Split, kind: str, splitting: Splitting, parts: int, task: str = "label"
) -> tuple[list[np.ndarray], str]:
    """Draw val, or val and test, from a split.

    Args:
        split: the examples.
        kind: "image" or "text".
        splitting: how.
        parts: 1 for val, 2 for val and test.
        task: what the labels are: "label", "tags" or "value"; each class, tag or range of values goes to all sides.

    Returns:
        The sorted numbers of the examples that stay, and of those of each part; and a note for the user.
    """
    traits = split.seen(kind)
    notes = []
    pairs = [_same(traits.digests)] if splitting.near_duplicates == "together" or splitting.how == "stable" else []
    if splitting.near_duplicates == "together" and splitting.how == "random":
        pairs.append(near(traits))
    alike = near_duplicates.clusters(len(split), np.concatenate(pairs)) if pairs else np.arange(len(split))
    if copies := len(alike) - len(np.unique(alike)):
        kinds_of_copies = "copies" if splitting.how == "stable" else "copies or near copies"
        notes.append(f"{copies:,} examples are {kinds_of_copies} of others and stay on their side.")
    units = alike
    if traits.groups is not None:
        units = near_duplicates.clusters(len(split), np.concatenate([_same(traits.groups), _same(alike)]))
        count = len(np.unique(traits.groups[traits.groups != ""]))
        notes.append(f"Grouped by {splitting.group_by}: {count:,} groups, none of which straddles.")
    labels = ranges(split.labels, units) if task == "value" else split.labels
    if splitting.how == "random":
        even = carve_tags if task == "tags" else carve
        return even(labels, splitting.seed, *[HELD_OUT_SHARE] * parts, units=units), " ".join(notes)
    # a range changes with the examples, and what was drawn by it would not be stable
    whole = [np.arange(len(labels))] if task == "value" else owned(labels)
    drawn, topped = _stable(whole, units, _keys(traits), splitting.seed, parts)
    if topped:
        lacking = {"label": "a class", "tags": "a tag", "value": "a side"}[task]
        notes.append(f"Topped up, where chance had left {lacking} without: {topped} examples moved to another side.")
    return drawn, " ".join(notes)


def near(traits: Traits) -> np.ndarray:
    """Return the pairs (m, 2) of pictures that are near duplicates; none of pictures that are too small."""
    if traits.looks is None or not len(traits.looks):
        return np.zeros((0, 2), np.int64)
    large = np.flatnonzero(np.minimum(traits.looks["width"], traits.looks["height"]) >= MIN_COMPARABLE_SIDE)
    return large[near_duplicates.near(traits.looks["thumb"][large])]


def _same(values: np.ndarray) -> np.ndarray:
    """Pair every example with the first of the same value, (m, 2); empty strings are not paired."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    numbers = np.arange(len(values))
    pairs = np.stack([first[inverse], numbers], axis=1)
    return pairs[(pairs[:, 0] != numbers) & np.array([value != "" for value in values], bool)]


def grouped(traits: Traits, pattern: str, source: str) -> Traits:
    """Return traits grouped by the match of a pattern in the names: its first group, or the whole match.

    Raises:
        InputError: it is not a regular expression.
        DataError: it matches nothing.
    """
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise InputError(f"group_by {pattern!r} is no regular expression: {error}; mend it") from error
    matches = [search(name) for name in traits.names]
    groups = [(match.group(1) if match.re.groups else match.group()) or "" if match else "" for match in matches]
    if not any(groups):
        raise DataError(
            f"group_by {pattern!r} matches no example of {source}, such as {traits.names[0]!r}; give a column of the "
            f"table, or a regular expression that finds in each name what its group has in common"
        )
    return Traits(traits.names, traits.digests, example_info.strings(groups), traits.looks)


# === Drawn ===


def carve(labels: np.ndarray, seed: int, *parts: float, units: np.ndarray | None = None) -> list[np.ndarray]:
    """Draw parts from every class, at random but evenly.

    Args:
        labels: the class of each example, (n,).
        seed: seeds the draw.
        parts: the share of each part. A class gives at least one unit to each, the last part first, as long as it
            keeps one.
        units: (n,); examples of the same unit stay together, and count as of the class that most of them have. Each
            on its own by default.

    Returns:
        The sorted numbers of the examples that stay, and of those of each part.
    """
    units = np.arange(len(labels)) if units is None else units
    _, unit = np.unique(units, return_inverse=True)
    sizes, owner = np.bincount(unit), _owners(labels, unit)
    rng = np.random.default_rng(seed)
    side = np.zeros(len(sizes), np.int64)
    for label in np.unique(owner):
        members = rng.permutation(np.flatnonzero(owner == label))
        total = int(sizes[members].sum())
        for part, share in reversed(list(enumerate(parts, 1))):
            taken = _fitting(sizes[members], max(1, round(share * total)))
            side[members[taken]] = part
            members = np.delete(members, taken)
    return [np.flatnonzero(side[unit] == part) for part in range(len(parts) + 1)]


def _fitting(sizes: np.ndarray, wanted: int) -> list[int]:
    """Choose units in order as long as they fit, or the smallest if none does; never all of them."""
    chosen: list[int] = []
    room = wanted
    for number, size in enumerate(sizes):
        if len(chosen) == len(sizes) - 1 or not room:
            break
        if size <= room:
            chosen.append(number)
            room -= size
    return chosen or ([int(sizes.argmin())] if len(sizes) > 1 else [])


def _owners(labels: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the most frequent class of every unit; the lowest if several are equally frequent."""
    pairs, counts = np.unique(np.stack([unit, labels]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -counts, pairs[0]))
    _, first = np.unique(pairs[0][order], return_index=True)
    return pairs[1][order][first]


# === Stable ===


def _keys(traits: Traits) -> list[bytes]:
    if traits.groups is None:
        return list(traits.digests)
    return [
        example_info.encoded(group) if group else digest
        for group, digest in zip(traits.groups, traits.digests, strict=True)
    ]


def _stable(
    owned: Sequence[np.ndarray], units: np.ndarray, keys: Sequence[bytes], seed: int, parts: int
) -> tuple[list[np.ndarray], int]:
    """Split units by their digests; return the numbers by part, and how many examples were moved to parts without any.

    `owned` are the numbers of the examples of each class or tag, all of which are to be on every side.
    """
    heads = {unit: min(keys[n] for n in members) for unit, members in _members(units).items()}
    draws = {unit: _uniform(seed, head) for unit, head in heads.items()}
    where = {
        unit: parts - int(draw // HELD_OUT_SHARE) if draw < parts * HELD_OUT_SHARE else 0
        for unit, draw in draws.items()
    }
    side, draw = (np.array([table[unit] for unit in units]) for table in (where, draws))
    moved = 0
    for mine in owned:
        for part in [0, *range(parts, 0, -1)]:
            if (side[mine] == part).any():
                continue
            counts = np.bincount(side[mine], minlength=parts + 1)
            giver = int(counts.argmax())
            spare = mine[side[mine] == giver]
            if part and len(np.unique(units[spare])) < 2:  # train takes even the last one
                continue
            # the nearest to the border, so that it is the same one as long as the class is what it is
            chosen = spare[draw[spare].argmin() if part else draw[spare].argmax()]
            members = units == units[chosen]
            side[members] = part
            moved += int(members.sum())
    return [np.flatnonzero(side == part) for part in range(parts + 1)], moved


def _members(units: np.ndarray) -> dict[int, list[int]]:
    members: dict[int, list[int]] = {}
    for number, unit in enumerate(units.tolist()):
        members.setdefault(unit, []).append(number)
    return members


def _uniform(seed: int, key: bytes) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed} ".encode() + key).digest()[:8]) / 2**64


# === From a file ===


def from_file(traits: Traits, path: str | Path) -> tuple[dict[str, np.ndarray], str]:
    """Split examples by a `splits.csv`.

    Returns:
        The numbers of the examples of train, val and test, and a note for the user.

    Raises:
        DataError: no such file, no such columns, an example that is not in it, has changed since, or of no known split.
    """
    rows = _as_called(_rows(Path(path)), set(traits.names))
    if missing := [name for name in traits.names if name not in rows]:
        raise DataError(
            f"{path} does not say where {len(missing):,} examples belong ({', '.join(map(repr, missing[:5]))}"
            f"{', ...' if len(missing) > 5 else ''}); add them to it, or leave splits out and give split='stable'"
        )
    sides = {"train": [], "val": [], "test": []}
    for number, name in enumerate(traits.names):
        split, digest = rows[name]
        if digest and digest != traits.hexdigest(number):
            raise DataError(f"{name} is not what it was when {path} was written; remove its digest there to use it")
        sides[split].append(number)
    more = len(rows) - len(traits.names)
    note = f"{more:,} examples of the file are not among the data." if more else ""
    return {name: np.array(numbers, np.int64) for name, numbers in sides.items()}, note


def _as_called(rows: dict[str, tuple[str, str]], names: set[str]) -> dict[str, tuple[str, str]]:
    """Restore names that `from_cell` shortened in a file of an older version, in which no name was marked."""
    lacking = {from_cell(name): name for name in names - rows.keys()}
    return {lacking.get(name, name) if name not in names else name: row for name, row in rows.items()}


def _rows(path: Path) -> dict[str, tuple[str, str]]:
    try:
        text = regular_files.content(path, most=regular_files.MAX_RECORD_BYTES).decode("utf-8-sig", "surrogateescape")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"cannot read the splits file {path}: {regular_files.why(error)}; give a splits.csv as a run writes it"
        ) from error
    if not rows or not {"example", "split"} <= set(rows[0]):
        raise DataError(f"{path} is no table with the columns example and split; give a splits.csv as a run writes it")
    assignments = {}
    for row in rows:
        name, split = from_cell(row["example"] or ""), SPLIT_NAMES.get((row["split"] or "").strip().lower())
        if split is None:
            raise DataError(f"{path} puts {name} into {row['split']!r}; write train, val or test")
        assignments[name] = (split, (row.get("digest") or "").strip())
    return assignments


# === Tags and numbers ===


def ranges(values: np.ndarray, units: np.ndarray | None = None) -> np.ndarray:
    """Return the range (a quantile) of every value, (n,): as many ranges as there are units for, 10 at most.

    `units` (n,) are what stays together when it is drawn; each example on its own by default.
    """
    count = max(1, min(MAX_RANGES, len(values if units is None else np.unique(units)) // MIN_UNITS_PER_RANGE))
    edges = np.quantile(values, np.arange(1, count) / count) if len(values) else []
    return np.searchsorted(np.unique(edges), values, side="right")


def owned(labels: np.ndarray) -> list[np.ndarray]:
    """Return the indices of the examples with each class or tag; of tags the rarest last."""
    if labels.ndim == 1:
        return [np.flatnonzero(labels == label) for label in np.unique(labels)]
    counts = labels.sum(0)
    return [np.flatnonzero(labels[:, tag]) for tag in np.argsort(-counts, kind="stable") if counts[tag]]


def carve_tags(tags: np.ndarray, seed: int, *parts: float, units: np.ndarray | None = None) -> list[np.ndarray]:
    """Draw parts so that every tag is in all of them: iterative stratification.

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
            side[number] = part = np.lexsort((room, wanted[:, rarest]))[-1]
            wanted[part] -= counts[number]
            room[part] -= sizes[number]
            left -= has[number]
    return [np.flatnonzero(side[unit] == part) for part in range(len(parts) + 1)]
