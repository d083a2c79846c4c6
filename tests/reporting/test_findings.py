"""A finding: its groups of examples with what is said of each."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from tlkit.reporting.findings import SEVERITIES, Finding, Severity


def test_groups_come_with_what_is_said_of_them() -> None:
    finding = Finding("leak", "error", "title", "remedy", 2, (("a", "b"), ("c",)), ("copies", "alone"))
    assert finding.groups() == [(("a", "b"), "copies"), (("c",), "alone")]


def test_groups_of_which_nothing_is_said() -> None:
    assert Finding("leak", "error", "title", "remedy", 1, (("a", "b"),)).groups() == [(("a", "b"), "")]
    assert Finding("leak", "note", "title", "remedy").groups() == []


def test_something_said_for_some_groups_only_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        Finding("leak", "error", "title", "remedy", 2, (("a",), ("b",)), ("one",)).groups()


def test_a_finding_stays_as_it_is() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Finding("leak", "error", "title", "remedy").count = 3


def test_the_worst_severity_comes_first() -> None:
    assert SEVERITIES == typing.get_args(Severity) == ("error", "warning", "note")
