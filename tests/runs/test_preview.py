"""The plan before a run: its facts by hand, and its lines."""

from __future__ import annotations

import dataclasses

import pytest

from tests.helpers import made_up_runs, tiny_models
from tlkit.config import Phase
from tlkit.errors import InputError
from tlkit.models.classifier import pieces
from tlkit.runs import preview
from tlkit.training import fit


@pytest.fixture(scope="module")
def clf() -> object:
    return tiny_models.tiny_classifier()


def test_facts_by_hand(clf: object) -> None:
    data = tiny_models.colours()
    found = preview.plan(clf, (Phase("head", 2, 1e-2, 0), Phase("top", 1, 1e-3, "all")), data)
    head, top = found["phases"]
    assert head["trainable"] == pieces(clf)[2].count_params()
    frozen = sum(layer.count_params() for layer in pieces(clf)[1].layers if "BatchNorm" in type(layer).__name__)
    assert top["trainable"] == found["parameters"] - frozen and found["parameters"] == clf.count_params()
    assert found["examples"] == {name: len(split) for name, split in data.splits().items()}
    assert (found["labels"], found["target"], found["kind"]) == (len(data.labels), "label", "image")
    lines = preview.told(found).splitlines()
    assert "phase head: epochs 2, learning rate 0.01, unfrozen 0 of" in lines[1] and "all blocks" in lines[2]
    assert f"trained parameters {head['trainable']:,} of {found['parameters']:,}" in lines[1]


def test_more_blocks_than_there_are(clf: object) -> None:
    with pytest.raises(InputError, match="unfreeze=9"):
        preview.plan(clf, (Phase("top", 1, 1e-3, 9),), tiny_models.colours())


def test_who_watches(capsys: pytest.CaptureFixture, clf: object) -> None:
    facts, seen = preview.plan(clf, (Phase("head", 2, 1e-2, 0),), tiny_models.colours()), []
    machine = preview.Watch(seen.append, None)
    machine.say("words")
    machine.plan(facts)
    assert seen == [{"event": "plan", **facts}]
    preview.Watch(False, None).plan(facts)
    assert capsys.readouterr().out == ""
    preview.Watch(True, None).plan(facts)
    assert capsys.readouterr().out == preview.told(facts) + "\n"


def test_the_memory_by_hand(clf: object) -> None:
    found = preview.plan(clf, (Phase("head", 2, 1e-2, 0), Phase("top", 1, 1e-3, 1)), tiny_models.colours())
    most = found["phases"][1]["trainable"]
    assert most > found["phases"][0]["trainable"] and found["memory"] == 4 * (clf.count_params() + 4 * most)
    assert preview.told(found | {"memory": 1_234_000_000}).endswith("optimizer: about 1,234 MB, plus activations")


def test_the_summary_by_hand() -> None:
    lines = preview.summary(dataclasses.asdict(made_up_runs.history())).splitlines()
    assert lines[0].split() == ["phase", "epochs", "best", "trained", "parameters", "seconds"]
    assert lines[1].split() == ["head", "3", "3", "2,562", "8.1"]
    assert lines[2].split() == ["top", "2", "2", "1,202,562", "33.1"]
    assert lines[3] == "60.0 s in all, 12.3 s of them before the first phase, 1,200 examples through the frozen part"


def test_a_line_says_how_long_at_most() -> None:
    record = {"epoch": 2, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5, "seconds": 60.0}
    assert fit._line(record, Phase("head", 5, 1e-3, 0), "accuracy").endswith("60.0 s, at most about 3 min to go")
    assert fit._line(record, Phase("head", 2, 1e-3, 0), "accuracy").endswith("60.0 s")
