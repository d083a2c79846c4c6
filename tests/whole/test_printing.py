"""What the commands print of others' names, labels and notes: nothing that a terminal obeys, and valid JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.helpers import made_up_runs
from tlkit.artifacts import artifact
from tlkit.cli import commands, maintenance
from tlkit.errors import DataError
from tlkit.features import disk_cache
from tlkit.runs import preview, run
from tlkit.tasks.predictions import Prediction, TagsPrediction, TextPrediction
from tlkit.utils import files

ACTIVE = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A))}
ACTIVE -= {"\n", "\t"}
HOSTILE = "x\x1b[2J\x9b1m\nartifact: forged\u202e\u2028\x7fé"
SHOWN = r"x\x1b[2J\x9b1m\nartifact: forged\u202e\u2028\x7fé"
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return what runs a command here, and checks that its output does nothing to a terminal and forges no line."""
    monkeypatch.setattr(commands, "hush", lambda: None)
    monkeypatch.setattr(maintenance, "hush", lambda: None)

    def run_here(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = commands.main(list(map(str, arguments)))
        out, err = capsys.readouterr()
        for text in (out, err):
            assert not set(text) & ACTIVE and not any(row.startswith("artifact: forged") for row in text.split("\n"))
        return code, out, err

    return run_here


def strict(text: str) -> object:
    """Read JSON as its standard has it, without Python's own words for what is not finite."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


# === Answers ===


def answer(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    """Let every artifact answer so."""
    stub = SimpleNamespace(predict=lambda items, threshold: [found for _ in items])
    monkeypatch.setattr(artifact, "load", lambda _, **limits: stub)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Prediction(HOSTILE, 0.5, ((HOSTILE, 0.5),)), f"{SHOWN}\t0.5000"),
        (TagsPrediction((HOSTILE,), ((HOSTILE, 0.5),)), f"{SHOWN}\t{SHOWN}=0.5000"),
        (TextPrediction(HOSTILE), SHOWN.replace(r"\n", " ").replace(r"\u2028", " ").replace("e \\x7f", "e \\x7f")),
    ],
)
def test_answers_are_a_line_each(found: object, told: str, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, found)
    code, out, _ = ask("predict", "run", HOSTILE, "a\tb")
    assert (code, out) == (0, f"{told}\t{SHOWN}\n{told}\ta\tb\n")


def test_answers_as_json(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, Prediction(HOSTILE + "\ud800", float("nan"), (("é", float("inf")),)))
    code, out, _ = ask("predict", "run", HOSTILE, "--json")
    expected = {"item": HOSTILE, "label": HOSTILE + "\ud800", "probability": None, "top_k": [["é", None]]}
    assert code == 0 and strict(out) == expected and out.count("\n") == 1 and "é" in out


# === Runs ===


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a folder of two finished runs, whose names and facts are a stranger's."""
    for name in (HOSTILE, "b"):
        out = tmp_path / "runs" / name
        out.mkdir(parents=True)
        phases = [{"name": HOSTILE, "trainable": 1, "seconds": 1.5}]
        told = {"schema": 1, "status": "finished", "data": "f" * 64, "started": HOSTILE}
        told |= {"settings": {"epochs": [7], "learning_rate": [1e-3], "backbone": HOSTILE, "seed": HOSTILE}}
        told |= {"figures": {HOSTILE: 0.5, "loss": 1.0}}
        files.write_json(out / "run.json", told | {"history": {"phases": phases, "seconds": 2.5}})
        made = {"backbone": {"name": HOSTILE}, "head": HOSTILE, "weights": {"origin": HOSTILE}}
        files.write_json(out / "tlkit.json", made)
        files.write_json(out / "report.json", {"target": "label", "n": 2})
        rows = "".join(f"{digest},=c,test,{digest}\n" for digest in ("00", "11"))
        (out / "splits.csv").write_text(f"example,label,split,digest\n{rows}")
        (out / "answers.csv").write_text("digest,right\n00,1\n11,0\n")
    return tmp_path / "runs"


def test_runs_are_a_line_each(runs: Path, ask: Ask) -> None:
    code, out, _ = ask("runs", runs)
    assert code == 0 and out.count("\n") == 3 and f"{runs}/{SHOWN}: {SHOWN} + None" in out
    code, _, err = ask("runs", runs / HOSTILE / "none")
    assert code == 2 and err.count("\n") == 1 and SHOWN in err


def test_a_comparison_is_shown_and_is_json(runs: Path, ask: Ask) -> None:
    code, out, _ = ask("compare", runs / HOSTILE, runs / "b")
    assert code == 0 and r"x\x1b[2J\x9b1m\nartifact" in out
    code, out, _ = ask("compare", runs / HOSTILE, runs / "b", "--json")
    found = strict(out)
    assert code == 0 and found["runs"][0]["figures"] == {HOSTILE: 0.5, "loss": 1.0}
    assert found["best"]["directory"] == str(runs / HOSTILE) and out.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "words"), [("runs.comparison.compare", "compare a b"), ("doctor.diagnose.diagnose", "doctor a")]
)
def test_json_knows_no_infinity(name: str, words: str, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"a": [float("inf"), {"b": -np.inf}], "c": np.float32("nan"), "\ud800": HOSTILE}
    monkeypatch.setattr(f"tlkit.{name}", lambda *_, **__: SimpleNamespace(to_dict=lambda: found))
    monkeypatch.setattr(commands, "read", lambda _: None)
    code, out, _ = ask(*words.split(), "--json")
    assert code == 0 and strict(out) == {"a": [None, {"b": None}], "c": None, "\ud800": HOSTILE}


def test_tables_marked_and_unmarked_are_the_same_examples(runs: Path, ask: Ask) -> None:
    table = runs / "b" / "splits.csv"
    table.write_text(table.read_text().replace("=c", "'=c"))
    code, out, _ = ask("compare", runs / HOSTILE, runs / "b", "--json")
    assert code == 0 and len(strict(out)["tests"]) == 1


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}])
def test_streams_that_lack_letters(runs: Path, environment: dict[str, str]) -> None:
    os.mkdir(os.fsencode(runs) + b"/caf\xe9-\xc3\xa9")  # a name that is no UTF-8, beside a letter that is
    shutil.copy(runs / "b" / "run.json", os.fsencode(runs) + b"/caf\xe9-\xc3\xa9/run.json")
    command = [sys.executable, "-c", "import sys; from tlkit.cli import main; sys.exit(main())"]
    home = {"PYTHONPATH": str(Path(commands.__file__).resolve().parents[2]), "PYTHONUTF8": "0"}
    given = {"env": os.environ | home | environment, "capture_output": True, "check": False}
    done = subprocess.run([*command, "runs", str(runs)], **given)
    assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (0, b"", 4)
    assert done.stdout.isascii() and re.search(rb"/caf\\udce9-(\\xe9|\\udcc3\\udca9): x\\x1b", done.stdout)
    done = subprocess.run([*command, "compare", str(runs / HOSTILE), str(runs / "b"), "--json"], **given)
    assert (done.returncode, done.stderr) == (0, b"") and strict(done.stdout.decode("ascii"))["of"] == "right"
    done = subprocess.run([*command, "compare", os.fsencode(runs) + b"/\xe9\x1b[2J", str(runs / "b")], **given)
    assert done.returncode == 2 and done.stderr.startswith(b"tlkit: error: ") and done.stderr.count(b"\n") == 1
    assert b"\\x1b[2J" in done.stderr


# === The doctor, and errors ===


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return class folders with a stranger's names, and a picture that stands twice."""
    rng = np.random.default_rng(0)
    for name in (HOSTILE, "b"):
        (tmp_path / HOSTILE / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / HOSTILE / name / f"{number}{HOSTILE}.png")
    shutil.copy(tmp_path / HOSTILE / "b" / f"0{HOSTILE}.png", tmp_path / HOSTILE / HOSTILE / "copy.png")
    (tmp_path / HOSTILE / "b" / f"bad{HOSTILE}.png").write_bytes(b"")
    return tmp_path / HOSTILE


def test_the_doctor_shows_names(pictures: Path, tmp_path: Path, ask: Ask) -> None:
    code, out, err = ask("doctor", pictures, "--no-labels", "--out", tmp_path / f"out{HOSTILE}")
    assert (
        code == 0 and f"\n{SHOWN[:20]}" in out and f"b/0{SHOWN}.png" in out and out.startswith(f"{tmp_path}/{SHOWN}: ")
    )
    assert err == f"page: {tmp_path}/out{SHOWN}/doctor.html\n"
    code, out, _ = ask("doctor", pictures, "--no-labels", "--json")
    assert code == 0 and HOSTILE in strict(out)["labels"] and out.count("\n") == 1
    code, _, err = ask("doctor", pictures, "--no-labels", "--strict")
    assert code == 2 and err.count("\n") == 1 and f"b/bad{SHOWN}.png" in err


def test_an_error_is_a_line(tmp_path: Path, ask: Ask) -> None:
    code, out, err = ask("doctor", tmp_path / (HOSTILE + "\udcff"))
    assert (code, out, err.count("\n")) == (2, "", 1) and SHOWN in err
    code, _, err = ask("train", tmp_path / HOSTILE, "--out", tmp_path / "out", "--json")
    assert code == 2 and str(tmp_path / HOSTILE) in strict(err)["message"] and err.count("\n") == 1


def test_interruptions_and_what_others_raise_are_a_line(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, expected in (
        (DataError, (2, f"tlkit: error: {SHOWN}\n")),
        (KeyboardInterrupt, (130, f"\ntlkit: {SHOWN}\n")),
    ):
        monkeypatch.setattr(artifact, "load", lambda _, error=error, **limits: (_ for _ in ()).throw(error(HOSTILE)))
        code, _, err = ask("predict", "x", "y")
        assert (code, err) == expected


@pytest.mark.parametrize(
    "words", [("predict", "x", "--no" + HOSTILE.replace(" ", "")), ("train", "x", "--epochs", HOSTILE), (HOSTILE,)]
)
def test_words_that_cannot_be_parsed(words: tuple[str, ...], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        commands.main(list(words))
    err = capsys.readouterr().err
    assert not set(err) & ACTIVE and re.search(r"^tlkit.* error: .*\\nartifact: ?forged.*$", err.splitlines()[-1])


# === Reports and plans ===


def test_reports_have_a_line_for_each_label() -> None:
    made = made_up_runs.report(3)
    rows = [row | {"label": HOSTILE} if number == 1 else row for number, row in enumerate(made.per_class)]
    told = str(dataclasses.replace(made, per_class=rows, notes=(HOSTILE,)))
    assert told.count("\n") == str(dataclasses.replace(made, notes=("a",))).count("\n") and not set(told) & ACTIVE
    assert f"note: {SHOWN}" in told and r"x\x1b[2J" in told


def test_data_and_plans_are_shown_in_their_lines() -> None:
    told = repr(dataclasses.replace(made_up_runs.data(2), source=HOSTILE))
    assert told.startswith(f"Data({SHOWN}: image") and not set(told) & (ACTIVE | {"\n"})
    phase = {"name": HOSTILE, "epochs": 1, "learning_rate": 1.0, "unfreeze": 0, "blocks": 2, "trainable": 3}
    plan = {"backbone": HOSTILE, "head": HOSTILE, "size": 3, "weights": HOSTILE, "parameters": 9, "memory": 5}
    told = preview.told(plan | {"phases": [phase]})
    assert told.count("\n") == 2 and told.count(SHOWN) == 4 and not set(told) & ACTIVE


def test_an_unfinished_run_is_told_in_a_line() -> None:
    told = run._resuming({"started": HOSTILE, "environment": {HOSTILE: HOSTILE}})
    assert told.count(SHOWN) == 3 and not set(told) & (ACTIVE | {"\n"})


def test_stored_features_are_a_line_each(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_cache, "entries", lambda: [SimpleNamespace(bytes=1, used=0.0, about=HOSTILE)])
    code, out, _ = ask("cache", "list")
    assert code == 0 and out.count("\n") == 3 and SHOWN in out
