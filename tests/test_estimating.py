"""What is told before a training of how long it takes: by hand, without an effect, and not where nobody looks."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest

import tlkit
from tlkit import checkpoint, estimating
from tlkit.spec import Compute, Phase

PHASES = (Phase("head", 2, 1e-2, 0), Phase("top", 3, 1e-3, 1))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))


def fitted(**given: Any) -> tuple[Any, list[dict]]:
    """Train a tiny classifier, and return it and the events."""
    clf, seen = models.tiny_classifier(dropout=0.5), []
    options = {"phases": PHASES, "augment": "none", "batch_size": 8, "patience": 9, "progress": seen.append}
    tlkit.fit(clf, models.colours(), **options | given)
    return clf, seen


class Enough(Exception):
    """Ends a training once it was estimated."""


def estimate(**given: Any) -> dict:
    """Return the estimate of a training, which does not begin."""
    seen: list[dict] = []

    def hear(event: dict) -> None:
        seen.append(event)
        raise Enough

    with pytest.raises(Enough):
        fitted(progress=hear, **given)
    return seen[0]


def test_events_and_facts() -> None:
    _, seen = fitted()
    assert [event["event"] for event in seen] == ["estimate", *["epoch"] * 2, "phase", *["epoch"] * 3, "phase"]
    data, told = models.colours(), seen[0]
    assert told["examples"] == len(data.train) + len(data.val) and told["frozen_seconds"] > 0
    assert [phase["name"] for phase in told["phases"]] == ["head", "top"]
    assert {phase["steps"] for phase in told["phases"]} == {-(-len(data.train) // 8)}
    parts = told["frozen_seconds"] + sum(phase["seconds"] for phase in told["phases"])
    assert told["seconds"] == pytest.approx(parts) and told["disk_bytes"] > 0
    assert 2**27 < told["memory_bytes"] < 2**40  # of a process that holds TensorFlow
    again = estimate()
    assert again["examples"] == 0 and again["frozen_seconds"] == 0, "all features are stored"


def test_the_time_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "_of_an_example", lambda job: 0.5)
    monkeypatch.setattr(estimating, "_of_a_step", lambda *_: (2.0, 0.25))
    data = models.colours()
    steps, scored = -(-len(data.train) // 8), 0.25 * len(data.val) / 8 / 3
    told = estimate()
    head, top = told["phases"]
    assert head["seconds"] == pytest.approx(2 * 2.0 + 2 * (0.25 * steps + scored))
    assert top["seconds"] == pytest.approx(2 * 2.0 + 3 * (0.25 * steps + scored))
    assert told["frozen_seconds"] == 0.5 * (len(data.train) + len(data.val))
    anew = estimate(compute=Compute(cache_budget=0))
    streamed = anew["phases"][0]["seconds"] - head["seconds"]
    assert streamed == pytest.approx(2 * 0.5 * (len(data.train) + len(data.val))), "anew in each of two epochs"
    assert anew["examples"] == 0


def test_the_line_by_hand() -> None:
    phases = [{"name": "head", "seconds": 20.0, "steps": 5}, {"name": "top", "seconds": 600.0, "steps": 5}]
    facts = {"phases": phases, "examples": 1234, "frozen_seconds": 100.0, "seconds": 720.0, "memory_bytes": 2.14e9}
    assert estimating.text(facts) == (
        "about 12 min: 1,234 examples through the frozen part 2 min, head 20 s, top 10 min, less where a phase ends "
        "early; up to 2.1 GB of memory, as measured"
    )
    bare = estimating.text(facts | {"examples": 0, "memory_bytes": None})
    assert bare == "about 12 min: head 20 s, top 10 min, less where a phase ends early"


def test_it_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = fitted()
    monkeypatch.setattr(estimating, "measured", lambda *_: pytest.fail("nobody looks"))
    silent, _ = fitted(progress=False)
    assert all(np.array_equal(a, b) for a, b in zip(told.get_weights(), silent.get_weights(), strict=True))
    other, _ = fitted(progress=False, seed=1)
    assert not all(np.array_equal(a, b) for a, b in zip(other.get_weights(), silent.get_weights(), strict=True))


def test_who_goes_on_is_told_nothing_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = checkpoint.Keeper.finish

    def stopped(keeper: checkpoint.Keeper, *given: Any) -> None:
        finish(keeper, *given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint.Keeper, "finish", stopped)
        fitted(run_dir=tmp_path)
    _, seen = fitted(run_dir=tmp_path)
    assert [event["event"] for event in seen] == [*["epoch"] * 3, "phase"]


def test_a_stop_in_the_middle_ends_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = estimating.measured

    def stopping(*given: Any) -> dict:
        found = measured(*given)
        signal.raise_signal(signal.SIGINT)
        return found

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    seen: list[dict] = []
    try:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(estimating, "measured", stopping)
            fitted(run_dir=tmp_path, progress=seen.append)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [event["event"] for event in seen] == ["estimate"]
    _, seen = fitted(run_dir=tmp_path)
    assert [event["event"] for event in seen] == [*["epoch"] * 2, "phase", *["epoch"] * 3, "phase"]
