"""The whole job in a run directory: what it writes, when it refuses, and that nothing is lost."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tests.helpers.run_directories import NOTHING, contents, export_little, save_pictures
from tlkit.artifacts import export
from tlkit.config import Compute
from tlkit.data.readers import image_folder
from tlkit.errors import DataError, InputError, Interrupted, OfflineError, RunError, TlkitError, WeightsError
from tlkit.runs import job as jobs
from tlkit.runs import record, run
from tlkit.runs.job import Job
from tlkit.runs.run import run_job
from tlkit.training import checkpoint, fit, loop
from tlkit.utils import files


class AbortedError(Exception):
    """Stands for TensorFlow's, known by its name."""


BAD_OPTIONS = [
    ({"batch_size": 0}, "give a batch size of 1"),
    ({"augment": "lite"}, "unknown augment 'lite'"),
    ({"views": 0}, "views=0"),
    ({"unfreeze": 9}, "tiny has 3 blocks"),
    ({"seed": -1}, "seed=-1, weight_decay=0.0001: give numbers of 0 or more"),
    ({"weight_decay": float("nan")}, "weight_decay=nan"),
    ({"precision": "float61"}, "unknown precision 'float61'; did you mean bfloat16, float32"),
    ({"cache_budget": -1}, "cache_budget=-1: give a number of bytes, 0 or more"),
    ({"epochs": (3,)}, r"epochs \[3\]: the schedule of tiny has 2 phases \(head, top\); give 2 numbers"),
    ({"learning_rate": (1e-3, float("inf"))}, "learning_rate .* give 2 numbers of 0 or more"),
    ({"epochs": (0, 0)}, "epochs are 0 in every phase"),
    ({"backbone": "tyny"}, "unknown backbone 'tyny'; did you mean tiny"),
    ({"head": "pool_dens"}, "unknown head 'pool_dens'; did you mean pool_dense"),
    ({"head": "mean_dense"}, "choose one of: flatten_dense, pool_dense"),
    ({"size": 2}, "size 2 is too small"),
    ({"dropout": 1.0}, "dropout 1.0 is not a rate"),
    ({"text_column": "text"}, "is not a table file"),
]


pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictures(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture
def job(photos: Path, tmp_path: Path) -> Job:
    return Job(data=str(photos), out=str(tmp_path / "out"), backbone="tiny", weights=None, epochs=(1, 1))


@pytest.fixture
def stood(job: Job) -> dict[str, object]:
    """Put what a finished run looks like from outside into the directory; training nothing."""
    out = Path(job.out)
    out.mkdir()
    files.write_json(out / "run.json", {"schema": 1, "status": "finished", "settings": {"seed": 7}, "data": "x"})
    (out / "saved_model").mkdir()
    (out / "saved_model" / "weights").write_text("old")
    (out / "tlkit.json").write_text("{}")
    (out / "thesis.txt").write_text("a stranger's")
    return contents(out)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the training, and let the notes stand for the report."""

    def fake_fit(*_: object, run_dir: checkpoint.Keeper, **__: object) -> fit.History:
        run_dir.begin({})
        return NOTHING

    monkeypatch.setattr(fit, "fit", fake_fit)
    monkeypatch.setattr(
        run.evaluate,
        "evaluate",
        lambda *_, notes, **__: SimpleNamespace(notes=notes, figures={"accuracy": 0.5}, each={}),
    )


def refused(job: Job, message: str, kind: type = TlkitError, *, overwrite: bool = False) -> None:
    """Assert that a job is refused and that its directory stays as it was."""
    out = Path(job.out)
    was_there, before = out.exists(), contents(out)
    with pytest.raises(kind, match=message) as caught:
        run_job(job, overwrite=overwrite, progress=False)
    assert "\n" not in str(caught.value)
    assert out.exists() == was_there and contents(out) == before


# === One run after another ===


def test_a_run_from_start_to_refusal(
    job: Job, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = {"samples": 0, "real": False, "max_difference": 0.0, "spread": 0.0}
    monkeypatch.setattr(export, "_prove", lambda *_: proof)  # tests/cli/test_commands.py proves in earnest
    done = run_job(job)
    told = capsys.readouterr().out
    assert "photos: image, 2 classes; train 12, val 2, test 2" in told
    assert "tiny + pool_dense, size 16, weights: random" in told
    assert "phase head: epochs 1, learning rate 0.001, unfrozen 0 of 3 blocks" in told
    assert "stored features: about " in told and "memory of weights, gradients and optimizer: about" in told
    assert "head   1/1  loss" in told and "top   1/1  loss" in told

    out = Path(job.out)
    told = json.loads((out / "run.json").read_text())
    assert told["status"] == "finished" and told == done.ledger and told["schema"] == record.SCHEMA
    assert told["settings"]["phases"] == ["head", "top"] and told["settings"]["epochs"] == [1, 1]
    assert told["settings"]["size"] == 16 and len(told["history"]["epochs"]) == 2
    assert told["choices"]["precision"] in ("float32", "bfloat16")
    assert not list(out.glob(".tlkit-*"))
    assert done.report.n == 2 and not done.already and done.artifact.labels == ("dark", "red")
    assert "70 % train" in done.report.table()

    # the same again, in other words: it is read, not repeated
    before = contents(out)
    monkeypatch.setattr(run, "classifier", lambda *_, **__: pytest.fail("it was built again"))
    again = run_job(dataclasses.replace(job, size=16, learning_rate=(1e-3, 1e-4), cache_budget=10**9))
    assert again.already and again.report.accuracy == done.report.accuracy and contents(out) == before
    moved = photos.rename(photos.with_name("elsewhere"))
    assert run_job(dataclasses.replace(job, data=str(moved)), progress=False).already
    moved.rename(photos)

    refused(dataclasses.replace(job, epochs=(2, 1)), r"epochs was \[1, 1\], now \[2, 1\]\. .*--overwrite", RunError)
    refused(dataclasses.replace(job, batch_size=4, dropout=0.5), "batch_size was 32, now 4; dropout was None, now 0.5")
    refused(dataclasses.replace(job, precision="float32"), r"another run: precision was auto, now float32\. Choose")
    refused(dataclasses.replace(job, deterministic=True), r"another run: deterministic was False, now True\. Choose")
    refused(dataclasses.replace(job, seed=1), r"another run: seed was 0, now 1\. Choose", RunError)
    fewer = save_pictures(tmp_path / "fewer", each=7)
    refused(dataclasses.replace(job, data=str(fewer)), "the data have changed .they were .*photos, now .*fewer")

    (out / "report.json").write_text("{}")
    refused(job, "holds a finished run, but .*report.json was changed: .*; give --overwrite", RunError)


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options_lose_nothing(job: Job, stood: dict, options: dict, message: str) -> None:
    refused(dataclasses.replace(job, **options), message, InputError, overwrite=True)


def test_overwrite_replaces_its_own_files_and_keeps_a_strangers(
    job: Job, stood: dict, monkeypatch: pytest.MonkeyPatch, untrained: None
) -> None:
    out = Path(job.out)
    seen = []

    def exported(clf: object, folder: Path, **_: object) -> None:
        seen.append({name for name in contents(folder) if not name.startswith(".tlkit-")})

    (out / ".tlkit-killed").mkdir()  # what a killed process leaves
    (out / "checkpoint.safetensors").write_text("an older run's")
    monkeypatch.setattr(export, "export", exported)
    run_job(job, overwrite=True, progress=False)
    assert seen == [{"run.json", "splits.csv", "thesis.txt", "checkpoint.safetensors"}]
    assert (out / "thesis.txt").read_text() == "a stranger's"
    assert not (out / "saved_model").exists() and not (out / "tlkit.json").exists()
    assert not list(out.glob(".tlkit-*"))


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (
            KeyboardInterrupt(),
            Interrupted,
            "^interrupted; what was done is kept; go on with: tlkit train --resume .*out",
        ),
        (MemoryError(), RunError, "the memory is full; free some, or .*, and then: what was done .*--resume .*out$"),
        (AbortedError("Operation received an exception:Status: 1, message: x"), RunError, "the memory is full; free"),
        (AbortedError("Operation received an exception:Status: 2, message: x"), AbortedError, "Status: 2"),
        (RunError("cannot write x: the disk is full"), RunError, "the disk is full; what was done .*--resume .*out$"),
        (ZeroDivisionError("a bug"), ZeroDivisionError, "^a bug$"),
    ],
)
def test_a_run_that_breaks_off_says_how_to_go_on_and_does(
    job: Job, stood: dict, monkeypatch: pytest.MonkeyPatch, failure: BaseException, kind: type, message: str
) -> None:
    def broken(clf: object, folder: Path, **_: object) -> None:
        (folder / "saved_model").mkdir()
        (folder / "saved_model" / "half").write_text("half")
        raise failure

    monkeypatch.setattr(export, "export", broken)
    with pytest.raises(kind, match=message):
        run_job(job, overwrite=True, progress=False)
    out = Path(job.out)
    there = files.read_json(out / "run.json")
    assert there["status"] == "running" and there["settings"]["seed"] == 0
    assert (out / "checkpoint.safetensors").exists() and (out / "thesis.txt").read_text() == "a stranger's"

    monkeypatch.setattr(export, "export", export_little)
    original = loop.train
    monkeypatch.setattr(loop, "train", lambda *_: pytest.fail("it was trained again"))
    done = run_job(jobs.resumed(job.out), progress=False)
    monkeypatch.setattr(loop, "train", original)
    fresh = run_job(dataclasses.replace(job, out=job.out + "2"), progress=False)
    assert figures(done.ledger) == figures(fresh.ledger) and done.ledger["started"] == there["started"]
    assert not (out / "checkpoint.safetensors").exists()


def figures(told: dict) -> list[dict]:
    """Return the records of a run without the times."""
    return [
        {name: value for name, value in record.items() if name != "seconds"} for record in told["history"]["epochs"]
    ]


def test_a_run_goes_on_from_the_middle_of_either_phase_as_if_nothing_had_happened(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(export, "export", export_little)
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 0)
    job = dataclasses.replace(job, epochs=(2, 2), batch_size=4, augment="none", dropout=0.5)
    whole = run_job(dataclasses.replace(job, out=job.out + "2"), progress=False)
    original, written = checkpoint.Keeper._write, []

    def write(keeper: checkpoint.Keeper) -> None:
        original(keeper)
        written.append(True)
        keeper.stop.asked = len(written) % 3 == 0

    monkeypatch.setattr(checkpoint.Keeper, "_write", write)
    stops = 0
    with pytest.raises(Interrupted):
        run_job(job)
    told = capsys.readouterr().out
    while True:
        stops += 1
        try:
            done = run_job(job, progress=False)
            break
        except Interrupted:
            assert stops < 20
    assert stops > 2 and "going on" not in told
    assert figures(done.ledger) == figures(whole.ledger)
    assert (Path(job.out) / "metrics.csv").read_text().count("\n") == 5
    assert done.report.accuracy == whole.report.accuracy and done.report.loss == whole.report.loss


def test_an_unfinished_run_of_another_job_is_refused(job: Job, photos: Path) -> None:
    given = jobs.completed(job, "image")
    settings = record.settings(given, jobs.schedule(given))
    record.begin(Path(job.out), {"settings": settings, "data": image_folder.image_folder(photos).fingerprint()})
    refused(dataclasses.replace(job, seed=1), r"another run: seed was 0, now 1\. Choose", RunError)


def test_other_versions_are_said(job: Job, monkeypatch: pytest.MonkeyPatch, untrained: None, capsys: object) -> None:
    monkeypatch.setattr(export, "export", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(Interrupted):
        run_job(job, progress=False)
    there = files.read_json(Path(job.out) / "run.json")
    there["environment"]["keras"] = "3.0"
    files.write_json(Path(job.out) / "run.json", there)
    with pytest.raises(Interrupted):
        run_job(job)
    assert "going on with the unfinished run of 20" in (told := capsys.readouterr().out)
    assert "it may end in other last digits, since keras was 3.0, now 3." in told


def test_how_it_is_computed_stands_in_the_ledger_before_the_first_step(
    job: Job, monkeypatch: pytest.MonkeyPatch, untrained: None
) -> None:
    chosen = {"precision": "bfloat16", "views": 2, "budget": 5000}
    seen = []

    def fake_fit(*_: object, compute: Compute, run_dir: checkpoint.Keeper, **__: object) -> fit.History:
        seen.append(compute)
        assert not (Path(job.out) / "run.json").exists()
        run_dir.begin(chosen)
        seen.append(files.read_json(Path(job.out) / "run.json"))
        return NOTHING

    monkeypatch.setattr(fit, "fit", fake_fit)
    monkeypatch.setattr(export, "export", lambda *_, **__: None)
    job = dataclasses.replace(job, precision="bfloat16", cache_budget=5000, deterministic=True)
    done = run_job(job, progress=False)
    compute, before = seen
    assert compute == Compute("bfloat16", 5000, True)
    assert before["status"] == "running" and before["choices"] == chosen and before["environment"]["keras"]
    assert done.ledger["status"] == "finished" and done.ledger["choices"] == chosen
    told = {name: done.ledger["settings"][name] for name in ("precision", "cache_budget", "deterministic")}
    assert told == {"precision": "bfloat16", "cache_budget": 5000, "deterministic": True}


# === The directory ===


def test_a_second_run_at_once_is_refused(job: Job) -> None:
    out = Path(job.out)
    out.mkdir()
    with files.lock(out / "run.json"):
        refused(job, "out/run.json is in use by another process; wait until it ends or stop it", RunError)


def test_directories_that_are_not_ours(job: Job, tmp_path: Path, photos: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    refused(dataclasses.replace(job, out=str(other)), r"files of no tlkit run \(thesis.txt, ...\); choose", RunError)
    (other / "thesis.txt").rename(other / "run.json")
    refused(dataclasses.replace(job, out=str(other)), "run.json is not valid JSON", RunError)
    for strange in ("[]", '{"status": "running"}'):
        (other / "run.json").write_text(strange)
        refused(dataclasses.replace(job, out=str(other)), "files of no tlkit run", RunError, overwrite=True)
    refused(dataclasses.replace(job, out=str(other / "run.json")), "run.json is a file; give a directory", RunError)
    refused(dataclasses.replace(job, out=str(photos / "run")), "lies inside the data folder", RunError)


@pytest.mark.parametrize("out", ["/dev/null/x", "/proc/tlkit/x"])
def test_directories_that_cannot_be_written(job: Job, out: str) -> None:
    refused(dataclasses.replace(job, out=out), f"cannot write {out} .*; choose another directory as --out", RunError)


def test_a_read_only_disk(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(record.tempfile, "TemporaryDirectory", read_only)
    refused(job, "cannot write .*out .Read-only file system.; choose another directory", RunError)


# === Data and weights ===


def test_data_that_cannot_be(job: Job, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    save_pictures(tmp_path / "single", classes=("dark",))
    (save_pictures(tmp_path / "one", each=3) / "rare").mkdir()
    (tmp_path / "one" / "rare" / "0.png").write_bytes((photos / "red" / "0.png").read_bytes())
    for name, message in {
        "nowhere": "there is no file or folder",
        "empty": "holds nothing; put the pictures of each class into a subfolder",
        "single": "has a single class, 'dark'",
        "one": "one example only of the class 'rare'",
    }.items():
        refused(dataclasses.replace(job, data=str(tmp_path / name)), message, DataError)
    refused(dataclasses.replace(job, data="digitz"), "unknown data set 'digitz'; did you mean digits", InputError)


def test_tables_that_cannot_be(job: Job, tmp_path: Path) -> None:
    job = dataclasses.replace(job, backbone="minilm_l6", data=str(tmp_path / "table.csv"))
    (tmp_path / "table.csv").write_text("prose,kind\na,b\n")
    refused(job, "no column called text, sentence, ...; it has prose, kind", DataError)
    refused(dataclasses.replace(job, text_column="proze"), "no column 'proze'; it has prose, kind", DataError)
    refused(dataclasses.replace(job, text_column="prose"), "no column called label, .*; it has prose, kind", DataError)
    rows = [{"text": f"text {i}", "label": i % 2 or "zero"} for i in range(8)]
    (tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    refused(dataclasses.replace(job, data=str(tmp_path / "table.jsonl")), "of the types int, str", DataError)


def test_data_that_do_not_suit_the_backbone(job: Job, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("text,label\n" + "a b,x\nc d,y\n" * 4)
    refused(dataclasses.replace(job, data=str(tmp_path / "table.csv")), "tiny takes images, but .* holds texts")
    refused(dataclasses.replace(job, backbone="minilm_l6"), "minilm_l6 takes texts, but .*photos holds images")


def test_weights_that_do_not_fit(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    tiny_models.tiny_classifier().head.save_weights(path)
    refused(dataclasses.replace(job, weights=str(path)), "does not fit backbone 'tiny'", WeightsError)
    refused(
        dataclasses.replace(job, weights=str(tmp_path / "none.h5")), "no weights at .*none.h5; give a", WeightsError
    )
    refused(dataclasses.replace(job, weights="pretrained"), "tiny has no pretrained weights; give", WeightsError)


def test_other_weights_at_the_same_path_are_another_job(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "tiny.weights.h5"
    told = []
    for content in (b"one", b"two"):
        path.write_bytes(content)
        given = jobs.completed(dataclasses.replace(job, weights=str(path)), "image")
        told.append(record.settings(given, run.schedule(given))["weights"])
    assert all(text.startswith(f"{path} (sha256:") for text in told) and told[0] != told[1]


def test_weights_that_cannot_be_fetched_are_missed_before_the_data_are_read(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(jobs.reader_factory, "read", lambda *_, **__: pytest.fail("the data were read"))
    for backbone, file in (
        ("vgg16", "vgg16_weights_tf_dim"),
        ("efficientnet_lite0", "efficientnet-lite0-57934424.pth"),
    ):
        message = f"Needed: {file}.* MB\\) from .*; put it at {tmp_path}.* Available here: none"
        refused(dataclasses.replace(job, backbone=backbone, weights="pretrained"), message, OfflineError)


# === What is said ===


def test_unreadable_files_are_named(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untrained: None) -> None:
    folder = save_pictures(tmp_path / "some")
    for i in range(6):
        (folder / "red" / f"broken{i}.png").write_bytes(b"no picture")
    monkeypatch.setattr(export, "export", lambda *_, **__: None)
    done = run_job(dataclasses.replace(job, data=str(folder)), progress=False)
    told = done.report.notes[-1]
    assert told.startswith("6 unreadable examples were left out (red/broken0.png, ")
    assert told.endswith("red/broken4.png, ...); quarantine.csv says why")
    rows = list(csv.DictReader((Path(job.out) / "quarantine.csv").read_text("utf-8").splitlines()))
    assert {row["example"] for row in rows} == {f"red/broken{i}.png" for i in range(6)}
    assert {row["reason"] for row in rows} == {"it is no picture in a format that TensorFlow or Pillow knows"}
    with pytest.raises(DataError, match=r"6 could not be read; red/broken0.png: .*; repair or remove them, or do"):
        run_job(dataclasses.replace(job, data=str(folder), strict=True, out=str(tmp_path / "strict")), progress=False)


def test_splits_are_written_and_used_again(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untrained: None
) -> None:
    monkeypatch.setattr(export, "export", lambda *_, **__: None)
    first = run_job(dataclasses.replace(job, seed=3), progress=False)
    table = Path(job.out) / "splits.csv"
    assert len(list(csv.DictReader(table.read_text("utf-8").splitlines()))) == 16
    assert not (Path(job.out) / "quarantine.csv").exists()
    again = run_job(dataclasses.replace(job, splits=str(table), out=str(tmp_path / "again")), progress=False)
    assert again.ledger["data"] == first.ledger["data"]
    other = run_job(dataclasses.replace(job, out=str(tmp_path / "other")), progress=False)
    assert other.ledger["data"] != first.ledger["data"]


def test_what_hurts_is_said_before_training(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untrained: None, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(export, "export", lambda *_, **__: None)
    folder = save_pictures(tmp_path / "some")
    (folder / "red" / "copy.png").write_bytes((folder / "dark" / "0.png").read_bytes())
    done = run_job(dataclasses.replace(job, data=str(folder)))
    assert "conflict" in [finding["code"] for finding in done.ledger["findings"]]
    told = capsys.readouterr().out
    assert "more than one label" in told and "tlkit doctor" in told


@pytest.mark.slow
def test_a_run_of_enough_examples_tells_whether_more_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    photos = save_pictures(tmp_path / "photos", 100)
    given: dict[str, object] = {}
    monkeypatch.setattr(export, "export", lambda clf, out, **told: given.update(told, clf=clf))
    job = Job(data=str(photos), out=str(tmp_path / "out"), backbone="tiny", weights=None, epochs=(2, 1), augment="none")
    told = run_job(job).ledger
    assert [row["examples"] for row in told["amounts"]] == [18, 35, 70, 140]
    assert all(0 <= row["val_accuracy"] <= 1 for row in told["amounts"])
    assert "the head alone, on parts of the training examples: val_accuracy" in capsys.readouterr().out
    assert told["command"].startswith("tlkit train photos --backbone tiny") and given["data"].source == str(photos)
    assert given["clf"].spec.target.temperature > 0 and "calibration" in given["report"].to_dict()


@pytest.mark.parametrize("damage", ["gone", "changed", "a link"])
def test_a_run_that_goes_on_has_its_splits_again(
    job: Job,
    tmp_path: Path,
    stopped: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    damage: str,
) -> None:
    with pytest.raises(Interrupted):
        run_job(job, progress=False)
    table, other = Path(job.out) / "splits.csv", tmp_path / "other.csv"
    before = table.read_bytes()
    other.write_bytes(before.replace(b"train", b"test"))
    table.unlink()
    if damage == "changed":
        table.write_bytes(other.read_bytes())
    elif damage == "a link":
        table.symlink_to(other)
    monkeypatch.setattr(export, "export", lambda *_, **__: None)
    done = run_job(jobs.resumed(job.out))
    assert table.read_bytes() == before and not table.is_symlink() and other.read_bytes() != before
    reason = {"gone": "could not be read", "changed": "was changed since", "a link": "a link that leads out of"}[damage]
    assert (told := capsys.readouterr().out).count("it was written anew, of the same data and splits") == 1
    assert reason in told and done.ledger["status"] == "finished"


def test_a_run_that_goes_on_with_its_own_splits_says_nothing_of_them(
    job: Job, stopped: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(Interrupted):
        run_job(job, progress=False)
    monkeypatch.setattr(export, "export", lambda *_, **__: None)
    run_job(jobs.resumed(job.out))
    assert "anew" not in capsys.readouterr().out


def test_a_run_whose_splits_came_from_a_file_that_is_gone_is_refused(
    job: Job, tmp_path: Path, stopped: None, photos: Path
) -> None:
    tlkit.read(str(photos), seed=5).write_splits(tmp_path / "mine.csv")
    with pytest.raises(Interrupted):
        run_job(dataclasses.replace(job, splits=str(tmp_path / "mine.csv")), progress=False)
    (tmp_path / "mine.csv").unlink()
    refused(jobs.resumed(job.out), r"cannot read the splits file .*mine\.csv: No such file")


@pytest.fixture
def stopped(untrained: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run, which trains nothing, be interrupted once it has begun."""

    def fake_fit(*_: object, run_dir: checkpoint.Keeper, **__: object) -> fit.History:
        if not run_dir.open({}):
            run_dir.begin({})
        return NOTHING

    monkeypatch.setattr(fit, "fit", fake_fit)

    def fake_export(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "export", fake_export)


def test_an_out_that_is_no_utf_8(job: Job, tmp_path: Path) -> None:
    refused(
        dataclasses.replace(job, out=str(tmp_path / os.fsdecode(b"caf\xe9"))), r"caf\\xe9 is no UTF-8, which an art"
    )
    for out in ("a\0b", str(tmp_path / ("x" * 300))):
        with pytest.raises(RunError, match=r"(NUL character|too long).*choose another") as caught:
            run_job(dataclasses.replace(job, out=out), progress=False)
        assert "\n" not in str(caught.value)


def test_a_run_is_deterministic_to_its_end_and_then_leaves_the_process_as_it_was(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorflow.python.framework import config

    seen = []

    def begun(*_: object, run_dir: checkpoint.Keeper, **__: object) -> fit.History:
        run_dir.begin({})
        return NOTHING

    def stopped(*_: object) -> None:
        seen.append(config.is_op_determinism_enabled())
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "fit", begun)
    monkeypatch.setattr(run, "_measured", stopped)
    before = random.getstate(), np.random.get_state()[1].tolist()
    with pytest.raises(Interrupted):
        run_job(dataclasses.replace(job, deterministic=True), progress=False)
    assert seen == [True] and not config.is_op_determinism_enabled()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
