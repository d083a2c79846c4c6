"""A module of tlkit imports only from lower layers or its own, and never in a circle."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "tlkit"
LAYERS = (
    (
        "spec",
        "errors",
        "files",
        "forms",
        "interrupts",
        "columns",
        "bio",
        "intervals",
        "markup",
        "telling",
        "escaping",
        "opening",
        "offline",
        "ambient",
    ),
    ("archives", "fetch", "cache", "checkpoint", "predictions", "targets", "nexttoken", "tagging", "hdf5", "web"),
    ("weights", "torchfile", "decoding", "images", "heads"),
    ("duplicates", "suspects", "paths", "pairing", "traits", "splits", "strata", "truths", "drawing", "assembly"),
    (
        "data",
        "folders",
        "sources",
        "rows",
        "labelled",
        "tables",
        "sheets",
        "corpora",
        "manifests",
        "datasets",
        "samples",
        "conll",
    ),
    (
        *("networks", "families", "zoo", "flat", "saliency", "tokens", "text_presets", "strings"),
        *("turns", "writing", "prompts", "vision", "presets", "text", "tabular", "allowed_layers", "keras_configs"),
    ),
    ("build", "calibration", "explaining"),
    ("lora", "freeze", "generators", "folding", "frontier", "precision"),
    ("shards", "keys", "store", "filling", "pretraining"),
    ("steps", "loop", "events", "choices", "options", "planning", "estimating", "train", "amounts"),
    (
        *("plots", "rare", "measured", "report", "tags_report", "value_report", "mentions", "language"),
        *("baselines", "examples", "page", "findings", "leaks", "shortcuts", "balance", "typechecks", "checks"),
    ),
    ("doctor", "charts", "verdicts", "gallery", "outcome", "story"),
    ("fresh", "card", "operations", "graphs", "inventory", "saved_model", "artifact", "isolated_worker", "isolation"),
    ("exporting", "ledger"),
    ("job", "compared", "comparing", "outlook"),
    ("run",),
    ("factories",),
    ("console", "streams", "upkeep"),
    ("cli", "__init__"),
)
LEVEL = {module: level for level, layer in enumerate(LAYERS) for module in layer}


def modules(package: Path) -> dict[str, list[Path]]:
    """Return the modules of a package and their files; a folder is one module."""
    found: dict[str, list[Path]] = {}
    for path in sorted(package.rglob("*.py")):
        first = path.relative_to(package).parts[0]
        found.setdefault(first.removesuffix(".py"), []).append(path)
    return found


def target(name: str) -> str:
    """Return the module that a dotted name under tlkit leads to; what is no module comes from `__init__`."""
    first = name.split(".")[0]
    return first if first in LEVEL else "__init__"


def imported(source: str, inside: tuple[str, ...] = ("tlkit",)) -> set[str]:
    """Return the modules of tlkit a source imports, wherever in it; `inside` is the package it lies in."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = inside[: len(inside) - node.level + 1] if node.level else ()
            base = ".".join((*parents, *filter(None, [node.module])))
            full = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {target(name.partition(".")[2]) for name in full if name.split(".")[0] == "tlkit"}
    return found


def graph(package: Path) -> dict[str, set[str]]:
    """Return which module imports which; a folder's imports of itself do not count."""
    edges: dict[str, set[str]] = {}
    for name, paths in modules(package).items():
        parts = {path: ("tlkit", *path.relative_to(package).parts[:-1]) for path in paths}
        edges[name] = set().union(*(imported(path.read_text("utf-8"), parts[path]) for path in paths)) - {name}
    return edges


def upward(edges: dict[str, set[str]]) -> list[str]:
    """Return the imports that lead to a higher layer."""
    top = len(LAYERS)
    return [f"{a} -> {b}" for a in sorted(edges) for b in sorted(edges[a]) if LEVEL.get(b, top) > LEVEL.get(a, top)]


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Return the modules of one import circle, or nothing."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_module_has_its_place() -> None:
    assert set(modules(PACKAGE)) - set(LEVEL) == set(), "give these a layer here, in DESIGN and in CONTRIBUTING.md"


def test_every_module_is_there() -> None:
    assert set(LEVEL) - set(modules(PACKAGE)) == set(), "these modules are missing"


def test_imports_lead_downward() -> None:
    assert upward(graph(PACKAGE)) == []


def test_no_import_circle() -> None:
    assert circle(graph(PACKAGE)) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy, os.path", set()),
        ("import tlkit", {"__init__"}),
        ("import tlkit.training.fit as t", {"train"}),
        ("from tlkit import fit, data", {"__init__", "data"}),
        ("from tlkit.errors import InputError", {"errors"}),
        ("from . import images", {"images"}),
        ("from .images import batches", {"images"}),
        ("def f():\n    from tlkit import cli", {"cli"}),
        ("if TYPE_CHECKING:\n    from tlkit.runs.run import Run", {"run"}),
    ],
)
def test_imported_finds(source: str, expected: set[str]) -> None:
    assert imported(source) == expected


def test_relative_imports_in_a_folder() -> None:
    assert imported("from ..errors import InputError\nfrom . import rows", ("tlkit", "vision")) == {"errors", "vision"}


def test_a_folder_is_one_module(tmp_path: Path) -> None:
    (tmp_path / "vision").mkdir()
    (tmp_path / "vision" / "__init__.py").write_text("from .rows import VISION\n")
    (tmp_path / "vision" / "rows.py").write_text("from tlkit import images, train\n")
    assert graph(tmp_path) == {"vision": {"images", "train"}}
    assert upward(graph(tmp_path)) == ["vision -> train"]


def test_upward_sees_what_is_wrong() -> None:
    assert upward({"images": {"errors", "heads"}, "data": {"train"}}) == ["data -> train"]


def test_circle_sees_what_is_wrong() -> None:
    assert set(circle({"images": {"heads"}, "heads": {"images"}})) == {"images", "heads"}
    assert circle({"images": {"heads"}}) == []
