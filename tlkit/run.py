"""The whole job: read, build, fit, evaluate, export, in a directory that says what was done."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tlkit import artifact, data, doctor, exporting, heads, ledger, paths, report, train, weights
from tlkit.build import DEFAULTS, classifier, find_backbone, table
from tlkit.errors import ArtifactError, InputError, RunError
from tlkit.spec import Compute, Phase, Splitting

BUILD = ("size", "weights", "dropout", "hidden", "resize")
READ = ("text_column", "image_column", "label_column", "root", "strict")
FIT = (
    "batch_size", "augment", "views", "patience", "class_weight", "sampling", "weight_decay", "label_smoothing", "seed",
)  # fmt: skip
SHOWN = 5  # unreadable examples that the report names; quarantine.csv names all


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
        batch_size, views, patience, class_weight, sampling, weight_decay, label_smoothing: as for `tlkit.fit`.
        augment, flip: "auto", "none", "light" or "strong"; False where mirrored pictures mean something else.
        precision, cache_budget, deterministic: as for `tlkit.spec.Compute`; another budget is no other job.
        text_column, image_column, label_column, root: of a table, as for `tlkit.read`.
        split, splits, group_by, near_duplicates: `how`, `file`, `group_by` and `near_duplicates` of `tlkit.Splitting`.
        strict: raise an error where anything cannot be read.
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
    sampling: Literal["all", "balanced"] = "all"
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    cache_budget: int | None = None
    deterministic: bool = False
    text_column: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    root: str | None = None
    split: Literal["random", "stable"] = "random"
    splits: str | None = None
    group_by: str | None = None
    near_duplicates: Literal["together", "anywhere"] = "together"
    strict: bool = False
    seed: int = 0

    def read(self) -> data.Data:
        """Read the data; raises as `tlkit.read` does."""
        splitting = Splitting(self.seed, self.split, self.splits, self.group_by, self.near_duplicates)
        return data.read(self.data, splitting=splitting, **{name: getattr(self, name) for name in READ})


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """Hold a finished run.

    Args:
        directory: where it lies.
        ledger: what `run.json` says: settings, data, choices made by measurement or free memory, history.
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

    job = _completed(job, _kind(job), fetch=overwrite or not (out / ledger.LEDGER).exists())
    examples = job.read()
    examples = dataclasses.replace(examples, flip=examples.flip and job.flip)
    job = _completed(job, examples.kind)
    say(examples)
    found = doctor.diagnose(examples, labels=False)
    if told := found.brief():
        say(told)
    phases = schedule(job)
    facts = {"data": examples.fingerprint(), "settings": ledger.settings(job, phases)}
    with ledger.held(out):
        if not overwrite and (finished := _finished(out, facts)):
            return finished
        keras.utils.set_random_seed(job.seed)
        built = {name: getattr(job, name) for name in BUILD}
        clf = classifier(job.backbone, job.head, examples.labels, **built)
        say(_plan(clf, phases))
        with ledger.replacing(out):
            ledger.begin(out, facts | {"findings": found.to_dict()["findings"]})
            _write_down(examples, out)
            history = _fit(clf, examples, phases, job, progress)
            measured = report.evaluate(clf, examples.test, history=history, notes=_notes(examples))
            exporting.export(clf, out, report=measured)
            done = {"status": "finished", "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
            done |= {"history": dataclasses.asdict(history)}
            return Run(out, ledger.add(out, done), measured)


def _write_down(examples: data.Data, out: Path) -> None:
    """Leave in the run which example went where, and what was left out."""
    examples.write_splits(out / ledger.SPLITS)
    if examples.unreadable:
        examples.write_quarantine(out / ledger.QUARANTINE)


def _fit(clf: Any, examples: data.Data, phases: Sequence[Phase], job: Job, progress: bool) -> train.History:
    """Train as the job says; what is chosen by measurement stands in the ledger before the first step."""
    options = {name: getattr(job, name) for name in FIT}
    options["compute"] = Compute(job.precision, job.cache_budget, job.deterministic)
    options["record"] = lambda choices: ledger.add(Path(job.out), {"choices": choices})
    return train.fit(clf, examples, phases=phases, progress=progress, **options)


def _kind(job: Job) -> str | None:
    """Tell pictures from texts before reading them, where that can be seen from outside."""
    if Path(job.data).is_dir():
        return "image"
    if Path(job.data).exists():
        return data.kind_of(job.data, text_column=job.text_column, image_column=job.image_column, root=job.root)
    return {"digits": "image", "bbc_news": "text"}.get(job.data)


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


def _notes(examples: data.Data) -> tuple[str, ...]:
    # the notes travel in artifacts, so a table's absolute paths are cut to the names of the files
    shown = [Path(name).name if Path(name).is_absolute() else name for name, _ in examples.unreadable[:SHOWN]]
    names = ", ".join([*shown, "..."][: len(examples.unreadable)])
    lost = f"{len(examples.unreadable)} unreadable examples were left out ({names}); {ledger.QUARANTINE} says why"
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
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise RunError(f"{out} lies inside the data folder {source}; choose a directory elsewhere as --out")
    if _kind(job) is None and not job.data.startswith("tfds:") and not paths.is_remote(job.data):
        data.read(job.data)  # it says what is missing
    ledger.check(out)


def _finished(out: Path, facts: dict[str, Any]) -> Run | None:
    """Return the finished run of the same job; None where there is no run yet; refuse any other."""
    there = ledger.finished(out, facts)
    try:
        return there and Run(out, there, artifact.load(out).report, already=True)
    except ArtifactError as error:
        raise RunError(f"{out} holds a finished run, but {error}; give --overwrite to start it anew") from error
