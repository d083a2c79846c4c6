"""Intervals and the paired test, against what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.evaluation.significance import bootstrap, holm, mcnemar, signed_rank


def test_the_interval_of_a_share_is_the_binomial_one() -> None:
    right = np.arange(400) < 320
    (low, high) = bootstrap(lambda rows: {"accuracy": float(right[rows].mean())}, 400)["accuracy"]
    spread = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert low == pytest.approx(0.8 - spread, abs=0.008) and high == pytest.approx(0.8 + spread, abs=0.008)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=50)

    def mean(rows: np.ndarray) -> dict[str, float]:
        return {"mean": float(values[rows].mean())}

    assert bootstrap(mean, 50) == bootstrap(mean, 50) != bootstrap(mean, 50, seed=1)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1.0),  # they never differ
        ([1] * 5, [0] * 5, 2 / 2**5),
        ([1] * 9 + [0], [0] * 9 + [1], 2 * (1 + 10) / 2**10),
        ([1, 0], [0, 1], 1.0),
    ],
)
def test_mcnemar_by_hand(first: list[int], second: list[int], expected: float) -> None:
    a, b = np.array(first, bool), np.array(second, bool)
    assert mcnemar(a, b) == mcnemar(b, a) == pytest.approx(expected)


def test_signed_ranks_by_hand() -> None:
    base = np.arange(6.0)
    assert signed_rank(base, base + np.arange(1, 7)) == pytest.approx(2 / 2**6)  # every rank on one side
    assert signed_rank(base, base) == 1.0


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])  # 3 * 0.01, 2 * 0.03, and no less after it
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([0.02]) == [0.02] and holm([]) == []
