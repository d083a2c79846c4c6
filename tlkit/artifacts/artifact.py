"""Load an exported classifier and predict with it."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.artifacts import graph_scan, isolation, manifest, saved_model
from tlkit.errors import ArtifactError, InputError
from tlkit.evaluation.explain import listed
from tlkit.evaluation.report_base import Measured
from tlkit.models.backbone import Backbone
from tlkit.models.classifier import Spec, attach, table
from tlkit.models.vision.architectures import read_keras
from tlkit.tasks import registry
from tlkit.tasks.targets import Target
from tlkit.utils import environment
from tlkit.utils.lazy import resolve

if TYPE_CHECKING:
    import keras

INPUTS = {
    "image": "tlkit.models.vision.image_input:ImageInput",
    "text": "tlkit.models.text.text_backbones:TextInput",
    "prompt": "tlkit.models.generation.prompt_input:PromptInput",
    "table": "tlkit.models.tabular.table_input:TableInput",
}


class Artifact:
    """An exported classifier that can predict; `tlkit.load` returns it.

    Attributes:
        path: its directory.
        facts: the contents of its `tlkit.json`.
        labels: the names of the classes or tags, or of the number.
        target: the target that it predicts.
    """

    def __init__(self, path: Path, facts: dict[str, Any], limits: isolation.Limits | None = None) -> None:
        self.path, self.facts = path, facts
        self.labels = tuple(facts["labels"])
        self.target = _target(facts)
        self.input = _input(facts)
        self._worker = limits and isolation.Worker(path, path / manifest.ROOT, self.input.ops, limits)

    @functools.cached_property
    def served(self) -> Any:
        """The loaded SavedModel, kept alive: its signatures do not hold its variables."""
        self._must_run_here("SavedModel")
        for module in self.input.ops:
            importlib.import_module(module)
        return saved_model.load(self.path / manifest.ROOT)

    @functools.cached_property
    def model(self) -> keras.Model:
        """The Keras model, with `base`, `head` and `spec` as a factory's has them."""
        self._must_run_here("Keras model")
        environment.check()
        path = self.path / "model.keras"
        try:
            return saved_model.fitting(attach(read_keras(path), self.spec), self.spec)
        except ValueError as error:  # also an InputError of a model that is no classifier
            raise ArtifactError(f"{path} is not loaded: {error}; export the model again") from error

    @functools.cached_property
    def report(self) -> Measured:
        """The report of the evaluation the artifact was exported with."""
        return Measured.load(self.path)

    @property
    def spec(self) -> Spec:
        """The backbone, head, target and input of the classifier."""
        row, facts = self.facts["backbone"], self.facts
        known = table().get(row["name"], Backbone(row["name"], "", self.input, ()))
        backbone = dataclasses.replace(known, blocks=tuple(row["blocks"]), stem=row["stem"])
        return Spec(
            backbone, facts["head"], self.target, self.input, facts["input"]["resize"], facts["weights"]["origin"]
        )

    def predict(self, items: Any, *, batch_size: int = 32, threshold: float | None = None) -> list[Any]:
        """Predict raw examples with the SavedModel.

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
            ArtifactError: the SavedModel cannot be loaded, fails, or answers otherwise than its target says; of an
                artifact loaded with `isolate` also: answering took longer, or more memory, than allowed.
            InputError: items of the wrong kind, an empty prompt, or a threshold that is none.
        """
        if threshold is not None and (self.target.name != "label" or not 0 <= threshold <= 1):
            raise InputError(f"threshold={threshold}: give a probability, 0 to 1, to a model of one label each")
        items = listed(items, self.input)
        predictions: list[Any] = []
        for start in range(0, len(items), batch_size):
            name, encoded = self.input.encode(items[start : start + batch_size])
            options = {"target": self.target.name, "count": len(encoded), "folder": self.path / manifest.ROOT}
            predictions += saved_model.predictions(self.target.predictions, self._answer(name, encoded), **options)
        return predictions if threshold is None else [prediction.unless_below(threshold) for prediction in predictions]

    def close(self) -> None:
        """End the process of an artifact that was loaded with `isolate`; the next question starts another.

        It ends by itself when the artifact is no longer used, and with this program.

        Example:
            >>> artifact = tlkit.load("out/", isolate=True)  # doctest: +SKIP
            >>> artifact.predict("a.jpg")  # doctest: +SKIP
            >>> artifact.close()  # doctest: +SKIP
        """
        if self._worker is not None:
            self._worker.close()

    def _answer(self, signature: str, encoded: Any) -> dict[str, Any]:
        """Ask a signature for one batch, here or in a process of its own, and return its arrays by name."""
        if self._worker is not None:
            return self._worker.ask(signature, encoded.numpy())
        return saved_model.answer(self.served, signature, encoded, self.path / manifest.ROOT)

    def _must_run_here(self, what: str) -> None:
        if self._worker is not None:
            raise InputError(
                f"{self.path} was loaded with isolate=True and answers by `predict` alone: its {what} would run in "
                f"this process, without limits; use tlkit.load(path) if you trust its maker"
            )


def _target(facts: dict[str, Any]) -> Target:
    options = dict(facts["target"])
    return registry.target(options.pop("name"))(tuple(facts["labels"]), **options)


def _input(facts: dict[str, Any]) -> Any:
    options = dict(facts["input"])
    options.pop("resize")
    return resolve(INPUTS[options.pop("kind")])(**options)


def load(
    path: str | os.PathLike, *, isolate: bool = False, timeout: float | None = None, memory: int | None = None
) -> Artifact:
    """Load an artifact, whose files must be those that were written and whose SavedModel must only compute.

    What only computes may still never come to an end, or ask for more memory than there is. With `isolate`, `predict`
    asks it in a process of its own, on the processor, which starts at the first question (seconds, and a memory of its
    own for TensorFlow) and gives the same answers; `served` and `model`, which would run here, are refused.

    Args:
        path: the directory `export` wrote to.
        isolate: answer in a process of its own; a limit alone means that, too.
        timeout: the most seconds that answering one batch may take, above 0; by default there is no such limit. Loading
            has a limit of its own, 300 seconds.
        memory: the most bytes that the model and its answers may take, beside what TensorFlow itself does, at least
            100,000,000; by default 4,000,000,000. Linux only: elsewhere memory is not limited.

    Returns:
        The artifact.

    Raises:
        InputError: a setting of Keras around this process that would decide over answers.
        ArtifactError: not an artifact, damaged facts, a schema that is not read, a file that is missing, changed or too
            many, or an operation of the SavedModel that could do more than compute. Nothing of it is run.
        InputError: a limit that cannot be.

    Examples:
        With the artifact of the example of `tlkit.export`:

        >>> artifact = tlkit.load("out")
        >>> artifact.labels
        ('dark', 'red')
        >>> [answer.label in artifact.labels for answer in artifact.predict(data.test.items[:2])]
        [True, True]

        Of an artifact that somebody else made, with limits:

        >>> artifact = tlkit.load("strangers/", timeout=5, memory=2_000_000_000)  # doctest: +SKIP
    """
    environment.check()
    path = Path(path)
    limits = isolation.limits(isolate, timeout, memory)
    facts = manifest.read(path)
    manifest.verify(path, facts["files"])
    graph_scan.scan(path / manifest.ROOT)
    return Artifact(path, facts, limits)
