"""Figures for a rare class, where accuracy is near 1 even for a model that never predicts it."""

from __future__ import annotations

from typing import Any

import numpy as np

UNEVEN = 3  # times as many examples of one class as of another
PRECISIONS, BUDGETS = (0.9, 0.5), (0.01, 0.05)  # precisions wanted; shares of the examples that somebody looks at


def positive(truth: np.ndarray, classes: int) -> int | None:
    """Return the number of the rare class of two, or None where there are not two or none is rare.

    Args:
        truth: class numbers (n,).
        classes: how many there are.
    """
    counts = np.bincount(truth, minlength=classes)
    if classes != 2 or not counts.min() or counts.max() <= UNEVEN * counts.min():
        return None
    return int(counts.argmin())


def figures(truth: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Measure how well scores find what is rare.

    Args:
        truth: True for each example of the rare class, (n,).
        scores: the higher the likelier, (n,).

    Returns:
        `share` of the rare class; `average_precision`, the mean precision over all recalls, which is `share` for
        scores without sense; `recall_at_precision_0.9`, the largest recall of a threshold that is right in nine of ten
        alerts, and so on; `precision_in_top_0.01`, `recall_in_top_0.01`, where the hundredth of the examples with the
        highest scores is looked at, and so on. Where equal scores straddle that border, the mean over their orders.
    """
    from sklearn import metrics

    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    found = {"share": float(np.mean(truth))}
    found["average_precision"] = float(metrics.average_precision_score(truth, scores))
    for wanted in PRECISIONS:
        found[f"recall_at_precision_{wanted:g}"] = float(recall[precision >= wanted].max(initial=0.0))
    for share in BUDGETS:
        count = max(1, round(share * len(truth)))
        hits = _hits(truth, scores, count)
        found[f"precision_in_top_{share:g}"] = hits / count
        found[f"recall_in_top_{share:g}"] = hits / max(1, int(np.sum(truth)))
    return found


def _hits(truth: np.ndarray, scores: np.ndarray, count: int) -> float:
    """Return how many of the `count` highest scores are rare ones, those at the border counted by their share."""
    border = np.sort(scores)[-count]
    above, at = scores > border, scores == border
    return float(np.sum(truth[above]) + np.mean(truth[at]) * (count - np.sum(above)))


def lines(label: str, found: dict[str, Any]) -> list[str]:
    """Write the figures for a terminal."""
    recalls = [f"{found[f'recall_at_precision_{wanted:g}']:.3f} at precision {wanted:g}" for wanted in PRECISIONS]
    tops = []
    for share in BUDGETS:
        precision, recall = (found[f"{name}_in_top_{share:g}"] for name in ("precision", "recall"))
        tops.append(f"{precision:.0%} of the top {share:.0%} (recall {recall:.3f})")
    return [
        f"average precision {found['average_precision']:.3f} of {label!r}, {found['share']:.1%} of the examples",
        f"recall {', '.join(recalls)}",
        f"right are {', '.join(tops)}",
        "",
    ]
