"""Reading tables of numbers and categories."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tlkit.data import reader_factory as data_module
from tlkit.data.table_columns import Column
from tlkit.doctor import checks
from tlkit.errors import DataError, InputError

HEADER = "amount,city,fraud"


def write(path: Path, lines: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def lines(count: int = 40) -> list[str]:
    return [f"{n},{'Oslo' if n % 3 else 'Rome'},{'yes' if n % 4 == 0 else 'no'}" for n in range(count)]


def test_numbers_categories_and_labels(tmp_path: Path) -> None:
    data = tlkit.table(write(tmp_path / "a.csv", lines()))
    assert data.kind == "table" and data.labels == ("no", "yes") and data.unlabeled is None
    assert data.columns == (Column("amount"), Column("city", ("Oslo", "Rome")))
    assert sum(map(len, data.splits().values())) == 40
    assert data.train.items.dtype == np.float32 and data.train.items.shape[1] == 2
    for split in data.splits().values():
        for row, label, name in zip(split.items, split.labels, split.traits.names, strict=True):
            number = int(name.removeprefix("line ")) - 2
            assert (row[0], row[1], label) == (number, number % 3 == 0, number % 4 == 0)
    assert "table, 2 classes" in repr(data)


def test_rows_without_a_label_are_kept_apart(tmp_path: Path) -> None:
    more = ["900,Rome,", "901,?,NA", "902,Oslo,  "]
    data = tlkit.table(write(tmp_path / "a.csv", [*lines(), *more]))
    assert np.array_equal(data.unlabeled, np.array([[900, 1], [901, np.nan], [902, 0]], np.float32), equal_nan=True)
    assert sum(map(len, data.splits().values())) == 40 and "3 without a label" in repr(data)
    assert data.fingerprint() != tlkit.table(write(tmp_path / "b.csv", lines())).fingerprint()


def test_the_fingerprint_covers_cells_and_categories(tmp_path: Path) -> None:
    prints = set()
    for number, found in enumerate(
        (lines(), ["77,Oslo,no", *lines()[1:]], [t.replace("Oslo", "Bonn") for t in lines()])
    ):
        prints.add(tlkit.table(write(tmp_path / f"{number}.csv", found)).fingerprint())
    assert len(prints) == 3


def test_mistakes_are_left_out_by_name(tmp_path: Path) -> None:
    more = ["cheap,Rome,no", "dear,Oslo,", "1,2", "inf,Oslo,no"]
    data = tlkit.table(write(tmp_path / "a.csv", [*lines(), *more]))
    told = dict(data.unreadable)
    assert set(told) == {"line 42", "line 43", "line 44", "line 45"}
    assert "holds numbers, not 'cheap'" in told["line 42"] and "2 fields" in told["line 44"]
    assert "not a finite number" in told["line 45"]
    assert any("rows cannot be used" in finding.title for finding in checks.check(data))


def test_json_lines_with_truth_values(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"x": n / 2, "member": n % 2 == 0, "class": int(n % 5 == 0)} for n in range(40)]
    path.write_text("\n".join(map(json.dumps, [*rows, {"x": 1, "member": None, "class": None}])))
    data = tlkit.table(path)
    assert data.columns == (Column("x"), Column("member", ("false", "true"))) and len(data.unlabeled) == 1


def test_columns_that_are_ignored_or_codes(tmp_path: Path) -> None:
    found = [f"{n},{n % 4},{n * n},{'a' if n % 2 else 'b'}" for n in range(40)]
    path = write(tmp_path / "a.csv", found, "id,region,x,label")
    data = tlkit.table(path, ignore=["id"], categorical=["region"])
    assert data.columns == (Column("region", ("0", "1", "2", "3")), Column("x"))


def test_given_splits_and_groups(tmp_path: Path) -> None:
    found = [f"{n},{n // 4},{('train', 'val', 'test')[n % 3]},{'a' if n % 2 else 'b'}" for n in range(48)]
    data = tlkit.table(write(tmp_path / "a.csv", found, "x,client,split,label"))
    assert [len(split) for split in data.splits().values()] == [16, 16, 16] and len(data.columns) == 2
    found = [f"{n},{n // 4},{'a' if n % 2 else 'b'}" for n in range(48)]
    path = write(tmp_path / "b.csv", found, "x,client,label")
    data = tlkit.table(path, splitting=tlkit.Splitting(group_by="client"))
    assert data.columns == (Column("x"),)
    sides = [set((split.items[:, 0] // 4).tolist()) for split in data.splits().values()]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]


def test_the_columns_of_a_model_keep_their_order_and_codes(tmp_path: Path) -> None:
    like = (Column("city", ("Rome", "Oslo")), Column("amount"))
    data = tlkit.table(write(tmp_path / "a.csv", lines()), like=like)
    assert data.columns == like and set(data.train.items[:, 0].tolist()) == {0.0, 1.0}
    with pytest.raises(DataError, match="no column 'country'"):
        tlkit.table(tmp_path / "a.csv", like=(Column("country"),))


@pytest.mark.parametrize(
    ("found", "header", "options", "message"),
    [
        (["1,Rome,", "2,Oslo,"], HEADER, {}, "no row of .* has a label in the column 'fraud'; give some rows theirs"),
        ([f"1,Rome,{n % 2}" for n in range(20)], HEADER, {}, "every column of .* holds the same in all rows"),
        ([f"1,name {n},{n % 2}" for n in range(200)], HEADER, {}, "holds 200 different texts, .*ignore=\\['city'\\]"),
        (["a", "b"], "fraud", {}, "no column besides that of the labels"),
        (["1,2,a"] * 9, "x,x,label", {}, "more than one column called 'x'"),
        (["1,2"] * 9, "x,z", {}, "no column called label, category"),
        (["1,Rome,no"], HEADER, {"ignore": ["town"]}, "no column 'town'"),
        ([f"{n},Rome,0.{n}" for n in range(1, 9)], HEADER, {}, "fractional numbers"),
        ([f"{n},Rome,no" for n in range(9)], HEADER, {}, "a single class"),
    ],
)
def test_what_cannot_be_learned_from(
    found: list[str], header: str, options: dict, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        tlkit.table(write(tmp_path / "a.csv", found, header), **options)


def test_lists_in_cells_and_strange_options(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"x": [n], "label": n % 2}) for n in range(9)))
    with pytest.raises(DataError, match=r"the column 'x' .* holds lists"):
        tlkit.table(path)
    with pytest.raises(InputError, match="differ; give it in the splitting alone"):
        tlkit.table(path, seed=1, splitting=tlkit.Splitting(2))


def test_copies_and_conflicts_among_rows_are_told(tmp_path: Path) -> None:
    found = [f"{n % 10},Rome,{'yes' if n in (0, 15) else 'no'},{('train', 'test')[n % 20 > 9]}" for n in range(40)]
    data = tlkit.table(write(tmp_path / "a.csv", found, f"{HEADER},split"))
    codes = {finding.code: finding.title for finding in checks.check(data)}
    assert "identical rows" in codes["conflict"] and "an identical row in train" in codes["leak"]
    assert "rows are identical" in codes["duplicate_row"]


@pytest.mark.parametrize(
    ("header", "line", "kind"),
    [("a,b,label", "1,?,x", "table"), ("a,text,label", "1,2,x", "text"), ("a,b,label", "1,red,x", None)],
)
def test_a_table_of_numbers_is_known_by_them(header: str, line: str, kind: str | None, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [line], header)
    if kind is None:
        with pytest.raises(DataError, match="kind='table' for numbers and categories"):
            data_module.kind_of(path)
    else:
        assert data_module.kind_of(path) == kind


def test_read_takes_what_a_table_needs_and_nothing_else(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.csv", lines()))
    data = tlkit.read(path, kind="table", ignore=["city"], label_column="fraud")
    assert data.columns == (Column("amount"),)
    with pytest.raises(InputError, match="unknown kind 'sound'"):
        tlkit.read(path, kind="sound")
    with pytest.raises(InputError, match="holds numbers and categories; leave out text_column"):
        tlkit.read(path, kind="table", text_column="city")
    with pytest.raises(InputError, match=r"ignore=.* give kind='table' too"):
        tlkit.read(path, text_column="city", ignore=["amount"])


def test_the_doctor_does_not_judge_the_labels_of_a_table(tmp_path: Path) -> None:
    found = tlkit.diagnose(tlkit.table(write(tmp_path / "a.csv", lines())))
    assert any("no backbone that knows this table" in finding.title for finding in found.findings)
    found.save(tmp_path / "out", tlkit.table(tmp_path / "a.csv"))
    assert (tmp_path / "out" / "doctor.html").exists()
