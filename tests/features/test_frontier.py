"""The frontier: trunk and tail compose to the model, wherever the cut lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.features import frontier


def composed(clf: object, batch: object) -> tuple[np.ndarray, np.ndarray, frontier.Cut]:
    cut = frontier.find(clf)
    trunk, tail = frontier.segment(clf, None, cut), frontier.segment(clf, cut, None)
    return tail(trunk(batch, training=False), training=False).numpy(), clf(batch, training=False).numpy(), cut


@pytest.fixture(scope="module")
def pictures() -> tuple:
    return tiny_models.spread(tiny_models.tiny_classifier(3), tiny_models.pictures(16, 16)), tiny_models.pictures(
        7, 16, seed=2
    )


@pytest.fixture(scope="module", params=["mean_dense", "cls_dense", "mean_dense and words"])
def texts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    import tensorflow as tf

    head, _, words = request.param.partition(" and ")
    clf = tiny_models.text_classifier(tmp_path_factory.mktemp("bert"), head, words=bool(words))
    return clf, tf.constant(tiny_models.TEXTS)


@pytest.mark.parametrize("blocks", [0, 1, 2, 3, "all"])
def test_trunk_and_tail_are_the_model_for_pictures(pictures: tuple, blocks: object) -> None:
    clf, batch = pictures
    tlkit.unfreeze(clf, blocks)
    parts, whole, _ = composed(clf, batch)
    assert np.array_equal(parts, whole)
    assert not np.allclose(np.roll(parts, 1, axis=0), whole, atol=1e-2)


@pytest.mark.parametrize("blocks", [0, 1, 3, "all"])
def test_trunk_and_tail_are_the_model_for_texts(texts: tuple, blocks: object) -> None:
    clf, batch = texts
    tlkit.unfreeze(clf, blocks)
    parts, whole, _ = composed(clf, batch)
    assert np.array_equal(parts, whole)
    assert not np.allclose(np.roll(parts, 1, axis=0), whole, atol=1e-2)


def test_a_classifier_can_be_saved_after_it_was_cut(texts: tuple, tmp_path: Path) -> None:
    import keras

    clf, batch = texts
    for blocks in (1, 0, 2):
        tlkit.unfreeze(clf, blocks)
        composed(clf, batch)
    clf.save(tmp_path / "clf.keras")
    again = keras.saving.load_model(tmp_path / "clf.keras", safe_mode=True)
    whole = clf(batch, training=False).numpy()
    assert np.array_equal(again(batch, training=False).numpy(), whole)
    assert not np.allclose(np.roll(whole, 1, axis=0), whole, atol=1e-2)


def test_pooling_lies_before_the_frontier_and_dropout_after_it() -> None:
    clf = tiny_models.tiny_classifier()
    tlkit.unfreeze(clf, 0)
    assert frontier.find(clf).after == ("pool",)


def test_flatten_lies_before_the_frontier() -> None:
    clf = tlkit.vgg16_flatten_dense(2, size=32, weights=None)
    assert frontier.find(clf).after == ("flatten",)


def test_a_bert_cut_is_crossed_by_the_hidden_state_and_the_mask(texts: tuple) -> None:
    clf, _ = texts
    tlkit.unfreeze(clf, 1)
    cut = frontier.find(clf)
    assert cut.after[:2] == ("transformer_layer_1", "padding_mask") and len(cut.after) == 2 + 2 * clf.spec.input.words


def test_words_are_counted_before_the_frontier_and_scored_after_it(texts: tuple) -> None:
    clf, _ = texts
    tlkit.unfreeze(clf, 0)
    cut = frontier.find(clf)
    counted = [("word_ids", (None, None)), ("word_counts", (None, None))] if clf.spec.input.words else []
    (_, vector), *others = [(name, tensor.shape) for name, tensor in zip(cut.after, cut.tensors, strict=True)]
    assert vector == (None, 16) and others == counted


def test_what_follows_from_stored_tensors_is_not_stored() -> None:
    import keras
    from keras import layers

    from tlkit.models.backbone import Backbone
    from tlkit.models.vision.image_input import ImageInput

    def builder(size: int) -> keras.Model:
        pixels = keras.Input((size, size, 3))
        low = layers.Conv2D(4, 3, name="low")(pixels)
        pooled = layers.AveragePooling2D(3, 1, padding="same", name="branch_pool")(low)
        high = [layers.Conv2D(4, 1, name=f"high{i}")(x) for i, x in enumerate((low, pooled))]
        return keras.Model(pixels, layers.Concatenate(name="high")(high))

    row = Backbone("branches", builder, ImageInput("tf", 16, 8), ("low", "high"))
    clf = tiny_models.spread(tlkit.classifier(row, "pool_dense", 3, weights=None), tiny_models.pictures(16, 16))
    tlkit.unfreeze(clf, 1)
    parts, whole, cut = composed(clf, tiny_models.pictures(7, 16, seed=2))
    assert cut.after == ("low",)
    assert np.array_equal(parts, whole)


def test_a_segment_between_two_cuts_continues_the_first(pictures: tuple) -> None:
    clf, batch = pictures
    tlkit.unfreeze(clf, 2)
    low = frontier.find(clf)
    tlkit.unfreeze(clf, 0)
    high = frontier.find(clf)
    first, second = frontier.segment(clf, None, low), frontier.segment(clf, low, high)
    direct = frontier.segment(clf, None, high)(batch, training=False)
    assert np.array_equal(second(first(batch, training=False), training=False)[0], np.asarray(direct)[0])


def test_the_tail_holds_exactly_what_trains() -> None:
    clf = tiny_models.tiny_classifier()
    tlkit.unfreeze(clf, 2)
    tail = frontier.segment(clf, frontier.find(clf), None)
    assert {v.path for v in tail.trainable_variables} == {v.path for v in clf.trainable_variables}
    assert len(tail.layers) and "stem/kernel" not in {v.path for v in tail.weights}


@pytest.mark.parametrize("blocks", [0, 1, 2, "all"])
def test_a_folded_trunk_and_the_tail_are_the_model(pictures: tuple, blocks: object) -> None:
    import keras

    clf, batch = pictures
    before = [weight.copy() for weight in clf.get_weights()]
    tlkit.unfreeze(clf, blocks)
    cut = frontier.find(clf)
    trunk, plain = (frontier.segment(clf, None, cut, folded=folded) for folded in (True, False))
    norms = [sum(isinstance(x, keras.layers.BatchNormalization) for x in m._flatten_layers()) for m in (trunk, plain)]
    assert norms == [0, {0: 3, 1: 2, 2: 1, "all": 0}[blocks]]
    parts = frontier.segment(clf, cut, None)(trunk(batch, training=False), training=False).numpy()
    whole = clf(batch, training=False).numpy()
    assert np.abs(parts - whole).max() <= 1e-4 * whole.max()
    assert not np.allclose(np.roll(parts, 1, axis=0), whole, atol=1e-2)
    assert all(np.array_equal(a, b) for a, b in zip(clf.get_weights(), before, strict=True))


def test_folded_segments_continue_one_another_and_leave_the_classifier_to_be_saved(
    pictures: tuple, tmp_path: Path
) -> None:
    import keras

    clf, batch = pictures
    cuts = []
    for blocks in (2, 0):
        tlkit.unfreeze(clf, blocks)
        cuts.append(frontier.find(clf))
    value = batch
    for start, end in ((None, cuts[0]), (cuts[0], cuts[1])):
        value = frontier.segment(clf, start, end, folded=True)(value, training=False)
    parts = frontier.segment(clf, cuts[1], None)(value, training=False).numpy()
    whole = clf(batch, training=False).numpy()
    assert np.abs(parts - whole).max() <= 1e-4 * whole.max()
    assert not np.allclose(np.roll(parts, 1, axis=0), whole, atol=1e-2)
    clf.save(tmp_path / "clf.keras")
    again = keras.saving.load_model(tmp_path / "clf.keras", safe_mode=True)
    assert np.array_equal(again(batch, training=False).numpy(), whole)
