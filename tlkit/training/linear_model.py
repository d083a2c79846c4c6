"""Linear models solved exactly: logistic and ridge regression, the penalty chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Link = Literal["softmax", "sigmoid", "identity"]
# from the strongest penalty to the weakest, as scikit-learn's C: what a loss weighs against half the squared weights
STRENGTHS = (1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
PATIENCE = 2  # weaker penalties without a lower loss before the search ends
SOLVER = {"maxiter": 100, "maxcor": 10, "ftol": 1e-6, "gtol": 1e-5}  # of SciPy's L-BFGS-B
# Features are divided by this power of their spread: 0 leaves differences of scale, 1 standardises. On frozen
# efficientnet_lite0 (trashnet, 20 photographs a class) 0, 0.5 and 1 give .719, .718 and .712, on banking77 the same.
POWER = 0.5
MIN_SPREAD = 1e-3  # share of the largest spread that counts at least; features that do not vary are left out


@dataclass(frozen=True, eq=False)
class Rows:
    """What a linear model is fitted to.

    Args:
        features: float32 (rows, width).
        truths: float32 (rows, outputs): shares of classes, of tags 0 to 1, or values in units of their spread.
        weights: float32 (rows, 1) or, of tags, (rows, outputs), of each loss; the views of an example share its weight.
        examples: int64 (rows,), the number of the example that a row belongs to; several rows may be views of one.
    """

    features: np.ndarray
    truths: np.ndarray
    weights: np.ndarray
    examples: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    @property
    def total(self) -> float:
        """The weight of all rows, about the number of examples."""
        return float(self.weights.sum(dtype=np.float64)) / self.weights.shape[1]

    def take(self, chosen: np.ndarray) -> Rows:
        """Return some rows, by number or by a mask."""
        return Rows(self.features[chosen], self.truths[chosen], self.weights[chosen], self.examples[chosen])

    def weighted(self, factor: float) -> Rows:
        """Return the rows with weights that are so many times as large."""
        return Rows(self.features, self.truths, self.weights * np.float32(factor), self.examples)

    def joined(self, other: Rows) -> Rows:
        """Return these rows and those of another split, whose examples are others."""
        numbers = other.examples + (self.examples.max(initial=-1) + 1)
        pairs = ((self.features, other.features), (self.truths, other.truths), (self.weights, other.weights))
        return Rows(*(np.concatenate(pair) for pair in pairs), np.concatenate([self.examples, numbers]))


@dataclass(frozen=True, eq=False)
class Linear:
    """A fitted linear model.

    Args:
        kernel: float64 (width, outputs).
        bias: float64 (outputs,).
    """

    kernel: np.ndarray
    bias: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return the scores before softmax or sigmoid, or the values: float32 (rows, outputs)."""
        return features @ self.kernel.astype(np.float32) + self.bias.astype(np.float32)


# === Losses ===


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def answers(scores: np.ndarray, link: Link) -> np.ndarray:
    """Turn scores into answers: probabilities, or values as they are."""
    if link == "softmax":
        return np.exp(_log_softmax(scores))
    return 1 / (1 + np.exp(-np.clip(scores, -60, 60))) if link == "sigmoid" else scores


def _losses(scores: np.ndarray, truths: np.ndarray, link: Link) -> tuple[np.ndarray, np.ndarray]:
    """Return losses, (rows, 1) of softmax, else (rows, outputs), and their derivatives by the scores."""
    if link == "softmax":
        logs = _log_softmax(scores)
        return -(truths * logs).sum(axis=1, keepdims=True), np.exp(logs) * truths.sum(axis=1, keepdims=True) - truths
    if link == "sigmoid":
        return np.logaddexp(0, scores) - truths * scores, answers(scores, link) - truths
    return (scores - truths) ** 2 / 2, scores - truths


def mean_loss(scores: np.ndarray, rows: Rows, link: Link) -> float:
    """Return the weighted mean loss of scores (rows, outputs), in nats; of values half the squared error."""
    losses, _ = _losses(scores, rows.truths, link)
    return float((losses * rows.weights).sum(dtype=np.float64) / rows.weights.sum(dtype=np.float64))


# === Fitting ===


def fitted(rows: Rows, link: Link, strengths: Sequence[float], smoothing: float = 0.0) -> Iterator[Linear]:
    """Fit a model for each strength, from the strongest penalty to the weakest, each from the one before.

    For the fit features are centred and scaled, as the penalty should not depend on their unit; the models take
    features as they are.

    Args:
        rows: what to fit; its features have to be finite.
        link: what stands between scores and answers.
        strengths: ascending, as `STRENGTHS`.
        smoothing: share of each truth that is spread over all classes.
    """
    mean, scale = _scaling(rows.features)
    features = (rows.features - mean.astype(np.float32)) * scale.astype(np.float32)
    basis = None
    if len(features) < features.shape[1]:  # the solution lies in what the rows span, so it is sought there
        left, values, basis = np.linalg.svd(features, full_matrices=False)
        features = left * values
    middle = 0.5 if link == "sigmoid" else 1 / rows.truths.shape[1]
    truths = rows.truths * (1 - smoothing) + middle * smoothing if smoothing else rows.truths
    fit = _ridge if link == "identity" else unscaled
    for kernel, bias in fit(Rows(features, truths, rows.weights, rows.examples), link, strengths):
        kernel = kernel if basis is None else basis.T.astype(np.float64) @ kernel
        kernel = kernel * scale[:, None]
        yield Linear(kernel, bias - mean @ kernel)


def _scaling(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and factor of each feature, float64 (width,); what does not vary gets the factor 0."""
    mean, spread = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    largest = spread.max(initial=0.0)
    varies = spread > 1e-7 * np.maximum(np.abs(mean), largest)
    scale = np.where(varies, 1 / np.maximum(spread, max(MIN_SPREAD * largest, 1e-30)) ** POWER, 0.0)
    size = np.sqrt(np.mean((spread * scale)[varies] ** 2)) if varies.any() else 1.0
    return mean, scale / size  # of unit mean square, whatever the unit of the features


def unscaled(rows: Rows, link: Link, strengths: Sequence[float]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield kernel and bias for each strength, by L-BFGS on features as they are, which may be a sparse array."""
    from scipy.optimize import minimize

    width, outputs = rows.features.shape[1], rows.truths.shape[1]

    def objective(flat: np.ndarray, strength: float) -> tuple[float, np.ndarray]:
        kernel, bias = flat[:-outputs].reshape(width, outputs), flat[-outputs:]
        scores = rows.features @ kernel.astype(np.float32) + bias.astype(np.float32)
        losses, slopes = _losses(scores, rows.truths, link)
        slopes = slopes * rows.weights
        loss = (losses * rows.weights).sum(dtype=np.float64) + (kernel**2).sum() / (2 * strength)
        by_kernel = (rows.features.T @ slopes).astype(np.float64) + kernel / strength
        gradient = np.concatenate([by_kernel.ravel(), slopes.sum(axis=0, dtype=np.float64)])
        return loss / rows.total, gradient / rows.total

    flat = np.zeros((width + 1) * outputs)
    for strength in strengths:
        flat = minimize(objective, flat, (strength,), method="L-BFGS-B", jac=True, options=SOLVER).x
        yield flat[:-outputs].reshape(width, outputs), flat[-outputs:]


def _ridge(rows: Rows, link: Link, strengths: Sequence[float]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    del link  # it is the identity
    roots = np.sqrt(rows.weights.astype(np.float64))
    centre = (rows.weights * rows.features).sum(axis=0, dtype=np.float64) / rows.total
    middle = (rows.weights * rows.truths).sum(axis=0, dtype=np.float64) / rows.total
    left, values, right = np.linalg.svd(roots * (rows.features - centre), full_matrices=False)
    turned = left.T @ (roots * (rows.truths - middle))
    for strength in strengths:
        kernel = right.T @ (values[:, None] / (values[:, None] ** 2 + 1 / strength) * turned)
        yield kernel, middle - centre @ kernel


# === Choosing the penalty ===


@dataclass(frozen=True, eq=False)
class Choice:
    """The penalty that cross-validation chose.

    Args:
        strength: the chosen one of `STRENGTHS`.
        losses: the mean loss on rows that a model was not fitted to, by strength; the search ends where it rises.
        held_out: a mask of rows for each fold.
        judged: a mask of the rows that were held out by some fold.
        scores: of the chosen strength, float32 (rows, outputs), each by a model that was not fitted to its example.
    """

    strength: float
    losses: dict[float, float]
    held_out: tuple[np.ndarray, ...]
    judged: np.ndarray
    scores: np.ndarray


def folds(classes: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Assign examples to folds, those of each class evenly: int64 (examples,), 0 to count - 1.

    Args:
        classes: int64 (examples,), a class of each, or zeros where there are none.
        count: how many folds.
        seed: of the random assignment.
    """
    rng = np.random.default_rng([seed, count])
    number, start = np.zeros(len(classes), np.int64), 0
    for one in np.unique(classes):
        members = rng.permutation(np.flatnonzero(classes == one))
        number[members] = (start + np.arange(len(members))) % count
        start += len(members)  # goes on where the last class ended, so that folds are of one size
    return number


def choose(
    rows: Rows,
    link: Link,
    held_out: Sequence[np.ndarray],
    smoothing: float = 0.0,
    check: Callable[[], None] = lambda: None,
) -> Choice:
    """Choose the penalty of the lowest loss on rows that were held out.

    Args:
        rows: all rows.
        link: what stands between scores and answers.
        held_out: a mask of rows for each fold; rows that no fold holds out are fitted in all and judged in none.
        smoothing: of the truths in the fit, not in the judgement.
        check: called between fits; may raise, to stop.
    """
    paths = [fitted(rows.take(~mask), link, STRENGTHS, smoothing) for mask in held_out]
    judged = np.logical_or.reduce(held_out)
    best, losses = None, {}
    for number, strength in enumerate(STRENGTHS):
        scores = np.zeros(rows.truths.shape, np.float32)
        for mask, path in zip(held_out, paths, strict=True):
            scores[mask] = next(path).scores(rows.features[mask])
            check()
        losses[strength] = mean_loss(scores[judged], rows.take(judged), link)
        if best is None or losses[strength] < losses[STRENGTHS[best[0]]]:
            best = number, scores
        elif number - best[0] >= PATIENCE:
            break
    return Choice(STRENGTHS[best[0]], losses, tuple(held_out), judged, best[1])
