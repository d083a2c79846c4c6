"""What the ledger of a run keeps, and what makes a job another one. test_run.py has the rest, with whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlkit.errors import RunError
from tlkit.runs import record
from tlkit.utils import files

SETTINGS = {"data": "photos", "precision": "auto", "cache_budget": None, "seed": 0, "epochs": (1, 1)}
FACTS = {"settings": SETTINGS, "data": "sha256:1"}


def changed(settings: dict, data: str = "sha256:1") -> list[str]:
    """Return what differs from FACTS as they would have been read again from a ledger."""
    there = files.json.loads(files.json.dumps(FACTS))
    return record.differences(there, {"settings": SETTINGS | settings, "data": data})


def test_what_makes_no_other_job() -> None:
    assert changed({}) == []
    assert changed({"cache_budget": 5}) == []
    assert changed({"data": "moved"}) == []


def test_what_makes_another_job() -> None:
    assert changed({"precision": "float32"}) == ["precision was auto, now float32"]
    assert changed({"seed": 1, "epochs": (2, 1)}) == ["epochs was [1, 1], now [2, 1]", "seed was 0, now 1"]
    assert changed({"data": "others"}, "sha256:2") == ["the data have changed (they were photos, now others)"]
    # another seed makes other splits of the same data, which is said once
    assert changed({"seed": 1}, "sha256:2") == ["seed was 0, now 1"]


def test_facts_are_added_and_kept(tmp_path: Path) -> None:
    assert record.standing(tmp_path, FACTS) is None
    record.begin(tmp_path, FACTS)
    assert record.standing(tmp_path, FACTS)["status"] == "running"
    assert record.add(tmp_path, {"choices": {"stores": {2: "float32"}}})["choices"] == {"stores": {"2": "float32"}}
    there = record.add(tmp_path, {"status": "finished"})
    assert there["choices"] == {"stores": {"2": "float32"}} and there["schema"] == record.SCHEMA
    assert record.standing(tmp_path, FACTS) == there == files.read_json(tmp_path / "run.json")


# === Ledgers that anybody may have written ===


def write(place: Path, facts: dict, metrics: str = "") -> None:
    place.mkdir(exist_ok=True)
    files.write_json(place / "run.json", {"schema": 1, "status": "running", **FACTS, **facts})
    if metrics:
        (place / "metrics.csv").write_text(metrics, encoding="latin-1")


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"schema": True}, "schema is of type bool, not int"),
        ({"status": None}, "status is of type NoneType, not str"),
        ({"settings": []}, "settings is of type list, not dict"),
        ({"data": 5}, "data is of type int, not str"),
        ({"environment": "linux", "schema": 2}, "environment is of type str, not dict"),
        ({"figures": {"mae": "high"}}, "figures.mae is 'high', not float or null"),
    ],
)
def test_a_ledger_of_wrong_types_is_damaged(tmp_path: Path, facts: dict, fault: str) -> None:
    write(tmp_path, facts)
    with pytest.raises(RunError, match=rf"run\.json is damaged \({fault}\); restore it, or give --overwrite"):
        record.load(tmp_path)
    assert [run.status for run in record.runs(tmp_path)] == ["damaged"]


def test_another_schema_is_named_with_its_writer(tmp_path: Path) -> None:
    write(tmp_path, {"schema": 2, "environment": {"tlkit": "0.9"}})
    with pytest.raises(RunError, match=r"has schema 2, this tlkit reads 1; use tlkit 0\.9 for it"):
        record.load(tmp_path)


@pytest.mark.parametrize(
    "metrics", ["epoch\n1\n", "val_accuracy\nhigh\n", "epoch,val_accuracy\n1\n", "val_accuracy\n\xff\n"]
)
def test_metrics_that_are_damaged(tmp_path: Path, metrics: str) -> None:
    write(tmp_path / "a", {}, metrics)
    write(tmp_path / "b", {}, "epoch,val_accuracy\n1,0.25\n2,0.75\n")
    found = {run.directory.name: run for run in record.runs(tmp_path)}
    assert found["a"].status == "damaged"
    assert (found["b"].status, found["b"].epochs, found["b"].figure) == ("unfinished", 2, ("accuracy", 0.75))


def test_the_figure_of_whatever_was_learned(tmp_path: Path) -> None:
    write(tmp_path / "a", {}, "epoch,loss,mae,val_loss,val_mae\n1,1,2,3,4.5\n")
    write(tmp_path / "b", {"figures": {"micro_f1": 0.5, "loss": 1}}, "epoch,val_loss,val_accuracy\n1,1,0.25\n")
    found = {run.directory.name: run.figure for run in record.runs(tmp_path)}
    assert found == {"a": ("mae", 4.5), "b": ("micro_f1", 0.5)}


def test_what_a_ledger_says_can_be_printed(tmp_path: Path) -> None:
    write(tmp_path, {"started": "\ud800", "status": "\x1b[2J", "settings": {"backbone": "\udcff"}})
    (run,) = record.runs(tmp_path)
    assert (run.started, run.status) == ("\\ud800", "\\x1b[2J") and run.about.startswith("\\udcff + None")
