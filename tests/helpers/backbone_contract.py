"""What every backbone must do, as checks that tests of rows and of new backbones share."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import tlkit
from tlkit.config import Phase
from tlkit.features import frontier
from tlkit.models import classifier, freezing
from tlkit.models.vision.image_backbones import VISION

# the row of each paper that the slow tests look at
FAMILIES = (
    "vgg16", "resnet50", "resnet50_v2", "inception_v3", "inception_resnet_v2", "xception", "mobilenet", "mobilenet_v2",
    "mobilenet_v3_small", "densenet121", "nasnet_mobile", "efficientnet_b0", "efficientnet_v2_b0", "convnext_tiny",
    "efficientnet_lite0",
)  # fmt: skip
# DINOv2 keeps what its own, of another size, were made from
UNREAD = ("embeddings/position_embeddings",)
# deep networks whose statistics, where maps are as small as 2 x 2, are of too few numbers: there, rounding is chaos
LARGER = {"efficientnet_v2_m": 128, "efficientnet_v2_l": 128}


def side(name: str) -> int:
    """Return the side of the pictures that a row is tried on: 64, or the least that it can do with."""
    return max(VISION[name].input.minimum, LARGER.get(name, 64))


def rows() -> list:
    """Return the rows of pictures; one of each family is for the slow tests, the others for `make test-all`."""
    return [pytest.param(name, marks=pytest.mark.slow if name in FAMILIES else pytest.mark.all) for name in VISION]


def run_blocks_test(clf: object, crossing: int = 1) -> None:
    """Check that nothing but the ends of the last blocks, of one or two, is read across a cut between blocks."""
    row, (_, backbone, _) = clf.spec.backbone, classifier.pieces(clf)
    numbers, top = freezing.layer_blocks(backbone, row), len(row.blocks) - 1
    ends = [row.stem, *row.blocks] if row.stem else list(row.blocks)
    for place in range(crossing, len(ends)):  # NASNet's first cells read what lies in the stem
        cut = place - 1 - bool(row.stem)
        read = {
            tensor._keras_history.operation.name
            for nodes in backbone._nodes_by_depth.values()
            for node in nodes
            for tensor in node.input_tensors
            if numbers.get(tensor._keras_history.operation.name, top) <= cut < numbers.get(node.operation.name, top)
        }
        assert ends[place - 1] in read <= set(ends[max(0, place - crossing) : place]), "a block is cut in its middle"


def run_backbone_test(clf: object, batch: object, data: tlkit.Data) -> None:
    """Check blocks, frontier and training of a classifier with spread outputs."""
    backbone = classifier.pieces(clf)[1]
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
        v.path
        for v in backbone.weights
        if v.path.rsplit("/", 1)[0] not in norms and "normalization" not in v.path and not v.path.endswith(UNREAD)
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


def _now(backbone: object, path: str) -> np.ndarray:
    return next(variable for variable in backbone.weights if variable.path == path).numpy()
