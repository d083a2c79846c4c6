"""Files appear whole or not at all; digests and locks say who is wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tlkit.errors import InputError, IntegrityError, RunError
from tlkit.utils import files, progress, regular_files

ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TLKIT_HOME": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"TLKIT_HOME": "", "XDG_CACHE_HOME": "/b"}, "/b/tlkit"),
        ({"TLKIT_HOME": "", "XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/tlkit"),
    ],
)
def test_cache_home(monkeypatch: pytest.MonkeyPatch, environment: dict, expected: str) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert files.cache_home() == Path(expected)


# === Writing ===


def test_atomic_file_replaces_and_keeps_the_name(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.weights.h5"
    for text in ("old", "new"):
        with files.atomic(target) as temporary:
            assert temporary.name == target.name and temporary.parent.parent == target.parent
            temporary.write_text(text)
            assert not target.exists() or target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == [target.name]


def test_atomic_directory_replaces_a_full_one(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for name in ("old", "new"):
        with files.atomic(target) as temporary:
            (temporary / "inner").mkdir(parents=True)
            (temporary / "inner" / name).write_text(name)
    assert [path.name for path in target.rglob("*")] == ["inner", "new"]
    assert os.listdir(tmp_path) == ["model"]


def test_atomic_failure_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.atomic(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_atomic_is_private_while_it_writes_and_public_after(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        with files.atomic(tmp_path / "model") as temporary:
            assert stat.S_IMODE(temporary.parent.stat().st_mode) == 0o700
            (temporary / "inner").mkdir(parents=True)
            (temporary / "inner" / "a").touch()
        files.write_text(tmp_path / "b", "text")
        (tmp_path / "part").touch()
        files.accept(tmp_path / "part", tmp_path / "c", "", "somewhere")
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"model": 0o755, "inner": 0o755, "a": 0o644, "b": 0o644, "c": 0o644}


def test_atomic_directory_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    replace = os.replace

    def refuse(source: Path, goal: Path) -> None:
        if Path(goal) == target and Path(source).name == "model":
            raise OSError(errno.EIO, "broken")
        replace(source, goal)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="broken"), files.atomic(target) as temporary:
        temporary.mkdir()
    assert os.listdir(target) == ["old"] and os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "quota is used up; free some space"),
        (errno.EACCES, "permission is denied; choose another place"),
        (errno.EPERM, "permission is denied; choose another place"),
        (errno.EROFS, "read-only; choose another place"),
    ],
)
def test_unwritable_places_are_explained(tmp_path: Path, number: int, remedy: str) -> None:
    target = tmp_path / "a"
    with pytest.raises(RunError, match=remedy) as caught, files.atomic(target) as temporary:
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))
    assert str(target) in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for place in (tmp_path / "file" / "x.html", tmp_path / "file" / "folder" / "x.html"):
        with pytest.raises(RunError, match=rf"cannot write {place}: a part of it is a file, not a folder"):
            files.write_text(place, "new")
    with pytest.raises(RunError, match=f"cannot write {tmp_path}: there is a folder of that name; name a file"):
        files.write_text(tmp_path, "new")
    with pytest.raises(RunError, match="the name is too long; choose a shorter one"):
        files.write_text(tmp_path / ("x" * 300), "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "kept"


def test_a_really_full_disk_is_explained() -> None:
    with pytest.raises(RunError, match="cannot write /dev/full: the disk is full"), files.writing("/dev/full"):
        Path("/dev/full").write_text("a")


def test_other_system_errors_pass() -> None:
    with pytest.raises(FileNotFoundError), files.writing("a"):
        raise FileNotFoundError(errno.ENOENT, "gone")


def test_json_round_trip(tmp_path: Path) -> None:
    value = {"b": [1, None], "a": "Ärger"}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value
    assert (tmp_path / "a.json").read_text("utf-8").splitlines()[1] == '  "b": ['
    assert "Ärger" in (tmp_path / "a.json").read_text("utf-8")


def test_json_holds_names_that_are_no_utf_8(tmp_path: Path) -> None:
    value = {"data": os.fsdecode(b"caf\xe9"), "ü": "🐟"}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "data": "caf\\udce9",\n  "ü": "🐟"\n}\n'


def test_json_that_is_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot read .*none.json: No such file"):
        files.read_json(tmp_path / "none.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(RunError, match=r"a.json is not valid JSON .*line 1.*delete it"):
        files.read_json(tmp_path / "a.json")


@pytest.mark.parametrize(("quiet", "shown"), [("", True), ("1", False)])
def test_progress_shows_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, quiet: str, shown: bool
) -> None:
    monkeypatch.setenv("TLKIT_QUIET", quiet)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress.progress("w.pth", 2048, 1024) as advance:
        advance(1024)
    assert ("w.pth" in capsys.readouterr().err) is shown


def test_progress_is_silent_without_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("TLKIT_QUIET", "")
    with progress.progress("w.pth", 0) as advance:
        advance(1)
    assert capsys.readouterr().err == ""


# === Digests ===


def test_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.digest(tmp_path / "a") == ABC
    assert files.digest(tmp_path / "a", "md5") == f"md5:{hashlib.md5(b'abc').hexdigest()}"
    with pytest.raises(InputError, match="unknown digest algorithm 'crc'; use sha256 or md5"):
        files.digest(tmp_path / "a", "crc")


def test_digest_of_a_folder_depends_on_names_and_contents_alone(tmp_path: Path) -> None:
    def folder(name: str, contents: dict[str, bytes]) -> str:
        for inner, data in contents.items():
            (tmp_path / name / inner).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / inner).write_bytes(data)
        return files.digest(tmp_path / name)

    first = folder("one", {"a": b"1", "b/c": b"2"})
    assert first == folder("two", {"b/c": b"2", "a": b"1", ".lock": b"", ".git/x": b"3"})
    assert first != folder("three", {"a": b"1", "b/c": b"3"})
    assert first != folder("four", {"a": b"1", "c": b"2"})


def test_check_names_both_digests(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    files.check(tmp_path / "a", ABC)
    files.check(tmp_path / "a", "sha256:" + ABC[7:].upper())
    files.check(tmp_path / "a", "")
    wrong = "md5:" + "0" * 32
    with pytest.raises(IntegrityError, match="delete it and fetch it again") as caught:
        files.check(tmp_path / "a", wrong)
    assert wrong in str(caught.value) and f"md5:{hashlib.md5(b'abc').hexdigest()}" in str(caught.value)
    with pytest.raises(InputError, match="'abc' names no algorithm"):
        files.check(tmp_path / "a", "abc")


def test_sound(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.has_digest(tmp_path / "a", ABC) and files.has_digest(tmp_path / "a", "")
    assert not files.has_digest(tmp_path / "a", "sha256:0") and not files.has_digest(tmp_path / "b", ABC)
    assert not files.has_digest(tmp_path / "b", "")


def test_accept_moves_or_deletes(tmp_path: Path) -> None:
    part, target = tmp_path / "part", tmp_path / "deep" / "target"
    part.write_bytes(b"abc")
    files.accept(part, target, ABC, "somewhere")
    assert target.read_bytes() == b"abc" and not part.exists()
    part.write_bytes(b"abd")
    with pytest.raises(IntegrityError, match=f"target from somewhere is not the published .*{ABC}. It was deleted"):
        files.accept(part, target, ABC, "somewhere")
    assert target.read_bytes() == b"abc" and not part.exists()


# === Locks ===

HOLD = (
    "import sys, time\nfrom tlkit.utils import files\n"
    "with files.lock(sys.argv[1]): print(1, flush=True); time.sleep(60)"
)


def test_lock_keeps_another_process_out_until_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"1\n"
            with (
                pytest.raises(RunError, match="run is in use by another process; wait until it ends or stop it"),
                files.lock(tmp_path / "run", timeout=0),
            ):
                pass
        finally:
            other.kill()
    with files.lock(tmp_path / "run", timeout=5):
        pass


def test_lock_makes_the_parent_and_is_released_on_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), files.lock(tmp_path / "deep" / "run", timeout=0):
            raise ZeroDivisionError
    assert not (tmp_path / "deep" / "run").exists()


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is not a regular file"):
            regular_files.content(path)
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    assert regular_files.content(tmp_path / "link") == b"abc"
