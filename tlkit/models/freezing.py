"""Freeze, unfreeze and audit the blocks of a backbone."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tlkit.errors import FreezeError, InputError
from tlkit.models import keras_graph, lora
from tlkit.models.backbone import Backbone
from tlkit.models.classifier import pieces
from tlkit.utils.html_format import cell, concatenate, table

if TYPE_CHECKING:
    import keras

COLUMNS = ("part", "opened by unfreeze", "parameters", "trainable")

# === Unfreezing ===


def layer_blocks(backbone: keras.Model, row: Backbone) -> dict[str, int]:
    """Number the block of every layer, 0 for the lowest; -1 for the stem.

    A layer belongs to the first block whose last layer depends on it; what no block's last layer depends on
    (`top_conv`, a pooler) belongs to the last block.

    Raises:
        InputError: a name in the row that is no layer, nor another operation, of the backbone.
    """
    ends = [row.stem, *row.blocks] if row.stem else list(row.blocks)
    missing = [name for name in ends if name not in {operation.name for operation in backbone.operations}]
    if missing:
        raise InputError(f"backbone {row.name!r} names layers it does not have: {', '.join(missing)}; mend its row")
    number = dict.fromkeys((layer.name for layer in backbone.layers), len(row.blocks) - 1)
    calls = keras_graph.nodes(backbone)
    seen: set[str] = set()
    passed: set[int] = set()
    for block, end in enumerate(ends, start=-1 if row.stem else 0):
        # by calls, not by layers: an embedding may be passed again at the very end
        waiting = [node for node in calls if node.operation.name == end]
        while waiting:
            node = waiting.pop()
            if id(node) not in passed:
                passed.add(id(node))
                waiting.extend(keras_graph.producing_node(tensor) for tensor in node.input_tensors)
                if node.operation.name not in seen:
                    seen.add(node.operation.name)
                    number[node.operation.name] = block
    return number


def unfreeze(clf: keras.Model, blocks: int | Literal["all"] = 0) -> None:
    """Make the head and the top blocks of the backbone trainable, and freeze the rest.

    BatchNormalization layers stay frozen, and so in inference mode, whatever is opened around them. Of a model with
    low-rank additions (`lora=`) nothing but those of the opened blocks trains.

    Args:
        clf: a classifier of tlkit.
        blocks: how many blocks, from the top; "all" for every block and the stem.

    Raises:
        InputError: more blocks than the backbone has.
    """
    import keras

    _, backbone, head = pieces(clf)
    row = clf.spec.backbone
    count = len(row.blocks)
    if blocks != "all" and (not isinstance(blocks, int) or not 0 <= blocks <= count):
        raise InputError(f"unfreeze={blocks!r}: {row.name} has {count} blocks; give 0 to {count}, or 'all'")
    lowest = -1 if blocks == "all" else count - blocks
    head.trainable = True
    numbers = layer_blocks(backbone, row)
    backbone.trainable = lowest < count  # reaches every layer; the loop then closes the lower ones
    low_rank = lora.enabled(backbone)
    for layer in backbone.layers:
        layer.trainable = numbers[layer.name] >= lowest
        for part in keras_graph.layers(layer):
            if isinstance(part, keras.layers.BatchNormalization):
                part.trainable = False
        if low_rank:
            lora.hold(layer)


@contextlib.contextmanager
def unfrozen(clf: keras.Model, blocks: int | Literal["all"] = 0) -> Iterator[None]:
    """Unfreeze as `unfreeze` does for the length of a block of code, then put back what was trainable before.

    Args:
        clf: a classifier of tlkit.
        blocks: how many blocks of the backbone, from the top; "all" for every block and the stem.

    Raises:
        InputError: more blocks than the backbone has.
    """
    layers = [(layer, layer.trainable) for layer in keras_graph.layers(clf)]  # outer layers before those within
    variables = [(variable, variable.trainable) for variable in clf.variables]
    try:
        unfreeze(clf, blocks)
        yield
    finally:
        for part, trainable in (*layers, *variables):
            part.trainable = trainable


@dataclass(frozen=True)
class Part:
    """One part of a model, and whether it trains.

    Args:
        name: "stem", the last layer of a block, or "head".
        opened: the least `unfreeze` that opens it: 0 for the head, "all" for the stem.
        parameters: in all.
        trainable: those that train now.
    """

    name: str
    opened: int | Literal["all"]
    parameters: int
    trainable: int


@dataclass(frozen=True)
class FreezeTable:
    """The parts of a model from input to output, and whether they train; printed as a table."""

    parts: tuple[Part, ...]

    def _rows(self) -> list[tuple[str, ...]]:
        total = Part("all", "", sum(part.parameters for part in self.parts), sum(part.trainable for part in self.parts))
        return [
            (each.name, *map(cell, (each.opened, each.parameters, each.trainable))) for each in (*self.parts, total)
        ]

    def __str__(self) -> str:
        rows = [COLUMNS, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [[f"{value:>{width}}" for value, width in zip(row[1:], widths[1:], strict=True)] for row in rows]
        return "\n".join("  ".join([f"{row[0]:<{widths[0]}}", *line]) for row, line in zip(rows, lines, strict=True))

    def _repr_html_(self) -> str:
        return str(concatenate(table(COLUMNS, self._rows()), "\n"))


def freeze_table(clf: keras.Model) -> FreezeTable:
    """Return which parts of a classifier train now, and how many parameters each has.

    Args:
        clf: a classifier of tlkit, its layers as `unfreeze` or the last phase of `fit` left them.
    """
    _, backbone, head = pieces(clf)
    row = clf.spec.backbone
    count, numbers = len(row.blocks), layer_blocks(backbone, row)
    found = []
    for block in range(-1, count):
        layers = [layer for layer in backbone.layers if numbers[layer.name] == block]
        if block >= 0 or any(layer.weights for layer in layers):
            name, opened = (row.blocks[block], count - block) if block >= 0 else ("stem", "all")
            found.append(Part(name, opened, *(_size(layers, part) for part in ("weights", "trainable_variables"))))
    sizes = (_size([head], part) for part in ("weights", "trainable_variables"))
    return FreezeTable((*found, Part("head", 0, *sizes)))


def _size(layers: Sequence[Any], part: str) -> int:
    """Count the numbers in the variables of layers; what several of them share counts once."""
    found = {id(variable): variable for layer in layers for variable in getattr(layer, part)}
    return sum(int(np.prod(variable.shape)) for variable in found.values())


# === Audit ===


def fingerprints(backbone: keras.Model, *, frozen_only: bool = True) -> dict[str, str]:
    """Digest every variable of a backbone that must not move: path -> digest."""
    moving = {variable.path for variable in backbone.trainable_variables} if frozen_only else set()
    weights = [variable for variable in backbone.weights if variable.path not in moving]
    return {v.path: hashlib.blake2b(np.ascontiguousarray(v.numpy()).data, digest_size=16).hexdigest() for v in weights}


def audit(backbone: keras.Model, before: Mapping[str, str], phase: str) -> None:
    """Compare frozen variables, BatchNormalization statistics among them, with their digests from before a phase.

    Raises:
        FreezeError: naming the first that moved.
    """
    after = fingerprints(backbone, frozen_only=False)
    moved = [path for path, digest in before.items() if after[path] != digest]
    if moved:
        raise FreezeError(
            f"phase {phase!r} changed {len(moved)} frozen weights of {backbone.name}, the first is {moved[0]}; "
            f"keep layers frozen between tlkit.unfreeze and the end of the phase"
        )
