"""The whole job: read, build, fit, evaluate, export, in a directory that says what was done."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tlkit import artifact, data, exporting, files, heads, report, train
from tlkit.build import classifier, find_backbone
from tlkit.errors import InputError, RunError
from tlkit.spec import Phase

DEFAULTS = {"image": ("efficientnet_lite0", "pool_dense"), "text": ("minilm_l6", "mean_dense")}
LEDGER = "run.json"
SCHEMA = 1
# what a run writes into its directory; nothing else is ever removed from it
OWN = ("saved_model", "model.keras", "tlkit.json", "README.md", "report.json", "curves.png", "confusion.png", LEDGER)


@dataclass(frozen=True, kw_only=True)
class Job:
    """State a whole training job. What is left out follows from the backbone.

    Args:
        data: a folder, a table, "tfds:NAME", "digits" or "bbc_news".
        out: the run directory, which holds the artifact in the end.
        backbone: a name from `tlkit backbones`; by default one that suits the data and needs no model hub.
        head: a name from `tlkit heads`; by default the one that suits the backbone's input.
        weights: "pretrained", None for random ones, or a path.
        size: pixels of a side, or tokens of a text.
        resize: how pictures are brought to `size`.
        dropout: rate before the dense layers of the head.
        hidden: width of the head's hidden layer.
        epochs: per phase; 0 leaves a phase out.
        learning_rate: per phase.
        unfreeze: blocks of the last phase, or "all".
        batch_size: examples per step.
        augment: "auto", "none", "light" or "strong".
        flip: False where mirrored pictures mean something else.
        views: augmented versions stored of each picture.
        patience: epochs without a better validation loss that are waited for.
        class_weight: "balanced" or None.
        weight_decay: decoupled decay of the kernels.
        label_smoothing: share of each target spread over all classes.
        text_column: of a table.
        label_column: of a table.
        seed: of the splits, the head's weights, the order, dropout and augmentation.
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


@dataclass(frozen=True, eq=False)
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

    Raises:
        InputError: another number of values than there are phases, or a value that cannot be.
    """
    phases = find_backbone(job.backbone).phases
    changed = [{} for _ in phases]
    for name in ("epochs", "learning_rate"):
        values = getattr(job, name)
        if values is None:
            continue
        if len(values) != len(phases) or min(values) < 0:
            raise InputError(
                f"{name} {list(values)}: the schedule of {job.backbone} has {len(phases)} phases "
                f"({', '.join(phase.name for phase in phases)}); give {len(phases)} numbers of 0 or more"
            )
        for change, value in zip(changed, values, strict=True):
            change[name] = value
    if job.unfreeze is not None:
        changed[-1]["unfreeze"] = job.unfreeze
    resolved = [dataclasses.replace(phase, **change) for phase, change in zip(phases, changed, strict=True)]
    kept = tuple(phase for phase in resolved if phase.epochs)
    if not kept:
        raise InputError("epochs are 0 in every phase; give at least one phase an epoch")
    return kept


def run_job(job: Job, *, overwrite: bool = False, progress: bool = True) -> Run:
    """Do a whole job: read the data, build, fit, evaluate on the test split, export.

    Args:
        job: what to do.
        overwrite: remove what an earlier run left in the directory, and start anew.
        progress: print what goes on.

    Returns:
        The finished run. A run of the same job that finished before is read, not repeated.

    Raises:
        TlkitError: whatever is wrong with the job, its data or its directory; what was there stays as it was.
    """
    say = print if progress else lambda *_: None
    out = Path(job.out)
    _inspect(out, overwrite)
    _check_names(job)
    examples = data.read(job.data, text_column=job.text_column, label_column=job.label_column, seed=job.seed)
    if not job.flip:
        examples = dataclasses.replace(examples, flip=False)
    say(examples)
    job = _completed(job, examples.kind)
    phases = schedule(job)
    settings = {key: value for key, value in dataclasses.asdict(job).items() if key != "out"}
    settings["phases"] = [dataclasses.asdict(phase) for phase in phases]
    with _locked(out):
        ledger = {"schema": SCHEMA, "status": "running", "settings": settings, "data": examples.fingerprint()}
        if not overwrite and (finished := _finished(out, ledger)):
            return finished
        clf = _built(job, examples)
        _clear(out)
        files.write_json(out / LEDGER, ledger)
        say(_plan(clf, phases))
        history, measured = _trained(clf, job, examples, phases, progress)
        exporting.export(clf, out, report=measured)
        ledger |= {"status": "finished", "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        files.write_json(out / LEDGER, ledger | {"history": dataclasses.asdict(history)})
    return Run(out, files.read_json(out / LEDGER), measured)


def _check_names(job: Job) -> None:
    """Refuse unknown names before the data are read."""
    if job.backbone is not None:
        find_backbone(job.backbone)
        schedule(job)
    if job.head is not None:
        heads.get(job.head)


def _completed(job: Job, kind: str) -> Job:
    """Fill in the backbone and the head where the job names none."""
    if job.backbone is None:
        job = dataclasses.replace(job, backbone=DEFAULTS[kind][0])
    if job.head is None:
        job = dataclasses.replace(job, head=DEFAULTS[find_backbone(job.backbone).input.kind][1])
    return job


def _built(job: Job, examples: data.Data) -> Any:
    import keras

    keras.utils.set_random_seed(job.seed)
    chosen = {"size": job.size, "weights": job.weights, "dropout": job.dropout, "hidden": job.hidden}
    return classifier(job.backbone, job.head, examples.labels, resize=job.resize, **chosen)


def _trained(
    clf: Any, job: Job, examples: data.Data, phases: tuple[Phase, ...], progress: bool
) -> tuple[train.History, report.Report]:
    history = train.fit(
        clf,
        examples,
        phases=phases,
        batch_size=job.batch_size,
        augment=job.augment,
        views=job.views,
        patience=job.patience,
        class_weight=job.class_weight,
        weight_decay=job.weight_decay,
        label_smoothing=job.label_smoothing,
        seed=job.seed,
        progress=progress,
    )
    return history, report.evaluate(clf, examples.test, history=history, notes=_notes(examples))


def _notes(examples: data.Data) -> tuple[str, ...]:
    unreadable = [f"{len(examples.unreadable)} unreadable files were left out"] if examples.unreadable else []
    return (examples.splitting, *unreadable)


def _plan(clf: Any, phases: Sequence[Phase]) -> str:
    """Say in a few lines what is about to be trained."""
    about = clf.spec
    lines = [f"{about.backbone.name} + {about.head}, size {about.input.size}, weights: {about.weights}"]
    for phase in phases:
        opened = "all blocks" if phase.unfreeze == "all" else f"{phase.unfreeze} of {len(about.backbone.blocks)} blocks"
        lines.append(f"  phase {phase.name}: {phase.epochs} epochs at {phase.learning_rate:g}, {opened} unfrozen")
    return "\n".join(lines)


# === The run directory ===


def _inspect(out: Path, overwrite: bool) -> None:
    """Refuse a directory that is not ours to write, before anything is read or trained.

    Raises:
        RunError: a file, a directory of something else, or one that cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; give a directory as --out")
    strange = [path.name for path in out.iterdir()] if out.is_dir() and not (out / LEDGER).exists() else []
    strange = [name for name in strange if name != ".lock"]
    if strange:
        raise RunError(
            f"{out} holds files that are no tlkit run ({strange[0]}, ...); choose another directory as --out"
        )
    with files.writing(out):
        out.mkdir(parents=True, exist_ok=True)
    files.write_text(out / ".writable", "")
    (out / ".writable").unlink()


def _locked(out: Path) -> Any:
    return files.lock(out / ".lock", timeout=0)


def _finished(out: Path, wanted: dict[str, Any]) -> Run | None:
    """Return the finished run of the same job; None where there is no run yet.

    Raises:
        RunError: an unfinished run, or one of another job, naming each difference.
    """
    if not (out / LEDGER).exists():
        return None
    there = files.read_json(out / LEDGER)
    differences = _differences(there.get("settings", {}), wanted["settings"])
    if there.get("data") != wanted["data"]:
        differences.append("the data have changed")
    if differences:
        raise RunError(
            f"{out} holds another run: {'; '.join(differences)}. Choose another directory, or give --overwrite to "
            f"start anew there"
        )
    if there.get("status") != "finished":
        raise RunError(f"{out} holds an unfinished run; give --overwrite to start it anew")
    return Run(out, there, report.Report.load(out), already=True)


def _differences(there: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    plain = files.json.loads(files.json.dumps(wanted))
    names = sorted({*there, *plain})
    return [
        f"{name} was {there.get(name)}, now {plain.get(name)}" for name in names if there.get(name) != plain.get(name)
    ]


def _clear(out: Path) -> None:
    for name in OWN:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
