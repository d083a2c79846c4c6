"""Find rare, missing and uneven classes, tags, numbers and entity types."""

from __future__ import annotations

import numpy as np

from tlkit.data.examples import GROUPS, SPLITS, Examples
from tlkit.data.splits import Data
from tlkit.reporting.findings import Finding
from tlkit.utils.text_format import listed

MIN_EXAMPLES = 10  # training examples: with fewer a class, a tag or a type of entity is hardly learned
UNTAGGED_SHARE = 0.5  # share of examples without any tag above which it is reported
COMMON_VALUE_SHARE = 0.5  # share of one value above which it is reported
OUTLIER_DEVIATIONS = 10  # robust standard deviations from the median; of normal values none of 10^20 lies there
MIN_SKEWNESS = 2.0  # skewness; that of the exponential distribution
# interquartile range of normal values, in standard deviations
NORMAL_IQR = 1.349
# Largest class to smallest. Logistic regression on the packaged digits, two classes cut to a third: their recall falls
# from 0.92 to 0.82, with balanced weights to 0.90; cut to a tenth, to 0.57 and 0.81 (means of three draws).
IMBALANCE_RATIO = 3


def tags(examples: Examples) -> list[Finding]:
    """Find rare tags, tags that val or test lack, tags that all have, tags always given together, bare examples."""
    return [*_rare(examples), *_missing(examples), *_constant(examples), *_twins(examples), *_bare(examples)]


def values(examples: Examples) -> list[Finding]:
    """Find values that look like classes, one value for most examples, values far out, and skewed values."""
    numbers = np.asarray(examples.labels, np.float64)
    distinct, counts = np.unique(numbers, return_counts=True)
    if len(distinct) <= 2:
        return [_few(examples, distinct)]
    far = _far(examples, numbers)
    return [*_usual(examples, distinct, counts), *far, *([] if far else _skewed(numbers))]


# === Tags ===


def _rare(examples: Examples) -> list[Finding]:
    labels, train = examples.data.labels, examples.labels[examples.sides == 0]
    sizes = train.sum(0).astype(int)
    tiny = np.flatnonzero(sizes < MIN_EXAMPLES)
    if not len(tiny):
        return []
    tiny = tiny[np.argsort(sizes[tiny], kind="stable")]
    text = listed([f"{labels[tag]} {sizes[tag]}" for tag in tiny])
    return [
        Finding(
            "rare_tag",
            "warning",
            f"{len(tiny):,} of {len(labels):,} tags have fewer than {MIN_EXAMPLES} training examples: {text}",
            "add examples, or merge or leave out these tags; until then macro-F1 says little of them",
            len(tiny),
            examples.named(np.flatnonzero((examples.sides == 0) & (examples.labels[:, tag] > 0)) for tag in tiny),
            tuple(labels[tag] for tag in tiny[:GROUPS]),
        )
    ]


def _missing(examples: Examples) -> list[Finding]:
    parts, count = [], 0
    for number, side in enumerate(SPLITS[1:], 1):
        absent = np.flatnonzero(~examples.labels[examples.sides == number].any(0))
        if len(absent):
            parts.append(f"{side} has no example of {listed([examples.data.labels[tag] for tag in absent])}")
            count = max(count, len(absent))
    remedy = "add examples there: early stopping does not see such a tag in val, nor do the figures in test"
    return [Finding("missing_tag", "warning", "; ".join(parts), remedy, count)] if parts else []


def _constant(examples: Examples) -> list[Finding]:
    always = np.flatnonzero(examples.labels[examples.sides == 0].all(0))
    if not len(always):
        return []
    text = listed([examples.data.labels[tag] for tag in always])
    remedy = "leave them out, as there is nothing to learn of them; or add examples without them"
    return [Finding("constant_tag", "warning", f"every training example has {text}", remedy, len(always))]


def _twins(examples: Examples) -> list[Finding]:
    _, inverse, counts = np.unique(examples.labels.T, axis=0, return_inverse=True, return_counts=True)
    groups = [np.flatnonzero(inverse.reshape(-1) == number) for number in np.flatnonzero(counts > 1)]
    if not groups:
        return []
    text = "; ".join(" and ".join(examples.data.labels[tag] for tag in group) for group in groups[:3])
    return [
        Finding(
            "twin_tags",
            "warning",
            f"{len(groups):,} groups of tags are always given together: {text}{'; ...' * (len(groups) > 3)}",
            "keep one of each group; the model cannot tell them apart, and they count twice in every figure",
            len(groups),
        )
    ]


def _bare(examples: Examples) -> list[Finding]:
    bare = np.flatnonzero(~examples.labels.any(1))
    if len(bare) <= UNTAGGED_SHARE * len(examples):
        return []
    return [
        Finding(
            "untagged",
            "note",
            f"{len(bare):,} of {len(examples):,} examples have no tag",
            "check that these have none, and are not merely untagged yet: the model learns to give them none",
            len(bare),
            examples.named([number] for number in bare),
        )
    ]


# === Values ===


def _few(examples: Examples, distinct: np.ndarray) -> Finding:
    name, text = examples.data.labels[0], " and ".join(f"{value:g}" for value in distinct)
    return Finding(
        "few_values",
        "warning",
        f"{name} has only {len(distinct)} different value{'s' * (len(distinct) > 1)}: {text}",
        "if they stand for classes, learn them as such, with --target label",
        len(distinct),
    )


def _usual(examples: Examples, distinct: np.ndarray, counts: np.ndarray) -> list[Finding]:
    count, value = int(counts.max()), float(distinct[counts.argmax()])
    if count <= COMMON_VALUE_SHARE * len(examples):
        return []
    title = f"{count:,} of {len(examples):,} examples have the same {examples.data.labels[0]}, {value:g}"
    remedy = "check that it does not stand for an unknown value; who always answers it has a small error already"
    return [Finding("usual_value", "warning", title, remedy, count)]


def _far(examples: Examples, numbers: np.ndarray) -> list[Finding]:
    low, median, high = np.quantile(numbers, [0.25, 0.5, 0.75])
    spread = (high - low) / NORMAL_IQR
    far = np.flatnonzero(np.abs(numbers - median) > OUTLIER_DEVIATIONS * spread) if spread else np.zeros(0, int)
    if not len(far):
        return []
    far = far[np.argsort(-np.abs(numbers[far] - median), kind="stable")]
    texts = [f"{numbers[number]:g}" for number in far]
    return [
        Finding(
            "outlier_value",
            "warning",
            f"{len(far):,} of {len(examples):,} values lie far from the median, {median:g}: {listed(texts)}",
            "look at them: a slip of the point or the unit outweighs all others, as errors count squared; where they "
            "are right, learn the logarithm",
            len(far),
            examples.named([number] for number in far),
            tuple(texts[:GROUPS]),
        )
    ]


def _skewed(numbers: np.ndarray) -> list[Finding]:
    scaled = (numbers - numbers.mean()) / numbers.std()
    skewness = float((scaled**3).mean())
    if abs(skewness) < MIN_SKEWNESS:
        return []
    title = f"the values are skewed (skewness {skewness:.1f}): a few large errors outweigh many small ones"
    remedy = "learn their logarithm, or a rank, and turn the answers back"
    return [Finding("skewed_value", "note", title, remedy, len(numbers))]


# === Classes ===


def classes(examples: Examples) -> list[Finding]:
    """Find classes with few examples, classes that val or test lack, and classes of very different sizes."""
    return [*_few_of_a_class(examples), *_without_examples(examples.data), *_uneven(examples.data)]


def _few_of_a_class(examples: Examples) -> list[Finding]:
    data = examples.data
    sizes = np.bincount(data.train.labels, minlength=len(data.labels))
    tiny = np.flatnonzero(sizes < MIN_EXAMPLES)
    if not len(tiny):
        return []
    text = listed([f"{data.labels[number]} {sizes[number]}" for number in tiny[np.argsort(sizes[tiny])]])
    return [
        Finding(
            "tiny_class",
            "warning",
            f"{len(tiny):,} of {len(data.labels):,} classes have fewer than {MIN_EXAMPLES} training examples: {text}",
            "add examples, or merge or leave out these classes",
            len(tiny),
            examples.named(np.flatnonzero((examples.sides == 0) & (examples.labels == label)) for label in tiny),
            tuple(data.labels[label] for label in tiny[:GROUPS]),
        )
    ]


def _without_examples(data: Data) -> list[Finding]:
    parts, count = [], 0
    for side in ("val", "test"):
        absent = np.flatnonzero(np.bincount(data.splits()[side].labels, minlength=len(data.labels)) == 0)
        if len(absent):
            parts.append(f"{side} has no example of {listed([data.labels[number] for number in absent])}")
            count = max(count, len(absent))
    remedy = "add examples there: early stopping does not see such a class in val, nor do the figures in test"
    return [Finding("missing_class", "warning", "; ".join(parts), remedy, count)] if parts else []


def _uneven(data: Data) -> list[Finding]:
    sizes = np.bincount(data.train.labels, minlength=len(data.labels))
    low, high = int(sizes.argmin()), int(sizes.argmax())
    ratio = sizes[high] / max(sizes[low], 1)
    if ratio < IMBALANCE_RATIO:
        return []
    sides = listed([f"{data.labels[high]} {sizes[high]:,}", f"{data.labels[low]} {sizes[low]:,}"])
    share = sizes[high] / sizes.sum()
    lazy = f": always answering {data.labels[high]} is right in {share:.0%}" if share > 0.5 else ""
    return [
        Finding(
            "imbalance",
            "warning",
            f"the largest class has {ratio:.1f} times as many training examples as the smallest ({sides})",
            "give --class-weight balanced or --sampling balanced, and read macro-F1, since accuracy hardly sees a rare "
            f"class{lazy}",
            int(ratio),
        )
    ]


# === Types of entities ===


def entity_types(data: Data) -> list[Finding]:
    """Find types of entities that are rare in train, or missing in val or test."""
    counts = data.counts()
    rare = sorted((count, entity_type) for entity_type, count in counts["train"].items() if count < MIN_EXAMPLES)
    lacking = {
        side: [entity_type for entity_type, count in counts[side].items() if not count] for side in ("val", "test")
    }
    findings = []
    if rare:
        text = listed([f"{entity_type} {count}" for count, entity_type in rare])
        findings.append(
            Finding(
                "tiny_class",
                "warning",
                f"{len(rare):,} of {len(counts['train']):,} types of entities occur fewer than {MIN_EXAMPLES} times in "
                f"train: {text}",
                "add texts with them, or merge or leave out these types",
                len(rare),
            )
        )
    if any(lacking.values()):
        text = "; ".join(f"{side} has no entity of {listed(missing)}" for side, missing in lacking.items() if missing)
        remedy = "add texts there: early stopping does not see such a type in val, nor do the figures in test"
        findings.append(Finding("missing_class", "warning", text, remedy, max(map(len, lacking.values()))))
    return findings
