"""What is compiled of a phase: steps and scores by hand, the schedule, and the state of dropout."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlkit.tasks import targets
from tlkit.training import steps

ONES = np.ones(2, np.float32)


def network(dropout: float = 0.0) -> Any:
    """Return a tail of one dense layer whose answers are known."""
    value = keras.Input((2,))
    x = keras.layers.Dropout(dropout)(value) if dropout else value
    tail = keras.Model([value], keras.layers.Dense(2, activation="softmax", name="dense")(x))
    tail.set_weights([np.array([[1.0, -1.0], [0.0, 0.0]], np.float32), np.zeros(2, np.float32)])
    return tail


class Idle(keras.layers.Dense):
    """A dense layer with a weight that nothing depends on."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.idle = self.add_weight(shape=(2,), name="idle")


VALUES = np.array([[[1, 0], [-1, 0]], [[1, 0], [1, 0]]], np.float32)
LABELS = np.array([[0, 1], [0, 1]])
LIKELY = np.exp(1) / (np.exp(1) + np.exp(-1))
LOSS = -(3 * np.log(LIKELY) + np.log(1 - LIKELY))


# === Steps and scores ===


def test_scores_are_sums_by_hand_and_train_nothing() -> None:
    tail = network()
    before = tail.get_weights()
    _, scores = steps.compiled(tail, targets.of(2), steps.optimizer(tail, 0.1, 9, 0.0), ONES * 7, 0.3)
    loss, right = scores([VALUES], LABELS)
    assert float(loss) == pytest.approx(LOSS, rel=1e-5) and float(right) == 3, "neither weights nor smoothing count"
    assert all(np.array_equal(a, b) for a, b in zip(tail.get_weights(), before, strict=True))


def test_a_step_trains_and_gives_the_sum_of_weighed_losses() -> None:
    tail = network()
    step, scores = steps.compiled(tail, targets.of(2), steps.optimizer(tail, 1e-9, 9, 0.0), np.array([1, 3.0]), 0.0)
    loss, right, bad = step([VALUES], LABELS)
    expected = -(2 * np.log(LIKELY) + 3 * np.log(LIKELY) + 3 * np.log(1 - LIKELY))
    assert float(loss) == pytest.approx(expected, rel=1e-4) and float(right) == 3 and int(bad) == -1
    tail = network()
    step, scores = steps.compiled(tail, targets.of(2), steps.optimizer(tail, 0.5, 9, 0.0), ONES, 0.0)
    step([VALUES], LABELS)
    assert float(scores([VALUES], LABELS)[0]) < LOSS


def test_the_first_step_whose_loss_is_no_number_is_named() -> None:
    tail, values = network(), VALUES.copy()
    values[1, 0, 0] = np.nan
    step, _ = steps.compiled(tail, targets.of(2), steps.optimizer(tail, 0.1, 9, 0.0), ONES, 0.0)
    assert int(step([values], LABELS)[2]) == 1


def test_gradients_are_of_all_that_the_loss_depends_on() -> None:
    tail = network()
    given, before = [tf.constant(VALUES[0])], tail.get_weights()
    assert len(steps.gradients(tail, targets.of(2))(given)) == 2
    assert all(np.array_equal(a, b) for a, b in zip(tail.get_weights(), before, strict=True))
    value = keras.Input((2,))
    idle = keras.Model([value], Idle(2, activation="softmax")(value))
    assert len(idle.trainable_variables) == 3 and len(steps.gradients(idle, targets.of(2))(given)) == 2


# === Schedule ===


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    made = steps.optimizer(network(), 0.1, 100, 0.0)
    rates = []
    for number in range(101):
        made.iterations.assign(number)
        rates.append(float(made.learning_rate))
    assert rates[0] == pytest.approx(steps.START * 0.1) and int(np.argmax(rates)) == 10 == 100 * steps.WARM_UP
    assert max(rates) == pytest.approx(0.1) and rates[100] == pytest.approx(0, abs=1e-8)
    assert np.all(np.diff(rates[:11]) > 0) and np.all(np.diff(rates[10:]) < 0)


def test_a_single_step_is_a_schedule_too() -> None:
    assert float(steps.optimizer(network(), 0.1, 1, 0.0).learning_rate) == pytest.approx(0.01)


def test_weight_decay_is_of_kernels_only() -> None:
    def moved(decay: float) -> list[np.ndarray]:
        tail = network()
        tail.get_layer("dense").bias.assign([1.0, 1.0])
        made = steps.optimizer(tail, 0.1, 10, decay)
        made.apply([tf.zeros_like(variable) for variable in tail.trainable_variables], tail.trainable_variables)
        return tail.get_weights()

    (kernel, bias), (plain, still) = moved(0.5), moved(0.0)
    assert plain[0].tolist() == [1, -1] and still.tolist() == bias.tolist() == [1, 1]
    assert kernel[0] == pytest.approx([1 - 0.01 * 0.5, -1 + 0.01 * 0.5])


# === Dropout ===


def test_dropout_draws_by_its_seed_alone() -> None:
    def drawn(seed: int, before: int = 0) -> list[list[float]]:
        tail = network(0.5)
        for _ in range(before):
            tail([np.ones((8, 2), np.float32)], training=True)
        steps.seed_dropout(tail, seed)
        return tail([np.ones((8, 2), np.float32)], training=True).numpy().tolist()

    assert drawn(3) == drawn(3) == drawn(3, before=2) != drawn(4)
