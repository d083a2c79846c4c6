"""A training job: what follows from what is asked for, how it is written down, and what is refused before it starts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.helpers.run_directories import save_pictures
from tlkit.errors import InputError, RunError
from tlkit.models.vision.image_backbones import VISION
from tlkit.runs import job as jobs
from tlkit.runs import record
from tlkit.runs.job import Job

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictures(tmp_path_factory.mktemp("data") / "photos", each=1)


@pytest.fixture
def job() -> Job:
    return Job(data="photos", out="out", backbone="tiny", weights=None, epochs=(1, 1))


def test_what_does_not_say_how_it_was_started_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no run of tlkit \(no run.json\); name the directory"):
        jobs.resumed(str(tmp_path))
    for strange in (None, {}, {"data": "x"}):
        record.begin(tmp_path, {"settings": {}, "data": "x", "job": strange})
        with pytest.raises(RunError, match="does not say how it was started; give the command it was started with"):
            jobs.resumed(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("data", 5, "data is of type int, not str"),
        ("size", "large", "size is 'large', not int or null"),
        ("epochs", "12", "epochs is '12', not list of int or null"),
        ("sampling", "some", "sampling is 'some', not 'all' or 'balanced'"),
        ("learning_rate", [1, None], "learning_rate is of type list, not list of float or null"),
        ("flip", "no", "flip is of type str, not bool"),
    ],
)
def test_a_job_of_wrong_types_cannot_be_resumed(tmp_path: Path, name: str, value: object, fault: str) -> None:
    given = record.given(Job(data="digits", out="x", epochs=(1, 2), learning_rate=(1, 0.5), unfreeze="all"))
    record.begin(tmp_path, {"settings": {}, "data": "x", "job": given})
    assert jobs.resumed(str(tmp_path)).epochs == [1, 2]
    record.begin(tmp_path, {"settings": {}, "data": "x", "job": given | {name: value}})
    with pytest.raises(RunError, match=rf"run\.json is damaged: of the job, {fault}; give the command it was started"):
        jobs.resumed(str(tmp_path))


def test_defaults_follow_the_data(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "table.csv").write_text("text,label\na,b\n")
    (tmp_path / "list.csv").write_text("image,label\na.jpg,b\n")
    for source, expected in {
        str(photos): jobs.DEFAULTS["image"],
        "digits": jobs.DEFAULTS["image"],
        str(tmp_path / "table.csv"): jobs.DEFAULTS["text"],
        str(tmp_path / "list.csv"): jobs.DEFAULTS["image"],
        "bbc_news": jobs.DEFAULTS["text"],
    }.items():
        asked = Job(data=source, out="out")
        job = jobs.completed(asked, jobs.kind_of(asked))
        assert (job.backbone, job.head) == expected
    unseen = Job(data="tfds:mnist", out="out")
    assert jobs.completed(unseen, jobs.kind_of(unseen)).backbone is None
    assert jobs.completed(Job(data="digits", out="out", head="flatten_dense"), "image").head == "flatten_dense"


def test_schedule_takes_what_the_job_sets(job: Job) -> None:
    job = dataclasses.replace(job, epochs=(0, 7), learning_rate=(1e-2, 1e-3), unfreeze="all")
    (only,) = jobs.schedule(job)
    assert (only.name, only.epochs, only.learning_rate, only.unfreeze) == ("top", 7, 1e-3, "all")
    free = dataclasses.replace(job, epochs=None, learning_rate=None, unfreeze=None)
    assert jobs.schedule(dataclasses.replace(free, quality="schedule")) == VISION["tiny"].phases
    head, *_ = jobs.schedule(free)
    assert head == dataclasses.replace(VISION["tiny"].phases[0], solve=True)
    assert jobs.schedule(dataclasses.replace(free, quality="fast")) == (head,)


def test_a_quality_and_a_schedule_exclude_each_other(job: Job) -> None:
    with pytest.raises(
        InputError, match="quality 'good' chooses the phases, and so does epochs; leave one of them out"
    ):
        jobs.schedule(dataclasses.replace(job, quality="good", epochs=(1, 1)))
    with pytest.raises(InputError, match="unknown quality 'god'; did you mean good"):
        jobs.schedule(dataclasses.replace(job, quality="god"))


def test_the_command_that_does_a_job_again_leaves_out_folders_and_defaults() -> None:
    assert jobs.command(Job(data="/home/me/my photos", out="/home/me/out")) == "tlkit train 'my photos' --out RUN"
    given = {"weights": None, "epochs": (3, 0), "learning_rate": (1e-3, 1e-4), "unfreeze": "all", "flip": False}
    told = jobs.command(Job(data="photos", out="x", **given, strict=True, splits="/home/me/splits.csv", seed=7))
    assert told == (
        "tlkit train photos --weights random --epochs 3,0 --learning-rate 0.001,0.0001 --unfreeze all --no-flip "
        "--splits splits.csv --strict --seed 7 --out RUN"
    )
    from tlkit.cli import commands

    options = commands._parser().parse_args(told.split()[1:])
    again = dataclasses.replace(commands._job(options), out="x")
    assert again == Job(data="photos", out="x", **given, strict=True, splits="splits.csv", seed=7)


# === Kinds ===


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"data": "digits"}, "image"),
        ({"data": "bbc_news"}, "text"),
        ({"data": "tfds:mnist"}, None),
        ({"data": "tfds:x", "target": "reply"}, "text"),
        ({"data": "nowhere", "target": "entities"}, "text"),
        ({"data": "nowhere.conll"}, "text"),
        ({"data": "nowhere"}, None),
    ],
)
def test_the_kind_is_known_before_anything_is_read(given: dict, kind: str | None) -> None:
    assert jobs.kind_of(Job(out="out", **given)) == kind


def test_a_folder_holds_pictures_unless_it_is_said_to_hold_a_table(tmp_path: Path) -> None:
    assert jobs.kind_of(Job(data=str(tmp_path), out="out")) == "image"
    assert jobs.kind_of(Job(data=str(tmp_path), out="out", kind="table")) == "table"


# === Refused ===


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"seed": -1}, "image", "seed=-1, weight_decay=0.0001: give numbers of 0 or more"),
        ({"seed": 2**32}, "image", "give numbers of 0 or more"),
        ({"weight_decay": float("inf")}, "image", "weight_decay=inf"),
        ({"lora": 8}, "image", "lora=8 is for models that write; leave it out, or give the target reply or summary"),
        ({"backbone": "tyny"}, "image", "unknown backbone 'tyny'; did you mean tiny"),
        ({"head": "pool_dens"}, "image", "unknown head 'pool_dens'; did you mean pool_dense"),
        ({"size": 2}, "image", "size 2 is too small"),
        ({}, "text", "tiny takes images, but photos holds texts; see `tlkit backbones`"),
        ({"pairs": True}, "image", "pairs=True is for texts"),
        ({"epochs": (3,)}, "image", r"epochs \[3\]: the schedule of tiny has 2 phases \(head, top\); give 2 numbers"),
        ({"epochs": (0, 0)}, "image", "epochs are 0 in every phase; give at least one phase an epoch"),
        ({"target": "reply", "backbone": None, "dropout": 0.1, "pairs": True}, "text",
         "a model that writes a reply has no head to choose; leave out dropout and pairs"),
        ({"target": "summary", "backbone": None}, "image", "a summary is written of texts, but photos holds images"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_time_is_spent(job: Job, given: dict, kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        jobs.completed(dataclasses.replace(job, **given), kind)
    jobs.completed(job, "image")


def test_a_directory_inside_the_data_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run lies inside the data folder .*; choose a directory elsewhere as --out"):
        jobs.inspect(Job(data=str(photos), out=str(photos / "run")))
    assert jobs.inspect(Job(data=str(photos), out=str(tmp_path / "run"))) == "image"


def test_a_run_goes_on_with_its_job_and_data_that_moved(job: Job, tmp_path: Path) -> None:
    record.begin(tmp_path, {"settings": {}, "data": "x", "job": record.given(job)})
    again = jobs.resumed(str(tmp_path))
    assert again == dataclasses.replace(job, out=str(tmp_path), epochs=[1, 1])
    assert jobs.resumed(str(tmp_path), data="moved") == dataclasses.replace(again, data="moved")


def test_words_are_for_classifiers_and_part_of_what_a_run_is(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("text,label\ngood,a\nbad,b\n", "utf-8")
    asked = jobs.completed(Job(data=str(path), out="out", words=True), "text")
    assert record.settings(asked, jobs.schedule(asked))["words"] is True
    plain = dataclasses.replace(asked, words=False)
    assert "words" not in record.settings(plain, jobs.schedule(plain))
    with pytest.raises(InputError, match="a model that writes a reply has no head to choose; leave out words"):
        jobs.completed(dataclasses.replace(asked, target="reply", backbone=None, head=None), "text")
