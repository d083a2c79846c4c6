"""Grad-CAM attribution for pictures, leave-one-out attribution for words of texts and cells of tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.data.table_columns import Column

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

MAX_PIECES = 32  # neighbouring words of a longer text are left out together
# a run of letters and digits; a letter of a script that puts no spaces between words; any other sign
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|[^\w\s]")
BATCH = 32  # texts or rows computed at a time
HEAT_COLOUR = (255.0, 32.0, 0.0)
LUMA = (0.299, 0.587, 0.114)  # the weights of red, green and blue in the brightness


@dataclass(frozen=True)
class Asked:
    """An attribution request: a model and the score to explain.

    Args:
        base: raw input -> features.
        tail: features -> scores (batch, labels), before softmax or sigmoid.
        labels: the names of the scores.
        number: the number of the label whose score is explained, or None for the highest score of every example.
        resize: the way pictures are resized to the model's size.
    """

    base: keras.Model
    tail: keras.Model
    labels: tuple[str, ...]
    number: int | None
    resize: str


@dataclass(frozen=True, eq=False)
class Heat:
    """The parts of a picture that a score comes from, by Grad-CAM.

    Args:
        label: the label of the score.
        score: the score, before softmax or sigmoid.
        picture: the picture as resized for the model, uint8 (height, width, 3).
        heat: float32 (height, width), 0..1, 1 where the score gains most; all 0 where nothing speaks for the label.
    """

    label: str
    score: float
    picture: np.ndarray
    heat: np.ndarray

    def overlay(self, strength: float = 0.7) -> np.ndarray:
        """Return the picture in grey with its hot places in red, uint8 (height, width, 3); `strength` 0..1 is how red.

        In grey, so that red things and hot ones can be told apart.
        """
        share = strength * self.heat[..., None]
        grey = (self.picture @ np.array(LUMA))[..., None]
        return np.round(grey * (1 - share) + np.array(HEAT_COLOUR) * share).astype(np.uint8)


@dataclass(frozen=True)
class Words:
    """The words of a text, or cells of a row, that a score comes from: the drop in score when they are left out.

    Args:
        label: whose score it is.
        score: the score of the whole, before softmax or sigmoid.
        pieces: the text, cut so that each piece holds one word with what surrounds it, or several of a long text; of a
            row, each column with its cell.
        weights: by how much leaving out the word or cell of each piece lowers the score; below 0 for what speaks
            against the label.
    """

    label: str
    score: float
    pieces: tuple[str, ...]
    weights: tuple[float, ...]


# === Pictures ===


def heats(asked: Asked, pixels: tf.Tensor) -> list[Heat]:
    """Compute the heat of pictures (batch, height, width, 3), 0..255, by Grad-CAM (https://arxiv.org/abs/1610.02391).

    Each channel of the backbone's last map counts by the mean gradient of the score with respect to it; what speaks
    against the label is left out.
    """
    import tensorflow as tf

    features = {name: tf.cast(value, tf.float32) for name, value in asked.base(pixels, training=False).items()}
    with tf.GradientTape() as tape:
        tape.watch(features["map"])
        scores = asked.tail(features, training=False)
        numbers = _numbers(asked, scores)
        chosen = tf.gather(scores, numbers, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(chosen, features["map"]), (1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * features["map"], -1, keepdims=True))
    heat = tf.image.resize(heat, pixels.shape[1:3])[..., 0].numpy()
    heat /= np.maximum(heat.max((1, 2), keepdims=True), 1e-12)
    shown = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    return [
        Heat(asked.labels[number], float(score), picture, heat_map)
        for number, score, picture, heat_map in zip(numbers, chosen.numpy(), shown, heat, strict=True)
    ]


def _numbers(asked: Asked, scores: Any) -> np.ndarray:
    scores = np.asarray(scores)
    return np.argmax(scores, -1) if asked.number is None else np.full(len(scores), asked.number)


# === Texts ===


def words(asked: Asked, text: str | Sequence[str]) -> Words:
    """Leave out every word of a text, or of a pair of texts, in turn, and measure the drop in score.

    This runs the whole model, including the tokenizer, and assumes nothing about its architecture; an effect that two
    words have only together is attributed to both.
    """
    parts = [text] if isinstance(text, str) else list(text)
    shorter, pieces = [], []
    for number, part in enumerate(parts):
        spans = _spans(part)
        left = [part[:start] + part[end:] for start, end in spans]
        shorter += [[*parts[:number], each, *parts[number + 1 :]] for each in left]
        edges = [0, *(start for start, _ in spans[1:]), len(part)] if spans else [0]
        segments = [part[start:end] for start, end in pairwise(edges)]
        pieces += [f"\n{each}" if number and not index else each for index, each in enumerate(segments)]
    rows = [parts, *shorter]
    return _left_out(asked, [row[0] for row in rows] if len(parts) == 1 else rows, pieces)


def _spans(text: str) -> list[tuple[int, int]]:
    """Return start and end of every word, or of groups of neighbouring words if there are more than MAX_PIECES."""
    word_spans = [match.span() for match in WORD.finditer(text)]
    together = -(-len(word_spans) // MAX_PIECES) or 1
    groups = [word_spans[start : start + together] for start in range(0, len(word_spans), together)]
    return [(group[0][0], group[-1][1]) for group in groups]


# === Tables ===


def cells(asked: Asked, row: np.ndarray, table: Sequence[Column]) -> Words:
    """Leave out every cell of a row in turn, as if it were missing, and measure the drop in score.

    What is missing counts as the mean of a column of numbers, or as none of the categories.

    Args:
        asked: what is to be explained.
        row: float32 (columns,).
        table: the columns.
    """
    without = np.where(np.eye(len(row), dtype=bool), np.nan, row)
    pieces = [f"{column.name}: {column.cell(cell) or 'missing'}, " for column, cell in zip(table, row, strict=True)]
    pieces[-1] = pieces[-1].removesuffix(", ")
    return _left_out(asked, np.concatenate([row[None], without]).astype(np.float32), pieces)


# === What is left out ===


def _left_out(asked: Asked, variants: Any, pieces: Sequence[str]) -> Words:
    """Compare the score of the first example with those of the others, which lack one piece."""
    scores = _scores(asked, variants)
    (number,) = _numbers(asked, scores[:1])
    falls = scores[0, number] - scores[1:, number]
    return Words(asked.labels[number], float(scores[0, number]), tuple(pieces), tuple(map(float, falls)))


def _scores(asked: Asked, inputs: Any) -> np.ndarray:
    import tensorflow as tf

    parts = [tf.constant(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
    return np.concatenate([asked.tail(asked.base(part, training=False), training=False).numpy() for part in parts])
