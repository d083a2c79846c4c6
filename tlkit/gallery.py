"""What a model got wrong, shown: pictures with the heat of the answer, texts with the words that led to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tlkit import page
from tlkit.errors import InputError
from tlkit.explaining import explain
from tlkit.measured import Measured, Mistake
from tlkit.saliency import Heat, Words

SIDE = 144  # pixels of a picture
PER_CLASS = 4  # examples shown of each class
CLASSES = 60  # so many classes are shown
STYLE = """
.mistake { width: 19rem; max-width: 100%; } .mistake img { width: 9rem; height: 9rem; margin-right: .3rem; }
.mistake.text { width: 22rem; } mark { background: rgb(255 120 60 / calc(var(--w) * 80%)); color: inherit; }
.samples { display: flex; flex-wrap: wrap; gap: .3rem .6rem; align-items: center; margin: .3rem 0; }
.samples b { flex: 0 0 9rem; } @media (max-width: 40rem) { .samples b { flex-basis: 100%; } }
.samples img { width: 5rem; height: 5rem; } .samples blockquote { flex: 1 1 14rem; }
"""


def mistakes(report: Measured, clf: Any, kind: str, album: page.Album) -> Iterator[str]:
    """Yield the worst answers, with what led to each where the model is at hand.

    Args:
        report: it holds them.
        clf: the classifier, or None.
        kind: "image" or "text", which tells a path from a text; of others nothing is shown but the answers.
        album: keeps the page small.
    """
    yield '<div class="group">'
    explained = _explained(clf, report.mistakes)
    for mistake, why in zip(report.mistakes, explained, strict=True):
        drawn = {"text": _words, "image": _picture}[kind](mistake.item, why, album) if kind in ("image", "text") else ""
        name = Path(mistake.name).name if Path(mistake.name).is_absolute() else mistake.name
        caption = f"answer <b>{page.text(mistake.answer, 'label')}</b>, {page.text(mistake.sure)}"
        caption += f"<br>truth <b>{page.text(mistake.truth, 'label')}</b><br>{page.text(name, 'name')}"
        yield f'<figure class="mistake {kind}">{drawn}<figcaption>{caption}</figcaption></figure>'
    yield "</div>"


def _explained(clf: Any, shown: Sequence[Mistake]) -> list[Any]:
    """Explain each example; None for all where the model has no scores to explain."""
    if clf is None or not shown or clf.spec.target.name not in ("label", "tags", "value"):
        return [None] * len(shown)
    try:
        return explain(clf, [mistake.item for mistake in shown])
    except InputError:  # a head of the user's own, whose scores cannot be found: its mistakes are shown all the same
        return [None] * len(shown)


def _picture(item: Any, why: Any, album: page.Album) -> str:
    if isinstance(why, Heat):
        drawn = [(why.picture, "as the model saw it"), (why.overlay(), f"what speaks for {why.label}")]
    else:
        drawn = [(item, "")]
    thumbs = [(page.thumbnail(each, SIDE), about) for each, about in drawn]
    return "".join(album.taken(thumb, about) for thumb, about in thumbs if thumb)


def _words(item: Any, why: Any, _: page.Album) -> str:
    """Mark the words that speak for the answer, the more the stronger; a long text is cut after a few lines."""
    if not isinstance(why, Words) or not why.pieces:
        return f"<blockquote>{page.text(str(item), 'text')}</blockquote>"
    most, told, room = max(max(why.weights), 1e-9), [], 2 * page.CHARACTERS["text"]
    for piece, weight in zip(why.pieces, why.weights, strict=True):
        escaped = page.text(piece[:room])
        share = weight / most
        told.append(f'<mark style="--w:{share:.2f}">{escaped}</mark>' if share > 0.05 else escaped)
        room -= len(piece)
        if room <= 0:
            told.append("…")
            break
    return f"<blockquote>{''.join(told)}</blockquote>"


def samples(data: Any, album: page.Album) -> Iterator[str]:
    """Yield a few training examples of each class."""
    for number, label in enumerate(data.labels[:CLASSES]):
        own = [int(place) for place in (data.train.labels == number).nonzero()[0][:PER_CLASS]]
        items = [data.train.items[place] for place in own]
        if data.kind == "text":
            drawn = "".join(f"<blockquote>{page.text(item, 'name')}</blockquote>" for item in items[:2])
        else:
            drawn = "".join(album.taken(thumb) for item in items if (thumb := page.thumbnail(item)))
        yield f'<div class="samples"><b>{page.text(label, "label")}</b>{drawn}</div>'
    if len(data.labels) > CLASSES:
        yield f"<p>and {len(data.labels) - CLASSES:,} more classes</p>"
