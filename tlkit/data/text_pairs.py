"""Pairs of texts that form one example, such as a premise and a hypothesis or a question and an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Pair(str):
    """Two texts as one string, joined by a newline, so that code for texts works on pairs too.

    Attributes:
        parts: the two texts, as a backbone built for pairs takes them.
    """

    parts: tuple[str, str]

    def __new__(cls, first: str, second: str) -> Pair:
        """Join two texts by a newline; if one is empty, the other is left unchanged."""
        made = super().__new__(cls, "\n".join(filter(None, (first, second))))
        made.parts = (str(first), str(second))
        return made

    def __getnewargs__(self) -> tuple[str, str]:
        """Return what a copy is made of."""
        return self.parts


def is_pair(item: Any) -> bool:
    """Return whether a value is two texts: a `Pair`, or a tuple or list of two strings."""
    if isinstance(item, Pair):
        return True
    return isinstance(item, tuple | list) and len(item) == 2 and all(isinstance(text, str) for text in item)


def parted(item: Any) -> Any:
    """Split a line of text at its tab into a pair, if it has one; return anything else unchanged."""
    return tuple(item.split("\t")) if type(item) is str and item.count("\t") == 1 else item


def parts(item: Any) -> tuple[str, str]:
    """Return the two texts of what `is_pair`."""
    return item.parts if isinstance(item, Pair) else tuple(item)


def are_pairs(items: Sequence[Any]) -> bool:
    """Return whether examples are pairs, judging by the first."""
    return len(items) > 0 and isinstance(items[0], Pair)
