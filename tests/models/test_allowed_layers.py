"""The lists of what a config may name: all that Keras has is on one of them, and nothing that loads or calls."""

from __future__ import annotations

import importlib
from typing import Any

import keras
import pytest

from tlkit.models import allowed_layers
from tlkit.models.text import families
from tlkit.models.vision import image_presets


def test_the_lists_are_of_what_keras_has() -> None:
    """What a new Keras adds is looked at before it is allowed."""

    def classes(module: Any) -> set[str]:
        return {name for name in dir(module) if name[0].isupper() and isinstance(getattr(module, name), type)}

    assert classes(keras.layers) == allowed_layers.LAYERS | set(allowed_layers.REFUSED)
    assert classes(keras.initializers) == allowed_layers.INITIALIZERS | {"Initializer"}
    assert classes(keras.regularizers) == allowed_layers.REGULARIZERS | {"Regularizer"}
    assert classes(keras.constraints) == allowed_layers.CONSTRAINTS | {"Constraint"}
    assert classes(keras.dtype_policies) == allowed_layers.POLICIES
    functions = {name for name in dir(keras.activations) if not name.startswith("_")}
    assert functions == allowed_layers.ACTIVATIONS | {"get", "serialize", "deserialize"}
    assert {f"{kind}" for kind in allowed_layers.BACKBONES} == {
        kind.__name__ for kind in image_presets._image_backbones()
    } | {kind.backbone for kind in families.KINDS.values()}


def test_nothing_is_both_allowed_and_refused() -> None:
    assert not allowed_layers.LAYERS & set(allowed_layers.REFUSED)
    assert all(allowed_layers.REFUSED.values()), "and it is said why"


@pytest.mark.parametrize("name", ["Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"])
def test_what_may_run_a_program_is_refused_everywhere(name: str) -> None:
    assert name in allowed_layers.REFUSED
    for module, names in allowed_layers.KERAS.items():
        assert name not in names, module


@pytest.mark.parametrize("module", sorted(allowed_layers.KERAS))
def test_every_name_stands_in_its_module(module: str) -> None:
    home, unseen = importlib.import_module(module), {"Functional"}  # a config may name it; Keras hands on `Model` alone
    assert {name for name in allowed_layers.KERAS[module] if not hasattr(home, name)} <= unseen


@pytest.mark.parametrize("module", [name for name in allowed_layers.OWN if name.count(".") > 1])
def test_layers_of_tlkit_are_where_the_list_says_and_registered(module: str) -> None:
    for name in allowed_layers.OWN[module]:
        layer = getattr(importlib.import_module(module), name)
        assert keras.saving.get_registered_name(layer) == f"tlkit>{name}"


def test_layers_of_tlkit_keep_their_former_names() -> None:
    later = "tlkit.models.text.hashed_words"  # which tlkit 0.1 did not have
    before = [names for module, names in allowed_layers.OWN.items() if module.count(".") == 1]
    now = [names for module, names in allowed_layers.OWN.items() if module.count(".") > 1 and module != later]
    assert sorted(map(sorted, before)) == sorted(map(sorted, now)) and len(now) == 3
