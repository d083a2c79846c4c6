"""The plan of a training: made once, by functions that leave the classifier as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import LIGHT, Phase
from tlkit.errors import InputError
from tlkit.features import auto_choices, extraction, frontier, mixed_precision
from tlkit.models import classifier, heads
from tlkit.runs import preview
from tlkit.training import estimate, learning_curve, loop, planning
from tlkit.training.checkpoint import Keeper
from tlkit.utils.progress import ProgressReporter

PHASES = (Phase("head", 1, 1e-2, 0), Phase("top", 1, 1e-3, 2), Phase("again", 1, 1e-3, 0))


def request(clf: Any, phases: tuple[Phase, ...] = PHASES, **compute: Any) -> planning.Request:
    asked = loop.Options(clf.spec.target, 8, 3, np.ones(2, np.float32), 0.0, 0.0, 0)
    return planning.Request(phases, None, [1], tlkit.Compute(**compute), asked, ProgressReporter(False))


def flags(clf: Any) -> list[bool]:
    """Return `trainable` of every layer and of every variable."""
    return [part.trainable for part in (*clf._flatten_layers(), *clf.variables)]


def test_a_phase_stands_at_the_cut_of_the_most_that_was_unfrozen_before_it() -> None:
    clf = tiny_models.tiny_classifier()
    plan = planning.plan(clf, tiny_models.colours(), request(clf), Keeper(None))
    assert [stage.depth for stage in plan.stages] == [2, 0] and plan.least == 0 and not plan.resumed
    assert [(phase.name, stage.depth) for phase, stage in plan.phases()] == [("head", 0), ("top", 2), ("again", 2)]
    assert plan.job.cuts == [stage.cut for stage in plan.stages] and set(plan.choices.stores) == {0, 2}
    assert [stage.cut.after for stage in plan.stages] == [("end1",), ("pool",)]


def test_a_phase_that_trains_nothing_is_refused_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def bare(inputs: dict, target: Any, **_: Any) -> Any:
        pooled = keras.layers.GlobalAveragePooling2D()(inputs["map"])
        return keras.layers.Softmax(name="probabilities")(pooled[:, : len(target.labels)])

    monkeypatch.setitem(heads.HEADS, "bare", heads.Head("bare", bare, takes=("map",)))
    clf = tiny_models.tiny_classifier()
    bare_clf = tlkit.classifier(clf.spec.backbone, "bare", 2, weights=None)
    before = flags(bare_clf)
    with pytest.raises(InputError, match="a phase with unfreeze=0 leaves nothing to train"):
        planning.plan(bare_clf, tiny_models.colours(), request(bare_clf), Keeper(None))
    assert flags(bare_clf) == before


# === Once ===


def test_fit_plans_once_and_finds_each_cut_once(monkeypatch: pytest.MonkeyPatch, stored: Path) -> None:
    calls: list[str] = []

    def counted(module: Any, name: str, label: Callable[..., str]) -> None:
        original = getattr(module, name)

        def wrapper(*given: Any, **more: Any) -> Any:
            calls.append(label(*given, **more))
            return original(*given, **more)

        monkeypatch.setattr(module, name, wrapper)

    clf = tiny_models.tiny_classifier()
    counted(planning, "plan", lambda *_: "plan")
    counted(planning, "sources", lambda *_: "sources")
    counted(frontier, "find", lambda *_: "find")
    counted(frontier, "segment", lambda _, start, end, **how: "tail" if end is None else "trunk")
    counted(extraction, "_places", lambda *_: "places")
    counted(auto_choices, "stores", lambda *_: "choices")
    tlkit.fit(clf, tiny_models.colours(), phases=PHASES, progress=False)
    # two different cuts for three phases: for each one search, one tail, and one part of the trunk
    assert sorted(calls) == sorted(["plan", "sources", "choices", "places", *2 * ["find", "tail", "trunk"]])


def test_how_often_the_parts_are_asked_for_does_not_grow_with_the_epochs(
    monkeypatch: pytest.MonkeyPatch, stored: Path
) -> None:
    import sys

    original, counts = classifier.pieces, []

    def counted(clf: Any) -> Any:
        counts.append(clf)
        return original(clf)

    for name, module in list(sys.modules.items()):
        if name.startswith("tlkit.") and getattr(module, "pieces", None) is original:
            monkeypatch.setattr(module, "pieces", counted)
    found = []
    for epochs in (1, 3):
        clf = tiny_models.tiny_classifier()
        counts.clear()
        phases = (Phase("head", epochs, 1e-2, 0), Phase("top", epochs, 1e-3, 2))
        tlkit.fit(clf, tiny_models.colours(), phases=phases, progress=False)
        found.append(len(counts))
    assert found[0] == found[1] > 0


# === Queries change nothing ===


@pytest.mark.parametrize("opened", [0, 1])
def test_queries_leave_every_trainable_flag_as_it_was(opened: int, stored: Path) -> None:
    clf, data = tiny_models.tiny_classifier(dropout=0.5), tiny_models.colours(120)
    tlkit.unfreeze(clf, opened)
    clf.head.layers[-1].trainable = opened == 1  # a state that no call of `unfreeze` makes
    before, phases = flags(clf), (Phase("a", 1, 1e-2, 1), Phase("b", 1, 1e-2, "all"))
    preview.plan(clf, phases, data)
    assert flags(clf) == before
    plan = planning.plan(clf, data, request(clf, phases), Keeper(None))
    assert flags(clf) == before
    estimate.worth(plan)
    estimate.measured(clf, plan)
    assert flags(clf) == before
    learning_curve.affordable(clf, data)
    learning_curve.learning_curve(clf, data, fractions=(1.0,))
    assert flags(clf) == before


def test_measuring_the_precision_of_the_steps_leaves_the_flags(monkeypatch: pytest.MonkeyPatch, stored: Path) -> None:
    clf, seen = tiny_models.tiny_classifier(), []
    before = flags(clf)
    monkeypatch.setattr(mixed_precision, "has_units", lambda: True)
    monkeypatch.setattr(mixed_precision, "measure", lambda clf, *_: (seen.append(flags(clf)), "float32")[1])
    monkeypatch.setattr(auto_choices, "WORTH", 1)
    planning.plan(clf, tiny_models.colours(), request(clf), Keeper(None))
    assert flags(clf) == before and len(seen) == 2, "of the trunk, and of the steps through the top blocks"
    assert seen[1] != before, "the steps are measured with the top blocks open"


# === Examples and made-up features ===


def test_train_is_augmented_and_val_is_not() -> None:
    clf, data = tiny_models.tiny_classifier(), tiny_models.colours()
    training, validation = planning.sources(clf, data, LIGHT, 7)
    assert (training.reading.augment, training.reading.seed) == (LIGHT, 7) and validation.reading.augment is None
    assert training.split.items is data.train.items and validation.split.items is data.val.items
    assert sorted(training.order) == list(range(len(data.train))) and training.lengths is None
    assert np.array_equal(training.split.labels, data.train.labels)


def test_features_are_made_up_of_the_types_and_the_usual_length() -> None:
    tensors = (keras.KerasTensor((None, None, 3), "float32"), keras.KerasTensor((None, None), "bool"))
    made, length = planning.made_up(SimpleNamespace(tensors=tensors), SimpleNamespace(lengths=np.array([4, 6])), 2)
    assert length == 5 and [array.shape for array in made] == [(2, 5, 3), (2, 5)]
    assert [str(array.dtype) for array in made] == ["float32", "bool"] and made[1].all() and np.ptp(made[0]) > 0
    again, alone = planning.made_up(SimpleNamespace(tensors=tensors), SimpleNamespace(lengths=None), 2)
    assert alone == 1 and again[0].shape == (2, 1, 3)
