"""What a notebook shows: small tables, in which hostile words are text."""

from __future__ import annotations

import dataclasses

import pytest
from markupsafe import Markup

from tests.helpers import made_up_runs
from tests.helpers.page_structure import Structure
from tlkit.utils import html_format


def test_figures_in_few_digits() -> None:
    assert [html_format.number(value) for value in (None, 0.12345, 123.456, 12345.6)] == [
        "-",
        "0.123",
        "123.5",
        "12,346",
    ]
    assert [html_format.cell(value) for value in (1234, 0.5, "all", None)] == ["1,234", "0.500", "all", "-"]


def test_words_are_cut_and_escaped() -> None:
    assert html_format.text("a<b>&\"'") == "a&lt;b&gt;&amp;&#34;&#39;" and html_format.text("\ud800") == "?"
    assert html_format.text("x" * 61, "label") == "x" * 59 + "…"
    page = Structure(
        "".join(html_format.table(("", made_up_runs.HOSTILE), [(made_up_runs.HOSTILE, made_up_runs.HOSTILE)]))
    )
    assert page.text.count(made_up_runs.HOSTILE) == 3 and page.count("script") == 0


def test_plain_text_is_escaped_where_it_joins_html() -> None:
    escaped, hostile = html_format.text(made_up_runs.HOSTILE), made_up_runs.HOSTILE
    assert Markup("<p>{}</p>").format(hostile) == Markup("<p>{}</p>").format(escaped) == f"<p>{escaped}</p>"
    assert Markup("") + hostile == escaped and "<" not in escaped


def test_plain_text_is_refused_where_html_is_put_together() -> None:
    assert html_format.concatenate([Markup("<p>"), Markup("</p>")], "\n") == "<p>\n</p>"
    for plain in ("<p>x</p>", str(Markup("<p>")), "".join([Markup("<p>")]), f"{Markup('<p>')}", None):
        with pytest.raises(TypeError, match=r"is plain text, not HTML"):
            html_format.concatenate([Markup("<p>"), plain])


def test_a_history_in_a_notebook() -> None:
    history = made_up_runs.history()
    phases = ({**history.phases[0], "name": made_up_runs.HOSTILE}, history.phases[1])
    page = Structure(dataclasses.replace(history, phases=phases)._repr_html_())
    assert page.count("script") == 0 and made_up_runs.HOSTILE in page.text and "1,202,562" in page.text
    assert page.count("details") == 1 and "5 epochs" in page.text and "60.0 s in all, 12.3 s" in page.text
    assert page.count("tr") == 3 + 6
    assert Structure(dataclasses.replace(history, epochs=())._repr_html_()).count("details") == 0
