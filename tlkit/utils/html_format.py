"""Text, numbers and tables as escaped HTML, for pages and notebooks.

HTML is a `Markup`, whose methods (`format`, `join`, `+`) escape every plain text that is put into it. Write
`Markup("<p>{}</p>").format(value)`, with a literal inside `Markup(...)`: an f-string there would not be escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from markupsafe import Markup

CHARACTERS = {"name": 120, "label": 60, "text": 280}  # what is longer is cut


def text(raw: str, what: str = "") -> Markup:
    """Cut and escape a text; half a surrogate, which no file can hold, becomes a question mark."""
    most = CHARACTERS.get(what, len(raw))
    cut = raw if len(raw) <= most else f"{raw[: most - 1]}…"
    return Markup.escape(cut.encode("utf-8", "replace").decode())


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


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], more: str = "") -> Iterator[Markup]:
    """Yield a table; `rows` and `heads` are plain text, the first of a row its name; `more` are further classes."""
    names = concatenate(Markup("<th>{}</th>").format(text(head)) for head in heads)
    yield Markup('<div class="wide{}"><table>\n<tr>{}</tr>').format(more, names)
    for first, *values in rows:
        cells = concatenate(Markup("<td>{}</td>").format(text(value, "label")) for value in values)
        yield Markup("<tr><th>{}</th>{}</tr>").format(text(first, "label"), cells)
    yield Markup("</table></div>")


def concatenate(parts: Iterable[Markup], between: str = "") -> Markup:
    """Put HTML together.

    Args:
        parts: HTML.
        between: what separates the parts.

    Raises:
        TypeError: a part is a plain text, which may hold markup that nobody escaped.
    """
    parts = list(parts)
    for part in parts:
        if not isinstance(part, Markup):
            raise TypeError(f"{str(part)[:80]!r} is plain text, not HTML; put it into a Markup by its format method")
    return Markup.escape(between).join(parts)
