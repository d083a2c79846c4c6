"""Models that write, by the command line: trained on a table, measured, exported, asked; and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import tlkit
from tests.helpers import tiny_generators
from tests.helpers.compared_runs import two_runs
from tlkit.cli import commands
from tlkit.errors import InputError
from tlkit.models.generation import generators
from tlkit.models.text.text_backbones import TEXT
from tlkit.runs.job import completed


def table(folder: Path) -> Path:
    rows = [f"say {'cat dog'[: 3 + number % 5]} {number},{'cat dog'[: 3 + number % 5]}" for number in range(24)]
    path = folder / "talk.csv"
    path.write_text("\n".join(["prompt,response", *rows]))
    return path


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command line know of networks that are small enough."""
    for task, make in (("reply", tiny_generators.decoder), ("summary", tiny_generators.seq2seq)):
        row = make(2).spec.backbone
        rows = TEXT if task == "reply" else generators.SUMMARIZERS
        blocks = generators.blocks
        phases = (tlkit.Phase("top", 1, 1e-3, 1), tlkit.Phase("deeper", 1, 1e-3, 2))
        monkeypatch.setitem(rows, row.name, dataclasses.replace(row, blocks=blocks, phases=phases))


@pytest.mark.parametrize(
    ("task", "name"),
    [
        pytest.param("reply", "tiny_gpt2", marks=pytest.mark.slow),
        pytest.param("summary", "tiny_bart", marks=pytest.mark.all),
    ],
)
def test_from_a_table_to_an_answer(
    task: str, name: str, tiny: None, tmp_path: Path, stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = str(table(tmp_path)), str(tmp_path / "run")
    given = ["train", data, "--target", task, "--backbone", name, "--weights", "random", "--size", "32", "--out", out]
    given += ["--text-column", "prompt", "--label-column", "response"]
    assert commands.main([*given, "--lora", "2", "--epochs", "1,1"]) == 0
    printed = capsys.readouterr().out
    assert f"{name} + tied" in printed and "perplexity" in printed
    told = json.loads((tmp_path / "run/run.json").read_text())
    assert told["settings"]["target"] == task and told["settings"]["lora"] == 2 and "perplexity" in told["figures"]
    assert commands.main(["predict", out, "the cat", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["text"] == tlkit.load(out).predict("the cat")[0].text
    assert commands.main(["evaluate", out, data, "--text-column", "prompt", "--label-column", "response"]) == 0
    assert f"perplexity {told['figures']['perplexity']:.2f}" in capsys.readouterr().out
    assert commands.main([*given, "--lora", "2", "--epochs", "1,1", "--quiet"]) == 0
    assert "this run is finished" in capsys.readouterr().out


@pytest.mark.all
@pytest.mark.parametrize(("task", "name"), [("reply", "tiny_gpt2"), ("summary", "tiny_bart")])
def test_two_runs_are_tested_against_each_other(
    task: str, name: str, tiny: None, tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"text_column": "prompt", "label_column": "response"}
    given = {"target": task, "backbone": name, "weights": None, "size": 32, **columns}
    job = tlkit.Job(data=str(table(tmp_path)), out=str(tmp_path / "run"), **given)
    found = two_runs(job, monkeypatch)
    (one,) = found.tests
    assert found.of == "loss" and found.notes == () and one.mean > found.mean > 0 and "Wilcoxon" in str(found)
    assert one.only_best > 0 and one.only_best + one.only_this == found.runs[0].n


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"head": "pool_dense"}, "a model that writes a reply has no head to choose; leave out head"),
        ({"hidden": 8, "pairs": True}, "leave out hidden and pairs"),
        ({"backbone": "minilm_l6"}, "minilm_l6 writes no texts"),
        ({"target": "summary", "backbone": "gpt2_base_en"}, "unknown summarizer 'gpt2_base_en'"),
        ({"target": "label", "lora": 2}, "lora=2 is for models that write"),
        ({"size": 5000}, "size 5000 does not suit this backbone"),
    ],
)
def test_jobs_that_cannot_be(given: dict, message: str, tmp_path: Path) -> None:
    told = {"data": str(table(tmp_path)), "out": str(tmp_path / "run"), "target": "reply", **given}
    with pytest.raises(InputError, match=message):
        completed(tlkit.Job(**told), "text")


def test_what_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a reply is learned from texts; leave out root"):
        tlkit.read(str(table(tmp_path)), task="reply", root="x")
    with pytest.raises(tlkit.DataError, match=r"there is no file or folder none\.csv of this machine"):
        tlkit.read("none.csv", task="summary")


def test_the_doctor_reads_them_without_judging(tmp_path: Path) -> None:
    found = tlkit.diagnose(tlkit.read(str(table(tmp_path)), task="reply"))
    assert "that is done for one label each, not for reply" in str(found)
    found.save(tmp_path / "page", tlkit.read(str(table(tmp_path)), task="reply"))
    assert "Examples by text and split" in (tmp_path / "page/doctor.html").read_text()
