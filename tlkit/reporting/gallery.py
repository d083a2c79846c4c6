"""Gallery of mistakes: pictures with a heat map of the score, texts with the words that led to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tlkit.errors import InputError
from tlkit.evaluation.explain import explain
from tlkit.evaluation.report_base import Measured, Mistake
from tlkit.models.attribution import Heat, Words
from tlkit.reporting import html_page
from tlkit.tasks import registry
from tlkit.utils.html_format import CHARACTERS, concatenate, text

SIDE = 144  # pixels of a picture
EXPLAINED = " explained"  # the class of what shows why
PER_CLASS = 4  # examples shown of each class
ALONE = 6  # examples shown where there are no classes
CLASSES = 60  # so many classes are shown
STYLE = Markup("""
.mistake { width: 19rem; max-width: 100%; } .mistake img { width: 9rem; height: 9rem; margin-right: .3rem; }
.mistake.text { width: 22rem; } mark { background: rgb(255 120 60 / calc(var(--w) * 80%)); color: inherit; }
.samples { display: flex; flex-wrap: wrap; gap: .3rem .6rem; align-items: center; margin: .3rem 0; }
.samples b { flex: 0 0 9rem; } @media (max-width: 40rem) { .samples b { flex-basis: 100%; } }
.samples img { width: 5rem; height: 5rem; } .samples blockquote { flex: 1 1 14rem; }
""")


def mistakes(report: Measured, clf: Any, kind: str, album: html_page.Album, data: Any = None) -> Iterator[Markup]:
    """Yield the worst answers, with what led to each where the model is at hand.

    Args:
        report: it holds them.
        clf: the classifier, or None.
        kind: "image", "text" or "table", which tells a path from a text; of others nothing is shown but the answers.
        album: keeps the page small.
        data: what was learned from, which names the columns of a table.
    """
    yield Markup('<div class="group">')
    draw = {"text": _words, "image": _picture, "table": _words}.get(kind)
    for mistake, why in zip(report.mistakes, _explained(clf, report.mistakes), strict=True):
        drawn = draw(told(mistake.item, data) if kind == "table" else mistake.item, why, album) if draw else ""
        name = Path(mistake.name).name if Path(mistake.name).is_absolute() else mistake.name
        words = [text(each, "name") for each in (mistake.answer, mistake.sure, mistake.truth, name)]
        caption = Markup("answer <b>{}</b>, {}<br>truth <b>{}</b><br>{}").format(*words)
        shape = f"{'image' if kind == 'image' else 'text'}{'' if why is None else EXPLAINED}"
        figure = Markup('<figure class="mistake {}">{}<figcaption>{}</figcaption></figure>')
        yield figure.format(shape, drawn, caption)
    yield Markup("</div>")


def told(item: Any, data: Any = None) -> str:
    """Write an example that is no picture: a text, or the columns of a row with their cells."""
    if isinstance(item, np.ndarray) and data is not None and len(data.columns) == len(item):
        cells = zip(data.columns, item, strict=True)
        return ", ".join(f"{column.name}: {column.cell(cell) or 'missing'}" for column, cell in cells)
    return item if isinstance(item, str) else ", ".join(map(str, item))


def _explained(clf: Any, shown: Sequence[Mistake]) -> list[Any]:
    """Explain each example; None for all where the model has no scores to explain."""
    if clf is None or not shown or clf.spec.target.unexplained:
        return [None] * len(shown)
    try:
        return explain(clf, [mistake.item for mistake in shown])
    except InputError:  # a head of the user's own, whose scores cannot be found: its mistakes are shown all the same
        return [None] * len(shown)


def _picture(item: Any, why: Any, album: html_page.Album) -> Markup:
    if isinstance(why, Heat):
        drawn = [(why.picture, "as the model saw it"), (why.overlay(), f"what speaks for {why.label}")]
    else:
        drawn = [(item, "")]
    thumbs = [(html_page.thumbnail(each, SIDE), about) for each, about in drawn]
    return concatenate(album.taken(thumb, about) for thumb, about in thumbs if thumb)


def _words(item: Any, why: Any, _: html_page.Album) -> Markup:
    """Mark the words that speak for the answer, the more the stronger; a long text is cut after a few lines."""
    quote = Markup("<blockquote>{}</blockquote>")
    if not isinstance(why, Words) or not why.pieces:
        return quote.format(text(str(item), "text"))
    most, parts, room = max(max(why.weights), 1e-9), [], 2 * CHARACTERS["text"]
    for piece, weight in zip(why.pieces, why.weights, strict=True):
        escaped = text(piece[:room])
        share = weight / most
        mark = Markup('<mark style="--w:{:.2f}">{}</mark>')
        parts.append(mark.format(share, escaped) if share > 0.05 else escaped)
        room -= len(piece)
        if room <= 0:
            parts.append(Markup("…"))
            break
    return quote.format(concatenate(parts))


def samples(data: Any, album: html_page.Album) -> Iterator[Markup]:
    """Yield a few training examples of each class or tag; of other data a few, with what is true of them."""
    counted = data.task in ("label", "tags")
    for title, places in _of_each(data) if counted else _of_all(data):
        items = [data.train.items[int(place)] for place in places]
        if data.kind == "image":
            drawn = concatenate(album.taken(thumb) for item in items if (thumb := html_page.thumbnail(item)))
        else:
            words = (text(told(item, data), "name") for item in items[:2])
            drawn = concatenate(Markup("<blockquote>{}</blockquote>").format(each) for each in words)
        yield Markup('<div class="samples"><b>{}</b>{}</div>').format(text(title, "label"), drawn)
    if counted and len(data.labels) > CLASSES:
        nouns = "classes" if data.task == "label" else "tags"
        yield Markup("<p>and {:,} more {}</p>").format(len(data.labels) - CLASSES, nouns)


def _of_each(data: Any) -> Iterator[tuple[str, np.ndarray]]:
    for number, label in enumerate(data.labels[:CLASSES]):
        has = data.train.labels == number if data.task == "label" else data.train.labels[:, number] > 0
        yield label, np.flatnonzero(has)[:PER_CLASS]


def _of_all(data: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Choose examples spread over the split; of a value, from the least to the greatest."""
    order = np.argsort(data.train.labels, kind="stable") if data.task == "value" else np.arange(len(data.train))
    for place in order[np.linspace(0, len(order) - 1, min(ALONE, len(order))).astype(int)]:
        label = "" if registry.writes(data.task) else data.described(data.train.labels[place])
        yield (f"{data.labels[0]} {label}" if data.task == "value" else label), np.array([place])
