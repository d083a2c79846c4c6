"""HTML is made by the methods of `Markup` alone, which escape: none is written as an f-string."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
TAG = re.compile(r"<[a-zA-Z/!]")
# The only HTML that is not made here, and how often: Matplotlib's drawings.
FOREIGN = {"tlkit/reporting/charts.py": ["Markup of what is no literal"]}


def unescaped(source: str) -> Iterator[str]:
    """Yield what in a module makes HTML without escaping."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            if any(isinstance(part, ast.Constant) and TAG.search(part.value) for part in node.values):
                yield "f-string with a tag"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Markup":
            if node.keywords or not all(isinstance(each, ast.Constant) for each in node.args):
                yield "Markup of what is no literal"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            line = ast.unparse(node)
            if "markupsafe" in line and line != "from markupsafe import Markup":
                yield "markupsafe under another name"


def test_nothing_makes_html_without_escaping() -> None:
    found = {
        str(path.relative_to(TOP)): list(unescaped(path.read_text("utf-8"))) for path in (TOP / "tlkit").rglob("*.py")
    }
    assert {path: faults for path, faults in found.items() if faults} == FOREIGN


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('Markup("<p>{}</p>").format(name)', []),
        ('Markup("<p>" "</p>") + name + Markup()', []),
        ('f"{small} < {large}"', []),
        ('f"<p>{name}</p>"', ["f-string with a tag"]),
        ('f"{name}</p>"', ["f-string with a tag"]),
        ('f"<{tag}></{tag}>"', ["f-string with a tag"]),
        ("Markup(name)", ["Markup of what is no literal"]),
        ('Markup("<p>" + name)', ["Markup of what is no literal"]),
        ('Markup(f"{name}")', ["Markup of what is no literal"]),
        ("Markup(object=name)", ["Markup of what is no literal"]),
        ("import markupsafe", ["markupsafe under another name"]),
        ("from markupsafe import Markup as M", ["markupsafe under another name"]),
        ("from markupsafe import Markup", []),
    ],
)
def test_unescaped_sees(source: str, expected: list[str]) -> None:
    assert list(unescaped(source)) == expected
