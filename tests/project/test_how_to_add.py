"""A newcomer adds a backbone, a head and a recipe by following CONTRIBUTING.md, whose code is taken as it stands."""

from __future__ import annotations

import re
import shutil
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import backbone_contract, recipe_rules, recipe_runner, style_rules, tiny_models
from tlkit.artifacts import export
from tlkit.models import heads
from tlkit.models.vision import architectures, image_backbones

TOP = Path(__file__).resolve().parents[2]
TEXT = (TOP / "CONTRIBUTING.md").read_text("utf-8")


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
