"""Whatever goes wrong within somebody's SavedModel or Keras model is one error, in Python and on the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tlkit
from tests.helpers import tiny_models
from tests.helpers.forged_artifacts import forge
from tlkit.cli import main
from tlkit.errors import ArtifactError, RunError
from tlkit.utils import files


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(tiny_models.pictures(1, 16)[0].astype(np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def replace(artifact: Path, outputs: Callable[[Any], Any], kind: Any = None, name: str = "serving_default") -> None:
    """Put another SavedModel into an artifact, whose endpoint `name` gives `outputs` of encoded pictures."""
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), kind or tf.string)])
        def serve(self, image_bytes: Any) -> Any:
            return outputs(image_bytes)

    model, folder = Model(), artifact / "saved_model" / "1"
    shutil.rmtree(folder)
    tf.saved_model.save(model, str(folder), signatures={name: model.serve})
    forge(artifact)


def ranked(labels: Any = "a", shares: Any = 0.5, rows: int | None = None) -> Callable[[Any], Any]:
    """Return a function that answers as a model of labels does, but for what is given."""
    import tensorflow as tf

    def outputs(given: Any) -> dict[str, Any]:
        shape = (tf.size(given) if rows is None else rows, 2)
        return {"top_k_labels": tf.fill(shape, labels), "top_k_probabilities": tf.fill(shape, shares)}

    return outputs


def failing(given: Any) -> Any:
    import tensorflow as tf

    with tf.control_dependencies([tf.debugging.assert_equal(tf.size(given), 99, "not ninety-nine")]):
        return ranked()(given)


def placed(given: Any) -> Any:
    import tensorflow as tf

    with tf.device("/job:elsewhere/task:3/device:GPU:7"):
        return ranked()(tf.identity(given))


def flat(given: Any) -> Any:
    import tensorflow as tf

    return {name: tensor[:, 0] for name, tensor in ranked()(given).items()} | {"n": tf.size(given)[None]}


def check(artifact: Path, picture: Path, capsys: pytest.CaptureFixture, message: str) -> None:
    """Ask in Python and on the command line, and look at what both say."""
    with pytest.raises(ArtifactError, match=message):
        tlkit.load(artifact).predict(picture)
    assert main(["predict", str(artifact), str(picture)]) == 2
    told = capsys.readouterr().err.strip().split("\n")[-1]
    assert told.startswith("tlkit: error: ") and told.endswith("; export the model again")


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda given: {"x": ranked()(given)["top_k_labels"]}, r"has no output 'top_k_labels', .* only 'x'; export"),
        (lambda given: ranked(shares="0.5")(given), r"'top_k_probabilities' of .* is object \(1, 2\), not floats"),
        (lambda given: ranked(labels=7)(given), r"'top_k_labels' of .* is int32 \(1, 2\), not strings of rank 2"),
        (lambda given: ranked(rows=3)(given), r"'top_k_labels' of .* is object \(3, 2\), .* for 1 examples"),
        (lambda given: flat(given), r"'top_k_labels' of .* is object \(1,\), not strings of rank 2"),
        (lambda given: ranked(labels=b"\xff\xfe")(given), r"the answers of .* cannot be read: 'utf-8' codec"),
        (failing, "does not answer: .*not ninety-nine"),
        (placed, "does not answer: .*device"),
    ],
    ids=["other", "strings", "numbers", "rows", "rank", "text", "assertion", "device"],
)
def test_a_model_that_answers_otherwise(
    artifact: Path, picture: Path, capsys: pytest.CaptureFixture, outputs: Callable, message: str
) -> None:
    replace(artifact, outputs)
    check(artifact, picture, capsys, message)


def test_a_model_without_the_signature(artifact: Path, picture: Path, capsys: pytest.CaptureFixture) -> None:
    replace(artifact, ranked(), name="other")
    check(artifact, picture, capsys, "has no endpoint 'serving_default', only 'other'")


def test_a_model_that_takes_something_else(artifact: Path, picture: Path, capsys: pytest.CaptureFixture) -> None:
    import tensorflow as tf

    replace(artifact, ranked(), tf.int64)
    check(artifact, picture, capsys, "does not answer: .*int64")


@pytest.mark.parametrize("name", ["variables.index", "variables.data-00000-of-00001"])
def test_variables_that_are_damaged(artifact: Path, picture: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    path = artifact / "saved_model" / "1" / "variables" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    forge(artifact)
    check(artifact, picture, capsys, r"saved_model/1 cannot be loaded: \w")


# === The Keras model ===


def another(path: Path) -> None:
    import keras

    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)


def three(path: Path) -> None:
    tiny_models.tiny_classifier(3).save(path)


def larger(path: Path) -> None:
    tiny_models.tiny_classifier(2, size=24).save(path)


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (another, "is not a tlkit classifier"),
        (three, r"it answers \(None, 3\), not one number for each of 2 labels"),
        (larger, r"it takes float32 \(None, 24, 24, 3\), not float32 \(None, 16, 16, 3\)"),
    ],
)
def test_a_keras_model_of_another_form(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture, save: Callable, message: str
) -> None:
    save(artifact / "model.keras")
    forge(artifact)
    with pytest.raises(ArtifactError, match=rf"model\.keras is not loaded: .*{message}"):
        _ = tlkit.load(artifact).model
    for label in "01":
        (tmp_path / "data" / label).mkdir(parents=True)
        for number, pixels in enumerate(tiny_models.pictures(10, 16, seed=int(label))):
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / label / f"{number}.png")
    assert main(["evaluate", str(artifact), str(tmp_path / "data")]) == 2
    told = capsys.readouterr().err.strip().split("\n")[-1]
    assert told.startswith("tlkit: error: ") and "model.keras is not loaded" in told


# === A full disk ===


def test_a_disk_that_is_full_while_the_saved_model_is_written(disk: Path) -> None:
    with pytest.raises(RunError, match=r"cannot write .*disk/out/saved_model: the disk is full; free some space"):
        tlkit.export(tiny_models.tiny_classifier(2), disk / "out")
    assert not list((disk / "out").iterdir())


def test_a_full_disk_told_in_words_is_no_full_memory(tmp_path: Path) -> None:
    from tensorflow.errors import ResourceExhaustedError

    with pytest.raises(RunError, match=r"cannot write .*/a: the disk is full"), files.writing(tmp_path / "a"):
        raise ResourceExhaustedError(None, None, "part-00000; No space left on device")
    with pytest.raises(RunError, match=r"cannot write .*/a: the disk is full"), files.writing(tmp_path / "a"):
        raise RuntimeError("Can't decrement id ref count (errno = 28, error message = 'No space left on device')")
    with pytest.raises(ResourceExhaustedError, match="OOM"), files.writing(tmp_path / "a"):
        raise ResourceExhaustedError(None, None, "OOM when allocating tensor")
