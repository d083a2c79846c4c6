"""What is written for TensorBoard, read back, and what cannot be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import Phase
from tlkit.errors import RunError
from tlkit.training import checkpoint, tensorboard

PHASES = (Phase("head", 2, 1e-2, 0), Phase("top", 1, 1e-3, 1))


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Return the scalars of all event files of a folder: name -> step -> value."""
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    found: dict[str, dict[int, float]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for raw in tf.data.TFRecordDataset(str(path)):
            event = event_pb2.Event.FromString(raw.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                found.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    return found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))


def test_every_epoch_is_read_back_where_a_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, told, log = checkpoint.Keeper.finish, [], tmp_path / "a" / "log"

    def stopped(keeper: checkpoint.Keeper, *given: Any) -> None:
        finish(keeper, *given)
        raise KeyboardInterrupt

    def epochs(event: dict) -> None:
        if event.pop("event") == "epoch":
            told.append(event)

    options = {"phases": PHASES, "progress": epochs, "tensorboard": log, "run_dir": tmp_path}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint.Keeper, "finish", stopped)
        tlkit.fit(tiny_models.tiny_classifier(), tiny_models.colours(), **options)
    assert list(scalars(log)["loss"]) == [1, 2] and len(told) == 2
    history = tlkit.fit(tiny_models.tiny_classifier(), tiny_models.colours(), **options)
    assert told == list(history.epochs) and len(told) == 3
    found = scalars(log)
    assert set(found) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    for name, values in found.items():
        assert values == pytest.approx({step: record[name] for step, record in enumerate(told, 1)})


def test_what_cannot_be_written_is_refused_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("tlkit.training.planning.plan", lambda *_: pytest.fail("it began"))
    for place in ("file", "file/inside"):
        with pytest.raises(RunError, match=rf"cannot write TensorBoard's files to .*{place} \(.*\); choose another"):
            tlkit.fit(
                tiny_models.tiny_classifier(), tiny_models.colours(), progress=False, tensorboard=tmp_path / place
            )


def test_nothing_is_written_where_nobody_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with tensorboard.opened(None) as log:
        log(1, {"loss": 0.5})
    assert list(tmp_path.iterdir()) == []
