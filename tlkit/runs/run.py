"""The whole job: read, build, fit, evaluate, export, in a directory that says what was done."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tlkit.artifacts import artifact, export
from tlkit.config import Compute, Phase
from tlkit.data.splits import Data
from tlkit.doctor import checks, diagnose
from tlkit.errors import ArtifactError, Interrupted, RunError
from tlkit.evaluation import calibration, evaluate
from tlkit.evaluation.report_base import Measured
from tlkit.models import seeding
from tlkit.models.classifier import classifier, pieces
from tlkit.models.tabular import autoencoder
from tlkit.runs import preview, record
from tlkit.runs.job import Job, command, completed, inspect, quality_of, schedule
from tlkit.tasks import registry
from tlkit.training import checkpoint, fit, learning_curve
from tlkit.utils import environment, regular_files
from tlkit.utils.escaping import line
from tlkit.utils.lazy import resolve

BUILD = ("size", "weights", "dropout", "hidden", "resize", "pairs", "words")
FIT = (
    "batch_size",
    "augment",
    "views",
    "patience",
    "class_weight",
    "sampling",
    "weight_decay",
    "label_smoothing",
    "seed",
)
SHOWN = 5  # unreadable examples that the report names; quarantine.csv names all


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
    report: Measured
    already: bool = False

    @property
    def artifact(self) -> artifact.Artifact:
        """The exported classifier."""
        return artifact.load(self.directory)


def run_job(
    job: Job,
    *,
    overwrite: bool = False,
    progress: bool | Callable[[dict], Any] = True,
    tensorboard: str | Path | None = None,
) -> Run:
    """Do a whole job: read the data, build, fit, evaluate on the test split, export.

    Args:
        job: what to do.
        overwrite: replace what an earlier run left in the directory, once nothing more can be refused.
        progress: print what goes on; or what is called with each "event": plan, estimate, epochs, phases.
        tensorboard: a directory to write each epoch's figures to, for TensorBoard.

    Returns:
        The finished run. An unfinished run of the same job goes on; one that finished before is read, not repeated.

    Raises:
        TlkitError: whatever is wrong with the job, its data or its directory; what was there stays as it was.
        Interrupted: Ctrl-C; the same job, or `resumed(out)`, goes on.

    Examples:
        With the folder of the example of `tlkit.image_folder`:

        >>> job = tlkit.Job(
        ...     data="photos", out="runs/first", backbone="mobilenet_v2", weights=None, size=32, epochs=[1, 0]
        ... )
        >>> run = tlkit.run_job(job, progress=False)
        >>> run.ledger["status"], run.report.split, run.artifact.labels
        ('finished', 'test', ('dark', 'red'))
    """
    environment.check()
    watch, out, asked = preview.Watch(progress, tensorboard), Path(job.out), job
    kind = inspect(job)
    going = not overwrite and os.path.lexists(out / record.LEDGER) and record.load(out)["status"] == "finished"
    job = completed(job, kind, fetch=not going)
    examples = job.read()
    examples = dataclasses.replace(examples, flip=examples.flip and job.flip)
    job = completed(job, examples.kind)
    watch.say(examples)
    phases = schedule(job, examples)
    facts = {"data": examples.fingerprint(), "settings": record.settings(job, phases)}
    with record.held(out), seeding.random_states_restored():
        record.tidy(out)
        there = None if overwrite else record.standing(out, facts)
        if there and there["status"] == "finished":
            return _finished(out, there)
        found = diagnose.diagnose(examples, labels=False)
        watch.say(_resuming(there) if there else found.brief() or "")
        build = _builder(job, examples, progress is True)
        clf = build()
        facts |= {"job": record.given(asked), "command": command(asked), "findings": found.to_dict()["findings"]}
        watch.plan(preview.plan(clf, phases, examples) | {"resumed": bool(there), "findings": facts["findings"]})
        keeper = checkpoint.Keeper(out, anew=there is None, began=lambda choices: _begin(out, facts, choices, examples))
        with _onward(out), seeding.deterministic_operations(job.deterministic):
            if there:
                _place_again(out, examples, watch.say)
            history = _fit(clf, examples, phases, job, keeper, watch)
            if learning_curve.affordable(clf, examples, history):
                record.add(out, {"amounts": _amounts(build, examples, history, watch.say)})
            return _finish(clf, out, examples, history)


def _builder(job: Job, examples: Data, progress: bool) -> Callable[[], Any]:
    """Return what builds the model, always the same, the backbone first fitted to the data where it has to be."""
    import keras

    keras.utils.set_random_seed(job.seed)
    row, options = record.backbone_of(job), {name: getattr(job, name) for name in BUILD}
    if row.prepare:
        row = resolve(row.prepare)(row, examples, job.weights, progress)
        options["weights"] = None if job.weights is None else "pretrained"

    def build() -> Any:
        keras.utils.set_random_seed(job.seed)
        if registry.writes(job.target):
            from tlkit.models.generation.generators import generator, summarizer

            make = generator if job.target == "reply" else summarizer
            return make(row, size=job.size, weights=job.weights, lora=job.lora)
        return classifier(row, job.head, examples.target, **options)

    return build


def _measured(clf: Any, examples: Data, history: fit.History) -> Measured:
    """Set the probabilities of labels right, then measure."""
    if clf.spec.target.name == "label":
        calibration.calibrate(clf, examples.val)
    return evaluate.evaluate(clf, examples.test, history=history, notes=_notes(clf, examples, history))


def _amounts(build: Callable[[], Any], examples: Data, history: fit.History, say: Callable) -> list[dict]:
    """Learn from parts of the examples, with a model that is not trained yet."""
    found = learning_curve.learning_curve(build(), examples, history=history)
    name = f"val_{examples.target.figure}"
    if found:
        told = ", ".join(f"{row[name]:.3f} of {row['examples']:,}" for row in found)
        say(f"the head alone, on parts of the training examples: {name} {told}")
    return found


def _begin(out: Path, facts: dict[str, Any], choices: dict[str, Any], examples: Data) -> None:
    """Begin a run once all that can be refused was not: its ledger, which example goes where, what was left out."""
    record.begin(out, facts | {"choices": choices})
    examples.write_splits(out / record.SPLITS)
    if examples.unreadable:
        examples.write_quarantine(out / record.QUARANTINE)


def _place_again(out: Path, examples: Data, say: Callable[[str], Any]) -> None:
    """Write anew which example went where, of a run that goes on: its data and splits are those that it began with."""
    path = out / record.SPLITS
    try:
        before = regular_files.content(path, most=regular_files.MAX_RECORD_BYTES, within=out)
    except OSError as error:
        before, reason = None, regular_files.why(error)
    examples.write_splits(path)
    if before is None:
        say(f"{path} could not be read ({reason}); it was written anew, of the same data and splits")
    elif before != regular_files.content(path, most=regular_files.MAX_RECORD_BYTES):
        say(f"{path} was changed since the run began; it was written anew, of the same data and splits")
    if examples.unreadable:
        examples.write_quarantine(out / record.QUARANTINE)


def _finish(clf: Any, out: Path, examples: Data, history: fit.History) -> Run:
    """Measure, export, and say in the ledger that all is done; from then on nothing of the run is written again."""
    measured = _measured(clf, examples, history)
    told = record.load(out)
    export.export(clf, out, report=measured, data=examples, history=history, overwrite=True, record=told)
    if measured.each:
        examples.write_answers(out / record.ANSWERS, measured.each)
    done = {"status": "finished", "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    done |= {"history": dataclasses.asdict(history), "figures": measured.figures}
    told = record.add(out, done)
    (out / checkpoint.NAME).unlink(missing_ok=True)
    return Run(out, told, measured)


@contextlib.contextmanager
def _onward(out: Path) -> Iterator[None]:
    """Say how to go on, where a run that has begun is interrupted or cannot be written."""
    how = f"what was done is kept; go on with: tlkit train --resume {out}"
    try:
        yield
    except BaseException as error:
        if not os.path.exists(out / record.LEDGER) or record.load(out)["status"] == "finished":
            raise
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"interrupted; {how}") from None
        if isinstance(error, RunError):
            raise RunError(f"{error}; {how}") from error
        if told := environment.limit(error):
            raise RunError(f"{told}, and then: {how}") from error
        raise


def _resuming(there: dict[str, Any]) -> str:
    """Say that an unfinished run goes on, and with what other versions than it began with."""
    now, then = environment.describe_environment(), there.get("environment", {})
    others = [f"{name} was {then[name]}, now {now.get(name)}" for name in then if then[name] != now.get(name)]
    told = f"going on with the unfinished run of {there.get('started', 'an unknown time')}"
    return line(f"{told}; it may end in other last digits, since {', '.join(others)}" if others else told)


def _fit(
    clf: Any,
    examples: Data,
    phases: Sequence[Phase],
    job: Job,
    keeper: checkpoint.Keeper,
    watch: preview.Watch,
) -> fit.History:
    """Train as the job says."""
    options = {name: getattr(job, name) for name in FIT}
    options["compute"] = Compute(job.precision, job.cache_budget, job.deterministic)
    options["refit"] = None if job.refit else False
    quality = quality_of(job)
    options |= {"phases": phases} if quality == "schedule" else {"quality": quality}
    return fit.fit(clf, examples, run_dir=keeper, progress=watch.progress, tensorboard=watch.tensorboard, **options)


def _notes(clf: Any, examples: Data, history: fit.History) -> tuple[str, ...]:
    """Say what a reader of the figures has to know: splits, what was left out or cut, phases that brought nothing."""
    notes = [examples.splitting]
    given, pre = clf.spec.input, pieces(clf)[0]
    tokens = {name: given.tokens(pre, split.items) for name, split in examples.splits().items()}
    if told := all(each is not None for each in tokens.values()) and checks.cut(tokens, given.size)[2]:
        notes.append(f"{told}; try --size {2 * given.size} where the end of a text matters")
    if lost := [name for name, _ in examples.unreadable]:
        # the notes travel in artifacts, so a table's absolute paths are cut to the names of the files
        shown = [Path(name).name if Path(name).is_absolute() else name for name in lost[:SHOWN]]
        names = ", ".join([*shown, "..."][: len(lost)])
        notes.append(f"{len(lost)} unreadable examples were left out ({names}); {record.QUARANTINE} says why")
    for phase in history.phases:
        if phase["trouble"]:
            notes.append(f"phase {phase['name']} stopped early: {phase['trouble']}")
        notes += phase.get("solved", {}).get("notes", ())
        if not phase["best_epoch"]:
            notes.append(f"phase {phase['name']} brought no lower validation loss: the weights from before it are kept")
    if history.refit is not None:
        notes.append(
            f"the head was fitted to all {history.refit['examples']:,} examples of train and val in the end, and "
            f"calibrated by answers to examples that it had not seen"
        )
    return (*notes, *autoencoder.notes(clf.spec.backbone, examples))


def _finished(out: Path, there: dict[str, Any]) -> Run:
    """Return the finished run of the same job."""
    (out / checkpoint.NAME).unlink(missing_ok=True)  # of a process that was killed at the very end
    try:
        return Run(out, there, artifact.load(out).report, already=True)
    except ArtifactError as error:
        raise RunError(f"{out} holds a finished run, but {error}; give --overwrite to start it anew") from error
