"""What a training will take, told before it begins: time and memory from a few measured steps, disk by counting."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.config import Augment
from tlkit.features import extraction, mixed_precision
from tlkit.features.auto_choices import WORTH
from tlkit.models.freezing import unfrozen
from tlkit.training import planning, steps
from tlkit.utils.progress import duration

if TYPE_CHECKING:
    import keras

FORWARD = 1 / 3  # of the time of a training step: an answer without gradients
COMPILED = 2  # as often as a measured step: the step with the optimizer, and the answer that is scored
READ = 3  # batches that are read
FEW = 2  # examples on which what was compiled runs first, which takes longer than ever after
STATUS = Path("/proc/self/status")


def worth(plan: planning.Plan) -> bool:
    """Tell whether a training is long enough, in steps and in batches through the frozen part, to be measured."""
    training, _ = plan.job.sources[0]
    each = -(-len(training.order) // plan.request.loop.batch_size)
    epochs = sum(phase.epochs for phase in plan.request.phases if not phase.solve)
    return extraction.ahead(plan.job) / extraction.BATCH + each * epochs >= WORTH


def measured(clf: keras.Model, plan: planning.Plan, *, check: Callable[[], Any] = lambda: None) -> dict[str, Any]:
    """Time a few steps of the frozen part and of each phase, and return what the whole training takes, about.

    Args:
        clf: the classifier; it is left as it was, but for the state of dropout, which each phase sets.
        plan: the training; what is compiled here for its pass through the frozen part need not be compiled again.
        check: called between measurements; what it raises ends them.

    Returns:
        "phases" (name, steps of an epoch, seconds); "examples" that have yet to pass the frozen part, in
        "frozen_seconds"; "seconds" in all, where no phase ends early; "disk_bytes" of stored features; "memory_bytes",
        the most that the process took by now, None where the system does not say.
    """
    job, stores, batch_size = plan.job, plan.choices.stores, plan.request.loop.batch_size
    training, validation = (source for source, _ in job.sources)
    passing = extraction.ahead(job)
    streamed = [depth for depth, how in stores.items() if how == "stream"]
    each = _of_an_example(job) if passing or streamed else 0.0
    check()
    epoch_steps, known, told = -(-len(training.order) // batch_size), {}, []
    for phase, stage in plan.phases():
        if (key := (phase.unfreeze, stage.depth)) not in known:
            with _put_back(clf, phase.unfreeze), mixed_precision.computing(clf, plan.choices.tails[stage.depth]):
                known[key] = _of_a_step(clf, stage, training, batch_size)
            check()
        begun, step = known[key]
        scored = FORWARD * step * len(validation.order) / batch_size
        anew = each * (len(training.order) + len(validation.order)) if stage.depth in streamed else 0.0
        epochs = 0 if phase.solve else phase.epochs
        seconds = COMPILED * begun + epochs * (epoch_steps * step + scored + anew)
        told.append({"name": phase.name, "steps": epoch_steps, "seconds": seconds})
    total = passing * each + sum(about["seconds"] for about in told)
    facts = {"phases": told, "examples": passing, "frozen_seconds": passing * each, "seconds": total}
    return facts | {"disk_bytes": plan.choices.bytes, "memory_bytes": peak()}


def text(facts: dict[str, Any]) -> str:
    """Write in a line what `measured` found."""
    parts = [f"{about['name']} {duration(about['seconds'])}" for about in facts["phases"]]
    if facts["examples"]:
        parts.insert(0, f"{facts['examples']:,} examples through the frozen part {duration(facts['frozen_seconds'])}")
    memory = facts["memory_bytes"]
    taken = "" if memory is None else f"; the steps that were measured took {memory / 1e9:.1f} GB of memory"
    return f"about {duration(facts['seconds'])}: {', '.join(parts)}, less where a phase ends early{taken}"


def peak() -> int | None:
    """Return the most memory that this process ever took, in bytes, or None where the system does not say."""
    with contextlib.suppress(OSError):
        if found := re.search(r"^VmHWM:\s*(\d+) kB", STATUS.read_text(), re.MULTILINE):
            return 1024 * int(found[1])
    try:
        import resource  # whose figure, on Linux, a process inherits from the one that started it
    except ImportError:  # Windows
        return None
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return taken if sys.platform == "darwin" else 1024 * taken


@contextlib.contextmanager
def _put_back(clf: keras.Model, unfreeze: int | str) -> Iterator[None]:
    """Unfreeze for measured steps, and put back afterwards what was trainable and what layers of the head keep."""
    kept = [(variable, variable.numpy()) for variable in clf.head.non_trainable_variables]
    try:
        with unfrozen(clf, unfreeze):
            yield
    finally:
        for variable, value in kept:
            variable.assign(value)


def _of_an_example(job: extraction.Job) -> float:
    """Time a batch in the middle through the frozen part, reading included, and return the seconds of an example."""
    training, _ = job.sources[0]
    if not isinstance(training.reading.augment, Augment):  # a function of the user's own is left alone: it may count
        training = dataclasses.replace(training, reading=dataclasses.replace(training.reading, augment=None))
    count = READ * extraction.BATCH
    middle = max(0, (len(training.order) - count) // 2)  # of texts, those of a usual length
    own = [place.cut for place in job.places if place.source is job.sources[0][0] and place.view == 0]
    run = job.through(own or list(job.cuts))
    batches = training.batches(training.order[middle : middle + count], 0, extraction.BATCH)
    first = next(batches)
    started = time.perf_counter()  # what sets the reader up is not counted
    others = sum(len(batch) for batch in batches)
    reading = (time.perf_counter() - started) / max(others, 1)
    _seconds(run, first[:FEW])
    return reading + _seconds(run, first) / len(first)


def _of_a_step(clf: keras.Model, stage: planning.Stage, training: Any, batch_size: int) -> tuple[float, float]:
    """Return what compiling the training steps after a cut takes, and what a step takes then, in seconds."""
    run = steps.gradients(stage.tail, clf.spec.target)
    features, _ = planning.made_up(stage.cut, training, batch_size)
    return _seconds(run, [array[:FEW] for array in features]), _seconds(run, features)


def _seconds(run: Callable[[Any], Any], given: Any) -> float:
    import tensorflow as tf

    started = time.perf_counter()
    for tensor in tf.nest.flatten(run(given)):
        tensor.numpy()
    return time.perf_counter() - started
