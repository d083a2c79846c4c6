"""Reports of several tags to an example."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlkit.evaluation.multilabel_report import TagsReport
from tlkit.tasks.targets import Tags

NAMES = ("sun", "sea", "$snow_")
TRUTH = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)
ANSWERS = np.array([[0.9, 0.4, 0.1], [0.6, 0.5, 0.2], [0.2, 0.8, 0.1], [0.3, 0.1, 0.1]], np.float32)
FACTS: dict[str, Any] = {"split": "test", "history": (), "seconds": 1.0, "notes": ("Said.",)}


def report(truth: np.ndarray = TRUTH, answers: np.ndarray = ANSWERS, names: tuple[str, ...] = NAMES) -> TagsReport:
    return TagsReport.of(Tags(names), truth, [answers[:1], answers[1:]], FACTS)


def many(count: int) -> TagsReport:
    rng = np.random.default_rng(0)
    truth = rng.random((200, count)) < 0.3
    answers = np.clip(truth * rng.uniform(0.2, 1, (1, count)) + rng.uniform(0, 0.4, truth.shape), 0, 1)
    return report(truth.astype(np.float32), answers, tuple(f"tag {number:03}" for number in range(count)))
