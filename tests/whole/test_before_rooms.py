"""What tlkit wrote when its modules lay side by side still loads, goes on and answers; features are computed anew.

The files in tests/fixtures/before_rooms are as they were written then; the README.md there says how.
"""

from __future__ import annotations

import configparser
import csv
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models

TOP = Path(__file__).resolve().parents[2]
KEPT = TOP / "tests" / "fixtures" / "before_rooms"
PHASES = (tlkit.Phase("head", 2, 1e-2, 0), tlkit.Phase("top", 3, 1e-3, 1))
FIT = {"batch_size": 8, "augment": "none", "compute": tlkit.Compute("float32"), "progress": False}


def stripes(each: int = 24, side: int = 16) -> tlkit.Data:
    """Return pictures of two classes that differ in colour, the same whatever draws random numbers."""
    pixels = np.arange(2 * each * side * side * 3).reshape(2 * each, side, side, 3) * 7919 % 61
    labels = np.repeat([0, 1], each)
    pixels[labels == 1, :, :, 0] += 190
    return tlkit.arrays(pixels.astype(np.uint8), labels, labels=["dark", "red"])


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that unpacks what was kept and gives the folder."""

    def unpacked(name: str) -> Path:
        shutil.unpack_archive(KEPT / f"{name}.zip", tmp_path / name)
        return tmp_path / name

    return unpacked


@pytest.fixture
def command() -> Callable[[list[str]], int]:
    """Return the function behind the command `tlkit`, wherever the package says that it is."""
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg", "utf-8")
    name, _, place = setup["options.entry_points"]["console_scripts"].strip().partition("=")
    module, _, attribute = place.strip().partition(":")
    assert name.strip() == "tlkit"
    return getattr(importlib.import_module(module), attribute)


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a `metrics.csv`."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def asked(folder: Path) -> dict[str, Any]:
    """Return what was asked of an artifact before, and what it answered."""
    return json.loads((folder / "asked.json").read_text("utf-8"))


# === Artifacts ===


def test_an_artifact_of_pictures_answers_as_before(
    unpack: Callable, command: Callable, capsys: pytest.CaptureFixture
) -> None:
    folder = unpack("image")
    items = [str(folder / item) for item in asked(folder)["items"]]
    artifact = tlkit.load(folder / "artifact")
    assert_alike(artifact.predict(items), asked(folder)["answers"])
    pixels = np.asarray(asked(folder)["pixels"], np.float32)
    np.testing.assert_allclose(artifact.model(pixels, training=False), asked(folder)["probabilities"], atol=1e-4)

    assert command(["predict", str(folder / "artifact"), *items, "--json"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [found.pop("item") for found in printed] == items
    for found, expected in zip(printed, asked(folder)["answers"], strict=True):
        assert found["label"] == expected["label"]
        assert found["probability"] == pytest.approx(expected["probability"], abs=1e-4)


def test_an_artifact_of_texts_answers_as_before(unpack: Callable) -> None:
    folder = unpack("text")
    items = asked(folder)["items"]
    artifact = tlkit.load(folder / "artifact")
    assert_alike(artifact.predict(items), asked(folder)["answers"])
    assert {("tlkit.tokens", "Tokens"), ("tlkit.strings", "RelativePositions")} <= named(folder)
    assert_says(artifact.model, items, asked(folder)["probabilities"])


def assert_alike(found: list[tlkit.Prediction], expected: list[dict[str, Any]]) -> None:
    """Assert that predictions are those that were kept."""
    assert [each.label for each in found] == [each["label"] for each in expected]
    for each, kept in zip(found, expected, strict=True):
        assert [label for label, _ in each.top_k] == [label for label, _ in kept["top_k"]]
        assert [share for _, share in each.top_k] == pytest.approx([share for _, share in kept["top_k"]], abs=1e-4)
    assert len({each.probability for each in found}) == len(found)


def assert_says(model: Any, items: Any, expected: Any) -> None:
    """Assert that a Keras model of texts says what was kept."""
    import tensorflow as tf

    found = model(tf.constant(items), training=False).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(found, axis=0).max() > 0.05


# === Keras models ===


def named(folder: Path) -> set[tuple[str, str]]:
    """Return the modules and classes of tlkit that the Keras model of an artifact names."""
    shutil.unpack_archive(folder / "artifact" / "model.keras", folder / "inside", "zip")
    found = set()

    def keep(config: dict[str, Any]) -> dict[str, Any]:
        if str(config.get("module")).partition(".")[0] == "tlkit":
            found.add((config["module"], config["class_name"]))
        return config

    json.loads((folder / "inside" / "config.json").read_text("utf-8"), object_hook=keep)
    return found


def test_keras_loads_texts_by_itself_once_their_layers_are_imported(unpack: Callable) -> None:
    folder = unpack("text")
    code = (
        "import sys, json, keras, tlkit.text; import tensorflow as tf; model = keras.models.load_model(sys.argv[1]); "
        "print(json.dumps(model(tf.constant(sys.argv[2:])).numpy().tolist()))"
    )
    call = [sys.executable, "-c", code, str(folder / "artifact" / "model.keras"), *asked(folder)["items"]]
    done = subprocess.run(call, cwd=TOP, env={**os.environ, "PYTHONPATH": str(TOP)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    np.testing.assert_allclose(json.loads(done.stdout), asked(folder)["probabilities"], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "layer"), [("reply", "ReplyTokens"), pytest.param("summary", "SummaryTokens", marks=pytest.mark.slow)]
)
def test_models_that_write_load_as_before(name: str, layer: str, unpack: Callable) -> None:
    folder = unpack(name)
    assert named(folder) == {("tlkit.turns", layer)}
    assert_says(tlkit.load(folder / "artifact").model, asked(folder)["pairs"], asked(folder)["logits"])


def test_a_keras_file_gives_its_weights_to_a_new_classifier(unpack: Callable) -> None:
    folder = unpack("image")
    row = tlkit.Backbone(
        "tiny", tiny_models.tiny_backbone, tlkit.load(folder / "artifact").input, ("end1", "end2", "end3")
    )
    clf = tlkit.classifier(row, "pool_dense", ["dark", "red"], weights=folder / "artifact" / "model.keras")
    before = tlkit.load(folder / "artifact").model
    pixels = np.asarray(asked(folder)["pixels"], np.float32)
    found, expected = (model.base(pixels, training=False)["map"] for model in (clf, before))
    assert np.ptp(found) > 0.1
    np.testing.assert_array_equal(found, expected)


# === Runs ===


def test_a_run_killed_before_goes_on_from_its_checkpoint(
    unpack: Callable, command: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The frozen part of this run holds a layer of tlkit, which must count as the same one."""
    folder = unpack("killed")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TLKIT_HOME", str(folder / "home"))
    before, whole = rows(folder / "run" / "metrics.csv"), rows(folder / "whole.csv")
    assert [(row["phase"], row["epoch"]) for row in before] == [("head", "1"), ("head", "2"), ("top", "1")]

    assert command(["train", "--resume", "run", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(event["phase"], event["epoch"]) for event in told if event["event"] == "epoch"] == [("top", 2), ("top", 3)]
    assert next(event for event in told if event["event"] == "plan")["resumed"] is True

    after = rows(folder / "run" / "metrics.csv")
    assert after[:3] == before  # to the second: no epoch was trained again
    assert [(row["phase"], row["epoch"]) for row in after] == [(row["phase"], row["epoch"]) for row in whole]
    for row, expected in zip(after, whole, strict=True):
        assert float(row["val_loss"]) == pytest.approx(float(expected["val_loss"]), rel=1e-2)
    ledger = json.loads((folder / "run" / "run.json").read_text("utf-8"))
    assert ledger["status"] == "finished" and not (folder / "run" / "checkpoint.safetensors").exists()
    found = tlkit.load(folder / "run").predict(asked(folder)["items"])
    for each, expected in zip(found, asked(folder)["answers"], strict=True):
        assert dict(each.top_k) == pytest.approx(dict(expected["top_k"]), abs=0.02)


def test_a_fit_killed_before_goes_on_from_its_checkpoint(unpack: Callable) -> None:
    clf, folder = tlkit.load(unpack("image") / "artifact").model, unpack("fit")
    before, whole = rows(folder / "metrics.csv"), rows(folder / "whole.csv")
    assert [(row["phase"], row["epoch"]) for row in before] == [("head", "1"), ("head", "2"), ("top", "1")]
    history = tlkit.fit(clf, stripes(), phases=PHASES, run_dir=folder, **FIT)
    assert rows(folder / "metrics.csv")[:3] == before
    assert [str(record["seconds"]) for record in history.epochs[:3]] == [row["seconds"] for row in before]
    assert len(history.epochs) == len(whole) == 5
    for record, expected in zip(history.epochs, whole, strict=True):
        assert record["val_loss"] == pytest.approx(float(expected["val_loss"]), rel=1e-2)


# === Stored features ===


def test_features_of_before_are_let_be_and_computed_anew(
    unpack: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    place, data = tmp_path / "home" / "features", stripes()
    shutil.copytree(unpack("features"), place)
    old = contents(place)
    assert len(old) == 4, "a folder of training features, one of validation features, a description in each"

    folder = unpack("image")
    for folders in {path.parent for path in old}:
        os.utime(folders, (1e9, 1e9))
    history = tlkit.fit(tlkit.load(folder / "artifact").model, data, phases=PHASES[:1], **FIT)
    assert history.trunk_examples == len(data.train.labels) + len(data.val.labels)
    new = {path.parent for path in contents(place)} - {path.parent for path in old}
    assert len(new) == 2
    assert {path: content for path, content in contents(place).items() if path.parent not in new} == old
    # what is opened is marked as used
    assert {path.parent.stat().st_mtime for path in old} == {1e9}
    assert all(path.stat().st_mtime > 1e9 for path in new)

    # control: those of today are found again
    again = tlkit.fit(tlkit.load(folder / "artifact").model, data, phases=PHASES[:1], **FIT)
    assert again.trunk_examples == 0 and contents(place).keys() > old.keys()


def contents(folder: Path) -> dict[Path, bytes]:
    """Return the features that lie in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.parent != folder}
