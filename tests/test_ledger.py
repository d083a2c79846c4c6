"""What the ledger of a run keeps, and what makes a job another one. tests/test_run.py has the rest, with whole runs."""

from __future__ import annotations

from pathlib import Path

from tlkit import files, ledger

SETTINGS = {"data": "photos", "precision": "auto", "cache_budget": None, "seed": 0, "epochs": (1, 1)}
FACTS = {"settings": SETTINGS, "data": "sha256:1"}


def changed(settings: dict, data: str = "sha256:1") -> list[str]:
    """Return what differs from FACTS as they would have been read again from a ledger."""
    there = files.json.loads(files.json.dumps(FACTS))
    return ledger.differences(there, {"settings": SETTINGS | settings, "data": data})


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
    assert ledger.standing(tmp_path, FACTS) is None
    ledger.begin(tmp_path, FACTS)
    assert ledger.standing(tmp_path, FACTS)["status"] == "running"
    assert ledger.add(tmp_path, {"choices": {"stores": {2: "float32"}}})["choices"] == {"stores": {"2": "float32"}}
    there = ledger.add(tmp_path, {"status": "finished"})
    assert there["choices"] == {"stores": {"2": "float32"}} and there["schema"] == ledger.SCHEMA
    assert ledger.standing(tmp_path, FACTS) == there == files.read_json(tmp_path / "run.json")
