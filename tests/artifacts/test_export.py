"""Export: the SavedModel takes raw input, agrees with the Keras model, and is proved in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.artifacts import export, graph_scan
from tlkit.errors import ArtifactError, RunError
from tlkit.runs import record
from tlkit.utils import files

# fresh processes, each of which takes seconds to import TensorFlow
pytestmark = pytest.mark.slow

STRANGER = """
import sys
import tensorflow as tf
if sys.argv[1] == "text":
    import tensorflow_text
import json, base64
import numpy as np
given = [base64.b64decode(part) for part in json.load(open(sys.argv[3]))]
loaded = tf.saved_model.load(sys.argv[2])
answer = loaded.signatures["serving_default"](tf.constant(given))
before = [variable.numpy() for variable in loaded.variables]
for _ in range(int(sys.argv[5])):
    loaded.signatures["serving_default"](tf.constant(given[:1]))
assert before and all(np.array_equal(a, b.numpy()) for a, b in zip(before, loaded.variables)), "a variable changed"
assert not {"tlkit", "keras_hub"} & set(sys.modules)
np.save(sys.argv[4], answer["probabilities"].numpy())
"""

KERAS = """
import sys
import numpy as np
import keras
if sys.argv[1] == "text":
    import tlkit.models.text.text_backbones
    import tensorflow as tf
    given = tf.constant([line for line in np.load(sys.argv[3])])
else:
    given = np.load(sys.argv[3])
    assert "tlkit" not in sys.modules
model = keras.saving.load_model(sys.argv[2], compile=False, safe_mode=True)
np.save(sys.argv[4], model(given, training=False).numpy())
"""


def run(code: str, *arguments: object) -> None:
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def encoded(pixels: np.ndarray) -> list[bytes]:
    import tensorflow as tf

    return [tf.io.encode_png(picture.astype(np.uint8)).numpy() for picture in pixels]


def report(clf: object, data: tlkit.Data) -> tlkit.Report:
    return tlkit.evaluate(clf, data.test)


@pytest.fixture(scope="module")
def picture_artifact(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    clf = tiny_models.spread(tiny_models.tiny_classifier(3), tiny_models.pictures(16, 16))
    pixels = tiny_models.pictures(30, 40, seed=5).astype(np.uint8)
    data = tlkit.arrays(pixels, np.arange(30) % 3, labels=["0", "1", "2"])
    tlkit.fit(clf, data, phases=(tlkit.Phase("head", 1, 1e-4, 0),), augment="strong", progress=False)
    out = tmp_path_factory.mktemp("pictures") / "out"
    return clf, tlkit.export(clf, out, report=report(clf, data)), out


@pytest.fixture(scope="module")
def text_artifact(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    clf = tiny_models.text_classifier(tmp_path_factory.mktemp("bert"))
    texts = [*tiny_models.TEXTS[:4], *(f"the {word}" for word in tiny_models.WORDS[:8])]
    data = tlkit.arrays(texts, [clf.spec.labels[number % 3] for number in range(12)])
    phases = (tlkit.Phase("head", 1, 1e-4, 0), tlkit.Phase("top", 1, 1e-4, 1))
    tlkit.fit(clf, data, phases=phases, progress=False)
    out = tmp_path_factory.mktemp("texts") / "out"
    return clf, tlkit.export(clf, out, report=report(clf, data)), out


def ask_stranger(kind: str, out: Path, items: list[bytes], scratch: Path, repeats: int) -> np.ndarray:
    import base64

    (scratch / "items.json").write_text(json.dumps([base64.b64encode(item).decode() for item in items]))
    run(STRANGER, kind, out / "saved_model" / "1", scratch / "items.json", scratch / "answers.npy", repeats)
    return np.load(scratch / "answers.npy")


def test_a_stranger_asks_for_pictures_with_tensorflow_alone(picture_artifact: tuple, tmp_path: Path) -> None:
    clf, _, out = picture_artifact
    pixels = tiny_models.pictures(8, 16, seed=7).astype(np.uint8)  # of the model's own size: nothing is resized
    given = ask_stranger("image", out, encoded(pixels), tmp_path, repeats=1000)
    expected = clf(pixels.astype(np.float32), training=False).numpy()
    assert np.ptp(expected, axis=0).max() > 0.2
    assert np.abs(given - expected).max() <= 1e-5
    assert np.abs(np.roll(given, 1, axis=0) - expected).max() > 1e-2  # the control


def test_a_stranger_asks_for_texts_with_tensorflow_text(text_artifact: tuple, tmp_path: Path) -> None:
    import tensorflow as tf

    clf, _, out = text_artifact
    given = ask_stranger("text", out, [text.encode() for text in tiny_models.TEXTS], tmp_path, repeats=1000)
    expected = clf(tf.constant(tiny_models.TEXTS), training=False).numpy()
    assert np.ptp(expected, axis=0).max() > 0.2
    assert np.abs(given - expected).max() <= 1e-5
    assert np.abs(np.roll(given, 1, axis=0) - expected).max() > 1e-2


def test_the_keras_file_of_pictures_loads_with_keras_alone(picture_artifact: tuple, tmp_path: Path) -> None:
    clf, _, out = picture_artifact
    pixels = tiny_models.pictures(8, 16, seed=7)
    np.save(tmp_path / "given.npy", pixels)
    run(KERAS, "image", out / "model.keras", tmp_path / "given.npy", tmp_path / "answers.npy")
    expected = clf(pixels, training=False).numpy()
    assert np.abs(np.load(tmp_path / "answers.npy") - expected).max() <= 1e-5
    assert np.abs(np.roll(expected, 1, axis=0) - expected).max() > 1e-2


def test_the_keras_file_of_texts_loads_after_importing_tlkit_text(text_artifact: tuple, tmp_path: Path) -> None:
    import tensorflow as tf

    clf, _, out = text_artifact
    np.save(tmp_path / "given.npy", np.array(tiny_models.TEXTS))
    run(KERAS, "text", out / "model.keras", tmp_path / "given.npy", tmp_path / "answers.npy")
    expected = clf(tf.constant(tiny_models.TEXTS), training=False).numpy()
    assert np.abs(np.load(tmp_path / "answers.npy") - expected).max() <= 1e-5


def test_call_predict_and_saved_model_agree_after_training_with_augmentation(picture_artifact: tuple) -> None:
    import tensorflow as tf

    clf, artifact, _ = picture_artifact
    pixels = tiny_models.pictures(8, 16, seed=7)
    called = clf(pixels).numpy()
    assert np.abs(called - clf.predict(pixels, verbose=0)).max() <= 1e-5
    served = artifact.served.signatures["serve_array"](tf.constant(pixels))["probabilities"].numpy()
    assert np.abs(called - served).max() <= 1e-5
    assert np.abs(np.roll(called, 1, axis=0) - served).max() > 1e-2


def test_the_answer_names_labels_best_first(picture_artifact: tuple) -> None:
    import tensorflow as tf

    _, artifact, _ = picture_artifact
    given = artifact.served.signatures["serve_array"](tf.constant(tiny_models.pictures(8, 16, seed=7)))
    shares = given["top_k_probabilities"].numpy()
    assert (np.diff(shares, axis=1) <= 0).all() and shares.shape == (8, 3)
    best = given["probabilities"].numpy().argmax(1)
    assert [label.decode() for label in given["label"].numpy()] == [str(number) for number in best]
    assert (given["top_k_labels"].numpy()[:, 0] == given["label"].numpy()).all()


def test_embeddings_are_the_pooled_features(picture_artifact: tuple, text_artifact: tuple) -> None:
    import tensorflow as tf

    clf, artifact, _ = picture_artifact
    pixels = tiny_models.pictures(3, 16, seed=7).astype(np.uint8)
    embedded = artifact.served.signatures["embed"](tf.constant(encoded(pixels)))["embedding"].numpy()
    expected = clf.base(pixels.astype(np.float32))["map"].numpy().mean((1, 2))
    assert np.allclose(embedded, expected, atol=1e-4) and np.ptp(embedded, axis=0).max() > 1e-2

    clf, artifact, _ = text_artifact
    embedded = artifact.served.signatures["embed"](tf.constant(tiny_models.TEXTS))["embedding"].numpy()
    features = {name: value.numpy() for name, value in clf.base(tf.constant(tiny_models.TEXTS)).items()}
    for row, sequence, mask in zip(embedded, features["sequence"], features["mask"], strict=True):
        assert np.allclose(row, sequence[mask].mean(0), atol=1e-4)


def test_the_artifact_holds_what_it_promises(picture_artifact: tuple) -> None:
    _, artifact, out = picture_artifact
    names = {path.name for path in out.iterdir()}
    assert names == {
        "saved_model",
        "model.keras",
        "tlkit.json",
        "README.md",
        "report.json",
        "report.html",
        "confusion.png",
    }
    facts = artifact.facts
    assert facts["parity"]["samples"] == 6 and facts["parity"]["real"] and facts["parity"]["max_difference"] <= 1e-5
    assert facts["parity"]["spread"] > 0.05, "the samples answer alike: the proof would be empty"
    assert facts["metrics"]["split"] == "test" and facts["metrics"]["examples"] == 6
    assert "saved_model/1/saved_model.pb" in facts["files"] and "model.keras" in facts["files"]
    assert str(out.parent) not in (out / "tlkit.json").read_text() + (out / "README.md").read_text()


def test_an_artifact_is_not_overwritten_unasked(picture_artifact: tuple) -> None:
    clf, _, out = picture_artifact
    with pytest.raises(ArtifactError, match="already holds an artifact; give overwrite=True"):
        tlkit.export(clf, out)


def test_a_strangers_file_is_not_overwritten(picture_artifact: tuple, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ArtifactError, match=r"holds a README\.md of something else; choose another directory"):
        tlkit.export(picture_artifact[0], tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_without_real_examples_made_up_ones_prove_the_export(picture_artifact: tuple, text_artifact: tuple) -> None:
    from tlkit.artifacts.export import _prove

    for clf, _, out in (picture_artifact, text_artifact):
        parity = _prove(clf, out / "saved_model" / "1", [])
        assert not parity["real"] and parity["samples"] == 4 and parity["max_difference"] <= 1e-5
        assert parity["spread"] > 0.05


def test_a_model_that_answers_differently_is_not_exported(
    picture_artifact: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clf, *_ = picture_artifact
    data = tlkit.arrays(tiny_models.pictures(12, 16).astype(np.uint8), np.arange(12) % 3)
    monkeypatch.setattr(export, "_ask_fresh_process", lambda *_: np.full((3, 3), 1 / 3, np.float32))
    with pytest.raises(ArtifactError, match=r"differs from the Keras model by .* on 3 samples"):
        tlkit.export(clf, tmp_path / "out", report=report(clf, data))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_model_that_does_more_than_compute_is_not_exported(
    picture_artifact: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_scan, "ALLOWED", graph_scan.ALLOWED - {"Softmax"})
    with pytest.raises(ArtifactError, match=r"holds the operation 'Softmax'.* build the model without it"):
        tlkit.export(picture_artifact[0], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_saved_model_that_cannot_be_loaded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="a fresh process cannot load the exported model"):
        export._ask_fresh_process(tmp_path, (), [b"x"], "probabilities")


# === A run.json in the directory ===


def an_earlier_run(out: Path) -> dict:
    """Write the `run.json` of another run into a directory and return what it says."""
    told = {"schema": 1, "status": "finished", "settings": {"seed": 77}, "data": "other"}
    told |= {"command": "tlkit train OTHER --out RUN", "environment": {"system": "Other-OS"}, "job": {}}
    told |= {"findings": [{"code": "x", "severity": "error", "title": "Other finding", "remedy": "none"}]}
    out.mkdir(exist_ok=True)
    files.write_json(out / "run.json", told)
    return told


def shown(out: Path) -> str:
    """Return the page and the card."""
    return (out / "report.html").read_text() + (out / "README.md").read_text()


OTHERS = ("tlkit train OTHER", "Other-OS", "Other finding")


@pytest.fixture(scope="module")
def learned() -> dict:
    """Return what `export` takes of a training, without the time that a real one takes."""
    clf = tiny_models.spread(tiny_models.tiny_classifier(3), tiny_models.pictures(16, 16))
    data = tlkit.arrays(tiny_models.pictures(12, 16).astype(np.uint8), np.arange(12) % 3, labels=["0", "1", "2"])
    return {"clf": clf, "report": report(clf, data), "data": data}


@pytest.mark.parametrize("content", [None, "{}", "of another program"])
def test_a_folder_with_a_run_is_not_exported_into_unasked(learned: dict, tmp_path: Path, content: str | None) -> None:
    an_earlier_run(tmp_path)
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(ArtifactError, match=r"holds a run\.json of something else; choose another"):
        tlkit.export(learned["clf"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert (tmp_path / "run.json").read_bytes() == before


def test_another_run_is_set_aside_and_not_shown(learned: dict, tmp_path: Path) -> None:
    before = an_earlier_run(tmp_path)
    (tmp_path / "tlkit.json").write_text("{}")
    made = tlkit.export(**learned, out=tmp_path, overwrite=True)
    assert not any(text in shown(tmp_path) for text in OTHERS)
    assert not (tmp_path / "run.json").exists() and files.read_json(tmp_path / export.EARLIER_RUN_FILE) == before
    assert export.EARLIER_RUN_FILE not in json.loads((tmp_path / "tlkit.json").read_text())["files"]
    assert record.runs(tmp_path) == [] and made.report.n == learned["report"].n
    with pytest.raises(RunError, match=r"holds no run of tlkit \(no run\.json\)"):
        record.load(tmp_path)


def test_a_record_is_shown_and_the_run_stays(learned: dict, tmp_path: Path) -> None:
    an_earlier_run(tmp_path)
    record = {"command": "tlkit train MINE --out RUN", "environment": {"system": "My-OS"}, "settings": {"seed": 5}}
    before = (tmp_path / "run.json").read_bytes()
    tlkit.export(**learned, out=tmp_path, overwrite=True, record=record)
    assert "tlkit train MINE" in (tmp_path / "README.md").read_text()
    assert "tlkit train MINE" in (tmp_path / "report.html").read_text() and "My-OS" in shown(tmp_path)
    assert not any(text in shown(tmp_path) for text in OTHERS)
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_run_that_another_process_writes_is_left_alone(learned: dict, tmp_path: Path) -> None:
    an_earlier_run(tmp_path)
    before = (tmp_path / "run.json").read_bytes()
    with files.lock(tmp_path / "run.json"), pytest.raises(ArtifactError, match="a run is being written; wait until it"):
        tlkit.export(learned["clf"], tmp_path, overwrite=True)
    assert (tmp_path / "run.json").read_bytes() == before and not (tmp_path / "saved_model").exists()


def test_a_run_stays_where_the_export_fails(learned: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_earlier_run(tmp_path)
    monkeypatch.setattr(graph_scan, "ALLOWED", graph_scan.ALLOWED - {"Softmax"})
    with pytest.raises(ArtifactError, match="Softmax"):
        tlkit.export(learned["clf"], tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
