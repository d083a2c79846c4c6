"""Image input: sizes, normalisation, pixels in, and endpoints."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tlkit.config import Reading
from tlkit.data.splits import Split
from tlkit.errors import DataError, InputError
from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import NORMALISATION, ImageInput

GIVEN = ImageInput("tf", 8, 4)


def test_sizes_below_the_minimum_are_refused() -> None:
    with pytest.raises(InputError, match="give at least 75 pixels"):
        VISION["inception_v3"].input.sized(74)
    assert VISION["vgg16"].input.sized(None).size == 224


def test_batches_warn_of_pixels_scaled_to_one_and_refuse_nan() -> None:
    class Split:
        items = np.full((2, 8, 8, 3), 0.5, np.float32)

    with pytest.warns(UserWarning, match=r"0\.\.1"):
        list(ImageInput("tf", 8, 8).batches(Split, Reading()))
    Split.items = np.full((2, 8, 8, 3), np.nan, np.float32)
    with pytest.raises(InputError, match="NaN"):
        list(ImageInput("tf", 8, 8).batches(Split, Reading()))


@pytest.mark.parametrize("size", [3, 0, -8, "8", 8.0])
def test_sizes_that_cannot_be(size: object) -> None:
    with pytest.raises(InputError, match=r"size .* is too small|give at least 4 pixels"):
        GIVEN.sized(size)
    assert GIVEN.sized(4).size == 4 and GIVEN.sized(None) is GIVEN


def test_pictures_come_one_by_one() -> None:
    with pytest.raises(InputError, match="pairs=True is for texts; a picture is one example"):
        GIVEN.paired()
    assert GIVEN.lengths(None, [1]) is None and GIVEN.tokens(None, [1]) is None


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("none", [10, 20, 30]),
        ("tf", [10 / 127.5 - 1, 20 / 127.5 - 1, 30 / 127.5 - 1]),
        ("caffe", [30 - 103.939, 20 - 116.779, 10 - 123.68]),
        ("torch", [(10 / 255 - 0.485) / 0.229, (20 / 255 - 0.456) / 0.224, (30 / 255 - 0.406) / 0.225]),
        ("lite", [(10 - 127) / 128, (20 - 127) / 128, (30 - 127) / 128]),
    ],
)
def test_every_normalisation_by_hand(mode: str, expected: list[float]) -> None:
    assert set(NORMALISATION) == {"none", "tf", "caffe", "torch", "lite"}
    pixel = tf.constant([[[[10.0, 20.0, 30.0]]]])
    assert ImageInput(mode, 1, 1)._normaliser()(pixel).numpy().ravel() == pytest.approx(expected, abs=1e-5)


def test_pictures_are_read_in_the_order_of_the_rows() -> None:
    items = np.arange(3)[:, None, None, None] * np.full((1, 8, 8, 3), 50, np.uint8)
    split = Split(items.astype(np.uint8), np.array([0, 1, 0]))
    read = [batch.numpy()[:, 0, 0, 0].tolist() for batch in GIVEN.batches(split, Reading(2), rows=np.array([2, 0, 1]))]
    assert read == [[100, 0], [50]]


def test_arrays_go_to_one_endpoint_and_files_to_another() -> None:
    made = GIVEN.made_up()[:2]
    assert made[0].shape != made[1].shape
    name, pixels = GIVEN.encode(made)
    assert name == "serve_array" and pixels.shape == (len(made), 8, 8, 3)
    alone = [GIVEN.encode([picture])[1][0].numpy() for picture in made]
    assert all(np.array_equal(a, b) for a, b in zip(pixels.numpy(), alone, strict=True)), "each in its place"
    assert not np.array_equal(alone[0], alone[1]), "the control"
    name, content = GIVEN.encode(GIVEN.served(made))
    assert name == "serving_default" and content.shape == (len(made),) and content.dtype == tf.string


def test_pixels_served_as_png_are_the_same_pixels() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    (colour,), (grey,) = GIVEN.served([picture]), GIVEN.served([picture[..., 0]])
    assert np.array_equal(tf.io.decode_png(colour), picture)
    assert np.array_equal(tf.io.decode_png(grey)[..., 0], picture[..., 0])
    with pytest.raises(DataError, match=r"none\.png"):
        GIVEN.served(["/nowhere/none.png"])


def test_every_endpoint_takes_what_it_says() -> None:
    ways = GIVEN.signatures(lambda pixels: pixels, lambda pixels: pixels[:, 0, 0], "stretch")
    assert set(ways) == {"serving_default", "serve_array", "embed"}
    (content,) = GIVEN.served([np.full((4, 6, 3), 7, np.uint8)])
    read, takes = ways["serving_default"]
    assert takes[0].dtype == tf.string and np.all(read(tf.constant([content])).numpy() == 7)
    assert ways["embed"][0](tf.constant([content])).shape == (1, 3)
    assert ways["serve_array"][1][0].shape == (None, 8, 8, 3)


def test_its_facts_build_it_again() -> None:
    assert ImageInput(**GIVEN.facts()) == GIVEN and ImageInput(**GIVEN.sized(6).facts()) != GIVEN
