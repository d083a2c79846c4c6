"""Folding: BatchNormalization disappears where that is exact, and only there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import tiny_models
from tlkit.features import batchnorm_folding


def conv(**options: object) -> Callable:
    from keras import layers

    return lambda x: layers.Conv2D(6, 3, name="conv", **options)(x)


def depthwise(**options: object) -> Callable:
    from keras import layers

    return lambda x: layers.DepthwiseConv2D(3, name="conv", **options)(x)


def separable(**options: object) -> Callable:
    from keras import layers

    return lambda x: layers.SeparableConv2D(6, 3, name="conv", **options)(x)


def norm(x: object, **options: object) -> object:
    from keras import layers

    return layers.BatchNormalization(name="bn", epsilon=0.01, **options)(x)


def built(call: Callable, shape: tuple[int, ...] = (9, 9, 4)) -> object:
    """Build a frozen model of a function with random weights, statistics far from 0 and 1 among them."""
    import keras

    given = keras.Input(shape)
    model = keras.Model(given, call(given))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.2, 2, weight.shape) * rng.choice([-1, 1]) for weight in model.weights])
    for variable in model.weights:
        if variable.path.endswith(("gamma", "moving_variance")):
            variable.assign(np.abs(variable))
    model.trainable = False
    return model


def batch(shape: tuple[int, ...] = (9, 9, 4)) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, *shape)).astype(np.float32)


def answers(model: object, given: np.ndarray) -> np.ndarray:
    return np.asarray(model(given, training=False))


def far(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference as a share of the largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def norms(model: object) -> int:
    import keras

    return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)


# === What is folded ===

FOLDED = {
    "plain": lambda: lambda x: norm(conv(use_bias=False)(x)),
    "bias": lambda: lambda x: norm(conv()(x)),
    "strided": lambda: lambda x: norm(conv(strides=2, padding="same", dilation_rate=1)(x)),
    "groups": lambda: lambda x: norm(conv(groups=2, use_bias=False)(x)),
    "no scale": lambda: lambda x: norm(conv()(x), scale=False),
    "no centre": lambda: lambda x: norm(conv(use_bias=False)(x), center=False),
    "neither": lambda: lambda x: norm(conv(use_bias=False)(x), center=False, scale=False),
    "axis 3": lambda: lambda x: norm(conv()(x), axis=3),
    "depthwise": lambda: lambda x: norm(depthwise(use_bias=False)(x)),
    "depthwise twice": lambda: lambda x: norm(depthwise(depth_multiplier=2)(x)),
    "separable": lambda: lambda x: norm(separable(use_bias=False)(x)),
    "separable twice": lambda: lambda x: norm(separable(depth_multiplier=2)(x)),
}


@pytest.mark.parametrize("name", FOLDED)
def test_a_folded_model_is_the_same_function_without_the_normalisation(name: str) -> None:
    model = built(FOLDED[name]())
    before = [weight.numpy() for weight in model.weights]
    folded = batchnorm_folding.fold(model)
    assert (norms(model), norms(folded)) == (1, 0)
    assert far(answers(folded, batch()), answers(model, batch())) < 1e-5
    assert far(model.get_layer("conv")(batch()).numpy(), answers(model, batch())) > 0.1, "nothing to fold"
    assert far(np.roll(answers(folded, batch()), 1, 0), answers(model, batch())) > 0.1
    assert all(np.array_equal(now, old) for now, old in zip(model.weights, before, strict=True))


def test_one_dimension_folds_too() -> None:
    from keras import layers

    model = built(lambda x: norm(layers.Conv1D(6, 3)(x)), (9, 4))
    folded = batchnorm_folding.fold(model)
    assert norms(folded) == 0 and far(answers(folded, batch((9, 4))), answers(model, batch((9, 4)))) < 1e-5


def test_what_is_not_folded_is_shared_and_nothing_trains() -> None:
    from keras import layers

    model = built(lambda x: layers.Conv2D(2, 1, name="last")(layers.ReLU(name="relu")(norm(conv()(x)))))
    folded = batchnorm_folding.fold(model)
    assert folded.get_layer("last") is model.get_layer("last")
    assert folded.get_layer("conv") is not model.get_layer("conv")
    assert folded.trainable_weights == []


def test_a_folded_model_leaves_the_original_fit_to_be_saved(tmp_path: Path) -> None:
    import keras

    model = built(FOLDED["plain"]())
    expected = answers(model, batch())
    batchnorm_folding.fold(model)
    model.save(tmp_path / "m.keras")
    assert np.array_equal(answers(keras.saving.load_model(tmp_path / "m.keras"), batch()), expected)


# === What is not ===


def activated(x: object) -> object:
    return norm(conv(activation="relu")(x))


def read_twice(x: object) -> object:
    from keras import layers

    y = conv()(x)
    return layers.Concatenate()([norm(y), y])


def given_out(x: object) -> object:
    y = conv()(x)
    return [norm(y), y]


def convolved_twice(x: object) -> object:
    from keras import layers

    shared = layers.Conv2D(4, 3, padding="same")
    return norm(shared(shared(x)))


def normalised_twice(x: object) -> object:
    from keras import layers

    shared = layers.BatchNormalization()
    return layers.Concatenate()([shared(layers.Conv2D(4, 1)(x)), shared(layers.Conv2D(4, 1)(x))])


def other_axis(x: object) -> object:
    return norm(conv()(x), axis=1)


def something_between(x: object) -> object:
    from keras import layers

    return norm(layers.ReLU()(conv()(x)))


def dense(x: object) -> object:
    from keras import layers

    return norm(layers.Dense(4)(x))


def transposed(x: object) -> object:
    from keras import layers

    return norm(layers.Conv2DTranspose(4, 3)(x))


def subclassed(x: object) -> object:
    from keras import layers

    class Odd(layers.Conv2D):
        def call(self, inputs: object) -> object:
            return super().call(inputs) ** 2

    return norm(Odd(4, 3)(x))


@pytest.mark.parametrize(
    "call",
    [
        activated,
        read_twice,
        given_out,
        convolved_twice,
        normalised_twice,
        other_axis,
        something_between,
        dense,
        transposed,
        subclassed,
    ],
)
def test_what_cannot_be_folded_exactly_stays_as_it_is(call: Callable) -> None:
    model = built(call)
    assert batchnorm_folding.fold(model) is model


def test_a_model_without_normalisation_is_itself() -> None:
    model = built(conv())
    assert batchnorm_folding.fold(model) is model


def test_folding_is_exact_where_rounding_is_small() -> None:
    folded, plain = tiny_models.folded_in_float64(
        tiny_models.spread(tiny_models.tiny_classifier(3), tiny_models.pictures(16, 16))
    )
    given = tiny_models.pictures(5, 16, seed=4).astype(np.float64) / 127.5 - 1
    ours, theirs = (np.asarray(model(given)["map"]) for model in (folded, plain))
    assert norms(folded) == 0 and ours.dtype == np.float64
    assert far(ours, theirs) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("Xception", 40, 0), ("ResNet50V2", 49, 17), ("DenseNet121", 121, 62), ("ConvNeXtTiny", 0, 0)],
)
def test_as_much_is_folded_as_a_network_allows(name: str, before: int, after: int) -> None:
    import keras

    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(75, 75, 3))
    model.trainable = False
    folded = batchnorm_folding.fold(model)
    assert (norms(model), norms(folded)) == (before, after)
    given = batch((75, 75, 3))
    assert far(answers(folded, given), answers(model, given)) < 1e-4
    assert far(np.roll(answers(folded, given), 1, 0), answers(model, given)) > 1e-2
