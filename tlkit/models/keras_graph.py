"""The only module that uses private parts of Keras: the graph of a functional model, and what layers hold inside.

Keras may rename these in any minor version, so setup.cfg sets an upper bound. When you raise it, run
tests/models/test_keras_graph.py first: it checks what each function here relies on.

A functional model is a graph of nodes. A node is one call of an operation (a layer, or an operation of `keras.ops`) and
has `operation`, `is_input`, `input_tensors` and `output_tensors`. An operation that is called twice has two nodes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tlkit.errors import RunError

if TYPE_CHECKING:
    import keras
    import numpy as np

LORA_FACTORS = ("lora_kernel_a", "lora_kernel_b")  # the names of a layer's low-rank variables, and of its attributes

# === Nodes ===


def has_graph(operation: Any) -> bool:
    """Tell whether an operation is a functional model, which has a graph of nodes."""
    import keras

    return isinstance(operation, keras.Function)


def nodes(model: keras.Model) -> list[Any]:
    """List the nodes of a functional model in the order in which they are computed, its inputs among them.

    Raises:
        RunError: this version of Keras keeps them elsewhere.
    """
    import keras

    levels = getattr(model, "_nodes_by_depth", None)
    if levels is None:
        raise RunError(
            f"Keras {keras.__version__} has no graph of {model.name} where tlkit looks for it (_nodes_by_depth); "
            f"install the version of Keras that tlkit asks for"
        )
    return [node for depth in sorted(levels, reverse=True) for node in levels[depth]]


def readers(model: keras.Model) -> dict[int, list[Any]]:
    """Return the nodes of a functional model that read each tensor, by the tensor's `id`; each as often as it does."""
    found: dict[int, list[Any]] = {}
    for node in nodes(model):
        for tensor in node.input_tensors:
            found.setdefault(id(tensor), []).append(node)
    return found


def arguments(node: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and the keyword arguments of a node, symbolic tensors among them."""
    return node.arguments.args, node.arguments.kwargs


def call_again(node: Any, tensors: Mapping[int, Any]) -> list[Any]:
    """Call the operation of a node on other tensors.

    Args:
        node: the node.
        tensors: what takes the place of each of its input tensors, by the `id` of that.

    Returns:
        What takes the place of its output tensors, in their order.
    """
    import keras

    args, kwargs = node.arguments.fill_in(tensors)
    return keras.tree.flatten(node.operation(*args, **kwargs))


def run_through_graph(model: keras.Model, inputs: list[Any], call: Callable[..., Any]) -> Any:
    """Compute a functional model on other inputs, and let `call(operation, *args, **kwargs)` make each call."""
    return model._run_through_graph(inputs, call_fn=call)


# === Tensors ===


def producer(tensor: keras.KerasTensor) -> Any:
    """Return the operation whose output a symbolic tensor is."""
    return tensor._keras_history.operation


def producing_node(tensor: keras.KerasTensor) -> Any:
    """Return the node whose output a symbolic tensor is."""
    return producer(tensor)._inbound_nodes[tensor._keras_history.node_index]


@contextlib.contextmanager
def kept_producers(tensors: Iterable[keras.KerasTensor]) -> Iterator[None]:
    """Undo at the end of the block what Keras writes into tensors that become the inputs of a new model.

    It writes that an `Input` comes from a new node, and the model to which the `Input` belongs can then not be saved.
    """
    kept = [(tensor, tensor._keras_history) for tensor in tensors]
    try:
        yield
    finally:
        for tensor, history in kept:
            tensor._keras_history = history


# === Layers ===


def layers(operation: Any) -> list[Any]:
    """List a layer and all layers inside it, at any depth; of an operation that is no layer, nothing."""
    import keras

    return operation._flatten_layers() if isinstance(operation, keras.Layer) else []


def sublayers(operation: Any) -> list[Any]:
    """List all layers inside a layer, at any depth, without itself; of an operation that is no layer, nothing."""
    import keras

    return operation._flatten_layers(include_self=False) if isinstance(operation, keras.Layer) else []


def created_trainable(layer: Any) -> list[Any]:
    """List the variables that a layer itself created to be trained, frozen or not; those of its sublayers are not."""
    return list(layer._trainable_variables)


def random_generator(layer: Any) -> Any | None:
    """Return what a layer draws random numbers with in training, as dropout does; None for a layer that draws none."""
    return getattr(layer, "seed_generator", None)


def has_lora(layer: Any) -> bool:
    """Tell whether `enable_lora` has added low-rank factors to a layer."""
    return getattr(layer, "lora_enabled", False)


def merge_lora(layer: Any) -> None:
    """Add the low-rank factors of a layer to its kernel, and take them away: up to rounding it computes the same."""
    layer._kernel.assign(layer.kernel)
    layer.lora_enabled, layer.lora_rank, layer.lora_alpha = False, None, None
    for name in LORA_FACTORS:
        delattr(layer, name)


def set_statistics(layer: keras.layers.Normalization, mean: np.ndarray, variance: np.ndarray) -> None:
    """Set what a `Normalization` layer would otherwise learn in `adapt`."""
    layer.adapt_mean.assign(mean)
    layer.adapt_variance.assign(variance)
    layer.finalize_state()
