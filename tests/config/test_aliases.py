"""The modules at the top that only hand on: every Keras layer in one import, and two former places."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import keras
import pytest

import tlkit
from tlkit import layers

PACKAGE = Path(tlkit.__file__).parent
REGISTER = "register_keras_serializable"


def registered(source: str) -> set[str]:
    """Return the names of the classes that a source registers with Keras."""
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    return {node.name for node in classes if any(REGISTER in ast.unparse(each) for each in node.decorator_list)}


def test_every_layer_of_the_package_is_registered_by_one_import() -> None:
    found = set().union(*(registered(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")))
    assert found == set(layers.__all__) and len(found) == 6


def test_registered_finds() -> None:
    source = "@keras.saving.register_keras_serializable(package='tlkit')\nclass Mine(Layer): ...\nclass Plain: ..."
    assert registered(source) == {"Mine"}


@pytest.mark.parametrize("name", layers.__all__)
def test_a_saved_model_finds_a_layer_by_its_name(name: str) -> None:
    assert keras.saving.get_registered_object(f"tlkit>{name}") is getattr(layers, name)


@pytest.mark.parametrize(
    ("alias", "name", "home"),
    [
        ("tlkit.text", "Tokens", "tlkit.models.text.tokenizer"),
        ("tlkit.text", "TextInput", "tlkit.models.text.text_input"),
        ("tlkit.text", "TEXT", "tlkit.models.text.text_backbones"),
        ("tlkit.vision", "ImageInput", "tlkit.models.vision.image_input"),
        ("tlkit.vision", "NORMALISATION", "tlkit.models.vision.image_input"),
        ("tlkit.vision", "VISION", "tlkit.models.vision.image_backbones"),
    ],
)
def test_a_former_place_hands_on_the_thing_itself(alias: str, name: str, home: str) -> None:
    module = importlib.import_module(alias)
    assert getattr(module, name) is getattr(importlib.import_module(home), name) and name in module.__all__
