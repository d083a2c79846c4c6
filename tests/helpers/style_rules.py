"""The parts of the house style that a machine can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

FILE_LINES, FUNCTION_LINES, RECIPE_LINES, POSITIONAL = 400, 50, 60, 6
Function = ast.FunctionDef | ast.AsyncFunctionDef


def lines(node: ast.AST) -> int:
    """Return the number of lines a definition takes, without its docstring and its decorators."""
    docstring = node.body[0] if ast.get_docstring(node) is not None else None
    counted = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
    return node.end_lineno - node.lineno + 1 - counted


def anywhere(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield what is wrong in any code, public or not."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and lines(node) > FUNCTION_LINES:
            yield node, f"{node.name} has {lines(node)} lines, at most {FUNCTION_LINES} are allowed"
        if isinstance(node, Function) and node.returns is None:
            yield node, f"{node.name} does not annotate what it returns"
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node, "bare except"
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield node, "star import"


def check_recipe(path: Path) -> None:
    """Assert that a recipe is short and in the style of the house."""
    source = path.read_text("utf-8")
    assert len(source.splitlines()) < RECIPE_LINES
    assert list(anywhere(ast.parse(source))) == []
