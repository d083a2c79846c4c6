"""Ask a SavedModel of somebody else: whatever goes wrong within it is told as one error that names the artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tlkit.errors import ArtifactError
from tlkit.tasks import registry
from tlkit.tasks.answers import COUNTS, FRACTIONS, WORDS

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


def answer(loaded: Any, endpoint: str, given: Any, folder: Path) -> dict[str, Any]:
    """Ask one endpoint of a loaded SavedModel.

    Args:
        loaded: what `load` returned.
        endpoint: such as "serving_default".
        given: the tensor that it takes.
        folder: where the SavedModel lies, for messages.

    Returns:
        Its outputs by name, as arrays.

    Raises:
        ArtifactError: there is no such endpoint, it takes something else, or fails; says why.
    """
    known = getattr(loaded, "signatures", {})
    if endpoint not in known:
        raise ArtifactError(
            f"{folder} has no endpoint {endpoint!r}, only {', '.join(map(repr, known))[:200] or 'none'}; {REMEDY}"
        )
    try:
        return {name: tensor.numpy() for name, tensor in known[endpoint](given).items()}
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
        count: the examples that were asked about.
        folder: where the SavedModel lies, for messages.

    Raises:
        ArtifactError: an output that is missing, of another type or shape, or text that is no UTF-8.
    """
    for name, (kinds, rank) in registry.target(target).outputs.items():
        if name not in answers:
            raise ArtifactError(
                f"{folder} has no output {name!r}, which the target {target} needs, only "
                f"{', '.join(map(repr, answers))[:200] or 'none'}; {REMEDY}"
            )
        found = answers[name]
        if found.dtype.kind not in kinds or found.ndim != rank or len(found) != count or 0 in found.shape[1:]:
            if target == "entities" and found.dtype.kind in kinds and found.shape == (count, 0):
                continue  # texts without words
            wanted = {WORDS: "strings", FRACTIONS: "floats", COUNTS: "whole numbers"}[kinds]
            raise ArtifactError(
                f"the output {name!r} of {folder} is {found.dtype} {found.shape}, not {wanted} of rank {rank} for "
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


def fitting(model: Any, spec: Any) -> Any:
    """Return a Keras model whose input and output are those that its spec tells.

    Raises:
        ValueError: they are others; says which.
    """
    wanted = spec.input.tensor()
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs, not one of each")
    given, out = model.inputs[0], model.outputs[0].shape
    if (tuple(given.shape), given.dtype) != (tuple(wanted.shape), wanted.dtype):
        raise ValueError(f"it takes {given.dtype} {given.shape}, not {wanted.dtype} {wanted.shape}")
    rank = 2 if spec.target.name in ("label", "tags", "value") else 3
    if len(out) != rank or (spec.target.name not in ("reply", "summary") and out[-1] != len(spec.labels)):
        raise ValueError(f"it answers {out}, not one number for each of {len(spec.labels)} labels")
    return model


def _reason(error: BaseException) -> str:
    """Return in one line what TensorFlow says; the place in the graph comes before the cause."""
    lines = [line.strip() for line in str(getattr(error, "message", None) or error).split("\n")]
    place = ("Detected at node", "Graph execution error", "<stack traces", "File ")
    lines = [line for line in lines if line and not line.startswith(place)]
    return next(iter(lines), type(error).__name__)[:300]
