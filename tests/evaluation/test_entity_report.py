"""The report on entities: its figures against counts by hand, what is not read, and that it survives the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import made_up_runs
from tests.helpers.entity_reports import FACTS, TARGET, answers, measured
from tlkit.errors import InputError
from tlkit.evaluation import entity_report
from tlkit.evaluation.report_base import Measured


def test_entities_are_counted_by_span_and_type() -> None:
    true = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"], ["B-PER"]]
    said = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "I-LOC"], ["I-PER"]]
    found = entity_report.counted(true, said, ["LOC", "PER"])
    # answered: PER 0-2 right, PER 3-4 (a LOC), LOC 0-2 (a LOC 0-1), PER 0-1 right; true: two PER and two LOC
    assert (found["precision"], found["recall"], found["f1"]) == (2 / 4, 2 / 4, 2 / 4)
    place, person = found["per_type"]
    assert place == {"label": "LOC", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2}
    assert person == {"label": "PER", "precision": 2 / 3, "recall": 1.0, "f1": 0.8, "support": 2}
    assert found["confused"] == [{"true": "LOC", "answered": "PER", "count": 1}]


def test_nothing_to_find_and_nothing_found_is_0() -> None:
    found = entity_report.counted([["O"]], [["O"]], ["PER"])
    assert (found["precision"], found["recall"], found["f1"]) == (0.0, 0.0, 0.0)


def test_words_beyond_the_model_count_as_missed() -> None:
    report = measured()
    # true: PER; LOC, PER (its second word is not read); PER. answered: PER, LOC, PER of one word, PER
    assert (report.n, report.words, report.unread_words, report.unread_entities) == (3, 8, 2, 1)
    assert (report.precision, report.recall) == (3 / 4, 3 / 4) and report.accuracy == 7 / 8
    assert report.loss == pytest.approx(-np.log(0.6))
    assert report.figures == {"f1": 0.75, "precision": 0.75, "recall": 0.75, "accuracy": 7 / 8, "loss": report.loss}
    assert report.notes == (
        "drawn",
        "2 words, with 1 entities wholly or in part, lie beyond the tokens that are read and count as answered O; a "
        "larger size reads more",
        "1 words of which the tokenizer makes nothing are left out of the figures",
    )


def test_the_loss_is_of_the_true_tags() -> None:
    truth = np.array([[-1, 1, 3]], np.int16)
    report = entity_report.EntityReport.of(TARGET, truth, [answers("010")], FACTS)
    assert report.loss == pytest.approx(-(np.log(0.6) + np.log(0.1)) / 2)


def test_the_table_and_the_disk(tmp_path: Path) -> None:
    report = measured()
    text = report.table()
    assert text.startswith("test: 3 examples, 8 words, 2 types of entities, 1.0 s\nentity F1 0.750   precision 0.750")
    assert "\nLOC       1.000   1.000  1.000         1\n" in text and "note: 2 words" in text
    report.save(tmp_path)
    again = Measured.load(tmp_path)
    assert isinstance(again, tlkit.EntityReport) and again.table() == text and again.figures == report.figures


def test_what_is_mixed_up_is_told() -> None:
    truth = np.array([[-1, 1, 3]], np.int16)
    assert (
        "most confused: LOC as PER 1" in entity_report.EntityReport.of(TARGET, truth, [answers("033")], FACTS).table()
    )


def test_answers_of_other_texts_are_refused() -> None:
    with pytest.raises(InputError, match="2 texts have 1 answers"):
        entity_report.EntityReport.of(TARGET, np.zeros((2, 3), np.int16), [answers("000")], FACTS)


def test_intervals_are_of_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    report = measured()
    low, high = report.intervals()["f1"]
    assert low <= report.f1 <= high
    own = {name: value for name, value in report.figures.items() if name != "loss"}
    assert made_up_runs.on_all(report, monkeypatch) == pytest.approx(own)


def test_the_worst_are_the_texts_with_the_most_missed(tmp_path: Path) -> None:
    report = measured()
    items = ["Ada Lovelace", "Rome is Ada Lovelace now", "Bob !"]
    assert report.worst(items) == [(1, "LOC Rome, PER Ada Lovelace", "LOC Rome, PER Ada", "2 missed or made up")]
    assert report.worst()[0][1] == "LOC, PER" and report.rows == report.per_type
    assert report.each["missed"].tolist() == [0, 2, 0]
    report.save(tmp_path)
    loaded = Measured.load(tmp_path)
    assert loaded.intervals() == loaded.each == {} and loaded.worst(items) == []
