"""The report as one HTML page that a colleague can open: no network, no script."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tlkit import charts, files, gallery, page, plots, verdicts
from tlkit.findings import Finding
from tlkit.measured import Measured

NAME = "report.html"
CONFUSIONS = 10  # pairs of classes that are listed
NAMES = {"macro_f1": "macro-F1", "loss": "loss (cross-entropy, nats)", "mae": "mean absolute error"}
STYLE = """
h2 { margin-top: 2.2rem; font-size: 1.2rem; } section h2 { margin-top: 0; font-size: 1.05rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem .9rem; } a { color: var(--note); }
.figures { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 1rem 0; }
.figures div { min-width: 8rem; } .figures b { display: block; font-size: 1.7rem; line-height: 1.2; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } .charts svg { max-width: 100%; height: auto; }
.tall { max-height: 28rem; overflow: auto; } .wide svg { max-width: none; } code { overflow-wrap: anywhere; }
.facts td, .facts th { text-align: left; vertical-align: top; overflow-wrap: anywhere; }
"""


@dataclass(frozen=True, eq=False)
class Story:
    """Group what a page is written from; what is missing is left out of it.

    Args:
        report: what was measured.
        clf: the classifier, which explains its mistakes.
        data: what was learned from.
        history: what `tlkit.fit` returned.
        ledger: what `run.json` says.
    """

    report: Measured
    clf: Any = None
    data: Any = None
    history: Any = None
    ledger: Mapping[str, Any] = field(default_factory=dict)


def write(story: Story, path: str | Path) -> None:
    """Write the page in one step.

    Raises:
        RunError: the disk is full or may not be written.
    """
    files.write_text(path, "".join(f"{line}\n" for line in lines(story)))


def lines(story: Story) -> Iterator[str]:
    """Yield the page."""
    album = page.Album(None)
    chapters = {name: list(chapter(story, album)) for name, chapter in CHAPTERS.items()}
    chapters = {name: told for name, told in chapters.items() if told}
    yield from page.opening(_title(story), STYLE + gallery.STYLE)
    links = "".join(f'<a href="#{_id(name)}">{name}</a>' for name in chapters)
    yield f"<nav>{links}</nav>"
    for name, told in chapters.items():
        yield f'<h2 id="{_id(name)}">{name}</h2>'
        yield from told
    yield "</body>\n</html>"


def _title(story: Story) -> str:
    source = "" if story.data is None else f" on {_short(story.data.source)}"
    if story.clf is None:
        return f"A model of {len(story.report.labels)} labels{source}"
    about = story.clf.spec
    return f"{about.backbone.name} + {about.head}{source}"


def _id(name: str) -> str:
    return name.lower().replace(" ", "-")


def _short(text: str) -> str:
    """Leave the folder out of an absolute path: a page is passed on."""
    return Path(text).name if Path(text).is_absolute() else text


# === What came of it ===


def _figures(story: Story, album: page.Album) -> Iterator[str]:
    report, edges = story.report, story.report.intervals()
    yield f"<p>Measured on {report.n:,} examples of the {page.text(report.split)} split.</p>"
    yield '<div class="figures">'
    for name, value in report.figures.items():
        about = html.escape(NAMES.get(name, name.replace("_", " ")))
        low, high = edges.get(name, (None, None))
        told = "" if low is None else f"<br><small>{low:.3f} to {high:.3f}</small>"
        yield f"<div><b>{value:.3f}</b>{about}{told}</div>"
    yield "</div>"
    if edges:
        yield "<p><small>The ranges hold 95 of 100 bootstrap samples of the examples.</small></p>"
    yield from (f"<p>{page.text(note)}</p>" for note in report.notes)


def _verdicts(story: Story, album: page.Album) -> Iterator[str]:
    phases = () if story.history is None else story.history.phases
    for finding in verdicts.judge(story.report, phases, story.data):
        yield from page.finding_lines(finding, album)


def _per_class(story: Story, album: page.Album) -> Iterator[str]:
    rows = list(getattr(story.report, "per_class", ()))
    if not rows:
        return
    columns = [name for name in rows[0] if name != "label"]
    head = "".join(f"<th>{html.escape({'support': 'examples'}.get(name, name))}</th>" for name in columns)
    yield f'<div class="wide tall"><table>\n<tr><th>class</th>{head}</tr>'
    for row in rows:
        cells = "".join(f"<td>{_number(row[name])}</td>" for name in columns)
        yield f"<tr><th>{page.text(row['label'], 'label')}</th>{cells}</tr>"
    yield "</table></div>"


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return (
        f"{value:.3f}"
        if isinstance(value, float)
        else page.text(f"{value:,}" if isinstance(value, int) else str(value))
    )


def _confusion(story: Story, album: page.Album) -> Iterator[str]:
    counts = getattr(story.report, "confusion", None)
    if counts is None or np.ndim(counts) != 2:
        return
    drawn = charts.svg(lambda: plots.confusion_figure(story.report), "confusion matrix: truth by answer")
    yield f'<div class="wide">{drawn}</div>'
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    pairs = [divmod(int(place), len(counts)) for place in np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]]
    pairs = [pair for pair in pairs if wrong[pair]]
    if pairs:
        labels, sums = story.report.labels, counts.sum(axis=1)
        yield '<div class="wide"><table>\n<tr><th>truth</th><th>taken for</th><th>times</th><th>of</th></tr>'
        for truth, answer in pairs:
            names = f"<th>{page.text(labels[truth], 'label')}</th><td>{page.text(labels[answer], 'label')}</td>"
            yield f"<tr>{names}<td>{wrong[truth, answer]:,}</td><td>{sums[truth]:,}</td></tr>"
        yield "</table></div>"


def _mistakes(story: Story, album: page.Album) -> Iterator[str]:
    if story.report.mistakes:
        about = story.data.kind if story.data is not None else ""
        kind = about if story.clf is None else story.clf.spec.input.kind
        why = {
            "image": " In red, by Grad-CAM, the places that speak for the answer.",
            "text": " Marked are the words without which the answer would score lower.",
        }
        yield f"<p>The wrong answers that the model was most sure of.{why.get(kind, '') if story.clf else ''}</p>"
        yield from gallery.mistakes(story.report, story.clf, kind, album)


def _calibration(story: Story, album: page.Album) -> Iterator[str]:
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


# === How it was made ===


def _data(story: Story, album: page.Album) -> Iterator[str]:
    data = story.data
    if data is None:
        return
    yield f"<p>{page.text(data.splitting)}</p>"
    if data.unreadable:
        yield f"<p>{len(data.unreadable):,} examples could not be read and were left out; quarantine.csv says why.</p>"
    if data.task == "label":
        yield '<div class="tall">'
        sizes = {name: len(split) for name, split in data.splits().items()}
        yield from page.counts_table(data.counts(), data.kinds, page.NOUNS[data.task], sizes)
        yield "</div>\n<p>Some examples of the training split:</p>"
        yield from gallery.samples(data, album)
    for told in story.ledger.get("findings", ()):
        finding = Finding(**{key: told[key] for key in ("code", "severity", "title", "remedy")})
        yield from page.finding_lines(finding, album)


def _training(story: Story, album: page.Album) -> Iterator[str]:
    history = story.report.history
    if not history:
        return
    drawn = [
        charts.svg(lambda name=name: charts.curve(history, name), f"{name} by epoch") for name in plots.told(history)
    ]
    yield f'<div class="charts">{"".join(drawn)}</div>'
    if story.history is None:
        return
    yield '<div class="wide"><table>\n<tr><th>phase</th><th>unfrozen</th><th>trained parameters</th>'
    yield "<th>frozen parameters</th><th>epochs</th><th>best</th><th>seconds</th></tr>"
    for phase in story.history.phases:
        opened = {0: "head only", "all": "everything"}.get(phase["unfreeze"], f"head and {phase['unfreeze']} blocks")
        epochs = sum(row["phase"] == phase["name"] for row in history)
        yield (
            f"<tr><th>{page.text(phase['name'])}</th><td>{opened}</td><td>{phase['trainable']:,}</td>"
            f"<td>{phase['frozen']:,}</td><td>{epochs}</td><td>{phase['best_epoch']}</td>"
            f"<td>{phase['seconds']:.1f}</td></tr>"
        )
    yield f"</table></div>\n<p>{_saved(story)}</p>"


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


def _making(story: Story, album: page.Album) -> Iterator[str]:
    facts: dict[str, str] = {}
    if story.clf is not None:
        about = story.clf.spec
        facts |= {"backbone": f"{about.backbone.name}, {about.backbone.params:,} parameters", "head": about.head}
        facts |= {"input": f"{about.input.kind}, size {about.input.size}", "weights": about.weights}
        facts |= {"licence of the weights": about.backbone.licence or "not stated", "source": about.backbone.source}
    if story.data is not None:
        facts |= {"data": _short(story.data.source), "licence of the data": story.data.licence or "not stated"}
    if story.history is not None:
        facts |= {"seconds of training": f"{story.history.seconds:.1f}"}
    facts |= {name: str(value) for name, value in story.ledger.get("environment", {}).items()}
    if "seed" in (job := story.ledger.get("settings", {})):
        facts["seed"] = str(job["seed"])
    if facts:
        yield '<div class="wide"><table class="facts">'
        yield from (f"<tr><th>{page.text(name)}</th><td>{page.text(value)}</td></tr>" for name, value in facts.items())
        yield "</table></div>"
    if command := story.ledger.get("command"):
        yield f"<p>To do it again: <code>{page.text(command)}</code></p>"


CHAPTERS = {
    "Result": _figures,
    "Verdicts": _verdicts,
    "Data": _data,
    "Training": _training,
    "Classes": _per_class,
    "Confusions": _confusion,
    "Mistakes": _mistakes,
    "Calibration": _calibration,
    "Making": _making,
}
