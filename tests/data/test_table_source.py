"""A table's file is opened once: its beginning tells its kind, and it is read, unpacked or fetched once."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from PIL import Image

import tlkit
from tlkit.cli import commands
from tlkit.data.readers.image_table import kind_of
from tlkit.doctor import diagnose
from tlkit.errors import DataError, InputError
from tlkit.utils import regular_files

FEW = 200_000  # bytes that a look at a table of short rows takes at most
TEXTS = "text,label\n" + "".join(f"a {word} film number {n},{n % 2}\n" for n in range(12) for word in ("good", "bad"))
NUMBERS = "a,b,label\n" + "".join(f"{n},{n * n % 7},{n % 2}\n" for n in range(24))
PICTURES = "image,label\n" + "".join(f"{n}.png,{n % 2}\n" for n in range(12))
TALKS = "prompt,reply\n" + "".join(f"how is film {n}?,it is film {n}\n" for n in range(24))
PAPERS = "document,summary\n" + "".join(f"a long story of film {n},film {n}\n" for n in range(24))
WORDS = "".join(f"Anna{n} B-PER\nsees O\nfilm{n} O\n\n" for n in range(24))
LINES = "".join(json.dumps({"tokens": [f"Anna{n}", "ran"], "tags": ["B-PER", "O"]}) + "\n" for n in range(24))
TABLES = {
    "texts.csv": (TEXTS, "label"),
    "numbers.csv": (NUMBERS, "label"),
    "pictures.csv": (PICTURES, "label"),
    "words.conll": (WORDS, "entities"),
    "lines.jsonl": (LINES, "entities"),
}
WRITTEN = {"talks.csv": (TALKS, "reply"), "papers.csv": (PAPERS, "summary")}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path_factory.mktemp("cache")))


class Counted:
    """A file that counts the bytes that are read of it."""

    def __init__(self, file: Any, name: str, count: Counter[str]) -> None:
        self._file, self._name, self._count = file, name, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        self._count[self._name] += len(found)
        return found


class Seen:
    """How often each file was opened, and how many bytes were read of it, by the last part of its path."""

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Count what is opened by `regular_files.regular` and by TensorFlow's file systems."""
    found, regular, remote = Seen(), regular_files.regular, tf.io.gfile.GFile

    @contextlib.contextmanager
    def counted(path: str | os.PathLike, **options: Any) -> Iterator[Any]:
        found.opened[Path(path).name] += 1
        with regular(path, **options) as file:
            yield Counted(file, Path(path).name, found.bytes)

    def fetched(path: str, mode: str) -> Counted:
        name = path.rpartition("/")[2]
        found.opened[name] += 1
        return Counted(remote(path, mode), name, found.bytes)

    monkeypatch.setattr(regular_files, "regular", counted)
    monkeypatch.setattr(tf.io.gfile, "GFile", fetched)
    return found


def packed(name: str, content: str | bytes) -> bytes:
    content = content if isinstance(content, bytes) else content.encode()
    return gzip.compress(content) if name.endswith(".gz") else content


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (6, 6), (20 * number, 0, 0)).save(out, "PNG")
    return out.getvalue()


def place(folder: str, name: str, content: str, make: Callable[[str, bytes], Any]) -> tuple[str, int]:
    """Write a table, and what it lists, with `make`; return its path and its size."""
    if name.startswith("pictures"):
        for number in range(12):
            make(f"{folder}/{number}.png", picture(number))
    made = packed(name, content)
    make(f"{folder}/{name}", made)
    return f"{folder}/{name}", len(made)


def upload(path: str, content: bytes) -> None:
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def store(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)


# === Once ===


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_at_an_address_is_fetched_once(name: str, ending: str, request: pytest.FixtureRequest) -> None:
    tf.io.gfile.makedirs("ram://once")
    path, size = place("ram://once", name + ending, TABLES[name][0], upload)
    seen = request.getfixturevalue("seen")  # from here on
    read = tlkit.read(path, task=TABLES[name][1])
    assert sum(read.counts()["train"].values()) > 6 and not read.unreadable
    assert (seen.opened[name + ending], seen.bytes[name + ending]) == (1, size)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("name", [*TABLES, *WRITTEN])
def test_a_table_of_this_machine_is_read_once(name: str, ending: str, tmp_path: Path, seen: Seen) -> None:
    content, task = (TABLES | WRITTEN)[name]
    path, size = place(str(tmp_path), name + ending, content, store)
    read = tlkit.read(path, task=task)
    assert len(read.train) > 6 and not read.unreadable
    assert (seen.opened[name + ending], seen.bytes[name + ending]) == (1, size)


def test_texts_to_write_from_are_not_fetched_to_be_refused(seen: Seen) -> None:
    for task in ("reply", "summary"):
        with pytest.raises(DataError, match=r"there is no file or folder ram://none/talks.csv of this machine"):
            tlkit.read("ram://none/talks.csv", task=task)
    assert not seen.opened


def trained(path: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `tlkit train` until the data are read."""

    def stop(*_: Any, **__: Any) -> None:
        raise InputError("this is enough")

    monkeypatch.setattr(diagnose, "diagnose", stop)
    assert commands.main(["train", path, "--out", str(out), "--weights", "random", "--quiet"]) == 2


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_the_command_line_fetches_a_table_once(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, request: pytest.FixtureRequest
) -> None:
    tf.io.gfile.makedirs("ram://train")
    path, size = place("ram://train", f"texts.csv{ending}", TEXTS, upload)
    seen = request.getfixturevalue("seen")
    trained(path, tmp_path / "out", monkeypatch)
    assert "this is enough" in capsys.readouterr().err
    assert (seen.opened[f"texts.csv{ending}"], seen.bytes[f"texts.csv{ending}"]) == (1, size)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_the_command_line_reads_a_large_table_once(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, seen: Seen
) -> None:
    noise = os.urandom(1_500_000).hex()  # so that the packed table is large, too
    rows = "".join(f"{noise[n : n + 1000]},{n % 3000}\n" for n in range(0, len(noise), 1000))
    path, size = place(str(tmp_path), f"texts.csv{ending}", f"text,label\n{rows}", store)
    trained(path, tmp_path / "out", monkeypatch)
    assert "this is enough" in capsys.readouterr().err
    assert size > 1_000_000 and size <= seen.bytes[f"texts.csv{ending}"] < size + 3 * FEW


# === A look ===


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(("kind", "header"), [("text", "text,label"), ("table", "a,label")])
def test_a_look_at_a_large_table_is_short(kind: str, header: str, ending: str, tmp_path: Path, seen: Seen) -> None:
    row = f"{'1' * 37},1\n"
    path, _ = place(str(tmp_path), f"large.csv{ending}", f"{header}\n" + row * (20_000_000 // len(row)), store)
    assert kind_of(path) == kind
    assert 0 < seen.bytes[f"large.csv{ending}"] <= FEW


def test_a_look_reads_on_where_rows_are_long(tmp_path: Path, seen: Seen) -> None:
    lines = [json.dumps({"image": "a.png", "about": "x" * FEW}) for _ in range(50)]
    lines[10] = json.dumps({"text": "a"})
    path, size = place(str(tmp_path), "long.jsonl", "\n".join(lines), store)
    assert kind_of(path) == "text"
    assert 19 * FEW < seen.bytes["long.jsonl"] < size / 2


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_look_may_end_within_a_letter(shift: int, encoding: str, tmp_path: Path) -> None:
    letter = "é" if encoding == "cp1252" else "𝄞"
    rows = "".join(f"{letter * 40_000}.png,x\n" for _ in range(40))
    path = tmp_path / "pictures.csv"
    path.write_bytes(f"image{' ' * shift},label\n{rows}".encode(encoding))
    found = tlkit.data.table_file.read(path, first=2)
    assert [line for line, _ in found.rows] == [2, 3]
    assert found.rows[0][1][found.columns[0]] == f"{letter * 40_000}.png"


def test_a_look_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, regular = [], regular_files.regular

    @contextlib.contextmanager
    def kept(path: str | os.PathLike, **options: Any) -> Iterator[Any]:
        with regular(path, **options) as file:
            files.append(file)
            yield file

    monkeypatch.setattr(regular_files, "regular", kept)
    good, _ = place(str(tmp_path), "texts.csv.gz", TEXTS, store)
    bad, _ = place(str(tmp_path), "bad.csv", "a,b\nx,y\n", store)
    tlkit.read(good)
    kind_of(good)
    with pytest.raises(DataError, match="has no column called text"):
        tlkit.read(bad)
    assert len(files) == 3 and all(file.closed for file in files)


# === Faults behind what was looked at ===

FINE = "".join(f"text number {n} of a table,{n % 2}\n" for n in range(20_000)).encode()
HEADER = b"text,label\n"
FAULTS = {
    "quote.csv": (HEADER + FINE + b'"b" c,y\n', r"quote.csv is not sound CSV: line 20002: .*; double every quote"),
    "open.csv": (HEADER + FINE + b'"b,y\n', r"open.csv is not sound CSV: line 20002: unexpected end of data; double"),
    "odd.csv": ((HEADER + FINE).decode().encode("utf-16") + b"x", r"odd.csv is not sound UTF-16 text \(truncated data"),
    "bomb.csv.gz": (gzip.compress(HEADER + b"a,b\n" * 5_000_000), r"bomb.csv.gz unpacks to more than 16,000,000 bytes"),
    "short.csv.gz": (gzip.compress(HEADER + FINE)[:-12], r"cannot read .*short.csv.gz: .*; check that it is whole"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_far_behind_are_found_and_worded_alike(name: str, tmp_path: Path) -> None:
    content, message = FAULTS[name]
    path = tmp_path / name
    path.write_bytes(content)
    assert kind_of(path) == "text"  # so little does a look read
    said = []
    for read in (lambda: tlkit.read(str(path)), lambda: tlkit.text_table(path)):
        with pytest.raises(DataError, match=message) as caught:
            read()
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_rows_far_behind_that_are_none_are_named_by_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(HEADER + FINE + b"a,b,c\nx\0y,1\n\xe9t\xe9,1\n")
    read = tlkit.read(str(path), splitting=tlkit.Splitting(near_duplicates="anywhere"))
    assert dict(read.unreadable) == {
        "line 20002": "3 fields where the header has 2",
        "line 20003": "a NUL character in the column 'text'",
    }
    assert "it was read as Windows-1252" in read.splitting


def test_a_file_that_grows_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "texts.csv"
    path.write_text(TEXTS)
    regular = regular_files.regular

    @contextlib.contextmanager
    def growing(place: str | os.PathLike, **options: Any) -> Iterator[Any]:
        with regular(place, **options) as file:
            path.write_text(TEXTS * 2)
            yield file

    monkeypatch.setattr(regular_files, "regular", growing)
    monkeypatch.setattr(regular_files, "MAX_TABLE_BYTES", len(TEXTS))
    with pytest.raises(DataError, match=r"cannot read .*texts.csv: it has more than [0-9,]+ bytes; no more are read"):
        tlkit.read(str(path))
