"""What fuzzing takes: content that is nearly right, a watch over what is done with it, and a loop around both."""

from __future__ import annotations

import contextlib
import copy
import csv
import functools
import gzip
import io
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tlkit.errors import TlkitError

MOST_SECONDS = 20  # for one example; nearly all take milliseconds
MOST_MEMORY = 300  # MB that a session may add at its peak to what the process takes
WARM, SESSION = 20, 250  # examples: before the memory is looked at, and of one seed
CANARY = Path(tempfile.gettempdir()) / f"tlkit-canary-{os.getpid()}"  # what hostile content would leave behind
Strategy = st.SearchStrategy

# === Values ===

NUMBERS = (-1, 0, 1, 2, 255, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, -(10**400))
STRINGS = (
    "", " ", ".", "..", "~", "-", "\0", "a\0b", "a\nb", "a\rb", "\r\n", "\t", '"', '""', "'", "\\", ",", ";", "|",
    "a;b", "../canary", "/etc/passwd", "/dev/zero", "C:\\a", "a" * 300, "a/" * 3000, "x" * 200_000, "é", "\u0663", "²",
    "\u2028", "\ud800", "\udcff", "\ufeff", "🐟", "%s%n", "{0.__class__}", "[1]", '["a"]', "[" * 2000, "nan", "inf",
    "1e999", "1_0", "9" * 5000, "-1", "1", "1.5", "true", "null", "None", "train", "val", "validation", "test", "all",
    "auto", "float32", "file:///etc/passwd", "ram://a", "odd://a", "://", "tfds:a", "digits", str(CANARY),
)  # fmt: skip
DEEP = "@deep@"  # stands for a value that is nested deeper than Python takes
NESTS = (("[", "", "]"), ('{"a":', "1", "}"), ("[", "", ""))
DEPTHS = st.sampled_from((20, 200, 5_000, 100_000)) | st.integers(850, 1100)
TEXTS = st.sampled_from(STRINGS) | st.text(max_size=6)
SCALARS = (
    st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.integers(-300, 300) | st.floats() | TEXTS | st.just(DEEP)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def seldom(draw: Callable, times: int) -> bool:
    """Return True once in so many times."""
    return draw(st.sampled_from(range(times))) == times // 2


def holders(value: Any) -> Iterator[list | dict]:
    """Yield the lists and dictionaries of a JSON value, itself first."""
    if isinstance(value, list | dict):
        yield value
        for inner in value if isinstance(value, list) else value.values():
            yield from holders(inner)


@st.composite
def altered(draw: Callable, value: Any) -> Any:
    """Change a few places of a JSON value, however deep they lie."""
    whole = copy.deepcopy([value])
    for _ in range(draw(st.integers(0, 3))):
        found = list(holders(whole))
        holder = draw(st.sampled_from(found))
        keys = list(range(len(holder)) if isinstance(holder, list) else holder)
        key = draw(st.sampled_from(keys)) if keys else None
        what = draw(st.sampled_from(("replace", "replace", "replace", "remove", "add", "move")))
        new = copy.deepcopy(draw(st.sampled_from(found))) if what == "move" else draw(JSON)
        if what == "remove" and key is not None and holder is not whole:
            del holder[key]
        elif what == "add" or key is None:
            holder.append(new) if isinstance(holder, list) else holder.update({draw(TEXTS): new})
        else:
            holder[key] = new
    return whole[0]


def as_json(draw: Callable, value: Any) -> str:
    """Write a value as JSON; DEEP becomes what it stands for."""
    text = json.dumps(value)
    if DEEP in text:
        start, middle, end = draw(st.sampled_from(NESTS))
        depth = draw(DEPTHS)
        text = text.replace(f'"{DEEP}"', start * depth + middle + end * depth)
    return text


@st.composite
def documents(draw: Callable, value: Any) -> bytes:
    """Write JSON: a value with changes, any other value, or bytes that are nearly one."""
    text = as_json(draw, draw(JSON if seldom(draw, 10) else altered(value)))
    data = text.encode(draw(st.sampled_from(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32-be"))))
    return edited(draw, data) if seldom(draw, 5) else data


# === Bytes ===

TOKENS = (
    b"\0", b"\0" * 8, b"\xff", b"\xff" * 4, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\1" + b"\0" * 7, b"\n", b"\r", b'"',
    b",", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xed\xa0\x80", b"\xc3\x28", b"[" * 2000, b"(" * 2000,
    b"9" * 5000, b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"\x1f\x8b\x08", b"\x93NUMPY", b"1e999",
)  # fmt: skip
PIECES = st.binary(max_size=6) | st.sampled_from(TOKENS)


def edited(draw: Callable, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Flip, cut, insert, set, repeat or splice a few bytes."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 5))):
        if len(found) > 10**6:
            break
        start = draw(st.integers(0, len(found)))
        end = start + draw(st.sampled_from((0, 1, 2, 4, 8, 64, 100_000)))
        match draw(st.sampled_from(("flip", "cut", "insert", "set", "repeat", "splice"))):
            case "flip" if found:
                found[start % len(found)] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del found[start:end]
            case "insert":
                found[start:start] = draw(PIECES)
            case "set":
                piece = draw(PIECES)
                found[start : start + len(piece)] = piece
            case "repeat":
                found[end:end] = found[start:end] * draw(st.sampled_from((1, 2, 50)))
            case "splice":
                other = draw(st.sampled_from((*others, data)))
                place = draw(st.integers(0, len(other)))
                found[start:end] = other[place : place + draw(st.sampled_from((1, 8, 64, 100_000)))]
    return bytes(found)


@st.composite
def mutated(draw: Callable, sources: Sequence[bytes]) -> bytes:
    """Change a few bytes of one of these files, or make up all of them."""
    return draw(st.binary()) if seldom(draw, 10) else edited(draw, draw(st.sampled_from(sources)), sources)


# === Tables ===

ODD = ("9" * 5000, "\0", "a\rb", "1.5", 10**400, None, "\ud800", True, DEEP, float("nan"))  # the first four in any cell
BOMB = gzip.compress(b"a,b\n" + bytes(60_000_000))  # a thousandth of it
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1")


@st.composite
def tables(
    draw: Callable,
    bases: Sequence[Sequence[Sequence[str]]],
    suffixes: Sequence[str] = (".csv", ".tsv", ".jsonl", ".csv.gz", ".ndjson.gz"),
    cells: Strategy = TEXTS,
) -> tuple[str, bytes]:
    """Write a table, some of whose cells, rows and bytes are others.

    Args:
        bases: tables as rows of cells, the header first.
        suffixes: what kinds there may be.
        cells: what may stand in a cell besides JSON values, which JSON lines hold.

    Returns:
        The suffix, and the content of the file.
    """
    suffix = draw(st.sampled_from(suffixes))
    cells = st.sampled_from(ODD if "json" in suffix else ODD[:4]) | cells
    cells = cells | JSON if "json" in suffix else cells | st.integers().map(str)
    rows: list[list] = [list(row) for row in draw(st.sampled_from(bases))]
    for _ in range(draw(st.integers(0, 3))):
        _change(draw, rows, cells)
    text = _lines(draw, rows) if "json" in suffix else _separated(draw, rows)
    encoding = draw(st.sampled_from(ENCODINGS)) if seldom(draw, 4) else "utf-8"
    data = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    data = edited(draw, data) if seldom(draw, 5) else data
    if suffix.endswith(".gz"):
        data = gzip.compress(data, 1)
        data = edited(draw, data) if seldom(draw, 5) else data
        data = draw(st.sampled_from((data + BOMB, BOMB + data))) if seldom(draw, 20) else data
    return suffix, data


def _change(draw: Callable, rows: list[list], cells: Strategy) -> None:
    """Change a cell, a whole column, every cell of a value, or the number of rows or cells."""
    row = draw(st.sampled_from(rows))
    place = draw(st.integers(0, len(row)))
    what = draw(st.sampled_from(("cell", "cell", "column", "value", "row", "more", "less")))
    if what == "row":
        start = draw(st.integers(1, len(rows)))  # the header stays
        rows[start : start + draw(st.sampled_from((0, 1, 9)))] = [list(row) for _ in range(draw(st.integers(0, 2)))]
    elif what == "less":
        del row[place:]
    elif what == "more" or place == len(row):
        row.insert(place, draw(cells))
    elif what == "cell":
        row[place] = draw(cells)
    else:
        old, new = row[place], draw(cells)
        for other in rows[1:]:
            same = [number == place if what == "column" else cell is old for number, cell in enumerate(other)]
            other[:] = [new if found else cell for found, cell in zip(same, other, strict=True)]


def _lines(draw: Callable, rows: list[list]) -> str:
    header, *others = rows or [[]]
    names = [name if isinstance(name, str) else json.dumps(name) for name in header]
    return "\n".join(as_json(draw, dict(zip(names, row, strict=False))) for row in others)


def _separated(draw: Callable, rows: list[list]) -> str:
    separator = draw(st.sampled_from((",", ",", ";", "\t")))
    ending = draw(st.sampled_from(("\n", "\n", "\r\n", "\r")))
    if seldom(draw, 5):
        return ending.join(separator.join(row) for row in rows)  # as people write it who do not know of quotes
    text = io.StringIO(newline="")
    quoting = draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    csv.writer(text, delimiter=separator, lineterminator=ending, quoting=quoting).writerows(rows)
    return text.getvalue()


# === The watch ===

PROGRAMS = {
    "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
    "pickle.find_class", "socket.connect", "socket.getaddrinfo",
}  # fmt: skip
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.chmod"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


class Watch:
    """Refuse, while it is on, to start programs, to connect, and to write anywhere but in one folder."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hear)  # there is no way to take it off again

    @contextlib.contextmanager
    def on(self, folder: Path) -> Iterator[None]:
        """Watch the block, and fail where it did what it must not, even if it took no notice of the refusal."""
        self.seen.clear()
        self.folder = os.path.join(os.path.realpath(folder), "")
        try:
            yield
        finally:
            self.folder = None
        assert not self.seen, list(self.seen)

    def _hear(self, event: str, arguments: tuple) -> None:
        if self.folder is None or not (event in PROGRAMS or self._strays(event, arguments)):
            return
        self.seen.append(f"{event} {arguments!r:.200}")
        raise AssertionError(self.seen[-1])

    def _strays(self, event: str, arguments: tuple) -> bool:
        if event == "open":
            return bool(arguments[2] & WRITING) and self._outside(arguments[0])
        place = arguments[event in ("os.link", "os.symlink")]  # what they lead to may lie anywhere
        # a name relative to an open folder, as shutil gives it, is within what was given to shutil
        return event in CHANGES and arguments[-1] == -1 and self._outside(place)

    def _outside(self, place: Any) -> bool:
        if isinstance(place, int):  # a file that is open already
            return False
        path = os.path.abspath(os.fsdecode(place))
        return not (f"{path}/".startswith(self.folder) or path == os.devnull or "__pycache__" in path)


@functools.cache
def watch() -> Watch:
    """Return the one watch of this process."""
    return Watch()


# === The loop ===


@dataclass(frozen=True)
class Target:
    """Describe a parser and what it is given.

    Args:
        values: makes the strategy; what it and `read` need is imported here, before anybody watches.
        read: writes a value into an empty folder, reads it with the parser, and uses what comes back.
        errors: what it may raise.
    """

    values: Callable[[], Strategy]
    read: Callable[[Path, Any], Any]
    errors: tuple[type[Exception], ...] = (TlkitError,)


def fuzz(target: Target, root: Path, *, examples: int = SESSION, seconds: float = 0) -> int:
    """Give a parser one session of examples, always the same, or sessions of new ones until the time is over.

    Args:
        target: the parser.
        root: a folder beneath which all is written.
        examples: of a session.
        seconds: 0 for the session that is always the same.

    Returns:
        How many examples there were.

    Raises:
        AssertionError: it took too much time or memory, started a program, wrote elsewhere, or told an untruth.
        Exception: what it must not raise; hypothesis says for which example.
    """
    values = target.values()
    done = _session(target, values, root, WARM, None if not seconds else secrets.randbits(64))
    before, until = _resident("VmRSS"), time.monotonic() + seconds
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    while True:
        done += _session(target, values, root, examples, None if not seconds else secrets.randbits(64))
        grown = (_resident("VmHWM") - before) / 1024
        assert grown < MOST_MEMORY, f"{grown:.0f} MB more after {done} examples"
        if time.monotonic() >= until:
            return done


def _resident(what: str) -> int:
    """Return a line of /proc/self/status in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def _session(target: Target, values: Strategy, root: Path, examples: int, seed: int | None) -> int:
    place, done = root / "place", 0

    def one(value: Any) -> None:
        nonlocal done
        done += 1
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        began = time.monotonic()
        with watch().on(root), contextlib.suppress(*target.errors):
            target.read(place, value)
        assert time.monotonic() - began < MOST_SECONDS, f"it took {time.monotonic() - began:.0f} s"
        assert not CANARY.exists(), "code was run"

    how = settings(
        max_examples=examples,
        derandomize=seed is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    test = how(given(values)(one))
    (test if seed is None else hypothesis.seed(seed)(test))()
    return done
