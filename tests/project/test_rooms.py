"""Which rooms of tlkit may import which: a dozen sentences, each of them a test; how a room looks, and its tests."""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "tlkit"
TESTS = Path(__file__).resolve().parents[1]
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
ALIASES = {"text", "vision"}  # former names of modules, which hand on what users import
MODULES = {"__init__", "config", "errors", "layers"}  # that lie in no room
TOP = "config"  # where the tests of these lie
HANDED_ON = {f"{TOP}/test_{name}.py" for name in ALIASES | {"layers"}}  # tested in one file
OF_NO_MODULE = {"whole", "project"}  # the tests of the whole product, and of the repository

SENTENCES = (
    "errors imports nothing",
    "config imports nothing",
    "utils imports errors",
    "tasks imports errors, utils",
    "data imports config, errors, utils, tasks",
    "models imports config, errors, utils, tasks, data",
    "features imports config, errors, utils, tasks, data, models",
    "evaluation never imports features, training, reporting, artifacts, doctor, runs, cli",
    "training never imports evaluation, reporting, artifacts, doctor, runs, cli",
    "reporting never imports features, training, artifacts, doctor, runs, cli",
    "doctor never imports training, artifacts, runs, cli",
    "artifacts never imports features, training, doctor, runs, cli",
    "runs never imports cli",
)


def room(name: str) -> str:
    """Return the room, or the module at the top, that a dotted name under tlkit leads to."""
    first = name.split(".")[0]
    return first if first in ROOMS | MODULES | ALIASES else "__init__"


def imported(source: str) -> set[str]:
    """Return the dotted names under tlkit that a source imports or names as "tlkit.module:attribute", wherever."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "write imports from the top: `from tlkit.room import module`"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and re.fullmatch(r"tlkit[\w.]*:\w+", str(node.value)):
            names.add(node.value.partition(":")[0])
    return {name.partition(".")[2] for name in names if name.split(".")[0] == "tlkit"}


def graph(package: Path) -> dict[str, set[str]]:
    """Return which room or top module imports which."""
    edges: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        edges.setdefault(parts[0], set()).update(map(room, imported(path.read_text("utf-8"))))
    return {name: others - {name} for name, others in edges.items()}


def modules(package: Path) -> dict[str, set[str]]:
    """Return which module imports which, by dotted names without "tlkit."."""
    names = {".".join(path.relative_to(package).with_suffix("").parts) for path in package.rglob("*.py")}
    edges = {}
    for name in names:
        tree = ast.parse((package / (name.replace(".", "/") + ".py")).read_text("utf-8"))
        # what a function imports when it runs, and what only types need, makes no circle at import
        tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        used = imported(ast.unparse(tree))
        edges[name] = {other for dotted in used for other in (dotted, dotted.rpartition(".")[0]) if other in names}
    return edges


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Return the modules of one import circle, or nothing."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def wrong(sentence: str, edges: dict[str, set[str]]) -> set[str]:
    """Return the imports that a sentence forbids."""
    name, never, objects = re.fullmatch(r"(\w+) (never )?imports ([\w, ]+)", sentence).groups()
    listed = set() if objects == "nothing" else set(objects.split(", "))
    return edges[name] & listed if never else edges[name] - listed


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentence(sentence: str) -> None:
    assert wrong(sentence, graph(PACKAGE)) == set()


def test_every_room_has_a_sentence() -> None:
    assert {sentence.split()[0] for sentence in SENTENCES} == (ROOMS | {"config", "errors"}) - {"cli"}


def test_only_users_import_the_aliases() -> None:
    assert {name for name, others in graph(PACKAGE).items() if others & ALIASES} == set()


def test_no_import_circle() -> None:
    assert circle({name: others for name, others in graph(PACKAGE).items() if name != "__init__"}) == []
    assert circle(modules(PACKAGE)) == []


def test_the_top_and_the_rooms_stay_small() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == MODULES | ALIASES
    for folder in {path.parent for path in PACKAGE.rglob("*/__init__.py")}:
        assert 2 <= len(list(folder.glob("*.py"))) <= 16, f"{folder.name}: a room has 2 to 16 files"


def test_no_file_name_twice() -> None:
    counts = Counter(
        path.name for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" and path.parent != PACKAGE
    )
    assert {name for name, count in counts.items() if count > 1} == set()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_a_room_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree)
    if path.parent.name != "cli":  # which hands on its entry points
        assert len(tree.body) == 1, "importing a room imports nothing"


def expected_tests(package: Path) -> set[str]:
    """Return the path of the test file that each module should have: tests/<room>/test_<module>.py."""
    parts = [path.relative_to(package).with_suffix("").parts for path in package.rglob("*.py")]
    files = {f"{part[0] if part[1:] else TOP}/test_{part[-1]}.py" for part in parts if part[-1] != "__init__"}
    return files - HANDED_ON | ({f"{TOP}/test_aliases.py"} if files & HANDED_ON else set())


def existing_tests(tests: Path) -> set[str]:
    """Return the path of each test file of a room."""
    found = {path.relative_to(tests).as_posix() for path in tests.rglob("test_*.py")}
    return {name for name in found if name.split("/")[0] not in OF_NO_MODULE}


def test_every_module_has_a_test_file() -> None:
    assert expected_tests(PACKAGE) - existing_tests(TESTS) == set()


def test_every_test_file_of_a_room_is_named_after_a_module() -> None:
    assert existing_tests(TESTS) - expected_tests(PACKAGE) == set()


def test_a_module_without_tests_and_tests_without_a_module_are_noticed(tmp_path: Path) -> None:
    for name in ("models/vision/images.py", "models/__init__.py", "config.py", "text.py", "data/files.py"):
        (tmp_path / "package" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "package" / name).touch()
    for name in ("models/test_images.py", "models/test_gone.py", "whole/test_run.py", "models/vision/test_images.py"):
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).touch()
    expected, existing = expected_tests(tmp_path / "package"), existing_tests(tmp_path / "tests")
    assert expected - existing == {"config/test_config.py", "config/test_aliases.py", "data/test_files.py"}
    assert existing - expected == {"models/test_gone.py", "models/vision/test_images.py"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy, os.path", set()),
        ("import tlkit", {""}),
        ("import tlkit.training.fit as t", {"training.fit"}),
        ("from tlkit import fit, data", {"fit", "data"}),
        ("from tlkit.errors import InputError", {"errors.InputError"}),
        ("def f():\n    from tlkit.cli import commands", {"cli.commands"}),
        ("if TYPE_CHECKING:\n    from tlkit.runs.run import Run", {"runs.run.Run"}),
        ("loader = 'tlkit.models.vision.architectures:load'", {"models.vision.architectures"}),
    ],
)
def test_imported_finds(source: str, expected: set[str]) -> None:
    assert imported(source) == expected


def test_a_nested_folder_belongs_to_its_room(tmp_path: Path) -> None:
    (tmp_path / "models" / "vision").mkdir(parents=True)
    (tmp_path / "models" / "vision" / "image_input.py").write_text("from tlkit.training import fit\n")
    edges = graph(tmp_path)
    assert edges == {"models": {"training"}}
    assert wrong("models imports config, errors, utils, tasks, data", edges) == {"training"}
    assert wrong("models never imports training, cli", edges) == {"training"}
    assert wrong("models never imports cli", edges) == set()


def test_circle_sees_what_is_wrong() -> None:
    assert set(circle({"images": {"heads"}, "heads": {"images"}})) == {"images", "heads"}
    assert circle({"images": {"heads"}}) == []
