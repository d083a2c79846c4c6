"""Where the frozen part of a classifier ends: the deepest cut before which nothing trains and nothing is random.

What lies before the cut is the *trunk* and needs computing once; what lies after it is the *tail* and is trained on
the trunk's stored output. Both follow from `trainable` and the graph alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlkit.features.batchnorm_folding import fold
from tlkit.models import keras_graph
from tlkit.models.classifier import pieces

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Cut:
    """Mark a place in a classifier.

    Args:
        piece: 0 for `pre`, 1 for the backbone, 2 for the head.
        tensors: the symbolic tensors of that piece that cross the cut.
        after: the names of the layers the tensors come from, for people.
    """

    piece: int
    tensors: tuple[Any, ...]
    after: tuple[str, ...]


def _is_fixed(layer: Any) -> bool:
    """Tell whether a layer gives the same answer in every step of training."""
    if not getattr(layer, "trainable", False):
        return True  # frozen layers run in inference mode: no dropout, no batch statistics
    return not layer.weights and not any(keras_graph.random_generator(inner) for inner in keras_graph.layers(layer))


def _crossing(model: keras.Model) -> list[Any]:
    """List the tensors of a functional model that are fixed and are read by what is not; empty where all is fixed."""
    fixed: dict[int, Any] = {}
    crossing: dict[int, Any] = {}
    for node in keras_graph.nodes(model):
        known = all(id(tensor) in fixed for tensor in node.input_tensors)
        if node.is_input or (known and _is_fixed(node.operation)):
            fixed.update((id(tensor), tensor) for tensor in node.output_tensors)
        else:
            crossing.update((id(tensor), tensor) for tensor in node.input_tensors if id(tensor) in fixed)
    if all(id(tensor) in fixed for tensor in model.outputs):
        return []
    crossing.update((id(tensor), tensor) for tensor in model.outputs if id(tensor) in fixed)
    return [tensor for tensor in crossing.values() if not _follows(tensor, crossing)]


def _follows(tensor: Any, stored: dict[int, Any]) -> bool:
    """Tell whether a tensor need not be stored: a layer without weights makes it of tensors that are."""
    node = keras_graph.producing_node(tensor)
    inputs = node.input_tensors
    return bool(inputs) and not getattr(node.operation, "weights", ()) and all(id(given) in stored for given in inputs)


def find(clf: keras.Model) -> Cut:
    """Find the frontier of a classifier as its layers' `trainable` stand now."""
    _, backbone, head = pieces(clf)
    for number, model in ((1, backbone), (2, head)):
        tensors = _crossing(model)
        if tensors:
            return Cut(number, tuple(tensors), tuple(keras_graph.producer(tensor).name for tensor in tensors))
    return Cut(2, tuple(head.outputs), ("probabilities",))


def segment(clf: keras.Model, start: Cut | None, end: Cut | None, *, folded: bool = False) -> keras.Model:
    """Build the model that leads from one cut to a later one, on the classifier's own layers.

    Args:
        clf: the classifier.
        start: a cut, or None for the raw input.
        end: a cut at or above `start`, or None for the probabilities.
        folded: fold frozen BatchNormalization into the convolutions before it, which copies those. For what is frozen.
    """
    import keras

    chain = parts(clf, start, end)
    chain = [fold(part) if folded and isinstance(part, keras.Model) else part for part in chain]
    if len(chain) == 1:
        return chain[0]
    value = source = clf.inputs[0] if start is None else chain[0].inputs
    for part in chain:
        value = part(value)
    return keras.Model(source, value)


def parts(clf: keras.Model, start: Cut | None, end: Cut | None) -> list[Any]:
    """List what leads from one cut to a later one: `pre`, the backbone and the head, or what of them lies between."""
    whole = pieces(clf)
    first = 0 if start is None else start.piece
    last = len(whole) - 1 if end is None else end.piece
    return [_part(whole[number], number, start, end) for number in range(first, last + 1)]


def _part(piece: Any, number: int, start: Cut | None, end: Cut | None) -> Any:
    """Return one piece, or what of it lies between the cuts."""
    import keras

    opens, closes = start is not None and start.piece == number, end is not None and end.piece == number
    if not opens and not closes:
        return piece
    inputs = list(start.tensors) if opens else piece.input
    outputs = list(end.tensors) if closes else piece.output
    if opens and _passed_again(piece, inputs):
        return _called_anew(piece, inputs, outputs)
    given = {id(tensor) for tensor in keras.tree.flatten(inputs)}
    # Keras takes a model that hands an input straight through for a cycle; a cast to its own type is none
    outputs = keras.tree.map_structure(lambda t: keras.ops.cast(t, t.dtype) if id(t) in given else t, outputs)
    with keras_graph.kept_producers(keras.tree.flatten(inputs)):  # else the piece itself could no longer be saved
        return keras.Model(inputs, outputs)


def _passed_again(piece: keras.Model, inputs: list[Any]) -> bool:
    """Tell whether a layer that gives one of these tensors is called more than once, as a tied embedding is."""
    calls = [id(node.operation) for node in keras_graph.nodes(piece)]
    return any(calls.count(id(keras_graph.producer(tensor))) > 1 for tensor in inputs)


def _called_anew(piece: keras.Model, inputs: list[Any], outputs: Any) -> keras.Model:
    """Build what leads from tensors to outputs by calling the layers again: of a layer whose output is an input, Keras
    itself would take all later calls for inputs too."""
    import keras

    new = {id(tensor): keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype) for tensor in inputs}
    starts = [new[id(tensor)] for tensor in inputs]
    for node in keras_graph.nodes(piece):
        ready = not node.is_input and all(id(tensor) in new for tensor in node.input_tensors)
        if ready and not any(id(tensor) in new for tensor in node.output_tensors):
            found = keras_graph.call_again(node, new)
            new.update((id(old), tensor) for old, tensor in zip(node.output_tensors, found, strict=True))
    straight = {id(tensor) for tensor in inputs}  # such an output Keras would take for a cycle
    return keras.Model(
        starts,
        keras.tree.map_structure(
            lambda t: keras.ops.cast(new[id(t)], t.dtype) if id(t) in straight else new[id(t)], outputs
        ),
    )
