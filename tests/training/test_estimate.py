"""What a training is told to take: by hand, from measured steps, and without a trace in what is learned."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_generators, tiny_models
from tlkit.config import Phase
from tlkit.features import extraction
from tlkit.features.auto_choices import Choices
from tlkit.models import classifier, freezing, heads
from tlkit.training import checkpoint, estimate, loop, planning
from tlkit.training.checkpoint import Keeper
from tlkit.utils.progress import ProgressReporter

PHASES = (Phase("head", 2, 1e-2, 0), Phase("top", 2, 1e-3, 2))


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the smallest training."""
    monkeypatch.setattr(estimate, "WORTH", 0)


def norm_dense(features: Any, target: Any, *, hidden: int, dropout: float) -> Any:
    """Build a head that keeps statistics of what it is trained on."""
    from keras import layers

    x = layers.GlobalAveragePooling2D(name="pool")(features["map"])
    return target.output(layers.Dropout(dropout)(layers.BatchNormalization(name="norm")(x)))


def pictures(_: Path) -> tuple:
    import keras

    keras.utils.set_random_seed(0)
    row = tiny_models.tiny_classifier().spec.backbone
    return tlkit.classifier(row, "norm_dense", 2, weights=None, dropout=0.5), tiny_models.colours(), PHASES


def texts(folder: Path) -> tuple:
    import keras

    preset = folder / "bert" if (folder / "bert").exists() else tiny_models.tiny_bert(folder / "bert")
    keras.utils.set_random_seed(0)
    clf = tlkit.classifier("minilm_l6", "mean_dense", ["topic 0", "topic 1"], size=16, weights=preset, dropout=0.5)
    return clf, tiny_models.topics(12), PHASES


def replies(_: Path) -> tuple:
    return tiny_generators.decoder(2, lora=2), tiny_generators.talks(4), (Phase("lora", 1, 1e-2, 1),)


def request(clf: Any, phases: tuple[Phase, ...]) -> planning.Request:
    """Return what `fit` would be asked for, in batches of 10 and without augmentation."""
    asked = loop.Options(clf.spec.target, 10, 3, np.ones(2, np.float32), 0.0, 0.0, 0)
    return planning.Request(phases, None, [1], tlkit.Compute(), asked, ProgressReporter(True))


def refuse(*_: Any, **__: Any) -> None:
    pytest.fail("it was measured")


# === Nothing else changes ===


OTHERS = [pytest.param(texts, marks=pytest.mark.slow), pytest.param(replies, marks=pytest.mark.all)]


@pytest.mark.parametrize("make", [pictures, *OTHERS])
def test_what_is_told_changes_no_bit_of_what_is_learned(
    make: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(heads.HEADS, "norm_dense", heads.Head("norm_dense", norm_dense, takes=("map",)))
    clf, data, phases = make(tmp_path)
    measured, trained, opened, counted = estimate.measured, loop.train, [], []

    def watched(model: Any, *given: Any, **more: Any) -> dict:
        before = freezing.freeze_table(model), model.get_weights()
        found = measured(model, *given, **more)
        counted.append(found)
        assert freezing.freeze_table(model) == before[0]
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before[1], strict=True))
        return found

    def begun(tail: Any, *given: Any) -> Any:
        opened[-1].append([variable.trainable for variable in tail.variables])
        return trained(tail, *given)

    monkeypatch.setattr(estimate, "measured", watched)
    monkeypatch.setattr(loop, "train", begun)
    opened.append([])
    tlkit.fit(clf, data, phases=phases, batch_size=8, progress=True)
    assert len(counted) == 1 and [about["name"] for about in counted[0]["phases"]] == [phase.name for phase in phases]
    told, about = capsys.readouterr().out.splitlines(), counted[0]
    assert told[1] == estimate.text(about) and told[2].startswith("frozen base") and about["examples"] > 0
    assert sum(line.startswith("phase ") for line in told) == len(phases)

    monkeypatch.setattr(estimate, "measured", refuse)
    quiet, _, _ = make(tmp_path)
    opened.append([])
    tlkit.fit(quiet, data, phases=phases, batch_size=8, progress=False)
    assert capsys.readouterr().out == "" and opened[0] == opened[1] and len(opened[0]) == len(phases)
    assert all(np.array_equal(a, b) for a, b in zip(clf.get_weights(), quiet.get_weights(), strict=True))
    assert any(
        not np.array_equal(a, b) for a, b in zip(clf.get_weights(), make(tmp_path)[0].get_weights(), strict=True)
    )


def test_steps_do_leave_a_trace_that_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(heads.HEADS, "norm_dense", heads.Head("norm_dense", norm_dense, takes=("map",)))
    clf, data, phases = pictures(tmp_path)
    top = planning.plan(clf, data, request(clf, phases), Keeper(None)).stages[0]
    source, _ = planning.sources(clf, data, None, 0)
    mean, before = clf.head.get_layer("norm").moving_mean, clf.head.get_layer("norm").moving_mean.numpy()
    with estimate._put_back(clf, 2):
        assert classifier.pieces(clf)[1].trainable_variables
        estimate._of_a_step(clf, top, source, 8)
        assert not np.array_equal(mean.numpy(), before)
    assert np.array_equal(mean.numpy(), before) and not classifier.pieces(clf)[1].trainable_variables


def test_an_augmentation_of_ones_own_is_not_called_for_it() -> None:
    import tensorflow as tf

    seen: dict[bool, list] = {}
    for progress in (True, False):
        called = seen.setdefault(progress, [])

        def own(batch: tf.Tensor, called: list = called) -> tf.Tensor:
            return tf.py_function(lambda pixels: (called.append(len(pixels)), pixels)[1], [batch], tf.float32)

        tlkit.fit(
            tiny_models.tiny_classifier(), tiny_models.colours(), phases=PHASES[:1], augment=own, progress=progress
        )
    assert seen[True] == seen[False] and sum(seen[True]) > 0


# === Who is told ===


def test_a_program_is_told_before_the_first_phase_and_what_is_stored_has_not_to_pass(stored: Path) -> None:
    told: list[dict] = []
    data = tiny_models.colours()
    for _ in range(2):
        history = tlkit.fit(tiny_models.tiny_classifier(), data, phases=PHASES, progress=told.append)
    names = ["estimate", "epoch", "epoch", "phase", "epoch", "epoch", "phase"]
    assert [each["event"] for each in told] == 2 * names
    first, second = told[0], told[7]
    assert [phase["steps"] for phase in first["phases"]] == [1, 1] and first["seconds"] > 0 < first["memory_bytes"]
    assert first["seconds"] == first["frozen_seconds"] + sum(phase["seconds"] for phase in first["phases"])
    assert first["examples"] == 2 * len(data.train) + len(data.val) and first["frozen_seconds"] > 0
    assert second["examples"] == second["frozen_seconds"] == 0 < second["seconds"]
    assert told[10] == {"event": "phase", **history.phases[0]} and told[13]["name"] == "top"


def test_a_short_training_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = SimpleNamespace(phases=PHASES, loop=SimpleNamespace(batch_size=32))
    job = SimpleNamespace(sources=[(SimpleNamespace(order=range(33)), 1)])
    plan = SimpleNamespace(request=asked, job=job)
    monkeypatch.setattr(extraction, "ahead", lambda _: 3 * extraction.BATCH)
    for least, long in ((11, True), (12, False)):  # 3 batches, and 4 epochs of 2 steps
        monkeypatch.setattr(estimate, "WORTH", least)
        assert estimate.worth(plan) is long


# === Interrupted ===


def test_a_stop_while_it_is_measured_and_no_measurement_when_it_goes_on(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, step, keeper = tiny_models.colours(), estimate._of_a_step, Keeper(tmp_path)
    clf, told, taken = tiny_models.tiny_classifier(dropout=0.5), [], []

    def stopped(*given: Any) -> Any:
        taken.append(given)
        keeper.stop.asked = True  # as Ctrl-C does
        return step(*given)

    monkeypatch.setattr(estimate, "_of_a_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        tlkit.fit(clf, data, phases=PHASES, run_dir=keeper, progress=told.append)
    assert len(taken) == 1 and told == [] and checkpoint.read(tmp_path / checkpoint.NAME)[0]["done"] == []
    assert not classifier.pieces(clf)[1].trainable_variables, "it is as it was before"
    monkeypatch.setattr(estimate, "measured", refuse)
    tlkit.fit(clf, data, phases=PHASES, run_dir=tmp_path, progress=told.append)
    assert [each["event"] for each in told] == ["epoch", "epoch", "phase", "epoch", "epoch", "phase"]
    whole = tiny_models.tiny_classifier(dropout=0.5)
    tlkit.fit(whole, data, phases=PHASES, progress=False)
    assert all(np.array_equal(a, b) for a, b in zip(clf.get_weights(), whole.get_weights(), strict=True))


# === By hand ===


def test_the_sum_by_hand(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clf, data = tiny_models.tiny_classifier(), tiny_models.colours()
    phases = (*PHASES, Phase("longer", 5, 1e-3, 2))
    chosen = Choices("float32", {2: "float32", 0: "float32"}, 1, {2: "stream", 0: "float32"}, 10**9, 1234)
    monkeypatch.setattr(planning, "_choose", lambda *_: chosen)
    plan = planning.plan(clf, data, request(clf, phases), Keeper(None))
    steps, checked = iter([(1.0, 0.1), (2.0, 0.5)]), []
    monkeypatch.setattr(estimate, "_of_an_example", lambda job: 0.25)
    monkeypatch.setattr(estimate, "_of_a_step", lambda *_: next(steps))
    found = estimate.measured(clf, plan, check=lambda: checked.append(1))
    train_count, val_count = len(data.train), len(data.val)
    epoch = -(-train_count // 10)
    head = 2 * 1.0 + 2 * (epoch * 0.1 + 0.1 / 3 * val_count / 10)
    each = epoch * 0.5 + 0.5 / 3 * val_count / 10 + 0.25 * (train_count + val_count)
    seconds = [about["seconds"] for about in found["phases"]]
    assert seconds == pytest.approx([head, 2 * 2.0 + 2 * each, 2 * 2.0 + 5 * each]) and len(checked) == 3
    assert found["examples"] == train_count + val_count and found["disk_bytes"] == 1234
    assert found["frozen_seconds"] == 0.25 * found["examples"]
    assert found["seconds"] == pytest.approx(sum(seconds) + found["frozen_seconds"])


def test_the_line_by_hand() -> None:
    phases = [{"name": "head", "seconds": 3.2}, {"name": "top", "seconds": 600.0}]
    facts = {"phases": phases, "examples": 1234, "frozen_seconds": 61.0, "seconds": 664.2, "memory_bytes": 1.26e9}
    assert estimate.text(facts) == (
        "about 11 min: 1,234 examples through the frozen part 61 s, head 3 s, top 10 min, less where a phase ends "
        "early; the steps that were measured took 1.3 GB of memory"
    )
    facts |= {"examples": 0, "memory_bytes": None}
    assert estimate.text(facts) == "about 11 min: head 3 s, top 10 min, less where a phase ends early"


def test_the_memory_grows_with_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "from tlkit.training.estimate import peak; before = peak(); taken = b'x' * 10**8; print(peak() - before)"
    grown = int(subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True).stdout)
    assert 0.9e8 < grown < 1.1e8
    assert estimate.peak() > 1e8
    monkeypatch.setattr(estimate, "STATUS", Path("nowhere"))
    assert estimate.peak() > 1e8
    monkeypatch.setitem(sys.modules, "resource", None)
    assert estimate.peak() is None
