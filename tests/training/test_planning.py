"""The plan of a training: its examples in the order they are stored, and features that are made up for measurements."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import LIGHT, Phase
from tlkit.errors import InputError
from tlkit.training import planning


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


def test_a_phase_that_has_nothing_to_train_is_refused_before_the_first_step() -> None:
    bare = tlkit.Head("bare", lambda features, target, **_: keras.layers.Flatten()(features["map"]), ("map",))
    clf = tlkit.classifier(tiny_models.tiny_classifier().spec.backbone, bare, 2, weights=None)
    with pytest.raises(
        InputError, match=r"a phase with unfreeze=0 leaves nothing to train: the head of .*; give unfreeze=1"
    ):
        tlkit.fit(clf, tiny_models.colours(), phases=(Phase("head", 1, 1e-3, 0),), progress=False)
