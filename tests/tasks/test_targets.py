"""Targets: their losses and figures against arithmetic by hand, what they refuse, and training on each."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import Phase
from tlkit.errors import InputError
from tlkit.tasks import predictions, targets
from tlkit.training import options

ONES = np.ones(2, np.float32)


def value(tensor: object) -> np.ndarray:
    return np.asarray(tensor)


# === Arithmetic ===


def test_the_loss_of_a_label_is_the_weighted_cross_entropy() -> None:
    target = targets.Label(("a", "b"))
    truth, answer = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]], np.float32)
    plain = -np.log([0.9, 0.6, 0.2])
    assert value(target.losses(truth, answer, 0.0, ONES)) == pytest.approx(plain, rel=1e-5)
    assert value(target.losses(truth, answer, 0.0, np.array([1.0, 3.0]))) == pytest.approx(plain * [1, 3, 3], rel=1e-5)
    smooth = -(0.95 * np.log(0.9) + 0.05 * np.log(0.1))
    assert value(target.losses(truth, answer, 0.1, ONES))[0] == pytest.approx(smooth, rel=1e-5)
    assert float(target.hits(truth, answer)) == 2


def test_the_loss_of_tags_is_the_mean_binary_cross_entropy() -> None:
    target = targets.Tags(("a", "b"))
    truth, answer = np.array([[1, 1], [0, 0]], np.float32), np.array([[0.9, 0.4], [0.2, 0.7]], np.float32)
    each = -np.log([[0.9, 0.4], [0.8, 0.3]])
    assert value(target.losses(truth, answer, 0.0, ONES)) == pytest.approx(each.mean(1), rel=1e-4)
    weighted = (each * [1, 3]).mean(1)
    assert value(target.losses(truth, answer, 0.0, np.array([1.0, 3.0]))) == pytest.approx(weighted, rel=1e-4)
    assert float(target.hits(truth, answer)) == 0.5 + 0.5


def test_the_loss_of_a_value_is_in_units_of_its_spread() -> None:
    target = targets.Value(("price",), mean=100.0, scale=10.0)
    truth, answer = np.array([100.0, 120.0], np.float32), np.array([[105.0], [90.0]], np.float32)
    assert value(target.losses(truth, answer, 0.0, ONES[:1])) == pytest.approx([0.25, 9.0])
    assert float(target.hits(truth, answer)) == 35.0


# === Names ===


def test_names_and_numbers_are_classes() -> None:
    assert targets.of(3) == targets.Label(("0", "1", "2")) and targets.of(["b", "a"]).labels == ("b", "a")
    tags = targets.Tags(("only",))
    assert targets.of(tags) is tags


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (targets.Label, {"labels": ("a",)}, "a classifier needs at least two labels, got 1"),
        (targets.Tags, {"labels": ()}, "tags need at least one name, got 0"),
        (targets.Tags, {"labels": ("a", "a")}, "these stand more than once: a"),
        (targets.Value, {"labels": ()}, "a value needs a name"),
        (targets.Value, {"labels": ("a", "b")}, "a value has one name, not 2: a, b"),
        (targets.Value, {"labels": ("a",), "scale": 0.0}, "give finite numbers, and a scale above 0"),
        (targets.Value, {"labels": ("a",), "mean": float("nan")}, "give finite numbers"),
    ],
)
def test_targets_that_cannot_be(kind: type, given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**given)


# === Predictions ===


def test_predictions_of_tags_name_those_from_a_half_on() -> None:
    import tensorflow as tf

    target = targets.Tags(("a", "b", "c"))
    answer = tf.constant([[0.6, 0.9, 0.1], [0.1, 0.2, 0.3]])
    served = {name: tensor.numpy() for name, tensor in target.served(answer).items()}
    first, second = target.predictions(served)
    assert first.tags == ("b", "a") and [name for name, _ in first.top_k] == ["b", "a", "c"] and second.tags == ()
    assert str(first).startswith("b|a\tb=0.9000 a=0.6000") and served["chosen"].tolist()[0] == [True, True, False]


def test_predictions_of_values_and_labels() -> None:
    import tensorflow as tf

    price = targets.Value(("price",))
    (found,) = price.predictions({k: v.numpy() for k, v in price.served(tf.constant([[2.5]])).items()})
    assert found == predictions.ValuePrediction("price", 2.5) and str(found) == "2.5\tprice"
    label = targets.Label(("a", "b"))
    (found,) = label.predictions({k: v.numpy() for k, v in label.served(tf.constant([[0.25, 0.75]])).items()})
    assert found == predictions.Prediction("b", 0.75, (("b", 0.75), ("a", 0.25))) and str(found) == "b\t0.7500"


# === Training ===


def told(kind: str) -> tlkit.Data:
    """Return pictures of two colours with tags or a value that follow from the colour."""
    data = tiny_models.colours()

    def truth(split: tlkit.Split) -> tlkit.Split:
        red = split.labels.astype(np.float32)
        labels = np.stack([red, 1 - red, np.ones_like(red)], 1) if kind == "tags" else 1000 + 50 * red
        return dataclasses.replace(split, labels=labels.astype(np.float32))

    names = ("red", "dark", "square") if kind == "tags" else ("price",)
    parts = {name: truth(split) for name, split in data.splits().items()}
    return dataclasses.replace(data, **parts, labels=names, task=kind)


@pytest.mark.parametrize(("kind", "figure"), [("tags", "accuracy"), ("value", "mae")])
def test_a_model_learns_tags_and_values_in_two_phases(kind: str, figure: str) -> None:
    data = told(kind)
    clf = tiny_models.tiny_classifier(data.target)
    phases = (Phase("head", 20, 3e-2, 0), Phase("top", 5, 1e-2, 1))
    history = tlkit.fit(clf, data, phases=phases, batch_size=8, augment="none", patience=20, progress=False)
    last = history.epochs[-1]
    answer = clf(tiny_models.pictures(2, 16)).numpy()
    if kind == "tags":
        assert last[f"val_{figure}"] > 0.95 and answer.shape == (2, 3)
    else:
        assert last[f"val_{figure}"] < 10 < history.epochs[0][f"val_{figure}"] and answer.shape == (2, 1)
        assert data.target.mean == pytest.approx(1025, abs=5) and data.target.scale == pytest.approx(25, abs=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sampling": "balanced"}, "sampling='balanced' is for one label each; leave it out for a value"),
        ({"class_weight": "balanced"}, "class_weight='balanced' is not for a value; leave it out"),
        ({"label_smoothing": 0.1}, "label_smoothing=0.1 is for labels and tags; leave it out for a value"),
    ],
)
def test_options_that_do_not_suit_a_value(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tlkit.fit(tiny_models.tiny_classifier(told("value").target), told("value"), progress=False, **given)


def test_data_of_another_target_are_refused() -> None:
    message = "the classifier learns one label, but the data hold tags; build it with data.target"
    with pytest.raises(InputError, match=message):
        tlkit.fit(tiny_models.tiny_classifier(3), told("tags"), progress=False)


def test_weights_of_tags_go_by_name() -> None:
    assert options.class_weights({"dark": 3.0}, told("tags")).tolist() == [1.0, 3.0, 1.0]
