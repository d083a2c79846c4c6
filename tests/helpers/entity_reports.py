"""Reports of entities."""

from __future__ import annotations

import numpy as np

import tlkit
from tlkit.evaluation import entity_report
from tlkit.tasks.entities import Entities

TARGET = Entities(("O", "B-LOC", "I-LOC", "B-PER", "I-PER"))
FACTS = {"split": "test", "history": (), "seconds": 1.0, "notes": ("drawn",)}


def answers(*rows: str, right: float = 0.6) -> np.ndarray:
    """Return probabilities (texts, tokens, tags) that favour the tags of these numbers."""
    chosen = np.array([[int(tag) for tag in row] for row in rows])
    rest = (1 - right) / (len(TARGET.labels) - 1)
    return np.where(np.arange(len(TARGET.labels)) == chosen[..., None], right, rest)


def measured() -> tlkit.EntityReport:
    """Report on three texts of 4 tokens at most: of the second two words lie beyond, one of the third is nothing.

    The columns are [CLS] and then a subword each; the first text's second word has two subwords.
    """
    truth = np.array([[-1, 3, 4, -1, -1, -1], [-1, 1, 0, 3, 4, 0], [-1, 3, -1, -1, -2, -1]], np.int16)
    return entity_report.EntityReport.of(TARGET, truth, [answers("0340", "0103"), answers("033")], FACTS)
