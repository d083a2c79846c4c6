"""Explanations: the heat lies where the score comes from, and the words that carry it are found."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.errors import InputError

SIDE = 16


def passing(size: int) -> object:
    """Build a backbone that hands its pixels on, in cells of 4 x 4."""
    import keras

    pixels = keras.Input((size, size, 3))
    return keras.Model(pixels, keras.layers.AveragePooling2D(4, name="cells")(pixels))


@pytest.fixture(scope="module")
def colours() -> object:
    """Return a classifier that scores how much red, green or nothing at all there is."""
    from tlkit.models.vision.image_input import ImageInput

    row = tlkit.Backbone("cells", passing, ImageInput("none", SIDE, 8), ("cells",))
    clf = tlkit.classifier(row, "pool_dense", ["red", "green", "never"], weights=None)
    clf.head.get_layer("probabilities").set_weights([np.diag([1.0, 1.0, -1.0]), np.array([0.5, 0.0, 0.0])])
    return clf


@pytest.fixture
def flag() -> np.ndarray:
    """Return a black picture with a red square above on the left and a smaller green one below on the right."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[:8, :8, 0] = 200
    picture[12:, 12:, 1] = 200
    return picture


def test_the_heat_lies_where_the_label_is(colours: object, flag: np.ndarray) -> None:
    (red,) = tlkit.explain(colours, flag)
    assert red.label == "red" and red.score == pytest.approx(200 / 4 + 0.5), "the score before softmax"
    assert red.heat.shape == (SIDE, SIDE) and red.heat.dtype == np.float32
    assert red.heat.max() == 1 and red.heat.min() == 0
    assert red.heat[:8, :8].sum() > 0.8 * red.heat.sum() and red.heat[12:, 12:].sum() == 0
    (green,) = tlkit.explain(colours, flag, "green")
    assert green.label == "green" and green.heat[10:, 10:].sum() > 0.99 * green.heat.sum()


def test_where_nothing_speaks_for_a_label_there_is_no_heat(colours: object, flag: np.ndarray) -> None:
    (never,), (green,) = (tlkit.explain(colours, flag, label) for label in ("never", "green"))
    assert not never.heat.any() and never.score == 0
    assert np.array_equal(never.overlay(), green.overlay(0))


def test_the_overlay_is_red_where_it_is_hot(colours: object, flag: np.ndarray) -> None:
    (green,) = tlkit.explain(colours, flag, "green")
    assert np.array_equal(green.picture, flag)
    drawn = green.overlay()
    assert drawn.dtype == np.uint8 and drawn.shape == flag.shape
    assert np.array_equal(drawn[:8, :8], np.full((8, 8, 3), 60)), "what is cold is grey, as bright as it was"
    assert drawn[-1, -1, 0] > 200 > drawn[-1, -1, 1]


def test_several_pictures_keep_their_order(colours: object, flag: np.ndarray) -> None:
    found = tlkit.explain(colours, [flag, flag[::-1, ::-1], flag[..., ::-1]], "red", batch_size=2)
    assert np.allclose(found[1].heat, found[0].heat[::-1, ::-1]) and not found[2].heat.any()


@pytest.mark.parametrize("target", [tlkit.Tags(("a", "b")), tlkit.Value(("price",), 5.0, 2.0), 3])
@pytest.mark.parametrize("head", ["pool_dense", "flatten_dense"])
def test_every_target_and_picture_head(target: object, head: str) -> None:
    row = tiny_models.tiny_classifier().spec.backbone
    clf = tlkit.classifier(row, head, target, weights=None)
    found = tlkit.explain(clf, tiny_models.pictures(3, 16).astype(np.uint8))
    assert len(found) == 3 and {each.label for each in found} <= set(clf.spec.labels)
    assert all(each.heat.shape == (16, 16) and np.isfinite(each.heat).all() for each in found)


def test_what_cannot_be_explained(colours: object) -> None:
    import keras

    with pytest.raises(InputError, match="carries no `spec`"):
        tlkit.explain(keras.Sequential(), "a.png")
    with pytest.raises(InputError, match="unknown label 'gren'; did you mean green"):
        tlkit.explain(colours, "a.png", "gren")
    bare = tlkit.Head("bare", lambda features, target, **_: keras.layers.Flatten()(features["map"]), ("map",))
    clf = tlkit.classifier(colours.spec.backbone, bare, 3, weights=None)
    with pytest.raises(InputError, match=r"head 'bare' has no dense layer 'probabilities'; close it with"):
        tlkit.explain(clf, np.zeros((16, 16, 3)))


@pytest.mark.parametrize("target", [tlkit.Entities(("O", "B-A", "I-A")), tlkit.Reply(), tlkit.Summary()])
def test_entities_and_what_is_written_have_no_explanation(target: object) -> None:
    clf = SimpleNamespace(spec=SimpleNamespace(target=target, labels=target.labels))
    with pytest.raises(InputError, match="there is no explanation of what this model answers, "):
        tlkit.explain(clf, "a text")


# === Texts ===


def test_the_score_of_a_word_counts(tmp_path: Path) -> None:
    clf = tiny_models.text_classifier(tmp_path / "bert", words=True)
    dense, words = clf.head.get_layer("probabilities"), clf.head.get_layer("words")
    dense.kernel.assign(np.zeros(dense.kernel.shape))
    counted = clf.base(np.array(["mat"], object))
    table = np.zeros(words.table.shape)
    table[counted["word_ids"][0, 0], 1] = 5
    words.table.assign(table)
    (found,) = tlkit.explain(clf, ["the cat sat on the mat"], "topic 1")
    assert int(np.argmax(found.weights)) == 5 and found.weights[5] > 0.1 > max(found.weights[:5])
    words.table.assign(np.zeros(table.shape))
    (found,) = tlkit.explain(clf, ["the cat sat on the mat"], "topic 1")
    assert max(map(abs, found.weights)) < 1e-5


@pytest.mark.slow
def test_the_words_of_a_real_text_model(tmp_path: Path) -> None:
    clf = tiny_models.text_classifier(tmp_path / "bert")
    text = "the cat sat on the mat"
    found = tlkit.explain(clf, ["a loan", text], "topic 1")
    assert [each.label for each in found] == ["topic 1", "topic 1"] and len(found[1].weights) == 6
    one = tlkit.explain(clf, text)[0]
    assert one.label == clf.spec.labels[int(np.argmax(clf(np.array([text], object)).numpy()))]
    without = tlkit.explain(clf, "the sat on the mat", one.label)[0]
    assert one.weights[1] == pytest.approx(one.score - without.score, abs=1e-4) and np.ptp(one.weights) > 1e-3
    with pytest.raises(InputError, match="item 1 is a int, not a text"):
        tlkit.explain(clf, ["the cat", 5])


# === Real networks ===

# by hand, on the square that is cut from the middle: left, top, right, bottom as shares of its side
BOXES = {"chelsea": (0.15, 0.22, 0.92, 0.95), "coffee": (0.18, 0.04, 0.78, 0.64), "rocket": (0.42, 0.28, 0.6, 1.0)}
NAMES = {"chelsea": (281, 282, 285), "coffee": (967, 968), "rocket": (657, 744, 812)}  # classes of ImageNet that it is


@pytest.fixture(scope="module")
def imagenet() -> object:
    """Return efficientnet_lite0 under ImageNet's own last layer, which its weights file holds too."""
    from tlkit.models import weights
    from tlkit.models.vision import torch_pickle
    from tlkit.models.vision.image_backbones import VISION

    clf = tlkit.classifier("efficientnet_lite0", "pool_dense", 1000)
    tensors = torch_pickle.read(weights.find(VISION["efficientnet_lite0"], "pretrained").path)
    clf.head.get_layer("probabilities").set_weights([np.transpose(tensors["_fc.weight"]), tensors["_fc.bias"]])
    return clf


def middle(picture: np.ndarray) -> np.ndarray:
    """Cut the square out of the middle of a picture."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def on_object(heat: np.ndarray, box: tuple[float, float, float, float]) -> float:
    """Return how many times as much heat lies in the box as if it lay everywhere alike."""
    left, top, right, bottom = (round(share * len(heat)) for share in box)
    return float(heat[top:bottom, left:right].mean() / heat.mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", BOXES)
def test_the_heat_lies_on_the_object(imagenet: object, photos: dict, name: str) -> None:
    (found,) = tlkit.explain(imagenet, photos[name])
    assert int(found.label) in NAMES[name], "the network takes it for something else"
    assert on_object(np.ones_like(found.heat), BOXES[name]) == pytest.approx(1)
    assert on_object(found.heat, BOXES[name]) > 1.1


@pytest.mark.slow
def test_the_heat_goes_where_the_label_is(imagenet: object, photos: dict) -> None:
    """Put the photographs side by side in one picture: only the label that is asked for tells the heat where to go."""
    from PIL import Image

    squares = [np.asarray(Image.fromarray(middle(photos[name])).resize((112, 112))) for name in BOXES]
    mosaic = np.full((224, 224, 3), 127, np.uint8)
    tiles = dict(zip(BOXES, ((0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1)), strict=True))
    for (left, top, *_), square in zip(tiles.values(), squares, strict=True):
        mosaic[round(224 * top) :, round(224 * left) :][:112, :112] = square
    for name, box in tiles.items():
        (found,) = tlkit.explain(imagenet, mosaic, str(NAMES[name][0]))
        assert max(tiles, key=lambda other: on_object(found.heat, tiles[other])) == name
        assert on_object(found.heat, box) > 1.5


@pytest.mark.all
@pytest.mark.parametrize(("backbone", "head"), [("vgg16", "flatten_dense"), ("resnet50", "pool_dense")])
def test_other_networks_are_explained_too(photos: dict, backbone: str, head: str) -> None:
    clf = tiny_models.image_classifier(backbone, head, size=64)
    found = [each for label in clf.spec.labels for each in tlkit.explain(clf, list(photos.values()), label)]
    assert all(each.heat.shape == (64, 64) and each.heat.max() in (0, 1) for each in found)
    assert sum(each.heat.any() for each in found) >= 3, "for and against are about as likely"
