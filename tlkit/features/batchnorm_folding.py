"""A frozen network is a simpler network: BatchNormalization disappears into the convolution before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.models import keras_graph

if TYPE_CHECKING:
    import keras


def fold(model: keras.Model) -> keras.Model:
    """Fold each BatchNormalization of a frozen model into the convolution it directly follows, where that is exact.

    It is exact, up to rounding, where the convolution is linear and nothing else reads it. Keras computes a frozen
    normalisation as separate passes over the whole map, which then need not be made.

    Args:
        model: a flat functional model, in inference mode.

    Returns:
        A model of the same function. Folded convolutions are copies with weights of their own; all other layers are
        shared. The model itself, where there is nothing to fold.
    """
    import keras

    pairs = _pairs(model)
    if not pairs:
        return model
    copies = {id(convolution): _with_bias(convolution) for convolution, _ in pairs}
    passing = {id(norm): _passing(norm) for _, norm in pairs}

    def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
        return copies.get(id(layer)) or passing.get(id(layer)) or layer

    folded = keras.models.clone_model(model, clone_function=replaced)
    for convolution, norm in pairs:
        copies[id(convolution)].set_weights(_folded(convolution, norm))
    return folded


def _pairs(model: keras.Model) -> list[tuple[Any, Any]]:
    """List the (convolution, normalisation) that can be folded."""
    import keras

    kinds = _scalers()
    nodes, readers = keras_graph.nodes(model), keras_graph.readers(model)
    calls = [id(node.operation) for node in nodes]
    given_out = {id(tensor) for tensor in model.outputs}
    pairs = []
    for node in nodes:
        layer, (tensor, *_) = node.operation, node.output_tensors
        if type(layer) not in kinds or layer.activation is not keras.activations.linear or id(tensor) in given_out:
            continue
        following = readers.get(id(tensor), [])
        norm = following[0].operation if len(following) == 1 else None
        last = len(tensor.shape) - 1
        if type(norm) is not keras.layers.BatchNormalization or norm.axis not in (-1, last):
            continue
        if calls.count(id(layer)) == calls.count(id(norm)) == 1 and layer.data_format == "channels_last":
            pairs.append((layer, norm))
    return pairs


def _scalers() -> dict[type, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Return, by type of convolution, how its last kernel is scaled per output channel."""
    from keras import layers

    def last(kernel: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return kernel * scale

    def depthwise(kernel: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return kernel * scale.reshape(kernel.shape[-2:])  # (channels, multiplier), in the order of the outputs

    kinds = dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.SeparableConv2D), last)
    return kinds | {layers.DepthwiseConv2D: depthwise}


def _with_bias(convolution: Any) -> Any:
    return type(convolution).from_config({**convolution.get_config(), "use_bias": True, "trainable": False})


def _passing(norm: Any) -> Any:
    import keras

    class Passing(keras.layers.Layer):
        """Hand the input on, called like the normalisation it stands for."""

        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return inputs

    # of its type, so that nothing is cast back and forth where the network computes in half precision
    return Passing(name=norm.name, dtype=norm.dtype_policy)


def _folded(convolution: Any, norm: Any) -> list[np.ndarray]:
    """Return the weights of a convolution that does its normalisation's work too; computed in float64."""
    mean, variance = (value.numpy().astype(np.float64) for value in (norm.moving_mean, norm.moving_variance))
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.gamma is not None:
        scale = scale * norm.gamma.numpy()
    *others, kernel = (weight.numpy() for weight in convolution.weights if weight is not convolution.bias)
    bias = -mean if convolution.bias is None else convolution.bias.numpy() - mean
    bias = bias * scale if norm.beta is None else bias * scale + norm.beta.numpy()
    return [*others, _scalers()[type(convolution)](kernel, scale), bias]
