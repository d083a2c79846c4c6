"""Heads that are solved: which can be, what they learn, and that a fit goes on where it was interrupted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.errors import InputError, Interrupted
from tlkit.features import frontier
from tlkit.models.freezing import unfrozen
from tlkit.tasks.targets import Tags, Value
from tlkit.training import linear_model, solved_head
from tlkit.training.checkpoint import Keeper

QUIET = {"augment": "none", "progress": False}


def data(count: int = 120, labels: int = 3) -> tlkit.Data:
    """Return pictures whose mean colour says the label, but for some noise."""
    rng = np.random.default_rng(0)
    names = np.arange(count) % labels
    pixels = rng.integers(0, 120, (count, 16, 16, 3)) + 100 * np.eye(3)[names][:, None, None]
    return tlkit.arrays(pixels.astype(np.uint8), [f"colour {name}" for name in names])


def tail(clf: object) -> object:
    with unfrozen(clf, 0):
        return frontier.segment(clf, frontier.find(clf), None)


# === Which heads ===


def test_linear_heads_are_known_by_their_layers() -> None:
    for target in (["a", "b"], Tags(("a", "b")), Value(("price",), 3.0, 2.0)):
        clf = tiny_models.tiny_classifier(target)
        assert solved_head.output_layer(tail(clf), clf.spec.target).name == target_name(clf)
    clf = tlkit.classifier(clf.spec.backbone, "pool_dense", 3, weights=None, hidden=4)
    assert solved_head.output_layer(tail(clf), clf.spec.target) is None


def target_name(clf: object) -> str:
    return "value" if clf.spec.target.name == "value" else "probabilities"


def test_features_that_memory_does_not_hold_are_not_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    clf = tiny_models.tiny_classifier(3)
    width = tail(clf).inputs[0].shape[-1]
    monkeypatch.setattr(solved_head, "MAX_VALUES", 100 * width)
    assert solved_head.solvable(tail(clf), clf.spec.target, 100, 1)
    assert not solved_head.solvable(tail(clf), clf.spec.target, 101, 1)
    history = tlkit.fit(clf := tiny_models.tiny_classifier(data().labels), data(), quality="fast", **QUIET)
    assert len(history.epochs) > 1 and history.refit is None and not clf.spec.learned_val


# === What is learned ===


def test_the_head_is_the_solution_on_train_and_val() -> None:
    examples = data()
    clf = tiny_models.tiny_classifier(examples.labels)
    history = tlkit.fit(clf, examples, quality="fast", **QUIET)
    (phase,) = history.phases
    assert phase["solved"]["folds"] == 5 and phase["solved"]["strength"] == history.refit["strength"]
    assert history.refit["examples"] == len(examples.train) + len(examples.val)
    features = np.concatenate([features_of(clf, part) for part in (examples.train, examples.val)])
    labels = np.concatenate([examples.train.labels, examples.val.labels])
    ones = np.ones((len(labels), 1), np.float32)
    rows = linear_model.Rows(features, np.eye(3, dtype=np.float32)[labels], ones, np.arange(len(labels)))
    (model,) = linear_model.fitted(rows, "softmax", [history.refit["strength"]])
    dense = clf.head.get_layer("probabilities")
    found = history.refit["temperature"]
    np.testing.assert_allclose(dense.kernel.numpy() * found, model.kernel, atol=1e-3 * np.abs(model.kernel).max())
    assert tlkit.evaluate(clf, examples.test).figures["accuracy"] > 0.8


def features_of(clf: object, split: object) -> np.ndarray:
    return clf.base(split.items.astype(np.float32))["map"].numpy().mean(axis=(1, 2))


def test_a_given_validation_split_is_not_learned() -> None:
    examples = dataclasses.replace(data(), val_given=True)
    clf = tiny_models.tiny_classifier(examples.labels)
    history = tlkit.fit(clf, examples, quality="fast", **QUIET)
    assert history.refit is None and not clf.spec.learned_val
    asked = tlkit.fit(tiny_models.tiny_classifier(examples.labels), examples, quality="fast", refit=True, **QUIET)
    assert asked.refit["examples"] == len(examples.train) + len(examples.val)


def test_what_learned_the_validation_split_is_not_calibrated_on_it() -> None:
    examples = data()
    clf = tiny_models.tiny_classifier(examples.labels)
    tlkit.fit(clf, examples, quality="fast", **QUIET)
    before = clf.head.get_layer("probabilities").kernel.numpy()
    assert tlkit.calibrate(clf, examples.val) == clf.spec.target.temperature
    assert (clf.head.get_layer("probabilities").kernel.numpy() == before).all()
    flat = examples.test.take(np.arange(len(examples.test)))
    wrong = dataclasses.replace(flat, labels=(flat.labels + 1) % 3)
    assert tlkit.calibrate(clf, wrong) > 1, "another split is calibrated on"


def test_values_and_tags_are_solved() -> None:
    rng = np.random.default_rng(0)
    bright = rng.integers(0, 200, 150)
    pixels = (bright[:, None, None, None] + rng.integers(0, 50, (150, 16, 16, 3))).astype(np.uint8)
    values = tlkit.arrays(pixels, bright * 2.0 + 7, task="value")
    clf = tiny_models.tiny_classifier(values.target)
    tlkit.fit(clf, values, quality="fast", **QUIET)
    spread = float(np.std(values.test.labels))
    assert tlkit.evaluate(clf, values.test).figures["mae"] < 0.3 * spread
    tags = tlkit.arrays(pixels, [["dark"] if one < 100 else ["bright"] for one in bright], task="tags")
    clf = tiny_models.tiny_classifier(tags.target)
    tlkit.fit(clf, tags, quality="fast", **QUIET)
    assert tlkit.evaluate(clf, tags.test).figures["micro_f1"] > 0.85


def test_weights_of_classes_shift_the_answers() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (200, 16, 16, 3)).astype(np.uint8)  # nothing to learn but how frequent classes are
    examples = tlkit.arrays(pixels, np.where(np.arange(200) % 10 == 0, "rare", "common"))
    shares = {}
    for name, options in {
        "plain": {},
        "weighed": {"class_weight": "balanced"},
        "drawn": {"sampling": "balanced"},
    }.items():
        clf = tiny_models.tiny_classifier(examples.labels)
        tlkit.fit(clf, examples, quality="fast", refit=False, **options, **QUIET)
        shares[name] = clf(examples.test.items.astype(np.float32)).numpy()[:, examples.labels.index("rare")].mean()
    assert shares["plain"] < 0.2 < 0.4 < shares["weighed"]
    assert shares["drawn"] == pytest.approx(shares["weighed"], abs=0.05)


def test_a_class_with_one_example_is_learned_and_said() -> None:
    examples = data(40)
    labels = examples.train.labels.copy()
    labels[labels == 2] = 0
    labels[0] = 2
    val = dataclasses.replace(examples.val, labels=examples.val.labels % 2)
    few = dataclasses.replace(examples, train=dataclasses.replace(examples.train, labels=labels), val=val)
    history = tlkit.fit(tiny_models.tiny_classifier(few.labels), few, quality="fast", **QUIET)
    (note,) = history.phases[0]["solved"]["notes"]
    assert note == "1 class has one example (colour 2), which is learned but judged by no fold"


def test_features_that_are_not_finite_are_named() -> None:
    examples = data()
    clf = tiny_models.tiny_classifier(examples.labels)
    layer = clf.base.layers[-1].get_layer("top_conv")
    layer.set_weights([np.full_like(value, np.nan) for value in layer.get_weights()])
    history = tlkit.fit(clf, examples, quality="fast", **QUIET)
    assert "features that are not finite for" in history.phases[0]["trouble"] and history.refit is None


def test_quality_and_phases_exclude_each_other() -> None:
    clf = tiny_models.tiny_classifier(3)
    with pytest.raises(InputError, match="quality='fast' chooses the phases; leave it out, or leave out phases"):
        tlkit.fit(clf, data(), quality="fast", phases=[tlkit.Phase("head", 1, 1e-3)], **QUIET)
    with pytest.raises(InputError, match="unknown quality 'best'"):
        tlkit.fit(clf, data(), quality="best", **QUIET)


# === Two phases ===


def test_the_second_phase_is_chosen_or_the_head_is_fitted_again() -> None:
    examples = data(260)
    clf = tiny_models.tiny_classifier(examples.labels)
    history = tlkit.fit(clf, examples, quality="good", **QUIET)
    head, top = history.phases
    assert head["solved"] and top["name"] == "top"
    assert (history.refit is None) == bool(top["best_epoch"])


@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_an_interrupted_fit_ends_with_the_same_bits(tmp_path: Path, stop_after: int) -> None:
    examples, clf = data(260), tiny_models.tiny_classifier(data().labels)
    start = clf.get_weights()
    options = {"quality": "good", "compute": tlkit.Compute(deterministic=True)} | QUIET
    tlkit.fit(clf, examples, run_dir=tmp_path / "whole", **options)
    whole, target = clf.get_weights(), clf.spec.target
    keeper, seen = Keeper(tmp_path / "cut"), []

    def stop(event: dict) -> None:
        seen.append(event)
        if len([one for one in seen if one["event"] == "epoch"]) > stop_after:
            keeper.stop.asked = True

    clf.set_weights(start)
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        tlkit.fit(clf, examples, run_dir=keeper, **(options | {"progress": stop}))
    clf.set_weights(start)
    tlkit.fit(clf, examples, run_dir=tmp_path / "cut", **options)
    assert all((one == two).all() for one, two in zip(whole, clf.get_weights(), strict=True))
    assert clf.spec.target == target
