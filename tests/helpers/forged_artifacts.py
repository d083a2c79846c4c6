"""Artifacts that were tampered with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def state(artifact: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Rewrite what an artifact says of itself."""
    facts = json.loads((artifact / "tlkit.json").read_text())
    change(facts)
    (artifact / "tlkit.json").write_text(json.dumps(facts))


def forge(artifact: Path) -> None:
    """Make the digests those of the files that are there, as whoever exchanges a file would."""
    names = [path.relative_to(artifact).as_posix() for path in artifact.rglob("*") if path.is_file()]
    digests = {name: digest((artifact / name).read_bytes()) for name in names if name != "tlkit.json"}
    state(artifact, lambda facts: facts.update(files=digests))


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
