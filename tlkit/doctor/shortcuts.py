"""Find facts about files that give their class away: a model may learn the source of a picture, not its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tlkit.data.examples import Examples
from tlkit.reporting.findings import Finding

FOLDS, MAX_BINS = 5, 32
MAX_CLUES = 20  # classes
MIN_EXAMPLES = 20  # examples of a class, and of the rest: below it a share of them says little
# Balanced accuracy; chance is 0.5. The size of trashnet's files tells its cardboard by 0.66, with labels shuffled 0.53.
MIN_ACCURACY = 0.8


@dataclass(frozen=True)
class _Clue:
    label: int
    fact: str
    accuracy: float


def shortcuts(examples: Examples) -> list[Finding]:
    """Find classes that the look of the file alone (format, mode, sides, bytes) tells from all others, or the length
    of a text; each fact is tried as one rule, cross-validated. Of tags and values nothing is said."""
    if examples.data.task != "label":
        return []
    facts = _facts(examples)
    clues = _clues(facts, examples.labels, len(examples.data.labels))
    if not clues:
        return []
    text = examples.data.kind == "text"
    descriptions = "; ".join(_description(clue, facts[clue.fact], examples) for clue in clues[:3])
    more = f"; and {len(clues) - 3} more" if len(clues) > 3 else ""
    picture = "make them alike (format, mode, size), and test on pictures of a class that come from another source"
    length = "where that is an accident of collecting, test on texts of like length"
    return [
        Finding(
            "shortcut",
            "note" if text else "warning",
            f"{descriptions}{more}; chance is 0.5",
            length if text else f"a model can learn the source of a file in place of what it shows: {picture}",
            len(clues),
            examples.named(_pair(clue, examples.labels) for clue in clues),
        )
    ]


def _facts(examples: Examples) -> dict[str, np.ndarray]:
    if examples.data.kind == "text":
        return {"length in characters": np.array([len(text) for text in examples.items], np.int64)}
    looks = examples.seen.looks
    if looks is None:
        return {}
    wide, high = (np.maximum(looks[side], 1) for side in ("width", "height"))
    facts = {"file format": looks["format"], "colour mode": looks["mode"], "width in pixels": wide}
    return facts | {"height in pixels": high, "aspect ratio": wide / high, "size in bytes": looks["bytes"]}


def _clues(facts: Mapping[str, np.ndarray], labels: np.ndarray, classes: int) -> list[_Clue]:
    """Return the best clue to each class that has one above the bar, the clearest first.

    A class with a clue is set aside before the others are tried: of three classes, what is not the one is more likely
    each of the others, which says nothing of them.
    """
    bins = {fact: binned(values) for fact, values in facts.items()}
    clues: list[_Clue] = []
    while len(clues) < MAX_CLUES:
        remaining = ~np.isin(labels, [clue.label for clue in clues])
        sizes = np.bincount(labels[remaining], minlength=classes)
        candidates = np.flatnonzero((sizes >= MIN_EXAMPLES) & (remaining.sum() - sizes >= MIN_EXAMPLES)).tolist()
        accuracies = {fact: accuracy(bins[fact][remaining], labels[remaining], classes) for fact in facts}
        tried = [
            _Clue(label, fact, float(by_class[label])) for fact, by_class in accuracies.items() for label in candidates
        ]
        best = max(tried, key=lambda clue: clue.accuracy, default=None)
        if best is None or best.accuracy < MIN_ACCURACY:
            break
        clues.append(best)
    return clues


def accuracy(bins: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Measure how well one fact tells each class from all others: a rule that asks in which bin it falls.

    Args:
        bins: the fact as numbers from 0, few enough to be counted, (n,).
        labels: class numbers, (n,).
        classes: how many there are.

    Returns:
        Balanced accuracy by class, out of FOLDS folds, (classes,); 0.5 is chance.

    Source:
        R. C. Holte, Very Simple Classification Rules Perform Well, Machine Learning 11, 1993.
    """
    folds = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    tables = np.zeros((FOLDS, classes, int(bins.max(initial=0)) + 1))
    np.add.at(tables, (folds, labels, bins), 1)
    total = tables.sum(axis=0)
    right, rejected = np.zeros(classes), np.zeros(classes)
    for held_out in tables:
        inside = total - held_out
        outside = inside.sum(axis=0) - inside
        predicted = inside * outside.sum(axis=1, keepdims=True) > outside * inside.sum(axis=1, keepdims=True)
        right += (held_out * predicted).sum(axis=1)
        rejected += ((held_out.sum(axis=0) - held_out) * ~predicted).sum(axis=1)
    sizes = total.sum(axis=1)
    return (right / np.maximum(sizes, 1) + rejected / np.maximum(len(labels) - sizes, 1)) / 2


def binned(values: np.ndarray) -> np.ndarray:
    """Return the number of each value's bin, below MAX_BINS: the value itself, or where there are many its quantile."""
    distinct, bins, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) <= MAX_BINS:
        return bins
    if values.dtype.kind in "iuf":
        edges = np.quantile(values, np.arange(1, MAX_BINS) / MAX_BINS)
        return np.searchsorted(np.unique(edges), values, side="right")
    rank = np.argsort(np.argsort(-counts, kind="stable"))
    return np.minimum(rank[bins], MAX_BINS - 1)


def _description(clue: _Clue, values: np.ndarray, examples: Examples) -> str:
    inside = examples.labels == clue.label
    usual, other = _typical(values[inside]), _typical(values[~inside])
    labels = examples.data.labels
    name, rest = labels[clue.label], repr(labels[1 - clue.label]) if len(labels) == 2 else "the rest"
    against = f"{usual} against {other}"
    return f"the {clue.fact} alone tells {name!r} from {rest} (balanced accuracy {clue.accuracy:.2f}; {against})"


def _typical(values: np.ndarray) -> str:
    """Describe the typical value of a fact: the median, or the commonest value."""
    if values.dtype.kind in "iuf":
        median = float(np.median(values))
        return f"median {median:,.0f}" if median >= 100 else f"median {median:.3g}"
    distinct, counts = np.unique(values, return_counts=True)
    commonest = distinct[counts.argmax()]
    return f"mostly {commonest.decode() or 'unknown'}"


def _pair(clue: _Clue, labels: np.ndarray) -> np.ndarray:
    """Return three examples of the class and three others."""
    inside = labels == clue.label
    return np.concatenate([np.flatnonzero(inside)[:3], np.flatnonzero(~inside)[:3]])
