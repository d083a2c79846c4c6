"""Words, figures and tables as HTML, for pages and notebooks: whatever they hold is shown as text."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CHARACTERS = {"name": 120, "label": 60, "text": 280}  # what is longer is cut
WIDTH, HEIGHT, MARGIN = 240, 90, 6  # of a curve, in pixels


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


def curves(history: Sequence[Mapping[str, Any]], name: str) -> str:
    """Draw a figure over all epochs, dashed in training, solid on the validation split; lines part the phases.

    Args:
        history: the records of the epochs, phase after phase.
        name: of the figure, such as "loss".
    """
    rows = {key: [_finite(row.get(key)) for row in history] for key in (name, f"val_{name}")}
    values = [value for row in rows.values() for value in row if value is not None]
    if len(history) < 2 or not values:
        return ""
    low, high = min(values), max(values)

    def x(place: float) -> str:
        return f"{MARGIN + place * (WIDTH - 2 * MARGIN) / (len(history) - 1):.1f}"

    def y(value: float) -> str:
        return f"{HEIGHT - MARGIN - (value - low) / ((high - low) or 1) * (HEIGHT - 2 * MARGIN):.1f}"

    starts = [n for n in range(1, len(history)) if history[n].get("phase") != history[n - 1].get("phase")]
    drawn = [f'<path d="M{x(n - 0.5)} 0V{HEIGHT}" stroke="currentColor" stroke-dasharray="1 3"/>' for n in starts]
    for dashes, row in zip(("4 3", "none"), rows.values(), strict=True):
        points = " ".join(f"{x(n)},{y(value)}" for n, value in enumerate(row) if value is not None)
        drawn.append(f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-dasharray="{dashes}"/>')
    told = f"{text(name)}, {number(low)} to {number(high)}; dashed in training, solid in validation"
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<div><svg role="img" aria-label="{told}" {size}>{"".join(drawn)}</svg><br><small>{told}</small></div>'


def all_curves(history: Sequence[Mapping[str, Any]]) -> str:
    """Draw the loss and the figure beside it over all epochs."""
    names = [name for name in (history[0] if history else ()) if name.startswith("val_")]
    return "".join(curves(history, name.removeprefix("val_")) for name in names)


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
