"""What came of a run, as chapters of the report's page: figures, verdicts, confusions, mistakes, probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tlkit.evaluation import plots
from tlkit.evaluation.report_base import called
from tlkit.reporting import charts, gallery, html_page, verdicts
from tlkit.utils.html_format import cell, number, table

CONFUSIONS = 10  # pairs of classes that are listed
COLUMNS = {"support": "examples", "average_precision": "average precision"}
# how the answers that are shown were chosen, by what is learned
CHOSEN = {
    "label": "The wrong answers that the model was most sure of.",
    "tags": "The examples with the wrong decisions that the model was most sure of.",
    "value": "The answers that are furthest from the truth.",
    "entities": "The texts with the most entities that were missed or made up.",
}
DRAWN = {"label": "precision by recall", "tags": "F1 of each tag", "value": "answers by truth, and their errors"}
# how they are explained, by what the model takes
WHY = {
    "image": "In red, by Grad-CAM, the places that speak for the answer.",
    "text": "Marked are the words without which the answer would score lower.",
    "table": "Marked are the cells without which the answer would score lower.",
}


def figures(story: Any, album: html_page.Album) -> Iterator[str]:
    """Yield the headline figures with their intervals."""
    report, edges = story.report, story.edges
    yield f"<p>Measured on {report.n:,} examples of the {html_page.text(report.split)} split.</p>"
    yield '<div class="figures">'
    for name, value in report.figures.items():
        low, high = edges.get(name, (None, None))
        told = "" if low is None else f"<br><small>{number(low)} to {number(high)}</small>"
        yield f"<div><b>{number(value)}</b>{html_page.text(called(name, report.target))}{told}</div>"
    yield "</div>"
    if edges:
        yield "<p><small>The ranges hold 95 of 100 bootstrap samples of the examples.</small></p>"
    for others in (_beside_the_mean(report), _beside_the_first_sentence(report)):
        yield from others
    if drawn := charts.svg(report.figure_of, DRAWN.get(report.target, "")):
        yield f'<div class="{"charts" if report.target == "label" else "drawn"}">{drawn}</div>'
    known = "" if story.data is None else story.data.splitting  # which stands with the data
    yield from (f"<p>{html_page.text(note)}</p>" for note in report.notes if note != known)


def _beside_the_mean(report: Any) -> Iterator[str]:
    trivial = getattr(report, "trivial", None)
    if trivial:
        rows = [(called(name, "value"), number(getattr(report, name)), number(trivial[name])) for name in trivial]
        yield from table(("", "the model", f"always {number(report.mean)}, the mean in training"), rows)


def _beside_the_first_sentence(report: Any) -> Iterator[str]:
    lead = getattr(report, "lead", None)
    if lead:
        rows = [(called(name, "summary"), number(report.rouge[name]), number(lead[name])) for name in report.rouge]
        yield from table((f"{report.summarized:,} documents", "the model", "their first sentence"), rows)


def judged(story: Any, album: html_page.Album) -> Iterator[str]:
    """Yield the verdicts."""
    phases = () if story.history is None else story.history.phases
    for finding in verdicts.judge(story.report, phases, story.data, story.amounts):
        yield from html_page.finding_lines(finding, album)


def each(story: Any, album: html_page.Album) -> Iterator[str]:
    """Yield the figures of each class, tag or type."""
    if rows := story.report.rows:
        columns = [name for name in rows[0] if name != "label"]
        noun = html_page.NOUNS[story.report.target]
        told = [(row["label"], *(cell(row[name]) for name in columns)) for row in rows]
        yield from table((noun, *(COLUMNS.get(name, name) for name in columns)), told, " tall")


def confusions(story: Any, album: html_page.Album) -> Iterator[str]:
    """Yield the confusion matrix and the pairs of classes, or types of entities, that are mixed up most."""
    report = story.report
    if mixed := getattr(report, "confused", ()):
        rows = [(row["true"], row["answered"], f"{row['count']:,}") for row in mixed[:CONFUSIONS]]
        yield from table(("truth", "taken for", "times"), rows)
    counts = getattr(report, "confusion", None)
    if counts is None or np.ndim(counts) != 2:
        return
    drawn = charts.svg(lambda: plots.confusion_figure(report), "confusion matrix: truth by answer")
    yield f'<div class="wide">{drawn}</div>'
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    pairs = [divmod(int(place), len(counts)) for place in np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]]
    if pairs := [pair for pair in pairs if wrong[pair]]:
        labels, sums = report.labels, counts.sum(axis=1)
        rows = [(labels[a], labels[b], f"{wrong[a, b]:,}", f"{sums[a]:,}") for a, b in pairs]
        yield from table(("truth", "taken for", "times", "of"), rows)


def mistakes(story: Any, album: html_page.Album) -> Iterator[str]:
    """Yield the worst answers, with what led to them."""
    if not story.report.mistakes:
        return
    kind = story.data.kind if story.data is not None else ""
    kind = kind if story.clf is None else story.clf.spec.input.kind
    shown = list(gallery.mistakes(story.report, story.clf, kind, album, story.data))
    why = WHY[kind] if any(gallery.EXPLAINED in line for line in shown) else ""
    why = "There is no explanation of entities." if story.report.target == "entities" else why
    yield f"<p>{CHOSEN[story.report.target]} {why}</p>"
    yield from shown


def written(story: Any, album: html_page.Album) -> Iterator[str]:
    """Yield what a model that writes made of a few examples."""
    examples = getattr(story.report, "written", ())
    for one in examples:
        rows = [
            f"<tr><th>{name}</th><td>{html_page.text(one[name])}</td></tr>" for name in ("prompt", "truth", "model")
        ]
        yield f'<div class="wide"><table class="facts">{"".join(rows)}</table></div>'
    if examples:
        yield "<p>There is no explanation of what a model writes.</p>"


def calibration(story: Any, album: html_page.Album) -> Iterator[str]:
    """Yield whether the probabilities can be believed, and what is gained where the model keeps silent."""
    facts = getattr(story.report, "calibration", None)
    if not facts:
        return
    told = f"A probability is off by {facts['ece']:.3f} on average (expected calibration error, 15 groups)."
    if facts["temperature"] != 1:
        told += (
            f" Scores are divided by a temperature of {facts['temperature']:.3f}, fitted on the validation split; "
            f"without it the error was {facts['ece_before']:.3f} and the loss {facts['loss_before']:.3f}."
        )
    yield f"<p>{told}</p>"
    drawn = charts.svg(lambda: charts.reliability(facts["bins"]), "how often answers are right by how sure they are")
    yield f'<div class="charts">{drawn}<div><p>Where the model may keep silent:</p><table>'
    yield "<tr><th>only if at least</th><th>it answers</th><th>of these right</th></tr>"
    for row in facts["coverage"]:
        right = "-" if row["accuracy"] is None else f"{row['accuracy']:.1%}"
        yield f"<tr><th>{row['threshold']:.0%} sure</th><td>{row['coverage']:.1%}</td><td>{right}</td></tr>"
    yield "</table></div></div>"
