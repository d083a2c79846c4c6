"""Evaluate a classifier on a split."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.errors import InputError
from tlkit.evaluation import calibration
from tlkit.evaluation.report_base import REPORTS, SAMPLES, Measured, Mistake
from tlkit.utils import environment, lazy

if TYPE_CHECKING:
    import keras


def evaluate(
    clf: keras.Model,
    split: Any,
    *,
    history: Any = None,
    notes: Sequence[str] = (),
    name: str = "test",
    batch_size: int = 64,
) -> Measured:
    """Measure a model on one split of the data.

    Args:
        clf: a model that tlkit built or loaded.
        split: its items, read with the model's own input, and its labels as class numbers.
        history: what `tlkit.fit` returned; its epochs become part of the report.
        notes: what a reader has to know about the figures.
        name: what the report calls the split.
        batch_size: examples computed at a time.

    Returns:
        The report of what the model learned: a `Report` of one label for each example.

    Raises:
        InputError: a model that tlkit does not know, or a split without examples.

    Examples:
        With `data`, `clf` and `history` as in the example of `tlkit.fit`:

        >>> report = tlkit.evaluate(clf, data.test, history=history)
        >>> report.n, report.confusion.shape, sorted(report.figures)
        (8, (2, 2), ['accuracy', 'loss', 'macro_f1'])
    """
    environment.check()
    about = getattr(clf, "spec", None)
    if about is None:
        raise InputError("this model carries no `spec`; build it by a tlkit factory or get it from tlkit.load")
    start = time.perf_counter()
    batch_size = min(batch_size, getattr(about.target, "scored", batch_size))
    kind, truth = lazy.resolve(REPORTS[about.target.name]), about.target.truths(clf, split)
    rows: list[np.ndarray] = []
    for number, answer in enumerate(calibration.answered(clf, split, batch_size)):
        part = truth[number * batch_size : (number + 1) * batch_size]
        rows.append(kind.kept(about.target, part, answer))
    if not rows:
        raise InputError("the split has no examples to evaluate; choose another split or read more data")
    seconds = time.perf_counter() - start
    epochs = () if history is None else history.epochs
    facts = {"split": name, "history": epochs, "seconds": seconds, "notes": tuple(notes)}
    measured = kind.of(about.target, truth, rows, facts | kind.beyond(clf, split))
    # spread over the split, which may be sorted by class
    chosen = np.linspace(0, measured.n - 1, min(SAMPLES, measured.n)).astype(int)
    samples = tuple(split.items[number] for number in chosen)
    seen = getattr(split, "traits", None)
    mistakes = [
        Mistake(split.items[number], str(seen.names[number]) if seen else "", *told)
        for number, *told in measured.worst(split.items)
    ]
    return dataclasses.replace(measured, samples=samples, mistakes=tuple(mistakes))
