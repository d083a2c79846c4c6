"""Folders of pictures to train on, and what stands in for the dear parts of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tlkit.training import fit

NOTHING = fit.History(epochs=(), phases=(), trunk_seconds=0, trunk_examples=0, seconds=0, settings={})


def save_pictures(folder: Path, each: int = 8, classes: tuple[str, ...] = ("dark", "red")) -> Path:
    """Write a folder of 40-pixel PNGs that differ in colour."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(0, 60, (40, 40, 3))
            pixels[:, :, 0] += 190 * number
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


def contents(out: Path) -> dict[str, object]:
    """Return what a directory holds, but the lock's empty file."""
    inside = (path for path in out.rglob("*") if path.is_file() and path.name != ".run.json.lock")
    return {path.relative_to(out).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in inside}


def export_little(clf: object, out: Path, *, report: object, overwrite: bool, **_: object) -> None:
    """Write what a run looks at of an artifact, without its models, which take seconds."""
    assert overwrite
    report.save(out)
