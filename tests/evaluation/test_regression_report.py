"""Figures of a number by hand, beside those of the mean; the table, the files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers import made_up_runs
from tests.helpers.regression_reports import ANSWERS, TRUTH, report
from tlkit.errors import InputError
from tlkit.evaluation.regression_report import ValueReport
from tlkit.evaluation.report_base import Measured


def test_figures_by_hand() -> None:
    found = report()
    assert (found.n, found.labels, found.mean) == (4, ("price",), 2.0)
    assert found.spread == (1.0, 6.0, pytest.approx(np.sqrt(3.5)))
    assert found.mae == pytest.approx(3.5 / 4) and found.median_absolute_error == pytest.approx(0.75)
    assert found.rmse == pytest.approx(np.sqrt(5.25 / 4)) and found.loss == pytest.approx(5.25 / 4 / 4)
    assert found.r2 == pytest.approx(1 - 5.25 / 14)
    trivial = {"mae": 1.5, "rmse": np.sqrt(18 / 4), "r2": 1 - 18 / 14, "median_absolute_error": 1.0}
    assert found.trivial == pytest.approx(trivial)
    assert list(found.figures) == ["mae", "rmse", "r2", "median_absolute_error", "loss"]


def test_one_value_explains_nothing() -> None:
    found = report(TRUTH * 0 + 2)
    assert found.r2 is None and "r2" not in found.figures
    assert next(line for line in found.lines() if line.startswith("R2")).split() == ["R2", "-", "-"]


def test_the_table() -> None:
    lines = str(report()).splitlines()
    assert lines[:2] == ["test: 4 examples, value price, 1.0 s", "price: 1 to 6, standard deviation 1.871"]
    assert lines[3].split() == ["model", "always", "2"]
    assert lines[4].split() == ["MAE", "0.875", "1.5"] and lines[6].split() == ["R2", "0.625", "-0.286"]


def test_it_is_saved_and_read_again(tmp_path: Path) -> None:
    found = report()
    found.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "values.png"}
    again = Measured.load(tmp_path)
    assert isinstance(again, ValueReport) and again.to_dict() == found.to_dict() and again.values is None
    with Image.open(tmp_path / "values.png") as picture:
        assert np.ptp(np.asarray(picture.convert("L"))) > 100
    again.save(tmp_path / "again")  # the answers are not at hand
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("truth", "answers", "message"),
    [
        (TRUTH[:3], ANSWERS, r"\(3,\) true values and \(4,\) answers; give one of each for every example"),
        (TRUTH, np.concatenate([ANSWERS, ANSWERS], 1), r"\(4,\) true values and \(4, 2\) answers"),
        (TRUTH, ANSWERS * np.inf, "NaN or infinity: the training diverged; lower the learning rate"),
    ],
)
def test_what_cannot_be_measured(truth: np.ndarray, answers: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        report(truth, answers)


def test_intervals_are_of_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    found = report()
    assert found.intervals()["mae"][0] < found.mae < found.intervals()["mae"][1]
    assert "r2" not in report(TRUTH * 0 + 2).intervals()
    assert made_up_runs.on_all(found, monkeypatch) == pytest.approx(found.figures)


def test_the_worst_are_the_furthest_off(tmp_path: Path) -> None:
    found = report()
    assert [row[0] for row in found.worst()] == [3, 2, 0, 1]
    assert found.worst()[:2] == [(3, "6", "8", "off by +2"), (2, "3", "2", "off by -1")]
    found.save(tmp_path)
    loaded = Measured.load(tmp_path)
    assert loaded.intervals() == {} and loaded.worst() == [] and loaded.figure_of() is None


def test_single_errors() -> None:
    assert report().each["error"].tolist() == [0.5, 0, 1, 2]
