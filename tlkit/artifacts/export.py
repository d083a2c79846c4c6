"""Export a classifier as a SavedModel that takes raw input, and compare it with the Keras model in a fresh process."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.artifacts import graph_scan, reload_check
from tlkit.artifacts.artifact import Artifact, load
from tlkit.artifacts.manifest import SCHEMA
from tlkit.data.splits import Data
from tlkit.errors import ArtifactError
from tlkit.evaluation.report_base import Measured
from tlkit.models import lora
from tlkit.models.classifier import Spec
from tlkit.reporting import model_card, report_page
from tlkit.utils import environment, files, regular_files

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

ARTIFACT_FILES = (
    "saved_model",
    "model.keras",
    "README.md",
    "report.json",
    report_page.NAME,
)  # files that an export writes
EARLIER_RUN_FILE = "earlier_run.json"  # the new name of a run.json whose artifact is replaced
TOLERANCE = 1e-5  # the most an answer of the SavedModel may differ from the Keras model's, of the largest beyond 1


def export(
    clf: keras.Model,
    out: str | os.PathLike,
    *,
    report: Measured | None = None,
    data: Data | None = None,
    history: Any = None,
    overwrite: bool = False,
    record: Mapping[str, Any] | None = None,
) -> Artifact:
    """Write a classifier as an artifact: SavedModel, Keras model, facts, model card and report.

    OUT/saved_model/1 answers raw input: `serving_default` takes encoded images or strings (batch,) and gives what the
    target serves: of one label `probabilities` (batch, classes), `label` (batch,), `top_k_labels` and
    `top_k_probabilities` (batch, k). `serve_array` (pictures) takes float32 pixels (batch, size, size, 3), 0..255;
    `embed` gives pooled features (batch, channels). A model that writes has `generate`, the default one, prompts
    (batch,) -> `text` and `dropped` (batch,), and `logits` of pairs (batch, 2); low-rank additions are merged into its
    kernels, in `clf` too. A fresh process reloads it and must answer as the Keras model does, on the report's samples.

    Args:
        clf: a classifier of tlkit.
        out: the directory; made when missing.
        report: what `tlkit.evaluate` returned, for the card, the proof and the page report.html.
        data, history: what was learned from, and what `tlkit.fit` returned, for further chapters of that page.
        overwrite: replace an artifact that is there already. The run.json of a run that was there is then renamed to
            earlier_run.json, as it does not describe the new artifact.
        record: what the run.json in `out` says, where it is of the run that trained `clf`. The page and the card show
            its command and environment, and run.json keeps its name. `tlkit.runs.run` gives it; others rarely need it.

    Returns:
        The artifact, loaded.

    Raises:
        ArtifactError: there is an artifact or a run already, another process writes a run there, the SavedModel could
            do more than compute, or answers differently.
        RunError: the directory cannot be written.

    Examples:
        With `clf` and `report` as in the examples of `tlkit.fit` and `tlkit.evaluate`:

        >>> artifact = tlkit.export(clf, "out", report=report)
        >>> sorted(artifact.facts["files"])[:3]
        ['README.md', 'model.keras', 'report.json']
    """
    environment.check()
    out = _prepared(Path(out), overwrite, record)
    lora.merge(clf)
    samples = list(report.samples) if report is not None else []
    with files.atomic(out / "saved_model") as folder:
        version = folder / "1"
        _write_saved_model(clf, version)
        graph_scan.scan(version)
        parity = _prove(clf, version, samples)
    with files.atomic(out / "model.keras") as path:
        clf.save(path)
    if record is None:
        _set_aside(out)
    story = _write_report(clf, out, report, data, history, record or {})
    facts = _facts(clf, report, parity)
    files.write_text(out / "README.md", model_card.write(facts, story))
    facts["files"] = _digests(out)
    files.write_json(out / "tlkit.json", facts)  # last: it says that all else is there
    return load(out)


def _prepared(out: Path, overwrite: bool, record: Mapping[str, Any] | None) -> Path:
    """Create the directory, or refuse one with other contents; with a record, the caller holds the lock of its run."""
    if not regular_files.is_utf8(out):
        raise ArtifactError(f"{regular_files.shown(out)} is no UTF-8, which TensorFlow needs; choose another directory")
    if os.path.exists(out / "tlkit.json") and not overwrite:
        raise ArtifactError(f"{out} already holds an artifact; give overwrite=True or another directory")
    foreign = [name for name in (*ARTIFACT_FILES, files.RUN_FILE) if os.path.lexists(out / name)]
    if foreign and not overwrite:
        raise ArtifactError(f"{out} holds a {foreign[0]} of something else; choose another directory or overwrite=True")
    with files.writing(out):
        if record is None and files.is_locked(out / files.RUN_FILE):
            raise ArtifactError(f"in {out} a run is being written; wait until it ends, or choose another directory")
        out.mkdir(parents=True, exist_ok=True)
    return out


def _set_aside(out: Path) -> None:
    """Rename the run.json of an earlier run, since it does not describe the new artifact."""
    with files.writing(out):
        if os.path.lexists(out / files.RUN_FILE):
            os.replace(out / files.RUN_FILE, out / EARLIER_RUN_FILE)


def _write_report(
    clf: keras.Model, out: Path, report: Measured | None, data: Data | None, history: Any, record: Mapping[str, Any]
) -> report_page.Story | None:
    """Write the report and its page, or remove an earlier page; return the contents of the page."""
    (out / report_page.NAME).unlink(missing_ok=True)
    if report is None:
        return None
    report.save(out)
    story = report_page.Story(report, clf, data, history, record, record.get("amounts", ()))
    report_page.write(story, out / report_page.NAME)
    return story


def answers(clf: keras.Model) -> tuple[Callable, Callable]:
    """Return the two functions of an exported classifier: model input -> answer, model input -> embedding."""

    target = clf.spec.target

    def answer(value: tf.Tensor) -> dict[str, tf.Tensor]:
        # targets of words derive their answers from more than the logits
        return target.read(clf, value) if hasattr(target, "read") else target.served(clf(value, training=False))

    def embed(value: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": _pooled(clf.base(value, training=False))}

    return answer, embed


def _pooled(features: dict[str, tf.Tensor]) -> tf.Tensor:
    """Average features over places or real tokens: (batch, channels)."""
    import tensorflow as tf

    if "pooled" in features:
        return features["pooled"]
    if "vector" in features:
        return features["vector"]
    if "map" in features:
        return tf.reduce_mean(features["map"], axis=(1, 2))
    real = tf.cast(features["mask"], features["sequence"].dtype)[..., None]
    return tf.reduce_sum(features["sequence"] * real, 1) / tf.maximum(tf.reduce_sum(real, 1), 1.0)


def endpoints(clf: keras.Model) -> tuple[dict[str, tuple[Callable, list]], list[Any]]:
    """Return the endpoints of an exported model, and the variables beyond its own that they use."""
    if hasattr(clf.spec.input, "endpoints"):  # a model that writes
        return clf.spec.input.endpoints(clf)
    return clf.spec.input.signatures(*answers(clf), clf.spec.resize), []


def _write_saved_model(clf: keras.Model, folder: Path) -> None:
    import keras

    archive = keras.export.ExportArchive()
    archive.track(clf)
    signatures, variables = endpoints(clf)
    if variables:
        archive.add_variable_collection("drawn", variables)
    for name, (function, signature) in signatures.items():
        archive.add_endpoint(name, function, input_signature=signature)
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.WARNING)  # it would print a temporary folder that is removed afterwards
    try:
        archive.write_out(str(folder), verbose=False)
    finally:
        logger.setLevel(level)


# === Proof ===


def _prove(clf: keras.Model, folder: Path, samples: Sequence[Any]) -> dict[str, Any]:
    """Answer samples in a fresh process, real ones if there are any, and compare; return the facts about parity.

    Raises:
        ArtifactError: the process failed, or an answer differs by more than TOLERANCE.
    """
    import tensorflow as tf

    model_input, real = clf.spec.input, bool(samples)
    samples, (signatures, _) = samples or model_input.made_up(), endpoints(clf)
    difference = spread = 0.0
    for endpoint, output, raw in _comparisons(clf, samples):
        function, signature = signatures[endpoint]
        expected = tf.function(function, input_signature=signature)(tf.constant(raw))[output].numpy()
        reloaded = _ask_fresh_process(folder, model_input.ops, raw, output, endpoint)
        if expected.dtype.kind == "O":
            if different := int((expected.astype("S") != reloaded).sum()):
                raise ArtifactError(
                    f"the exported model writes another text than the Keras model for {different} of {len(raw)} "
                    f"samples; nothing was written, please report this"
                )
            continue
        difference = float(np.abs(expected - reloaded).max())
        spread = float(np.ptp(expected, axis=0).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise ArtifactError(
                f"the exported model differs from the Keras model by {difference:.2g} on {len(samples)} samples "
                f"(at most {TOLERANCE:g} is allowed); nothing was written, please report this"
            )
    return {"samples": len(samples), "real": real, "max_difference": difference, "spread": spread}


def _comparisons(clf: keras.Model, samples: Sequence[Any]) -> list[tuple[str, str, list[Any]]]:
    """List the outputs to compare: each with its endpoint, its name and the input."""
    if hasattr(clf.spec.input, "asked"):
        return clf.spec.input.asked(samples)
    return [("serving_default", clf.spec.target.output_name, clf.spec.input.served(samples))]


def _ask_fresh_process(
    folder: Path, ops: Sequence[str], samples: Sequence[Any], output: str, endpoint: str = "serving_default"
) -> np.ndarray:
    with tempfile.TemporaryDirectory(prefix="tlkit-") as scratch:
        request_path, answers_path = Path(scratch, "request.json"), Path(scratch, "answers.npy")
        request = {"ops": list(ops), "endpoint": endpoint, "output": output, "samples": _encoded(samples)}
        request_path.write_text(json.dumps(request))
        command = [sys.executable, "-I", reload_check.__file__, str(folder), str(request_path), str(answers_path)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        if done.returncode:
            reason = done.stderr.strip().split("\n")[-1][:300]
            raise ArtifactError(f"a fresh process cannot load the exported model: {reason}")
        return np.load(answers_path)


def _encoded(samples: Any) -> Any:
    """Encode bytes, or nested lists of them, as base64 for JSON."""
    return (
        base64.b64encode(samples).decode() if isinstance(samples, bytes) else [_encoded(sample) for sample in samples]
    )


# === Facts ===


def _facts(clf: keras.Model, report: Measured | None, parity: dict[str, Any]) -> dict[str, Any]:
    """Collect the facts that `tlkit.json` contains."""
    spec: Spec = clf.spec
    backbone = spec.backbone
    metrics = None
    if report is not None:
        metrics = {"split": report.split, "examples": report.n, **report.figures}
    return {
        "schema": SCHEMA,
        "labels": list(spec.labels),
        "target": {"name": spec.target.name, **spec.target.facts()},
        "input": {"kind": spec.input.kind, "resize": spec.resize, **spec.input.facts()},
        "backbone": {
            "name": backbone.name,
            "blocks": list(backbone.blocks),
            "stem": backbone.stem,
            "params": backbone.params,
        },
        "head": spec.head,
        "weights": {"origin": spec.weights, "licence": backbone.licence, "source": backbone.source},
        "metrics": metrics,
        "parity": parity,
        "versions": environment.versions(),
    }


def _digests(out: Path) -> dict[str, str]:
    """Digest the artifact's own files; the run's ledger and checkpoints are not among them."""
    paths = [out / "model.keras", out / "README.md", out / "report.json"]
    paths += sorted(path for path in (out / "saved_model").rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): files.digest(path) for path in paths if path.exists()}
