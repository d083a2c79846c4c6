"""Names in titles and labels in charts: cut, on one line, and counted."""

from __future__ import annotations

import pytest

from tlkit.utils.text_format import blocks, listed, short


def test_a_few_names_are_listed_and_more_are_said_to_be_there() -> None:
    assert listed([]) == "" and listed(["a"]) == "a"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c, d, e"
    assert listed(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d, e, ..."
    assert listed(["a", "b", "c"], most=1) == "a, ..."


def test_long_names_are_cut() -> None:
    assert listed(["x" * 40]) == "x" * 40
    assert listed(["x" * 41, "y"]) == "x" * 39 + "…, y"


@pytest.mark.parametrize(
    ("label", "most", "expected"),
    [
        ("cat", 32, "cat"),
        ("x" * 32, 32, "x" * 32),
        ("x" * 33, 32, "x" * 31 + "…"),
        ("a\nb\x1b[2J", 32, "a\\nb\\x1b[2J"),
        ("abcd", 3, "ab…"),
    ],
)
def test_a_label_is_one_line_and_no_longer_than_it_may_be(label: str, most: int, expected: str) -> None:
    assert short(label, most) == expected and len(short(label, most)) <= most


def test_blocks_are_counted() -> None:
    assert [blocks(number) for number in (0, 1, 2)] == ["0 blocks", "1 block", "2 blocks"]
