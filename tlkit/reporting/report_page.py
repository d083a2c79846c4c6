"""The report as one HTML page that a colleague can open: no network, no script."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlkit.evaluation import plots
from tlkit.evaluation.report_base import Measured
from tlkit.reporting import charts, gallery, html_page, outcome
from tlkit.reporting.findings import Finding
from tlkit.tasks.next_token import WRITTEN
from tlkit.utils import files, text_format

NAME = "report.html"
STYLE = """
h2 { margin-top: 2.2rem; font-size: 1.2rem; } section h2 { margin-top: 0; font-size: 1.05rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem .9rem; } a { color: var(--note); }
.figures { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 1rem 0; }
.figures div { min-width: 8rem; } .figures b { display: block; font-size: 1.7rem; line-height: 1.2; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } .charts svg { max-width: 100%; height: auto; }
.drawn { overflow-x: auto; } .drawn svg { width: 100%; min-width: 34rem; height: auto; } .wide { margin: .8rem 0; }
.tall { max-height: 28rem; overflow: auto; } .wide svg { max-width: none; } code { overflow-wrap: anywhere; }
.facts td, .facts th { text-align: left; vertical-align: top; } .facts td { overflow-wrap: anywhere; }
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
    files.write_text(path, "".join(f"{line}\n" for line in lines(story)))


def lines(story: Story) -> Iterator[str]:
    """Yield the page."""
    album = html_page.Album(None)
    chapters = {name: list(chapter(story, album)) for name, chapter in _chapters(story).items()}
    chapters = {name: told for name, told in chapters.items() if told}
    yield from html_page.opening(_title(story), STYLE + gallery.STYLE)
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


# === How it was made ===


def _data(story: Story, album: html_page.Album) -> Iterator[str]:
    data = story.data
    if data is None:
        return
    yield f"<p>{html_page.text(data.splitting)}</p>"
    if data.unreadable:
        yield f"<p>{len(data.unreadable):,} examples could not be read and were left out; quarantine.csv says why.</p>"
    sizes = {name: len(split) for name, split in data.splits().items()}
    labels = () if data.task in (*WRITTEN, "value") else data.kinds  # these are all of one
    yield '<div class="tall">'
    yield from html_page.counts_table(data.counts(), labels, html_page.NOUNS[data.task] if labels else "split", sizes)
    yield "</div>\n<p>Some examples of the training split:</p>"
    yield '<div class="tall">'
    yield from gallery.samples(data, album)
    yield "</div>"
    for told in story.ledger.get("findings", ()):
        finding = Finding(**{key: told[key] for key in ("code", "severity", "title", "remedy")})
        yield from html_page.finding_lines(finding, album)


def _amounts(story: Story, album: html_page.Album) -> Iterator[str]:
    if not story.amounts:
        return
    figure = next(name.removeprefix("val_") for name in story.amounts[0] if name not in ("examples", "val_loss"))
    yield "<p>How well the head does on the validation split if it learns from a part of the training examples only, "
    yield "the base being frozen. A curve that still rises says that more examples would help.</p>"
    drawn = charts.svg(lambda: charts.amounts(story.amounts, figure), f"{figure} by number of training examples")
    yield f'<div class="charts">{drawn}</div>'
    rows = [
        (f"{row['examples']:,}", *map(outcome.number, (row[f"val_{figure}"], row["val_loss"]))) for row in story.amounts
    ]
    yield from outcome.table(("training examples", f"{figure} on val", "loss on val"), rows)


def _training(story: Story, album: html_page.Album) -> Iterator[str]:
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
        opened = {0: "head only", "all": "everything"}.get(
            phase["unfreeze"], f"head and {text_format.blocks(phase['unfreeze'])}"
        )
        epochs = sum(row["phase"] == phase["name"] for row in history)
        yield (
            f"<tr><th>{html_page.text(phase['name'])}</th><td>{opened}</td><td>{phase['trainable']:,}</td>"
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


def _making(story: Story, album: html_page.Album) -> Iterator[str]:
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
        yield '<div class="wide"><table class="facts">'
        yield from (
            f"<tr><th>{html_page.text(name)}</th><td>{html_page.text(value)}</td></tr>" for name, value in facts.items()
        )
        yield "</table></div>"
    if command := story.ledger.get("command"):
        yield f"<p>To do it again: <code>{html_page.text(command)}</code></p>"


def _chapters(story: Story) -> dict[str, Any]:
    """Name the chapters, in order, each with what writes it; one that has nothing to say is left out."""
    noun = {"tags": "Tags", "entities": "Types"}.get(story.report.target, "Classes")
    return {
        "Result": outcome.figures,
        "Verdicts": outcome.judged,
        "Data": _data,
        "Amount of data": _amounts,
        "Training": _training,
        noun: outcome.each,
        "Confusions": outcome.confusions,
        "Mistakes": outcome.mistakes,
        "Written": outcome.written,
        "Calibration": outcome.calibration,
        "Making": _making,
    }
