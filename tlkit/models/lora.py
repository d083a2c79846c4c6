"""Low-rank adaptation (LoRA): small factors that train in an unfrozen block in place of all its weights.

Source: https://arxiv.org/abs/2106.09685. The layers and their arithmetic are Keras's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tlkit.errors import InputError
from tlkit.models import keras_graph

if TYPE_CHECKING:
    import keras

PROJECTIONS = ("query", "value")  # of attention, as the paper has it
FACTORS = keras_graph.LORA_FACTORS


def enable(backbone: keras.Model, rank: int) -> None:
    """Add factors of a rank to the query and value projections of all attention layers; they change nothing yet.

    Raises:
        InputError: a rank below 1, or a backbone without such projections.
    """
    if not isinstance(rank, int) or rank < 1:
        raise InputError(f"lora={rank!r}: give the rank of the additions, such as 8, or None to train whole blocks")
    layers = [layer for layer in keras_graph.layers(backbone) if layer.name in PROJECTIONS]
    layers = [layer for layer in layers if hasattr(layer, "enable_lora")]
    if not layers:
        raise InputError(f"{backbone.name} has no attention layer with projections {' and '.join(PROJECTIONS)}")
    for layer in layers:
        layer.enable_lora(rank)


def enabled(backbone: keras.Model) -> bool:
    """Return whether a backbone has low-rank factors."""
    return next(_layers(backbone), None) is not None


def hold(layer: Any) -> None:
    """Freeze all weights of a block, except its low-rank factors if it is unfrozen."""
    for variable in layer.weights:
        variable.trainable = layer.trainable and variable.name in FACTORS


def merge(lm: keras.Model) -> None:
    """Add what the additions learned to the kernels, and take the additions away, in place: the model stays the same
    function, up to rounding, and has the variables it had without them."""
    for layer in list(_layers(lm)):
        keras_graph.merge_lora(layer)
    for layer in keras_graph.layers(lm):
        for variable in keras_graph.created_trainable(layer):
            variable.trainable = layer.trainable  # no longer held


def _layers(model: keras.Model) -> Iterator[Any]:
    return (layer for layer in keras_graph.layers(model) if keras_graph.has_lora(layer))
