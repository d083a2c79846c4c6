"""What every report does, whatever was learned: names of figures, files, and what a notebook shows."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.helpers import made_up_runs, multilabel_reports, regression_reports
from tests.helpers.page_structure import Structure
from tlkit.errors import ArtifactError
from tlkit.evaluation import report_base
from tlkit.evaluation.report_base import REPORTS, SHOWN, Measured, called
from tlkit.tasks import registry
from tlkit.utils import html_format
from tlkit.utils.lazy import resolve


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Small(Measured):
    """A report of nothing but what all have."""

    target: ClassVar[str] = "value"

    @property
    def figures(self) -> dict[str, float]:
        return {"loss": self.loss}

    def lines(self) -> list[str]:
        return [f"loss {self.loss}"]


def small(**given: Any) -> Small:
    return Small(**{"labels": ("price",), "split": "test", "n": 4, "loss": 0.5, **given})


# === Names ===


@pytest.mark.parametrize("target", REPORTS)
def test_every_target_has_a_report_and_a_loss(target: str) -> None:
    kind = resolve(REPORTS[target])
    assert issubclass(kind, Measured) and kind.target == target
    assert registry.target(target).loss and called("loss", target) == f"loss ({registry.target(target).loss})"


def test_figures_are_called_as_people_call_them() -> None:
    assert called("macro_f1", "label") == "macro-F1" and called("r2", "value") == "R2"
    assert called("within_one", "value") == "within one"


# === Table and files ===


def test_the_table_has_a_line_of_facts_the_own_lines_and_the_notes() -> None:
    told = str(small(notes=("a\x1bb",), seconds=1.25)).splitlines()
    assert told == ["test: 4 examples, 1 classes, 1.2 s", "loss 0.5", "note: a\\x1bb"]


def test_what_is_kept_in_memory_is_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake = report_base.Mistake("an item", "name", "truth", "answer", "sure")
    report = small(samples=("an item",), mistakes=(mistake,), loss=float("nan"), notes=("n",))
    found = report.to_dict()
    assert found["target"] == "value" and found["loss"] is None and not {"samples", "mistakes"} & set(found)
    report.save(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == found
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"], "no curves without a history"
    monkeypatch.setitem(REPORTS, "value", Small)
    again = Measured.load(tmp_path)
    assert type(again) is Small and again.to_dict() == found and again.samples == () and again.notes == ("n",)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"target": "none"}', '{"target": "value", "labels": 3}'])
def test_a_damaged_report_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"report\.json is damaged .*; evaluate again and save the report anew"):
        Measured.load(tmp_path)
    (tmp_path / "report.json").unlink()
    with pytest.raises(ArtifactError, match=r"report\.json is missing; name the directory that Report\.save wrote to"):
        Measured.load(tmp_path)


def test_what_a_kind_of_report_must_say_for_itself() -> None:
    bare = Measured(labels=("a",), split="test", n=1, loss=0.0)
    for way in (bare.lines, lambda: bare.figures, lambda: Measured.of(None, None, [], {})):
        with pytest.raises(NotImplementedError):
            way()
    assert bare.intervals() == {} == bare.each and bare.worst() == [] and bare.rows == () and bare.figure_of() is None


# === Notebooks ===


def test_a_report_in_a_notebook() -> None:
    found = dataclasses.replace(made_up_runs.report(3), notes=(made_up_runs.HOSTILE,), split=made_up_runs.HOSTILE)
    page = Structure(found._repr_html_())
    assert page.count("script") == page.count("img") == 0 and page.text.count(made_up_runs.HOSTILE) == 3
    assert f"{found.accuracy:.3f}" in page.text and "macro-F1" in page.text and "class 002" in page.text
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_of_many_classes_a_notebook_shows_the_worst() -> None:
    found = made_up_runs.report(120)
    page = Structure(found._repr_html_())
    assert page.count("tr") == 1 + len(found.figures) + 1 + SHOWN and "the 20 worst of 120 by f1" in page.text
    rows = sorted((row for row in found.per_class if row["support"]), key=lambda row: row["f1"])
    assert rows[0]["label"] in page.text and rows[-1]["label"] not in page.text
    assert len(found._repr_html_()) < 10_000


@pytest.mark.parametrize("made", [multilabel_reports.report, regression_reports.report], ids=["tags", "value"])
def test_other_reports_in_a_notebook(made: object) -> None:
    found = made()
    page = Structure(found._repr_html_())
    assert page.count("td") >= len(found.figures) and html_format.number(found.loss) in page.text
