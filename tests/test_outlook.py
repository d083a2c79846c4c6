"""The plan before a run: its facts by hand, and its lines."""

from __future__ import annotations

import models
import pytest

from tlkit import outlook
from tlkit.build import pieces
from tlkit.errors import InputError
from tlkit.spec import Phase


@pytest.fixture(scope="module")
def clf() -> object:
    return models.tiny_classifier()


def test_facts_by_hand(clf: object) -> None:
    data = models.colours()
    found = outlook.plan(clf, (Phase("head", 2, 1e-2, 0), Phase("top", 1, 1e-3, "all")), data)
    head, top = found["phases"]
    assert head["trainable"] == pieces(clf)[2].count_params()
    frozen = sum(layer.count_params() for layer in pieces(clf)[1].layers if "BatchNorm" in type(layer).__name__)
    assert top["trainable"] == found["parameters"] - frozen and found["parameters"] == clf.count_params()
    assert found["examples"] == {name: len(split) for name, split in data.splits().items()}
    assert (found["labels"], found["target"], found["kind"]) == (len(data.labels), "label", "image")
    lines = outlook.told(found).splitlines()
    assert "phase head: epochs 2, learning rate 0.01, unfrozen 0 of" in lines[1] and "all blocks" in lines[2]
    assert f"trained parameters {head['trainable']:,} of {found['parameters']:,}" in lines[1]


def test_more_blocks_than_there_are(clf: object) -> None:
    with pytest.raises(InputError, match="unfreeze=9"):
        outlook.plan(clf, (Phase("top", 1, 1e-3, 9),), models.colours())


def test_who_watches(capsys: pytest.CaptureFixture, clf: object) -> None:
    facts, seen = outlook.plan(clf, (Phase("head", 2, 1e-2, 0),), models.colours()), []
    machine = outlook.Watch(seen.append, None)
    machine.say("words")
    machine.plan(facts)
    machine.epochs({"loss": 1.0})
    assert seen == [{"event": "plan", **facts}, {"event": "epoch", "loss": 1.0}]
    outlook.Watch(False, None).plan(facts)
    assert capsys.readouterr().out == ""
    outlook.Watch(True, None).plan(facts)
    assert capsys.readouterr().out == outlook.told(facts) + "\n" and outlook.Watch(True, None).epochs is True
