"""The arguments of fit: resolved by hand, and refused where they cannot be."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.helpers import tiny_data
from tlkit.config import LIGHT, STRONG, Augment, Phase
from tlkit.data.splits import Data
from tlkit.errors import InputError
from tlkit.features.auto_choices import VIEWS
from tlkit.tasks import targets
from tlkit.tasks.targets import Label, Tags, Value
from tlkit.training import loop, options

PHASES = (Phase("head", 2, 1e-2), Phase("top", 4, 1e-3, 2))


def data(truths: tuple[int, ...] = (0, 1, 0, 1, 0), **changes: Any) -> Data:
    made = tiny_data.texts(["one", "two", "three", "four", "five"], truths)
    return dataclasses.replace(made, **changes)


def classifier(target: Any = None, kind: str = "text") -> Any:
    """Return as much of a classifier as is looked at."""
    target = target or Label(("a", "b"))
    about = {"input": SimpleNamespace(kind=kind), "backbone": SimpleNamespace(name="tiny")}
    return SimpleNamespace(target=target, labels=target.labels, **about)


# === Augmentation and views ===


@pytest.mark.parametrize(
    ("augment", "kind", "flip", "expected"),
    [
        ("auto", "image", True, LIGHT),
        ("auto", "image", False, dataclasses.replace(LIGHT, flip=False)),
        ("auto", "text", True, None),
        ("none", "image", True, None),
        ("strong", "image", True, STRONG),
        (Augment(crop=0.5), "image", False, Augment(flip=False, crop=0.5)),
        (len, "image", False, len),
        (None, "text", True, None),
    ],
)
def test_augmentation(augment: Any, kind: str, flip: bool, expected: Any) -> None:
    assert options.augmentation(augment, kind, flip) == expected


def test_augmentation_that_cannot_be() -> None:
    with pytest.raises(InputError, match="unknown augment 'lite'; did you mean light"):
        options.augmentation("lite", "image", True)
    for augment in ("light", len):
        with pytest.raises(InputError, match="augment is for pictures; leave it out for texts"):
            options.augmentation(augment, "text", True)


def test_views_are_as_many_as_there_are_epochs_but_not_too_many() -> None:
    assert options.views(None, None, PHASES) == [1] == options.views(3, None, PHASES)
    assert options.views(7, LIGHT, PHASES) == [7] and options.views(None, LIGHT, PHASES[:1]) == [2, 1]
    assert options.views(None, LIGHT, (Phase("long", 10**6, 1e-3),)) == list(range(VIEWS, 0, -1))


@pytest.mark.parametrize("wanted", [0, -1, 1.5, "2"])
def test_views_that_cannot_be(wanted: Any) -> None:
    with pytest.raises(
        InputError, match=rf"views={wanted!r}: give the number of augmented versions to store, 1 or more"
    ):
        options.views(wanted, LIGHT, PHASES)


# === Classes ===


def test_balanced_weights_are_even_over_the_examples() -> None:
    uneven = data((0, 0, 1, 0, 1))
    assert options.class_weights("balanced", uneven).tolist() == [0.75, 1.5]
    weights = options.class_weights("balanced", uneven)[uneven.train.labels]
    assert weights.mean() == 1 and weights[:2].sum() == weights[2:].sum()
    assert options.class_weights(None, uneven).tolist() == [1, 1]


def test_weights_go_by_name() -> None:
    assert options.class_weights({"b": 3}, data()).tolist() == [1, 3]
    numbered = data(labels=("0", "1"))
    assert options.class_weights({1: 3.5}, numbered).tolist() == [1, 3.5]


@pytest.mark.parametrize(
    ("wanted", "changes", "message"),
    [
        ("even", {}, "class_weight 'even': give 'balanced' or a mapping of label to weight"),
        ({"c": 1}, {}, "unknown label in class_weight 'c'; "),
        ("balanced", {"task": "tags"}, "class_weight='balanced' is not for tags; leave it out"),
        ({"price": 1}, {"task": "value", "labels": ("price",)}, "is not for a value; leave it out"),
    ],
)
def test_weights_that_cannot_be(wanted: Any, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        options.class_weights(wanted, data(**changes))


def test_rare_classes_are_weighed_or_drawn_more_often() -> None:
    label = Label(("a", "b"))
    assert options.balanced("balanced", None, label) and not options.balanced("all", "balanced", label)
    for given, message in {
        ("balanced", "balanced", label): "which weighs rare classes twice; give one",
        ("even", None, label): "unknown sampling 'even'",
        ("balanced", None, Tags(("a", "b"))): "sampling='balanced' is for one label each; leave it out for tags",
    }.items():
        with pytest.raises(InputError, match=message):
            options.balanced(*given)


# === What suits the classifier ===


def test_data_that_suit() -> None:
    options.check(classifier(), data(), 1, 0, 0.5)
    options.check(classifier(targets.of(2)), data(), 8, 3, 0.0)  # built from a number of classes


@pytest.mark.parametrize(
    ("clf", "numbers", "message"),
    [
        (classifier(kind="image"), (8, 3, 0.0), "tiny takes images, but the data are texts"),
        (
            classifier(Tags(("a", "b"))),
            (8, 3, 0.0),
            "learns tags, but the data hold one label; build it with data.target",
        ),
        (
            classifier(Label(("b", "a"))),
            (8, 3, 0.0),
            r"has 2 labels \(b, a\), the data 2 \(a, b\); build it with data.l",
        ),
        (classifier(targets.of(9)), (8, 3, 0.0), r"has 9 labels \(0, 1, 2, 3, 4, ...\), the data 2"),
        (classifier(), (0, 3, 0.0), "batch_size=0, patience=3, label_smoothing=0.0: give a batch size of 1 or more"),
        (classifier(), (8, -1, 0.0), "a patience of 0 or more"),
        (classifier(), (8, 3, 1.0), "0 <= label_smoothing < 1"),
        (classifier(), (8, 3, float("nan")), "0 <= label_smoothing < 1"),
    ],
)
def test_what_does_not_suit(clf: Any, numbers: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        options.check(clf, data(), *numbers)


def test_smoothing_is_for_classes() -> None:
    values = data(task="value", labels=("price",))
    with pytest.raises(InputError, match=r"label_smoothing=0.1 is for labels and tags; leave it out for a value"):
        options.check(classifier(Value(("price",))), values, 8, 3, 0.1)


# === Written down ===


def test_settings_are_plain_values() -> None:
    asked = loop.Options(Label(("a", "b")), 8, 3, np.array([0.5, 2.0], np.float32), 1e-4, 0.1, 7, True)
    found = options.settings(PHASES, LIGHT, asked)
    assert json.loads(json.dumps(found)) == found and found["class_weight"] == [0.5, 2.0] and found["target"] == "label"
    assert found["phases"][1] == {"name": "top", "epochs": 4, "learning_rate": 1e-3, "unfreeze": 2}
    assert found["augment"] == dataclasses.asdict(LIGHT) and found["seed"] == 7 and found["balanced"] is True
    assert options.settings(PHASES, None, asked)["augment"] is None
    assert options.settings(PHASES, data, asked)["augment"] == "data"


def test_training_ends_what_calibration_did() -> None:
    target = dataclasses.replace(Label(("a", "b")), temperature=1.5)
    assert options.uncalibrated(target).temperature == 1.0 and target.temperature == 1.5
    tags = Tags(("a", "b"))
    assert options.uncalibrated(tags) is tags
