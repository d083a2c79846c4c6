"""Diagnose a data set before training; nothing is changed or deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tlkit.config import Compute, Reading
from tlkit.data import near_duplicates, text_pairs
from tlkit.data.splits import Data, Split, joined
from tlkit.doctor import checks, label_errors
from tlkit.doctor.diagnosis import Diagnosis
from tlkit.errors import DataError, WeightsError
from tlkit.features import auto_choices, extraction, feature_sets, frontier
from tlkit.models.classifier import DEFAULTS, classifier, find_backbone, pieces
from tlkit.models.freezing import unfreeze
from tlkit.reporting.findings import Finding
from tlkit.tasks import registry
from tlkit.utils import environment
from tlkit.utils.progress import examples_bar

if TYPE_CHECKING:
    import keras

Lengths = Mapping[str, np.ndarray | None]  # split -> tokens of each text

MAX_EXAMPLES_JUDGED = 50_000  # a larger data set is sampled
MAX_SUSPECTS_LISTED = 20  # in the finding


def diagnose(data: Data, *, labels: bool = True, seed: int = 0, progress: bool = False) -> Diagnosis:
    """Examine a data set: counts, copies, leaks, outliers, shortcuts, texts and, by a pretrained network, labels.

    Args:
        data: the data set that a reader returned.
        labels: judge the labels too, where each example has one, and how many texts are cut off: the default backbone
            for the kind of data runs over all examples once; what it says is stored, and a training with it finds it
            there.
        seed: of the folds by which labels are judged.
        progress: show a bar for the backbone.

    Returns:
        The findings, the worst first. Where the weights of the backbone cannot be had, one of them says so.

    Examples:
        Texts of which two are the same, but not their labels:

        >>> texts = [f"letter {number} of {number * number}" for number in range(40)]
        >>> data = tlkit.arrays([*texts, "thank you", "thank you"], ["open", "done"] * 21)
        >>> diagnosis = tlkit.diagnose(data, labels=False)
        >>> [finding.code for finding in diagnosis.findings if finding.severity != "note"]
        ['conflict']
    """
    environment.check()
    label_findings: list[Finding] = []
    tokens, size = {}, None
    if labels and data.task != "label":
        label_findings.append(_unjudged(f"that is done for one label each, not for {data.task}"))
    read = data.kind == "text" and not registry.writes(data.task)  # of pictures nothing else is asked
    if labels and (data.task == "label" or read):
        backbone, head = DEFAULTS["entities" if data.task == "entities" else data.kind]
        try:
            if find_backbone(backbone).prepare:
                raise WeightsError("there is no backbone that knows this table before it is trained")
            clf = classifier(backbone, head, data.target, pairs=text_pairs.are_pairs(data.train.items))
        except WeightsError as error:
            label_findings.append(_unjudged(str(error)))
        else:
            size = clf.spec.input.size
            preprocessor = pieces(clf)[0]
            tokens = {name: clf.spec.input.tokens(preprocessor, split.items) for name, split in data.splits().items()}
            if data.task == "label":
                lengths = {
                    name: None if counts is None else np.minimum(counts, size) for name, counts in tokens.items()
                }
                label_findings += _labels(clf, data, lengths, seed, progress)
    known_tokens = {name: counts for name, counts in tokens.items() if counts is not None}  # pictures have none
    findings = [*checks.check(data, tokens=known_tokens, size=size), *label_findings]
    sizes = {name: len(split) for name, split in data.splits().items()}
    return Diagnosis(data.source, data.kind, data.kinds, data.counts(), tuple(findings), data.task, sizes)


def _unjudged(reason: str) -> Finding:
    remedy = "do what it says, or leave it out with --no-labels"
    return Finding("not_checked", "note", f"labels were not judged: {reason}", remedy)


# === Labels ===


def _labels(clf: keras.Model, data: Data, lengths: Lengths, seed: int, progress: bool) -> list[Finding]:
    """Find labels that are probably wrong from the features of the frozen backbone."""
    whole = joined(list(data.splits().values()))
    rows = np.arange(len(whole))
    if len(rows) > MAX_EXAMPLES_JUDGED:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), MAX_EXAMPLES_JUDGED, replace=False))
    splits = {name: split for name, split in data.splits().items() if len(split)}
    vectors = np.concatenate([_vectors(clf, split, lengths[name], progress) for name, split in splits.items()])
    seen = whole.seen(data.kind)
    copies = near_duplicates.exact(seen.digests)[rows]
    try:
        suspects = label_errors.find(vectors[rows], whole.labels[rows], groups=copies, seed=seed)
    except DataError as error:
        return [_unjudged(str(error))]
    if not len(suspects.numbers):
        return []
    descriptions = []
    for number, suggested in zip(rows[suspects.numbers][:MAX_SUSPECTS_LISTED], suspects.suggested, strict=False):
        label = data.labels[whole.labels[number]]
        descriptions.append((seen.names[number], f"labelled {label}, looks like {data.labels[suggested]}"))
    population = f"of {len(rows):,} examples" + (f", drawn from {len(whole):,}" if len(rows) < len(whole) else "")
    return [
        Finding(
            "suspect_label",
            "warning",
            f"{len(suspects.numbers):,} labels {population} are probably wrong",
            "look at them, the most doubtful first, and correct or remove them; one in six may well be right",
            len(suspects.numbers),
            tuple((name,) for name, _ in descriptions),
            tuple(description for _, description in descriptions),
        )
    ]


def _vectors(clf: keras.Model, split: Split, lengths: np.ndarray | None, progress: bool) -> np.ndarray:
    """Return the frozen features of a split, float32 (n, features), stored as a training would store them."""
    unfreeze(clf, 0)
    cut = frontier.find(clf)
    source = feature_sets.source(clf, split, Reading(extraction.BATCH, clf.spec.resize), lengths)
    limit = auto_choices.budget(Compute())
    sizes = {0: auto_choices.example_bytes(cut, lengths)}
    _, stores, needed = auto_choices.stores(sizes, (len(split), 0), [1], limit)
    with examples_bar(len(split), progress) as bar:
        job = extraction.Job([(source, 1)], [cut], [stores[0]], budget=limit, needed=needed)
        (row,), _ = extraction.fill(job, bar.update)
    whole = len(split) // extraction.BATCH * extraction.BATCH
    orders = [np.arange(whole).reshape(-1, extraction.BATCH), np.arange(whole, len(split))[None]]
    chunks = [arrays[0] for order in orders if order.size for arrays, _ in row[0].chunks(order, 1)]
    flat = np.concatenate([chunk.reshape(chunk.shape[0] * chunk.shape[1], -1) for chunk in chunks])
    vectors = np.empty_like(flat)
    vectors[source.order] = flat
    return vectors
