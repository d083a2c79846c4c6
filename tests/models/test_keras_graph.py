"""What tlkit relies on in the private parts of Keras: after an upgrade, whatever Keras has changed of it fails here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tlkit.errors import RunError
from tlkit.models import cache_keys, keras_graph


@pytest.fixture
def shared() -> Any:
    """Build a model that calls one layer twice, an operation that is no layer, and an `Add` of one tensor and another.

    pixels -> conv -> flip -> conv again -> sum of that and of the first conv's output
    """
    pixels = keras.Input((4, 4, 2), name="pixels")
    conv = layers.Conv2D(2, 3, padding="same", name="conv")
    first = conv(pixels)
    second = conv(keras.ops.flip(first, axis=1))
    model = keras.Model(pixels, layers.Add(name="sum")([second, first]))
    layers.Flatten()(first)  # a call that is no part of the model
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


def names(nodes: list[Any]) -> list[str]:
    return [node.operation.name.partition("_")[0] for node in nodes]


# === Nodes ===


def test_nodes_are_the_calls_in_the_order_of_computation(shared: Any) -> None:
    nodes = keras_graph.nodes(shared)
    assert names(nodes) == ["pixels", "conv", "flip", "conv", "sum"]
    assert [node.is_input for node in nodes] == [True, False, False, False, False]
    known: set[int] = set()
    for node in nodes:
        assert {id(tensor) for tensor in node.input_tensors} <= known
        known |= {id(tensor) for tensor in node.output_tensors}
    assert {id(tensor) for tensor in (*shared.inputs, *shared.outputs)} <= known


def test_a_functional_model_has_a_graph_and_nothing_else_has(shared: Any) -> None:
    class Child(keras.Model):  # as the backbones of KerasHub are made
        def __init__(self) -> None:
            super().__init__(inputs=shared.inputs, outputs=shared.outputs)

    assert keras_graph.has_graph(shared) and keras_graph.has_graph(Child())
    flip = keras_graph.nodes(shared)[2].operation
    for leaf in (shared.get_layer("conv"), flip, keras.Sequential([keras.Input((2,)), layers.Dense(1)])):
        assert not keras_graph.has_graph(leaf)


def test_a_graph_that_is_not_where_it_was_is_no_leaf(shared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(shared, "_nodes_by_depth")
    for asked in (keras_graph.nodes, lambda model: cache_keys.functions([model])):
        with pytest.raises(RunError, match=r"Keras 3\.\S+ has no graph of functional.* \(_nodes_by_depth\); install"):
            asked(shared)


def test_readers_are_the_nodes_that_take_a_tensor(shared: Any) -> None:
    readers = keras_graph.readers(shared)
    pixels, first, flipped, second, total = (node.output_tensors[0] for node in keras_graph.nodes(shared))
    found = [names(readers.get(id(tensor), [])) for tensor in (pixels, first, flipped, second, total)]
    assert found == [["conv"], ["flip", "sum"], ["conv"], ["sum"], []]


def test_arguments_are_those_of_the_call() -> None:
    one, two = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([one, two], keras.ops.concatenate([one, two], axis=-1) + keras.ops.mean(one, keepdims=True))
    calls = {type(node.operation).__name__: keras_graph.arguments(node) for node in keras_graph.nodes(model)}
    ((first, second),), more = calls["Concatenate"]
    assert first is one and second is two and more == {}
    ((mean,), more) = calls["Mean"]
    assert mean is one and more == {}


def test_call_again_calls_on_other_tensors(shared: Any) -> None:
    pixels, conv, _, _, total = keras_graph.nodes(shared)
    value = np.random.default_rng(1).normal(size=(1, 4, 4, 2)).astype(np.float32)
    (answer,) = keras_graph.call_again(conv, {id(pixels.output_tensors[0]): value})
    assert np.array_equal(answer, shared.get_layer("conv")(value))
    left, right = total.input_tensors
    (answer,) = keras_graph.call_again(total, {id(left): value, id(right): 2 * value})
    assert np.allclose(answer, 3 * value)


def test_run_through_graph_hands_each_call_over(shared: Any) -> None:
    called = []

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(operation.name.partition("_")[0])
        value = operation(*args, **kwargs)
        return 2 * value if operation.name == "sum" else value

    value = np.random.default_rng(1).normal(size=(1, 4, 4, 2)).astype(np.float32)
    answer = keras_graph.run_through_graph(shared, [value], call)
    assert called == ["conv", "flip", "conv", "sum"]
    assert np.allclose(answer, 2 * shared(value))


# === Tensors ===


def test_a_tensor_knows_the_call_it_comes_from(shared: Any) -> None:
    nodes = keras_graph.nodes(shared)
    for node in nodes:
        (tensor,) = node.output_tensors
        assert keras_graph.producer(tensor) is node.operation
        assert keras_graph.producing_node(tensor) is node
    assert nodes[1] is not nodes[3] and nodes[1].operation is nodes[3].operation


def cut(inputs: list[Any], output: Any, *, keep: bool) -> None:
    """Build a model that starts at an `Input` and in the middle of another model."""
    if keep:
        with keras_graph.kept_producers(inputs):
            keras.Model(inputs, output)
    else:
        keras.Model(inputs, output)


@pytest.mark.parametrize("keep", [True, False])
def test_kept_producers_undo_what_keras_writes(keep: bool, tmp_path: Path) -> None:
    one, two = keras.Input((2,), name="one"), keras.Input((2,), name="two")
    middle = layers.Dense(2, name="middle")(one)
    output = layers.Add(name="sum")([middle, two])
    model = keras.Model([one, two], output)
    before = keras_graph.producing_node(two)
    cut([middle, two], output, keep=keep)
    assert (keras_graph.producing_node(two) is before) == keep, "Keras writes no more: kept_producers can go"
    if keep:
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        value = np.ones((1, 2), np.float32)
        assert np.array_equal(again([value, 3 * value]), model([value, 3 * value]))


def test_kept_producers_are_kept_when_the_model_cannot_be_built() -> None:
    one = keras.Input((2,))
    history = one._keras_history
    with pytest.raises(KeyError), keras_graph.kept_producers([one]):
        one._keras_history = None
        raise KeyError
    assert one._keras_history is history


# === Layers ===


def test_layers_are_all_that_lie_inside() -> None:
    class Block(layers.Layer):
        def __init__(self, *inner: Any, **options: Any) -> None:
            super().__init__(**options)
            self.inner = list(inner)

    dense, norm = layers.Dense(1, name="dense"), layers.BatchNormalization(name="norm")
    outer = Block(Block(dense, name="inner"), norm, name="outer")
    assert keras_graph.layers(outer)[0] is outer
    assert sorted(layer.name for layer in keras_graph.layers(outer)) == ["dense", "inner", "norm", "outer"]
    assert sorted(layer.name for layer in keras_graph.sublayers(outer)) == ["dense", "inner", "norm"]
    assert keras_graph.layers(dense) == [dense] and keras_graph.sublayers(dense) == []


def test_the_layers_of_a_model_count_once_and_operations_are_none(shared: Any) -> None:
    assert [layer.name for layer in keras_graph.layers(shared)].count("conv") == 1
    flip = keras_graph.nodes(shared)[2].operation
    assert keras_graph.layers(flip) == keras_graph.sublayers(flip) == []


@pytest.mark.parametrize(
    "layer",
    [layers.Dropout(0.1), layers.SpatialDropout1D(0.1), layers.GaussianNoise(0.1), layers.GaussianDropout(0.1)],
    ids=lambda layer: type(layer).__name__,
)
def test_what_draws_random_numbers_says_so(layer: Any) -> None:
    state = keras_graph.random_generator(layer).state
    before = np.array(state)
    first, second = (np.array(layer(np.ones((2, 8, 8), np.float32), training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    state.assign(before)
    assert np.array_equal(layer(np.ones((2, 8, 8), np.float32), training=True), first)


def test_attention_draws_only_with_dropout() -> None:
    drawing, quiet = (layers.MultiHeadAttention(1, 2, dropout=rate) for rate in (0.1, 0.0))
    value = np.ones((1, 3, 4), np.float32)
    for layer, expected in ((drawing, True), (quiet, False)):
        layer(value, value)
        inside = [keras_graph.random_generator(inner) for inner in keras_graph.layers(layer)]
        assert any(each is not None for each in inside) == expected
    assert keras_graph.random_generator(layers.Dense(1)) is None


def test_created_trainable_are_a_layers_own_even_when_it_is_frozen() -> None:
    norm = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3), norm])
    assert [variable.name for variable in keras_graph.created_trainable(model.layers[0])] == ["kernel", "bias"]
    norm.trainable = False
    assert [variable.name for variable in keras_graph.created_trainable(norm)] == ["gamma", "beta"]
    assert keras_graph.created_trainable(model) == []


@pytest.mark.parametrize("kind", ["Dense", "EinsumDense"])
def test_merge_lora_leaves_the_function_and_takes_the_factors_away(kind: str) -> None:
    einsum = layers.EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de")
    layer = layers.Dense(4) if kind == "Dense" else einsum
    rng = np.random.default_rng(0)
    value = rng.normal(size=(2, 3, 6)).astype(np.float32)
    plain = np.array(layer(value))
    paths = [variable.path for variable in layer.variables]
    assert not keras_graph.has_lora(layer)
    layer.enable_lora(2)
    assert keras_graph.has_lora(layer)
    for name in keras_graph.LORA_FACTORS:
        factor = getattr(layer, name)
        assert factor.name == name
        factor.assign(rng.normal(size=factor.shape))
    learned = np.array(layer(value))
    assert not np.allclose(learned, plain, atol=0.1)
    keras_graph.merge_lora(layer)
    assert np.allclose(layer(value), learned, atol=1e-5)
    assert not keras_graph.has_lora(layer) and [variable.path for variable in layer.variables] == paths
    assert "lora_rank" not in layer.get_config(), "a saved model would ask for the factors again"
    kernel, bias = keras_graph.created_trainable(layer)
    assert (kernel.name, bias.name) == ("kernel", "bias") and not kernel.trainable  # lora.merge opens it again


def test_set_statistics_is_what_the_layer_would_be_built_with() -> None:
    mean, variance = np.array([1.0, 2.0, 3.0]), np.array([4.0, 9.0, 16.0])
    layer = layers.Normalization()
    layer.build((None, 3))
    keras_graph.set_statistics(layer, mean, variance)
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.allclose(layer(value), layers.Normalization(mean=mean, variance=variance)(value))
    assert not np.allclose(layer(value), value)
