"""Words, figures and tables as HTML, for pages and notebooks: whatever they hold is shown as text."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

CHARACTERS = {"name": 120, "label": 60, "text": 280}  # what is longer is cut


def text(raw: str, what: str = "") -> str:
    """Cut and escape a text; half a surrogate, which no file can hold, becomes a question mark."""
    most = CHARACTERS.get(what, len(raw))
    cut = raw if len(raw) <= most else f"{raw[: most - 1]}…"
    return html.escape(cut.encode("utf-8", "replace").decode())


def number(value: float | None) -> str:
    """Write a figure with as many digits as can be read."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}" if abs(value) < 10_000 else f"{value:,.0f}"


def cell(value: float | int | str | None) -> str:
    """Write a value of a table: a count in full, a figure as `number` does, words as they are."""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else number(value)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], more: str = "") -> Iterator[str]:
    """Yield a table; `rows` and `heads` are plain text, the first of a row its name; `more` are further classes."""
    yield f'<div class="wide{more}"><table>\n<tr>{"".join(f"<th>{text(head)}</th>" for head in heads)}</tr>'
    for first, *cells in rows:
        told = "".join(f"<td>{text(each, 'label')}</td>" for each in cells)
        yield f"<tr><th>{text(first, 'label')}</th>{told}</tr>"
    yield "</table></div>"
