"""Small helpers for text: shorten, list, count."""

from __future__ import annotations

from collections.abc import Sequence

from tlkit.utils import escaping

LETTERS = 40  # of a class name in a title


def listed(names: Sequence[str], most: int = 5) -> str:
    """Write a few names for a title, long ones cut."""
    short = [name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…" for name in names[:most]]
    return ", ".join(short) + (", ..." if len(names) > most else "")


def short(label: str, most: int = 32) -> str:
    """Write a label in one line, without control characters, and cut it where it would not fit."""
    label = escaping.line(label)
    return label if len(label) <= most else label[: most - 1] + "…"


def blocks(count: int) -> str:
    """Write a number of blocks."""
    return "1 block" if count == 1 else f"{count} blocks"
