"""Two runs to compare, made without training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import tlkit
from tests.helpers.run_directories import NOTHING
from tlkit.artifacts import export
from tlkit.evaluation.report_base import Measured
from tlkit.training import checkpoint, fit
from tlkit.utils import files


def two_runs(job: tlkit.Job, monkeypatch: pytest.MonkeyPatch) -> tlkit.Comparison:
    """Do a job twice, with other random weights but the same splits, without training or exporting, and compare."""

    def untrained(*_: object, run_dir: checkpoint.Keeper, **__: object) -> fit.History:
        run_dir.begin({})
        return NOTHING

    def exported(clf: object, out: Path, *, report: Measured, **_: object) -> None:
        report.save(out)
        files.write_json(out / "tlkit.json", {"backbone": {"name": "x"}, "head": "y", "weights": {"origin": "z"}})

    monkeypatch.setattr(fit, "fit", untrained)
    monkeypatch.setattr(export, "export", exported)
    first = tlkit.run_job(job, progress=False)
    splits, out = str(first.directory / "splits.csv"), f"{job.out}2"
    second = tlkit.run_job(dataclasses.replace(job, seed=1, splits=splits, out=out), progress=False)
    found = tlkit.compare([first.directory, second.directory])
    for run, read in zip((first, second), found.runs, strict=True):
        ((name, values),) = read.each.items()
        assert name == found.of and sorted(values) == pytest.approx(sorted(run.report.each[name]))
    return found
