"""Reports of a number to an example."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlkit.evaluation.regression_report import ValueReport
from tlkit.tasks.targets import Value

TRUTH = np.array([1.0, 2.0, 3.0, 6.0], np.float32)
ANSWERS = np.array([[1.5], [2.0], [2.0], [8.0]], np.float32)
FACTS: dict[str, Any] = {"split": "test", "history": (), "seconds": 1.0, "notes": ()}
PRICE = Value(("price",), mean=2.0, scale=2.0)


def report(truth: np.ndarray = TRUTH, answers: np.ndarray = ANSWERS) -> ValueReport:
    return ValueReport.of(PRICE, truth, [answers[:1], answers[1:]], FACTS)
