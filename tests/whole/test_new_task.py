"""A seventh task needs its target, its report and the two lines that name them; no other module knows of it."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.artifacts import export
from tlkit.config import Phase
from tlkit.evaluation.evaluate import evaluate
from tlkit.evaluation.regression_report import ValueReport
from tlkit.evaluation.report_base import REPORTS, Measured
from tlkit.reporting import model_card, report_page
from tlkit.tasks import registry
from tlkit.tasks.targets import Value


@dataclass(frozen=True)
class Rank(Value):
    """A place on a scale, such as a number of stars."""

    name: ClassVar[str] = "rank"
    noun: ClassVar[str] = "a rank"
    unit: ClassVar[str] = "rank"
    loss: ClassVar[str] = "squared error of ranks"
    card = Value.card._replace(maker="ranker", counted="rank {name}", answer="a place on a scale")


@dataclass(frozen=True, eq=False, kw_only=True)
class RankReport(ValueReport):
    """Hold what was measured of ranks."""

    target: ClassVar[str] = "rank"
    chosen: ClassVar[str] = "The ranks that are furthest from the truth."


def ranked() -> tlkit.Data:
    """Return tiny pictures with ranks from 0 to 4."""
    pictures = tiny_models.pictures(24, 16).astype(np.uint8)
    data = tlkit.arrays(pictures, (np.arange(24) % 5).astype(float), task="value")
    return dataclasses.replace(data, task="rank")


def test_a_seventh_task_goes_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.TARGETS, "rank", f"{__name__}:Rank")
    monkeypatch.setitem(REPORTS, "rank", f"{__name__}:RankReport")
    assert sys.modules[__name__].Rank is registry.target("rank")
    proof = {"samples": 3, "real": True, "max_difference": 0.0, "spread": 1.0}
    monkeypatch.setattr(export, "_prove", lambda *_: proof)
    data = ranked()
    assert type(data.target) is Rank and data.target.scale > 1
    clf = tiny_models.tiny_classifier(data.target)
    history = tlkit.fit(clf, data, phases=[Phase("head", 1, 1e-2)], batch_size=8)
    report = evaluate(clf, data.test, history=history)
    report.save(tmp_path / "report")
    assert Measured.load(tmp_path / "report").figures == report.figures and type(report) is RankReport

    page = "\n".join(report_page.lines(report_page.Story(report, clf, data, history)))
    assert "loss (squared error of ranks)" in page and RankReport.chosen in page
    tlkit.export(clf, tmp_path / "out", report=report)
    loaded = tlkit.load(tmp_path / "out")
    assert loaded.target == data.target
    told = [answer.value for answer in loaded.predict(data.test.items)]
    np.testing.assert_allclose(told, report.values, atol=1e-4)
    card = model_card.write(loaded.facts)
    assert "ranker made by transfer learning" in card and "- Answer: a place on a scale" in card
