"""What a model of a task answers: its last layers, the outputs that are read, and how the model card describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

TOP_K = 5
WORDS, FRACTIONS, COUNTS = "OSU", "f", "iu"  # kinds of NumPy's types: strings, floats, integers
RANKED = {"top_k_labels": (WORDS, 2), "top_k_probabilities": (FRACTIONS, 2)}


class Card(NamedTuple):
    """What a model card says of a task.

    Args:
        filed: what a hub files the model under; {kind} stands for the kind of data.
        maker: what the model is: "classifier".
        counted: how many labels it has; {count} stands for their number, {name} for the first.
        labels: what its labels are called; "" where they are not listed.
        shown: what of `answer` to print first, as Python code.
        answer: what it answers.
        strays: what it does with what it was not made for.
    """

    filed: str
    maker: str
    counted: str
    labels: str
    shown: str
    answer: str
    strays: str


def probabilities(x: keras.KerasTensor, words: keras.KerasTensor | None, count: int, name: str) -> keras.KerasTensor:
    """Add Dense(count), named "probabilities", its activation by name, and before that the scores of words, if any."""
    from keras import layers, ops

    # float32 whatever the policy: a softmax in half precision loses small probabilities
    x = layers.Dense(count, activation=name if words is None else None, dtype="float32", name="probabilities")(x)
    return x if words is None else getattr(ops, name)(x + words)


def ranked(answer: tf.Tensor, labels: tuple[str, ...]) -> dict[str, tf.Tensor]:
    """Name the most probable labels, TOP_K at most, and their probabilities: both (batch, k)."""
    import tensorflow as tf

    top, places = tf.math.top_k(answer, min(TOP_K, len(labels)))
    return {"top_k_labels": tf.gather(tf.constant(labels), places), "top_k_probabilities": top}


def tops(given: Mapping[str, Any]) -> list[tuple[tuple[str, float], ...]]:
    """Read what `ranked` named: of each example the labels with their probabilities."""
    rows = zip(np.asarray(given["top_k_labels"]), np.asarray(given["top_k_probabilities"]), strict=True)
    return [
        tuple((name.decode("utf-8"), float(share)) for name, share in zip(names, shares, strict=True))
        for names, shares in rows
    ]
