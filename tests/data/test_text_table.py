"""Tables of texts."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import tlkit
from tlkit.config import Splitting
from tlkit.data.readers.text_table import text_table
from tlkit.errors import DataError, InputError

TEXTS = ["good film", "bad film", "fine play", "poor play", "great book", "dull book"]
LABELS = ["pos", "neg"] * 3
PAIRS = "question,answer,label\n" + "".join(f"q{n},a{n},{'xy'[n % 2]}\n" for n in range(6))


def table(path: Path, text: str = "", rows: Sequence[tuple[str, str]] = tuple(zip(TEXTS, LABELS, strict=True))) -> Path:
    path.write_text(text or "text,label\n" + "".join(f"{a},{b}\n" for a, b in rows), encoding="utf-8")
    return path


def everything(dataset: tlkit.Data) -> list[tuple[str, str]]:
    parts = dataset.splits().values()
    return sorted((item, dataset.labels[i]) for part in parts for item, i in zip(part.items, part.labels, strict=True))


# === Texts ===


def test_csv(tmp_path: Path) -> None:
    rows = 'Label;Text\npos;"two\nlines; and ""quotes"""\n' + "neg;bad\npos;good\nneg;dull\npos;fine\nneg;poor\n"
    path = tmp_path / "t.csv"
    path.write_text(rows, encoding="utf-8-sig")
    dataset = text_table(path, seed=3)
    assert everything(dataset)[-1] == ('two\nlines; and "quotes"', "pos")
    assert (dataset.labels, dataset.kind, len(everything(dataset))) == (("neg", "pos"), "text", 6)
    assert dataset.source == str(path) and "(seed 3)" in dataset.splitting
    names = [name for split in dataset.splits().values() for name in split.traits.names]
    assert sorted(names) == ["line 2", *(f"line {number}" for number in range(4, 9))]


def test_named_columns(tmp_path: Path) -> None:
    rows = [f"1,{text},2,{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
    path = table(tmp_path / "t.csv", "\n".join(["text,a,label,b", *rows]))
    assert everything(text_table(path, text_column="a", label_column="b")) == sorted(zip(TEXTS, LABELS, strict=True))


def test_numbers_as_labels(tmp_path: Path) -> None:
    numbers = [10, 9, 9, 10, 9, 10]
    assert text_table(table(tmp_path / "t.csv", rows=list(zip(TEXTS, numbers, strict=True)))).labels == ("9", "10")
    lines = [json.dumps({"text": text, "label": label}) for text, label in zip(TEXTS, numbers, strict=True)]
    assert text_table(table(tmp_path / "t.jsonl", "\n".join(lines))).labels == ("9", "10")


def test_the_encoding_that_was_guessed_is_said(tmp_path: Path) -> None:
    rows = [(f"{text} café", label) for text, label in zip(TEXTS, LABELS, strict=True)]
    path = table(tmp_path / "t.csv", rows=rows)
    assert "UTF-8" not in text_table(path).splitting
    path.write_bytes(path.read_text("utf-8").encode("latin-1"))
    dataset = text_table(path)
    assert everything(dataset) == sorted(rows)
    assert dataset.splitting.endswith("The file is not in UTF-8; it was read as Windows-1252.")


def test_bad_rows_are_named_and_left_out(tmp_path: Path) -> None:
    good = "".join(f"{text},{label}\n" for text, label in zip(TEXTS, LABELS, strict=True))
    dataset = text_table(table(tmp_path / "t.csv", f"text,label\n{good} ,x\ne,\ntoo,many,fields\nfew\nn\0l,pos\n"))
    assert dataset.unreadable == (
        ("line 10", "3 fields where the header has 2"),
        ("line 11", "1 fields where the header has 2"),
        ("line 8", "an empty text in the column 'text'"),
        ("line 9", "no label in the column 'label'"),
        ("line 12", "a NUL character in the column 'text'"),
    )
    assert len(everything(dataset)) == 6
    path = tmp_path / "u.csv"
    path.write_bytes(f"text,label\nnaïve,pos\n{good}".encode() + b"\xe9,neg\n")
    reason = "bytes that are not characters of its encoding in the column 'text'"
    assert text_table(path).unreadable == (("line 9", reason),)
    with pytest.raises(DataError, match=f"1 could not be read; line 9: {reason}; repair or remove them"):
        text_table(path, strict=True)


def test_texts_that_are_none_in_json(tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
    lines = [json.dumps(row) for row in [*rows, {"text": 3, "label": "pos"}, {"label": "pos"}, {"text": "c"}]]
    assert text_table(table(tmp_path / "t.jsonl", "\n".join(lines))).unreadable == (
        ("line 7", "no text in the column 'text'"),
        ("line 8", "no text in the column 'text'"),
        ("line 9", "no label in the column 'label'"),
    )


# === Pairs ===


@pytest.mark.parametrize("columns", [("question", "answer"), ["question", "answer"], "question, answer"])
def test_a_pair_of_columns_is_one_text(tmp_path: Path, columns: str | Sequence[str]) -> None:
    dataset = text_table(table(tmp_path / "t.csv", PAIRS), text_column=columns)
    assert everything(dataset) == [(f"q{n}\na{n}", "xy"[n % 2]) for n in range(6)]


def test_a_column_whose_name_has_a_comma(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", PAIRS.replace("question,answer", '"question,answer",answer'))
    assert everything(text_table(path, text_column="question,answer"))[0] == ("q0", "x")


def test_pairs_of_which_one_is_empty(tmp_path: Path) -> None:
    dataset = text_table(table(tmp_path / "t.csv", PAIRS + "q,,x\n,a,y\n, ,y\n"), text_column="question,answer")
    assert {("q", "x"), ("a", "y")} < set(everything(dataset))
    assert dataset.unreadable == (("line 10", "an empty text in the columns 'question' and 'answer'"),)
    lines = [json.dumps({"a": f"a{n}", "b": f"b{n}", "label": n % 2}) for n in range(6)]
    lines += [json.dumps({"a": "alone", "b": None, "label": 1}), json.dumps({"a": "no", "b": 1, "label": 1})]
    dataset = text_table(table(tmp_path / "t.jsonl", "\n".join(lines)), text_column="a,b")
    assert ("alone", "1") in everything(dataset)
    assert dataset.unreadable == (("line 8", "no text in the columns 'a' and 'b'"),)


def test_pairs_that_cannot_be(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", PAIRS)
    with pytest.raises(DataError, match="has no column 'reply'; it has question, answer, label"):
        text_table(path, text_column="question,reply")
    with pytest.raises(
        InputError, match=r"text_column=\('question', 'answer', 'label'\) names 3 columns; name one, or"
    ):
        text_table(path, text_column=("question", "answer", "label"))
    with pytest.raises(InputError, match=r"text_column=\(\) names 0 columns"):
        text_table(path, text_column=())
    numbers = "".join(f"t{n},{n},{'xy'[n % 2]}\n" for n in range(6))
    with pytest.raises(DataError, match=r"the column 'year' of .* holds only numbers"):
        text_table(table(tmp_path / "n.csv", f"title,year,label\n{numbers}"), text_column="title,year")


# === Splits ===


def test_split_column(tmp_path: Path) -> None:
    rows = [f"{a} {c},{b},{c}" for c in ("train", "dev", "test") for a, b in zip(TEXTS, LABELS, strict=True)]
    dataset = text_table(table(tmp_path / "t.csv", "\n".join(["text,label,split", *rows])))
    assert {split: {text.split()[-1] for text in part.items} for split, part in dataset.splits().items()} == {
        "train": {"train"},
        "val": {"dev"},
        "test": {"test"},
    }
    assert dataset.splitting == "The train, val and test splits were given."
    dataset = text_table(table(tmp_path / "u.csv", "\n".join(["text,label,split", *rows, "odd,pos,7"])))
    assert "The column 'split' was not used: it holds something else" in dataset.splitting
    assert len(everything(dataset)) == 19


def test_groups_stay_together(tmp_path: Path) -> None:
    rows = [f"{who} says {n},{'xy'[n % 2]},{who}" for who in "abcdefghij" for n in range(4)]
    dataset = text_table(
        table(tmp_path / "t.csv", "\n".join(["text,label,who", *rows])), splitting=Splitting(group_by="who")
    )
    sides = [{text[0] for text in part.items} for part in dataset.splits().values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 10 and "Grouped by who: 10 groups" in dataset.splitting
    with pytest.raises(DataError, match="has no column 'whom'; it has text, label, who"):
        text_table(tmp_path / "t.csv", splitting=Splitting(group_by="whom"))


def test_a_splits_file_finds_every_line(tmp_path: Path) -> None:
    dataset = text_table(table(tmp_path / "t.csv"))
    dataset.write_splits(tmp_path / "splits.csv")
    with (tmp_path / "splits.csv").open(encoding="utf-8") as file:
        assert sorted(row["example"] for row in csv.DictReader(file)) == [f"line {n}" for n in range(2, 8)]
    again = text_table(tmp_path / "t.csv", seed=5, splitting=Splitting(5, file=str(tmp_path / "splits.csv")))
    assert again.fingerprint() == dataset.fingerprint()


# === Tables that cannot be read ===


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "text,score\na,1\n",
            r"no column called label, category, ...; it has text, score; name one with label_column=",
        ),
        (
            "words,label\na,x\n",
            r"no column called text, sentence, ...; it has words, label; name one with text_column=",
        ),
        ("fine,pos\npoor,neg\n", "it has fine, pos; .* or add a first line that names the columns where there is none"),
        ("text,label\n1,a\n2.5,b\n", "the column 'text' of .* holds only numbers; .* one of text, label"),
        ("text,label\n,x\n ,y\n", r"no readable example to train on \(2 could not be read; line 2: an empty text"),
        ("text,label\na,x\nb,x\n", "has a single class, 'x'"),
        ("text,label\na,x\nb,x\nc,y\nd,z\n", "has one example only of 2 classes: 'y', 'z'; add examples"),
        (
            "text,label,split\na,x,train\nb,x,train\nc,y,test\nd,y,test\n",
            "test split .* 'y', which the train split lacks",
        ),
        ("text,label,split\na,x,test\nb,y,test\n", "no readable example to train on; add some"),
        ("text,label\na,x\nb,y\nc,x|y\n", r"several labels in one cell, such as 'x\|y'"),
        ("text,label\na,0.5\nb,1\n", "holds fractional numbers, such as '0.5'"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        text_table(path)


def test_labels_of_mixed_types(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text, "label": label}) for text, label in zip(TEXTS, [1, "a"] * 3, strict=True)]
    with pytest.raises(DataError, match=r"the labels of .* are of the types int, str; make them all strings, or all"):
        text_table(table(tmp_path / "t.jsonl", "\n".join(lines)))


def test_numbers_in_json_are_no_texts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds only numbers"):
        text_table(table(tmp_path / "n.jsonl", '{"text": 1, "label": "x"}\n{"text": 2, "label": "y"}'))


def test_shared_tables(shared: Path) -> None:
    assert len(everything(text_table(shared / "text" / "sms_spam.csv"))) == 5574
    assert len(text_table(shared / "text" / "banking77_train.csv").labels) == 77


def test_numbers_that_no_float_holds(tmp_path: Path) -> None:
    lines = [{"text": 10**400, "label": "a"}, {"text": 10**400, "label": "b"}]
    path = table(tmp_path / "t.jsonl", "\n".join(map(json.dumps, lines)))
    with pytest.raises(DataError, match=r"the column 'text' of .* holds only numbers"):
        text_table(path)


def test_labels_of_more_digits_than_python_reads(tmp_path: Path) -> None:
    rows = [(f"text {n}", label) for label in ("9" * 5000, "1") for n in range(6)]
    assert text_table(table(tmp_path / "t.csv", rows=rows)).labels == ("1", "9" * 5000)


def test_a_label_with_a_carriage_return_comes_back_from_the_splits(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = [{"text": f"text {n}", "label": label} for label in ("a\rb", "c,d") for n in range(6)]
    path.write_text("\n".join(map(json.dumps, lines)))
    dataset = text_table(path)
    dataset.write_splits(tmp_path / "splits.csv")
    again = text_table(path, splitting=Splitting(file=str(tmp_path / "splits.csv")))
    assert again.fingerprint() == dataset.fingerprint()
