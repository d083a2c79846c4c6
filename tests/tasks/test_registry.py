"""The registry of tasks: each name leads to a target class that carries the facts of its task."""

from __future__ import annotations

import dataclasses

import pytest

from tlkit.tasks import registry, targets


@pytest.mark.parametrize("name", registry.TARGETS)
def test_a_name_leads_to_its_target(name: str) -> None:
    target = registry.target(name)
    assert dataclasses.is_dataclass(target) and target.name == name
    assert target.loss and target.unit and callable(target.of_data)


def test_the_targets_differ() -> None:
    assert len({registry.target(name) for name in registry.TARGETS}) == len(registry.TARGETS) == 6
    assert registry.target("value") is targets.Value


def test_models_of_replies_and_summaries_write() -> None:
    assert {name for name in registry.TARGETS if registry.writes(name)} == {"reply", "summary"}
    assert registry.writes("a task of tomorrow") is False
