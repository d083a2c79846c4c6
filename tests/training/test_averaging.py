"""Mixtures of weights before and after a phase."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tlkit.features.feature_sets import Store
from tlkit.features.shards import Column
from tlkit.tasks.targets import Label
from tlkit.training import averaging, steps

TARGET = Label(("no", "yes"))


@pytest.fixture
def tail() -> keras.Model:
    inputs = keras.Input((2,))
    return keras.Model([inputs], TARGET.output(inputs))


def validation(count: int = 200) -> Store:
    """Return examples whose label is the sign of the first feature, but for a fifth of them."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, 2)).astype(np.float32)
    labels = (features[:, 0] > 0) ^ (rng.random(count) < 0.2)
    return Store(((Column([features], count, "float32"),),), labels.astype(np.int64))


def weights(slope: float) -> list[np.ndarray]:
    return [np.array([[0, slope], [0, 0]], np.float32), np.zeros(2, np.float32)]


def test_the_best_mixture_is_taken(tail: keras.Model) -> None:
    share, candidates = averaging.choose(tail, TARGET, validation(), weights(0.0), weights(8.0))
    losses = {row["share"]: row["val_loss"] for row in candidates}
    assert tuple(losses) == averaging.SHARES and losses[0.0] == pytest.approx(np.log(2), rel=1e-5)
    assert 0 < share < 1 and losses[share] == min(losses.values())
    np.testing.assert_allclose(tail.trainable_variables[0].numpy(), weights(8.0 * share)[0])


def test_what_is_not_better_is_put_back(tail: keras.Model) -> None:
    share, _ = averaging.choose(tail, TARGET, validation(), weights(1.0), weights(-3.0))
    assert share == 0
    for variable, value in zip(tail.trainable_variables, weights(1.0), strict=True):
        assert (variable.numpy() == value).all()


def test_weights_that_are_not_finite_are_never_taken(tail: keras.Model) -> None:
    share, candidates = averaging.choose(tail, TARGET, validation(), weights(1.0), weights(np.nan))
    assert share == 0 and all(np.isinf(row["val_loss"]) for row in candidates[1:])


def test_the_ends_are_exact() -> None:
    one, two = weights(0.1), weights(0.7)
    assert all((a == b).all() for a, b in zip(averaging.mixed(one, two, 1.0), two, strict=True))
    np.testing.assert_allclose(averaging.mixed(one, two, 0.5)[0], weights(0.4)[0], rtol=1e-6)


def test_losses_of_examples_are_those_of_the_target(tail: keras.Model) -> None:
    steps.assign(tail, weights(2.0))
    data = validation(70)
    losses = averaging._losses(steps.example_losses(tail, TARGET), data)
    answers = tail([data.views[0][0].pieces[0]]).numpy()
    np.testing.assert_allclose(losses, -np.log(answers[np.arange(70), data.labels]), rtol=1e-4)
