"""The HTML page of a diagnosis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tlkit.data.splits import Data
from tlkit.reporting.html_page import NOUNS, Album, counts_table, finding_lines, opening
from tlkit.utils import files
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
    files.write_text(path, "".join(f"{line}\n" for line in _lines(diagnosis, Album(data))))


def _lines(diagnosis: Any, album: Album) -> Iterator[str]:
    yield from opening(f"tlkit doctor: {diagnosis.source}")
    total, learned = sum(diagnosis.sizes.values()), text(diagnosis.about(), "label")
    yield f"<p>{total:,} {text(diagnosis.kind)} examples, {learned}: {diagnosis.summary()}.</p>"
    for finding in diagnosis.findings:
        yield from finding_lines(finding, album)
    noun = NOUNS[diagnosis.task]
    yield f"<h2>Examples by {noun} and split</h2>"
    if album.splitting:
        yield f"<p>{text(album.splitting)}</p>"
    yield from counts_table(diagnosis.counts, diagnosis.labels, noun, diagnosis.sizes)
    yield "</body>\n</html>"
