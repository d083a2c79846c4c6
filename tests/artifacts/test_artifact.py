"""Loading an artifact and asking it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlkit
from tests.helpers import tiny_models
from tlkit.artifacts import graph_scan
from tlkit.data import images
from tlkit.errors import ArtifactError, DataError, InputError


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    clf = tiny_models.spread(tiny_models.tiny_classifier(3), tiny_models.pictures(16, 16))
    out = tmp_path_factory.mktemp("artifact") / "out"
    tlkit.export(clf, out)
    return clf, out


@pytest.fixture
def copy(exported: tuple, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported[1], tmp_path / "copy"))


def test_predict_takes_paths_bytes_and_arrays(exported: tuple, tmp_path: Path) -> None:
    clf, out = exported
    artifact = tlkit.load(out)
    pixels = tiny_models.pictures(4, 16, seed=3).astype(np.uint8)
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, picture in zip(paths, pixels, strict=True):
        Image.fromarray(picture).save(path)
    expected = clf(pixels.astype(np.float32), training=False).numpy()

    for items in (paths, [str(p) for p in paths], [p.read_bytes() for p in paths], pixels):
        found = artifact.predict(items, batch_size=3)
        assert [prediction.label for prediction in found] == [str(number) for number in expected.argmax(1)]
        assert np.allclose([prediction.probability for prediction in found], expected.max(1), atol=1e-5)
        assert found[0].top_k[0] == (found[0].label, found[0].probability) and len(found[0].top_k) == 3


def test_predict_takes_one_item_alone(exported: tuple) -> None:
    artifact = tlkit.load(exported[1])
    assert len(artifact.predict(tiny_models.pictures(1, 16)[0])) == 1


def test_predict_tells_one_grey_picture_from_several(exported: tuple) -> None:
    artifact = tlkit.load(exported[1])
    grey = tiny_models.pictures(4, 16)[..., 0]
    several = artifact.predict(grey)
    assert len(several) == 4
    for one in (grey[2], grey[2][..., None]):
        (alone,) = artifact.predict(one)
        assert alone.label == several[2].label
        assert alone.probability == pytest.approx(several[2].probability, abs=1e-5)


def test_predict_keeps_the_order_of_arrays_of_several_shapes(exported: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact, made = tlkit.load(exported[1]), []
    pixels = list(tiny_models.pictures(9, 16, seed=4))
    pixels[1::3] = [np.kron(picture, np.ones((2, 2, 1))) for picture in pixels[1::3]]
    pixels[2::3] = [picture[..., 0] for picture in pixels[2::3]]
    alone = [artifact.predict(picture)[0] for picture in pixels]
    plain = images.batches
    monkeypatch.setattr(images, "batches", lambda *given: made.append(given) or plain(*given))
    together = artifact.predict(pixels)
    assert np.allclose([a.probability for a in together], [a.probability for a in alone], atol=1e-6)
    assert [answer.label for answer in together] == [answer.label for answer in alone]
    assert len(made) == 3  # one data set for each shape: making one takes a tenth of a second


def test_predict_reads_what_only_pillow_reads(exported: tuple, tmp_path: Path) -> None:
    pixels = tiny_models.pictures(1, 16, seed=3).astype(np.uint8)[0]
    Image.fromarray(pixels).save(tmp_path / "a.tiff")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    artifact = tlkit.load(exported[1])
    assert artifact.predict(tmp_path / "a.tiff") == artifact.predict(tmp_path / "a.png")


def test_predict_names_what_it_cannot_read(exported: tuple, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        tlkit.load(exported[1]).predict([tmp_path / "broken.jpg"])


def test_the_keras_model_comes_back_whole(exported: tuple) -> None:
    clf, out = exported
    model = tlkit.load(out).model
    pixels = tiny_models.pictures(4, 16, seed=3)
    assert np.array_equal(model(pixels).numpy(), clf(pixels).numpy())
    assert model.spec.labels == clf.spec.labels and model.spec.backbone.blocks == clf.spec.backbone.blocks
    assert np.array_equal(model.head(model.base(pixels)).numpy(), clf(pixels).numpy())
    tlkit.unfreeze(model, 1)
    assert {v.path.split("/")[0] for v in model.trainable_variables} == {"conv3", "top_conv", "probabilities"}


@pytest.mark.slow
def test_a_text_artifact_refuses_what_is_no_text(tmp_path: Path) -> None:
    clf = tiny_models.text_classifier(tmp_path / "bert")
    artifact = tlkit.export(clf, tmp_path / "out")
    assert artifact.predict("the cat sat")[0].label.startswith("topic")
    assert len(artifact.predict(["the cat", "a loan"])) == 2
    with pytest.raises(InputError, match="item 1 is a int, not a text"):
        artifact.predict(["the cat", 5])
    reloaded = artifact.model
    assert reloaded.spec.input.size == 16


def test_a_directory_that_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"is not an artifact: it has no tlkit\.json"):
        tlkit.load(tmp_path)


@pytest.mark.parametrize("name", ["model.keras", "saved_model/1/saved_model.pb", "README.md"])
def test_a_changed_or_missing_file_is_found(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=r"was changed: sha256:\w+, not sha256:\w+; export the model again"):
        tlkit.load(copy)
    (copy / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} is missing"):
        tlkit.load(copy)


def test_facts_that_cannot_be_are_found(copy: Path) -> None:
    (copy / "tlkit.json").write_text('{"schema": 1}')
    with pytest.raises(ArtifactError, match=r"tlkit\.json is damaged: labels is missing"):
        tlkit.load(copy)


def test_the_graph_is_looked_through_at_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(graph_scan, "scan", seen.append)
    tlkit.load(copy)
    assert seen == [copy / "saved_model" / "1"]


def test_a_keras_model_that_cannot_be_loaded(copy: Path) -> None:
    artifact = tlkit.load(copy)
    (copy / "model.keras").write_bytes(b"PK no zip")
    with pytest.raises(
        ArtifactError, match=r"model\.keras is not loaded: it is not a zip archive .*; export the model again"
    ):
        _ = artifact.model


def test_a_report_that_is_nested_too_deeply(copy: Path) -> None:
    (copy / "report.json").write_text("[" * 100_000)
    with pytest.raises(ArtifactError, match=r"report\.json is damaged \(it is nested too deeply\); evaluate again"):
        _ = tlkit.load(copy).report


def test_a_keras_model_of_something_else(copy: Path) -> None:
    import keras

    artifact = tlkit.load(copy)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="other").save(copy / "model.keras")
    with pytest.raises(ArtifactError, match="is not loaded: model 'other' is not a tlkit classifier"):
        _ = artifact.model
