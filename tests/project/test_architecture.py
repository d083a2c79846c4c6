"""ARCHITECTURE.md has a line for every module, and docs/renamed_modules.md leads to modules that exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PACKAGE = TOP / "tlkit"
ROOMS = {"data", "doctor", "cli"}  # which were modules of that name
ALIASES = {"text", "vision"}
# files that those make who follow "How to add"
MADE = {"tlkit/data/readers/npz_file.py", "tlkit/artifacts/safetensors_file.py", "recipes/NAME.py"}


def described(text: str) -> dict[str, str]:
    """Return module -> what its line says, from a text with a heading and a table for each room."""
    sections = re.findall(r"^### ([\w/]+)/\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    lines = [(room, *row) for room, body in sections for row in re.findall(r"^\| `(\w+)\.py` \| (.+) \|$", body, re.M)]
    return {f"{room}/{module}": says for room, module, says in lines}


def test_every_module_has_its_line() -> None:
    there = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.glob("*/**/*.py")}
    modules = {name for name in there if not name.endswith("__init__")}
    assert set(described((TOP / "ARCHITECTURE.md").read_text("utf-8"))) == modules


@pytest.mark.parametrize(
    ("words", "module"),
    [
        ("EXIF orientation is honoured", "data/image_decoding"),
        ("Fold BatchNorm", "features/batchnorm_folding"),
        ("early stopping decides", "training/loop"),
        ("which ops a SavedModel may hold", "artifacts/allowed_ops"),
        ("--group-by is parsed", "cli/arguments"),
    ],
)
def test_what_a_stranger_looks_for_leads_to_one_module(words: str, module: str) -> None:
    lines = described((TOP / "ARCHITECTURE.md").read_text("utf-8"))
    assert [name for name, says in lines.items() if words in says] == [module]


def test_paths_that_are_named_exist() -> None:
    text = (TOP / "ARCHITECTURE.md").read_text("utf-8")
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", text)
    assert len(named) > 20
    assert {path for path in named if not (PACKAGE / path).exists() and not (TOP / path).exists()} == MADE


def test_renamed_modules_are_where_the_page_says() -> None:
    text = (TOP / "docs" / "renamed_modules.md").read_text("utf-8")
    rows = re.findall(r"^\| `tlkit\.(\w+)` \| `(tlkit\.[\w.]+)` \|", text, re.M)
    assert len(rows) > 100
    assert [new for _, new in rows if importlib.util.find_spec(new) is None] == []
    assert {old for old, _ in rows if (PACKAGE / f"{old}.py").exists()} == ALIASES
    assert {old for old, _ in rows if (PACKAGE / old).is_dir()} == ROOMS
