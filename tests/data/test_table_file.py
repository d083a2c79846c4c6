"""Tables: their files, encodings and columns."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path

import pytest

import tlkit
from tlkit.data import table_file, table_source
from tlkit.errors import DataError

LINES = "text,label\nnaïve “café”,x\nplain,y\n"


def table(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def values(found: table_file.Table, column: str = "text") -> list[str]:
    return [row[column] for _, row in found.rows]


# === Files ===


@pytest.mark.parametrize("name", ["t.csv", "t.TSV", "t.jsonl", "t.ndjson", "t.csv.gz", "T.JSONL.GZ"])
def test_all_kinds_of_tables(tmp_path: Path, name: str) -> None:
    held = [("good film", "pos"), ("bad film", "neg")]
    if "json" in name.lower():
        lines = [json.dumps({"text": text, "label": label}) for text, label in held]
    else:
        lines = [("\t" if "TSV" in name else ",").join(row) for row in [("text", "label"), *held]]
    content = ("\n".join(lines) + "\n\n").encode()
    found = table_file.read(table(tmp_path / name, gzip.compress(content) if name.lower().endswith(".gz") else content))
    assert [(row["text"], row["label"]) for _, row in found.rows] == held
    assert (found.columns, found.broken, found.note) == (["text", "label"], [], "")
    assert table_file.is_table(name) and table_file.is_table(f"gs://b/{name}") and not table_file.is_table("t.gz")


def test_quotes_newlines_and_separators_in_fields(tmp_path: Path) -> None:
    content = '"a,b,c";text;label\r\n1;"two\r\nlines; and ""quotes"", too";x\r\n\r\n2;" b";y\r\n'
    found = table_file.read(table(tmp_path / "t.csv", content))
    assert found.columns == ["a,b,c", "text", "label"]
    assert values(found) == ['two\r\nlines; and "quotes", too', " b"]
    assert [line for line, _ in found.rows] == [2, 5]


def test_rows_of_another_length_are_named(tmp_path: Path) -> None:
    found = table_file.read(table(tmp_path / "t.csv", 'text,label\na,x\ntoo,many,fields\n"few\nlines"\nb,y\n'))
    assert [line for line, _ in found.rows] == [2, 6]
    assert found.broken == [
        ("line 3", "3 fields where the header has 2"),
        ("line 4", "1 fields where the header has 2"),
    ]


def test_lines_that_are_no_json_objects_are_named(tmp_path: Path) -> None:
    found = table_file.read(table(tmp_path / "t.jsonl", '{"text": "a"}\n{\n\n[1]\n{"label": 1}\n' + "[" * 100_000))
    assert [line for line, _ in found.rows] == [1, 5] and found.columns == ["text", "label"]
    assert [name for name, _ in found.broken] == ["line 2", "line 4", "line 6"]
    assert found.broken[0][1].startswith("not JSON: ") and found.broken[1][1] == "not a JSON object"


def test_long_fields(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    assert len(values(table_file.read(table(tmp_path / "t.csv", f"text\n{'x' * 200_000}\n")))[0]) == 200_000
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_the_first_rows(tmp_path: Path, name: str) -> None:
    lines = ["text", "a", "b", "c"] if name == "t.csv" else [json.dumps({"text": text}) for text in "abc"]
    assert values(table_file.read(table(tmp_path / name, "\n".join(lines)), first=2)) == ["a", "b"]


def test_a_packed_table_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = table(tmp_path / "t.csv.gz", gzip.compress(b"text,label\n" + b"a,b\n" * 5_000_000))
    with pytest.raises(DataError, match=r"unpacks to more than 16,000,000 bytes; unpack it with gunzip if that is as"):
        table_file.read(bomb)
    monkeypatch.setattr(table_source, "FLOOR", 0)
    content = "text,label\n" + "".join(f"text number {n},{n % 7}\n" for n in range(1000))
    assert len(table_file.read(table(tmp_path / "t.csv.gz", gzip.compress(content.encode(), 9))).rows) == 1000


# === Encodings ===


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings(tmp_path: Path, encoding: str, packed: bool) -> None:
    content = LINES.encode(encoding)
    path = table(tmp_path / ("t.csv.gz" if packed else "t.csv"), gzip.compress(content) if packed else content)
    found = table_file.read(path)
    assert values(found) == ["naïve “café”", "plain"] and found.columns == ["text", "label"]
    said = "The file is not in UTF-8; it was read as Windows-1252."
    assert found.note == (said if encoding == "cp1252" else "")


def test_both_byte_orders_of_utf_16(tmp_path: Path) -> None:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        assert values(table_file.read(table(tmp_path / "t.csv", mark + LINES.encode(encoding))))[0] == "naïve “café”"


def test_bytes_without_meaning_in_windows_1252(tmp_path: Path) -> None:
    found = table_file.read(table(tmp_path / "t.csv", b"text\n\xe9\x81\n"))
    assert values(found) == ["é\x81"]
    assert found.note == "The file is neither in UTF-8 nor in Windows-1252; it was read as Latin-1."


def test_a_fault_in_utf_8_does_not_garble_the_rest(tmp_path: Path) -> None:
    found = table_file.read(
        table(tmp_path / "t.csv", "text\nnaïve\ncafé\n".encode() + b"\xe9t\xe9\n" + "été\n".encode())
    )
    assert [values(found)[n] for n in (0, 1, 3)] == ["naïve", "café", "été"] and found.note == ""
    assert not values(found)[2].isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "text,label\na,b\n".encode("utf-16-le"),
            "NUL characters in its first line: .* byte order mark; save it as UTF",
        ),
        (b"PK\x03\x04\x14\x00\x06\x00\xff", "NUL characters in its first line: it is not text"),
        ("text\na\n".encode("utf-16") + b"x", r"is not sound UTF-16 text \(truncated data\); save it as UTF-8"),
    ],
)
def test_what_is_not_text(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table_file.read(table(tmp_path / "t.csv", content))


# === Tables that cannot be read ===


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\n", "has no readable row; add a header line and rows of examples and labels"),
        ("", "has no readable row"),
        ("text,label\na\n", r"has no readable row \(line 2: 1 fields where the header has 2\); add"),
        ('text,label\na,x\n"b" c,y\n', "not sound CSV: line 3: .*; double every quote inside a quoted field"),
        ('text,label\na,x\n"b,y\n', "not sound CSV: line 3: unexpected end of data"),
    ],
)
def test_tables_without_rows(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table_file.read(table(tmp_path / "t.csv", content))


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*none.csv; check it"):
        table_file.read(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder; give a file"):
        table_file.read(tmp_path)
    with pytest.raises(
        DataError, match=r"is not a table tlkit reads; convert it to one of .csv, .tsv, .* \(or with .gz"
    ):
        table_file.read(table(tmp_path / "t.xlsx", "a"))


@pytest.mark.parametrize("damage", [lambda data: data[:-12], lambda data: data[:10] + b"\xff" * 20, lambda data: b"no"])
def test_damaged_archives(tmp_path: Path, damage: object) -> None:
    path = table(tmp_path / "t.csv.gz", damage(gzip.compress(LINES.encode())))
    with pytest.raises(DataError, match=r"cannot read .*t.csv.gz: .*; check that it is whole and that you may read it"):
        table_file.read(path)


# === Columns ===


def test_columns_are_guessed_in_the_order_of_the_names(tmp_path: Path) -> None:
    found = table_file.read(table(tmp_path / "t.csv", "review, Text ,label\na,b,c\n"))
    assert table_file.guess(found, ["text", "review"]) == " Text "
    assert table_file.guess(found, ["body"]) is None
    assert table_file.guess(table_file.read(table(tmp_path / "t.csv", "TEXT,text\na,b\n")), ["text"]) == "TEXT"
    assert table_file.column(found, "review", ["text"], "text_column") == "review"


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    found = table_file.read(table(tmp_path / "t.csv", "a,b\n1,2\n"))
    with pytest.raises(DataError, match=r"t.csv has no column 'c'; it has a, b$"):
        table_file.column(found, "c", ["text"], "text_column")
    asked = "t.csv has no column called x, y, ...; it has a, b; name one with x_column="
    with pytest.raises(DataError, match=f"{asked}, or add a first line that names the columns where there is none"):
        table_file.column(found, None, ["x", "y", "z"], "x_column")
    found = table_file.read(table(tmp_path / "t.jsonl", '{"a": 1, "b": 2}'))
    with pytest.raises(DataError, match=r"it has a, b; name one with x_column=$"):
        table_file.column(found, None, ["x", "y", "z"], "x_column")


def test_a_first_line_that_is_no_header_is_shown_in_short(tmp_path: Path) -> None:
    header = ",".join(["w" * 100, *(f"c{number}" for number in range(99))])
    found = table_file.read(table(tmp_path / "t.csv", f"{header}\n" + "1," * 99 + "1\n"))
    with pytest.raises(DataError, match=rf"it has {'w' * 40}\.\.\., c0, .*, c18, \.\.\.; name"):
        table_file.column(found, None, ["x", "y"], "x_column")


def test_columns_of_the_same_name(tmp_path: Path) -> None:
    found = table_file.read(table(tmp_path / "t.csv", "text,text,label\n1,2,3\n"))
    assert table_file.column(found, None, ["label"], "label_column") == "label"
    with pytest.raises(DataError, match=r"t.csv has 2 columns called 'text'; give each a name of its own"):
        table_file.column(found, None, ["text"], "text_column")


def test_a_table_whose_name_is_no_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text("text,label\na,b\n")
    for read in (table_file.read, table_file.text, tlkit.text_table, tlkit.image_table, tlkit.table, tlkit.dialogues):
        with pytest.raises(DataError, match=r"caf\\xe9\.csv is not UTF-8; rename it$") as caught:
            read(path)
        assert str(caught.value).isprintable()
    plain = path.with_suffix(".txt")
    plain.write_text("a\n\nb")
    with pytest.raises(DataError, match=r"caf\\xe9\.txt is not UTF-8; rename it$"):
        tlkit.dialogues(plain)
