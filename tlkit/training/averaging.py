"""Mix the weights before and after a phase (WiSE-FT, https://arxiv.org/abs/2109.01903), chosen by validation loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.features.feature_sets import Features
from tlkit.tasks.targets import Target
from tlkit.training import steps

if TYPE_CHECKING:
    import keras

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the weights after the phase
BATCH = 64  # examples scored at a time


def choose(
    tail: keras.Model,
    target: Target,
    validation: Features,
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
) -> tuple[float, list[dict[str, float]]]:
    """Leave a tail with the best mixture of two sets of weights, by loss on the validation split.

    The batch statistics of a frozen backbone do not change, so a mixture of weights needs no other correction. The
    weights before are kept unless the best mixture is better by more than the standard error of the paired difference:
    a validation split of a few examples shows no smaller one.

    Args:
        tail: stored features -> answers; its trainable variables are assigned.
        target: what is learned.
        validation: features of the validation split.
        before, after: values of the trainable variables before and after the phase.

    Returns:
        The share of the weights after the phase that was taken, and for each candidate its share and val_loss.
    """
    losses = {}
    run = steps.example_losses(tail, target)
    for share in SHARES:
        steps.assign(tail, mixed(before, after, share))
        losses[share] = _losses(run, validation)
    means = {share: float(np.nan_to_num(values.mean(), nan=np.inf)) for share, values in losses.items()}
    best = min(SHARES, key=means.__getitem__)
    gain = losses[0.0] - losses[best]
    error = gain.std() / np.sqrt(max(1, len(gain) - 1))
    taken = best if gain.mean() > error else 0.0
    steps.assign(tail, mixed(before, after, taken))
    return taken, [{"share": share, "val_loss": mean} for share, mean in means.items()]


def mixed(before: Sequence[np.ndarray], after: Sequence[np.ndarray], share: float) -> list[np.ndarray]:
    """Return the weighted mean of two sets of weights; 0 and 1 give either set to the bit."""
    if share in (0.0, 1.0):
        return list(after if share else before)
    return [(1 - share) * old + share * new for old, new in zip(before, after, strict=True)]


def _losses(run: Any, features: Features) -> np.ndarray:
    """Return the loss of every example of a split, in no order but always the same."""
    numbers = np.arange(len(features.labels))
    parts = [run(*chunk) for part in steps.batches(numbers, BATCH) for chunk in features.chunks(part, 1)]
    return np.concatenate([np.ravel(part) for part in parts])
