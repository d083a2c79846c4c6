"""The frontier: trunk and tail compose to the model, wherever the cut lies."""

from __future__ import annotations

import models
import numpy as np
import pytest

import tlkit
from tlkit import frontier


def composed(clf: object, batch: object) -> tuple[np.ndarray, np.ndarray, frontier.Cut]:
    cut = frontier.find(clf)
    trunk, tail = frontier.segment(clf, None, cut), frontier.segment(clf, cut, None)
    return tail(trunk(batch, training=False), training=False).numpy(), clf(batch, training=False).numpy(), cut


@pytest.fixture(scope="module")
def pictures() -> tuple:
    return models.spread(models.tiny_classifier(3), models.pictures(16, 16)), models.pictures(7, 16, seed=2)


@pytest.fixture(scope="module", params=["mean_dense", "cls_dense"])
def texts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    import tensorflow as tf

    return models.text_classifier(tmp_path_factory.mktemp("bert"), request.param), tf.constant(models.TEXTS)


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


def test_pooling_lies_before_the_frontier_and_dropout_after_it() -> None:
    clf = models.tiny_classifier()
    tlkit.unfreeze(clf, 0)
    assert frontier.find(clf).after == ("pool",)


def test_flatten_lies_before_the_frontier() -> None:
    clf = tlkit.vgg16_flatten_dense(2, size=32, weights=None)
    assert frontier.find(clf).after == ("flatten",)


def test_a_bert_cut_is_crossed_by_the_hidden_state_and_the_mask(texts: tuple) -> None:
    clf, _ = texts
    tlkit.unfreeze(clf, 1)
    assert {"transformer_layer_1", "padding_mask"} <= set(frontier.find(clf).after)


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
    clf = models.tiny_classifier()
    tlkit.unfreeze(clf, 2)
    tail = frontier.segment(clf, frontier.find(clf), None)
    assert {v.path for v in tail.trainable_variables} == {v.path for v in clf.trainable_variables}
    assert len(tail.layers) and "stem/kernel" not in {v.path for v in tail.weights}
