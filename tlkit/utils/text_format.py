"""Small helpers for text: shorten, list, count."""

from __future__ import annotations

from collections.abc import Sequence

from tlkit.utils import escaping

MAX_NAME_LETTERS = 40  # of a class name in a title


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names for a title, separated by commas, long ones cut."""
    shortened = [name if len(name) <= MAX_NAME_LETTERS else f"{name[: MAX_NAME_LETTERS - 1]}…" for name in names[:most]]
    return ", ".join(shortened) + (", ..." if len(names) > most else "")


def short(label: str, most: int = 32) -> str:
    """Return a label in one line, without control characters, cut at `most` letters."""
    label = escaping.line(label)
    return label if len(label) <= most else label[: most - 1] + "…"


def blocks(count: int) -> str:
    """Return "1 block", "2 blocks", ..."""
    return "1 block" if count == 1 else f"{count} blocks"
