"""Every recipe runs in its smoke form, by its own entry point, and says how it is run and what to expect."""

from __future__ import annotations

import importlib
import os
import runpy
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import tlkit
from tests.helpers import recipe_runner, tiny_models
from tests.helpers.recipe_rules import check_docstring, used
from tlkit.models.factories import FACTORIES
from tlkit.models.vision.image_backbones import VISION
from tlkit.utils import files

TOP = Path(__file__).resolve().parents[2]
RECIPES = sorted(path for path in (TOP / "recipes").glob("*.py") if not path.name.startswith("_"))
APPLICATIONS = {
    "chatbot": "tfds:gem/schema_guided_dialog",
    "chest_xrays": "tfds:pneumonia_mnist",
    "dog_breeds": "tfds:stanford_dogs",
    "flowers": "tfds:tf_flowers",
    "intents": "tfds:clinc_oos",
    "malaria_cells": "tfds:malaria",
    "road_signs": "tfds:visual_domain_decathlon/gtsrb",
    "sentiment": "tfds:imdb_reviews",
    "spam": "spam.csv",
    "summarizer": "tfds:cnn_dailymail",
}
# run by `make test-slow`, with the applications; the other factories' are for `make test-all`
SLOW = ("bert_classifier", "efficientnet_lite0_digits", "minilm_bbc_news", "vgg16_flatten_dense")


def recipes() -> list:
    """Return the recipes as parameters, each with the mark of the suite that runs it; the demonstration has its own."""
    kept = [path for path in RECIPES if path.stem != "demo"]
    quick = {*SLOW, *APPLICATIONS}
    marks = [pytest.mark.slow if path.stem in quick else pytest.mark.all for path in kept]
    return [pytest.param(path, marks=mark, id=path.stem) for path, mark in zip(kept, marks, strict=True)]


# === What is there ===


def test_every_factory_has_a_recipe() -> None:
    lacking = set(FACTORIES) - set().union(*map(used, RECIPES))
    assert lacking == set(), "write a recipe for each; ARCHITECTURE.md says how"


@pytest.mark.parametrize("name", APPLICATIONS)
def test_every_application_names_its_public_data(name: str) -> None:
    assert f'"{APPLICATIONS[name]}"' in (TOP / "recipes" / f"{name}.py").read_text("utf-8")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_docstring(path: Path) -> None:
    check_docstring(path)


# === What they share ===


def test_options_of_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOP / "recipes"))
    common = importlib.import_module("_common")
    table = tmp_path / "own.csv"
    table.write_text("text,label\n" + "".join(f"{word} {n},{word}\n" for word in ("ham", "spam") for n in range(9)))
    monkeypatch.setattr(sys, "argv", ["recipes/spam.py", "--data", str(table), "--seed", "3"])
    options = common.parse("Spam.\n\nMore.", "spam.csv", common.TEXTS, size=64)
    assert (options.size, options.weights, options.out, options.smoke) == (64, "pretrained", "runs/spam", None)
    assert common.read(options).fingerprint() == tlkit.text_table(table, seed=3).fingerprint()
    monkeypatch.setattr(sys, "argv", ["recipes/flowers.py", "--smoke", "--out", "x"])
    options = common.parse("Flowers.", "tfds:tf_flowers", common.PICTURES)
    assert (options.data, options.size, options.weights, options.out) == ("tfds:tf_flowers", 32, None, "x")


class Told(Exception):
    """Ends a recipe once it has told what its smoke form takes."""


@pytest.mark.parametrize("factory", [name for name, (_, row, _) in FACTORIES.items() if row in VISION])
def test_the_smoke_form_is_of_a_size_that_the_backbone_takes(factory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = (path for path in RECIPES if path.stem.startswith(FACTORIES[factory][1]) and factory in used(path))
    monkeypatch.syspath_prepend(str(TOP / "recipes"))

    def parse(doc: str, data: str, smoke: Any, **_: Any) -> None:
        raise Told(smoke.size)

    monkeypatch.setattr(importlib.import_module("_common"), "parse", parse)
    with pytest.raises(Told) as told:
        runpy.run_path(str(path))["main"]()
    assert VISION[FACTORIES[factory][1]].input.minimum <= told.value.args[0]


def test_a_network_from_scratch_trains_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOP / "recipes"))
    clf = tiny_models.tiny_classifier()
    importlib.import_module("_demo").open_all(clf)
    fixed = {variable.path.split("/")[-1] for variable in clf.non_trainable_variables}
    assert fixed == {"moving_mean", "moving_variance", "seed_generator_state"}


# === Running them ===


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment with stored features apart from the developer's, and with his weights and samples."""
    for name in ("weights", "samples"):
        kept = files.cache_home().resolve() / name
        kept.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(kept)
    return {**os.environ, "TLKIT_HOME": str(folder), "TLKIT_OFFLINE": "1", "PYTHONPATH": str(TOP)}


@pytest.fixture(scope="module")
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the recipes whose tests were asked for in one process, and return the folder of what became of them."""
    out = tmp_path_factory.mktemp("recipes")
    tests = [item for item in request.session.items if getattr(item, "function", None) is test_smoke]
    paths = [item.callspec.params["path"] for item in tests]
    command = [sys.executable, recipe_runner.__file__, str(out), *map(str, paths)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120 * (1 + len(paths)), env=_environment(out)
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.mark.parametrize("path", recipes())
def test_smoke(path: Path, ran: Path) -> None:
    printed = (ran / f"{path.stem}.txt").read_text("utf-8")
    assert (ran / f"{path.stem}.ok").exists(), f"{path.name} failed:\n{printed[-2000:]}"
    assert "accuracy" in printed and printed.endswith(f"SavedModel: {ran / path.stem}/saved_model/1\n")


@pytest.mark.slow
def test_what_ran_was_exported(ran: Path) -> None:
    done = {path.stem: path for path in RECIPES if (ran / f"{path.stem}.ok").exists()}
    made = {name: used(done[name]) & set(FACTORIES) for name in done if (ran / name / "tlkit.json").exists()}
    assert set().union(*made.values()) == set(FACTORIES) & set().union(*(used(path) for path in done.values()))
    assert all((ran / name / "saved_model" / "1" / "saved_model.pb").exists() for name in made)


@pytest.mark.slow
def test_the_demonstration(tmp_path: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, str(TOP / "recipes" / "demo.py"), "--smoke", "--scratch", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "accuracy" in done.stdout
    assert len(list((tmp_path / "out").rglob("saved_model.pb"))) == 2


def test_the_same_is_exported_once() -> None:
    asked: list[str] = []
    export = recipe_runner.once(lambda clf, out, **options: asked.append(out))
    for name, head in (("a", "x"), ("b", "x"), ("a", "x"), ("a", "y")):
        row = types.SimpleNamespace(name=name)
        export(types.SimpleNamespace(spec=types.SimpleNamespace(backbone=row, head=head)), f"{name}{head}")
    assert asked == ["ax", "bx", "ay"]


def test_a_failing_recipe_fails_alone_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("print('before')\nraise ValueError('this one')\n")
    (tmp_path / "worse.py").write_text("raise SystemExit(2)\n")
    (tmp_path / "good.py").write_text("import sys\nprint(sys.argv[1:])\n")
    for name in ("bad", "worse", "good"):
        recipe_runner.run(tmp_path / f"{name}.py", tmp_path)
    assert [path.name for path in tmp_path.glob("*.ok")] == ["good.ok"]
    told = (tmp_path / "bad.txt").read_text()
    assert told.startswith("before\nTraceback") and told.endswith("ValueError: this one\n")
    assert (tmp_path / "worse.txt").read_text().endswith("SystemExit: 2\n")
    assert (tmp_path / "good.txt").read_text() == f"['--smoke', '--out', '{tmp_path / 'good'}']\n"
