"""The checkpoint: what comes back to the bit, what is refused, when it is written, and who may go on with it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.checkpoint_arrays import ARRAYS
from tlkit.errors import RunError
from tlkit.training import checkpoint
from tlkit.training.checkpoint import NAME, Keeper
from tlkit.utils import files

FACTS = {"schema": 1, "settings": {"x": 1}, "choices": {}, "done": [], "loop": {"best": 0.1 + 0.2}, "seconds": 1.5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    checkpoint.write(tmp_path / NAME, FACTS, ARRAYS)
    return tmp_path / NAME


# === The file ===


def test_facts_and_arrays_come_back_to_the_bit(path: Path) -> None:
    facts, arrays = checkpoint.read(path)
    assert facts == FACTS and arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and arrays[name].shape == array.shape
        assert np.array_equal(arrays[name], array)
    assert checkpoint.read(path.with_name("other")) is None
    assert [found.name for found in path.parent.iterdir()] == [NAME], "no temporary file is left"


@pytest.mark.parametrize("damage", ["cut", "empty", "bit in an array", "bit in the header", "text", "nested"])
def test_damage_is_found(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-5]
    elif damage == "empty":
        content = b""
    elif damage == "bit in an array":
        content[-3] ^= 1
    elif damage == "bit in the header":
        content[content.index(b'x\\":')] ^= 1
    elif damage == "text":
        content = b"no checkpoint at all"
    else:
        header = json.dumps({"__metadata__": {"digest": "", "facts": "[" * 100_000}}).encode()
        content = len(header).to_bytes(8, "little") + header
    path.write_bytes(bytes(content))
    with pytest.raises(RunError, match=r"checkpoint.safetensors is damaged \(.*\); delete it, or start anew"):
        checkpoint.read(path)


@pytest.mark.parametrize("kind", ["F8_E4M3", "F4", "BF16"])
def test_numbers_that_numpy_does_not_know_are_damage(tmp_path: Path, kind: str) -> None:
    size = {"F8_E4M3": 2, "F4": 1, "BF16": 4}[kind]
    text = json.dumps({"a": {"dtype": kind, "shape": [2], "data_offsets": [0, size]}}).encode()
    (tmp_path / NAME).write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    with pytest.raises(RunError, match=r"checkpoint\.safetensors is damaged \(.*\); delete it, or start anew"):
        checkpoint.read(tmp_path / NAME)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("settings", [], "settings is of type list, not dict"),
        ("choices", None, "choices is of type NoneType, not dict"),
        ("done", {}, "done is of type dict, not list"),
        ("done", [[[]]], r"done\[0\] has 1 items, not 2"),
        ("done", [[[1], {}]], r"done\[0\]\[0\]\[0\] is of type int, not dict"),
        ("loop", "middle", "loop is 'middle', not dict or null"),
        ("seconds", "long", "seconds is of type str, not float"),
        ("seconds", None, "seconds is of type NoneType, not float"),
    ],
)
def test_facts_of_another_form_are_damage(tmp_path: Path, name: str, value: object, fault: str) -> None:
    checkpoint.write(tmp_path / NAME, FACTS | {name: value}, ARRAYS)
    with pytest.raises(RunError, match=rf"checkpoint\.safetensors is damaged \({fault}\); delete it, or start anew"):
        checkpoint.read(tmp_path / NAME)
    checkpoint.write(tmp_path / NAME, {key: fact for key, fact in FACTS.items() if key != name}, ARRAYS)
    with pytest.raises(RunError, match=rf"is damaged \({name} is missing\)"):
        checkpoint.read(tmp_path / NAME)


def test_another_schema_is_named(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / NAME, FACTS | {"schema": 2}, {})
    with pytest.raises(RunError, match="has schema 2, this tlkit reads 1; go on with the tlkit that wrote it"):
        checkpoint.read(tmp_path / NAME)


def test_a_full_disk_keeps_the_checkpoint_that_was_there(disk: Path) -> None:
    checkpoint.write(disk / NAME, FACTS, ARRAYS)
    with pytest.raises(RunError, match="the disk is full"):
        checkpoint.write(disk / NAME, FACTS, {"large": np.zeros(10**6, np.float32)})
    assert checkpoint.read(disk / NAME)[0] == FACTS


# === The keeper ===


def state(value: float) -> object:
    return lambda: ({"epoch": value}, {"a": np.array([value])})


def kept(folder: Path, settings: dict | None = None) -> Keeper:
    keeper = Keeper(folder)
    assert keeper.open(settings or {"seed": 0}) is True
    return keeper


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 0)
    keeper = Keeper(tmp_path)
    assert keeper.open({"seed": 0, "phases": ({"unfreeze": 2},)}) is False
    keeper.begin({"views": 3})
    return keeper


def test_a_training_goes_on_with_what_was_kept(keeper: Keeper, tmp_path: Path) -> None:
    keeper.pause(state(2.5))
    found = kept(tmp_path, {"seed": 0, "phases": [{"unfreeze": 2}]}).progress
    assert found.choices == {"views": 3} and found.loop == {"epoch": 2.5} and found.arrays["a"] == [2.5]
    assert found.done == [] and found.seconds > 0
    tail = SimpleNamespace(variables=[SimpleNamespace(numpy=lambda: np.array([7.0]))])
    keeper.finish([{"loss": 1.0}], {"name": "head"}, tail)
    found = kept(tmp_path, {"seed": 0, "phases": [{"unfreeze": 2}]}).progress
    assert found.loop is None and found.done == [[[{"loss": 1.0}], {"name": "head"}]]
    assert found.arrays["tail/0"] == [7.0]


def test_another_training_is_refused_and_each_difference_named(keeper: Keeper, tmp_path: Path) -> None:
    message = r"another training: phases was .*, now None; seed was 0, now 1\. Choose another directory, or remove"
    with pytest.raises(RunError, match=message):
        Keeper(tmp_path).open({"seed": 1})
    assert Keeper(tmp_path, anew=True).open({"seed": 1}) is False


def test_the_choices_are_told_once_where_a_training_starts(tmp_path: Path) -> None:
    told = []
    first = Keeper(tmp_path, began=told.append)
    first.open({"seed": 0})
    first.begin({"views": 3})
    assert kept(tmp_path).progress.choices == {"views": 3} and told == [{"views": 3}]


def test_it_is_written_now_and_then_only(keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 1000)
    keeper.pause(lambda: pytest.fail("it was written"))
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 10**9)  # as often as its cost allows
    keeper.pause(lambda: pytest.fail("it was written"))


def test_a_stop_writes_first(keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 1000)
    keeper.stop.asked = True
    with pytest.raises(KeyboardInterrupt):
        keeper.pause(state(4))
    assert checkpoint.read(tmp_path / NAME)[0]["loop"] == {"epoch": 4}


def test_nothing_is_kept_without_a_directory() -> None:
    keeper = Keeper(None)
    keeper.begin({})
    with keeper.listening():
        keeper.pause(lambda: pytest.fail("the state was asked for"))
        keeper.tell([{"epoch": 1}])
        keeper.finish([], {}, None)
    assert keeper.progress.done == [([], {})]


def test_metrics_hold_a_row_for_each_epoch(keeper: Keeper, tmp_path: Path) -> None:
    keeper.finish([{"phase": "head", "loss": 0.5}], {}, SimpleNamespace(variables=[]))
    keeper.tell([{"phase": "top", "loss": 0.25}])
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert rows == [{"phase": "head", "loss": "0.5"}, {"phase": "top", "loss": "0.25"}]
    keeper.tell([{"phase": "top", "accuracy": 0.5}])
    assert (tmp_path / "metrics.csv").read_text() == "phase,loss,accuracy\nhead,0.5,\ntop,,0.5\n"


def test_variables_of_another_shape_are_refused() -> None:
    import keras

    variables = [keras.Variable(np.zeros((2, 3), np.float32)), keras.Variable(np.zeros(2, np.float32))]
    arrays = checkpoint.variables("tail", variables)
    variables[0].assign(np.ones((2, 3), np.float32))
    checkpoint.restore("tail", variables, arrays)
    assert not variables[0].numpy().any()
    for wrong in ({}, {**arrays, "tail/1": np.zeros(3, np.float32)}):
        with pytest.raises(RunError, match="the checkpoint's tail does not fit this classifier; start anew"):
            checkpoint.restore("tail", variables, wrong)


# === A lock that a process holds ===


def test_a_lock_is_seen_while_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert files.is_locked(path) is False
    with files.lock(path):
        assert files.is_locked(path) is True
    assert files.is_locked(path) is False
