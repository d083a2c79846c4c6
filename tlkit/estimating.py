"""What a training will take, told before it begins: time and memory from a few measured steps, disk by counting."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tlkit import filling, frontier, loop, planning, precision, steps
from tlkit.choices import Choices
from tlkit.freeze import unfreeze
from tlkit.telling import duration

if TYPE_CHECKING:
    import keras

FORWARD = 1 / 3  # of the time of a training step: an answer without gradients
COMPILED = 2  # as often as a measured step: the step with the optimizer, and the answer that is scored
READ = 3  # batches that are read
LONG = 15.0  # seconds; a first call of more is not repeated, though some of it was compiling


def measured(
    clf: keras.Model, plan: planning.Plan, cuts: planning.Cuts, job: filling.Job, chosen: Choices, asked: loop.Options
) -> dict[str, Any]:
    """Time a few steps of the frozen part and of each phase, and return what the whole training takes, about.

    Args:
        clf: the classifier; it is left as it was, but for what is trainable.
        plan, cuts, chosen, asked: the training.
        job: its pass through the frozen part; what is compiled for it here need not be compiled again.

    Returns:
        "phases" (name, steps of an epoch, seconds); "examples" that have yet to pass the frozen part, in
        "frozen_seconds"; "seconds" in all, where no phase ends early; "disk_bytes" of stored features; "memory_bytes",
        the most that the process took by now, None where the system does not say.
    """
    training, validation = (source for source, _ in job.sources)
    passing = filling.ahead(job)
    streamed = [depth for depth, how in chosen.stores.items() if how == "stream"]
    with precision.computing(clf, chosen.precision):
        each = _of_an_example(job) if passing or streamed else 0.0
    epoch_steps, known, told = -(-len(training.order) // asked.batch_size), {}, []
    for phase, depth in zip(plan.phases, plan.depths, strict=True):
        if (key := (phase.unfreeze, depth)) not in known:
            unfreeze(clf, phase.unfreeze)
            with precision.computing(clf, chosen.tails[depth]):
                known[key] = _of_a_step(clf, cuts[depth], training, asked.batch_size)
        begun, step = known[key]
        scored = FORWARD * step * len(validation.order) / asked.batch_size
        anew = each * (len(training.order) + len(validation.order)) if depth in streamed else 0.0
        epoch = epoch_steps * step + scored + anew
        seconds = COMPILED * begun + phase.epochs * epoch
        told.append({"name": phase.name, "steps": epoch_steps, "seconds": seconds})
    unfreeze(clf, list(cuts)[-1])
    total = passing * each + sum(about["seconds"] for about in told)
    facts = {"phases": told, "examples": passing, "frozen_seconds": passing * each, "seconds": total}
    return facts | {"disk_bytes": chosen.bytes, "memory_bytes": peak()}


def text(facts: dict[str, Any]) -> str:
    """Write in a line what `measured` found."""
    parts = [f"{about['name']} {duration(about['seconds'])}" for about in facts["phases"]]
    if facts["examples"]:
        parts.insert(0, f"{facts['examples']:,} examples through the frozen part {duration(facts['frozen_seconds'])}")
    memory = facts["memory_bytes"]
    taken = "" if memory is None else f"; up to {memory / 1e9:.1f} GB of memory, as measured"
    return f"about {duration(facts['seconds'])}: {', '.join(parts)}, less where a phase ends early{taken}"


def peak() -> int | None:
    """Return the most memory that this process ever took, in bytes, or None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else 1024 * found


def _of_an_example(job: filling.Job) -> float:
    """Time a batch in the middle through the frozen part, reading included, and return the seconds of an example."""
    training, _ = job.sources[0]
    count = READ * filling.BATCH
    middle = max(0, (len(training.order) - count) // 2)  # of texts, those of a usual length
    rows = training.order[middle : middle + count]
    own = [place.cut for place in job.places if place.source is training and place.view == 0]
    run = job.through(own or list(job.cuts))
    batches = training.batches(rows, 0, filling.BATCH)
    first = next(batches)
    started = time.perf_counter()  # what sets the reader up is not counted
    others = sum(len(batch) for batch in batches)
    reading = (time.perf_counter() - started) / max(others, 1)
    _, again = _timed(lambda: run(first))
    return reading + again / len(first)


def _of_a_step(clf: keras.Model, cut: frontier.Cut, training: Any, batch_size: int) -> tuple[float, float]:
    """Return what the first training step after a cut takes beyond any other, and what any other takes, in seconds."""
    run = steps.gradients(frontier.segment(clf, cut, None), clf.spec.target)
    features, _ = planning.made_up(cut, training, batch_size)
    return _timed(lambda: run(features))


def _timed(run: Callable[[], Any]) -> tuple[float, float]:
    import tensorflow as tf

    def seconds() -> float:
        started = time.perf_counter()
        for tensor in tf.nest.flatten(run()):
            tensor.numpy()
        return time.perf_counter() - started

    first = seconds()
    again = first if first > LONG else seconds()
    return max(0.0, first - again), again
