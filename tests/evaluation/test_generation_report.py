"""Reports of models that write: figures by hand, what is kept and told, ROUGE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tlkit
from tests.helpers import made_up_runs, tiny_generators
from tlkit.data.text_pairs import Pair
from tlkit.evaluation import generation_report
from tlkit.evaluation.report_base import Measured
from tlkit.tasks.next_token import Reply, Summary

FACTS = {"split": "test", "history": (), "seconds": 1.0, "notes": ("as given",)}


def test_all_tokens_count_alike() -> None:
    sums = [np.array([[2.0, 1, 2]], np.float32), np.array([[0.5, 1, 1], [3.5, 1, 3]], np.float32)]
    report = generation_report.ReplyReport.of(Reply(), np.zeros((3, 128)), sums, {**FACTS, "cut": 2})
    assert (report.n, report.tokens, report.loss, report.token_accuracy) == (3, 6, 1.0, 0.5)
    assert report.perplexity == pytest.approx(np.e) and list(report.figures) == ["perplexity", "token_accuracy", "loss"]
    assert report.notes[0] == "as given" and report.notes[1].startswith(
        "2 of 3 examples are longer than the model reads"
    )


def test_what_is_kept_of_logits_is_their_sums() -> None:
    logits = tf.math.log(tf.constant([[[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]]))
    kept = generation_report.ReplyReport.kept(Reply(size=2), np.array([[0, 2]]), logits)
    assert kept == pytest.approx(np.array([[-np.log(0.7) - np.log(0.1), 1, 2]]), rel=1e-5)


def test_rouge_of_equal_and_of_other_texts() -> None:
    assert generation_report.rouge(["the cat sat"], ["The cat sat."]) == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}
    found = generation_report.rouge(["the cat sat", "a dog"], ["the cat ran", "banks"])
    assert found["rouge1"] == pytest.approx((2 / 3) / 2) and found["rouge2"] == pytest.approx(0.5 / 2)


@pytest.fixture(scope="module")
def summarizer() -> Any:
    return tiny_generators.seq2seq()


@pytest.mark.slow
def test_a_report_of_summaries_is_saved_and_read(summarizer: Any, tmp_path: Path) -> None:
    data = tiny_generators.talks(2, "summary")
    report = tlkit.evaluate(summarizer, data.test)
    truths, documents = [item.parts[1] for item in data.test.items], [item.parts[0] for item in data.test.items]
    assert report.rouge == generation_report.rouge(truths, tlkit.generate(summarizer, documents))
    assert report.lead == generation_report.rouge(truths, documents) and report.summarized == len(data.test)
    assert "ROUGE-1" in str(report) and "first sentence" in str(report) and "token accuracy" in str(report)
    report.save(tmp_path)
    loaded = Measured.load(tmp_path)
    assert type(loaded) is generation_report.SummaryReport and loaded.figures == pytest.approx(report.figures)
    assert list(loaded.written) == list(report.written)


@pytest.mark.slow
def test_examples_that_are_cut_are_counted(summarizer: Any) -> None:
    data = tiny_generators.talks(2, "summary")
    items = [Pair("a " * 100, "b") if number else item for number, item in enumerate(data.test.items)]
    report = tlkit.evaluate(summarizer, type(data.test)(items, data.test.labels))
    assert report.cut == len(items) - 1 and any("longer than the model reads" in note for note in report.notes)


def test_intervals_are_of_the_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sums = [np.array([[2.0, 1, 2], [0.5, 1, 1], [3.5, 1, 3]], np.float32)]
    report = generation_report.ReplyReport.of(Reply(), np.zeros((3, 128)), sums, FACTS)
    scores = generation_report.rouge_each(["the cat sat", "a dog"], ["the cat ran", "banks"])
    more = {
        "rouge": generation_report.rouge(["the cat sat", "a dog"], ["the cat ran", "banks"]),
        "lead": {},
        "summarized": 2,
    }
    summary = generation_report.SummaryReport.of(
        Summary(), np.zeros((3, 128)), sums, {**FACTS, **more, "scores": scores}
    )
    assert report.intervals()["loss"][0] < report.loss < report.intervals()["loss"][1]
    assert made_up_runs.on_all(report, monkeypatch) == pytest.approx(report.figures)
    assert made_up_runs.on_all(summary, monkeypatch) == pytest.approx(summary.figures | {"token_accuracy": 0.5})
    assert report.each["loss"].tolist() == summary.each["loss"].tolist() == [2.0, 0.5, 3.5]
    summary.save(tmp_path)
    assert Measured.load(tmp_path).intervals() == Measured.load(tmp_path).each == {}
