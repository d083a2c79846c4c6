"""The row of a backbone and the protocol that every input keeps."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tlkit.config import TWO_PHASE
from tlkit.models.backbone import Backbone, Input, Local, Preset
from tlkit.models.tabular.table_input import TableInput
from tlkit.models.text.text_input import TextInput
from tlkit.models.vision.image_input import ImageInput

INPUTS = (ImageInput("none"), TextInput(), TableInput())


def lacking(given: Any) -> set[str]:
    """Return what of the protocol an input does not have."""
    asked = {name for name in vars(Input) if not name.startswith("_")} | set(Input.__annotations__)
    return {name for name in asked if not hasattr(given, name)}


@pytest.mark.parametrize("given", INPUTS, ids=lambda given: given.kind)
def test_every_input_keeps_the_protocol(given: Any) -> None:
    assert lacking(given) == set()
    assert isinstance(given.features, tuple) and isinstance(given.ops, tuple) and isinstance(given.facts(), dict)


def test_an_input_that_does_not_is_noticed() -> None:
    class Half:
        kind, size, features, ops = "image", 8, (), ()

        def sized(self, size: int | None) -> Any: ...

    assert {"tensor", "assemble", "batches", "explain", "facts"} <= lacking(Half())
    assert not lacking(Half()) & {"kind", "sized"}


def test_there_is_an_input_of_each_kind() -> None:
    assert [given.kind for given in INPUTS] == ["image", "text", "table"]


def test_a_row_needs_a_name_a_builder_an_input_and_blocks() -> None:
    row = Backbone("mine", "a.b:c", INPUTS[0], ("end1",))
    assert row.phases == TWO_PHASE and row.weights is None and row.stem == row.loader == row.licence == ""
    with pytest.raises(TypeError, match="blocks"):
        Backbone("mine", "a.b:c", INPUTS[0])


def test_a_row_cannot_be_changed_not_even_its_arguments() -> None:
    row = Backbone("mine", "a.b:c", INPUTS[0], ("end1",))
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.name = "other"
    with pytest.raises(TypeError, match="does not support item assignment"):
        row.arguments["width"] = 2
    assert dataclasses.replace(row, arguments={"width": 2}).arguments == {"width": 2} and not row.arguments


def test_weights_are_told_apart_by_what_they_name() -> None:
    assert Preset("a") == Preset("a", 0) != Preset("b") and Local() == Local(None) != Preset("a")
