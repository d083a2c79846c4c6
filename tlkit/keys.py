"""What stored features depend on, as one digest: nothing else may change them, and all of this may."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def functions(parts: Sequence[Any], *, values: bool = True) -> str:
    """Digest what a chain of models and layers computes: graph, settings and weights, but no names.

    Keras numbers the layers of a second build in one process anew, so names would tell equal functions apart.

    Args:
        parts: layers, or functional models, one after another.
        values: whether the values of the weights count, or their shapes alone.

    Returns:
        SHA-256 in hexadecimal.
    """
    total = hashlib.sha256()
    for part in parts:
        _add(total, part, values)
    return total.hexdigest()


@functools.cache
def code() -> str:
    """Digest the source of tlkit itself, which decodes and resizes: a version number does not tell every change."""
    files = sorted(importlib.resources.files("tlkit").iterdir(), key=lambda file: file.name)
    total = hashlib.sha256()
    for file in files:
        if file.name.endswith(".py"):
            total.update(file.read_bytes())
    return total.hexdigest()


def combined(facts: Mapping[str, Any]) -> str:
    """Digest plain facts: SHA-256 in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=repr).encode()).hexdigest()


def array(values: np.ndarray) -> str:
    """Digest an array: SHA-256 in hexadecimal."""
    total = hashlib.sha256(f"{values.dtype} {values.shape}".encode())
    total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()


def _add(total: Any, operation: Any, values: bool) -> None:
    """Add one operation, or the graph of a functional model, to a digest."""
    levels = getattr(operation, "_nodes_by_depth", None)
    if levels is None:
        total.update(_settings(operation).encode())
        for weight in getattr(operation, "weights", ()):
            total.update(f"{weight.shape} {weight.dtype}".encode())
            total.update(np.ascontiguousarray(weight.numpy()).data if values else b"")
        return
    places: dict[int, str] = {}
    nodes = [node for depth in sorted(levels, reverse=True) for node in levels[depth]]
    for number, node in enumerate(nodes):
        places.update((id(tensor), f"#{number}.{place}") for place, tensor in enumerate(node.output_tensors))
        if not node.is_input:
            total.update(_arguments(node, places).encode())
            _add(total, node.operation, values)
    total.update(repr([places[id(tensor)] for tensor in operation.outputs]).encode())


def _arguments(node: Any, places: Mapping[int, str]) -> str:
    """Write the arguments of a call, its tensors by where they come from."""
    import keras

    given = (node.arguments.args, node.arguments.kwargs)

    def written(value: Any) -> str:
        # repr shortens large arrays
        return value.tobytes().hex() if isinstance(value, np.ndarray) else places.get(id(value), repr(value))

    return repr(keras.tree.map_structure(written, given))


def _settings(operation: Any) -> str:
    """Write the type and the settings of a layer or an operation."""
    import keras

    if isinstance(operation, keras.layers.Layer):
        settings = {key: value for key, value in operation.get_config().items() if key not in ("name", "trainable")}
    else:
        settings = {key: value for key, value in vars(operation).items() if key[0] != "_" and key != "name"}
    return f"{type(operation).__module__}.{type(operation).__qualname__} " + json.dumps(
        settings, sort_keys=True, default=repr
    )
