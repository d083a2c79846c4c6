"""Temperature scaling: the one number that makes the probabilities of a classifier fit what it gets right."""

from __future__ import annotations

import numpy as np

LIMITS = (0.05, 20.0)  # of a temperature
CHANCE = 3.84  # twice the log-likelihood that one more number gains by chance in 5 of 100 cases (chi-squared)
SMALLEST = 1e-7  # below this, probabilities in float32 say nothing


def temperature(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the temperature of the least cross-entropy, or 1.0 where that gains no more than chance.

    As after Platt, each truth counts as n + 1 of n + 2: examples that are all answered right would otherwise make the
    model certain of everything.

    Args:
        truth: class numbers (n,).
        probabilities: (n, classes).
    """
    from scipy.optimize import minimize_scalar

    scores = np.log(np.maximum(np.asarray(probabilities, np.float64), SMALLEST))
    n, classes = scores.shape
    targets = np.full((n, classes), 1 / ((n + 2) * (classes - 1)))
    targets[np.arange(n), truth] = (n + 1) / (n + 2)

    def loss(logarithm: float) -> float:
        cooled = scores / np.exp(logarithm)
        peak = cooled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(cooled - peak).sum(axis=1)) + peak[:, 0] - (targets * cooled).sum(axis=1)).sum())

    found = minimize_scalar(loss, bounds=np.log(LIMITS), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x)) if 2 * (loss(0.0) - found.fun) > CHANCE else 1.0
