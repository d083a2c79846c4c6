"""The plots of a report: learning curves, the confusion matrix, precision and recall, and their files."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.helpers.classification_reports import HISTORY, LABELS, many, small
from tlkit.evaluation import plots
from tlkit.evaluation.plots import confusion_figure, curves_figure, precision_recall_figure


def test_curves_join_the_phases_and_mark_the_unfreezing() -> None:
    loss, accuracy = curves_figure(small(history=HISTORY)).axes
    assert [line.get_label() for line in loss.lines[:2]] == ["training", "validation"]
    assert loss.lines[0].get_xdata().tolist() == [1, 2, 3, 4, 5]
    assert list(loss.lines[1].get_ydata()) == [row["val_loss"] for row in HISTORY]
    assert list(accuracy.lines[0].get_ydata()) == [row["accuracy"] for row in HISTORY]
    assert [list(line.get_xdata()) for line in loss.lines[2:]] == [[3.5, 3.5]]
    assert [(text.get_text(), text.get_position()[0]) for text in loss.texts] == [("head", 2.0), ("top", 4.5)]


def test_curves_leave_out_what_is_missing() -> None:
    loss, _ = curves_figure(small(history=[{"phase": "head", "loss": 1.0, "accuracy": 0.5, "val_loss": None}])).axes
    assert np.isnan(loss.lines[1].get_ydata()).all()


@pytest.mark.parametrize(("classes", "numbers", "ticks"), [(2, 4, 2), (30, None, 30), (31, 0, 31), (300, 0, 100)])
def test_confusion_stays_readable(classes: int, numbers: int | None, ticks: int) -> None:
    report = many(classes)
    axes = confusion_figure(report).axes[0]
    assert len(axes.get_yticks()) == ticks
    assert len(axes.texts) == (np.count_nonzero(report.confusion) if numbers is None else numbers)


def test_confusion_colours_by_the_share_of_the_true_class() -> None:
    axes = confusion_figure(small()).axes[0]
    assert np.allclose(axes.images[0].get_array(), [[2 / 3, 1 / 3, 0], [0, 1, 0], [1, 0, 0]])
    assert [t.get_text() for t in axes.get_yticklabels()] == list(LABELS)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("truth", "answer")


def test_confusion_turns_names_that_would_overlap() -> None:
    turned = [
        confusion_figure(many(2, labels=names)).axes[0].get_xticklabels()
        for names in (["a", "b"], ["a" * 24] * 1 + ["b"])
    ]
    assert [labels[0].get_rotation() for labels in turned] == [0, 90]


def test_precision_and_recall_of_the_rare_class_by_hand() -> None:
    rare = {"label": "ill $x$", "share": 0.5, "average_precision": 5 / 6}
    probabilities = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    report = SimpleNamespace(
        labels=("well", "ill $x$"), y_true=np.array([1, 0, 1, 0]), probabilities=probabilities, rare=rare, split="test"
    )
    (axes,) = precision_recall_figure(report).axes
    curve, chance = axes.lines
    assert set(zip(*curve.get_data(), strict=True)) == {(1.0, 0.5), (1.0, 2 / 3), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)}
    assert set(chance.get_ydata()) == {0.5} and axes.get_title() == "test: ill $x$, average precision 0.833"


def test_a_plot_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    figure = confusion_figure(many(2, labels=["日本語", "b"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.write(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no more disk")

    figure.savefig = fail
    with pytest.raises(Exception, match="no more disk"):
        plots.write(figure, tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
