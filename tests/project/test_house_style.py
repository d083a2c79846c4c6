"""The parts of the house style that a machine can check."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.style_rules import FILE_LINES, POSITIONAL, Function, anywhere, check_recipe

TOP = Path(__file__).resolve().parents[2]
PACKAGE = sorted((TOP / "tlkit").rglob("*.py"))
RECIPES = sorted(path for path in (TOP / "recipes").glob("*.py") if not path.name.startswith("_"))


def public(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the public functions and classes of a module, and the public methods of the latter."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                methods = (m for m in node.body if isinstance(m, Function))
                yield from (m for m in methods if m.name == "__init__" or not m.name.startswith("_"))


def interface(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield what is wrong with what a module shows to others."""
    if ast.get_docstring(tree) is None:
        yield tree, "the module has no docstring"
    for node in public(tree):
        if node.name != "__init__" and ast.get_docstring(node) is None:
            yield node, f"{node.name} has no docstring"
        if not isinstance(node, Function):
            continue
        given = [a for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
        if node.args.kwarg is not None:
            yield node, f"{node.name} takes **{node.args.kwarg.arg}"
        if len(given) > POSITIONAL:
            yield node, f"{node.name} has {len(given)} positional parameters, at most {POSITIONAL} are allowed"


def faults(source: str) -> list[str]:
    """Return everything wrong with a module of the package, as "line: what"."""
    tree = ast.parse(source)
    found = [f"{getattr(node, 'lineno', 1)}: {text}" for node, text in (*anywhere(tree), *interface(tree))]
    count = len(source.splitlines())
    return found + ([f"1: {count} lines, at most {FILE_LINES} are allowed"] if count > FILE_LINES else [])


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(TOP)))
def test_package(path: Path) -> None:
    assert faults(path.read_text("utf-8")) == []


def test_package_is_not_empty() -> None:
    assert PACKAGE


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(TOP)))
def test_recipe(path: Path) -> None:
    check_recipe(path)


def test_requirements_mirror_setup_cfg() -> None:
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg", "utf-8")
    extras = config["options.extras_require"]
    wanted = "".join((config["options"]["install_requires"], extras["dev"], extras["release"]))
    listed = [line for line in (TOP / "requirements.txt").read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
    assert listed == wanted.split()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""M."""\ndef f() -> None:\n    """Do."""', []),
        ("def _f() -> None: ...", ["1: the module has no docstring"]),
        ('"""M."""\ndef f() -> None: ...', ["2: f has no docstring"]),
        ('"""M."""\ndef _f(): ...', ["2: _f does not annotate what it returns"]),
        ('"""M."""\ndef f(**more) -> None:\n    """Do."""', ["2: f takes **more"]),
        ('"""M."""\ndef _f(**more) -> None: ...', []),
        ('"""M."""\nclass A:\n    """An A."""\n    def m(self, **k) -> None:\n        """Do."""', ["4: m takes **k"]),
        ('"""M."""\nclass A:\n    """An A."""\n    def __init__(self, **k) -> None: ...', ["4: __init__ takes **k"]),
        ('"""M."""\nclass A:\n    """An A."""\n    def m(self) -> None: ...', ["4: m has no docstring"]),
        ('"""M."""\nclass A: ...', ["2: A has no docstring"]),
        ('"""M."""\nfrom os import *', ["2: star import"]),
        ('"""M."""\ntry:\n    pass\nexcept:\n    pass', ["4: bare except"]),
        (
            '"""M."""\ndef f(a, b, c, d, e, f, g, *, h) -> None:\n    """Do."""',
            ["2: f has 7 positional parameters, at most 6 are allowed"],
        ),
        ('"""M."""\n' + "#\n" * 400, ["1: 401 lines, at most 400 are allowed"]),
        (
            '"""M."""\ndef _f() -> None:\n' + "    pass\n" * 50,
            ["2: _f has 51 lines, at most 50 are allowed"],
        ),
        ('"""M."""\ndef _f() -> None:\n    """Do."""\n' + "    pass\n" * 49, []),
    ],
)
def test_faults_sees(source: str, expected: list[str]) -> None:
    assert faults(source) == expected
