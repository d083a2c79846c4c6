"""A training job: what is asked for, resolved against its backbone, and refused where it cannot be."""

from __future__ import annotations

import dataclasses
import math
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_type_hints

from tlkit.config import Phase, Splitting
from tlkit.data import reader_factory
from tlkit.data.readers import image_table
from tlkit.data.readers.conll import is_tagged
from tlkit.data.splits import Data
from tlkit.errors import InputError, RunError, unknown
from tlkit.models import heads, weights
from tlkit.models.classifier import DEFAULTS, find_backbone, table
from tlkit.runs import record
from tlkit.tasks import registry
from tlkit.training import schedules
from tlkit.utils import paths, schema

SCHEDULE = ("epochs", "learning_rate", "unfreeze")
BEFORE_QUALITIES = {
    "quality": "schedule",
    "refit": True,
    "words": False,
}  # what a job of tlkit 0.1 does, whose record does not say it
READ = ("text_column", "image_column", "label_column", "root", "pairs", "kind", "ignore", "strict")


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
        words: of texts, add scores of words and word pairs to those of the vector, as for `tlkit.classifier`.
        quality: "good", "fast" (as for `tlkit.fit`), or "schedule" for the backbone's schedule as the following options
            change it; by default "schedule" where one of them is set, else "good".
        epochs, learning_rate: one of each per phase; 0 epochs leave a phase out.
        unfreeze: blocks of the last phase, or "all".
        refit: False leaves the val split out of the last fit of a solved head.
        batch_size, views, patience, class_weight, sampling, weight_decay, label_smoothing: as for `tlkit.fit`.
        augment, flip: "auto", "none", "light" or "strong"; False where mirrored pictures mean something else.
        precision, cache_budget, deterministic: as for `tlkit.config.Compute`; another budget is no other job.
        target: what the column of the labels holds: "label", "tags" or "value" (tables); or "entities"; or "reply" or
            "summary", for a model that writes, as `tlkit.generator` and `tlkit.summarizer` build them.
        lora: of a model that writes, the rank of low-rank additions; None to train whole blocks.
        text_column, image_column, label_column, root, kind, ignore: of a table, as for `tlkit.read`.
        pairs: two text columns are two texts, a pair, and not one.
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
    words: bool = False
    quality: Literal["fast", "good", "schedule"] | None = None
    refit: bool = True
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
    target: Literal["label", "tags", "value", "entities", "reply", "summary"] = "label"
    lora: int | None = None
    text_column: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    root: str | None = None
    pairs: bool = False
    kind: Literal["table"] | None = None
    ignore: Sequence[str] | None = None
    split: Literal["random", "stable"] = "random"
    splits: str | None = None
    group_by: str | None = None
    near_duplicates: Literal["together", "anywhere"] = "together"
    strict: bool = False
    seed: int = 0

    def read(self) -> Data:
        """Read the data; raises as `tlkit.read` does."""
        splitting = Splitting(self.seed, self.split, self.splits, self.group_by, self.near_duplicates)
        columns = {name: getattr(self, name) for name in READ}
        return reader_factory.read(self.data, splitting=splitting, task=self.target, **columns)


def quality_of(job: Job) -> str:
    """Return the quality of a job, "schedule" where it sets epochs, learning rates or blocks itself.

    Raises InputError for a quality that is not known, or one beside a schedule of its own.
    """
    own = [name for name in SCHEDULE if getattr(job, name) is not None]
    if job.quality not in (None, *schedules.QUALITIES, "schedule"):
        raise unknown("quality", job.quality, (*schedules.QUALITIES, "schedule"))
    if own and job.quality in schedules.QUALITIES:
        raise InputError(
            f"quality {job.quality!r} chooses the phases, and so does {', '.join(own)}; leave one of them out"
        )
    return job.quality or ("schedule" if own else "good")


def schedule(job: Job, examples: Data | None = None) -> tuple[Phase, ...]:
    """Resolve the phases of a job: those of its quality, or the backbone's own as the job changes them.

    Args:
        job: the job.
        examples: the data, by whose size a quality chooses; None where they have not been read yet.

    Raises InputError for another number of values than there are phases, or a value that cannot be.
    """
    phases, columns = record.backbone_of(job).phases, []
    if (quality := quality_of(job)) != "schedule" and schedules.adapts(phases):
        sizes = (1000, 1000) if examples is None else (len(examples.train), len(examples.val))
        return schedules.phases(phases, quality, -(-sizes[0] // job.batch_size), sizes[1])
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


def kind_of(job: Job) -> str | None:
    """Tell pictures from texts before reading them, where that can be seen from outside."""
    if _is_tagged(job) or _writes(job):
        return "text"
    if os.path.isdir(job.data) or job.kind is not None:
        return job.kind or "image"
    if os.path.exists(job.data):
        return image_table.kind_of(job.data, text_column=job.text_column, image_column=job.image_column, root=job.root)
    return {"digits": "image", "bbc_news": "text"}.get(job.data)


def _is_tagged(job: Job) -> bool:
    return job.target == "entities" or is_tagged(job.data)


def _writes(job: Job) -> bool:
    return registry.writes(job.target)


def completed(job: Job, kind: str | None, *, fetch: bool = False) -> Job:
    """Fill in the backbone and the head, refuse what cannot be before time is spent on it, and fetch the weights."""
    if not 0 <= job.seed < 2**32 or not 0 <= job.weight_decay < math.inf:
        raise InputError(f"seed={job.seed}, weight_decay={job.weight_decay}: give numbers of 0 or more")
    if job.backbone is None and kind is None:
        return job
    if _writes(job):
        return _completed_writer(job, kind, fetch=fetch)
    if job.lora is not None:
        raise InputError(f"lora={job.lora} is for models that write; leave it out, or give the target reply or summary")
    usual = DEFAULTS | ({"text": DEFAULTS["entities"]} if _is_tagged(job) else {})
    row = find_backbone(job.backbone or usual[kind][0])
    job = dataclasses.replace(job, backbone=job.backbone or row.name, head=job.head or usual[row.input.kind][1])
    heads.check_fit(heads.get(job.head), row.input.features, row.name, "entities" if _is_tagged(job) else None)
    schedule(job)
    (row.input.paired() if job.pairs else row.input).sized(job.size)
    if kind not in (None, row.input.kind):
        raise InputError(f"{row.name} takes {row.input.kind}s, but {job.data} holds {kind}s; see `tlkit backbones`")
    if fetch:
        weights.find(row, job.weights, rows=table().values())
    return job


def _completed_writer(job: Job, kind: str | None, *, fetch: bool) -> Job:
    """Do as `completed` for a model that writes, which has no head of its own."""
    if given := [
        name for name in ("head", "dropout", "hidden", "pairs", "words") if getattr(job, name) not in (None, False)
    ]:
        raise InputError(f"a model that writes a {job.target} has no head to choose; leave out {' and '.join(given)}")
    if kind not in (None, "text"):
        raise InputError(f"a {job.target} is written of texts, but {job.data} holds {kind}s; give texts")
    row = record.backbone_of(job)
    job = dataclasses.replace(job, backbone=job.backbone or row.name)
    schedule(job)
    row.input.sized(job.size)
    if fetch:
        from tlkit.models.generation import generators  # it imports TensorFlow, which takes seconds

        weights.find(row, job.weights, rows=generators.rows().values())
    return job


def command(job: Job) -> str:
    """Write the command that does a job again; folders are left out of absolute paths, as it is passed on."""
    words = ["tlkit", "train", _bare(job.data)]
    for field in dataclasses.fields(job):
        value = getattr(job, field.name)
        if field.name in ("data", "out") or value == field.default:
            continue
        name = f"--{field.name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(name if value else f"--no-{field.name}")
        elif isinstance(value, list | tuple):
            words += [name, ",".join(each if isinstance(each, str) else f"{each:g}" for each in value)]
        else:
            words += [name, "random" if value is None else _bare(str(value))]
    return shlex.join([*words, "--out", "RUN"])


def _bare(path: str) -> str:
    return Path(path).name if Path(path).is_absolute() else path


def inspect(job: Job) -> str | None:
    """Return what `kind_of` does, once nothing speaks against the directory and the data are there.

    Raises:
        RunError: the directory is not ours to write. DataError, InputError: as `tlkit.read` for missing data.
    """
    out, source = Path(job.out), Path(job.data)
    record.check_name(out)
    if os.path.isdir(source) and Path(os.path.realpath(out)).is_relative_to(os.path.realpath(source)):
        raise RunError(f"{out} lies inside the data folder {source}; choose a directory elsewhere as --out")
    kind = kind_of(job)
    if kind is None and not job.data.startswith("tfds:") and not paths.is_remote(job.data):
        reader_factory.read(job.data)  # it says what is missing
    record.check(out)
    return kind


def resumed(directory: str, *, data: str | None = None) -> Job:
    """Return the job of a run as it was given, so that `run_job` goes on with it.

    Args:
        directory: the run directory.
        data: where the data are now, if they moved.

    Raises:
        RunError: there is no run, or its ledger cannot be read.
    """
    told = record.load(Path(directory)).get("job")
    form = {name: kind for name, kind in get_type_hints(Job).items() if name != "out"}
    if isinstance(told, dict):
        told = {**BEFORE_QUALITIES, **told}
    if not isinstance(told, dict) or set(told) != set(form):
        raise RunError(f"{directory} does not say how it was started; give the command it was started with")
    if fault := next(schema.mismatches(told, form), None):
        raise RunError(
            f"{Path(directory) / record.LEDGER} is damaged: of the job, {fault}; give the command it was started with"
        )
    return Job(**{**told, "data": data or told["data"], "out": directory})
