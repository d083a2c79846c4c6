"""Load an exported classifier and ask it."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit import files
from tlkit.build import Spec, attach, table
from tlkit.errors import ArtifactError
from tlkit.report import Report
from tlkit.spec import Backbone, resolve

if TYPE_CHECKING:
    import keras

SCHEMA = 1
INPUTS = {"image": "tlkit.vision:ImageInput", "text": "tlkit.text:TextInput"}


@dataclasses.dataclass(frozen=True)
class Prediction:
    """State one answer.

    Args:
        label: the most probable label.
        probability: its probability.
        top_k: the most probable labels with their probabilities, best first.
    """

    label: str
    probability: float
    top_k: tuple[tuple[str, float], ...]


class Artifact:
    """An exported classifier, ready to be asked. `tlkit.load` makes it.

    Attributes:
        path: its directory.
        facts: what its `tlkit.json` says.
        labels: the class names.
    """

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        self.path, self.facts = path, facts
        self.labels = tuple(facts["labels"])
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
        import keras

        clf = keras.saving.load_model(self.path / "model.keras", compile=False, safe_mode=True)
        return attach(clf, self.spec)

    @functools.cached_property
    def report(self) -> Report:
        """The report of the evaluation the artifact was exported with."""
        return Report.load(self.path)

    @property
    def spec(self) -> Spec:
        """What the classifier was made of."""
        row, facts = self.facts["backbone"], self.facts
        known = table().get(row["name"], Backbone(row["name"], "", self.input, ()))
        backbone = dataclasses.replace(known, blocks=tuple(row["blocks"]), stem=row["stem"])
        return Spec(
            backbone, facts["head"], self.labels, self.input, facts["input"]["resize"], facts["weights"]["origin"]
        )

    def predict(self, items: Any, *, batch_size: int = 32) -> list[Prediction]:
        """Answer raw examples with the SavedModel.

        Args:
            items: one or several: for pictures paths, encoded bytes, or pixel arrays (height, width[, 1 or 3]),
                0..255; for texts strings.
            batch_size: examples per call.

        Returns:
            One prediction per item, in order.

        Raises:
            DataError: a picture that cannot be read.
            InputError: items of the wrong kind.
        """
        items = [items] if _alone(items) else list(items)
        found: list[Prediction] = []
        for start in range(0, len(items), batch_size):
            name, encoded = self.input.encode(items[start : start + batch_size])
            given = self.served.signatures[name](encoded)
            rows = zip(given["top_k_labels"].numpy(), given["top_k_probabilities"].numpy(), strict=True)
            found += [_prediction(names, shares) for names, shares in rows]
        return found


def _alone(items: Any) -> bool:
    """Tell one raw example from several; an array (n, height, width) is n grey pictures."""
    if isinstance(items, np.ndarray):
        return items.ndim == 2 or (items.ndim == 3 and items.shape[-1] in (1, 3))
    return isinstance(items, str | bytes | os.PathLike)


def _prediction(names: np.ndarray, shares: np.ndarray) -> Prediction:
    top = tuple((name.decode("utf-8"), float(share)) for name, share in zip(names, shares, strict=True))
    return Prediction(*top[0], top)


def _input(facts: dict[str, Any]) -> Any:
    known = dict(facts["input"])
    known.pop("resize")
    kind = known.pop("kind")
    if kind not in INPUTS:
        raise ArtifactError(f"the artifact takes {kind!r} input, which this tlkit does not know; upgrade tlkit")
    return resolve(INPUTS[kind])(**known)


def load(path: str | os.PathLike) -> Artifact:
    """Load an artifact and check that its files are those that were written.

    Args:
        path: the directory `export` wrote to.

    Raises:
        ArtifactError: not an artifact, a file that is missing or changed, or a newer schema.
    """
    path = Path(path)
    facts_path = path / "tlkit.json"
    if not facts_path.is_file():
        raise ArtifactError(f"{path} is not an artifact: it has no tlkit.json; name a directory tlkit.export wrote")
    try:
        facts = json.loads(facts_path.read_text("utf-8"))
        schema, listed = facts["schema"], facts["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{facts_path} is damaged ({error}); export the model again") from error
    if schema != SCHEMA:
        raise ArtifactError(f"{path} has schema {schema}, this tlkit reads {SCHEMA}; install the tlkit that wrote it")
    for name, digest in listed.items():
        if not (path / name).is_file():
            raise ArtifactError(f"{path / name} is missing; export the model again")
        found = files.digest(path / name)
        if found != digest:
            raise ArtifactError(f"{path / name} was changed: {found}, not {digest}; export the model again")
    return Artifact(path, facts)
