"""What every backbone promises, whatever it is: one set of checks over the rows of the tables."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import models
import numpy as np
import pytest

import tlkit
from tlkit import build, frontier
from tlkit.spec import Phase
from tlkit.text import TEXT
from tlkit.vision import VISION

FAMILIES = ("vgg16", "resnet50", "inception_v3", "mobilenet_v2", "efficientnet_b0", "efficientnet_lite0")


def rows() -> list:
    """Return the rows of pictures; one of each family is for the slow tests, the others for `make test-all`."""
    return [pytest.param(name, marks=pytest.mark.slow if name in FAMILIES else pytest.mark.all) for name in VISION]


def run_backbone_test(clf: object, batch: object, data: tlkit.Data) -> None:
    """Check blocks, frontier and training of a classifier with spread outputs."""
    backbone = build.pieces(clf)[1]
    count = len(clf.spec.backbone.blocks)
    opened = []
    for blocks in (*range(count + 1), "all"):
        tlkit.unfreeze(clf, blocks)
        opened.append({variable.path for variable in backbone.trainable_variables})
    assert opened[0] == set() and all(low < high for low, high in pairwise(opened[: count + 1]))
    assert opened[count] <= opened[-1]
    statistics = {v.path for v in backbone.weights if v.path.split("/")[-1] in ("moving_mean", "moving_variance")}
    norms = {path.rsplit("/", 1)[0] for path in statistics}
    others = {
        v.path for v in backbone.weights if v.path.rsplit("/", 1)[0] not in norms and "normalization" not in v.path
    }
    assert opened[-1] >= others, "'all' does not reach everything"

    whole = clf(batch, training=False).numpy()
    for blocks in (0, 1, 2):
        tlkit.unfreeze(clf, blocks)
        cut = frontier.find(clf)
        parts = frontier.segment(clf, cut, None)(
            frontier.segment(clf, None, cut)(batch, training=False), training=False
        )
        assert np.array_equal(parts.numpy(), whole)
    assert not np.allclose(np.roll(whole, 1, axis=0), whole, atol=1e-2)

    before = {v.path: v.numpy() for v in backbone.weights}
    tlkit.fit(clf, data, phases=(Phase("top", 1, 1e-2, 1),), augment="none", patience=9, progress=False)
    kept = {path for path, value in before.items() if np.array_equal(value, _now(backbone, path))}
    assert kept >= set(before) - opened[1], "a frozen weight moved"


def _now(backbone: object, path: str) -> np.ndarray:
    return next(variable for variable in backbone.weights if variable.path == path).numpy()


@pytest.mark.parametrize("name", rows())
def test_pictures(name: str) -> None:
    size = max(VISION[name].input.minimum, 64)
    for _ in range(2):  # Keras names some layers anew in a second build
        clf = tlkit.classifier(name, "pool_dense", 3, size=size, weights=None)
        tlkit.unfreeze(clf, 1)
    clf = models.image_classifier(name, size=size)
    pixels = models.pictures(12, size, seed=4)
    data = tlkit.arrays(pixels.astype(np.uint8), [clf.spec.labels[number % 3] for number in range(12)])
    assert len(frontier.find(_opened(clf, 1)).tensors) == 1, "a block is cut in its middle"
    run_backbone_test(clf, pixels[:5], data)


def _opened(clf: object, blocks: int) -> object:
    tlkit.unfreeze(clf, blocks)
    return clf


@pytest.mark.slow
@pytest.mark.parametrize("head", ["mean_dense", "cls_dense"])
def test_texts(head: str, tmp_path: Path) -> None:
    import tensorflow as tf

    clf = models.text_classifier(tmp_path, head)
    texts = [f"the {word} {other}" for word in models.WORDS[:6] for other in models.WORDS[6:8]]
    data = tlkit.arrays(texts, [clf.spec.labels[number % 3] for number in range(12)])
    run_backbone_test(clf, tf.constant(models.TEXTS), data)


def test_every_row_has_a_contract() -> None:
    assert {row.values[0] for row in rows()} == set(VISION)
    assert {row.builder for row in TEXT.values()} == {"keras_hub.models:BertBackbone"}
