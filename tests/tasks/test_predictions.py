"""What a model answers, for each task: one line for people, and a label only where it is sure enough."""

from __future__ import annotations

import dataclasses

import pytest

from tlkit.tasks.predictions import (
    EntitiesPrediction,
    Prediction,
    Span,
    TagsPrediction,
    TextPrediction,
    ValuePrediction,
)

HOSTILE = "\x1b[2J\x9b1mred\r\nartifact: \u202eelsewhere\u2028\ud800"


WITHOUT = r"\x1b[2J\x9b1mred\r\nartifact: \u202eelsewhere\u2028\ud800"


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Prediction(HOSTILE, 0.5, ((HOSTILE, 0.5),)), f"{WITHOUT}\t0.5000"),
        (TagsPrediction((HOSTILE, "b\t"), ((HOSTILE, 0.5),)), f"{WITHOUT}|b\\t\t{WITHOUT}=0.5000"),
        (ValuePrediction(HOSTILE, 0.5), f"0.5\t{WITHOUT}"),
        (EntitiesPrediction((), (), (), (Span("\x1b", HOSTILE, 0, 1, 0.5),)), f"{WITHOUT}=\\x1b 0.5000"),
        (TextPrediction("a\x1b\nb\u202e"), "a\\x1b b\\u202e"),
    ],
)
def test_answers_are_a_line_each(found: object, told: str) -> None:
    assert str(found) == told


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Prediction("cat", 0.75, (("cat", 0.75), ("dog", 0.25))), "cat\t0.7500"),
        (Prediction(None, 0.75, (("cat", 0.75),)), "?\t0.7500"),
        (TagsPrediction(("a", "b"), (("a", 0.9), ("b", 0.6))), "a|b\ta=0.9000 b=0.6000"),
        (TagsPrediction((), (("a", 0.4),)), "\ta=0.4000"),
        (ValuePrediction("price", 1234567.0), "1.23457e+06\tprice"),
        (EntitiesPrediction(("a",), ("O",), (0.5,), ()), "no entities"),
        (
            EntitiesPrediction((), (), (), (Span("New York", "LOC", 0, 2, 0.5), Span("Ann", "PER", 4, 5, 1.0))),
            "LOC=New York 0.5000\tPER=Ann 1.0000",
        ),
        (TextPrediction(" two \n words\t", 3), "two words"),
    ],
)
def test_lines(found: object, told: str) -> None:
    assert str(found) == told


def test_a_label_below_the_threshold_is_withheld_and_nothing_else() -> None:
    found = Prediction("cat", 0.75, (("cat", 0.75), ("dog", 0.25)))
    assert found.unless_below(0.75) is found and found.unless_below(0.0) is found
    withheld = found.unless_below(0.76)
    assert withheld == dataclasses.replace(found, label=None) and found.label == "cat"
