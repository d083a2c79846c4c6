"""Figures against hand-made and scikit-learn's own, the table and the files."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from tests.helpers.classification_reports import HISTORY, LABELS, PROBABILITIES, TRUTH, many, small
from tlkit.errors import ArtifactError, InputError
from tlkit.evaluation.classification_report import Report, score

EXTRA = json.dumps(small().to_dict() | {"surprise": 1}).encode()


def test_score_by_hand() -> None:
    report = small()
    assert (report.labels, report.split, report.n) == (LABELS, "test", 6)
    assert report.accuracy == pytest.approx(4 / 6)
    assert report.loss == pytest.approx(-np.log([0.8, 0.6, 0.2, 0.8, 0.6, 0.4]).mean())
    assert report.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert report.confusion.dtype.kind == "i"
    assert report.top_k == {}
    dog = {"label": "dog", "precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8), "support": 2}
    assert report.per_class[1] == dog
    assert [row["label"] for row in report.per_class] == list(LABELS)
    assert report.macro_f1 == pytest.approx((2 / 3 + 0.8 + 0) / 3)
    assert report.y_true.tolist() == TRUTH
    assert np.array_equal(report.probabilities, PROBABILITIES)
    assert (report.history, report.seconds, report.notes) == ((), 0.0, ())
    assert small(history=HISTORY).history == tuple(HISTORY)


def test_score_agrees_with_scikit_learn() -> None:
    report = many(7)
    guess = report.probabilities.argmax(axis=1)
    assert report.loss == pytest.approx(metrics.log_loss(report.y_true, report.probabilities))
    assert report.macro_f1 == metrics.f1_score(report.y_true, guess, average="macro")


@pytest.mark.parametrize(("classes", "expected"), [(3, []), (4, [3]), (5, [3]), (6, [3, 5])])
def test_top_k_only_below_the_number_of_classes(classes: int, expected: list[int]) -> None:
    assert list(many(classes).top_k) == expected


def test_top_k_by_hand() -> None:
    assert score([0, 2, 3], [[0.4, 0.3, 0.2, 0.1]] * 3, "abcd").top_k == {3: pytest.approx(2 / 3)}


def test_a_certain_mistake_costs_a_finite_loss() -> None:
    assert score([0], [[0.0, 1.0]], ["a", "b"]).loss == pytest.approx(-np.log(1e-7))


def test_macro_f1_leaves_out_a_class_that_does_not_occur_and_says_so() -> None:
    report = score([0, 1], [[1, 0, 0], [0, 1, 0]], LABELS)
    assert report.macro_f1 == 1.0
    assert report.per_class[2]["support"] == 0
    assert report.notes == ("no example in this split of: owl",)


def test_rows_may_miss_one_by_the_rounding_of_bfloat16() -> None:
    assert score([0], [[0.507, 0.5]], ["a", "b"]).n == 1


@pytest.mark.parametrize(
    ("truth", "answers", "labels", "message"),
    [
        ([0], [[1.0]], ["a"], "1 labels, 1 of them different; give two or more"),
        ([0], [[0.5, 0.5]], ["a", "a"], "2 labels, 1 of them different; give two or more"),
        ([], np.zeros((0, 2)), ["a", "b"], r"y_true has shape \(0,\).*; give one class number per example"),
        ([[1, 0]], [[1, 0]], ["a", "b"], r"y_true has shape \(1, 2\) and type int64; give one class number"),
        ([0.0], [[1, 0]], ["a", "b"], "type float64; give one"),
        ([0, 1], [[1, 0]], ["a", "b"], r"probabilities have shape \(1, 2\); these labels need \(2, 2\)"),
        ([0, 2], [[1, 0], [0, 1]], ["a", "b"], r"y_true holds 0\.\.2; the class numbers of 2 labels are 0\.\.1"),
        ([-1], [[1, 0]], ["a", "b"], r"y_true holds -1\.\.-1; the class numbers"),
        ([0], [[np.nan, np.inf]], ["a", "b"], "NaN or infinity: the training diverged; lower the learning rate"),
        ([0], [[3.0, -2.0]], ["a", "b"], "below 0 or do not sum to 1; apply softmax to logits"),
        ([0], [[0.5, 0.2]], ["a", "b"], "do not sum to 1; apply softmax to logits"),
    ],
)
def test_score_refuses(truth: Any, answers: Any, labels: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        score(truth, answers, labels)


def test_a_report_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        small().accuracy = 1.0


def test_table() -> None:
    assert str(small(split="val", seconds=1.26, notes=["few examples"])).splitlines() == [
        "val: 6 examples, 3 classes, 1.3 s",
        "accuracy 0.667   macro-F1 0.489   loss 0.666",
        "",
        "class  precision  recall     f1  examples",
        "cat        0.667   0.667  0.667         3",
        "dog        0.667   1.000  0.800         2",
        "owl        0.000   0.000  0.000         1",
        "note: few examples",
    ]


def test_where_classes_are_uneven_the_macro_figures_come_first() -> None:
    answers = [[0.9, 0.1]] * 9 + [[0.6, 0.4], [0.4, 0.6]]
    lines = score([0] * 9 + [1, 1], answers, ["many", "few"]).table().splitlines()
    assert lines[1].startswith("average precision 1.000 of 'few'")  # before all, where one of two is rare
    assert lines[5].startswith("macro-F1 0.807   balanced accuracy 0.750   accuracy 0.909   loss ")
    even = score([0] * 6 + [1] * 2, answers[:8], ["many", "few"]).table().splitlines()[1]
    assert even.startswith("accuracy 0.750   macro-F1 ")  # three times as many is not yet uneven


def test_table_of_many_classes_shows_the_worst_and_says_so() -> None:
    report = many(25)
    lines = report.table().splitlines()
    worst = sorted(report.per_class, key=lambda row: row["f1"])[:20]
    assert "top-3 " in lines[1] and "top-5 " in lines[1]
    assert [line[:9] for line in lines[4:-1]] == [row["label"] for row in worst]
    assert lines[-1] == "(the 20 worst of 25 classes by f1)"
    assert [line[:9] for line in many(20).table().splitlines()[4:]] == [f"class {c:03d}" for c in range(20)]


def test_table_does_not_call_an_absent_class_bad() -> None:
    report = score(np.arange(24), np.eye(25)[:24], [f"class {c:03d}" for c in range(25)])
    assert "class 024" not in report.table().split("note:")[0]


def test_table_shortens_a_long_name() -> None:
    lines = many(2, labels=["x" * 50, "b"]).table().splitlines()
    assert lines[4].startswith("x" * 31 + "…  ")
    assert len({len(line) for line in lines[3:6]}) == 1


def test_save_and_load(tmp_path: Path) -> None:
    report = dataclasses.replace(many(6), split="val", history=tuple(HISTORY), seconds=2.5, notes=("é",))
    report.save(tmp_path / "new" / "folder")
    names = sorted(p.name for p in (tmp_path / "new" / "folder").iterdir())
    assert names == ["confusion.png", "curves.png", "report.json"]
    for name in ("curves.png", "confusion.png"):
        with Image.open(tmp_path / "new" / "folder" / name) as picture:
            assert picture.format == "PNG" and len(picture.convert("RGB").getcolors(1 << 24)) > 20
    again = Report.load(tmp_path / "new" / "folder")
    assert again.to_dict() == report.to_dict()
    assert again.table() == report.table()
    assert (again.top_k, again.labels, again.notes) == (report.top_k, report.labels, ("é",))
    assert np.array_equal(again.confusion, report.confusion)
    assert again.y_true is None and again.probabilities is None


def test_json_is_plain_and_strict(tmp_path: Path) -> None:
    history = [{"phase": "head", "epoch": np.int64(1), "loss": float("nan"), "accuracy": np.float32(0.5)}]
    report = small(history=history)
    report.save(tmp_path)
    found = json.loads((tmp_path / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert found == report.to_dict()
    assert found["history"] == [{"phase": "head", "epoch": 1, "loss": None, "accuracy": 0.5}]
    assert found["confusion"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert not {"y_true", "probabilities"} & set(found)


def test_save_without_history_leaves_no_older_curves(tmp_path: Path) -> None:
    small(history=HISTORY).save(tmp_path)
    small().save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["confusion.png", "report.json"]


def test_load_refuses_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"report\.json is missing; name the directory that Report\.save wrote to"):
        Report.load(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"null", b"{}", b'{"top_k": 3}', b"\xff\xfe", EXTRA])
def test_load_refuses_what_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"report\.json is damaged .*; evaluate again and save the report anew"):
        Report.load(tmp_path)


def test_plots_take_any_label(tmp_path: Path) -> None:
    many(3, labels=["$5 and $6_x", "日本語", "x" * 200]).save(tmp_path)
    assert (tmp_path / "confusion.png").stat().st_size > 1000


def test_plots_touch_no_backend_and_scores_load_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys; from tlkit.evaluation.classification_report import score\n"
        "assert not {'matplotlib', 'sklearn', 'tensorflow'} & set(sys.modules)\n"
        "h = [{'phase': 'head', 'loss': 1.0, 'accuracy': 0.5}]\n"
        f"score([0, 1], [[1, 0], [0, 1]], ['a', 'b'], history=h).save({str(tmp_path)!r})\n"
        "assert 'matplotlib.figure' in sys.modules\n"
        "assert not {'matplotlib.pyplot', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2], timeout=60)


def test_single_answers(tmp_path: Path) -> None:
    found = small()
    assert found.each["right"].tolist() == [True, True, False, True, True, False]
    assert found.each["loss"] == pytest.approx(-np.log([0.8, 0.6, 0.2, 0.8, 0.6, 0.4]))
    found.save(tmp_path)
    assert Report.load(tmp_path).each == {}
