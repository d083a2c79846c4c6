"""Load an exported classifier and ask it."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit import ambient, graphs, inventory
from tlkit.build import Spec, attach, table
from tlkit.errors import ArtifactError, InputError
from tlkit.explaining import listed
from tlkit.measured import Measured
from tlkit.networks import read_keras
from tlkit.spec import Backbone, resolve
from tlkit.targets import Target

if TYPE_CHECKING:
    import keras

TARGETS = {
    "label": "tlkit.targets:Label",
    "tags": "tlkit.targets:Tags",
    "value": "tlkit.targets:Value",
    "entities": "tlkit.tagging:Entities",
    "reply": "tlkit.nexttoken:Reply",
    "summary": "tlkit.nexttoken:Summary",
}
INPUTS = {
    "image": "tlkit.vision:ImageInput",
    "text": "tlkit.text:TextInput",
    "prompt": "tlkit.prompts:PromptInput",
    "table": "tlkit.tabular:TableInput",
}


class Artifact:
    """An exported classifier, ready to be asked. `tlkit.load` makes it.

    Attributes:
        path: its directory.
        facts: what its `tlkit.json` says.
        labels: the names of the classes or tags, or of the number.
        target: what it answers.
    """

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        self.path, self.facts = path, facts
        self.labels = tuple(facts["labels"])
        self.target = _target(facts)
        self.input = _input(facts)

    @functools.cached_property
    def served(self) -> Any:
        """The loaded SavedModel, kept alive: its signatures do not hold its variables."""
        import tensorflow as tf

        for module in self.input.ops:
            importlib.import_module(module)
        return tf.saved_model.load(str(self.path / "saved_model" / "1"))

    @functools.cached_property
    def model(self) -> keras.Model:
        """The Keras model, with `base`, `head` and `spec` as a factory's has them."""
        ambient.check()
        path = self.path / "model.keras"
        try:
            return attach(read_keras(path), self.spec)
        except ValueError as error:
            raise ArtifactError(f"{path} is not loaded: {error}; export the model again") from error

    @functools.cached_property
    def report(self) -> Measured:
        """The report of the evaluation the artifact was exported with."""
        try:
            return Measured.load(self.path)
        except RecursionError:
            raise ArtifactError(f"{self.path / 'report.json'} is nested too deeply; evaluate again") from None

    @property
    def spec(self) -> Spec:
        """What the classifier was made of."""
        row, facts = self.facts["backbone"], self.facts
        known = table().get(row["name"], Backbone(row["name"], "", self.input, ()))
        backbone = dataclasses.replace(known, blocks=tuple(row["blocks"]), stem=row["stem"])
        return Spec(
            backbone, facts["head"], self.target, self.input, facts["input"]["resize"], facts["weights"]["origin"]
        )

    def predict(self, items: Any, *, batch_size: int = 32, threshold: float | None = None) -> list[Any]:
        """Answer raw examples with the SavedModel.

        Args:
            items: one or several: for pictures paths, encoded bytes, or pixel arrays (height, width[, 1 or 3]),
                0..255; for texts strings; for a model that writes prompts, or documents; for rows of a table mappings
                of column to cell, cells in order, or lines of CSV.
            batch_size: examples per call.
            threshold: of one label: where the most probable label is less probable than this, none is given. The
                report's table says what is gained by it.

        Returns:
            One prediction per item, in order: a `Prediction`; of tags a `TagsPrediction`, of a value a
            `ValuePrediction`, of entities an `EntitiesPrediction`, of a model that writes a `TextPrediction`.

        Raises:
            DataError: a picture that cannot be read.
            InputError: items of the wrong kind, an empty prompt, or a threshold that is none.
        """
        if threshold is not None and (self.target.name != "label" or not 0 <= threshold <= 1):
            raise InputError(f"threshold={threshold}: give a probability, 0 to 1, to a model of one label each")
        items = listed(items, self.input)
        found: list[Any] = []
        for start in range(0, len(items), batch_size):
            name, encoded = self.input.encode(items[start : start + batch_size])
            given = self.served.signatures[name](encoded)
            found += self.target.predictions({name: tensor.numpy() for name, tensor in given.items()})
        return found if threshold is None else [each.unless_below(threshold) for each in found]


def _target(facts: dict[str, Any]) -> Target:
    known = dict(facts["target"])
    return resolve(TARGETS[known.pop("name")])(tuple(facts["labels"]), **known)


def _input(facts: dict[str, Any]) -> Any:
    known = dict(facts["input"])
    known.pop("resize")
    return resolve(INPUTS[known.pop("kind")])(**known)


def load(path: str | os.PathLike) -> Artifact:
    """Load an artifact, whose files must be those that were written and whose SavedModel must only compute.

    Args:
        path: the directory `export` wrote to.

    Raises:
        InputError: a setting of Keras around this process that would decide over answers.
        ArtifactError: not an artifact, damaged facts, a schema that is not read, a file that is missing, changed or too
            many, or an operation of the SavedModel that could do more than compute. Nothing of it is run.
    """
    ambient.check()
    path = Path(path)
    facts = inventory.read(path)
    inventory.verify(path, facts["files"])
    graphs.scan(path / inventory.ROOT)
    return Artifact(path, facts)
