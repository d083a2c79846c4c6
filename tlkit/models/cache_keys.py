"""Compute cache keys: a digest of everything that stored features depend on, and of nothing else."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.errors import RunError
from tlkit.models import keras_graph

# Patterns of the files that stored features depend on, relative to the package; "**" stands for any folders.
# These files import others that do not count; tests/models/test_cache_keys.py gives the reasons.
FEATURE_SOURCES = (
    # decoding, resizing, columns
    *("config.py", "data/image_decoding.py", "data/images.py", "data/text_pairs.py", "data/table_columns.py"),
    # inputs, tokenizers, backbones and their weights
    *("models/backbone.py", "models/classifier.py", "models/weights.py", "models/hdf5.py", "models/keras_configs.py"),
    *("models/keras_graph.py", "models/kerashub.py"),
    *("models/vision/*.py", "models/text/*.py", "models/tabular/*.py"),
    *("models/generation/generators.py", "models/generation/prompt_input.py", "models/generation/prompt_tokenizer.py"),
    # the pass through the frozen part
    *("features/frontier.py", "features/batchnorm_folding.py", "features/mixed_precision.py"),
    *("features/extraction.py", "features/feature_sets.py", "features/shards.py", "models/cache_keys.py"),
)

# Layers that have moved, under the names they had in tlkit 0.1: a run that was interrupted then goes on, since its
# checkpoint holds a digest with these names.
FORMER_NAMES = {
    "tlkit.models.text.text_input.RelativePositions": "tlkit.strings.RelativePositions",
    "tlkit.models.text.tokenizer.Tokens": "tlkit.tokens.Tokens",
    "tlkit.models.generation.prompt_tokenizer.ReplyTokens": "tlkit.turns.ReplyTokens",
    "tlkit.models.generation.prompt_tokenizer.SummaryTokens": "tlkit.turns.SummaryTokens",
}


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
    """Digest the source of tlkit that stored features depend on: a version number does not tell every change."""
    return source(Path(str(importlib.resources.files("tlkit"))))


def source(package: Path) -> str:
    """Digest the files in the folder of a package that `FEATURE_SOURCES` names: their paths and what they hold.

    Raises:
        RunError: a pattern matches no file.
    """
    files: set[Path] = set()
    for pattern in FEATURE_SOURCES:
        matching = set(package.glob(pattern))
        if not matching:
            raise RunError(
                f"no file in {package} matches {pattern!r}, a source that stored features depend on; install tlkit "
                f"with all its source, or, where a module was renamed, mend FEATURE_SOURCES in models/cache_keys.py"
            )
        files |= matching
    total = hashlib.sha256()
    for name in sorted(file.relative_to(package).as_posix() for file in files):
        content = (package / name).read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _add(total: Any, operation: Any, values: bool) -> None:
    """Add one operation, or the graph of a functional model, to a digest."""
    if not keras_graph.has_graph(operation):
        total.update(_settings(operation).encode())
        for weight in getattr(operation, "weights", ()):
            total.update(f"{weight.shape} {weight.dtype}".encode())
            total.update(np.ascontiguousarray(weight.numpy()).data if values else b"")
        return
    places: dict[int, str] = {}
    for number, node in enumerate(keras_graph.nodes(operation)):
        places.update((id(tensor), f"#{number}.{place}") for place, tensor in enumerate(node.output_tensors))
        if not node.is_input:
            total.update(_arguments(node, places).encode())
            _add(total, node.operation, values)
    total.update(repr([places[id(tensor)] for tensor in operation.outputs]).encode())


def _arguments(node: Any, places: Mapping[int, str]) -> str:
    """Write the arguments of a call, its tensors by where they come from."""
    import keras

    def written(value: Any) -> str:
        # repr shortens large arrays
        return value.tobytes().hex() if isinstance(value, np.ndarray) else places.get(id(value), repr(value))

    return repr(keras.tree.map_structure(written, keras_graph.arguments(node)))


def _settings(operation: Any) -> str:
    """Write the type and the settings of a layer or an operation."""
    import keras

    if isinstance(operation, keras.layers.Layer):
        settings = {key: value for key, value in operation.get_config().items() if key not in ("name", "trainable")}
    else:
        settings = {key: value for key, value in vars(operation).items() if key[0] != "_" and key != "name"}
    name = f"{type(operation).__module__}.{type(operation).__qualname__}"
    return f"{FORMER_NAMES.get(name, name)} " + json.dumps(settings, sort_keys=True, default=repr)
