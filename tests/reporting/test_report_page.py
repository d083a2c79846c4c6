"""The report's page: every chapter is there, it is well-formed and self-contained, and nothing in it is run."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import entity_reports, made_up_runs, multilabel_reports, regression_reports
from tests.helpers.page_structure import Structure
from tlkit.evaluation import generation_report
from tlkit.evaluation.classification_report import score
from tlkit.evaluation.report_base import Mistake
from tlkit.reporting import report_page
from tlkit.reporting.report_page import Story
from tlkit.tasks.next_token import Summary

CHAPTERS = [
    "Result", "Verdicts", "Data", "Training", "Classes", "Confusions", "Mistakes", "Calibration", "Making",
]  # fmt: skip


def chapters(page: Structure) -> list[str]:
    return [attrs["href"][1:].capitalize() for tag, attrs in page.tags if tag == "a"]


def read(told: Story, tmp_path: Path) -> tuple[Structure, str]:
    report_page.write(told, tmp_path / "report.html")
    written = (tmp_path / "report.html").read_text("utf-8")
    return Structure(written), written


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Structure, str]:
    return read(made_up_runs.story(3), tmp_path_factory.mktemp("page"))


def test_every_chapter_is_there(pictures: tuple[Structure, str]) -> None:
    page, _ = pictures
    assert chapters(page) == CHAPTERS
    told = made_up_runs.story(3)
    low, high = told.report.intervals()["accuracy"]
    assert f"{told.report.accuracy:.3f}accuracy{low:.3f} to {high:.3f}" in page.text
    for words in (
        "3 pictures stand twice", "head and 2 blocks", "1,202,562", "was computed once, for 1,200 examples",
        "temperature of 1.300", "tlkit train photos --out RUN", "it overfits", "95% sure", "Drawn at random.",
    ):  # fmt: skip
        assert words in page.text, words
    assert sum(tag == "svg" for tag, _ in page.tags) == 4
    assert sum(tag == "figure" for tag, _ in page.tags) == len(told.report.mistakes) == 12


def test_the_page_stands_alone_and_runs_nothing(pictures: tuple[Structure, str]) -> None:
    page, written = pictures
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    for _, attrs in page.tags:
        for name in ("src", "href", "xlink:href"):
            assert re.match(r"data:image/|#", attrs.get(name) or "#"), attrs
        assert not any(name.startswith("on") for name in attrs)
    assert "default-src 'none'" in written and made_up_runs.HOSTILE not in written and made_up_runs.HOSTILE in page.text
    assert "/home/me" not in written


def test_texts_are_shown_as_text(tmp_path: Path) -> None:
    page, written = read(made_up_runs.story(2, "text"), tmp_path)
    assert "<b>bold</b>" in page.text and "<b>bold" not in written
    assert sum(tag == "blockquote" for tag, _ in page.tags) > 12


def test_of_a_report_alone_there_are_fewer_chapters(tmp_path: Path) -> None:
    bare = score([0, 1, 1], np.eye(2)[[0, 1, 0]], ["a", "b"])
    page, _ = read(Story(bare), tmp_path)
    assert chapters(page) == ["Result", "Verdicts", "Classes", "Confusions", "Calibration"]
    loaded = dataclasses.replace(bare, y_true=None, probabilities=None)
    assert "bootstrap" in page.text and "bootstrap" not in read(Story(loaded), tmp_path)[0].text


def test_a_page_of_many_classes_stays_small(tmp_path: Path) -> None:
    page, written = read(made_up_runs.story(120), tmp_path)
    assert len(written) < 3_000_000 and "class 119" in page.text and "and 60 more classes" in page.text


# === Other kinds of models ===


def written() -> Story:
    sums = [np.array([[2.0, 1, 2], [0.5, 1, 1], [3.5, 1, 3]], np.float32)]
    texts = [{"prompt": "say <b>", "truth": "b", "model": "<i>"}]
    rouge = {"rouge1": 0.4, "rouge2": 0.2, "rougeL": 0.3}
    more = {"written": texts, "rouge": rouge, "lead": rouge, "summarized": 3, "scores": np.full((3, 3), 0.3)}
    facts = entity_reports.FACTS | more
    return Story(generation_report.SummaryReport.of(Summary(), np.zeros((3, 128)), sums, facts))


@pytest.mark.parametrize(
    ("told", "expected", "words"),
    [
        (lambda: Story(multilabel_reports.many(70)), ["Result", "Verdicts", "Tags"], "average precision"),
        (lambda: Story(regression_reports.report()), ["Result", "Verdicts"], "always 2.000, the mean in training"),
        (lambda: Story(entity_reports.measured()), ["Result", "Verdicts", "Types"], "entity F1, micro"),
        (written, ["Result", "Verdicts", "Written"], "their first sentence"),
    ],
    ids=["tags", "value", "entities", "summary"],
)
def test_every_kind_of_report_has_its_chapters(told: object, expected: list, words: str, tmp_path: Path) -> None:
    page, written = read(told(), tmp_path)
    assert chapters(page) == expected and words in page.text and "bootstrap" in page.text
    assert "<i>" not in written and len(written) < 500_000


def test_mistakes_of_tags_and_values_are_shown_with_a_reason_of_their_own(tmp_path: Path) -> None:
    report, data = regression_reports.report(), made_up_runs.data(2, "text")
    shown = tuple(Mistake(data.test.items[number], "", *told) for number, *told in report.worst())
    page, _ = read(Story(dataclasses.replace(report, mistakes=shown), None, data), tmp_path)
    assert "furthest from the truth" in page.text and "off by +2" in page.text and "Marked" not in page.text
    entities = dataclasses.replace(entity_reports.measured(), mistakes=shown[:1])
    assert "There is no explanation of entities." in read(Story(entities, None, data), tmp_path)[0].text


def test_the_amount_of_data_is_drawn(tmp_path: Path) -> None:
    curve = [{"examples": 10 * 2**n, "val_accuracy": 0.5 + n / 10, "val_loss": 1.0} for n in range(4)]
    page, _ = read(dataclasses.replace(made_up_runs.story(3), amounts=curve), tmp_path)
    assert chapters(page)[3] == "Amount-of-data"
    assert "too little data: of 40 training examples" in page.text and "0.800" in page.text
