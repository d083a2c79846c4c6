"""Report as a single HTML page that works without network or scripts."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tlkit.evaluation import plots
from tlkit.evaluation.report_base import Measured, called
from tlkit.reporting import charts, gallery, html_page, verdicts
from tlkit.reporting.findings import Finding
from tlkit.tasks import registry
from tlkit.utils import text_format
from tlkit.utils.html_format import cell, concatenate, number, table, text

NAME = "report.html"
STYLE = Markup("""
h2 { margin-top: 2.2rem; font-size: 1.2rem; } section h2 { margin-top: 0; font-size: 1.05rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem .9rem; } a { color: var(--note); }
.figures { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 1rem 0; }
.figures div { min-width: 8rem; } .figures b { display: block; font-size: 1.7rem; line-height: 1.2; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } .charts svg { max-width: 100%; height: auto; }
.drawn { overflow-x: auto; } .drawn svg { width: 100%; min-width: 34rem; height: auto; } .wide { margin: .8rem 0; }
.tall { max-height: 28rem; overflow: auto; } .wide svg { max-width: none; } code { overflow-wrap: anywhere; }
.facts td, .facts th { text-align: left; vertical-align: top; } .facts td { overflow-wrap: anywhere; }
""")
PARAGRAPH = Markup("<p>{}</p>")
CHARTS = Markup('<div class="charts">{}</div>')
FACT = Markup("<tr><th>{}</th><td>{}</td></tr>")
MAX_CONFUSIONS_LISTED = 10  # pairs of classes that are listed
COLUMNS = {"support": "examples", "average_precision": "average precision"}
# how the answers that are shown are explained, by what the model takes
WHY = {
    "image": "In red, by Grad-CAM, the places that speak for the answer.",
    "text": "Marked are the words without which the answer would score lower.",
    "table": "Marked are the cells without which the answer would score lower.",
}


@dataclass(frozen=True, eq=False)
class Story:
    """Group what a page is written from; what is missing is left out of it.

    Args:
        report: what was measured.
        clf: the classifier, which explains its mistakes.
        data: what was learned from.
        history: what `tlkit.fit` returned.
        ledger: what `run.json` says.
        amounts: what `tlkit.learning_curve` returned.
    """

    report: Measured
    clf: Any = None
    data: Any = None
    history: Any = None
    ledger: Mapping[str, Any] = field(default_factory=dict)
    amounts: Sequence[Mapping[str, float]] = ()

    @functools.cached_property
    def edges(self) -> dict[str, tuple[float, float]]:
        """The intervals of the headline figures, computed once."""
        return self.report.intervals()


def write(story: Story, path: str | Path) -> None:
    """Write the page in one step.

    Raises:
        RunError: the disk is full or may not be written.
    """
    html_page.write(path, lines(story))


def lines(story: Story) -> Iterator[Markup]:
    """Yield the page."""
    album = html_page.Album(None)
    chapters = {name: list(chapter(story, album)) for name, chapter in _chapters(story).items()}
    chapters = {name: told for name, told in chapters.items() if told}
    yield from html_page.opening(_title(story), STYLE + gallery.STYLE)
    links = concatenate(Markup('<a href="#{}">{}</a>').format(_id(name), name) for name in chapters)
    yield Markup("<nav>{}</nav>").format(links)
    for name, told in chapters.items():
        yield Markup('<h2 id="{}">{}</h2>').format(_id(name), name)
        yield from told
    yield Markup("</body>\n</html>")


def _title(story: Story) -> str:
    source = "" if story.data is None else f" on {_short(story.data.source)}"
    if story.clf is None:
        return f"A model of {len(story.report.labels)} labels{source}"
    about = story.clf.spec
    return f"{about.backbone.name} + {about.head}{source}"


def _id(name: str) -> str:
    return name.lower().replace(" ", "-")


def _short(source: str) -> str:
    """Leave the folder out of an absolute path: a page is passed on."""
    return Path(source).name if Path(source).is_absolute() else source


# === How it was made ===


def _data(story: Story, album: html_page.Album) -> Iterator[Markup]:
    data = story.data
    if data is None:
        return
    yield PARAGRAPH.format(text(data.splitting))
    if data.unreadable:
        left = f"{len(data.unreadable):,} examples could not be read and were left out; quarantine.csv says why."
        yield PARAGRAPH.format(left)
    sizes = {name: len(split) for name, split in data.splits().items()}
    labels = () if data.task == "value" or registry.writes(data.task) else data.kinds  # these are all of one
    yield Markup('<div class="tall">')
    yield from html_page.counts_table(
        data.counts(), labels, registry.target(data.task).unit if labels else "split", sizes
    )
    yield Markup("</div>\n<p>Some examples of the training split:</p>")
    yield Markup('<div class="tall">')
    yield from gallery.samples(data, album)
    yield Markup("</div>")
    for told in story.ledger.get("findings", ()):
        finding = Finding(**{key: told[key] for key in ("code", "severity", "title", "remedy")})
        yield from html_page.finding_lines(finding, album)


def _amounts(story: Story, album: html_page.Album) -> Iterator[Markup]:
    if not story.amounts:
        return
    figure = next(name.removeprefix("val_") for name in story.amounts[0] if name not in ("examples", "val_loss"))
    yield Markup(
        "<p>How well the head does on the validation split if it learns from a part of the training examples only, \n"
        "the base being frozen. A curve that still rises says that more examples would help.</p>"
    )
    drawn = charts.svg(lambda: charts.amounts(story.amounts, figure), f"{figure} by number of training examples")
    yield CHARTS.format(drawn)
    rows = [(f"{row['examples']:,}", *map(number, (row[f"val_{figure}"], row["val_loss"]))) for row in story.amounts]
    yield from table(("training examples", f"{figure} on val", "loss on val"), rows)


def _training(story: Story, album: html_page.Album) -> Iterator[Markup]:
    history = story.report.history
    if not history:
        return
    drawn = [
        charts.svg(lambda name=name: charts.curve(history, name), f"{name} by epoch") for name in plots.told(history)
    ]
    yield CHARTS.format(concatenate(drawn))
    if story.history is None:
        return
    yield Markup(
        '<div class="wide"><table>\n<tr><th>phase</th><th>unfrozen</th><th>trained parameters</th>\n'
        "<th>frozen parameters</th><th>epochs</th><th>best</th><th>seconds</th></tr>"
    )
    for phase in story.history.phases:
        opened = {0: "head only", "all": "everything"}.get(
            phase["unfreeze"], f"head and {text_format.blocks(phase['unfreeze'])}"
        )
        epochs = sum(row["phase"] == phase["name"] for row in history)
        cells = (opened, f"{phase['trainable']:,}", f"{phase['frozen']:,}", epochs, phase["best_epoch"])
        values = concatenate(Markup("<td>{}</td>").format(value) for value in (*cells, f"{phase['seconds']:.1f}"))
        yield Markup("<tr><th>{}</th>{}</tr>").format(text(phase["name"]), values)
    yield Markup("</table></div>\n<p>{}</p>").format(_saved(story))


def _saved(story: Story) -> str:
    """Say what it saved that the frozen part was computed once."""
    history, data = story.history, story.data
    if not history.trunk_examples:
        return "The output of the frozen part had been stored by an earlier run."
    told = f"The frozen part was computed once, for {history.trunk_examples:,} examples, {history.trunk_seconds:.1f} s."
    if data is None:
        return told
    again = len(history.epochs) * (len(data.train) + len(data.val))
    times = again / history.trunk_examples
    if times <= 1:
        return told
    return f"{told} In every epoch anew it would have been {again:,}, {times:.1f} times as many."


def _making(story: Story, album: html_page.Album) -> Iterator[Markup]:
    facts: dict[str, str] = {}
    if story.clf is not None:
        about = story.clf.spec
        facts |= {"backbone": f"{about.backbone.name}, {about.backbone.params:,} parameters", "head": about.head}
        facts |= {"input": f"{about.input.kind}, size {about.input.size}", "weights": about.weights}
        facts |= {"licence of the weights": about.backbone.licence or "not stated"}
        facts |= {"source": about.backbone.source or "not stated"}
    if story.data is not None:
        facts |= {"data": _short(story.data.source), "licence of the data": story.data.licence or "not stated"}
    if story.history is not None:
        facts |= {"seconds of training": f"{story.history.seconds:.1f}"}
    facts |= {name: str(value) for name, value in story.ledger.get("environment", {}).items()}
    if "seed" in (job := story.ledger.get("settings", {})):
        facts["seed"] = str(job["seed"])
    if facts:
        yield Markup('<div class="wide"><table class="facts">')
        yield from (FACT.format(text(name), text(value)) for name, value in facts.items())
        yield Markup("</table></div>")
    if command := story.ledger.get("command"):
        yield Markup("<p>To do it again: <code>{}</code></p>").format(text(command))


def _chapters(story: Story) -> dict[str, Any]:
    """Name the chapters, in order, each with what writes it; one that has nothing to say is left out."""
    noun = {"tags": "Tags", "entities": "Types"}.get(story.report.target, "Classes")
    return {
        "Result": figures,
        "Verdicts": judged,
        "Data": _data,
        "Amount of data": _amounts,
        "Training": _training,
        noun: each,
        "Confusions": confusions,
        "Mistakes": mistakes,
        "Written": written,
        "Calibration": calibration,
        "Making": _making,
    }


# === Results ===


def figures(story: Any, album: html_page.Album) -> Iterator[Markup]:
    """Yield the headline figures with their intervals."""
    report, edges = story.report, story.edges
    yield Markup("<p>Measured on {:,} examples of the {} split.</p>").format(report.n, text(report.split))
    yield Markup('<div class="figures">')
    for name, value in report.figures.items():
        low, high = edges.get(name, (None, None))
        told = "" if low is None else Markup("<br><small>{} to {}</small>").format(number(low), number(high))
        shown = (number(value), text(called(name, report.target)), told)
        yield Markup("<div><b>{}</b>{}{}</div>").format(*shown)
    yield Markup("</div>")
    if edges:
        yield Markup("<p><small>The ranges hold 95 of 100 bootstrap samples of the examples.</small></p>")
    for others in (_beside_the_mean(report), _beside_the_first_sentence(report)):
        yield from others
    if drawn := charts.svg(report.figure_of, report.drawn):
        yield Markup('<div class="{}">{}</div>').format("charts" if report.target == "label" else "drawn", drawn)
    known = "" if story.data is None else story.data.splitting  # which stands with the data
    yield from (PARAGRAPH.format(text(note)) for note in report.notes if note != known)


def _beside_the_mean(report: Any) -> Iterator[Markup]:
    trivial = getattr(report, "trivial", None)
    if trivial:
        rows = [(called(name, "value"), number(getattr(report, name)), number(trivial[name])) for name in trivial]
        yield from table(("", "the model", f"always {number(report.mean)}, the mean in training"), rows)


def _beside_the_first_sentence(report: Any) -> Iterator[Markup]:
    lead = getattr(report, "lead", None)
    if lead:
        rows = [(called(name, "summary"), number(report.rouge[name]), number(lead[name])) for name in report.rouge]
        yield from table((f"{report.summarized:,} documents", "the model", "their first sentence"), rows)


def judged(story: Any, album: html_page.Album) -> Iterator[Markup]:
    """Yield the verdicts."""
    phases = () if story.history is None else story.history.phases
    for finding in verdicts.judge(story.report, phases, story.data, story.amounts):
        yield from html_page.finding_lines(finding, album)


def each(story: Any, album: html_page.Album) -> Iterator[Markup]:
    """Yield the figures of each class, tag or type."""
    if rows := story.report.rows:
        columns = [name for name in rows[0] if name != "label"]
        noun = registry.target(story.report.target).unit
        told = [(row["label"], *(cell(row[name]) for name in columns)) for row in rows]
        yield from table((noun, *(COLUMNS.get(name, name) for name in columns)), told, " tall")


def confusions(story: Any, album: html_page.Album) -> Iterator[Markup]:
    """Yield the confusion matrix and the pairs of classes, or types of entities, that are mixed up most."""
    report = story.report
    if mixed := getattr(report, "confused", ()):
        rows = [(row["true"], row["answered"], f"{row['count']:,}") for row in mixed[:MAX_CONFUSIONS_LISTED]]
        yield from table(("truth", "taken for", "times"), rows)
    counts = getattr(report, "confusion", None)
    if counts is None or np.ndim(counts) != 2:
        return
    drawn = charts.svg(lambda: plots.confusion_figure(report), "confusion matrix: truth by answer")
    yield Markup('<div class="wide">{}</div>').format(drawn)
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    pairs = [
        divmod(int(place), len(counts))
        for place in np.argsort(-wrong, axis=None, kind="stable")[:MAX_CONFUSIONS_LISTED]
    ]
    if pairs := [pair for pair in pairs if wrong[pair]]:
        labels, sums = report.labels, counts.sum(axis=1)
        rows = [(labels[a], labels[b], f"{wrong[a, b]:,}", f"{sums[a]:,}") for a, b in pairs]
        yield from table(("truth", "taken for", "times", "of"), rows)


def mistakes(story: Any, album: html_page.Album) -> Iterator[Markup]:
    """Yield the worst answers, with what led to them."""
    if not story.report.mistakes:
        return
    kind = story.data.kind if story.data is not None else ""
    kind = kind if story.clf is None else story.clf.spec.input.kind
    shown = list(gallery.mistakes(story.report, story.clf, kind, album, story.data))
    why = WHY[kind] if any(gallery.EXPLAINED in line for line in shown) else ""
    why = "There is no explanation of entities." if story.report.target == "entities" else why
    yield PARAGRAPH.format(f"{story.report.chosen} {why}")
    yield from shown


def written(story: Any, album: html_page.Album) -> Iterator[Markup]:
    """Yield what a model that writes made of a few examples."""
    examples = getattr(story.report, "written", ())
    for one in examples:
        rows = concatenate(FACT.format(name, text(one[name])) for name in ("prompt", "truth", "model"))
        yield Markup('<div class="wide"><table class="facts">{}</table></div>').format(rows)
    if examples:
        yield Markup("<p>There is no explanation of what a model writes.</p>")


def calibration(story: Any, album: html_page.Album) -> Iterator[Markup]:
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
    yield PARAGRAPH.format(told)
    drawn = charts.svg(lambda: charts.reliability(facts["bins"]), "how often answers are right by how sure they are")
    yield Markup('<div class="charts">{}<div><p>Where the model may keep silent:</p><table>').format(drawn)
    yield Markup("<tr><th>only if at least</th><th>it answers</th><th>of these right</th></tr>")
    for row in facts["coverage"]:
        right = "-" if row["accuracy"] is None else f"{row['accuracy']:.1%}"
        coverage = Markup("<tr><th>{:.0%} sure</th><td>{:.1%}</td><td>{}</td></tr>")
        yield coverage.format(row["threshold"], row["coverage"], right)
    yield Markup("</table></div></div>")
