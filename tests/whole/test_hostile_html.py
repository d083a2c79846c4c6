"""Hostile names, texts and files add no element and no attribute to any page, nor to what a notebook shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tlkit
from tests.helpers import entity_reports, made_up_runs, multilabel_reports, regression_reports, tiny_data
from tests.helpers.page_structure import Structure
from tlkit.doctor import diagnosis_page
from tlkit.evaluation.report_base import Mistake
from tlkit.models import freezing
from tlkit.models.attribution import Heat, Words
from tlkit.reporting import gallery, html_page, report_page
from tlkit.reporting.findings import Finding
from tlkit.runs import comparison
from tlkit.tasks.targets import Label
from tlkit.utils.html_format import concatenate

Page = Callable[[str, Path, pytest.MonkeyPatch], str]
HOSTILE = (  # shorter than what is cut
    """'"><script>x()</script><img src=x onerror=y()>&lt;<!--""",
    "</td></title></style></svg>]]>--><svg onload=x()>{}{0}%s",
    "` onmouseover=x() style='color:red' \" autofocus onfocus=y()",
)


def model(words: str, kind: str = "text") -> Any:
    """Return all of a classifier that a page reads."""
    backbone = SimpleNamespace(name=words, params=1, licence=words, source=words)
    given, target = SimpleNamespace(kind=kind, size=7), Label(("no", "yes"))
    return SimpleNamespace(
        spec=SimpleNamespace(backbone=backbone, head=words, weights=words, input=given, target=target)
    )


def explained(why: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one explanation stand for that of every mistake."""
    monkeypatch.setattr(gallery, "explain", lambda _, items: [why] * len(items))


def report(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(made_up_runs, "HOSTILE", words)
    monkeypatch.setattr(made_up_runs, "WORDS", np.array([words, "river"]))
    explained(Words(words, 1.0, (words, "river"), (1.0, 0.5)), monkeypatch)
    story = made_up_runs.story(2, "text")
    mistakes = tuple(Mistake(words, words, words, words, words) for _ in range(2))
    measured = dataclasses.replace(story.report, mistakes=mistakes, notes=(words,), split=words)
    data = dataclasses.replace(story.data, source=words, splitting=words, licence=words)
    finding = {"code": "leak", "severity": "warning", "title": words, "remedy": words}
    ledger = {"findings": [finding], "environment": {words: words}, "settings": {"seed": words}, "command": words}
    phases = tuple(phase | {"name": words} for phase in story.history.phases)
    history = dataclasses.replace(story.history, phases=phases)
    made = report_page.Story(measured, model(words), data, history, ledger)
    report_page.write(made, folder / "report.html")
    return (folder / "report.html").read_text("utf-8")


def diagnosis(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    data = tiny_data.texts([words, "two"], [0, 1], ["train", "train"])
    data.train.traits.names[0] = words
    data = dataclasses.replace(data, labels=(words, "b"), source=words, splitting=words)
    finding = Finding("x", "error", words, words, 8, ((words, f"{words} elsewhere"),) * 8, (words,) * 8)
    diagnosis_page.write(
        tlkit.Diagnosis(words, data.kind, data.labels, data.counts(), (finding,)), data, folder / "x.html"
    )
    return (folder / "x.html").read_text("utf-8")


def compared(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    run = SimpleNamespace(directory=words, target="label", facts={words: words}, figures={words: 0.5})
    found = comparison.Comparison((run, run), "right", 0, 0.5, (), (words,))
    found.save(folder / "x.html")
    return (folder / "x.html").read_text("utf-8") + shown(found)


def pictures(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pixels = np.zeros((8, 8, 3), np.uint8)
    explained(Heat(words, 1.0, pixels, np.ones((8, 8), np.float32)), monkeypatch)
    wrong = SimpleNamespace(mistakes=[Mistake(pixels, words, words, words, words)])
    return str(concatenate(gallery.mistakes(wrong, model(words, "image"), "image", html_page.Album(None))))


def written(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    example = {"prompt": words, "truth": words, "model": words}
    return str(concatenate(report_page.written(SimpleNamespace(report=SimpleNamespace(written=[example])), None)))


def reports(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(made_up_runs, "HOSTILE", words)
    made = (made_up_runs.report(3), multilabel_reports.report(), regression_reports.report(), entity_reports.measured())
    return "".join(shown(dataclasses.replace(each, notes=(words,), split=words)) for each in made)


def tables(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    history = made_up_runs.history()
    phases = tuple(row | {"name": words} for row in history.phases)
    epochs = tuple(row | {"phase": words} for row in history.epochs)
    frozen = freezing.FreezeTable((freezing.Part(words, 0, 5, 5),))
    return shown(dataclasses.replace(history, phases=phases, epochs=epochs)) + shown(frozen)


def shown(thing: Any) -> str:
    """Return what a notebook shows of a thing."""
    told = thing._repr_html_()
    assert type(told) is str  # a `Markup` would escape what others put beside it
    return told


@pytest.mark.parametrize("page", [report, diagnosis, compared, pictures, written, reports, tables])
def test_hostile_words_add_no_element_and_no_attribute(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(words: str) -> Structure:
        return Structure(page(words, tmp_path, monkeypatch))

    def elements(found: Structure) -> list[tuple[str, list[str]]]:
        return [(tag, list(attributes)) for tag, attributes in found.tags]

    harmless = elements(read("x" * 55))
    assert harmless
    for words in HOSTILE:
        found = read(words)
        assert words in found.text
        assert elements(found) == harmless
