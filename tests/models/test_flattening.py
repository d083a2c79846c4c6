"""Backbones made one flat graph: the same function, cut at the ends of its stages and nowhere inside a block."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests.helpers import tiny_models
from tlkit.models.vision import flattening


@pytest.fixture(scope="module")
def staged() -> Any:
    """Return a network of three resolutions, the second one with a residual path."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, 2, "same", name="first")(pixels)
    y = layers.Conv2D(4, 3, 2, "same", name="second")(x)
    z = layers.Conv2D(4, 3, 1, "same", name="inside")(y)
    y = layers.Add(name="joined")([y, z])
    return keras.Model(pixels, layers.Conv2D(8, 3, 2, "same", name="third")(y))


def test_it_is_the_same_function_of_pixels_that_are_scaled_first(staged: Any) -> None:
    flat, pixels = flattening.flatten(staged, 16, 1 / 127.5, -1.0), tiny_models.pictures(3, 16)
    expected, given = staged(pixels / 127.5 - 1).numpy(), np.asarray(keras.tree.flatten(flat(pixels))[0])
    assert np.abs(given - expected).max() < 1e-5 < 1e-2 < np.abs(np.roll(given, 1, 0) - expected).max()


def test_a_stage_ends_where_the_map_shrinks_and_no_block_is_cut(staged: Any) -> None:
    flat = flattening.flatten(staged, 16, 1.0, 0.0)
    assert flattening.ends(flat) == ("end_of_block_1", "end_of_block_2", "end_of_block_3")
    before = [flat.get_layer(name).input._keras_history.operation.name for name in flattening.ends(flat)]
    assert before == ["first", "joined", "third"]
    assert [flat.get_layer(name).output.shape[1] for name in flattening.ends(flat)] == [8, 4, 2]


def test_of_several_maps_the_smallest_is_taken(staged: Any) -> None:
    maps = [staged.get_layer("first").output, staged.output, staged.get_layer("joined").output]
    many = keras.Model(staged.input, maps)
    assert [value.shape for value in flattening.flatten(many, 16, 1.0, 0.0).outputs] == [(None, 2, 2, 8)]


@pytest.mark.parametrize("first", [0, 1, 3])
def test_tokens_become_a_map_and_the_first_one_a_vector(first: int) -> None:
    pixels = keras.Input((8, 8, 3))
    patches = layers.Reshape((4, 5))(layers.Conv2D(5, 4, 4)(pixels))
    tokens = layers.ZeroPadding1D((first, 0))(patches) if first else patches
    bare = keras.Model(pixels, tokens)
    bare.patch_size = 4
    flat = flattening.flatten(bare, 8, 1.0, 0.0)
    shapes = [value.shape for value in flat.outputs]
    assert shapes == [(None, 2, 2, 5)] + ([(None, 5)] if first else [])
    given, batch = keras.tree.flatten(flat(tiny_models.pictures(2, 8))), tiny_models.pictures(2, 8)
    assert np.allclose(given[0], np.asarray(bare(batch))[:, first:].reshape(2, 2, 2, 5), atol=1e-4)
    assert not first or not np.asarray(given[1]).any(), "the padding stands for the class token"


def test_a_plain_model_has_no_ends(staged: Any) -> None:
    assert flattening.ends(staged) == ()


def test_a_network_that_cannot_be_cut_says_so(caplog: pytest.LogCaptureFixture) -> None:
    pixels = keras.Input((8, 8, 3))
    maps = [keras.layers.Conv2D(4, 3, padding="same", name=f"path{number}")(pixels) for number in (1, 2)]
    bare = keras.Model(pixels, keras.layers.Add(name="sum")(maps))
    with caplog.at_level("INFO", logger="tlkit"):
        model = flattening.flatten(bare, 8, 1.0, 0.0)
    assert flattening.ends(model) == ("end_of_block_1",)
    assert "no places to cut it at: it trains as one block, or not at all" in caplog.text
