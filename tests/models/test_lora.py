"""Low-rank additions: they change nothing at first, train alone, and are merged into the same function."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tests.helpers import tiny_generators
from tlkit.errors import InputError
from tlkit.models import lora


@pytest.fixture
def attending() -> Any:
    """Return a network of one attention layer, and what it answers to a batch."""
    keras.utils.set_random_seed(0)
    given = keras.Input((4, 8))
    made = keras.layers.MultiHeadAttention(2, 4, name="attention")(given, given)
    return keras.Model(given, made, name="attending")


BATCH = np.random.default_rng(0).normal(size=(3, 4, 8)).astype(np.float32)


def factors(model: Any) -> list[Any]:
    return [variable for variable in model.weights if variable.name in lora.FACTORS]


def test_additions_stand_beside_query_and_value_and_change_nothing(attending: Any) -> None:
    before, count = attending(BATCH).numpy(), len(attending.weights)
    assert not lora.enabled(attending)
    lora.enable(attending, 2)
    assert lora.enabled(attending) and len(attending.weights) == count + 4
    places = {variable.path.split("/")[-2] for variable in factors(attending)}
    assert places == set(lora.PROJECTIONS) and np.array_equal(attending(BATCH).numpy(), before)


def test_all_but_the_additions_of_an_open_block_is_held(attending: Any) -> None:
    lora.enable(attending, 2)
    block = attending.get_layer("attention")
    lora.hold(block)
    assert {variable.name for variable in attending.trainable_variables} == set(lora.FACTORS)
    block.trainable = False
    lora.hold(block)
    assert attending.trainable_variables == []


def test_merging_keeps_the_function_and_takes_the_additions_away(attending: Any) -> None:
    before, names = attending(BATCH).numpy(), [variable.path for variable in attending.weights]
    lora.enable(attending, 2)
    lora.hold(attending.get_layer("attention"))
    rng = np.random.default_rng(1)
    for variable in factors(attending):
        variable.assign(rng.normal(size=variable.shape))
    learned = attending(BATCH).numpy()
    assert np.abs(learned - before).max() > 1e-2
    lora.merge(attending)
    assert not lora.enabled(attending) and [variable.path for variable in attending.weights] == names
    assert np.abs(attending(BATCH).numpy() - learned).max() < 1e-5
    assert len(attending.trainable_variables) == len(names), "none is held any more"


@pytest.mark.parametrize("rank", [0, -1, 1.5, "8", None])
def test_a_rank_that_is_none(rank: Any, attending: Any) -> None:
    with pytest.raises(InputError, match=rf"lora={rank!r}: give the rank of the additions, such as 8, or None"):
        lora.enable(attending, rank)
    assert not lora.enabled(attending)


def test_a_network_without_attention() -> None:
    given = keras.Input((4,))
    bare = keras.Model(given, keras.layers.Dense(2, name="query")(keras.layers.Activation("relu", name="value")(given)))
    lora.enable(bare, 1)  # a layer of that name which has low-rank additions will do
    plain = keras.Model(given, keras.layers.Activation("relu", name="value")(given), name="plain")
    with pytest.raises(InputError, match="plain has no attention layer with projections query and value"):
        lora.enable(plain, 1)


@pytest.mark.parametrize("rank", [0, -1, 1.5])
def test_a_generator_refuses_such_a_rank(rank: Any) -> None:
    with pytest.raises(InputError, match="give the rank of the additions"):
        tiny_generators.decoder(1, lora=rank)
