"""The run directory: the ledger that says what was done in it, and care for what already lies there."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tlkit.config import Phase
from tlkit.errors import RunError
from tlkit.models import weights
from tlkit.models.backbone import Backbone
from tlkit.models.classifier import find_backbone
from tlkit.tasks import registry
from tlkit.training import checkpoint
from tlkit.utils import files, regular_files, schema
from tlkit.utils.environment import describe_environment
from tlkit.utils.escaping import line

LEDGER, SPLITS, QUARANTINE, ANSWERS = files.RUN_FILE, "splits.csv", "quarantine.csv", "answers.csv"
SCHEMA = 1
# what others rely on in a ledger, as `schema.mismatches` takes it; and what a ledger may lack of it
FORM = {"schema": int, "status": str, "settings": {}, "data": str, "environment": {}, "figures": {"*": float | None}}
OPTIONAL = {"environment": {}, "figures": {}}
# what a run writes into its directory beside the ledger; nothing else is ever removed from it
OWN = (
    "tlkit.json", "saved_model", "model.keras", "README.md", "report.json", "report.html", "curves.png",
    "confusion.png", "precision_recall.png", "tags.png", "values.png", SPLITS, QUARANTINE, ANSWERS,
    checkpoint.METRICS,
)  # fmt: skip
RESHAPING = {
    "seed", "flip", "target", "text_column", "image_column", "label_column", "root", "pairs", "kind", "ignore", "split",
    "splits",
    "group_by", "near_duplicates",
}  # fmt: skip
# data that only moved are the same data; what the budget made of the features stands among the choices
INDIFFERENT = {"data", "cache_budget"}


# === The directory ===


def check(out: Path) -> None:
    """Raise RunError for a directory that cannot be written or holds anything but a run of tlkit."""
    check_name(out)
    if os.path.lexists(out) and not os.path.isdir(out):
        raise RunError(f"{out} is a file; give a directory as --out")
    standing = next(path for path in (out, *out.absolute().parents) if os.path.exists(path))
    try:
        tempfile.TemporaryDirectory(prefix=".tlkit-", dir=standing).cleanup()
        strange = [path.name for path in out.iterdir() if path.name[:1] != "."] if standing == out else []
    except OSError as error:
        raise RunError(f"cannot write {out} ({regular_files.why(error)}); choose another directory as --out") from error
    there = files.read_json(out / LEDGER, within=out) if LEDGER in strange else None
    # other programs, too, write a run.json
    if strange and not (isinstance(there, dict) and {"schema", "status", "settings"} <= set(there)):
        raise RunError(f"{out} holds files of no tlkit run ({strange[0]}, ...); choose another directory as --out")


def check_name(out: Path) -> None:
    """Raise RunError for a path that no directory can have, or none with an artifact."""
    wrong = regular_files.fault(out)
    if not wrong:
        try:
            os.lstat(out)
        except OSError as error:
            wrong = "the name is too long" if error.errno == errno.ENAMETOOLONG else ""
    if wrong:
        raise RunError(f"{out} cannot be a directory: {wrong}; choose another as --out")
    if not regular_files.is_utf8(out):
        raise RunError(
            f"{regular_files.shown(out)} is no UTF-8, which an artifact needs; choose another directory as --out"
        )


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


def tidy(out: Path) -> None:
    """Remove the half-written files of processes that were killed. For who holds the directory."""
    for left in out.glob(".tlkit-*"):
        shutil.rmtree(left, ignore_errors=True)


# === The ledger ===


def backbone_of(job: Any) -> Backbone:
    """Return the row of the backbone of a `tlkit.Job`."""
    if not registry.writes(job.target):
        return find_backbone(job.backbone)
    from tlkit.models.generation import generators  # it imports TensorFlow, which takes seconds

    return generators.find(job.target, job.backbone, lora=job.lora)


def settings(job: Any, phases: Sequence[Phase]) -> dict[str, Any]:
    """Write a job down as it was resolved, so that saying a default aloud makes no other run of it.

    Args:
        job: the `tlkit.Job`, its backbone and head filled in.
        phases: its schedule.
    """
    row = backbone_of(job)
    told = dataclasses.asdict(dataclasses.replace(job, size=row.input.sized(job.size).size))
    del told["out"]
    del told["refit"], told["quality"]
    if not job.words:  # runs of tlkit 0.1 do not know it
        del told["words"]
    if any(phase.solve for phase in phases):
        told |= {"quality": "fast" if len(phases) < len(row.phases) else "good", "refit": job.refit}
    told["phases"] = [phase.name for phase in phases]
    told |= {name: [getattr(phase, name) for phase in phases] for name in ("epochs", "learning_rate", "unfreeze")}
    if job.weights not in ("pretrained", None):
        told["weights"] = f"{job.weights} ({weights.find(row, job.weights).digest})"
    return told


def given(job: Any) -> dict[str, Any]:
    """Write a job down as it was given, so that it can be given again; the directory is where the ledger lies."""
    told = dataclasses.asdict(job)
    del told["out"]
    return told


def begin(out: Path, facts: Mapping[str, Any]) -> None:
    """Write the ledger of a run that starts, and remove what an earlier one left.

    A process that is killed within leaves the earlier run whole, or the new one, which then starts again.

    Args:
        out: the run directory.
        facts: "settings", "data" (the fingerprint), "job" (as it was given) and whatever else is known.
    """
    about = {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "environment": describe_environment()}
    (out / checkpoint.NAME).unlink(missing_ok=True)
    files.write_json(out / LEDGER, {"schema": SCHEMA, "status": "running", **about, **facts})
    for name in OWN:
        path = out / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def add(out: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write further facts into the ledger, in one step, and return the whole of it as it can be read again."""
    files.write_json(out / LEDGER, files.read_json(out / LEDGER, within=out) | dict(facts))
    return files.read_json(out / LEDGER, within=out)


def load(out: Path) -> dict[str, Any]:
    """Read the ledger of a run.

    Raises:
        RunError: there is none, it is damaged, or of another version of tlkit.
    """
    path = out / LEDGER
    if not os.path.lexists(path):
        raise RunError(f"{out} holds no run of tlkit (no {LEDGER}); name the directory that was given as --out")
    told = files.read_json(path, within=out)
    if fault := next(schema.mismatches(OPTIONAL | told if isinstance(told, dict) else told, FORM), None):
        raise RunError(f"{path} is damaged ({fault}); restore it, or give --overwrite to start anew")
    if told["schema"] != SCHEMA:
        version = str(told.get("environment", {}).get("tlkit", "another version"))[:100]
        number = str(told["schema"])[:20]
        raise RunError(f"{path} has schema {number}, this tlkit reads {SCHEMA}; use tlkit {version} for it")
    return told


def standing(out: Path, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the ledger of the run of the same job, finished or not, or None where there is no run yet.

    Args:
        out: the run directory.
        facts: the "settings" and "data" of the job.

    Raises:
        RunError: the run that is there is another one, each difference named, or cannot be read.
    """
    if not os.path.lexists(out / LEDGER):
        return None
    there = load(out)
    if changed := differences(there, facts):
        told = f"{out} holds another run: {'; '.join(changed)}"
        raise RunError(f"{told}. Choose another directory, or give --overwrite to start anew there")
    return there


def differences(there: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """Name what makes the job of `facts` another one than that of the ledger which is there."""
    old, new = there["settings"], json.loads(json.dumps(facts["settings"]))
    compared = [{name: told[name] for name in told if name not in INDIFFERENT} for told in (old, new)]
    changed = checkpoint.differences(*compared)
    # a new seed or column makes other splits of the same data
    if there.get("data") == facts["data"] or any(old.get(name) != new.get(name) for name in RESHAPING):
        return changed
    return [*changed, f"the data have changed (they were {old.get('data')}, now {new['data']})"]


# === Many runs ===


@dataclasses.dataclass(frozen=True)
class Listed:
    """Describe a run that lies in a folder.

    Args:
        directory: where it lies.
        status: "finished", "running" (a process holds it), "unfinished", or "damaged".
        started: when it began, as it stands in the ledger.
        about: backbone, head and data.
        epochs: how many are over, in all phases.
        figure: name and value of the headline figure: on the test split where it is finished, else the last on the
            validation split; None for none yet.
    """

    directory: Path
    status: str
    started: str = ""
    about: str = ""
    epochs: int = 0
    figure: tuple[str, float] | None = None


def runs(folder: Path) -> list[Listed]:
    """List the runs under a folder, at any depth, the latest first; raise RunError where there is no such folder."""
    if not os.path.isdir(folder):
        raise RunError(f"there is no folder {folder}; check the path")
    found = [_listed(path.parent) for path in folder.rglob(LEDGER) if not any(p[:1] == "." for p in path.parts[:-1])]
    return sorted(filter(None, found), key=lambda run: run.started, reverse=True)


def _listed(out: Path) -> Listed | None:
    try:
        told, learned = load(out), _learned(out / checkpoint.METRICS)
    except RunError:
        return Listed(out, "damaged")
    status = (
        "running" if files.is_locked(out / LEDGER) else {"running": "unfinished"}.get(told["status"], told["status"])
    )
    given = told["settings"]
    about = f"{given.get('backbone')} + {given.get('head')} on {given.get('data')}"
    known = ((name, value) for name, value in told.get("figures", {}).items() if value is not None)
    figure = next(known, learned[-1] if learned else None)
    figure = figure and (line(figure[0]), figure[1])
    status, started, about = map(line, (status, str(told.get("started", "")), about))
    return Listed(out, status, started, about, len(learned), figure)


def _learned(path: Path) -> list[tuple[str, float]]:
    """Return the figure of the validation split after each epoch, such as accuracy, with its name; none before the
    first. Raise RunError for a damaged file."""
    try:
        rows = list(csv.DictReader(regular_files.content(path, within=path.parent).decode("utf-8").splitlines()))
        names = [[key for key in row if key and key.startswith("val_") and key != "val_loss"] for row in rows]
        return [(own[0].removeprefix("val_"), float(row[own[0]])) for row, own in zip(rows, names, strict=True)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        raise RunError(
            f"{path} is damaged ({regular_files.why(error)}); restore it, or start anew in another directory"
        ) from error
