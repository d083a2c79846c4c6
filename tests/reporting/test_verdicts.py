"""Verdicts: each is given where its figures are, and only there."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers import made_up_runs
from tlkit.evaluation.classification_report import Report, score
from tlkit.reporting import verdicts

PHASE = {"name": "head", "best_epoch": 2, "trouble": "", "unfreeze": 0}
LABELS = ("a", "b")


def epochs(train: float = 0.9, val: float = 0.9, name: str = "accuracy", phase: str = "head") -> tuple[dict, ...]:
    """Return three epochs of which the second was the best."""
    figures = {"loss": 0.1, "val_loss": 0.1, name: train, f"val_{name}": val}
    return tuple({"phase": phase, "epoch": number, **figures} for number in (1, 2, 3))


def good(history: tuple = (), n: int = 200) -> Report:
    """Return the report of a model about which nothing is to be said."""
    truth = np.arange(n) % 2
    return score(truth, np.where(truth[:, None] == [0, 1], 0.98, 0.02), LABELS, history=history)


def codes(report: Report, phases: tuple = (), data: object = None) -> list[str]:
    return [finding.code for finding in verdicts.judge(report, phases, data)]


def test_where_nothing_stands_out_it_says_so() -> None:
    assert codes(good(epochs()), (PHASE,), made_up_runs.data(2)) == ["sound"]


@pytest.mark.parametrize(("train", "val", "told"), [(0.99, 0.8, True), (0.99, 0.95, False), (0.8, 0.99, False)])
def test_overfitting(train: float, val: float, told: bool) -> None:
    assert ("overfit" in codes(good(epochs(train, val)), (PHASE,))) == told
    title = "it overfits: accuracy 0.990 in training, 0.800 on val"
    assert (title in [each.title for each in verdicts.judge(good(epochs(train, val)), (PHASE,))]) == told


@pytest.mark.parametrize(("train", "val", "told"), [(1.0, 2.0, True), (1.0, 1.2, False)])
def test_overfitting_of_a_value_is_a_larger_error(train: float, val: float, told: bool) -> None:
    assert ("overfit" in codes(good(epochs(train, val, "mae")), (PHASE,))) == told


def test_phases() -> None:
    assert codes(good(epochs()), ({**PHASE, "best_epoch": 3},)) == ["unfinished"]
    assert codes(good(epochs()), ({**PHASE, "best_epoch": 0},)) == ["idle"]
    assert codes(good(epochs()), ({**PHASE, "trouble": "the loss is not finite"},)) == ["trouble"]


def test_a_base_that_does_not_suit() -> None:
    assert codes(good(epochs(0.5, 0.52)), (PHASE,), made_up_runs.data(2)) == ["base"]
    both = epochs(0.8, 0.8) + epochs(0.9, 0.9, phase="top")
    assert codes(good(both), ({**PHASE, "name": "top"},), made_up_runs.data(2)) == ["unfreeze"]


def test_few_test_examples_and_rare_classes() -> None:
    assert codes(good(n=60)) == ["few"]
    assert "rare" in codes(good(), (), made_up_runs.data(2, each=10))


def test_classes_that_are_not_found_are_named() -> None:
    truth = np.arange(200) % 2
    found = verdicts.judge(score(truth, np.tile([0.98, 0.02], (200, 1)), LABELS))
    assert [each.code for each in found] == ["poor", "calibration"]
    assert found[0].title == "fewer than half of the examples are found of b" and found[0].severity == "warning"


def test_a_report_that_was_loaded_is_judged_too() -> None:
    assert codes(dataclasses.replace(good(), y_true=None, probabilities=None, calibration={})) == ["sound"]


def curve(*figures: float, name: str = "accuracy") -> list[dict[str, float]]:
    return [{"examples": 100 * 2**n, f"val_{name}": value, "val_loss": 0.1} for n, value in enumerate(figures)]


@pytest.mark.parametrize(
    ("amounts", "told"),
    [
        (curve(0.5, 0.6, 0.8), True),
        (curve(0.5, 0.8, 0.8), False),
        (curve(0.5, 0.8, 0.81), False),  # a twentieth of the mistakes, no more than chance
        (curve(0.9, 0.8, 0.6, name="mae"), True),
        (curve(0.9, 0.8, 0.79, name="mae"), False),
        (curve(0.9), False),
        ((), False),
    ],
)
def test_too_little_data(amounts: list, told: bool) -> None:
    found = verdicts.judge(good(), (), made_up_runs.data(2), amounts)
    assert ("little" in [each.code for each in found]) == told
    assert not told or found[0].title.startswith("too little data: of 200 training examples the head gets")


def test_a_model_that_says_no_more_than_the_mean_or_the_first_sentence() -> None:
    common = {"history": (), "n": 200, "rows": (), "calibration": None}
    value = SimpleNamespace(target="value", mae=0.99, trivial={"mae": 1.0}, **common)
    summary = SimpleNamespace(target="summary", rouge={"rougeL": 0.2}, lead={"rougeL": 0.3}, **common)
    for report, words in ((value, "the mean says as much"), (summary, "first sentences say more")):
        (found,) = verdicts.judge(report)
        assert found.code == "base" and found.title.startswith(words)
    value.mae = 0.5
    assert [each.code for each in verdicts.judge(value)] == ["sound"]
