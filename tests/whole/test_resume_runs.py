"""Trainings that are interrupted and go on, that were finished before, and those whose numbers go wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import Compute, Phase
from tlkit.errors import RunError
from tlkit.features import extraction
from tlkit.models import classifier
from tlkit.training import checkpoint, loop
from tlkit.training.checkpoint import NAME, Keeper

PHASES = (Phase("head", 2, 1e-2, 0), Phase("top", 2, 1e-3, 2))
CLOSING = (Phase("top", 2, 1e-3, 2), Phase("head", 2, 1e-2, 0))  # what was trained first is frozen later


class Killed(BaseException):
    """Stands for the end of a process."""


def pictures(_: Path) -> tuple:
    return tiny_models.tiny_classifier(dropout=0.5), tiny_models.colours()


def texts(folder: Path, words: bool = False) -> tuple:
    preset = folder / "bert" if (folder / "bert").exists() else tiny_models.tiny_bert(folder / "bert")
    options = {"size": 16, "weights": preset, "dropout": 0.5, "words": words}
    clf = tlkit.classifier("minilm_l6", "mean_dense", ["topic 0", "topic 1"], **options)
    for layer in clf._flatten_layers():  # a seed for what the preset does not hold
        if layer.name == "probabilities":
            layer.kernel.assign(np.random.default_rng(0).normal(0, 0.1, layer.kernel.shape))
    return clf, tiny_models.topics()


def words(folder: Path) -> tuple:
    return texts(folder, words=True)


def fit(clf: object, data: tlkit.Data, run_dir: object = None, **options: object) -> tlkit.History:
    return tlkit.fit(clf, data, **{"phases": PHASES, "batch_size": 8, "progress": False, "run_dir": run_dir} | options)


def figures(history: tlkit.History) -> list[dict]:
    return [{name: record[name] for name in record if name != "seconds"} for record in history.epochs]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the state at every chance, in chunks of two steps."""
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 0)
    monkeypatch.setattr("tlkit.features.feature_sets.MOST_STEPS", 2)


@pytest.mark.parametrize(
    ("make", "phases"),
    [(pictures, PHASES), (pictures, CLOSING), (texts, PHASES), pytest.param(words, PHASES, marks=pytest.mark.slow)],
    ids=["pictures", "closing", "texts", "words"],
)
def test_a_training_killed_after_any_checkpoint_ends_with_the_same_bits(
    make: Callable, phases: tuple, tmp_path: Path, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clf, data = make(tmp_path)
    whole = fit(clf, data, phases=phases)
    write, done = Keeper._write, 0

    def killed(keeper: Keeper) -> None:
        nonlocal done
        write(keeper)
        done += 1
        if done % 5 == 0:
            raise Killed

    monkeypatch.setattr(Keeper, "_write", killed)
    starts = 0
    while True:
        starts += 1
        other, _ = make(tmp_path)
        try:
            history = fit(other, data, tmp_path / "run", phases=phases)
            break
        except Killed:
            assert starts < 30
    assert starts > 3 and figures(history) == figures(whole)
    assert [phase["best_epoch"] for phase in history.phases] == [phase["best_epoch"] for phase in whole.phases]
    assert all(np.array_equal(a, b) for a, b in zip(clf.get_weights(), other.get_weights(), strict=True))


def test_a_finished_training_gives_its_weights_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clf, data = pictures(tmp_path)
    first = fit(clf, data, tmp_path)
    monkeypatch.setattr(loop, "train", lambda *_: pytest.fail("it was trained again"))
    monkeypatch.setattr(extraction, "fill", lambda *_: pytest.fail("features were asked for"))
    for other in (clf, pictures(tmp_path)[0]):  # also where the classifier was trained already
        again = fit(other, data, tmp_path)
        assert figures(again) == figures(first) and again.phases == first.phases and again.trunk_examples == 0
        assert all(np.array_equal(a, b) for a, b in zip(clf.get_weights(), other.get_weights(), strict=True))


def test_what_is_another_training_is_refused_by_name(tmp_path: Path) -> None:
    clf, data = pictures(tmp_path)
    fit(clf, data, tmp_path)
    fewer = dataclasses.replace(data, train=data.train.take(np.arange(10)))
    for named, examples, options in (
        ("seed was 0, now 1", data, {"seed": 1}),
        ("batch_size was 8, now 4", data, {"batch_size": 4}),
        ("precision was auto, now bfloat16", data, {"compute": Compute("bfloat16")}),
        ("data was ", fewer, {}),
        ("phases was ", data, {"phases": CLOSING}),
    ):
        with pytest.raises(RunError, match=f"{tmp_path} holds another training: .*{named}"):
            fit(pictures(tmp_path)[0], examples, tmp_path, **options)
    fit(pictures(tmp_path)[0], data, tmp_path, compute=Compute(cache_budget=10**8))  # room is no other training
    strange = pictures(tmp_path)[0]
    stem = classifier.pieces(strange)[1].get_layer("stem")
    stem.kernel.assign(stem.kernel * 2)
    with pytest.raises(RunError, match="another training: frozen part was "):
        fit(strange, data, tmp_path)


def test_choices_are_kept_when_a_training_goes_on(tmp_path: Path, eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clf, data = pictures(tmp_path)
    begin = Keeper.begin

    def killed(keeper: Keeper, choices: dict) -> None:
        begin(keeper, choices)
        raise Killed

    monkeypatch.setattr(Keeper, "begin", killed)
    with pytest.raises(Killed):
        fit(clf, data, tmp_path, compute=Compute(cache_budget=0))
    history = fit(clf, data, tmp_path)
    assert set(history.settings["choices"]["stores"].values()) == {"stream"}
    assert list(history.settings["choices"]["stores"]) == [2, 0]


def test_a_stop_in_the_frozen_pass_or_in_a_phase_keeps_what_was_done(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clf, data = pictures(tmp_path)
    keeper, fill = Keeper(tmp_path), extraction.fill

    def stopped(job: object, tell: Callable) -> object:
        keeper.stop.asked = True
        return fill(job, tell)

    monkeypatch.setattr(extraction, "fill", stopped)
    with pytest.raises(KeyboardInterrupt):
        fit(clf, data, keeper)
    assert checkpoint.read(tmp_path / NAME)[0]["loop"] is None
    monkeypatch.setattr(extraction, "fill", fill)
    keeper, tell = Keeper(tmp_path), Keeper.tell

    def told(self: Keeper, records: list[dict]) -> None:
        tell(self, records)
        self.stop.asked = len(records) == 1

    monkeypatch.setattr(Keeper, "tell", told)
    with pytest.raises(KeyboardInterrupt):
        fit(clf, data, keeper)
    assert checkpoint.read(tmp_path / NAME)[0]["loop"]["epoch"] == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epoch": "two"}, r"the checkpoint's state is damaged \(epoch is of type str, not int\); start anew"),
        ({"sums": [1.0]}, r"the checkpoint's state is damaged \(sums has 1 items, not 2\); start anew"),
        ({"more": 1}, r"the checkpoint's state is damaged \(it is another\); start anew"),
        ({}, "the checkpoint's best does not fit this classifier; start anew"),
    ],
)
def test_a_state_that_no_training_wrote(tmp_path: Path, eager: None, change: dict, said: str) -> None:
    clf, data = pictures(tmp_path)
    keeper = Keeper(tmp_path)
    keeper.stop.asked = True
    begin, keeper.begin = keeper.begin, lambda made: begin(made)
    with pytest.raises(KeyboardInterrupt):
        fit(clf, data, keeper)
    facts, arrays = checkpoint.read(tmp_path / NAME)
    record = {"best": 0.5, "best_epoch": 0, "epoch": 1, "steps": 2, "sums": [1.0, 2.0], "rate": 0.1}
    state = record | {"records": [], "trouble": ""} | change
    optimizer = {name: array for name, array in arrays.items() if name[:4] != "best"}
    checkpoint.write(tmp_path / NAME, facts | {"loop": state}, optimizer)
    with pytest.raises(RunError, match=said):
        fit(pictures(tmp_path)[0], data, tmp_path)


# === Numbers that go wrong ===


def test_a_loss_that_is_not_finite_ends_its_phase_and_keeps_the_best_weights(capsys: pytest.CaptureFixture) -> None:
    clf, data = tiny_models.tiny_classifier(), tiny_models.colours()
    before = clf.get_weights()
    history = fit(clf, data, phases=(Phase("head", 3, 1e38, 0), Phase("top", 1, 1e-3, 1)), progress=True)
    head, top = history.phases
    assert head["best_epoch"] == 0 and top["trouble"] == "" and top["best_epoch"] == 1
    assert head["trouble"].startswith("the loss of epoch 1, step ")
    assert (
        "is not a finite number: the learning rate, 1e+37 at that epoch's beginning, is probably too high"
        in (head["trouble"])
    )
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("phase head: 0 epochs in "))
    assert line.endswith(f"no epoch was better than what was there before; {head['trouble']}")
    assert all(np.isfinite(weight).all() for weight in clf.get_weights())
    alone = tiny_models.tiny_classifier()
    fit(alone, data, phases=(Phase("head", 3, 1e38, 0),))
    assert all(np.array_equal(a, b) for a, b in zip(before, alone.get_weights(), strict=True))


def test_features_that_are_not_finite_are_named_as_the_cause() -> None:
    clf = tiny_models.tiny_classifier()
    last = classifier.pieces(clf)[1].get_layer("top_conv")
    last.kernel.assign(last.kernel * np.nan)
    (head,) = fit(clf, tiny_models.colours(), phases=PHASES[:1]).phases
    assert "step 1 is not a finite number: the frozen part gives features that are not finite" in head["trouble"]


def test_a_validation_loss_that_is_not_finite_ends_the_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([(float("nan"), 0.5), (0.6, 0.5), (float("nan"), 0.5)])
    monkeypatch.setattr(loop, "score", lambda *_: next(scores))
    (head,) = fit(tiny_models.tiny_classifier(), tiny_models.colours(), phases=(Phase("head", 9, 1e-2, 0),)).phases
    assert head["best_epoch"] == 1, "a first score that is no number is beaten by any"
    assert head["trouble"].startswith("the validation loss after epoch 2 is not a finite number")
