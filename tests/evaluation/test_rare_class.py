"""Figures of a rare class against counting by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tlkit
from tlkit.evaluation import classification_report, rare_class
from tlkit.evaluation.report_base import Measured


def test_which_class_is_rare() -> None:
    assert rare_class.positive(np.array([0] * 10 + [1] * 3), 2) == 1
    assert rare_class.positive(np.array([1] * 10 + [0] * 3), 2) == 0
    assert rare_class.positive(np.array([0] * 9 + [1] * 3), 2) is None, "three to one is not rare"
    assert (
        rare_class.positive(np.array([0] * 10), 2) is None
        and rare_class.positive(np.array([0] * 9 + [1, 2]), 3) is None
    )


def test_figures_by_hand() -> None:
    truth = np.zeros(100, bool)
    truth[[99, 98, 96, 90]] = True  # of the scores 99, 98, 97, ... these are found at ranks 1, 2, 4 and 10
    found = rare_class.figures(truth, np.arange(100.0))
    assert found["average_precision"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 10) / 4)
    assert found["share"] == 0.04
    assert found["recall_at_precision_0.9"] == 0.5 and found["recall_at_precision_0.5"] == 0.75
    assert found["precision_in_top_0.01"] == 1.0 and found["recall_in_top_0.01"] == 0.25
    assert found["precision_in_top_0.05"] == 3 / 5 and found["recall_in_top_0.05"] == 0.75


def test_scores_without_sense_reach_the_share() -> None:
    truth = np.arange(100) < 10
    found = rare_class.figures(truth, np.zeros(100))
    assert found["average_precision"] == pytest.approx(0.1)
    assert found["precision_in_top_0.01"] == pytest.approx(0.1), "equal scores count by their share, not their order"
    assert found["recall_at_precision_0.9"] == 0.0


def _report(share: int) -> classification_report.Report:
    truth = np.arange(100) % share == 0
    odds = np.where(truth, 0.8, 0.2) + np.linspace(0, 0.1, 100)
    return classification_report.score(truth.astype(int), np.stack([1 - odds, odds], 1), ["fine", "fraud"])


def test_a_report_leads_with_the_rare_class(tmp_path: Path) -> None:
    found = _report(10)
    assert found.rare["label"] == "fraud" and found.rare["average_precision"] == pytest.approx(1.0)
    assert list(found.figures)[:2] == ["average_precision", "recall_at_precision_0.9"]
    assert "average precision 1.000 of 'fraud', 10.0% of the examples" in found.table().splitlines()[1]
    found.save(tmp_path)
    assert (tmp_path / "precision_recall.png").stat().st_size > 1000
    assert Measured.load(tmp_path).rare == pytest.approx(found.rare)
    Measured.load(tmp_path).save(tmp_path)
    assert not (tmp_path / "precision_recall.png").exists(), "an older curve would stand beside newer figures"


def test_a_report_of_even_classes_does_not(tmp_path: Path) -> None:
    found = _report(2)
    assert found.rare is None and "average_precision" not in found.figures and "precision 0" not in found.table()
    found.save(tmp_path)
    assert not (tmp_path / "precision_recall.png").exists()


def test_an_older_report_without_it_is_read(tmp_path: Path) -> None:
    import json

    _report(10).save(tmp_path)
    facts = json.loads((tmp_path / "report.json").read_text())
    del facts["rare"]
    (tmp_path / "report.json").write_text(json.dumps(facts))
    assert tlkit.evaluation.classification_report.Report.load(tmp_path).rare is None
