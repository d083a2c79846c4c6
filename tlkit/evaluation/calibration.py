"""Calibrate probabilities: measure how far they are off, and fit the temperature that corrects them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.config import Reading
from tlkit.errors import InputError
from tlkit.tasks.targets import WORD_SCORES
from tlkit.tasks.temperature import SMALLEST, temperature

if TYPE_CHECKING:
    import keras

BINS = 15  # of equal width, as the literature reports ECE
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def calibrate(clf: keras.Model, split: Any, *, batch_size: int = 64) -> float:
    """Set a classifier's probabilities right by temperature scaling, in place.

    One number T, fitted on the examples of `split`, divides the scores before softmax (https://arxiv.org/abs/1706.04599).
    It goes into the weights of the head's last layer, so whatever is made of the model carries it, and no answer
    changes but in its probability. Where T does not fit better than chance would have it, it stays 1. A model that is
    trained again is to be calibrated again. A model whose head was refitted with the validation split (`tlkit.fit`) is
    calibrated already, by answers to examples that it had not seen; on that split its temperature is returned as it is.

    Args:
        clf: a classifier of tlkit with one label for each example.
        split: examples the model was not fitted to, such as `data.val`.
        batch_size: examples computed at a time.

    Returns:
        T: above 1 where the model was too sure of itself, below 1 where it was not sure enough.

    Raises:
        InputError: a model that is none of tlkit or has other answers than one label, a head without a last dense layer
            of tlkit, or a split without examples.

    Examples:
        With `data` and `clf` as in the example of `tlkit.fit`:

        >>> temperature = tlkit.calibrate(clf, data.val)
        >>> clf.spec.target.temperature == temperature > 0
        True
    """
    about = getattr(clf, "spec", None)
    if about is None or about.target.name != "label":
        raise InputError("only a classifier of tlkit with one label for each example is calibrated by a temperature")
    layer = next((layer for layer in clf.head.layers if layer.name == about.target.output_name), None)
    if not hasattr(layer, "kernel"):
        raise InputError(
            f"head {about.head!r} has no dense layer {about.target.output_name!r}; close it with `target.output(x)`"
        )
    if about.learned_val and split.digest(about.input.kind) == about.learned_val:
        return about.target.temperature
    truth = about.target.truths(clf, split)
    if not len(truth):
        raise InputError("the split has no examples to calibrate on; give data.val")
    answers = np.concatenate([answer.numpy() for answer in answered(clf, split, batch_size)])
    found = temperature(truth, answers)
    tables = [part.table for part in clf.head.layers if part.name == WORD_SCORES]  # its scores are divided, too
    for weight in (*layer.weights, *tables):
        weight.assign(weight.numpy() / np.float32(found))
    target = dataclasses.replace(about.target, temperature=about.target.temperature * found)
    clf.spec = dataclasses.replace(about, target=target)
    return found


def scaled(probabilities: np.ndarray, by: float) -> np.ndarray:
    """Return the probabilities that scores divided by a temperature give: (n, classes)."""
    if by == 1:
        return probabilities
    scores = np.log(np.maximum(np.asarray(probabilities, np.float64), np.finfo(np.float64).tiny)) / by
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def answered(clf: Any, split: Any, batch_size: int = 64) -> Iterator[Any]:
    """Yield what a classifier of tlkit answers to the examples of a split, batch by batch, in their order."""
    import tensorflow as tf

    answer = tf.function(lambda batch: clf(batch, training=False), reduce_retracing=True)
    reading = Reading(batch_size=batch_size, resize=clf.spec.resize)
    for batch in clf.spec.input.batches(split, reading):
        yield answer(batch)


# === Figures ===


def bins(truth: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float]]:
    """Group examples by how sure their answer is: for each group from, to, examples, confidence and accuracy.

    Groups of equal width; empty ones are left out. `confidence` is the mean probability of the answers, `accuracy` the
    share that is right.
    """
    sure, right = _answers(truth, probabilities)
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    groups = []
    for number in np.unique(place):
        own = place == number
        facts = {"from": number / BINS, "to": (number + 1) / BINS, "examples": int(own.sum())}
        groups.append(facts | {"confidence": float(sure[own].mean()), "accuracy": float(right[own].mean())})
    return groups


def ece(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the expected calibration error, 0..1: how far, on average, confidence is from accuracy, in 15 groups."""
    found = bins(truth, probabilities)
    gaps = sum(group["examples"] * abs(group["confidence"] - group["accuracy"]) for group in found)
    return gaps / max(1, len(truth))


def coverage(truth: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float | None]]:
    """Tell what a model gains by keeping silent: for each threshold the share answered and the accuracy of those.

    The accuracy is None where nothing is answered.
    """
    sure, right = _answers(truth, probabilities)
    rows: list[dict[str, float | None]] = []
    for threshold in THRESHOLDS:
        kept = sure >= threshold
        known = float(right[kept].mean()) if kept.any() else None
        rows.append({"threshold": threshold, "coverage": float(kept.mean()), "accuracy": known})
    return rows


def facts(truth: np.ndarray, probabilities: np.ndarray, temperature: float) -> dict[str, Any]:
    """Describe the calibration of answers, and what it was before a temperature was applied.

    Args:
        truth: class numbers (n,).
        probabilities: as the model answers now (n, classes).
        temperature: by which its scores were divided.
    """
    before = scaled(probabilities, 1 / temperature)
    return {
        "temperature": temperature,
        "ece": ece(truth, probabilities),
        "ece_before": ece(truth, before),
        "loss_before": float(-np.log(np.maximum(before[np.arange(len(truth)), truth], SMALLEST)).mean()),
        "bins": bins(truth, probabilities),
        "coverage": coverage(truth, probabilities),
    }


def lines(facts: Mapping[str, Any]) -> list[str]:
    """Say in a line what a temperature changed; nothing where none was applied."""
    if facts.get("temperature", 1.0) == 1:
        return []
    told = f"temperature {facts['temperature']:.2f}, expected calibration error {facts['ece']:.3f}"
    return [f"calibrated: {told} (before: {facts['ece_before']:.3f})"]


def _answers(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how sure each answer is, and whether it is right."""
    probabilities = np.asarray(probabilities)
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == np.asarray(truth)
