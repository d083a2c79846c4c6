"""Commands whose outputs nobody reads, are full, or were closed from the start."""

from __future__ import annotations

import errno
import io
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.run_directories import save_pictures
from tests.helpers.shell import shell
from tlkit.cli import commands, output_streams
from tlkit.runs import run

FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


@pytest.fixture
def unread() -> Iterator[io.TextIOWrapper]:
    """Return a stream into a pipe that nobody reads any more, which tells of it at the first write."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as stream:
        yield stream


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the words of a training in whose place lines are printed and a file is written at the end."""

    def trained(job: run.Job, **_: object) -> types.SimpleNamespace:
        for epoch in range(5_000):  # more than a buffer holds
            print(f"epoch {epoch}")
            print("a warning", file=sys.stderr)
        (tmp_path / "artifact").write_text("done")
        return types.SimpleNamespace(already=True, directory=job.out, report="report")

    monkeypatch.setattr(run, "run_job", trained)
    return ["train", str(save_pictures(tmp_path / "photos")), "--out", str(tmp_path / "out")]


# === A training ===


def test_a_training_goes_on_to_its_end_without_a_reader(
    job: list[str], unread: io.TextIOWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", unread)
    monkeypatch.setattr(sys, "stderr", told := io.StringIO())
    assert commands.main(job) == 0 and "tlkit" not in told.getvalue()
    assert sys.stdout is unread and (tmp_path / "artifact").exists()


def test_a_training_whose_outputs_were_closed_ends_well(
    job: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert commands.main(job) == 0 and (tmp_path / "artifact").exists()
    assert sys.stdout is None and sys.stderr is None


@FULL
def test_a_training_whose_output_is_full_makes_its_artifact_and_says_what_is_missing(
    job: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "stderr", told := io.StringIO())
        assert commands.main(job) == output_streams.LOST
    lines = [line for line in told.getvalue().splitlines() if line != "a warning"]
    assert lines == ["tlkit: error: cannot write standard output: the disk is full; free some space or write elsewhere"]
    assert (tmp_path / "artifact").exists()


@pytest.mark.slow
def test_train_piped_into_head_writes_its_artifact(tmp_path: Path) -> None:
    save_pictures(tmp_path / "photos")
    words = f"TLKIT train {tmp_path / 'photos'} --backbone mobilenet_v2 --size 32 --weights random --epochs 1,1"
    code, out, err = shell(f"{words} --out {tmp_path / 'out'} | head -1", PYTHONUNBUFFERED="1")
    assert code == 0 and out.startswith("Data(") and "Traceback" not in err and "Exception ignored" not in err
    assert (tmp_path / "out" / "tlkit.json").exists()


# === Commands that only print ===


@pytest.mark.parametrize(
    "words", ["heads", "--help", "train --help", "runs TMP", pytest.param("backbones", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_without_a_reader_what_only_prints_ends_quietly(words: str, unbuffered: str, tmp_path: Path) -> None:
    code, _, err = shell(f"TLKIT {words.replace('TMP', str(tmp_path))} | true", PYTHONUNBUFFERED=unbuffered)
    assert (code, err) == (output_streams.GONE, "")


@FULL
@pytest.mark.parametrize("words", ["heads", "--help", "train --help"])
def test_a_full_output_is_told_in_a_line(words: str) -> None:
    code, _, err = shell(f"TLKIT {words} >/dev/full")
    told = "tlkit: error: cannot write standard output: the disk is full; free some space or write elsewhere\n"
    assert (code, err) == (output_streams.LOST, told)


def test_outputs_closed_from_the_start() -> None:
    closed = "tlkit: error: cannot write standard output: it is closed; leave it open, or send it to /dev/null\n"
    assert shell("TLKIT heads >&-") == (output_streams.LOST, "", closed)
    code, out, err = shell("TLKIT heads 2>&-")
    assert code == 0 and "pool_dense" in out and err == ""
    assert shell("TLKIT train 2>&-") == (2, "", "")  # its message is not for standard output
    assert shell("TLKIT train >&- 2>&- <&-") == (2, "", "")
    assert shell("TLKIT trian 2>&-") == (2, "", "")


@FULL
def test_a_message_that_cannot_be_shown_leaves_the_exit_code() -> None:
    assert shell("TLKIT train 2>/dev/full") == (2, "", "")


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """Else, what libraries write to standard error by its number would end up in that file."""
    path = tmp_path / "file"
    script = (
        "import os; from tlkit.cli import output_streams as streams\n"
        f"with streams.Guard(), open({str(path)!r}, 'w') as file:\n"
        "    number = file.fileno(); os.write(2, b'a note of a library')\n"
        "os._exit(10 + number)"
    )
    code, _, _ = shell(f'{sys.executable} -c "{script}" 2>&- >&-')
    assert code > 12 and path.read_text() == ""


# === The stream itself ===


def test_what_an_encoding_does_not_know_is_written_as_an_escape() -> None:
    below = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", newline="\n")
    stream = output_streams.Stream(below, patient=False)
    print("chat noir \u2713 \udcff", file=stream, flush=True)
    assert below.buffer.getvalue() == rb"chat noir \u2713 \udcff" + b"\n"
    assert stream.encoding == "latin-1" and not stream.isatty()


def test_an_impatient_stream_raises_once_and_then_is_silent(unread: io.TextIOWrapper) -> None:
    stream = output_streams.Stream(unread, patient=False)
    with pytest.raises(BrokenPipeError):
        print("a line", file=stream, flush=True)
    print("another", file=stream, flush=True)
    assert stream.lost.errno == errno.EPIPE


def test_another_broken_pipe_is_no_lost_output(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "of a socket")

    monkeypatch.setitem(commands.TABLES, "heads", broken)
    with pytest.raises(BrokenPipeError, match="of a socket"):
        commands.main(["heads"])


def test_a_mistake_of_ours_keeps_its_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(commands.TABLES, "heads", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        commands.main(["heads"])
