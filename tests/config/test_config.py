"""What a caller chooses: defaults that stay, values that cannot be changed, and an import that costs nothing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from tlkit import config
from tlkit.config import LIGHT, STRONG, TWO_PHASE, Augment, Compute, Phase, Reading, Splitting


@pytest.mark.parametrize(
    "value", [Splitting(), TWO_PHASE[0], LIGHT, Compute(), Reading()], ids=lambda v: type(v).__name__
)
def test_values_cannot_be_changed_but_replaced(value: object) -> None:
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, "other")
    other = dataclasses.replace(value, **{name: "other"})
    assert other != value and hash(value) == hash(dataclasses.replace(value))


def test_the_head_is_trained_before_the_top_of_the_backbone() -> None:
    head, top = TWO_PHASE
    assert head.unfreeze == 0 < top.unfreeze and head.learning_rate > top.learning_rate > 0
    assert min(head.epochs, top.epochs) > 0 and head.name != top.name
    assert Phase("head", 1, 1e-3).unfreeze == 0


def test_strong_augmentation_changes_more_than_light() -> None:
    assert Augment() == LIGHT and LIGHT.flip and STRONG.flip
    for name in ("crop", "brightness", "contrast"):
        assert 0 < getattr(LIGHT, name) < getattr(STRONG, name) < 1


def test_without_a_choice_nothing_is_special() -> None:
    assert Splitting() == Splitting(0, "random", None, None, "together")
    assert Compute() == Compute("auto", None, False) and Reading() == Reading(32, "crop", None, 0)


def test_the_import_is_light() -> None:
    code = f"import sys, {config.__name__}; sys.exit(bool({{'numpy', 'keras', 'tensorflow'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
