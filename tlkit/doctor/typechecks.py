"""What will hurt in learning entities: types that hardly occur, or not in every split."""

from __future__ import annotations

from tlkit.data.splits import Data
from tlkit.reporting.findings import Finding

FEW = 10  # entities in train: with fewer a type is hardly learned
SHOWN = 5  # types in a title


def entity_types(data: Data) -> list[Finding]:
    """Look at how often each type of entity occurs in each split."""
    counts = data.counts()
    rare = sorted((count, kind) for kind, count in counts["train"].items() if count < FEW)
    lacking = {side: [kind for kind, count in counts[side].items() if not count] for side in ("val", "test")}
    found = []
    if rare:
        told = _listed([f"{kind} {count}" for count, kind in rare])
        found.append(
            Finding(
                "tiny_class",
                "warning",
                f"{len(rare):,} of {len(counts['train']):,} types of entities occur fewer than {FEW} times in train: "
                f"{told}",
                "add texts with them, or merge or leave out these types",
                len(rare),
            )
        )
    if any(lacking.values()):
        told = "; ".join(f"{side} has no entity of {_listed(kinds)}" for side, kinds in lacking.items() if kinds)
        remedy = "add texts there: early stopping does not see such a type in val, nor do the figures in test"
        found.append(Finding("missing_class", "warning", told, remedy, max(map(len, lacking.values()))))
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + ", ..." * (len(names) > SHOWN)
