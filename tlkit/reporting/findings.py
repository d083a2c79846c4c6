"""Finding: one statement about a data set or a run, with its severity and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """State one thing that is wrong.

    Args:
        code: what kind of thing it is, for programs: "leak", "conflict", "imbalance", ...
        severity: "error": figures will be wrong; "warning": training will be hurt; "note": worth knowing.
        title: what it is, in one line, with the figures.
        remedy: what to do about it.
        count: how many examples, groups or classes it is about.
        examples: names of examples, those that belong together in one group; a few of all.
        said: what there is to say of each group; empty, or as long as `examples`.
    """

    code: str
    severity: Severity
    title: str
    remedy: str
    count: int = 0
    examples: tuple[tuple[str, ...], ...] = ()
    said: tuple[str, ...] = ()

    def groups(self) -> list[tuple[tuple[str, ...], str]]:
        """Return each group of examples with what there is to say of it."""
        return list(zip(self.examples, self.said or [""] * len(self.examples), strict=True))
