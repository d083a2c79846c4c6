"""The loop of a phase: which batches come when, what an epoch is worth, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tlkit.config import Phase
from tlkit.errors import RunError
from tlkit.features import feature_sets
from tlkit.features.shards import Column
from tlkit.tasks import targets
from tlkit.training import loop
from tlkit.training.checkpoint import Keeper


class Watched:
    """Features that write down which examples every epoch asks for."""

    def __init__(self, count: int, ragged: bool) -> None:
        values = np.arange(count, dtype=np.float32)[:, None] / count
        self.inner = feature_sets.Store(((Column([values], count, "float32"),),), np.arange(count) % 2, ragged)
        self.labels, self.ragged, self.nbytes, self.asked = self.inner.labels, ragged, 0, []

    def chunks(self, order: np.ndarray, epoch: int) -> Iterator[feature_sets.Chunk]:
        self.asked.append((epoch, order))
        return self.inner.chunks(order, epoch)

    def order(self, epoch: int) -> list[np.ndarray]:
        return [batch for number, order in self.asked if number == epoch for batch in order]


def looped(count: int, ragged: bool, *, seed: int = 0, name: str = "head") -> tuple[Watched, list[np.ndarray]]:
    """Train a dense layer for two epochs; return what was asked for, and its weights."""
    import keras

    keras.utils.set_random_seed(0)
    value = keras.Input((1,))
    tail = keras.Model([value], keras.layers.Dense(2, activation="softmax")(value))
    training = Watched(count, ragged)
    asked = loop.Options(targets.of(2), 8, 9, np.ones(2), 0.0, 0.0, seed)
    features = (training, Watched(8, False))
    loop.train(tail, Phase(name, 2, 1e-2), features, asked, lambda record: None, Keeper(None))
    return training, tail.get_weights()


@pytest.mark.parametrize("ragged", [False, True])
def test_every_epoch_sees_every_example_once_in_another_order(ragged: bool) -> None:
    training, _ = looped(203, ragged)
    orders = [training.order(epoch) for epoch in (1, 2)]
    for batches in orders:
        assert sorted(np.concatenate(batches)) == list(range(203))
        assert sorted(map(len, batches)) == [3] + [8] * 25
    assert not np.array_equal(np.concatenate(orders[0]), np.concatenate(orders[1]))


def test_the_order_follows_from_seed_phase_and_epoch() -> None:
    first, same_again, seed, phase = (
        np.concatenate(looped(40, True, **given)[0].order(1)) for given in ({}, {}, {"seed": 1}, {"name": "top"})
    )
    assert np.array_equal(first, same_again)
    assert not np.array_equal(first, seed) and not np.array_equal(first, phase)


def test_examples_of_like_length_go_together_and_their_batches_at_random() -> None:
    def spread(ragged: bool) -> tuple[float, list[int]]:
        batches = looped(256, ragged)[0].order(1)
        return float(np.mean([np.ptp(batch) for batch in batches])), [int(batch[0]) for batch in batches]

    (together, starts), (apart, _) = spread(True), spread(False)
    assert together < 30 < 150 < apart
    assert np.abs(np.diff(starts)).mean() > 40, "batches stand by length"


def test_how_many_steps_go_at_a_time_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    _, many = looped(50, False)
    monkeypatch.setattr(feature_sets, "CHUNK", 1)
    _, single = looped(50, False)
    assert all(np.array_equal(a, b) for a, b in zip(many, single, strict=True))


# === Epochs ===


def network(kernel: list[list[float]] | None = None) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    value = keras.Input((1,))
    tail = keras.Model([value], keras.layers.Dense(2, activation="softmax")(value))
    if kernel is not None:
        tail.set_weights([np.array(kernel, np.float32), np.zeros(2, np.float32)])
    return tail


def store(values: list[float], labels: list[int]) -> feature_sets.Store:
    given = np.array(values, np.float32)[:, None]
    return feature_sets.Store(((Column([given], len(given), "float32"),),), np.array(labels))


def asked(**changes: Any) -> loop.Options:
    given = {"target": targets.of(2), "batch_size": 2, "patience": 3, "class_weight": np.ones(2, np.float32)}
    return loop.Options(**given | {"weight_decay": 0.0, "label_smoothing": 0.0, "seed": 0} | changes)


def trained(tail: Any, training: Any, validation: Any, epochs: int = 3, rate: float = 0.1, **changes: Any) -> tuple:
    told: list[dict] = []
    phase = Phase("head", epochs, rate)
    result = loop.train(tail, phase, (training, validation), asked(**changes), told.append, Keeper(None))
    return result, told


def test_the_score_is_the_mean_of_losses_and_of_hits_by_hand() -> None:
    from tlkit.training import steps

    tail, target = network([[1.0, -1.0]]), targets.of(2)
    _, scores = steps.compiled(tail, target, steps.optimizer(tail, 0.1, 4, 0.0), np.ones(2, np.float32), 0.0)
    features = store([1.0, 1.0, -1.0], [0, 1, 1])
    likely = np.exp(1) / (np.exp(1) + np.exp(-1))
    expected = -(2 * np.log(likely) + np.log(1 - likely)) / 3
    for size in (1, 2, 3, 64):
        assert loop.score(scores, features, size) == pytest.approx((expected, 2 / 3), rel=1e-5)


def test_every_epoch_is_recorded_and_told() -> None:
    training = store([1.0, -1.0] * 8, [0, 1] * 8)
    result, told = trained(network(), training, training)
    assert told == result.records and [record["epoch"] for record in told] == [1, 2, 3]
    names = {"phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"}
    assert all(set(record) == names for record in told) and result.trouble == ""
    assert told[-1]["val_loss"] < told[0]["val_loss"] and result.best_epoch == 3


def test_a_phase_that_only_gets_worse_ends_with_what_it_began_with() -> None:
    tail = network([[3.0, -3.0]])
    before = tail.get_weights()
    training, validation = store([1.0, -1.0] * 4, [1, 0] * 4), store([1.0, -1.0], [0, 1])
    result, told = trained(tail, training, validation, epochs=9, patience=1)
    assert result.best_epoch == 0 and len(told) == 2, "one epoch more than its patience"
    assert all(np.array_equal(a, b) for a, b in zip(tail.get_weights(), before, strict=True))


@pytest.mark.parametrize(
    ("value", "cause"), [(np.nan, "the frozen part gives features that are not finite"), (1e30, "")]
)
def test_a_loss_that_is_no_number_ends_the_phase_and_says_where(value: float, cause: str) -> None:
    training = store([1.0, -1.0, 1.0, -1.0, 1.0, value], [0, 1, 0, 1, 0, 1])
    result, told = trained(network(), training, store([1.0], [0]), rate=1e30 if value == 1e30 else 0.1)
    assert told == [] and result.records == [] and result.best_epoch == 0
    assert result.trouble.startswith("the loss of epoch 1, step ") and "is not a finite number" in result.trouble
    assert cause in result.trouble and (cause or "the learning rate, 1e+29 at that epoch's beginning" in result.trouble)


def test_a_state_that_is_damaged_is_not_gone_on_with() -> None:
    keeper = Keeper(None)
    keeper.progress.loop = {"best": "low"}
    data = store([1.0, -1.0], [0, 1])
    with pytest.raises(
        RunError, match=r"the checkpoint's state is damaged \(.*best.*\); start anew in another directory"
    ):
        loop.train(network(), Phase("head", 1, 0.1), (data, data), asked(), lambda record: None, keeper)
