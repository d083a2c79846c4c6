"""Frame, style and thumbnails of every HTML page: one file, no network, no script."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tlkit.data.examples import SPLITS, Examples, gather
from tlkit.data.splits import Data
from tlkit.utils import files
from tlkit.utils.html_format import concatenate, table, text

SIDE = 96  # pixels of a thumbnail
PICTURES = 2_000_000  # characters of all thumbnails; the rest of a page stays well below a million
ROWS = 200  # classes in the table
OPEN = 6  # groups of a finding that are shown at once, the others behind a line to open

STYLE = Markup("""
:root { color-scheme: light dark; --error: #b3261e; --warning: #8a5a00; --note: #35608f; --line: #8886; }
@media (prefers-color-scheme: dark) { :root { --error: #ff8a80; --warning: #ffc35c; --note: #9ec5f0; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .15rem .8rem; border-bottom: 1px solid var(--line); overflow-wrap: normal; }
th:first-child { text-align: left; padding-left: 0; }
section { border-left: .3rem solid var(--line); padding-left: .8rem; margin: 1.8rem 0; }
section.error { border-color: var(--error); } .error h2 b { color: var(--error); }
section.warning { border-color: var(--warning); } .warning h2 b { color: var(--warning); }
section.note { border-color: var(--note); } .note h2 b { color: var(--note); }
.group p { margin: 0; width: 100%; font-size: .9rem; }
.group { display: flex; flex-wrap: wrap; gap: .6rem; padding: .5rem 0; border-top: 1px solid var(--line); }
figure { margin: 0; width: 7.5rem; font-size: .8rem; line-height: 1.3; } figure.text { width: 17rem; max-width: 100%; }
img { width: 6rem; height: 6rem; object-fit: contain; background: #8882; }
blockquote { margin: 0 0 .3rem; padding: .4rem; background: #8882; font-size: .9rem; }
""")


def write(path: str | Path, lines: Iterable[Markup]) -> None:
    """Write a page in one step.

    Args:
        path: the file.
        lines: the HTML of the page.

    Raises:
        RunError: the disk is full or may not be written.
        TypeError: a line is a plain text, which may hold markup that nobody escaped; nothing is written.
    """
    files.write_text(path, concatenate(lines, "\n") + "\n")


def opening(title: str, more: str = "") -> Iterator[Markup]:
    """Yield the head of a page and its first headline; `more` is style."""
    yield Markup('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">')
    yield Markup('<meta name="viewport" content="width=device-width, initial-scale=1">')
    # Whatever slips through the escaping, nothing is fetched and no script runs.
    policy = Markup("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    yield Markup('<meta http-equiv="Content-Security-Policy" content="{}">').format(policy)
    yield Markup("<title>{}</title>\n<style>{}{}</style>\n</head>").format(text(title), STYLE, more)
    yield Markup("<body>\n<h1>{}</h1>").format(text(title))


def finding_lines(finding: Any, album: Album) -> Iterator[Markup]:
    """Yield a finding with its examples."""
    yield Markup('<section class="{}">').format(finding.severity)
    yield Markup("<h2><b>{}</b> {}</h2>").format(finding.severity, text(finding.title))
    yield Markup("<p>{}</p>").format(text(finding.remedy))
    groups = [_group(names, said, album) for names, said in finding.groups()]
    yield from groups[:OPEN]
    if groups[OPEN:]:
        yield Markup("<details><summary>{} more</summary>").format(len(groups) - OPEN)
        yield from groups[OPEN:]
        yield Markup("</details>")
    yield Markup("</section>")


def _group(names: Sequence[str], said: str, album: Album) -> Markup:
    caption = Markup("<p>{}</p>").format(text(said, "text")) if said else ""
    return Markup('<div class="group">{}{}</div>').format(concatenate(map(album.figure, names)), caption)


def counts_table(
    counts: Mapping[str, Mapping[str, int]], labels: Sequence[str], noun: str, sizes: Mapping[str, int]
) -> Iterator[Markup]:
    """Yield the number of examples by split and class, or whatever `noun` says, as a table; `sizes` are the splits'."""
    rows = [(label, *(f"{each.get(label, 0):,}" for each in counts.values())) for label in labels[:ROWS]]
    every = f"all {len(labels):,} classes" if noun == "class" else "all examples"
    yield from table((noun, *counts), [*rows, (every, *(f"{sizes[split]:,}" for split in counts))])
    if len(labels) > ROWS:
        nouns = "classes" if noun == "class" else f"{noun}s"
        yield Markup("<p>{:,} more {} are in doctor.json.</p>").format(len(labels) - ROWS, nouns)


# === Examples ===


class Album:
    """Find examples by name and draw them, as long as there is room on the page."""

    def __init__(self, data: Data | None) -> None:
        self.examples: Examples | None = None if data is None else gather(data)
        self.splitting = "" if data is None else data.splitting
        names = () if self.examples is None else self.examples.names
        self.numbers = {name: number for number, name in enumerate(names)}
        self.room = PICTURES

    def figure(self, name: str) -> Markup:
        """Return one example with its name, and its label and split where it has them."""
        number = self.numbers.get(name)
        if self.examples is None or number is None:
            alone = Markup('<figure class="text"><figcaption>{}</figcaption></figure>')
            return alone.format(text(name, "name"))
        data, item = self.examples.data, self.examples.item(number)
        label, split = data.described(self.examples.labels[number]), SPLITS[self.examples.sides[number]]
        caption = Markup("<b>{}</b>, {}<br>{}").format(text(label, "label"), split, text(name, "name"))
        if data.kind != "image":
            told = item if isinstance(item, str) else ", ".join(map(str, item))
            drawn = Markup("<blockquote>{}</blockquote>").format(text(told, "text"))
            kind = Markup(' class="text"')
        else:
            drawn, kind = self._picture(item), ""
        return Markup("<figure{}>{}<figcaption>{}</figcaption></figure>").format(kind, drawn, caption)

    def _picture(self, item: Any) -> Markup:
        thumb = thumbnail(item) if self.room else None
        if thumb is None:
            return Markup()
        return self.taken(thumb)

    def taken(self, jpeg: bytes, alt: str = "") -> Markup:
        """Return a small JPEG as an element, as long as there is room on the page."""
        source = base64.b64encode(jpeg).decode()
        if len(source) > self.room:
            self.room = 0
            return Markup()
        self.room -= len(source)
        return Markup('<img alt="{}" src="data:image/jpeg;base64,{}">').format(text(alt), source)


def thumbnail(item: str | bytes | np.ndarray, side: int = SIDE) -> bytes | None:
    """Draw a picture as a small JPEG, upright; None where it cannot be drawn.

    Args:
        item: the path or the content of a file, or pixels (height, width[, 1 or 3]), 0..255.
        side: the most pixels it has in a row or column.
    """
    from PIL import Image, ImageOps

    try:
        # A picture may be large or damaged in its metadata, and is drawn all the same.
        with warnings.catch_warnings(action="ignore"):
            picture = _pixels(item) if isinstance(item, np.ndarray) else _opened(item, side)
            smooth = max(picture.size) > side
            how = Image.Resampling.BOX if smooth else Image.Resampling.NEAREST
            out = io.BytesIO()
            ImageOps.contain(picture, (side, side), how).convert("RGB").save(out, "JPEG", quality=80)
    except Exception:  # whatever a decoder trips over, the name is shown without a picture
        return None
    return out.getvalue()


def _pixels(array: np.ndarray) -> Any:
    from PIL import Image

    array = np.clip(array, 0, 255).astype(np.uint8)
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array)


def _opened(item: str | bytes, side: int) -> Any:
    from PIL import Image

    from tlkit.data import images
    from tlkit.utils import paths

    content = io.BytesIO(item if isinstance(item, bytes) else paths.content(item))
    with Image.open(content, formats=images.FORMATS) as picture:
        picture.draft("RGB", (2 * side, 2 * side))  # a JPEG of many pixels is not unpacked in full
        return images.flattened(picture)
