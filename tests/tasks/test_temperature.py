"""The temperature that makes probabilities fit what is right."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.tasks.temperature import LIMITS, temperature


def drawn(count: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Return labels drawn from probabilities, and those probabilities made too sure by a factor of their scores."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(count, 3))
    real = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in real])
    shown = np.exp(sharpness * scores)
    return truth, shown / shown.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 3.0])
def test_it_undoes_what_was_too_sure_or_not_sure_enough(sharpness: float) -> None:
    assert temperature(*drawn(3000, sharpness)) == pytest.approx(sharpness, rel=0.12)


def test_what_fits_is_left_alone() -> None:
    assert temperature(*drawn(3000, 1.0)) == 1.0


def test_answers_that_are_always_wrong_stay_within_the_limits() -> None:
    answers = np.tile([0.98, 0.01, 0.01], (50, 1))
    assert LIMITS[0] < temperature(np.ones(50, int), answers) <= LIMITS[1]
