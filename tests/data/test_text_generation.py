"""Tables of prompts and replies, of documents and summaries, and plain texts."""

from __future__ import annotations

from pathlib import Path

import pytest

import tlkit
from tlkit.config import Splitting
from tlkit.data.text_pairs import Pair
from tlkit.errors import DataError
from tlkit.tasks.next_token import Reply, Summary

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def table(path: Path, header: str = "question,answer", rows: int = 12) -> Path:
    lines = [f'"who is {WORDS[number]}, and why?","it is {WORDS[-number]}"' for number in range(rows)]
    path.write_text("\n".join([header, *lines]))
    return path


def test_a_table_of_dialogues(tmp_path: Path) -> None:
    data = tlkit.dialogues(table(tmp_path / "talk.csv"))
    assert data.task == "reply" and data.target == Reply() and data.labels == ("reply",)
    assert sorted(len(split) for split in data.splits().values()) == [2, 2, 8]
    items = [item for split in data.splits().values() for item in split.items]
    assert Pair("who is one, and why?", "it is one") in items and all(len(item.parts) == 2 for item in items)
    assert "text, a reply;" in repr(data)


def test_rows_without_a_text_are_named(tmp_path: Path) -> None:
    path = table(tmp_path / "talk.csv")
    path.write_text(path.read_text() + '\n"an odd one"," "\n"","nobody asked"')
    data = tlkit.dialogues(path)
    assert data.unreadable == (
        ("line 14", "no text in the column 'answer'"),
        ("line 15", "no text in the column 'question'"),
    )
    with pytest.raises(DataError, match="2 could not be read"):
        tlkit.dialogues(path, strict=True)


def test_columns_by_name(tmp_path: Path) -> None:
    path = table(tmp_path / "talk.csv", "a,b")
    with pytest.raises(DataError, match=r"no column called prompt, question.*name one with prompt_column="):
        tlkit.dialogues(path)
    assert len(tlkit.dialogues(path, prompt_column="a", reply_column="b").train) == 8


def test_what_differs_in_the_reply_alone_differs(tmp_path: Path) -> None:
    for name, row in (("a", '"x\ny","z"'), ("b", '"x","y\nz"')):
        path = table(tmp_path / f"{name}.csv")
        path.write_text(path.read_text() + f"\n{row}")
    prints = {tlkit.dialogues(tmp_path / f"{name}.csv").fingerprint() for name in "ab"}
    assert len(prints) == 2


def test_a_folder_of_tables_gives_the_splits(tmp_path: Path) -> None:
    for name, count in (("train", 9), ("dev", 2), ("test", 3)):
        table(tmp_path / f"{name}.csv", "article,summary", count)
    data = tlkit.summaries(tmp_path, splitting=Splitting(near_duplicates="anywhere"))
    assert {name: len(split) for name, split in data.splits().items()} == {"train": 9, "val": 2, "test": 3}
    assert data.target == Summary() and data.train.traits.names[0] == "train line 2"
    (tmp_path / "train.csv").unlink()
    with pytest.raises(DataError, match="holds no table called train"):
        tlkit.summaries(tmp_path)


def test_plain_texts(tmp_path: Path) -> None:
    texts = [f"a text about {word}" for word in WORDS]
    whole = tmp_path / "all.txt"
    whole.write_text("\n\n".join(texts))
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text)
    (folder / "empty.txt").write_text(" ")
    for place in (whole, folder):
        data = tlkit.dialogues(place)
        assert sorted(item for split in data.splits().values() for item in split.items) == sorted(texts)
        assert data.task == "reply" and not isinstance(data.train.items[0], Pair)
    assert data.unreadable == (("empty.txt", "an empty text"),)
    with pytest.raises(DataError, match="there is no file"):
        tlkit.dialogues(tmp_path / "none.txt")


@pytest.mark.slow
def test_real_summaries(shared: Path) -> None:
    data = tlkit.summaries(shared / "summaries")
    assert {name: len(split) for name, split in data.splits().items()} == {"train": 1992, "val": 619, "test": 618}
