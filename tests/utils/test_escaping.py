"""Texts of strangers on terminals, in tables, in Markdown, YAML and JSON: they are shown, and do nothing."""

from __future__ import annotations

import ast
import csv
import io
import json
import logging
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tlkit
from tests.helpers.markdown_cards import rendered
from tlkit.cli import arguments
from tlkit.config import Splitting
from tlkit.errors import DataError
from tlkit.training import checkpoint
from tlkit.utils import escaping, interrupts, progress

PACKAGE = Path(tlkit.__file__).parent
ACTIVE = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A))]
HOSTILE = "\x1b[2J\x9b1mred\r\nartifact: \u202eelsewhere\u2028\ud800"
WITHOUT = r"\x1b[2J\x9b1mred\r\nartifact: \u202eelsewhere\u2028\ud800"
TEXTS = st.text(st.characters(exclude_categories=())) | st.text("'=+-@\t\r\n ＝＋－＠1.e5xif", max_size=8)
WRITES = r"(builtins\.|pprint\.)?p?print|sys\.(stdout|stderr)(\.buffer)?\.write(lines)?"  # what shows a text
many = settings(max_examples=300, deadline=None, derandomize=True, database=None)


# === Terminals ===


def test_a_line_has_nothing_a_terminal_obeys() -> None:
    assert not set(escaping.line("".join(ACTIVE))) & set(ACTIVE)
    assert escaping.line(HOSTILE) == WITHOUT
    assert escaping.line("é 日本\u3000\xa0🙂 👩\u200d💻 می\u200cخواهم") == "é 日本\u3000\xa0🙂 👩\u200d💻 می\u200cخواهم"
    assert set(escaping.lines("".join(ACTIVE))) & set(ACTIVE) == {"\n", "\t"}


def test_what_is_printed_fits_the_stream() -> None:
    for encoding, shown in (("utf-8", "é\ta\n"), ("ascii", "\\xe9\ta\n"), ("cp1252", "é\ta\n")):
        stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict", newline="\n")
        progress.say("é\ta", to=stream, flush=True)
        assert stream.buffer.getvalue().decode(encoding) == shown
    stream = io.StringIO()
    arguments.say_line("a\nb", to=stream)
    progress.say("\ud800\x1b[0m", to=stream, before="\r")
    assert stream.getvalue() == "a\\nb\n\r\\ud800\\x1b[0m\n"


def printed(source: str) -> list[tuple[str, int]]:
    """Return the calls in a source that write to the screen, as function and line."""
    found = []
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and re.fullmatch(WRITES, ast.unparse(node.func)):
            inside = [each.name for each in functions if each.lineno <= node.lineno <= each.end_lineno]
            found.append((inside[-1] if inside else "", node.lineno))
    return found


def test_every_print_passes_one_function() -> None:
    found = {(path.name, name) for path in PACKAGE.rglob("*.py") for name, _ in printed(path.read_text("utf-8"))}
    assert found == {("progress.py", "say")}, "print with progress.say, or arguments.say_line"
    assert printed("def f():\n    print(1)\nsys.stderr.write('')") == [("", 3), ("f", 2)]


def test_every_log_passes_one_function(caplog: pytest.LogCaptureFixture) -> None:
    named = [path.name for path in PACKAGE.rglob("*.py") if 'getLogger("tlkit")' in path.read_text("utf-8")]
    assert named == ["progress.py"], "take progress.log"
    logging.getLogger("tlkit").warning("%s is damaged", HOSTILE)
    assert caplog.messages == [f"{WITHOUT} is damaged"]


def test_the_titles_of_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_QUIET", "0")
    monkeypatch.setattr(sys, "stderr", screen := io.StringIO())
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    with progress.progress("a\x1b[2J\nb", 10) as step:
        step(5)
    assert "a\\x1b[2J\\nb" in screen.getvalue() and "[2J\n" not in screen.getvalue()


def test_interrupts_are_told_through_it(capsys: pytest.CaptureFixture) -> None:
    interrupts._say("\nstopping \x1b[2J\n")
    assert capsys.readouterr().err == "\nstopping \\x1b[2J\n"


# === JSON and YAML ===


def test_json_is_valid_and_does_nothing_to_a_terminal() -> None:
    value = {HOSTILE: ["é\x7f🙂", "".join(ACTIVE)]}
    for plain in (False, True):
        text = escaping.json_line(value, plain=plain)
        assert json.loads(text) == value and not set(text) & set(ACTIVE) and text.isascii() is plain
    text.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        escaping.json_line(np.inf)


def test_json_on_streams(capsys: pytest.CaptureFixture) -> None:
    arguments.say_json({"é": [np.inf, np.float32("nan"), {"a": -np.inf}], "\ud800": np.array([1.5, np.nan])})
    out = capsys.readouterr().out
    assert out == '{"é": [null, null, {"a": null}], "\\ud800": [1.5, null]}\n'
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", errors="strict")
    arguments.say_json({"é🙂": 1}, to=stream)
    assert stream.buffer.getvalue() == b'{"\\u00e9\\ud83d\\ude42": 1}\n'


@many
@given(TEXTS)
@example("a: b\n---")
@example("\x85\ufeff\uffff\u2029🙂\ud83d\ude42\\\"'")
def test_yaml_reads_the_very_text(text: str) -> None:
    yaml = pytest.importorskip("yaml")
    told = escaping.yaml(text)
    assert yaml.safe_load(f"a: {told}\nb: [{told}]") == {"a": text, "b": [text]} and len(told.splitlines()) == 1
    told.encode()


# === Tables ===


@many
@given(TEXTS)
@example("'")
@example("''=1")
@example("'-3.5")
def test_cells_come_back(text: str) -> None:
    told = escaping.cell(text)
    assert escaping.from_cell(told) == text
    assert told == text or told == f"'{text}"
    bare = told.lstrip(" \t\r\n\u3000\xa0")
    if bare[:1] in set("=+-@＝＋－＠"):
        assert str(float(text)), "only numbers begin so"


@pytest.mark.parametrize("text", ["-3.5", "+1e3", "-.5", "5", "-0", "+7.", "-1E-9", "-inf", "nan", "1e5", "a=b", "'a"])
def test_cells_that_stay(text: str) -> None:
    assert escaping.cell(text) == text == escaping.from_cell(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "=1+1",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "\n=1",
            " =1",
            "\ufeff=1",
            "＝1",
            "＋1",
            "－1",
        ),
        *("＠a", "-", "+", "-1-1", "-１", "'=1", "''@a", "\t\t+a", "--1"),
    ],
)
def test_cells_that_begin_as_a_formula(text: str) -> None:
    assert escaping.cell(text) == f"'{text}" and escaping.from_cell(f"'{text}") == text


FORMULAS = ("=SUM(1)", "@home", "'-quoted", "plain")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return class folders whose names begin as formulas, with a file each that cannot be read."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in FORMULAS:
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
        (tmp_path / "pictures" / name / "+bad.png").write_bytes(b"")
    return tmp_path / "pictures"


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_tables_of_a_run_hold_no_formula_and_are_read_again(pictures: Path, tmp_path: Path) -> None:
    path, lost = tmp_path / "splits.csv", tmp_path / "quarantine.csv"
    data = tlkit.image_folder(pictures)
    data.write_splits(path)
    data.write_quarantine(lost)
    told = [cell for row in [*cells(path), *cells(lost)] for cell in row]
    assert {"'=SUM(1)", "'@home", "''-quoted", "plain"} <= set(told) and not [c for c in told if c[:1] in tuple("=@+-")]
    assert len(cells(lost)) == 1 + len(FORMULAS)
    again = tlkit.image_folder(pictures, splitting=Splitting(7, file=str(path)))
    for name, split in data.splits().items():
        assert split.seen("image").names.tolist() == again.splits()[name].seen("image").names.tolist()


def test_a_splits_file_of_before_is_read_as_it_was_written(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    data = tlkit.image_folder(pictures)
    data.write_splits(path)
    rows = [list(map(escaping.from_cell, row)) for row in cells(path)]
    with path.open("w", newline="", encoding="utf-8") as file:  # names and labels as they are
        csv.writer(file).writerows(rows)
    assert {"=SUM(1)", "'-quoted"} <= {row[1] for row in rows}
    again = tlkit.image_folder(pictures, splitting=Splitting(7, file=str(path)))
    for name, split in data.splits().items():
        assert split.seen("image").names.tolist() == again.splits()[name].seen("image").names.tolist()


def test_a_row_of_splits_without_an_example_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text("split,example\ntrain\n")
    with pytest.raises(DataError, match=r"splits\.csv does not say where 4 examples belong"):
        tlkit.arrays(list("abcd"), ["x", "y"] * 2, splitting=Splitting(file=str(tmp_path / "splits.csv")))


def test_metrics_keep_numbers_and_mark_texts(tmp_path: Path) -> None:
    checkpoint.Keeper(tmp_path).tell([{"phase": "=head", "epoch": 1, "loss": -3.5, "val_loss": 1e-20}])
    assert cells(tmp_path / "metrics.csv") == [["phase", "epoch", "loss", "val_loss"], ["'=head", "1", "-3.5", "1e-20"]]


# === Markdown ===


@many
@given(TEXTS | st.text("\\`*_{}[]<>()#+-.!|~$&:=@;/x1 \n\t", max_size=12))
@example("| a")
@example("1. a")
@example("12\\. a")
@example("+ a")
@example("---")
@example("&lt;&#60;")
@example("![a](b)")
@example("<https://a.example>")
@example("\\|")
@example("x\\")
def test_markdown_shows_the_very_text(text: str) -> None:
    told, shown = escaping.markdown(text), escaping.line(text).strip()
    item = rendered(f"- {told}\n")
    assert ([name for name, *_ in item.elements], item.text.strip()) == (["ul", "li"], shown)
    table = rendered(f"| a | b |\n|---|---|\n| {told} | x |\n")
    names = ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert ([name for name, *_ in table.elements], table.text.split()) == (names, ["a", "b", *shown.split(), "x"])
