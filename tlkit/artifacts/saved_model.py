"""Load and call an untrusted SavedModel; whatever fails in it becomes an ArtifactError that names the artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.errors import ArtifactError
from tlkit.tasks import registry
from tlkit.tasks.answers import COUNTS, FRACTIONS, WORDS

if TYPE_CHECKING:
    import keras

    from tlkit.models.classifier import Spec

REMEDY = "export the model again"


def load(folder: Path) -> Any:
    """Load a SavedModel that `graph_scan.scan` accepted.

    Raises:
        ArtifactError: TensorFlow cannot load it; says why.
    """
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:  # a damaged or hostile file leads TensorFlow to raise anything
        raise ArtifactError(f"{folder} cannot be loaded: {_reason(error)}; {REMEDY}") from error


def answer(loaded: Any, endpoint: str, examples: Any, folder: Path) -> dict[str, Any]:
    """Call an endpoint of a loaded SavedModel.

    Args:
        loaded: the SavedModel that `load` returned.
        endpoint: such as "serving_default".
        examples: the tensor that it takes.
        folder: the folder of the SavedModel, for messages.

    Returns:
        Its outputs by name, as arrays.

    Raises:
        ArtifactError: there is no such endpoint, it takes something else, or fails; says why.
    """
    signatures = getattr(loaded, "signatures", {})
    if endpoint not in signatures:
        raise ArtifactError(
            f"{folder} has no endpoint {endpoint!r}, only {', '.join(map(repr, signatures))[:200] or 'none'}; {REMEDY}"
        )
    try:
        return {name: tensor.numpy() for name, tensor in signatures[endpoint](examples).items()}
    except Exception as error:  # its graph may fail in any way
        raise ArtifactError(f"{folder} does not answer: {_reason(error)}; {REMEDY}") from error


def predictions(
    read: Callable[[Mapping[str, Any]], list[Any]], answers: Mapping[str, Any], *, target: str, count: int, folder: Path
) -> list[Any]:
    """Turn the outputs of a SavedModel into predictions.

    Args:
        read: a target's `predictions`.
        answers: the outputs by name.
        target: the target's name.
        count: the number of examples.
        folder: the folder of the SavedModel, for messages.

    Raises:
        ArtifactError: an output that is missing, of another type or shape, or text that is no UTF-8.
    """
    for name, (kinds, rank) in registry.target(target).outputs.items():
        if name not in answers:
            raise ArtifactError(
                f"{folder} has no output {name!r}, which the target {target} needs, only "
                f"{', '.join(map(repr, answers))[:200] or 'none'}; {REMEDY}"
            )
        array = answers[name]
        if array.dtype.kind not in kinds or array.ndim != rank or len(array) != count or 0 in array.shape[1:]:
            if target == "entities" and array.dtype.kind in kinds and array.shape == (count, 0):
                continue  # texts without words
            wanted = {WORDS: "strings", FRACTIONS: "floats", COUNTS: "whole numbers"}[kinds]
            raise ArtifactError(
                f"the output {name!r} of {folder} is {array.dtype} {array.shape}, not {wanted} of rank {rank} for "
                f"{count} examples; {REMEDY}"
            )
    try:
        return read(answers)
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
    ) as error:
        raise ArtifactError(f"the answers of {folder} cannot be read: {_reason(error)}; {REMEDY}") from error


def fitting(model: keras.Model, spec: Spec) -> keras.Model:
    """Return a Keras model after checking that its input and output match its spec.

    Raises:
        ValueError: they do not match; the message shows both.
    """
    wanted = spec.input.tensor()
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs, not one of each")
    model_input, output_shape = model.inputs[0], model.outputs[0].shape
    if (tuple(model_input.shape), model_input.dtype) != (tuple(wanted.shape), wanted.dtype):
        raise ValueError(f"it takes {model_input.dtype} {model_input.shape}, not {wanted.dtype} {wanted.shape}")
    rank = 2 if spec.target.name in ("label", "tags", "value") else 3
    if len(output_shape) != rank or (
        spec.target.name not in ("reply", "summary") and output_shape[-1] != len(spec.labels)
    ):
        raise ValueError(f"it answers {output_shape}, not one number for each of {len(spec.labels)} labels")
    return model


def _reason(error: BaseException) -> str:
    """Return the cause of a TensorFlow error in one line, without the location in the graph that precedes it."""
    lines = [line.strip() for line in str(getattr(error, "message", None) or error).split("\n")]
    locations = ("Detected at node", "Graph execution error", "<stack traces", "File ")
    lines = [line for line in lines if line and not line.startswith(locations)]
    return next(iter(lines), type(error).__name__)[:300]
