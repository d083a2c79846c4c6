"""The run directory: the ledger that says what was done in it, and care for what already lies there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tlkit import files, weights
from tlkit.build import find_backbone
from tlkit.errors import RunError
from tlkit.spec import Phase

LEDGER, SPLITS, QUARANTINE = "run.json", "splits.csv", "quarantine.csv"
SCHEMA = 1
# what a run writes into its directory; nothing else is ever removed from it
OWN = (
    "saved_model", "model.keras", "tlkit.json", "README.md", "report.json", "curves.png", "confusion.png", SPLITS,
    QUARANTINE, LEDGER,
)  # fmt: skip
RESHAPING = {
    "seed", "flip", "text_column", "image_column", "label_column", "root", "split", "splits", "group_by",
    "near_duplicates",
}  # fmt: skip
# data that only moved are the same data; what the budget made of the features stands among the choices
INDIFFERENT = {"data", "cache_budget"}


# === The directory ===


def check(out: Path) -> None:
    """Raise RunError for a directory that cannot be written or holds anything but a run of tlkit."""
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; give a directory as --out")
    standing = next(path for path in (out, *out.absolute().parents) if path.exists())
    try:
        tempfile.TemporaryDirectory(prefix=".tlkit-", dir=standing).cleanup()
        strange = [path.name for path in out.iterdir() if path.name[:1] != "."] if standing == out else []
    except OSError as error:
        raise RunError(f"cannot write {out} ({error.strerror}); choose another directory as --out") from error
    there = files.read_json(out / LEDGER) if LEDGER in strange else None
    # other programs, too, write a run.json
    if strange and not (isinstance(there, dict) and {"schema", "status", "settings"} <= set(there)):
        raise RunError(f"{out} holds files of no tlkit run ({strange[0]}, ...); choose another directory as --out")


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold the run directory against other processes; where no run comes of it, leave nothing behind.

    Raises RunError where another process holds it.
    """
    made = not out.exists()
    with files.lock(out / LEDGER, timeout=0):
        try:
            yield
        finally:
            if not (out / LEDGER).exists():
                (out / f".{LEDGER}.lock").unlink(missing_ok=True)
                if made and not any(out.iterdir()):
                    out.rmdir()


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[None]:
    """Put what an earlier run left aside, and back where the new one fails or is interrupted."""
    for killed in out.glob(".tlkit-*"):
        shutil.rmtree(killed, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".tlkit-", dir=out) as aside:
        _move(out, Path(aside))
        try:
            yield
        except BaseException:
            with tempfile.TemporaryDirectory(prefix=".tlkit-", dir=out) as failed:
                _move(out, Path(failed))
            _move(Path(aside), out)
            raise


def _move(start: Path, end: Path) -> None:
    for name in OWN:
        if (start / name).exists():
            (start / name).rename(end / name)


# === The ledger ===


def settings(job: Any, phases: Sequence[Phase]) -> dict[str, Any]:
    """Write a job down as it was resolved, so that saying a default aloud makes no other run of it.

    Args:
        job: the `tlkit.Job`, its backbone and head filled in.
        phases: its schedule.
    """
    row = find_backbone(job.backbone)
    told = dataclasses.asdict(dataclasses.replace(job, size=row.input.sized(job.size).size))
    del told["out"]
    told["phases"] = [phase.name for phase in phases]
    told |= {name: [getattr(phase, name) for phase in phases] for name in ("epochs", "learning_rate", "unfreeze")}
    if job.weights not in ("pretrained", None):
        told["weights"] = f"{job.weights} ({weights.find(row, job.weights).digest})"
    return told


def begin(out: Path, facts: Mapping[str, Any]) -> None:
    """Write the ledger of a run that starts: `facts` holds its "settings" and its "data", the fingerprint."""
    files.write_json(out / LEDGER, {"schema": SCHEMA, "status": "running", **facts})


def add(out: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write further facts into the ledger, in one step, and return the whole of it as it can be read again."""
    files.write_json(out / LEDGER, files.read_json(out / LEDGER) | dict(facts))
    return files.read_json(out / LEDGER)


def finished(out: Path, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the ledger of the finished run of the same job, or None where there is no run yet.

    Args:
        out: the run directory.
        facts: the "settings" and "data" of the job.

    Raises:
        RunError: the run that is there is another one, each difference named, or it is unfinished.
    """
    if not (out / LEDGER).exists():
        return None
    there = files.read_json(out / LEDGER)
    if changed := differences(there, facts):
        told = f"{out} holds another run: {'; '.join(changed)}"
        raise RunError(f"{told}. Choose another directory, or give --overwrite to start anew there")
    if there["status"] != "finished":
        raise RunError(f"{out} holds an unfinished run; give --overwrite to start it anew")
    return there


def differences(there: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """Name what makes the job of `facts` another one than that of the ledger which is there."""
    old, new = there["settings"], json.loads(json.dumps(facts["settings"]))
    names = [name for name in sorted({*old, *new} - INDIFFERENT) if old.get(name) != new.get(name)]
    changed = [f"{name} was {old.get(name)}, now {new.get(name)}" for name in names]
    # a new seed or column makes other splits of the same data
    if there.get("data") == facts["data"] or RESHAPING & set(names):
        return changed
    return [*changed, f"the data have changed (they were {old.get('data')}, now {new['data']})"]
