"""What the rows of a table say of their examples: labels, splits and groups."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlkit.data import example_info, table_file, table_labels
from tlkit.errors import DataError


def read(
    held: list[dict[str, Any]], group: str | None = None, task: str = "label"
) -> tuple[list[table_labels.Row], list, str]:
    lines = list(enumerate(held, 1))
    table = table_file.Table("t.jsonl", list(held[0]), lines, [("line 99", "broken")], "Said before.")
    return table_labels.examples(
        table, "label", group, lambda row: (row["text"], "" if row["text"] else "no text"), task
    )


def told(cells: list[Any], task: str) -> tuple[list[Any], list[tuple[str, str]]]:
    """Return what cells are read as, and the reasons of those that are not read."""
    found, lost, _ = read([{"text": "t", "label": cell} for cell in cells], task=task)
    return [row.label for row in found], lost[1:]


def test_examples_and_what_is_none() -> None:
    labels = ["x", None, float("nan"), "", "  ", "a\0b", 0, False]
    found, lost, note = read([{"text": "t", "label": label} for label in labels] + [{"text": "", "label": "x"}])
    assert [(row.line, row.value, row.label) for row in found] == [(1, "t", "x"), (7, "t", 0), (8, "t", False)]
    missing = [(f"line {line}", "no label in the column 'label'") for line in range(2, 6)]
    nul = ("line 6", "a NUL character in the column 'label'")
    assert lost == [("line 99", "broken"), *missing, nul, ("line 9", "no text")]
    assert note == "Said before." and {row.split for row in found} == {"train"}


def test_strings_that_nothing_could_take() -> None:
    assert table_labels.unfit("naïve 😀") == ""
    assert table_labels.unfit("a\0") == "a NUL character"
    assert (
        table_labels.unfit("\udce9") == table_labels.unfit("\ud800") == "bytes that are not characters of its encoding"
    )


# === Labels ===


@pytest.mark.parametrize("label", [["a"], {"a": 1}, '["a", "b"]', "a|b", "a; b", " b;c|"])
def test_several_labels_in_a_cell(label: Any) -> None:
    cells = [label, "a", "b", "x"]
    said = "the column 'label' of t.jsonl holds several labels in one cell, such as .*; read it with task='tags' "
    said += r"\(--target tags\), or keep one label a row"
    with pytest.raises(DataError, match=said):
        read([{"text": "t", "label": cell} for cell in cells])


def test_several_labels_that_never_stand_alone() -> None:
    with pytest.raises(DataError, match=r"such as 'a\|b'; read it with task='tags' \(--target tags\)"):
        read([{"text": "t", "label": label} for label in ("a|b", "b|c", "c|a")])


@pytest.mark.parametrize(
    "labels", [["n01;cat", "n02; dog"], ["yes|no", "maybe"], ["[a]", "[b"], ["a;", "b;"], ["1.5", "a"]]
)
def test_names_that_only_look_like_several(labels: list[str]) -> None:
    assert [row.label for row in read([{"text": "t", "label": label} for label in labels])[0]] == labels


@pytest.mark.parametrize("labels", [["1", "2.5", "2.5"], [1, 2.5], [0.25, 2.0]])
def test_fractional_numbers(labels: list) -> None:
    said = (
        "the column 'label' of t.jsonl holds fractional numbers, such as '?[02].[25]+'?; read it with task='value' "
        r"\(--target value\), or write the name of one class"
    )
    with pytest.raises(DataError, match=said):
        read([{"text": "t", "label": label} for label in labels])


@pytest.mark.parametrize("labels", [["1", "-2", "1.0"], [1, 2], [True, False], ["1", "inf", "nan"]])
def test_whole_numbers_are_classes(labels: list) -> None:
    assert [row.label for row in read([{"text": "t", "label": label} for label in labels])[0]] == labels


# === Tags ===


@pytest.mark.parametrize(
    ("cells", "tags"),
    [
        (["a|b", " b | a |b", "", None, "a"], [("a", "b"), ("b", "a"), (), (), ("a",)]),
        (["a;b", "c"], [("a", "b"), ("c",)]),
        (["a|b;c", "d;e"], [("a", "b;c"), ("d;e",)]),  # one separator for the column
        (['["a", "b|c"]', "x;y"], [("a", "b|c"), ("x", "y")]),
        ([["a", 1, "a"], [], "b", 7, float("nan")], [("a", "1"), (), ("b",), ("7",), ()]),
        (["sun, moon", "stars"], [("sun, moon",), ("stars",)]),  # a comma within a name
    ],
)
def test_tags(cells: list[Any], tags: list[tuple[str, ...]]) -> None:
    assert told(cells, "tags") == (tags, [])


def test_cells_without_names_of_tags_are_left_out() -> None:
    found, lost = told(["a", {"a": 1}, ["a", 1.5], ["a", None], "b|\0"], "tags")
    assert found == [("a",)] and [line for line, _ in lost] == ["line 2", "line 3", "line 4", "line 5"]
    assert lost[0][1] == "no names of tags but {'a': 1} in the column 'label'"
    assert (
        lost[1][1].startswith("no names of tags but 1.5 in") and lost[3][1] == "a NUL character in the column 'label'"
    )


def test_tags_parted_by_commas_are_refused() -> None:
    said = "the column 'label' of t.jsonl parts tags by commas, as in 'a, b'; part them by | or ;"
    with pytest.raises(DataError, match=re.escape(said)):
        told(["a, b", "b", "c"], "tags")


# === Values ===


def test_values() -> None:
    assert told(["1", " -2.5 ", 3, 4.5, "1e3"], "value") == ([1.0, -2.5, 3.0, 4.5, 1000.0], [])


def test_cells_without_a_number_are_left_out() -> None:
    cells = [1, 2, 3, 4, 5, 6, 7, "x", None, "", float("inf"), "1e300", True]
    found, lost = told(cells, "value")
    assert found == [1, 2, 3, 4, 5, 6, 7]
    reasons = ["no number but 'x'", "no number", "no number", "no finite number but inf", "a number too large, '1e300'"]
    assert [reason for _, reason in lost] == [f"{r} in the column 'label'" for r in (*reasons, "no number but True")]


@pytest.mark.parametrize(("cells", "count"), [(["cat", "dog"], "no"), (["1", "cat", "dog"], "hardly any")])
def test_names_are_no_values(cells: list[str], count: str) -> None:
    said = f"the column 'label' of t.jsonl holds {count} numbers, but such as 'cat'; name the column of the values with"
    with pytest.raises(DataError, match=said):
        told(cells, "value")


# === Splits and groups ===


def test_a_split_column() -> None:
    splits = ["train", "Validation ", "DEV", "test", "valid", "val"]
    held = [{"text": "t", "label": "x", "Split": split} for split in splits] + [
        {"text": "t", "label": "", "Split": "?"}
    ]
    found, _, note = read(held)
    assert [row.split for row in found] == ["train", "val", "val", "test", "val", "val"]
    assert note == "Said before."
    found, _, note = read([*held, {"text": "t", "label": "x", "Split": "7"}])
    assert {row.split for row in found} == {"train"}
    assert note.endswith("before. The column 'split' was not used: it holds something else than train, val and test.")


def test_a_split_column_may_hold_the_labels() -> None:
    table = table_file.Table("t.csv", ["text", "split"], [(2, {"text": "a", "split": "train"})], [])
    found, _, note = table_labels.examples(table, "split", None, lambda row: (row["text"], ""))
    assert (found[0].label, found[0].split, note) == ("train", "train", "")
    table.rows[0][1]["split"] = "test"
    assert table_labels.examples(table, "split", None, lambda row: (row["text"], ""))[0][0].split == "train"


def test_groups() -> None:
    held = [{"text": "t", "label": "x", "who": who} for who in (" a ", 0, None, "")]
    assert [row.group for row in read([*held, {"text": "t", "label": "x"}], "who")[0]] == ["a", "0", "", "", ""]


def test_parts() -> None:
    found = [table_labels.Row(n, f"t{n}", n, "test" if n == 1 else "train", f"g{n}") for n in range(3)]
    items = [row.value for row in found]
    parts = table_labels.parts(found, items, example_info.look(items, "text", ["a", "b", "c"]), grouped=True)
    assert {split: (part.items, part.labels) for split, part in parts.items()} == {
        "train": (["t0", "t2"], [0, 2]),
        "test": (["t1"], [1]),
    }
    assert parts["train"].traits.names.tolist() == ["a", "c"] and parts["test"].traits.groups.tolist() == ["g1"]
    ungrouped = table_labels.parts(found, items, example_info.look(items, "text"), grouped=False)
    assert ungrouped["train"].traits.groups is None
    assert np.array_equal(ungrouped["train"].traits.digests, parts["train"].traits.digests)


def test_a_table_of_json_lines_from_end_to_end(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({"text": "\ud800", "label": label}) for label in "ab"))
    found, lost, _ = table_labels.examples(
        table_file.read(path), "label", None, lambda row: (row["text"], table_labels.unfit(row["text"]))
    )
    assert found == [] and lost[0] == ("line 1", "bytes that are not characters of its encoding")
