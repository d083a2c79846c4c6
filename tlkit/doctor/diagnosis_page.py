"""The HTML page of a diagnosis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tlkit.data.splits import Data
from tlkit.reporting import html_page
from tlkit.reporting.html_page import Album, counts_table, finding_lines, opening
from tlkit.tasks import registry
from tlkit.utils.html_format import text


def write(diagnosis: Any, data: Data | None, path: str | Path) -> None:
    """Write the page in one step.

    Args:
        diagnosis: the `Diagnosis`.
        data: the data set, where the examples are taken from; without it, and where one cannot be drawn, its name
            stands alone.
        path: the file.

    Raises:
        RunError: the disk is full or may not be written.
    """
    html_page.write(path, _lines(diagnosis, Album(data)))


def _lines(diagnosis: Any, album: Album) -> Iterator[Markup]:
    yield from opening(f"tlkit doctor: {diagnosis.source}")
    total, learned = sum(diagnosis.sizes.values()), text(diagnosis.about(), "label")
    summary = Markup("<p>{:,} {} examples, {}: {}.</p>")
    yield summary.format(total, text(diagnosis.kind), learned, diagnosis.summary())
    for finding in diagnosis.findings:
        yield from finding_lines(finding, album)
    noun = registry.target(diagnosis.task).unit
    yield Markup("<h2>Examples by {} and split</h2>").format(noun)
    if album.splitting:
        yield Markup("<p>{}</p>").format(text(album.splitting))
    yield from counts_table(diagnosis.counts, diagnosis.labels, noun, diagnosis.sizes)
    yield Markup("</body>\n</html>")
