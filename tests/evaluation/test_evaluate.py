"""Evaluation of a model on a split: what is measured, what it takes along, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlkit.errors import InputError
from tlkit.evaluation.evaluate import evaluate
from tlkit.tasks import targets

LABELS = ("cat", "dog", "owl")


TRUTH = [0, 0, 0, 1, 1, 2]


PROBABILITIES = np.array([[8, 1, 1], [6, 3, 1], [2, 7, 1], [1, 8, 1], [3, 6, 1], [5, 1, 4]]) / 10
EPOCHS = ({"phase": "head", "epoch": 1, "loss": 0.5, "accuracy": 0.5},)


class Batches:
    """Stand in for a row's input: hands out the split's items and remembers how it was asked."""

    def batches(self, split: Any, reading: Any, view: int = 0) -> Any:
        import tensorflow as tf

        self.reading = reading
        return tf.data.Dataset.from_tensor_slices(split.items).batch(reading.batch_size)


@pytest.fixture
def model() -> Any:
    import keras

    inputs = keras.Input((3,))
    dropped = keras.layers.Dropout(0.9)(inputs)
    clf = keras.Model(inputs, keras.layers.Softmax()(dropped))
    clf.spec = SimpleNamespace(target=targets.of(LABELS), resize="pad", input=Batches())
    return clf


def test_evaluate(model: Any) -> None:
    logits = np.log(PROBABILITIES).astype("float32")
    report = evaluate(model, SimpleNamespace(items=logits, labels=np.array(TRUTH)), batch_size=4, name="val")
    assert report.history == ()
    assert np.allclose(report.probabilities, PROBABILITIES, atol=1e-6)
    assert (report.split, report.labels) == ("val", LABELS)
    assert report.seconds > 0
    assert report.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert (model.spec.input.reading.batch_size, model.spec.input.reading.resize) == (4, "pad")


def test_evaluate_takes_the_history_of_fit(model: Any) -> None:
    split = SimpleNamespace(items=np.log(PROBABILITIES).astype("float32"), labels=np.array(TRUTH))
    assert evaluate(model, split, history=SimpleNamespace(epochs=EPOCHS)).history == EPOCHS


def test_evaluate_refuses_a_split_without_examples(model: Any) -> None:
    with pytest.raises(InputError, match="split has no examples to evaluate; choose another split"):
        evaluate(model, SimpleNamespace(items=np.zeros((0, 3), "float32"), labels=np.array([], int)))


def test_evaluate_refuses_a_model_of_another_make() -> None:
    with pytest.raises(InputError, match=r"carries no `spec`; build it by a tlkit factory or get it from tlkit\.load"):
        evaluate(object(), SimpleNamespace(items=[], labels=[]))
