"""Files of others are opened where they are regular and within the bound; no pipe, device or link holds a reader up."""

from __future__ import annotations

import errno
import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tlkit
from tlkit.artifacts import manifest
from tlkit.cli import commands
from tlkit.config import Splitting
from tlkit.data import table_file
from tlkit.errors import DataError, TlkitError
from tlkit.evaluation.report_base import Measured
from tlkit.features import disk_cache, shards
from tlkit.models import weights
from tlkit.models.text import text_presets
from tlkit.models.vision import torch_pickle
from tlkit.models.vision.image_backbones import VISION
from tlkit.runs import record
from tlkit.training import checkpoint
from tlkit.utils import files, regular_files

SECONDS = 100  # that a reader has which takes milliseconds; whoever waits for a pipe never ends


def within(call: Callable[[], Any]) -> Any:
    """Return what a call returns or the exception that it raises; fail where it does not end."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:  # whatever it is, the test is to see it
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), "it waits for a file that never ends"
    return found[0]


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_folder(path: Path) -> None:
    path.mkdir()


def make_endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a sparse file, which takes no disk


STRANGE = {
    "pipe": (make_pipe, "it is not a regular file but a pipe"),
    "device": (make_device, "it is not a regular file but a device|it is a link that leads out of"),
    "folder": (make_folder, "it is a folder, not a file"),
    "endless": (make_endless, r"it has 1,099,511,627,776 bytes, (and )?at most [0-9,]+ are read"),
}


# === The opener ===


@pytest.mark.parametrize("kind", STRANGE)
def test_only_regular_files_within_the_bound_are_opened(tmp_path: Path, kind: str) -> None:
    make, reason = STRANGE[kind]
    make(tmp_path / "a")
    found = within(lambda: regular_files.content(tmp_path / "a"))
    assert isinstance(found, OSError) and re.search(reason, regular_files.why(found))


def test_a_socket_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("s")
        with pytest.raises(OSError, match="not a regular file but a socket"):
            regular_files.content("s")


def test_what_takes_the_place_of_a_file_after_the_first_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "regular").write_text("a")
    make_pipe(tmp_path / "pipe")
    look, path = os.stat, tmp_path / "pipe"
    monkeypatch.setattr(os, "stat", lambda place: look(tmp_path / "regular" if place == path else place))
    found = within(lambda: regular_files.content(path))
    assert isinstance(found, OSError) and "but a pipe" in regular_files.why(found)


def test_a_file_that_grows_while_it_is_read() -> None:
    # the system says that this file has no bytes, as it says of all below /proc
    with pytest.raises(OSError, match="it has more than 2 bytes"):
        regular_files.content("/proc/self/status", most=2)


def test_the_bound_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert regular_files.content(tmp_path / "a", most=3) == b"abc"
    with pytest.raises(OSError, match="it has 3 bytes, at most 2 are read"):
        regular_files.content(tmp_path / "a", most=2)


def test_links_within_a_folder_and_out_of_it(tmp_path: Path) -> None:
    inside, outside = tmp_path / "run", tmp_path / "secret"
    inside.mkdir()
    outside.write_text("secret")
    (inside / "a").write_text("own")
    (inside / "link").symlink_to("a")
    (inside / "out").symlink_to(outside)
    (inside / "circle").symlink_to("circle")
    assert regular_files.content(inside / "link", within=inside) == b"own"
    assert regular_files.content(inside / "out") == b"secret"  # links of one's own data are followed
    with pytest.raises(OSError, match=f"it is a link that leads out of {inside}"):
        regular_files.content(inside / "out", within=inside)
    with pytest.raises(OSError, match="links lead in a circle"):
        regular_files.content(inside / "circle", within=inside)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a\0b", "a name cannot hold a NUL character"),
        ("\ud800", "no name can hold such characters"),
        ("x" * 300, "the name is too long"),
        ("file/inside", "a part of the path is a file, not a folder"),
    ],
)
def test_names_that_no_file_can_have(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        regular_files.content(tmp_path / name)
    assert regular_files.why(caught.value) == reason
    with pytest.raises(tlkit.TlkitError, match=rf"cannot read .*{reason}; check the path"):
        files.read_json(tmp_path / name)
    if name != "file/inside":
        with pytest.raises(tlkit.TlkitError, match=r"cannot write .*(NUL|such characters|too long).*choose"):
            files.write_json(tmp_path / name, {})


def test_names_that_are_no_utf_8_are_told_by_their_bytes() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert not regular_files.is_utf8(name) and regular_files.shown(name) == r"caf\xe9" and regular_files.is_utf8("café")


# === Numbers ===


def test_numbers_that_are_not_finite_are_read_and_written_as_null(tmp_path: Path) -> None:
    assert regular_files.parsed('{"a": [NaN, -Infinity, 1e999, 1e300, 7]}') == {"a": [None, None, None, 1e300, 7]}
    value = {"a": float("nan"), "b": [1.5, (float("inf"), "Infinity")], 3: -float("inf")}
    files.write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text("utf-8")
    assert "NaN" not in text and text.count("Infinity") == 1
    assert files.read_json(tmp_path / "a.json") == {"a": None, "b": [1.5, [None, "Infinity"]], "3": None}


@pytest.mark.parametrize("text", ["1" * 5000, "[" * 100_000, "{", "\ufeff{}"])
def test_json_that_cannot_be(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    with pytest.raises(tlkit.TlkitError, match=r"a\.json is not valid JSON .*restore it, or delete it"):
        files.read_json(tmp_path / "a.json")


# === Every reader ===


def own_run(place: Path) -> None:
    """Write a ledger beside what is read."""
    record.begin(place, {"settings": {}, "data": "x"})


READERS: dict[str, Callable[[Path], Any]] = {
    "t.csv": table_file.read,
    "t.tsv": tlkit.text_table,
    "t.jsonl": lambda path: tlkit.read(str(path)),
    "t.csv.gz": table_file.read,
    "m.csv": tlkit.image_table,
    "n.csv": lambda path: tlkit.table(path),
    "a.conll": lambda path: tlkit.read(str(path), task="entities"),
    "a.txt": lambda path: tlkit.dialogues(path),
    "b.csv": lambda path: tlkit.dialogues(path),
    "c.jsonl": lambda path: tlkit.summaries(path),
    "splits.csv": lambda path: tlkit.read("digits", splitting=Splitting(file=str(path))),
    "run.json": lambda path: record.load(path.parent),
    "a.json": files.read_json,
    "report.json": lambda path: Measured.load(path.parent),
    "tlkit.json": lambda path: manifest.read(path.parent),
    "config.json": lambda path: text_presets.family_of(path.parent),
    "checkpoint.safetensors": checkpoint.read,
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("name", READERS)
def test_no_reader_waits_or_takes_all_memory(tmp_path: Path, name: str, kind: str) -> None:
    make, reason = STRANGE[kind]
    make(tmp_path / name)
    found = within(lambda: READERS[name](tmp_path / name))
    assert isinstance(found, TlkitError), found
    said = str(found)
    assert name in said and "\n" not in said
    of_folder = "folder|no readable|no table|no file for train"  # some readers take a folder for one of files
    assert re.search(reason, said) or (kind == "folder" and re.search(of_folder, said)), said


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.weights.h5", "folder"])
def test_weights_that_are_a_pipe(tmp_path: Path, name: str) -> None:
    if name == "folder":
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        make_pipe(tmp_path / name / "model.weights.h5")
    else:
        make_pipe(tmp_path / name)
    found = within(lambda: weights.find(VISION["vgg16"], tmp_path / name))
    assert isinstance(found, TlkitError) and "is not a regular file; give a" in str(found)
    if name == "w.pth":
        assert isinstance(within(lambda: torch_pickle.read(tmp_path / name)), TlkitError)


def test_what_tlkit_itself_stored_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_cache, "root", lambda: tmp_path)
    (tmp_path / "key").mkdir()
    make_pipe(tmp_path / "key" / "about.json")
    make_pipe(tmp_path / "measured.json")
    make_pipe(tmp_path / "key" / f"00000.0-{'0' * 32}.npy")
    assert within(disk_cache.entries)[0].about == "of unknown origin"
    assert within(lambda: disk_cache.recall("a")) is None
    folder = shards.Folder(tmp_path / "key", "x", 1)
    within(folder.open)
    assert folder.shards == {}


def test_metrics_that_are_a_pipe(tmp_path: Path) -> None:
    own_run(tmp_path)
    make_pipe(tmp_path / "metrics.csv")
    assert within(lambda: record.runs(tmp_path))[0].status == "damaged"


# === The command line ===


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("command", ["train", "doctor", "--splits", "--resume"])
def test_the_command_line_says_so_in_one_line(
    tmp_path: Path, kind: str, command: str, capsys: pytest.CaptureFixture
) -> None:
    make, reason = STRANGE[kind]
    place = tmp_path / ("run.json" if command == "--resume" else "t.csv")
    make(place)
    words = {
        "train": ["train", place, "--kind", "table", "--out", tmp_path / "out"],
        "doctor": ["doctor", place, "--kind", "table", "--no-labels"],
        "--splits": ["doctor", "digits", "--no-labels", "--splits", place],
        "--resume": ["train", "--resume", tmp_path],
    }[command]
    assert within(lambda: commands.main([str(word) for word in words])) == 2
    said = capsys.readouterr().err
    assert said.startswith("tlkit: error: ") and said.count("\n") == 1
    assert re.search(reason, said) or (kind == "folder" and re.search("folder|not a table", said))


def test_links_out_of_a_run_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    for place in (elsewhere, out):
        place.mkdir()
        own_run(place)
    (elsewhere / "metrics.csv").write_text("epoch,val_accuracy\n1,0.5\n")
    assert record.runs(elsewhere)[0].figure == ("accuracy", 0.5)
    (out / "metrics.csv").symlink_to(elsewhere / "metrics.csv")
    (out / "checkpoint.safetensors").symlink_to(elsewhere / "metrics.csv")
    assert record.runs(out)[0].status == "damaged"
    with pytest.raises(TlkitError, match="it is a link that leads out of"):
        checkpoint.read(out / "checkpoint.safetensors")
    (out / "run.json").unlink()
    (out / "run.json").symlink_to(elsewhere / "run.json")
    assert commands.main(["train", "--resume", str(out)]) == 2
    assert f"it is a link that leads out of {out}; check the path" in capsys.readouterr().err


def test_a_linked_folder_in_a_run_is_removed_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").touch()
    (tmp_path / "saved_model").symlink_to(tmp_path / "mine")
    own_run(tmp_path)
    assert not os.path.lexists(tmp_path / "saved_model") and (tmp_path / "mine" / "kept").exists()


def test_an_error_of_no_such_kind_passes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, regular_files.regular(tmp_path / "none"):
        pass
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(DataError, match=r"there is no file .*none\.csv; check it"):
        table_file.read(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("name", "said"), [("café", "café"), (os.fsdecode(b"caf\xe9"), r"caf\xe9"), ("a\ud800", r"a\ud800"), ("", "")]
)
def test_any_name_can_be_shown(name: str, said: str) -> None:
    assert regular_files.shown(name) == said
