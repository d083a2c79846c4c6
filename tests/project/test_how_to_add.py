"""A newcomer adds things to tlkit by following ARCHITECTURE.md, whose code is taken as it stands there."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import backbone_contract, recipe_rules, recipe_runner, style_rules, tiny_models
from tlkit.artifacts import export
from tlkit.data import reader_factory
from tlkit.doctor import checks
from tlkit.evaluation import regression_report, report_base
from tlkit.evaluation.evaluate import evaluate
from tlkit.models import heads
from tlkit.models.vision import architectures, image_backbones
from tlkit.runs import job
from tlkit.tasks import registry, targets

TOP = Path(__file__).resolve().parents[2]
TEXT = (TOP / "ARCHITECTURE.md").read_text("utf-8")


def blocks(heading: str) -> list[str]:
    """Return the Python code under a heading."""
    section = re.search(rf"^### {heading}\n(.*?)(?=^##|\Z)", TEXT, re.M | re.S)[1]
    return [textwrap.dedent(code) for code in re.findall(r"^ *```python\n(.*?)^ *```$", section, re.M | re.S)]


def written(module: types.ModuleType, code: str, name: str) -> object:
    """Return what a definition gives that is written into a module."""
    scope = dict(vars(module))
    exec(compile(f"from __future__ import annotations\n{code}", str(module.__file__), "exec"), scope)
    return scope[name]


def row(module: types.ModuleType, code: str) -> object:
    """Return what an expression gives that is written into a module's table."""
    return eval(code, dict(vars(module)))


def new_module(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Return a module that a file would make, and let it be imported."""
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(
        importlib.import_module(name.rpartition(".")[0]), name.rpartition(".")[2], module, raising=False
    )
    exec(compile(code, name, "exec"), vars(module))
    return module


def tree_of(module: types.ModuleType) -> ast.Module:
    """Return the source of a module, to be changed."""
    return ast.parse(Path(module.__file__).read_text("utf-8"))


def function_in(tree: ast.Module, name: str) -> ast.FunctionDef:
    """Return one function of a source."""
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


def assigns(node: ast.AST, name: str) -> bool:
    """Tell whether a statement sets a variable."""
    return isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets)


def changed(module: types.ModuleType, tree: ast.Module, **more: object) -> types.SimpleNamespace:
    """Return what a changed source defines, as if `more` were imported there."""
    scope = dict(vars(module)) | more
    exec(compile(ast.fix_missing_locations(tree), str(module.__file__), "exec"), scope)
    return types.SimpleNamespace(**scope)


def test_add_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, imported, chosen, public, kind = blocks("Add a reader")
    reader = new_module("tlkit.data.readers.npz_file", file, monkeypatch)
    ((home, (name,)),) = row(tlkit, public).items()
    assert getattr(sys.modules[f"tlkit.{home}"], name) is reader.npz_file

    tree = tree_of(reader_factory)
    tree.body[2:2] = ast.parse(imported).body  # below the docstring and `from __future__`
    read = function_in(tree, "read").body
    after = next(number for number, node in enumerate(read) if assigns(node, "options"))
    read[after + 1 : after + 1] = ast.parse(chosen).body
    path = tmp_path / "pictures.npz"
    pixels = tiny_models.pictures(12, 16).astype(np.uint8)
    np.savez(path, x=pixels, y=np.array(["cat", "dog"] * 6))
    data = changed(reader_factory, tree).read(str(path))
    assert (data.labels, data.kind, data.source) == (("cat", "dog"), "image", str(path))
    assert sum(map(len, data.splits().values())) == 12
    (tmp_path / "text.npz").write_text("a,b\n")
    with pytest.raises(tlkit.DataError, match=r"text\.npz cannot be read .*np\.savez"):
        reader.npz_file(tmp_path / "text.npz")

    tree = tree_of(job)
    function_in(tree, "kind_of").body[1:1] = ast.parse(kind).body
    assert changed(job, tree).kind_of(tlkit.Job(data=str(path), out="out")) == "image"


def test_add_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, known, report, reported = blocks("Add a task")
    monkeypatch.setattr(targets, "Rank", written(targets, target, "Rank"), raising=False)
    monkeypatch.setattr(
        regression_report, "RankReport", written(regression_report, report, "RankReport"), raising=False
    )
    for table, lines in ((registry.TARGETS, known), (report_base.REPORTS, reported)):
        for name, reference in ast.literal_eval(lines).items():
            monkeypatch.setitem(table, name, reference)
    assert registry.target("rank") is targets.Rank
    clf = tiny_models.tiny_classifier(targets.Rank(("stars",), 2.0, 1.5))
    pixels = tiny_models.pictures(12, 16).astype(np.uint8)
    made = evaluate(clf, tlkit.arrays(pixels, np.arange(12) % 5, task="value").train)
    assert type(made) is regression_report.RankReport and "mae" in made.figures
    made.save(tmp_path)
    assert report_base.Measured.load(tmp_path).figures == made.figures


def test_add_a_check() -> None:
    function, call = blocks("Add a check")
    tree = tree_of(checks)
    for node in ast.walk(function_in(tree, "check")):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "data.kind == 'text'":
            listed = next(inner for inner in ast.walk(node.body[0]) if isinstance(inner, ast.List))
    listed.elts += ast.parse(call, mode="eval").body.elts
    tree.body += ast.parse(function).body
    texts = [f"text {number}" for number in range(12)]
    data = tlkit.arrays([*texts[:10], "BUY NOW", "FREE"], ["a", "b"] * 6)
    (found,) = [one for one in changed(checks, tree).check(data) if one.code == "capitals"]
    assert found.title == "2 of 12 texts are written in capitals only"
    quiet = changed(checks, tree).check(tlkit.arrays(texts, ["a", "b"] * 6))
    assert all(one.code != "capitals" for one in quiet)


def test_add_an_export_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.numpy import load_file

    file, written_after, own, digested = blocks("Add an export format")
    format_module = new_module("tlkit.artifacts.safetensors_file", file, monkeypatch)
    tree = tree_of(export)
    body = function_in(tree, "export").body
    after = next(number for number, node in enumerate(body) if "clf.save(path)" in ast.unparse(node))
    body[after + 1 : after + 1] = ast.parse(written_after).body
    for statements, name, more in (
        (tree.body, "ARTIFACT_FILES", own),
        (function_in(tree, "_digests").body, "paths", digested),
    ):
        listed = next(node.value for node in statements if assigns(node, name))
        listed.elts += ast.parse(more, mode="eval").body.elts
    function_in(tree, "_prove").body = ast.parse(
        "return {'samples': 0, 'real': False, 'max_difference': 0.0, 'spread': 0.0}"
    ).body
    new = changed(export, tree, safetensors_file=format_module)
    clf = tiny_models.tiny_classifier(2)
    new.export(clf, tmp_path / "out")
    stored = load_file(tmp_path / "out" / format_module.NAME)
    assert len(stored) == len(clf.variables)
    assert all(np.array_equal(stored[variable.path], variable.numpy()) for variable in clf.variables)
    assert (
        format_module.NAME in new.ARTIFACT_FILES and format_module.NAME in tlkit.load(tmp_path / "out").facts["files"]
    )
    with (tmp_path / "out" / format_module.NAME).open("ab") as file:
        file.write(b"more")
    with pytest.raises(tlkit.ArtifactError, match=r"model\.safetensors was changed"):
        tlkit.load(tmp_path / "out")


def test_add_a_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    function, line = blocks("Add a backbone")
    monkeypatch.setattr(architectures, "brick", written(architectures, function, "brick"), raising=False)
    monkeypatch.setitem(image_backbones.VISION, "brick", row(image_backbones, line))
    assert "brick" in [param.values[0] for param in backbone_contract.rows()]
    clf = tiny_models.image_classifier("brick", size=64)
    assert clf.base.count_params() == clf.spec.backbone.params
    pixels = tiny_models.pictures(12, 64, seed=4)
    data = tlkit.arrays(pixels.astype(np.uint8), [clf.spec.labels[number % 3] for number in range(12)])
    backbone_contract.run_backbone_test(clf, pixels[:5], data)
    with pytest.raises(tlkit.InputError, match="give at least 16 pixels"):
        tlkit.classifier("brick", "pool_dense", 3, size=15, weights=None)


def test_add_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    function, line = blocks("Add a head")
    monkeypatch.setattr(heads, "max_dense", written(heads, function, "max_dense"), raising=False)
    monkeypatch.setitem(heads.HEADS, "max_dense", row(heads, line))
    clf = tiny_models.tiny_classifier(3)
    other = tlkit.classifier(clf.spec.backbone, "max_dense", 3, weights=None)
    assert [type(layer).__name__ for layer in other.head.layers[1:]] == ["GlobalMaxPooling2D", "Dropout", "Dense"]
    assert other.head.get_layer("dropout").rate == 0.2
    pixels = tiny_models.pictures(4, 16)
    features = other.base(pixels, training=False)
    highest = features["map"].numpy().max((1, 2))
    expected = highest @ other.head.get_layer("probabilities").kernel.numpy()
    expected = np.exp(expected) / np.exp(expected).sum(1, keepdims=True)
    assert np.allclose(other(pixels, training=False), expected, atol=1e-5)
    with pytest.raises(tlkit.InputError, match="'max_dense' takes map, but backbone 'minilm_l6' gives sequence"):
        tlkit.classifier("minilm_l6", "max_dense", 3, weights=None)


def recipe(folder: Path) -> Path:
    """Write the recipe beside copies of what recipes share."""
    (code,) = blocks("Add a recipe")
    for name in ("_common.py", "_smoke.py"):
        shutil.copy(TOP / "recipes" / name, folder)
    path = folder / "bricks.py"
    path.write_text(code, "utf-8")
    return path


def test_a_recipe_written_so_is_in_the_style(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    style_rules.check_recipe(path)
    recipe_rules.check_docstring(path)
    assert "mobilenet_v2_pool_dense" in recipe_rules.used(path)


@pytest.mark.slow
def test_add_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recipe(tmp_path)
    monkeypatch.setattr(export, "subprocess", types.SimpleNamespace(run=recipe_runner.here))
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe_runner.run(path, tmp_path)
    printed = (tmp_path / "bricks.txt").read_text("utf-8")
    assert (tmp_path / "bricks.ok").exists(), printed
    assert printed.endswith(f"SavedModel: {tmp_path / 'bricks'}/saved_model/1\n")
    assert tlkit.load(tmp_path / "bricks").report.n > 0
