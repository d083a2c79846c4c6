"""Two texts that are one example: a premise and a hypothesis, a question and an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Pair(str):
    """Hold two texts as one string, joined by a newline, so that whatever looks at texts can look at pairs.

    Attributes:
        parts: the two texts, as a backbone that was built for pairs is given them.
    """

    parts: tuple[str, str]

    def __new__(cls, first: str, second: str) -> Pair:
        """Join two texts; one that is empty leaves the other as it is."""
        made = super().__new__(cls, "\n".join(filter(None, (first, second))))
        made.parts = (str(first), str(second))
        return made

    def __getnewargs__(self) -> tuple[str, str]:
        """Return what a copy is made of."""
        return self.parts


def is_pair(item: Any) -> bool:
    """Tell whether something is two texts: a `Pair`, or a tuple or list of two strings."""
    if isinstance(item, Pair):
        return True
    return isinstance(item, tuple | list) and len(item) == 2 and all(isinstance(text, str) for text in item)


def parted(item: Any) -> Any:
    """Part a line of text at its tab, if it has one; whatever else comes back as it is."""
    return tuple(item.split("\t")) if type(item) is str and item.count("\t") == 1 else item


def parts(item: Any) -> tuple[str, str]:
    """Return the two texts of what `is_pair`."""
    return item.parts if isinstance(item, Pair) else tuple(item)


def are_pairs(items: Sequence[Any]) -> bool:
    """Tell whether examples are pairs, by the first."""
    return len(items) > 0 and isinstance(items[0], Pair)
