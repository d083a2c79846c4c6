"""Diagnosis: the findings of a data set as table, JSON and page."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tlkit.data.splits import Data, learned
from tlkit.doctor import diagnosis_page
from tlkit.reporting.findings import SEVERITIES, Finding, Severity
from tlkit.utils import files
from tlkit.utils.escaping import line

MAX_TABLE_ROWS = 20  # up to this many classes are counted one by one on the screen
SCREEN_WIDTH = 110  # columns of the screen
MAX_GROUPS_SHOWN = 3  # groups of examples on the screen, and examples of each
_MARGIN = " " * 9


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The findings about a data set, sorted with the worst first.

    Args:
        source: where the data came from.
        kind: "image" or "text".
        labels: the names of the classes.
        counts: split -> class, tag or value -> number of examples.
        findings: the faults and notes.
        task: the kind of labels: "label", "tags", "value" or "entities".
        sizes: split -> number of examples; the sum of the counts by default, which it is but for tags.
    """

    source: str
    kind: str
    labels: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...] = ()
    task: str = "label"
    sizes: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        ordered = sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity))
        object.__setattr__(self, "findings", tuple(ordered))
        if self.sizes is None:
            object.__setattr__(
                self, "sizes", {split: sum(by_label.values()) for split, by_label in self.counts.items()}
            )

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst finding; None where nothing was found."""
        return self.findings[0].severity if self.findings else None

    def __str__(self) -> str:
        findings = [_screen(finding) for finding in self.findings]
        return "\n".join([*_table(self), "", self.summary(), *(f"\n{text}" for text in findings)])

    def about(self) -> str:
        """Return a short description of the task and its labels."""
        return learned(self.task, self.labels)

    def summary(self) -> str:
        """Return how many findings there are of each severity, in a line."""
        total = {severity: sum(f.severity == severity for f in self.findings) for severity in SEVERITIES}
        parts = [f"{number} {name}{'s' * (number > 1)}" for name, number in total.items() if number]
        return ", ".join(parts) or "nothing found"

    def brief(self, limit: int = 5) -> str:
        """Return errors and warnings in a line each, `limit` at most, and where to read more; empty without any."""
        serious = [finding for finding in self.findings if finding.severity != "note"]
        lines = [f"data {finding.severity}: {line(finding.title)}" for finding in serious[:limit]]
        more = f"{len(serious) - limit} more; " if len(serious) > limit else ""
        # what lies in memory has no name that the command line could read
        source = "" if self.source == "arrays" else f" {shlex.quote(line(self.source))}"
        source += "" if self.task == "label" or not source else f" --target {self.task}"
        return "\n".join([*lines, f"{more}what to do about it: tlkit doctor{source}"]) if lines else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain JSON values."""
        facts = {"source": self.source, "kind": self.kind, "target": self.task, "labels": self.labels}
        facts |= {"counts": self.counts, "sizes": self.sizes}
        return _plain(facts | {"worst": self.worst, "findings": [asdict(finding) for finding in self.findings]})

    def save(self, directory: str | Path, data: Data | None = None) -> None:
        """Write doctor.json, and doctor.html with pictures of the examples; each appears whole.

        Args:
            directory: the directory; created if it is missing.
            data: the data set, from which the page takes the examples; without it the page has their names only.

        Raises:
            RunError: the disk is full or may not be written.
        """
        files.write_json(Path(directory) / "doctor.json", self.to_dict())
        diagnosis_page.write(self, data, Path(directory) / "doctor.html")


def _table(diagnosis: Diagnosis) -> list[str]:
    splits, total = list(diagnosis.counts), diagnosis.sizes
    head = f"{line(diagnosis.source)}: {diagnosis.kind}, {sum(total.values()):,} examples"
    if len(diagnosis.labels) <= MAX_TABLE_ROWS and diagnosis.task != "value":
        rows = [(label, [diagnosis.counts[split][label] for split in splits]) for label in diagnosis.labels]
    else:
        rows = []
    rows.append((diagnosis.about(), [total[split] for split in splits]))
    names = [textwrap.shorten(line(name), 40, placeholder="…") for name, _ in rows]
    width = max(map(len, names))
    lines = [f"{name:<{width}}" + "".join(f"{n:>9,}" for n in row) for name, (_, row) in zip(names, rows, strict=True)]
    return [head, "", f"{'':<{width}}" + "".join(f"{split:>9}" for split in splits), *lines]


def _screen(finding: Finding) -> str:
    lines = [_wrapped(finding.title, f"{finding.severity:<9}")]
    for names, explanation in finding.groups()[:MAX_GROUPS_SHOWN]:
        text = " | ".join([*names[:MAX_GROUPS_SHOWN], *["..."] * (len(names) > MAX_GROUPS_SHOWN)])
        lines.append(_MARGIN + line(text + (f": {explanation}" if explanation else "")))
    if len(finding.examples) > MAX_GROUPS_SHOWN:
        lines.append(f"{_MARGIN}...")
    return "\n".join([*lines, _wrapped(f"-> {finding.remedy}", _MARGIN)])


def _wrapped(text: str, first: str) -> str:
    options = {"initial_indent": first, "subsequent_indent": _MARGIN, "break_long_words": False}
    return textwrap.fill(line(text), SCREEN_WIDTH, break_on_hyphens=False, **options)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # a lone surrogate, from a file name that is not UTF-8, cannot be written
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
