"""Estimate the uncertainty of figures: bootstrap intervals, and tests of two models on the same examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Intervals = dict[str, tuple[float, float]]
DRAWS = 1000
CONFIDENCE_LEVEL = 0.95  # of the draws lie within an interval


def bootstrap(
    figures: Callable[[np.ndarray], Mapping[str, float]], n: int, *, draws: int = DRAWS, seed: int = 0
) -> Intervals:
    """Return the 95 % percentile interval of each figure over samples of the examples, drawn with replacement.

    Args:
        figures: numbers of examples (n,), some of them several times -> name -> figure.
        n: how many examples there are.
        draws: samples.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    found = [figures(rng.integers(0, n, n)) for _ in range(draws)]
    tail = 100 * (1 - CONFIDENCE_LEVEL) / 2
    edges = {name: np.percentile([each[name] for each in found], (tail, 100 - tail)) for name in found[0]}
    return {name: (float(low), float(high)) for name, (low, high) in edges.items()}


def of_classes(truth: np.ndarray, guess: np.ndarray, losses: np.ndarray, classes: int) -> Intervals:
    """Return the intervals of accuracy, macro-F1 and mean loss.

    Args:
        truth, guess: class numbers (n,).
        losses: of each example (n,).
        classes: how many there are.
    """

    def figures(rows: np.ndarray) -> dict[str, float]:
        true, said = truth[rows], guess[rows]
        right = true == said
        both = np.bincount(true, minlength=classes) + np.bincount(said, minlength=classes)
        hits = np.bincount(true[right], minlength=classes)
        f1 = float(np.mean(2 * hits[both > 0] / both[both > 0]))
        return {"accuracy": float(right.mean()), "macro_f1": f1, "loss": float(losses[rows].mean())}

    return bootstrap(figures, len(truth))


def of_sums(sums: np.ndarray, figures: Callable[[np.ndarray], Mapping[str, float]]) -> Intervals:
    """Return the intervals of figures that follow from sums over the examples.

    Args:
        sums: what each example adds (n, ...).
        figures: the sum over the examples (...) -> name -> figure.
    """
    n, flat = len(sums), np.asarray(sums, np.float64).reshape(len(sums), -1)

    def drawn(rows: np.ndarray) -> Mapping[str, float]:
        return figures((np.bincount(rows, minlength=n) @ flat).reshape(sums.shape[1:]))

    return bootstrap(drawn, n)


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """Return the two-sided exact p-value of McNemar's test: how likely chance makes two equal models differ so much.

    Args:
        first, second: whether each model was right (n,), on the same examples in the same order.
    """
    from scipy.stats import binomtest

    only, other = int((first & ~second).sum()), int((second & ~first).sum())
    return float(binomtest(only, only + other).pvalue) if only + other else 1.0


def signed_rank(first: np.ndarray, second: np.ndarray) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test of two models' losses or errors.

    Args:
        first, second: of each model (n,), on the same examples in the same order; examples of the same loss are left
            out, as Wilcoxon did.
    """
    from scipy.stats import wilcoxon

    return float(wilcoxon(first, second).pvalue) if (first != second).any() else 1.0


def holm(chances: Sequence[float]) -> list[float]:
    """Return p-values as Holm's method corrects them for their number: none of them is too small by chance.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    corrected, least = [0.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        least = max(least, min(1.0, (len(chances) - rank) * chances[place]))
        corrected[place] = least
    return corrected
