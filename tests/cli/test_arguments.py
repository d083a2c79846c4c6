"""Sizes as people write and read them."""

from __future__ import annotations

import argparse

import pytest

from tlkit.cli import arguments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("4096", 4096),
        ("12B", 12),
        ("500MB", 500_000_000),
        ("2GB", 2_000_000_000),
        ("2 gb", 2_000_000_000),
        ("1.5GiB", 1_610_612_736),
        ("64KiB", 65_536),
        ("1.1TB", 1_100_000_000_000),
    ],
)
def test_size(text: str, expected: int) -> None:
    assert arguments.size(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1.5", "2G", "GB", "1e9", "nan", "2 apples", "5iB", "1.GB", "1,5GB"])
def test_what_is_no_size(text: str) -> None:
    message = f"^'{text}' is no size; write bytes or a unit: 500MB, 2GB, 1.5GiB, or 0$"
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        arguments.size(text)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 KB"), (340_000_000, "340 MB"), (1_240_000_000, "1.2 GB")],
)
def test_amount(count: int, expected: str) -> None:
    assert arguments.amount(count) == expected
