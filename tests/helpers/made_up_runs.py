"""A made-up run to write a page of, without any training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from tlkit.data.splits import Data, Split
from tlkit.evaluation import significance
from tlkit.evaluation.classification_report import Report, score
from tlkit.evaluation.report_base import Measured, Mistake
from tlkit.reporting.report_page import Story
from tlkit.training.fit import History

HOSTILE = '<script>alert("x")</script>&"\''
WORDS = np.array(["river", "bank", "loan", "tree", "<b>bold</b>", "fish"])


def history() -> History:
    """Return a history of two phases."""
    epochs = []
    for number, (phase, epoch) in enumerate((("head", 1), ("head", 2), ("head", 3), ("top", 1), ("top", 2))):
        record = {"phase": phase, "epoch": epoch, "loss": 1.2 / (number + 1), "accuracy": 1 - 0.5 / (number + 1)}
        record |= {"val_loss": 1.3 / (number + 1) + 0.2, "val_accuracy": 0.85 - 0.4 / (number + 1)}
        epochs.append(record | {"learning_rate": 1e-3, "seconds": 2.0})
    common = {"trouble": "", "stored_bytes": 1, "cut": ["x"]}
    head = {"name": "head", "unfreeze": 0, "trainable": 2562, "frozen": 3_413_024, "best_epoch": 3, "seconds": 8.1}
    top = {"name": "top", "unfreeze": 2, "trainable": 1_202_562, "frozen": 2_213_024, "best_epoch": 2, "seconds": 33.1}
    return History(tuple(epochs), (common | head, common | top), 12.3, 1200, 60.0, {})


def labels(classes: int) -> tuple[str, ...]:
    """Return names of classes, a hostile one first."""
    return (HOSTILE, *(f"class {number:03d}" for number in range(1, classes)))


def report(classes: int, n: int = 400) -> Report:
    """Return a report of a classifier that is right more often than not."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, n)
    scores = rng.normal(size=(n, classes))
    scores[np.arange(n), truth] += 2.5
    answers = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return score(truth, answers, labels(classes), history=history().epochs, temperature=1.3, notes=("Drawn.",))


def data(classes: int, kind: str = "image", each: int = 60) -> Data:
    """Return pictures of 32 pixels or short texts."""
    rng = np.random.default_rng(0)
    numbers = np.tile(np.arange(classes), each)
    if kind == "image":
        items = np.kron(rng.integers(0, 255, (len(numbers), 4, 4, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    else:
        items = [" ".join(rng.choice(WORDS, 12)) for _ in numbers]
    whole, cut = Split(items, numbers), len(numbers) // 5
    parts = np.split(rng.permutation(len(numbers)), [3 * cut, 4 * cut])
    return Data(*(whole.take(part) for part in parts), labels(classes), kind, f"/home/me/{kind}s", "Drawn at random.")


def story(classes: int, kind: str = "image") -> Story:
    """Return all that a page is written from, but a classifier."""
    measured, examples = report(classes), data(classes, kind)
    shown = [
        Mistake(examples.test.items[number], f"/home/me/{number}.png", *told)
        for number, (_, *told) in enumerate(measured.worst())
    ]
    finding = {"code": "leak", "severity": "warning", "title": "3 pictures stand twice", "remedy": "Remove them."}
    ledger = {"findings": [finding], "environment": {"python": "3.11"}, "settings": {"seed": 7}}
    ledger |= {"command": "tlkit train photos --out RUN"}
    return Story(dataclasses.replace(measured, mistakes=tuple(shown)), None, examples, history(), ledger)


def on_all(report: Measured, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Return what a report's intervals are computed from, on all examples once: they must be its figures."""

    def once(figures: Callable, n: int) -> dict[str, tuple[float, float]]:
        return {name: (value, value) for name, value in figures(np.arange(n)).items()}

    monkeypatch.setattr(significance, "bootstrap", once)
    return {name: low for name, (low, _) in report.intervals().items()}
