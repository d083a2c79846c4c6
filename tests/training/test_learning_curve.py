"""The learning curve: nested parts, the same beginning, and more examples helping where they do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.features import extraction
from tlkit.training import estimate, learning_curve


def noisy(each: int = 95) -> tlkit.Data:
    """Return pictures whose colour tells their class, some of it hidden by noise."""
    rng = np.random.default_rng(0)
    numbers = np.tile([0, 1], each)
    items = rng.integers(0, 255, (len(numbers), 16, 16, 3)).astype(np.float32)
    items[..., 0] += 12.0 * numbers[:, None, None]
    return tlkit.arrays(np.clip(items, 0, 255).astype(np.uint8), numbers, labels=["dark", "red"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path))


def test_parts_hold_the_smaller_ones_and_each_class_as_often() -> None:
    labels = np.repeat([0, 1], [300, 100])
    order = learning_curve._nested(labels, "label", 0)
    assert sorted(order) == list(range(400))
    for count in (40, 100, 200):
        assert np.bincount(labels[order[:count]])[1] == pytest.approx(count / 4, abs=1)
    assert not np.array_equal(order, learning_curve._nested(labels, "label", 1))


def test_the_curve_leaves_the_classifier_as_it_was_and_is_the_same_again(home: None) -> None:
    data = noisy()
    clf = tiny_models.tiny_classifier(data.labels)
    before = [value.copy() for value in clf.get_weights()]
    found = tlkit.learning_curve(clf, data, fractions=(1 / 8, 1))
    assert [row["examples"] for row in found] == [round(len(data.train) / 8), len(data.train)]
    assert all(set(row) == {"examples", "val_accuracy", "val_loss"} for row in found)
    assert all(np.array_equal(a, b) for a, b in zip(before, clf.get_weights(), strict=True))
    assert tlkit.learning_curve(clf, data, fractions=(1 / 8, 1)) == found
    assert found[1]["val_loss"] < found[0]["val_loss"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_takes_what_fit_has_stored(home: None, monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    import keras

    monkeypatch.setattr(estimate, "WORTH", 0)  # so that fit counts what is stored before it computes
    data = noisy(95)
    built = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        built.append(tiny_models.tiny_classifier(data.labels))
    phases = [tlkit.Phase("head", 2, 1e-3), tlkit.Phase("top", 1, 1e-3, unfreeze=1)]
    compute = tlkit.Compute(precision)
    history = tlkit.fit(built[0], data, phases=phases, seed=5, compute=compute, progress=lambda event: None)
    passed = []
    fill = extraction.fill
    monkeypatch.setattr(extraction, "fill", lambda job: [passed.append(found := fill(job)), found][1])
    found = tlkit.learning_curve(built[1], data, history=history)
    assert [count for _, count in passed] == [0], "nothing is computed again"
    assert len(found) == 4


@pytest.mark.parametrize("task", ["few", "no frozen phase", "large"])
def test_where_it_is_not_affordable_there_is_none(home: None, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_models.colours(each=24) if task == "few" else noisy(95)
    clf, history = tiny_models.tiny_classifier(data.labels), None
    assert learning_curve.affordable(clf, noisy(95))
    if task == "no frozen phase":
        history = tlkit.fit(clf, data, phases=[tlkit.Phase("top", 1, 1e-3, unfreeze=1)], progress=False)
    if task == "large":
        monkeypatch.setattr(learning_curve, "WORK", 10)
    assert tlkit.learning_curve(clf, data, history=history) == []
