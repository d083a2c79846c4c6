"""Solve a linear head exactly on stored features, where a schedule would have to guess how many steps it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.features.feature_sets import Features
from tlkit.tasks.targets import Target
from tlkit.tasks.temperature import temperature
from tlkit.training import linear_model, loop, solved_words, steps
from tlkit.training.linear_model import Choice, Rows
from tlkit.training.solved_words import Fusion

if TYPE_CHECKING:
    import keras
    from scipy.sparse import csr_array

ACTIVATIONS = {"softmax": "softmax", "sigmoid": "sigmoid", "identity": "linear"}
PLAIN_LAYERS = ("InputLayer", "Dropout", "Rescaling")  # beside the dense layer of a linear head
TOKENS = 64  # of a text, for an estimate of memory
MAX_VALUES = 1 << 27  # float32 numbers of features in memory at a time; larger problems are trained step by step
MAX_FOLDED = (
    2000  # examples: of more, the validation split says as much about a penalty as folds, in a fifth of the time
)
FOLDS = 5
BATCH = 64  # examples read at a time


def output_layer(tail: keras.Model, target: Target) -> keras.layers.Dense | None:
    """Return the dense layer that is all a tail trains, or None where the tail is no linear model of its input.

    Args:
        tail: stored features -> answers.
        target: what is learned.
    """
    words = solved_words.layer_of(tail)
    plain = PLAIN_LAYERS if words is None else (*PLAIN_LAYERS, "WordScores", "Add", "Softmax", "Sigmoid")
    dense = [layer for layer in tail.layers if type(layer).__name__ == "Dense"]
    others = {type(layer).__name__ for layer in tail.layers if layer not in dense}
    if target.link is None or len(tail.inputs) != (1 if words is None else 3) or len(dense) != 1 or others - set(plain):
        return None
    activation = ACTIVATIONS[target.link] if words is None else "linear"  # it follows the sum
    return dense[0] if dense[0].activation.__name__ == activation and dense[0].use_bias else None


def vector_of(tail: keras.Model) -> int:
    """Return which input of a linear tail is the vector, or the vectors of tokens; the others are of words."""
    return next(number for number, tensor in enumerate(tail.inputs) if tensor.shape[-1] is not None)


def solvable(tail: keras.Model, target: Target, examples: int, views: int) -> bool:
    """Return whether a head is linear, and so many examples are few enough to be solved in memory."""
    if output_layer(tail, target) is None:
        return False
    *tokens, width = tail.inputs[vector_of(tail)].shape[1:]
    return examples * views * (TOKENS if tokens else 1) * width <= MAX_VALUES


@dataclass(frozen=True, eq=False)
class Solution:
    """A linear head whose penalty is chosen.

    Args:
        link: what stands between scores and answers.
        choice: the penalty, and how it was chosen.
        train, val: the rows of both splits, of the training split all stored views.
        pool: the rows that were judged out of fold or fitted for it.
        folds: how many folds judged; 0 where the validation split did.
        smoothing: share of each truth that is spread over all classes.
        notes: what a reader of the report should know.
        words, fusion: counts of words in both splits, and the weights of their scores; None where a head has none.
    """

    link: linear_model.Link
    choice: Choice
    train: Rows
    val: Rows
    pool: Rows
    folds: int
    smoothing: float
    notes: tuple[str, ...]
    words: tuple[Any, Any] | None = None
    fusion: Fusion | None = None

    def assign(self, tail: keras.Model, target: Target, *, with_val: bool, temperature: float = 1.0) -> None:
        """Fit the training split, or both splits, with the chosen penalty, and set the weights of a tail to it.

        All scores are divided by the temperature.
        """
        rows = self.train.joined(self.val) if with_val else self.train
        model = next(linear_model.fitted(rows, self.link, [self.choice.strength], self.smoothing))
        kernel, bias = model.kernel / temperature, model.bias / temperature
        if self.fusion is not None:
            kernel, bias = kernel * self.fusion.vector, bias * self.fusion.vector
            bias = bias + self._assign_words(tail, rows, self.fusion.words / temperature, with_val=with_val)
        layer = output_layer(tail, target)
        layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])

    def _assign_words(self, tail: keras.Model, rows: Rows, share: float, *, with_val: bool) -> np.ndarray:
        """Set the scores of words times a share; return their bias."""
        layer = solved_words.layer_of(tail)
        if not share:
            layer.table.assign(np.zeros_like(layer.table.numpy()))
            return np.zeros(rows.truths.shape[1])
        counts = _stacked(self.words) if with_val else self.words[0]
        fitted = solved_words.fitted(counts, rows, self.link)
        layer.table.assign(share * fitted.table)
        layer.idf.assign(fitted.idf)
        return share * fitted.bias

    def out_of_fold(self) -> tuple[np.ndarray, np.ndarray]:
        """Return truths and scores, float32 (rows, outputs), of rows by models that were not fitted to them."""
        return self.pool.truths[self.choice.judged], self.choice.scores[self.choice.judged]

    def summary(self) -> dict[str, Any]:
        """Return what the history says of it, as plain values."""
        losses = {f"{strength:g}": loss for strength, loss in self.choice.losses.items()}
        facts = {"strength": self.choice.strength, "losses": losses, "folds": self.folds, "notes": list(self.notes)}
        return facts if self.fusion is None else facts | {"words": dataclasses.asdict(self.fusion)}


def solve(
    tail: keras.Model,
    target: Target,
    features: tuple[Features, Features],
    options: loop.Options,
    views: int,
    *,
    use_val: bool,
    check: Callable[[], None] = lambda: None,
) -> Solution | str:
    """Choose the penalty of a linear head.

    Where examples are few, folds judge the penalty: of both splits, or of the training split where the validation
    split is to stay apart. Where they are many, the validation split judges. The first view of each example is enough
    for that; the fit takes all.

    Args:
        tail: stored features -> answers; its head is linear.
        target: what is learned.
        features: of the training and of the validation split.
        options: class weights, balanced sampling, smoothing and the seed of the folds.
        views: how many stored views an example of the training split has.
        use_val: whether the validation split may be learned.
        check: called between fits; may raise, to stop.

    Returns:
        The solution, or why there is none: features that are not finite.
    """
    at, weights, balanced = vector_of(tail), options.class_weight, options.balanced
    train = rows(target, features[0], weights, at=at, views=views, balanced=balanced)
    val = rows(target, features[1], weights, at=at, balanced=balanced)
    first = train if views == 1 else train.take(np.arange(len(train)) < len(train) // views).weighted(views)
    for split in (train, val):
        if bad := int((~np.isfinite(split.features).all(axis=1)).sum()):
            return (
                f"the frozen part gives features that are not finite for {bad:,} of {len(split):,} rows; look at its "
                f"weights, or compute in float32"
            )
    many = len(features[0].labels) + len(features[1].labels) > MAX_FOLDED and len(val) > 0
    pool = first.joined(val) if many or use_val else first
    if many:
        held_out, notes = [np.arange(len(pool)) >= len(first)], ()
    else:
        held_out, notes = _held_out(pool, target, options.seed)
    choice = linear_model.choose(pool, target.link, held_out, options.label_smoothing, check)
    words, fusion = None, None
    if (layer := solved_words.layer_of(tail)) is not None:
        words = tuple(solved_words.counts(split, tail.inputs, layer.buckets) for split in features)
        of_pool = _stacked(words) if many or use_val else words[0]
        fusion, choice = solved_words.choose(of_pool, pool, target.link, choice, check)
    folds = 0 if many else len(held_out)
    return Solution(
        target.link, choice, train, val, pool, folds, options.label_smoothing, notes, words=words, fusion=fusion
    )


def refit(tail: keras.Model, solution: Solution, target: Target) -> dict[str, Any]:
    """Fit a solved head to both splits; scale it by the temperature of out-of-fold answers, where it has one label.

    Returns:
        "examples", "strength", "loss" of out-of-fold answers and, of one label, "temperature".
    """
    truths, scores = solution.out_of_fold()
    judged = solution.pool.take(solution.choice.judged)
    examples = len(np.unique(solution.train.examples)) + len(np.unique(solution.val.examples))
    facts = {"examples": examples, "strength": solution.choice.strength}
    facts["loss"] = linear_model.mean_loss(scores, judged, solution.link)
    found = 1.0
    if target.name == "label":
        found = temperature(truths.argmax(axis=1), linear_model.answers(scores, solution.link))
        facts["temperature"] = found
    solution.assign(tail, target, with_val=True, temperature=found)
    return facts


def _held_out(pool: Rows, target: Target, seed: int) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Return a mask of rows for each fold; a class with a single example is in none, which a note says."""
    _, first = np.unique(pool.examples, return_index=True)
    classes = pool.truths[first].argmax(axis=1) if target.link == "softmax" else np.zeros(len(first), np.int64)
    numbers = linear_model.folds(classes, FOLDS, seed)
    alone, notes = np.zeros(len(first), bool), ()
    if target.name == "label":
        alone = np.bincount(classes, minlength=pool.truths.shape[1])[classes] < 2
    if alone.any():
        names = [target.labels[number] for number in classes[alone]]
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        count = "1 class has" if len(names) == 1 else f"{len(names)} classes have"
        notes = (f"{count} one example ({shown}), which is learned but judged by no fold",)
        numbers[alone] = -1
    owners = numbers[pool.examples]
    masks = [owners == number for number in range(FOLDS)]
    return [mask for mask in masks if mask.any()], notes


def rows(
    target: Target, features: Features, class_weight: np.ndarray, *, at: int = 0, views: int = 1, balanced: bool = False
) -> Rows:
    """Read all stored views of a split: a row for each example, or for each token that has a truth."""
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    numbers = np.arange(len(features.labels))
    for view in range(1, views + 1):
        left = numbers
        for part in steps.batches(numbers, BATCH):
            for arrays, labels in features.chunks(part, view):
                for values, truths in zip(arrays[at], labels, strict=True):
                    parts.append(_unrolled(values, truths, left[: len(values)]))
                    left = left[len(values) :]
    if not parts:
        width, outputs = 0, len(target.labels)
        return Rows(np.zeros((0, width), np.float32), np.zeros((0, outputs), np.float32), np.zeros((0, 1)), numbers)
    arrays, truths, examples = (np.concatenate(column) for column in zip(*parts, strict=True))
    weights = _weights(target, truths, class_weight).astype(np.float32) / np.float32(views)
    if balanced:
        counts = np.bincount(truths, minlength=len(target.labels))
        weights *= (len(truths) / (np.count_nonzero(counts) * counts[truths]))[:, None].astype(np.float32)
    return Rows(arrays.astype(np.float32), _shares(target, truths), weights, examples)


def _unrolled(values: np.ndarray, truths: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, truths and example numbers of a batch, of tokens those that have a truth."""
    if values.ndim == 2:
        return values, truths, numbers
    length = min(values.shape[1], truths.shape[1])
    known = truths[:, :length] >= 0
    return values[:, :length][known], truths[:, :length][known], np.repeat(numbers, known.sum(axis=1))


def _shares(target: Target, truths: np.ndarray) -> np.ndarray:
    """Return what a linear model is fitted to: shares of classes, tags, or values in units of their spread."""
    if target.link == "softmax":
        return np.eye(len(target.labels), dtype=np.float32)[truths]
    return truths if target.link == "sigmoid" else ((truths - target.mean) / target.scale)[:, None].astype(np.float32)


def _weights(target: Target, truths: np.ndarray, class_weight: np.ndarray) -> np.ndarray:
    """Return the weight of each loss by the weights of classes or tags: (rows, 1), of tags (rows, outputs)."""
    if target.link == "softmax":
        return class_weight[truths][:, None]
    return np.broadcast_to(class_weight, truths.shape) if target.link == "sigmoid" else np.ones((len(truths), 1))


def _stacked(parts: Sequence[csr_array]) -> csr_array:
    """Stack sparse rows."""
    from scipy import sparse

    return sparse.csr_array(sparse.vstack(parts))
