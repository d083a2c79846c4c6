"""Find copies among the examples: across splits, with different labels, or merely repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.data import example_info, near_duplicates, splitting
from tlkit.data.examples import SPLITS, Examples
from tlkit.reporting.findings import Finding

# (split, split that contains copies of it); the first pair invalidates the result.
LEAK_DIRECTIONS = (("test", "train"), ("val", "train"), ("test", "val"))


@dataclass(frozen=True)
class _Wording:
    many: str  # "pictures"
    copy: str  # "an identical copy"
    copies: str  # "identical pictures"
    repeat: str  # "are identical to another of their split and {}", which is "label", "tags" or "value"
    code: str  # of the finding about such repeats


_SAME_SIDE = "another of their split and {}"
_WORDINGS = {
    ("image", True): _Wording(
        "pictures", "an identical copy", "identical pictures", f"are identical to {_SAME_SIDE}", "duplicates"
    ),
    ("image", False): _Wording(
        "pictures",
        "a near copy",
        "near copies (re-encoded, resized or mirrored)",
        f"are near copies (re-encoded, resized or mirrored) of {_SAME_SIDE}",
        "near_duplicates",
    ),
    ("table", True): _Wording(
        "rows", "an identical row", "identical rows", f"are identical to {_SAME_SIDE}", "duplicate_row"
    ),
    ("text", True): _Wording(
        "texts", "the same text", "identical texts", f"repeat {_SAME_SIDE} byte for byte", "duplicate_text"
    ),
    ("text", False): _Wording(
        "texts",
        "the same text but for case or spacing",
        "texts that differ in case or spacing only",
        f"repeat {_SAME_SIDE} but for case or spacing",
        "near_duplicates",
    ),
}


_CORRECT_OTHERS = "correct the others or remove them; until then training pulls both ways and the figures count"
# task -> (text for one group of copies whose labels differ, text for several), remedy
_CONFLICT_TEXTS = {
    "label": (
        ("stands under more than one label", "stand under more than one label"),
        f"decide on one label for each, {_CORRECT_OTHERS} at least one of them wrong",
    ),
    "tags": (
        ("has different tags", "have different tags"),
        f"decide on the tags of each, {_CORRECT_OTHERS} some of them wrong",
    ),
    "entities": (
        ("has words tagged in different ways", "have words tagged in different ways"),
        f"decide on the tags of each, {_CORRECT_OTHERS} some of them wrong",
    ),
    "value": (
        ("has different values", "have different values"),
        "keep one of each, with their mean where all were measured; no model can answer all of them right",
    ),
}


def copies(examples: Examples) -> list[Finding]:
    """Find copies and near copies: pictures that look alike, texts that differ in case or spacing.

    Across splits or under several labels they are errors; a near copy is reported only if it is not already a copy.
    """
    exact, alike = _clusters(examples)
    same = _WORDINGS[examples.data.kind, True]
    near = _WORDINGS.get((examples.data.kind, False), same)  # rows of a table have no near copies
    certain = _conflicting(exact, examples.facets)
    probable = np.setdiff1d(_conflicting(alike, examples.facets), alike[np.isin(exact, certain)])
    leaked = _leaked(exact, examples.sides)
    more = [mask & ~known for mask, known in zip(_leaked(alike, examples.sides), leaked, strict=True)]
    repeated, again = _repeated(exact, examples), _repeated(alike, examples)
    return [
        *_conflicts(examples, exact, certain, same),
        *_leaks(examples, exact, leaked, same),
        *_repeats(examples, exact, repeated, same),
        *_conflicts(examples, alike, probable, near),
        *_leaks(examples, alike, more, near),
        *_repeats(examples, alike, again & ~repeated, near),
    ]


def _clusters(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each example's copies (n,), and of all that are alike, copies included."""
    same = near_duplicates.exact(examples.seen.digests)
    if examples.data.kind == "text":
        whole = example_info.digests([example_info.digest(example_info.encoded(text)) for text in examples.items])
        return near_duplicates.exact(whole), same
    links = np.stack([same, np.arange(len(examples))], axis=1)
    return same, near_duplicates.clusters(len(examples), np.concatenate([links, splitting.near(examples.seen)]))


# === Masks ===


def _conflicting(clusters: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the clusters that have more than one label."""
    classes = int(labels.max()) + 1
    distinct, counts = np.unique(np.unique(clusters * classes + labels) // classes, return_counts=True)
    return distinct[counts > 1]


def _leaked(clusters: np.ndarray, sides: np.ndarray) -> list[np.ndarray]:
    """Return, for each pair of LEAK_DIRECTIONS, which examples of the one side have a copy on the other, (n,)."""
    masks = {name: sides == number for number, name in enumerate(SPLITS)}
    return [masks[spoiled] & np.isin(clusters, clusters[masks[source]]) for spoiled, source in LEAK_DIRECTIONS]


def _repeated(clusters: np.ndarray, examples: Examples) -> np.ndarray:
    """Return which examples come after another of their cluster, split and label, (n,)."""
    keys = (clusters * len(SPLITS) + examples.sides) * (int(examples.facets.max()) + 1) + examples.facets
    _, first = np.unique(keys, return_index=True)
    repeated = np.ones(len(examples), bool)
    repeated[first] = False
    return repeated


# === Findings ===


def _conflicts(examples: Examples, clusters: np.ndarray, conflicting: np.ndarray, wording: _Wording) -> list[Finding]:
    if not len(conflicting):
        return []
    groups = f"{len(conflicting):,} groups" if len(conflicting) > 1 else "1 group"
    task, several = examples.data.task, len(conflicting) > 1
    differ, remedy = _CONFLICT_TEXTS[task]
    return [
        Finding(
            "conflict",
            "warning" if task == "value" else "error",  # measured twice, a number is never the same
            f"{groups} of {wording.copies} {differ[several]}",
            remedy,
            len(conflicting),
            examples.named(_groups(clusters, conflicting, examples.facets)),
        )
    ]


def _leaks(examples: Examples, clusters: np.ndarray, leaked: Sequence[np.ndarray], wording: _Wording) -> list[Finding]:
    parts, spoiled = [], []
    for (side, source), mask in zip(LEAK_DIRECTIONS, leaked, strict=True):
        if count := int(mask.sum()):
            total = int((examples.sides == SPLITS.index(side)).sum())
            parts.append(
                f"{count:,} of {total:,} {side} examples ({count / total:.1%}) have {wording.copy} in {source}"
            )
            spoiled.append(mask)
    if not parts:
        return []
    first = np.flatnonzero(spoiled[0])
    return [
        Finding(
            "leak",
            "error",
            "; ".join(parts),
            "remove them from one side; or give the data without splits and let them be drawn with "
            "--near-duplicates together (the default), and with --group-by where more than looks is shared",
            len(first),
            examples.named(_groups(clusters, dict.fromkeys(clusters[first].tolist()), -examples.sides)),
        )
    ]


def _repeats(examples: Examples, clusters: np.ndarray, mask: np.ndarray, wording: _Wording) -> list[Finding]:
    if not mask.any():
        return []
    count = int(mask.sum())
    facets = examples.sides * (int(examples.facets.max()) + 1) + examples.facets
    return [
        Finding(
            wording.code,
            "note",
            f"{count:,} of {len(examples):,} {wording.many} {wording.repeat.format(examples.data.task)}",
            "remove them unless they are meant: each weighs as often as it occurs, in training and in the figures",
            count,
            examples.named(_alike(clusters, facets, np.flatnonzero(mask))),
        )
    ]


def _groups(clusters: np.ndarray, chosen: Iterable[int], facets: np.ndarray) -> Iterable[np.ndarray]:
    """Yield the examples of each chosen cluster, one of each facet before the second of any."""
    for cluster in chosen:
        members = np.flatnonzero(clusters == cluster)
        members = members[np.argsort(facets[members], kind="stable")]
        sorts = facets[members]
        yield members[np.lexsort([sorts, np.arange(len(members)) - np.searchsorted(sorts, sorts)])]


def _alike(clusters: np.ndarray, facets: np.ndarray, repeated: np.ndarray) -> Iterable[np.ndarray]:
    """Yield, for each repeated example, all of its cluster and facet; each group once."""
    yielded = set()
    for number in repeated.tolist():
        key = (int(clusters[number]), int(facets[number]))
        if key not in yielded:
            yielded.add(key)
            yield np.flatnonzero((clusters == key[0]) & (facets == key[1]))
