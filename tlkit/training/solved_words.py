"""Solve the scores of words beside those of the vector, and weigh both by answers out of fold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.features.feature_sets import Features
from tlkit.training import linear_model, steps
from tlkit.training.linear_model import Choice, Link, Rows

if TYPE_CHECKING:
    import keras
    from scipy.sparse import csr_array

# of the penalty on word scores, as scikit-learn's C; weaker than is usual for vectors, since most words are rare
STRENGTH = {"softmax": 10.0, "sigmoid": 10.0, "identity": 1.0}
# by what scores of the vector and of words are multiplied before they are added
VECTOR_SHARES, WORD_SHARES = (0.5, 0.7, 0.85, 1.0), (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
BATCH = 64  # examples read at a time


@dataclass(frozen=True, eq=False)
class WordModel:
    """Fitted scores of words.

    Args:
        idf: the inverse document frequency of each bucket, float32 (buckets + 1,).
        table: scores of each bucket, float32 (buckets + 1, outputs).
        bias: float64 (outputs,).
    """

    idf: np.ndarray
    table: np.ndarray
    bias: np.ndarray

    def scores(self, counts: csr_array) -> np.ndarray:
        """Return the scores of texts: float32 (texts, outputs)."""
        return (tf_idf(counts, self.idf) @ self.table + self.bias).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Fusion:
    """The weights of both scores.

    Args:
        vector, words: by what each is multiplied; words 0 where they bring nothing.
        loss: of the sum, out of fold.
    """

    vector: float
    words: float
    loss: float


def counts(features: Features, inputs: Sequence[keras.KerasTensor], buckets: int) -> csr_array:
    """Read the damped counts of words of a split: sparse float32 (examples, buckets + 1).

    Args:
        features: stored features of texts, whose order is kept.
        inputs: of the tail: a vector, ids int32 (batch, length) and counts float32 (batch, length).
        buckets: how many there are.
    """
    from scipy.sparse import csr_array, vstack

    ids_at = next(number for number, tensor in enumerate(inputs) if tensor.dtype == "int32")
    counts_at = next(n for n, tensor in enumerate(inputs) if n != ids_at and tensor.shape[1] is None)
    parts = []
    for order in steps.batches(np.arange(len(features.labels)), BATCH):
        for arrays, _ in features.chunks(order, 1):
            for ids, values in zip(arrays[ids_at], arrays[counts_at], strict=True):
                rows = np.repeat(np.arange(len(ids)), ids.shape[1])
                known = ids.ravel() > 0
                cells = (values.ravel()[known].astype(np.float32), (rows[known], ids.ravel()[known]))
                parts.append(csr_array(cells, shape=(len(ids), buckets + 1)))
    return csr_array(vstack(parts)) if parts else csr_array((0, buckets + 1), dtype=np.float32)


def tf_idf(counts: csr_array, idf: np.ndarray) -> csr_array:
    """Weigh counts by `idf` and divide by the norm over a text, as the layer `WordScores` does."""
    from scipy.sparse import csr_array, diags_array

    weighed = csr_array(counts @ diags_array(idf))
    norms = np.sqrt(np.asarray((weighed * weighed).sum(axis=1)).ravel())
    return csr_array(diags_array((1 / np.maximum(norms, 1e-12)).astype(np.float32)) @ weighed)


def fitted(counts: csr_array, rows: Rows, link: Link) -> WordModel:
    """Fit the scores of words to the truths of rows, one for each text."""
    texts = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = (np.log((1 + counts.shape[0]) / (1 + texts)) + 1).astype(np.float32)
    seen = np.flatnonzero(texts)
    known = dataclasses.replace(rows, features=tf_idf(counts, idf)[:, seen])
    ((kernel, bias),) = linear_model.unscaled(known, link, [STRENGTH[link]])
    table = np.zeros((counts.shape[1], rows.truths.shape[1]), np.float32)
    table[seen] = kernel
    return WordModel(idf, table, bias)


def choose(
    words: csr_array, pool: Rows, link: Link, choice: Choice, check: Callable[[], None] = lambda: None
) -> tuple[Fusion, Choice]:
    """Weigh the scores of words against those of the vector by their sum's loss on rows that were held out.

    Args:
        words: counts of the rows of `pool`.
        pool, link, choice: of the vector's model.
        check: called between fits; may raise, to stop.

    Returns:
        The weights, and the choice with the scores of the weighted sum.
    """
    scores = np.zeros_like(choice.scores)
    for mask in choice.held_out:
        scores[mask] = fitted(words[~mask], pool.take(~mask), link).scores(words[mask])
        check()
    judged = pool.take(choice.judged)
    vector, other = choice.scores[choice.judged], scores[choice.judged]
    losses = {
        (one, two): linear_model.mean_loss(one * vector + two * other, judged, link)
        for one in VECTOR_SHARES
        for two in WORD_SHARES
        if two or one == 1.0
    }
    best = min(losses, key=losses.__getitem__)
    both = best[0] * choice.scores + best[1] * scores
    return Fusion(*best, losses[best]), dataclasses.replace(choice, scores=both)


def layer_of(tail: keras.Model) -> Any:
    """Return the layer of a tail that scores words, or None."""
    return next((layer for layer in tail.layers if type(layer).__name__ == "WordScores"), None)
