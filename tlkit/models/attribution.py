"""Where in one example a score comes from: Grad-CAM for pictures, words or cells left out for texts and tables."""

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

PIECES = 32  # of a longer text neighbouring words are left out together
# a run of letters and digits; a letter of a script that puts no spaces between words; any other sign
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|[^\w\s]")
BATCH = 32  # texts or rows computed at a time
HOT = (255.0, 32.0, 0.0)  # the colour of heat 1
LUMA = (0.299, 0.587, 0.114)  # what each colour adds to the brightness


@dataclass(frozen=True)
class Asked:
    """State what is to be explained.

    Args:
        base: raw input -> features.
        tail: features -> scores (batch, labels), before softmax or sigmoid.
        labels: the names of the scores.
        number: of the label whose score is explained, or None for the highest of each example.
        resize: how pictures are brought to the model's size.
    """

    base: keras.Model
    tail: keras.Model
    labels: tuple[str, ...]
    number: int | None
    resize: str


@dataclass(frozen=True, eq=False)
class Heat:
    """Show where in a picture a score comes from, by Grad-CAM.

    Args:
        label: whose score it is.
        score: the score itself, before softmax or sigmoid.
        picture: what the model saw, uint8 (height, width, 3).
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
        return np.round(grey * (1 - share) + np.array(HOT) * share).astype(np.uint8)


@dataclass(frozen=True)
class Words:
    """Tell which words of a text, or cells of a row, a score comes from: by how much it falls when they are left out.

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
    seen = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    return [
        Heat(asked.labels[number], float(score), picture, each)
        for number, score, picture, each in zip(numbers, chosen.numpy(), seen, heat, strict=True)
    ]


def _numbers(asked: Asked, scores: Any) -> np.ndarray:
    scores = np.asarray(scores)
    return np.argmax(scores, -1) if asked.number is None else np.full(len(scores), asked.number)


# === Texts ===


def words(asked: Asked, text: str | Sequence[str]) -> Words:
    """Leave out each word of a text, or of a pair of texts, in turn, and see by how much the score falls.

    That asks the whole model, tokenizer and all, and supposes nothing of its inside; what two words say only together
    is given to both.
    """
    parts = [text] if isinstance(text, str) else list(text)
    shorter, pieces = [], []
    for number, part in enumerate(parts):
        spans = _spans(part)
        left = [part[:start] + part[end:] for start, end in spans]
        shorter += [[*parts[:number], each, *parts[number + 1 :]] for each in left]
        edges = [0, *(start for start, _ in spans[1:]), len(part)] if spans else [0]
        own = [part[start:end] for start, end in pairwise(edges)]
        pieces += [f"\n{each}" if number and not place else each for place, each in enumerate(own)]
    rows = [parts, *shorter]
    return _left_out(asked, [row[0] for row in rows] if len(parts) == 1 else rows, pieces)


def _spans(text: str) -> list[tuple[int, int]]:
    """Return from where to where each word goes, or, of many words, so many neighbouring ones as come to PIECES."""
    found = [match.span() for match in WORD.finditer(text)]
    together = -(-len(found) // PIECES) or 1
    groups = [found[start : start + together] for start in range(0, len(found), together)]
    return [(group[0][0], group[-1][1]) for group in groups]


# === Tables ===


def cells(asked: Asked, row: np.ndarray, table: Sequence[Column]) -> Words:
    """Leave out each cell of a row in turn, as if it were missing, and see by how much the score falls.

    What is missing counts as the mean of a column of numbers, or as none of the categories.

    Args:
        asked: what is to be explained.
        row: float32 (columns,).
        table: the columns.
    """
    without = np.where(np.eye(len(row), dtype=bool), np.nan, row)
    pieces = [f"{own.name}: {own.cell(cell) or 'missing'}, " for own, cell in zip(table, row, strict=True)]
    pieces[-1] = pieces[-1].removesuffix(", ")
    return _left_out(asked, np.concatenate([row[None], without]).astype(np.float32), pieces)


# === What is left out ===


def _left_out(asked: Asked, given: Any, pieces: Sequence[str]) -> Words:
    """Compare the score of the first example with those of the others, each of which lacks a piece."""
    scores = _scores(asked, given)
    (number,) = _numbers(asked, scores[:1])
    falls = scores[0, number] - scores[1:, number]
    return Words(asked.labels[number], float(scores[0, number]), tuple(pieces), tuple(map(float, falls)))


def _scores(asked: Asked, given: Any) -> np.ndarray:
    import tensorflow as tf

    parts = [tf.constant(given[start : start + BATCH]) for start in range(0, len(given), BATCH)]
    return np.concatenate([asked.tail(asked.base(part, training=False), training=False).numpy() for part in parts])
