"""The whole job: read, build, fit, evaluate, export, in a directory that says what was done."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from tlkit import artifact, data, exporting, files, heads, report, train, weights
from tlkit.build import classifier, find_backbone, table
from tlkit.errors import ArtifactError, InputError, RunError
from tlkit.spec import Phase

DEFAULTS = {"image": ("efficientnet_lite0", "pool_dense"), "text": ("minilm_l6", "mean_dense")}
LEDGER = "run.json"
SCHEMA = 1
# what a run writes into its directory; nothing else is ever removed from it
OWN = ("saved_model", "model.keras", "tlkit.json", "README.md", "report.json", "curves.png", "confusion.png", LEDGER)
BUILD = ("size", "weights", "dropout", "hidden", "resize")
FIT = ("batch_size", "augment", "views", "patience", "class_weight", "weight_decay", "label_smoothing", "seed")
RESHAPING = {"seed", "flip", "text_column", "label_column"}
SHOWN = 5  # unreadable examples that the report names; the ledger names all


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """State a whole training job. What is left out follows from the backbone.

    Args:
        data: a folder, a table, "tfds:NAME", "digits" or "bbc_news".
        out: the run directory, which holds the artifact in the end.
        backbone, head: from `tlkit backbones` and `tlkit heads`; by default what suits the data, without a model hub.
        weights: "pretrained", None for random ones, or a path.
        size, resize: pixels of a side, or tokens of a text; how pictures are brought to it.
        dropout, hidden: of the head: rate before its dense layers, width of its hidden layer.
        epochs, learning_rate: one of each per phase; 0 epochs leave a phase out.
        unfreeze: blocks of the last phase, or "all".
        batch_size, views, patience, class_weight, weight_decay, label_smoothing: as for `tlkit.fit`.
        augment, flip: "auto", "none", "light" or "strong"; False where mirrored pictures mean something else.
        text_column, label_column: of a table.
        seed: of the splits, the head's weights, the order, dropout and augmentation; 0 or more.
    """

    data: str
    out: str
    backbone: str | None = None
    head: str | None = None
    weights: str | None = "pretrained"
    size: int | None = None
    resize: Literal["crop", "pad", "stretch"] = "crop"
    dropout: float | None = None
    hidden: int | None = None
    epochs: Sequence[int] | None = None
    learning_rate: Sequence[float] | None = None
    unfreeze: int | Literal["all"] | None = None
    batch_size: int = 32
    augment: str = "auto"
    flip: bool = True
    views: int | None = None
    patience: int = 3
    class_weight: Literal["balanced"] | None = None
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    text_column: str | None = None
    label_column: str | None = None
    seed: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """Hold a finished run.

    Args:
        directory: where it lies.
        ledger: what `run.json` says: settings, data, history.
        report: the figures on the test split.
        already: True where the run had been finished before and was only read.
    """

    directory: Path
    ledger: dict[str, Any]
    report: report.Report
    already: bool = False

    @property
    def artifact(self) -> artifact.Artifact:
        """The exported classifier."""
        return artifact.load(self.directory)


def schedule(job: Job) -> tuple[Phase, ...]:
    """Resolve the phases of a job from its backbone's own and what the job sets.

    Raises InputError for another number of values than there are phases, or a value that cannot be.
    """
    phases, columns = find_backbone(job.backbone).phases, []
    for name in ("epochs", "learning_rate"):
        columns.append(values := getattr(job, name) or [getattr(phase, name) for phase in phases])
        if len(values) != len(phases) or not all(0 <= value < math.inf for value in values):
            raise InputError(
                f"{name} {list(values)}: the schedule of {job.backbone} has {len(phases)} phases "
                f"({', '.join(phase.name for phase in phases)}); give {len(phases)} numbers of 0 or more"
            )
    columns = zip(phases, *columns, strict=True)
    phases = [dataclasses.replace(phase, epochs=epochs, learning_rate=rate) for phase, epochs, rate in columns]
    if job.unfreeze is not None:
        phases[-1] = dataclasses.replace(phases[-1], unfreeze=job.unfreeze)
    if not (kept := tuple(phase for phase in phases if phase.epochs)):
        raise InputError("epochs are 0 in every phase; give at least one phase an epoch")
    return kept


def run_job(job: Job, *, overwrite: bool = False, progress: bool = True) -> Run:
    """Do a whole job: read the data, build, fit, evaluate on the test split, export.

    Args:
        job: what to do.
        overwrite: replace what an earlier run left in the directory; it stays where the new run fails.
        progress: print what goes on.

    Returns:
        The finished run. A run of the same job that finished before is read, not repeated.

    Raises:
        TlkitError: whatever is wrong with the job, its data or its directory; what was there stays as it was.
    """
    say = print if progress else lambda *_: None
    out = Path(job.out)
    inspect(job)
    import keras

    job = _completed(job, _kind(job.data), fetch=overwrite or not (out / LEDGER).exists())
    examples = data.read(job.data, text_column=job.text_column, label_column=job.label_column, seed=job.seed)
    examples = dataclasses.replace(examples, flip=examples.flip and job.flip)
    job = _completed(job, examples.kind)
    say(examples)
    phases = schedule(job)
    ledger = {"schema": SCHEMA, "status": "running", "data": examples.fingerprint()}
    ledger["settings"] = _settings(job, phases)
    with _held(out):
        if not overwrite and (finished := _finished(out, ledger)):
            return finished
        keras.utils.set_random_seed(job.seed)
        built = {name: getattr(job, name) for name in BUILD}
        clf = classifier(job.backbone, job.head, examples.labels, **built)
        say(_plan(clf, phases))
        with _replacing(out):
            files.write_json(out / LEDGER, ledger)
            options = {name: getattr(job, name) for name in FIT}
            history = train.fit(clf, examples, phases=phases, progress=progress, **options)
            measured = report.evaluate(clf, examples.test, history=history, notes=_notes(examples))
            exporting.export(clf, out, report=measured)
            done = {"status": "finished", "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
            done |= {"history": dataclasses.asdict(history), "unreadable": dict(examples.unreadable)}
            files.write_json(out / LEDGER, ledger | done)
    return Run(out, files.read_json(out / LEDGER), measured)


def _kind(source: str) -> str | None:
    """Tell pictures from texts before reading them, where that can be seen from outside."""
    if Path(source).exists():
        return "image" if Path(source).is_dir() else "text"
    return {"digits": "image", "bbc_news": "text"}.get(source)


def _completed(job: Job, kind: str | None, *, fetch: bool = False) -> Job:
    """Fill in the backbone and the head, refuse what cannot be before time is spent on it, and fetch the weights."""
    if not 0 <= job.seed < 2**32 or not 0 <= job.weight_decay < math.inf:
        raise InputError(f"seed={job.seed}, weight_decay={job.weight_decay}: give numbers of 0 or more")
    if job.backbone is None and kind is None:
        return job
    row = find_backbone(job.backbone or DEFAULTS[kind][0])
    job = dataclasses.replace(job, backbone=row.name, head=job.head or DEFAULTS[row.input.kind][1])
    heads.check_fit(heads.get(job.head), row.input.features, row.name)
    schedule(job)
    row.input.sized(job.size)
    if kind not in (None, row.input.kind):
        raise InputError(f"{row.name} takes {row.input.kind}s, but {job.data} holds {kind}s; see `tlkit backbones`")
    if fetch:
        weights.find(row, job.weights, rows=table().values())
    return job


def _settings(job: Job, phases: Sequence[Phase]) -> dict[str, Any]:
    """Write the job down as it was resolved, so that saying a default aloud makes no other run of it."""
    row = find_backbone(job.backbone)
    settings = dataclasses.asdict(dataclasses.replace(job, size=row.input.sized(job.size).size))
    del settings["out"]
    settings["phases"] = [phase.name for phase in phases]
    settings |= {name: [getattr(phase, name) for phase in phases] for name in ("epochs", "learning_rate", "unfreeze")}
    if job.weights not in ("pretrained", None):
        settings["weights"] = f"{job.weights} ({weights.find(row, job.weights).digest})"
    return settings


def _notes(examples: data.Data) -> tuple[str, ...]:
    names = ", ".join([*(name for name, _ in examples.unreadable[:SHOWN]), "..."][: len(examples.unreadable)])
    lost = f"{len(examples.unreadable)} unreadable examples were left out ({names}); {LEDGER} says why"
    return (examples.splitting, lost) if names else (examples.splitting,)


def _plan(clf: Any, phases: Sequence[Phase]) -> str:
    """Say in a few lines what is about to be trained."""
    about, count = clf.spec, len(clf.spec.backbone.blocks)
    lines = [f"{about.backbone.name} + {about.head}, size {about.input.size}, weights: {about.weights}"]
    for phase in phases:
        opened = "all blocks" if phase.unfreeze == "all" else f"{phase.unfreeze} of {count} blocks"
        told = f"epochs {phase.epochs}, learning rate {phase.learning_rate:g}, unfrozen {opened}"
        lines.append(f"  phase {phase.name}: {told}")
    return "\n".join(lines)


def inspect(job: Job) -> None:
    """Raise RunError for a directory that is not ours to write, and what `data.read` raises for missing data."""
    out, source = Path(job.out), Path(job.data)
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; give a directory as --out")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise RunError(f"{out} lies inside the data folder {source}; choose a directory elsewhere as --out")
    if _kind(job.data) is None and not job.data.startswith("tfds:"):
        data.read(job.data)  # it says what is missing
    standing = next(path for path in (out, *out.absolute().parents) if path.exists())
    try:
        tempfile.TemporaryDirectory(prefix=".tlkit-", dir=standing).cleanup()
        strange = [path.name for path in out.iterdir() if path.name[:1] != "."] if standing == out else []
    except OSError as error:
        raise RunError(f"cannot write {out} ({error.strerror}); choose another directory as --out") from error
    ledger = files.read_json(out / LEDGER) if LEDGER in strange else None
    # other programs, too, write a run.json
    if strange and not (isinstance(ledger, dict) and {"schema", "status", "settings"} <= set(ledger)):
        raise RunError(f"{out} holds files of no tlkit run ({strange[0]}, ...); choose another directory as --out")


@contextlib.contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the run directory against other processes; where no run comes of it, leave nothing behind."""
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
def _replacing(out: Path) -> Iterator[None]:
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


def _finished(out: Path, wanted: dict[str, Any]) -> Run | None:
    """Return the finished run of the same job; None where there is no run yet; refuse any other."""
    if not (out / LEDGER).exists():
        return None
    there = files.read_json(out / LEDGER)
    if differences := _differences(there, wanted):
        told = f"{out} holds another run: {'; '.join(differences)}"
        raise RunError(f"{told}. Choose another directory, or give --overwrite to start anew there")
    if there["status"] != "finished":
        raise RunError(f"{out} holds an unfinished run; give --overwrite to start it anew")
    try:
        return Run(out, there, artifact.load(out).report, already=True)
    except ArtifactError as error:
        raise RunError(f"{out} holds a finished run, but {error}; give --overwrite to start it anew") from error


def _differences(there: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Name what differs between two ledgers; data that only moved are the same data."""
    old, new = there["settings"], files.json.loads(files.json.dumps(wanted["settings"]))
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name) and name != "data"]
    changed = [f"{name} was {old.get(name)}, now {new.get(name)}" for name in names]
    # a new seed or column makes other splits of the same data
    if there.get("data") == wanted["data"] or RESHAPING & set(names):
        return changed
    return [*changed, f"the data have changed (they were {old.get('data')}, now {new['data']})"]
