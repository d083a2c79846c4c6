"""The heads: what each is made of and what it computes."""

from __future__ import annotations

import numpy as np
import pytest

import tlkit
from tlkit.models import heads
from tlkit.tasks import targets


def layers_of(head: str, backbone: str, **options: object) -> list[str]:
    clf = tlkit.classifier(backbone, head, 3, size=32, weights=None, **options)
    return [type(layer).__name__ for layer in clf.head.layers if type(layer).__name__ != "InputLayer"]


def test_flatten_dense_is_the_classic_recipe() -> None:
    clf = tlkit.vgg16_flatten_dense(["a", "b"], size=64, weights=None)
    flat, hidden, out = clf.head.layers[1:]
    assert [type(layer).__name__ for layer in (flat, hidden, out)] == ["Flatten", "Dense", "Dense"]
    assert (hidden.units, hidden.activation.__name__) == (256, "relu")
    assert (out.units, out.activation.__name__) == (2, "softmax")
    assert hidden.kernel.shape == (2 * 2 * 512, 256)


def test_pool_dense_layers() -> None:
    assert layers_of("pool_dense", "mobilenet_v2") == ["GlobalAveragePooling2D", "Dropout", "Dense"]
    assert layers_of("pool_dense", "mobilenet_v2", dropout=0.0) == ["GlobalAveragePooling2D", "Dense"]


def test_mean_dense_leaves_padding_out() -> None:
    import keras

    inputs = {
        "sequence": keras.Input((4, 2), name="sequence"),
        "mask": keras.Input((4,), dtype="bool", name="mask"),
    }
    model = keras.Model(inputs, heads.mean_dense(inputs, targets.of(2), hidden=0, dropout=0.0))
    model.get_layer("probabilities").set_weights([np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2)])
    sequence = np.array([[[2.0, 0.0], [4.0, 0.0], [99.0, 50.0], [99.0, 50.0]]])
    mask = np.array([[True, True, False, False]])
    given = model({"sequence": sequence, "mask": mask}).numpy()[0]
    assert np.log(given[0] / given[1]) == pytest.approx(3.0, abs=1e-4)  # the mean of 2 and 4


def test_cls_dense_takes_the_pooled_vector() -> None:
    assert heads.HEADS["cls_dense"].takes == ("pooled",)


def test_every_head_says_what_it_is() -> None:
    for head in heads.HEADS.values():
        assert head.build.__doc__.startswith("Build ")


def test_token_dense_answers_every_token_and_zeros_padding() -> None:
    import keras

    from tlkit.tasks.entities import Entities

    inputs = {
        "sequence": keras.Input((None, 2), name="sequence"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    target = Entities(("O", "B-A", "I-A"))
    model = keras.Model(inputs, heads.token_dense(inputs, target, hidden=0, dropout=0.0))
    model.get_layer("probabilities").set_weights([np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), np.zeros(3)])
    given = {"sequence": np.array([[[2.0, 0.0], [0.0, 4.0], [9.0, 9.0]]]), "mask": np.array([[True, True, False]])}
    (first, second, padding) = model(given).numpy()[0]
    assert np.log(first[0] / first[1]) == pytest.approx(2, abs=1e-4) and second.argmax() == 1
    assert padding == pytest.approx(1 / 3)
