"""What setup.cfg and requirements.lock declare."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from release import lock

TOP = Path(__file__).resolve().parents[2]
PINS = {pin.name: pin for pin in lock.parse(lock.LOCK.read_text("utf-8"))}
DIGEST, OTHER = "a" * 64, "b" * 64


def declared(*extras: str) -> dict[str, Requirement]:
    """Return what setup.cfg asks for: normalised name -> requirement."""
    return {lock.normal(found.name): found for found in map(Requirement, lock.requirements(*extras))}


def own(folder: Path) -> metadata.Distribution:
    """Return tlkit as a distribution that needs what setup.cfg says now."""
    place = folder / "tlkit-9.8.7.dist-info"
    place.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: tlkit", "Version: 9.8.7", "License-Expression: Apache-2.0"]
    lines += [f"Requires-Dist: {line}" for line in lock.requirements()]
    (place / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
    return metadata.Distribution.at(place)
