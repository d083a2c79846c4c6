"""Findings and the diagnosis they make up: order, screen, short form, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import tiny_data
from tlkit.doctor.diagnosis import SCREEN_WIDTH, Diagnosis
from tlkit.errors import RunError
from tlkit.reporting.findings import Finding

NOTE = Finding("duplicates", "note", "9 pictures repeat", "remove them", 9, (("a.jpg", "b.jpg"),))
WARNING = Finding("imbalance", "warning", "3 times as many", "give --class-weight balanced", 3)
ERROR = Finding("leak", "error", "2 of 9 test examples have a copy in train", "remove them", 2, (("x.jpg", "y.jpg"),))


def diagnosis(*found: Finding, source: str = "photos/", classes: int = 2) -> Diagnosis:
    labels = tuple(f"class {number}" for number in range(classes))
    counts = {"train": dict.fromkeys(labels, 1200), "val": dict.fromkeys(labels, 7), "test": dict.fromkeys(labels, 9)}
    return Diagnosis(source, "image", labels, counts, found)


# === Order ===


def test_the_worst_comes_first_and_equals_keep_their_order() -> None:
    second = Finding("tiny_class", "warning", "2 classes", "add examples")
    made = diagnosis(NOTE, WARNING, ERROR, second)
    assert made.findings == (ERROR, WARNING, second, NOTE)
    assert made.worst == "error" and diagnosis(NOTE, WARNING).worst == "warning" and diagnosis(NOTE).worst == "note"


def test_nothing_found() -> None:
    assert diagnosis().worst is None and diagnosis().summary() == "nothing found"
    assert str(diagnosis()).endswith("nothing found") and diagnosis().brief() == ""


def test_summary_counts_each_severity() -> None:
    assert diagnosis(NOTE, ERROR, NOTE, WARNING).summary() == "1 error, 1 warning, 2 notes"


def test_what_is_said_goes_with_its_group() -> None:
    finding = Finding("x", "note", "t", "r", 2, (("a",), ("b",)), ("first", "second"))
    assert finding.groups() == [(("a",), "first"), (("b",), "second")]
    assert NOTE.groups() == [(("a.jpg", "b.jpg"), "")]


def test_as_many_sayings_as_groups() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Finding("x", "note", "t", "r", 2, (("a",), ("b",)), ("first",)).groups()


# === Screen ===


def test_screen_has_the_counts_and_the_findings() -> None:
    lines = str(diagnosis(ERROR)).splitlines()
    assert lines[0] == "photos/: image, 2,432 examples"
    assert [line.split() for line in lines[2:6]] == [
        ["train", "val", "test"],
        ["class", "0", "1,200", "7", "9"],
        ["class", "1", "1,200", "7", "9"],
        ["2", "classes", "2,400", "14", "18"],
    ]
    assert len({len(line) for line in lines[2:6]}) == 1
    assert lines[7] == "1 error"
    assert lines[9:] == [f"error    {ERROR.title}", "         x.jpg | y.jpg", "         -> remove them"]


def test_screen_counts_many_classes_together() -> None:
    assert "class 19" in str(diagnosis(classes=20))
    many = str(diagnosis(classes=21))
    assert "class 0" not in many and "21 classes" in many and "25,200" in many


def test_screen_shows_three_groups_with_what_is_said() -> None:
    groups = tuple((f"{number}.jpg",) for number in range(5))
    said = tuple(f"saying {number}" for number in range(5))
    shown = str(diagnosis(Finding("x", "note", "t", "r", 5, groups, said)))
    assert "2.jpg: saying 2\n         ...\n" in shown and "3.jpg" not in shown
    assert "..." not in str(diagnosis(Finding("x", "note", "t", "r", 5, groups[:3])))


def test_screen_shows_three_examples_of_a_group() -> None:
    names = tuple(f"{number}.jpg" for number in range(4))
    shown = str(diagnosis(Finding("x", "note", "t", "r", 4, (names, names[:3]), ("many", "few"))))
    assert "         0.jpg | 1.jpg | 2.jpg | ...: many\n         0.jpg | 1.jpg | 2.jpg: few\n" in shown


def test_long_titles_are_wrapped_under_their_beginning() -> None:
    lines = str(diagnosis(Finding("x", "warning", "word " * 60, "remedy " * 60))).splitlines()[9:]
    assert len(lines) > 4 and all(len(line) <= SCREEN_WIDTH for line in lines)
    assert lines[0].startswith("warning  word") and all(line.startswith(" " * 9) for line in lines[1:])


def test_names_cannot_move_the_cursor() -> None:
    hostile = "\x1b[2Ja\nb\u202ec\udcff"
    made = diagnosis(Finding("x", "error", f"title {hostile}", "r", 1, ((hostile,),)), source=hostile)
    for text in (str(made), made.brief()):
        assert "\x1b" not in text and "\u202e" not in text
        assert r"\x1b[2Ja\nb\u202ec\udcff" in text
        text.encode()


# === Short form ===


def test_brief_has_a_line_for_each_error_and_warning() -> None:
    assert diagnosis(NOTE, WARNING, ERROR).brief().splitlines() == [
        f"data error: {ERROR.title}",
        f"data warning: {WARNING.title}",
        "what to do about it: tlkit doctor photos/",
    ]


def test_brief_is_empty_where_there_are_only_notes() -> None:
    assert diagnosis(NOTE).brief() == ""


def test_brief_counts_what_it_leaves_out() -> None:
    lines = diagnosis(*[WARNING] * 7).brief(limit=5).splitlines()
    assert len(lines) == 6 and lines[-1].startswith("2 more; ")
    assert len(diagnosis(*[WARNING] * 5).brief().splitlines()) == 6


def test_brief_names_the_source_as_a_shell_takes_it() -> None:
    assert diagnosis(ERROR, source="my photos").brief().endswith("tlkit doctor 'my photos'")
    assert diagnosis(ERROR, source="arrays").brief().endswith(": tlkit doctor")


# === Files ===


def test_to_dict_is_plain_json() -> None:
    found = json.loads(json.dumps(diagnosis(NOTE, ERROR).to_dict()))
    assert found["source"] == "photos/" and found["kind"] == "image" and found["worst"] == "error"
    assert found["labels"] == ["class 0", "class 1"] and found["counts"]["val"] == {"class 0": 7, "class 1": 7}
    assert [finding["code"] for finding in found["findings"]] == ["leak", "duplicates"]
    expected = {"severity": "note", "title": NOTE.title, "remedy": NOTE.remedy, "count": 9, "said": []}
    assert found["findings"][1] == {"code": "duplicates", "examples": [["a.jpg", "b.jpg"]], **expected}


def test_save_writes_json_and_page(tmp_path: Path) -> None:
    data = tiny_data.texts(["one", "two", "three", "four", "five"], [0, 1, 0, 1, 0])
    made = Diagnosis(data.source, data.kind, data.labels, data.counts(), (ERROR,))
    made.save(tmp_path / "new", data)
    assert json.loads((tmp_path / "new" / "doctor.json").read_text("utf-8")) == made.to_dict()
    assert ERROR.title in (tmp_path / "new" / "doctor.html").read_text("utf-8")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["doctor.html", "doctor.json"]


def test_save_takes_names_that_are_no_utf8(tmp_path: Path) -> None:
    diagnosis(Finding("x", "note", "t", "r", 1, (("caf\udce9.jpg",),)), source="\udcff").save(tmp_path)
    found = json.loads((tmp_path / "doctor.json").read_text("utf-8"))
    assert found["findings"][0]["examples"] == [["caf\\udce9.jpg"]] and found["source"] == "\\udcff"
    assert "caf?.jpg" in (tmp_path / "doctor.html").read_text("utf-8")


def test_save_where_nothing_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(RunError, match=r"cannot write .*doctor\.json: permission is denied"):
        diagnosis(NOTE).save(tmp_path)
