"""Charts: SVG that takes its colours from the page and brings nothing along."""

from __future__ import annotations

import dataclasses

from tests.helpers import made_up_runs
from tests.helpers.page_structure import Structure
from tlkit.evaluation import plots
from tlkit.reporting import charts
from tlkit.utils import escaping


def drawn(about: str = "loss by epoch") -> str:
    return charts.svg(lambda: charts.curve(made_up_runs.history().epochs, "loss"), about)


def test_a_chart_takes_the_colours_of_the_page() -> None:
    svg = drawn()
    assert svg.startswith("<svg ") and svg.rstrip().endswith("</svg>")
    assert "currentColor" in svg and charts.INK not in svg and "#ffffff" not in svg
    assert ">head</text>" in svg and ">top</text>" in svg, "letters stay letters, and the phases are named"
    assert not any(word in svg for word in ("<metadata", "<style", "<script", "<!--", "purl.org"))


def test_it_is_the_same_every_time_and_apart_from_others() -> None:
    assert drawn() == drawn() != drawn("accuracy by epoch")


def test_what_it_shows_is_said_and_escaped() -> None:
    assert 'aria-label="&lt;b&gt; &amp; &#34;c&#34;"' in drawn('<b> & "c"')


def test_reliability_draws_each_group() -> None:
    bins = [{"confidence": 0.3, "accuracy": 0.2, "examples": 4}, {"confidence": 0.9, "accuracy": 1.0, "examples": 40}]
    axes = charts.reliability(bins).axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[0.3, 0.2], [0.9, 1.0]]
    small, large = axes.collections[0].get_sizes()
    assert small < large


def test_labels_make_no_elements() -> None:
    labels = ("--><img src=x>", "--!><img src=x>", "]]><b>x</b>", "<!--", "\x00\x0b<i>", "$a$</svg>")
    report = dataclasses.replace(made_up_runs.report(6), labels=labels)
    drawn = Structure(charts.svg(lambda: plots.confusion_figure(report), "x"))
    usual = Structure(charts.svg(lambda: plots.confusion_figure(made_up_runs.report(6)), "x"))
    assert {tag for tag, _ in drawn.tags} == {tag for tag, _ in usual.tags}
    assert [drawn.text.count(escaping.line(label)) for label in labels] == [2] * 6
