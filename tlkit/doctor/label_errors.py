"""Find labels that are probably wrong from the features of a pretrained network.

Each example is judged by a linear model that was fitted without it. How sure such a model may be, and which share of
the labels is wrong, are estimated together from its answers, so nobody needs to know that share: a label is a suspect
where it is more likely to be wrong than the example to be hard.

Measured with some labels changed, each to any other class alike; the range over three draws:

    features                             changed    suspects   of these changed   of the changed found
    trashnet, efficientnet_lite0             0 %           0
    2,527 x 1,280, 6 classes                 2 %     24- 33           .88-.93                .41-.59
                                             5 %     76-107           .85-.93                .55-.72
                                            10 %    205-240           .83-.87                .70-.79
    banking77, minilm_l6                     0 %           0
    10,003 x 384, 77 classes                 2 %    178-196           .93-.94                .84-.91
                                             5 %    473-500           .93-.95                .89-.93
                                            10 %    971-993           .95-.96                .93-.95

Labels that are wrong in the way in which classes resemble each other look like hard examples, and fewer are found: with
5 % changed, each to a class in proportion to the probability that a model gives it on average, .92-.97 of the suspects
were changed and .24-.52 of the changed found on trashnet, .99 and .45 (one draw) on banking77. One processor core takes
less than 2 s for trashnet and 5 s for banking77, once there are features.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlkit.errors import DataError, InputError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FOLDS = 5
MIN_EXAMPLES = 3  # different examples of a class; with fewer the model would judge it by one or none
MAX_FITTED = 50_000  # examples that a model, or the estimate of the rate, is fitted on at most; all are judged
CHUNK = 8_192  # examples judged at a time
MAX_SOLVER_STEPS = 100  # of the solver; it stops well before where the data are of an ordinary size
# Factors on the logits. A regularised model is less sure than it may be, and the more so, the more labels are wrong.
SHARPNESS = np.geomspace(1 / 32, 32, 61)
RATES = np.concatenate([[0.0], np.geomspace(0.0005, 0.5, 61)])  # shares of wrong labels
CAUTION = 2.0  # of two rates the lower is taken where its log likelihood is behind by no more than this


@dataclass(frozen=True, eq=False)
class Suspects:
    """The examples whose labels are probably wrong, the most suspicious first.

    Args:
        numbers: int64 (k,), the examples, counted as they were given.
        suggested: int64 (k,), the class that a model which has not seen the example prefers.
        margins: float64 (k,), that model's probability of the given class minus that of the suggested one, -1..0.
        chances: float64 (k,), the probability that the label is wrong, above 0.5; by it they are ordered.
        rate: a cautious estimate of the share of wrong labels among the judged: the lowest that fits about as well as
            the best one.
        judged: how many examples were judged; those of classes with fewer than three different ones were left out.
    """

    numbers: np.ndarray
    suggested: np.ndarray
    margins: np.ndarray
    chances: np.ndarray
    rate: float
    judged: int

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class _Answers:
    """Predictions for the examples that a model was not fitted on: arrays (n,), NaN if no model could judge one."""

    label_logs: np.ndarray  # log probability of the given class, float32 (n, sharpness)
    margins: np.ndarray
    suggested: np.ndarray


def find(features: np.ndarray, labels: np.ndarray, *, groups: np.ndarray | None = None, seed: int = 0) -> Suspects:
    """Find the examples whose labels are probably wrong.

    Wrong labels are taken to be spread evenly over the other classes. Those that follow how classes resemble each other
    look like hard examples, and fewer of them are found. Time grows with examples x features x classes up to 50,000
    examples, and far more slowly beyond: no model is fitted on more.

    Args:
        features: floats (n, width), one row for each example, such as the pooled output of a frozen backbone.
        labels: integers (n,).
        groups: (n,), equal for copies of one example, so that none is judged by a model that has seen another.
        seed: seeds the folds.

    Raises:
        InputError: arrays of the wrong shape or type.
        DataError: features that are not finite; fewer than two classes with three different examples each.
    """
    _check(features, labels, groups)
    copies = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    rows, folds = _usable(labels, copies)
    classes, class_numbers = np.unique(labels[rows], return_inverse=True)
    parts = _split(class_numbers, None if groups is None else copies[rows], folds, seed)
    answers = _answers(features, rows, class_numbers, parts, np.random.default_rng(seed))
    judged = np.flatnonzero(np.isfinite(answers.margins))
    rate, chances = _estimate(answers.label_logs[judged], len(classes))
    order = np.argsort(-chances, kind="stable")[: np.count_nonzero(chances > 0.5)]
    suspects = judged[order]
    suggested = classes[answers.suggested[suspects]].astype(np.int64)
    return Suspects(rows[suspects], suggested, answers.margins[suspects], chances[order], rate, len(judged))


# === Input ===


def _check(features: np.ndarray, labels: np.ndarray, groups: np.ndarray | None) -> None:
    if features.ndim != 2 or features.dtype.kind != "f" or not features.size:
        actual = f"{features.dtype} {features.shape}"
        raise InputError(f"features are {actual}; give floats (examples, width), pooled over places or tokens")
    if labels.shape != features.shape[:1] or labels.dtype.kind not in "iu":
        actual = f"{labels.dtype} {labels.shape}"
        raise InputError(f"labels are {actual}; give one integer for each of the {len(features):,} rows of features")
    if groups is not None and groups.shape != labels.shape:
        raise InputError(f"groups have the shape {groups.shape}; give one for each of the {len(labels):,} examples")
    # the extremes of a row carry its NaN or infinity, and need no second array of the size of the first
    bad = np.flatnonzero(~(np.isfinite(features.max(1)) & np.isfinite(features.min(1))))
    if len(bad):
        raise DataError(
            f"the features of {len(bad):,} examples are not finite, first of number {bad[0]}; "
            "leave these examples out, or check the weights that made them"
        )


def _usable(labels: np.ndarray, copies: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the examples of classes that can be judged, and how many folds the smallest of these allows."""
    classes, class_numbers = np.unique(labels, return_inverse=True)
    different = np.unique(np.stack([class_numbers, copies], axis=1), axis=0)[:, 0]
    counts = np.bincount(different)
    usable = counts >= MIN_EXAMPLES
    if usable.sum() < 2:
        raise DataError(
            f"wrong labels are found only among two or more classes with at least {MIN_EXAMPLES} different examples "
            f"each; {usable.sum()} of {len(classes)} are so large: add examples, or leave out the search for wrong "
            f"labels"
        )
    return np.flatnonzero(usable[class_numbers]), min(FOLDS, counts[usable].min())


def _split(
    class_numbers: np.ndarray, copies: np.ndarray | None, folds: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    splitter = StratifiedKFold if copies is None else StratifiedGroupKFold
    return splitter(folds, shuffle=True, random_state=seed).split(class_numbers, class_numbers, copies)


# === Cross-validated predictions ===


def _answers(
    features: np.ndarray,
    rows: np.ndarray,
    class_numbers: np.ndarray,
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    rng: np.random.Generator,
) -> _Answers:
    """Judge each example by a model that was fitted on the other folds.

    Args:
        features: of all examples.
        rows: those to judge.
        class_numbers: their classes, numbered without gaps.
        parts: for each fold, the indices into `rows` to fit on and those to judge.
        rng: draws the examples to fit on where there are too many.
    """
    count = len(rows)
    label_logs = np.full((count, len(SHARPNESS)), np.nan, np.float32)
    answers = _Answers(label_logs, np.full(count, np.nan), np.zeros(count, np.int64))
    for fitted, judged in parts:
        classes = np.unique(class_numbers[fitted])
        judged = judged[np.isin(class_numbers[judged], classes)]
        if len(classes) < 2:  # copies of one example may hold a class together
            continue
        chosen = _sample(fitted, class_numbers, rng)
        model = _fit(features[rows[chosen]], class_numbers[chosen])
        for start in range(0, len(judged), CHUNK):
            batch = judged[start : start + CHUNK]
            logits = np.full((len(batch), class_numbers.max() + 1), -np.inf)
            logits[:, classes] = _logits(model, features[rows[batch]])
            answers.label_logs[batch], answers.margins[batch], answers.suggested[batch] = _judge(
                logits, class_numbers[batch]
            )
    return answers


def _sample(fitted: np.ndarray, class_numbers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the examples to fit on: of each class the same share, and at least one."""
    if len(fitted) <= MAX_FITTED:
        return fitted
    mixed = rng.permutation(fitted)
    mixed = mixed[np.argsort(class_numbers[mixed], kind="stable")]
    sizes = np.bincount(class_numbers[mixed])
    quantile = (np.arange(len(mixed)) - np.repeat(np.cumsum(sizes) - sizes, sizes)) / np.repeat(sizes, sizes)
    return mixed[np.argsort(quantile, kind="stable")[:MAX_FITTED]]


def _fit(features: np.ndarray, class_numbers: np.ndarray) -> Pipeline:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler

    linear = LogisticRegression(C=4, tol=1e-3, max_iter=MAX_SOLVER_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a model stopped early is but a little smoother
        # rows of one length: else the models are too sure of examples far out, and call the labels of these wrong
        return make_pipeline(StandardScaler(), Normalizer(), linear).fit(features, class_numbers)


def _logits(model: Pipeline, features: np.ndarray) -> np.ndarray:
    logits = model.decision_function(features)
    return np.stack([np.zeros_like(logits), logits], axis=1) if logits.ndim == 1 else logits


def _judge(logits: np.ndarray, class_numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the given class's log probabilities (n, sharpness), its margin, and the best other class."""
    rows = np.arange(len(class_numbers))
    logits = logits - logits.max(1, keepdims=True)
    logs = np.stack([s * logits[rows, class_numbers] - np.log(np.exp(s * logits).sum(1)) for s in SHARPNESS], axis=1)
    odds = np.exp(logits)
    label_odds, total = odds[rows, class_numbers], odds.sum(1)
    odds[rows, class_numbers] = -1
    rivals = odds.argmax(1)
    return logs, (label_odds - odds[rows, rivals]) / total, rivals


# === Share of wrong labels ===


def _estimate(logs: np.ndarray, classes: int) -> tuple[float, np.ndarray]:
    """Estimate jointly the sharpness of the models and the share of wrong labels.

    A label is right with probability 1 - rate, and then distributed as the sharpened model says; else it is any other
    class with equal probability. Where features say little about the classes many rates fit; so the lowest is taken.

    Args:
        logs: log probability of the given class at each sharpness (n, sharpness).
        classes: their number.

    Returns:
        The share of wrong labels, and for each example the probability that its label is wrong.
    """
    likelihood = np.empty((len(RATES), len(SHARPNESS)))
    for column, log in enumerate(logs[:: 1 + len(logs) // MAX_FITTED].T):
        right, wrong = _ways(log, classes)
        likelihood[:, column] = [np.log(right + rate * (wrong - right)).sum() for rate in RATES]
    best = likelihood.max(1)
    lowest = np.argmax(best >= best.max() - CAUTION)
    right, wrong = _ways(logs[:, likelihood[lowest].argmax()], classes)
    rate = float(RATES[lowest])
    return rate, rate * wrong / (right + rate * (wrong - right))


def _ways(log: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how likely each given label is if it is right, and if it is wrong."""
    right = np.exp(np.maximum(log.astype(np.float64), -600))  # never 0, whose logarithm is needed
    return right, (1 - right) / (classes - 1)
