"""Reports of one label to an example."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlkit.evaluation.classification_report import Report, score

LABELS = ("cat", "dog", "owl")
TRUTH = [0, 0, 0, 1, 1, 2]
PROBABILITIES = np.array([[8, 1, 1], [6, 3, 1], [2, 7, 1], [1, 8, 1], [3, 6, 1], [5, 1, 4]]) / 10
HISTORY = [
    {"phase": phase, "epoch": epoch, "loss": 1 / epoch, "accuracy": 0.5, "val_loss": 1.1 / epoch, "val_accuracy": 0.4}
    | {"learning_rate": 1e-3, "seconds": 1.0}
    for phase, epoch in (("head", 1), ("head", 2), ("head", 3), ("top", 1), ("top", 2))
]


def small(**options: Any) -> Report:
    """Return the report of six answers that can be counted by hand."""
    return score(TRUTH, PROBABILITIES, LABELS, **options)


def many(classes: int, n: int = 1000, labels: list[str] | None = None) -> Report:
    """Return the report of `n` drawn answers, most of them right."""
    random = np.random.default_rng(0)
    truth = random.integers(0, classes, n)
    logits = random.normal(size=(n, classes))
    logits[np.arange(n), truth] += 3
    answers = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return score(truth, answers, labels or [f"class {c:03d}" for c in range(classes)])
