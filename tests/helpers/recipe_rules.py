"""What every recipe must say of itself."""

from __future__ import annotations

import ast
import re
from pathlib import Path


def used(path: Path) -> set[str]:
    """Return the attributes of tlkit that a recipe uses."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "tlkit"}


def check_docstring(path: Path) -> None:
    """Assert that a recipe's docstring says how to run it and what to expect."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert re.search(rf"^Run: .*(make demo|recipes/{path.name})", text, re.M)
    assert re.search(rf"^Smoke: +python recipes/{path.name} --smoke$", text, re.M)
    expect = re.search(r"^Expect: +(.*)", text, re.M | re.S)
    assert expect, "Expect holds measured figures, or says why it does not"
    assert re.match(r"not measured: .*https?://|test [\w -]+ \d+\.\d+", expect[1], re.S) and "TBD" not in expect[1]
