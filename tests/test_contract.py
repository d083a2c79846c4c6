"""What every backbone promises, whatever it is: one set of checks over the rows of the tables."""

from __future__ import annotations

from itertools import pairwise

import lexicons
import models
import numpy as np
import pytest

import tlkit
from tlkit import build, families, frontier
from tlkit.spec import Phase
from tlkit.text import TEXT
from tlkit.vision import VISION

# BatchNormalization layers of a backbone, and how many of them directly follow a convolution that nothing else reads
NORMS = {
    "resnet50": (53, 53),
    "mobilenet_v2": (52, 52),
    "inception_v3": (94, 94),
    "vgg16": (0, 0),
    "efficientnet_b0": (49, 49),
    "efficientnet_lite0": (49, 49),
}
FAMILIES = ("vgg16", "resnet50", "inception_v3", "mobilenet_v2", "efficientnet_b0", "efficientnet_lite0")


def rows() -> list:
    """Return the rows of pictures; one of each family is for the slow tests, the others for `make test-all`."""
    return [pytest.param(name, marks=pytest.mark.slow if name in FAMILIES else pytest.mark.all) for name in VISION]


def text_rows() -> list:
    """Return the rows of texts with a head; made narrow, with all their layers."""
    slow = [pytest.param(name, "cls_dense", marks=pytest.mark.slow) for name in lexicons.FIRST.values()]
    slow += [pytest.param("bert_tiny_en_uncased", "mean_dense", marks=pytest.mark.slow)]
    others = [name for name in TEXT if name not in lexicons.FIRST.values()]
    return slow + [pytest.param(name, "mean_dense", marks=pytest.mark.all) for name in others]


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
    for blocks in range(min(count, 2) + 1):
        tlkit.unfreeze(clf, blocks)
        cut = frontier.find(clf)
        parts = frontier.segment(clf, cut, None)(
            frontier.segment(clf, None, cut)(batch, training=False), training=False
        )
        assert np.array_equal(parts.numpy(), whole)
    assert not np.allclose(np.roll(whole, 1, axis=0), whole, atol=1e-2)
    run_folding_test(clf, batch, whole)

    before = {v.path: v.numpy() for v in backbone.weights}
    tlkit.fit(clf, data, phases=(Phase("top", 1, 1e-2, 1),), augment="none", patience=9, progress=False)
    kept = {path for path, value in before.items() if np.array_equal(value, _now(backbone, path))}
    assert kept >= set(before) - opened[1], "a frozen weight moved"


def run_folding_test(clf: object, batch: object, whole: np.ndarray) -> None:
    """Check that a folded trunk and its tail answer like the model, to 1e-4 of the largest value.

    A deep network with random weights turns one bit of rounding at its input into more than that here and there, so
    what the unfolded one does on an input changed by as little is allowed too.
    """
    tlkit.unfreeze(clf, 0)
    cut = frontier.find(clf)
    trunk, tail = frontier.segment(clf, None, cut, folded=True), frontier.segment(clf, cut, None)
    parts = tail(trunk(batch, training=False), training=False).numpy()
    allowed = 1e-4 * whole.max()
    if isinstance(batch, np.ndarray):
        nudged = np.nextafter(batch, np.float32(255) - batch)
        allowed = max(allowed, 2 * np.abs(clf(nudged, training=False).numpy() - whole).max())
    assert np.abs(parts - whole).max() <= allowed < 1e-2
    assert not np.allclose(np.roll(parts, 1, axis=0), whole, atol=1e-2)


def run_exact_folding_test(clf: object, name: str, pixels: np.ndarray) -> None:
    """Check in float64, where nothing hides in rounding, that folding is exact, and how much of it there is."""
    import keras

    folded, plain = models.folded_in_float64(clf)
    norms = [sum(isinstance(layer, keras.layers.BatchNormalization) for layer in m.layers) for m in (plain, folded)]
    assert (norms[0], norms[0] - norms[1]) == NORMS.get(name, (norms[0], norms[0] - norms[1]))
    if folded is plain:
        return
    given = build.pieces(clf)[0](pixels).numpy().astype(np.float64)
    theirs, ours = (model(given, training=False)["map"].numpy() for model in (plain, folded))
    largest = np.abs(theirs).max()
    assert ours.dtype == np.float64 and np.abs(ours - theirs).max() < 1e-10 * largest
    assert np.abs(np.roll(ours, 1, axis=0) - theirs).max() > 1e-2 * largest


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
    run_exact_folding_test(clf, name, pixels[:5])
    run_backbone_test(clf, pixels[:5], data)


def _opened(clf: object, blocks: int) -> object:
    tlkit.unfreeze(clf, blocks)
    return clf


@pytest.mark.parametrize(("name", "head"), text_rows())
def test_texts(name: str, head: str) -> None:
    import tensorflow as tf

    lexicons.classifier(name, head)
    clf = lexicons.classifier(name, head)  # a second build in one process
    texts = [f"the {word} {other}" for word in models.WORDS[:6] for other in models.WORDS[6:8]]
    data = tlkit.arrays(texts, [clf.spec.labels[number % 3] for number in range(12)])
    blocks = 1 if TEXT[name].input.family == "albert" else TEXT[name].arguments["num_layers"]
    assert len(clf.spec.backbone.blocks) == blocks
    run_backbone_test(clf, tf.constant(models.TEXTS), data)


def test_every_row_has_a_contract() -> None:
    assert {row.values[0] for row in rows()} == set(VISION) > set(NORMS)
    assert {row.values[0] for row in text_rows()} == set(TEXT) > set(lexicons.FIRST.values())
    assert {row.input.family for row in TEXT.values()} == set(families.FAMILIES)
