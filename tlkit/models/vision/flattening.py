"""Flatten nested backbones of KerasHub and keras-cv into one graph, and find the ends of its blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tlkit.models import keras_graph, kerashub
from tlkit.utils.progress import log

if TYPE_CHECKING:
    import keras

END = "end_of_block_"
HALVED = 0.7  # a map whose side is below this share of the one before belongs to the next stage


def flatten(bare: keras.Model, size: int, scale: Any, offset: Any) -> keras.Model:
    """Rebuild an image backbone on its own layers as a flat functional model with named block ends.

    Args:
        bare: a functional model of one picture (batch, size, size, 3) to a map (batch, height, width, channels), or to
            tokens (batch, tokens, channels), of which class tokens come first; of several maps the smallest is taken.
        size: pixels of a side.
        scale, offset: what makes of pixels 0..255 what it takes; numbers, or one for each channel.

    Returns:
        The model of float32 pixels (batch, size, size, 3), 0..255, to the map and, where there is a class token, to
        that: (batch, channels). Layers named as `ends` gives them stand at the ends of its blocks.
    """
    import keras

    count = 0

    def marked(value: Any) -> Any:
        nonlocal count
        count += 1
        return keras.layers.Identity(name=f"{END}{count}")(value)

    names = set(_ends(bare))

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if kerashub.is_chain(operation):
            return [kerashub.unrolled(operation, args[0], marked)]
        if kerashub.is_patch_embedding(operation):
            return kerashub.embedded(operation, args[0])
        value = kerashub.mended(operation)(*args, **kwargs)
        return marked(value) if operation.name in names else value

    pixels = keras.Input((size, size, 3), dtype="float32", name="pixels")
    scaled = keras.layers.Rescaling(scale, offset, name="normalise")(pixels)
    outputs = keras.tree.flatten(keras_graph.run_through_graph(bare, [scaled], call))
    given = _features(min(outputs, key=lambda value: math.prod(value.shape[1:-1])), size, bare)
    if count < 2:
        log.info("%s has no places to cut it at: it trains as one block, or not at all", type(bare).__name__)
    return keras.Model(pixels, given if count else [marked(given[0]), *given[1:]])


def ends(model: Any) -> tuple[str, ...]:
    """Name the block ends of a model that `flatten` made, from the bottom to the top."""
    return tuple(layer.name for layer in model.layers if layer.name.startswith(END))


def _features(value: Any, size: int, bare: Any) -> list[Any]:
    """Turn tokens into a map and, where there is one, the class token; a map is handed on."""
    from keras import layers

    if len(value.shape) == 4:
        return [value]
    _, tokens, channels = value.shape
    patch = getattr(bare, "patch_size", 1)
    side = size // (patch[0] if isinstance(patch, list | tuple) else patch)
    if side * side > tokens:  # patches were merged, and there is no class token
        side = math.isqrt(tokens)
    first = tokens - side * side  # class and register tokens
    patches = layers.Cropping1D((first, 0), name="patches")(value) if first else value
    given = [layers.Reshape((side, side, channels), name="map")(patches)]
    if first:
        token = layers.Cropping1D((0, tokens - 1), name="class_token")(value)
        given.append(layers.Reshape((channels,), name="pooled")(token))
    return given


# === Blocks ===


def _ends(bare: keras.Model) -> list[str]:
    """Name the last operation of each block: where the authors end their stages, else where the map shrinks.

    Only places are kept that all paths pass through, so that no residual block is cut, and between which there is
    something to train.
    """
    nodes = [node for node in keras_graph.nodes(bare) if not node.is_input]
    if any(kerashub.is_chain(node.operation) for node in nodes):
        return []
    cuts = list(_cuts(bare, nodes))
    places = {node.operation.name for node in cuts}
    wanted = kerashub.stage_ends(bare) or _composites(cuts) or _stages(cuts)
    kept, trains = [], False
    for node in nodes:
        trains = trains or bool(getattr(node.operation, "trainable_weights", ()))
        if trains and node.operation.name in places and node.operation.name in wanted:
            kept.append(node.operation.name)
            trains = False
    return kept


def _cuts(model: keras.Model, nodes: list[Any]) -> Iterator[Any]:
    """Yield the calls whose one output is all that later calls read of what was computed before them."""
    unread: dict[int, int] = {}
    for tensor in (*(tensor for node in nodes for tensor in node.input_tensors), *model.outputs):
        unread[id(tensor)] = unread.get(id(tensor), 0) + 1
    waiting = {id(tensor) for tensor in model.inputs}
    for node in nodes:
        for tensor in node.input_tensors:
            unread[id(tensor)] -= 1
            if not unread[id(tensor)]:
                waiting.discard(id(tensor))
        waiting.update(id(tensor) for tensor in node.output_tensors if unread.get(id(tensor)))
        if len(node.output_tensors) == 1 and waiting == {id(node.output_tensors[0])}:
            yield node


def _composites(cuts: list[Any]) -> list[str]:
    """Name the layers that are themselves blocks of layers, where the network is a chain of such."""

    def parts(layer: Any) -> int:
        inner = keras_graph.sublayers(layer)
        return sum(bool(part.weights) and not keras_graph.sublayers(part) for part in inner)

    names = [node.operation.name for node in cuts if parts(node.operation) > 1]
    return names if len(names) > 2 else []


def _stages(cuts: list[Any]) -> list[str]:
    """Name the last place of each resolution."""
    names: list[str] = []
    side = math.inf
    for node in cuts:
        now = node.output_tensors[0].shape[1]
        if now >= HALVED * side and names:
            names[-1] = node.operation.name
        else:
            names.append(node.operation.name)
            side = now
    return names
