"""Figures of tags by hand and by scikit-learn's own, the table, the files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers import made_up_runs
from tests.helpers.multilabel_reports import ANSWERS, NAMES, TRUTH, many, report
from tlkit.errors import InputError
from tlkit.evaluation.multilabel_report import TagsReport
from tlkit.evaluation.report_base import Measured


def test_figures_by_hand() -> None:
    found = report()
    # sun: both found; sea: one of two found, one too many; snow: neither there nor given
    assert (found.n, found.split, found.labels) == (4, "test", NAMES)
    assert found.micro_f1 == pytest.approx(2 * 3 / (3 + 1 + 3 + 1))
    assert found.macro_f1 == pytest.approx((1 + 0.5) / 2)
    assert found.subset_accuracy == 0.5 and found.hamming_loss == pytest.approx(2 / 12)
    sea = found.per_tag[1]
    assert (sea["precision"], sea["recall"], sea["support"]) == (0.5, 0.5, 2)
    # sea by rank: 0.8 right, 0.5 wrong, 0.4 right
    assert sea["average_precision"] == pytest.approx((1 + 2 / 3) / 2) and found.per_tag[2]["average_precision"] is None
    assert found.mean_average_precision == pytest.approx((1 + 5 / 6) / 2)
    right = np.where(TRUTH, ANSWERS, 1 - ANSWERS)
    assert found.loss == pytest.approx(-np.log(right).mean(), rel=1e-6)
    assert found.notes == ("Said.", "no example in this split has: $snow_")
    assert next(iter(found.figures)) == "micro_f1" and set(found.figures) >= {"macro_f1", "loss", "subset_accuracy"}


def test_no_tag_anywhere() -> None:
    found = report(TRUTH * 0, ANSWERS * 0)
    assert found.micro_f1 == found.macro_f1 == found.mean_average_precision == 0 and found.subset_accuracy == 1
    assert all(np.isfinite(list(found.figures.values())))


def test_the_table() -> None:
    lines = str(report()).splitlines()
    assert lines[0] == "test: 4 examples, 3 tags, 1.0 s"
    assert lines[1].startswith("micro-F1 0.750   macro-F1 0.750   mean average precision 0.917   subset accuracy 0.500")
    assert lines[3] == "tag     precision  recall     f1  average precision  examples"
    assert lines[5].split() == ["sea", "0.500", "0.500", "0.500", "0.833", "2"]
    assert lines[6].split() == ["$snow_", "0.000", "0.000", "0.000", "0"] and lines[-2] == "note: Said."


def test_of_many_tags_the_worst_are_shown() -> None:
    found = many(30)
    lines = found.lines()
    assert lines[-1] == "(the 20 worst of 30 tags by f1)" and len(lines) == 24
    worst = min(found.per_tag, key=lambda row: row["f1"])
    assert lines[3].startswith(worst["label"])


def test_it_is_saved_and_read_again(tmp_path: Path) -> None:
    found = report()
    found.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "tags.png"}
    again = Measured.load(tmp_path)
    assert isinstance(again, TagsReport) and again.to_dict() == found.to_dict() and again.y_true is None
    assert json.loads((tmp_path / "report.json").read_text())["target"] == "tags"
    with Image.open(tmp_path / "tags.png") as picture:
        assert np.ptp(np.asarray(picture.convert("L"))) > 100


def test_many_tags_are_drawn(tmp_path: Path) -> None:
    many(70).save(tmp_path)
    with Image.open(tmp_path / "tags.png") as picture:
        assert picture.height < 2200


@pytest.mark.parametrize(
    ("truth", "answers", "message"),
    [
        (TRUTH[:, :2], ANSWERS, r"y_true has shape \(4, 2\); give 0 or 1 for each example and each of 3 tags"),
        (TRUTH * 2, ANSWERS, "give 0 or 1 for each example"),
        (TRUTH, ANSWERS[:, :2], r"probabilities have shape \(4, 2\); these tags need \(4, 3\)"),
        (TRUTH, ANSWERS * np.nan, "NaN or infinity: the training diverged; lower the learning rate"),
        (TRUTH, ANSWERS * 2, "below 0 or above 1; apply a sigmoid to logits"),
    ],
)
def test_what_cannot_be_measured(truth: np.ndarray, answers: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        report(truth, answers)


def test_intervals_are_of_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    found = many(5)
    low, high = found.intervals()["micro_f1"]
    assert low < found.micro_f1 < high
    own = {name: value for name, value in found.figures.items() if name != "mean_average_precision"}
    assert made_up_runs.on_all(found, monkeypatch) == pytest.approx(own)
    assert made_up_runs.on_all(report(TRUTH * 0, ANSWERS * 0), monkeypatch)["macro_f1"] == 0, "no tag anywhere"


def test_the_worst_are_the_surest_wrong_decisions() -> None:
    answers = np.array([[0.9, 0.4, 0.1], [0.6, 0.97, 0.2], [0.2, 0.8, 0.1], [0.8, 0.1, 0.1]], np.float32)
    found = report(answers=answers)
    assert found.worst() == [
        (1, "sun", "sun, sea", "sea: 97.0%"),
        (3, "no tag", "sun", "sun: 80.0%"),
        (0, "sun, sea", "sun", "sea: 40.0%"),
    ]
    assert found.rows == found.per_tag and found.figure_of() is not None


def test_what_was_loaded_has_neither(tmp_path: Path) -> None:
    report().save(tmp_path)
    loaded = Measured.load(tmp_path)
    assert loaded.intervals() == {} and loaded.worst() == []


def test_single_losses() -> None:
    found = report()
    assert found.each["loss"][0] == pytest.approx(-np.log([0.9, 0.4, 0.9]).mean())
    assert found.each["loss"].mean() == pytest.approx(found.loss)
