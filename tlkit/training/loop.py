"""Train a tail on stored features: batches, schedule, early stopping, best weights."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.config import Phase
from tlkit.errors import RunError
from tlkit.features.feature_sets import Features
from tlkit.tasks.targets import Target
from tlkit.training import averaging, steps
from tlkit.training.checkpoint import Keeper, State, restore, values, variables
from tlkit.utils import schema

if TYPE_CHECKING:
    import keras

SCORED = 64  # examples scored at a time
# of a phase's state in JSON, as `schema.mismatches` takes it
FORM = {
    "best": float, "best_epoch": int, "epoch": int, "steps": int, "sums": (float, float), "rate": float,
    "records": [{}], "trouble": str,
}  # fmt: skip
WINDOW = 16  # batches among which examples of like length are brought together


@dataclass(frozen=True, eq=False)
class Options:
    """Group what `fit` was asked for and every phase needs.

    Args:
        target: what is learned.
        batch_size: examples per step.
        patience: epochs without a better validation loss before a phase ends.
        class_weight: float32 (classes,), the weight of each class's examples, or of each tag, in the loss.
        weight_decay: decoupled (AdamW), on kernels only.
        label_smoothing: share of each target spread over all classes.
        seed: of the data order and of dropout.
        balanced: whether an epoch draws as many examples of each class, some again and some not at all, instead of
            taking each once.
        interpolate: whether a phase that trains blocks of the backbone ends with the mixture of its weights before
            and after that has the lowest validation loss, and with those before where it is not better than chance.
    """

    target: Target
    batch_size: int
    patience: int
    class_weight: np.ndarray
    weight_decay: float
    label_smoothing: float
    seed: int
    balanced: bool = False
    interpolate: bool = False


@dataclass
class _Standing:
    """Hold where a phase stands between two steps; with the variables of tail and optimizer, all that going on needs.

    Args:
        best: the lowest validation loss, after `best_epoch` epochs, when the trainable variables were `weights`.
        epoch: the number of the epoch that runs, from 1.
        steps: batches of it that are done.
        sums: of the loss and of the target's figure over what is done of it.
        rate: the learning rate it began with.
        records: of the epochs that are over.
        trouble: why the phase ended early, where numbers went wrong.
        first: the trainable variables before the phase, where they are mixed with the best in the end.
    """

    best: float
    weights: list[np.ndarray]
    best_epoch: int = 0
    epoch: int = 1
    steps: int = 0
    sums: tuple[float, float] = (0.0, 0.0)
    rate: float = 0.0
    records: list[dict] = field(default_factory=list)
    trouble: str = ""
    first: list[np.ndarray] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """Return all but the weights, as plain values."""
        return {name: value for name, value in vars(self).items() if name not in ("weights", "first")}


@dataclass(frozen=True)
class Result:
    """Tell how a phase went.

    Args:
        records: for each epoch its phase, epoch (from 1), loss, accuracy (or another figure of the target), val_loss,
            val_accuracy, learning_rate and seconds.
        best_epoch: whose weights were kept; 0 for those from before the phase.
        trouble: why it ended early, where a loss was NaN or infinite; else empty.
        share: of the weights after the phase in the mixture that was taken; None where none was tried.
        candidates: the mixtures that were compared: share and val_loss.
    """

    records: list[dict]
    best_epoch: int
    trouble: str = ""
    share: float | None = None
    candidates: tuple[dict[str, float], ...] = ()


def train(
    tail: keras.Model,
    phase: Phase,
    features: tuple[Features, Features],
    options: Options,
    tell: Callable[[dict], None],
    keeper: Keeper,
) -> Result:
    """Train one phase and leave the tail with the weights of its best epoch.

    The best epoch is the one of the lowest validation loss; the state before the phase counts as epoch 0, so a phase
    never ends worse than it began. A loss that is not finite ends it.

    Args:
        tail: stored features -> probabilities; its trainable variables are trained. Where `keeper` holds the loop of
            this phase, the tail's variables are as they were then.
        phase: epochs and learning rate.
        features: of the training and of the validation split.
        options: see `Options`.
        tell: called with the record of every epoch.
        keeper: keeps the state between steps.
    """
    training, validation = features
    planned = phase.epochs * -(-len(training.labels) // options.batch_size)
    optimizer = steps.optimizer(tail, phase.learning_rate, planned, options.weight_decay)
    step, scores = steps.compiled(tail, options.target, optimizer, options.class_weight, options.label_smoothing)
    validated = functools.partial(score, scores, validation, getattr(options.target, "scored", SCORED))
    interpolate = options.interpolate and phase.unfreeze != 0 and len(validation.labels) > 0
    if keeper.progress.loop is None:
        steps.seed_dropout(tail, options.seed)
        now = _Standing(np.nan_to_num(validated()[0], nan=np.inf, neginf=np.inf), _weights(tail))
        now.first = now.weights if interpolate else []
    else:
        now = _resumed(tail, optimizer, keeper, interpolate)

    def state() -> State:
        kept = {f"best/{place}": array for place, array in enumerate(now.weights)}
        kept |= {f"first/{place}": array for place, array in enumerate(now.first)}
        return now.facts(), kept | variables("tail", tail.variables) | variables("optimizer", optimizer.variables)

    while not now.trouble and now.epoch <= phase.epochs and now.epoch - 1 - now.best_epoch <= options.patience:
        started = time.perf_counter()
        now.rate = now.rate if now.steps else float(optimizer.learning_rate)
        _epoch(step, training, _order(training, options, phase, now.epoch), now, lambda: keeper.pause(state))
        if not now.trouble:
            means = [total / len(training.labels) for total in now.sums]
            _close_epoch(now, (phase.name, options.target.figure), means, validated(), tail, started)
            tell(now.records[-1])
            keeper.tell(now.records)
            keeper.pause(state)
    steps.assign(tail, now.weights)
    if not (interpolate and now.best_epoch):
        return Result(now.records, now.best_epoch, now.trouble)
    share, candidates = averaging.choose(tail, options.target, validation, now.first, now.weights)
    return Result(now.records, now.best_epoch if share else 0, now.trouble, share, tuple(candidates))


def _resumed(tail: keras.Model, optimizer: Any, keeper: Keeper, interpolate: bool) -> _Standing:
    """Take up the state that another process left in the middle of a phase; raise RunError where it cannot be."""
    kept = keeper.progress
    fault = next(schema.mismatches(kept.loop, FORM), None)
    if fault or set(kept.loop) != set(FORM):
        raise RunError(
            f"the checkpoint's state is damaged ({fault or 'it is another'}); start anew in another directory"
        )
    restore("optimizer", optimizer.variables, kept.arrays)
    first = values("first", tail.trainable_variables, kept.arrays) if interpolate else []
    return _Standing(**kept.loop, weights=values("best", tail.trainable_variables, kept.arrays), first=first)


def _epoch(
    step: Callable, training: Features, batches: list[np.ndarray], now: _Standing, pause: Callable[[], None]
) -> None:
    """Train what is left of an epoch, or as far as the loss is finite."""
    for part in _left(batches, now.steps):
        for arrays, labels in training.chunks(part, now.epoch):
            loss, right, bad = step(arrays, labels)
            if bad >= 0:
                sound = all(np.isfinite(array[int(bad)]).all() for array in arrays)
                now.trouble = _trouble(now.epoch, now.steps + int(bad) + 1, now.rate, sound)
                return
            now.sums = (now.sums[0] + float(loss), now.sums[1] + float(right))
            now.steps += len(labels)
            pause()


def score(scores: Callable, features: Features, size: int) -> tuple[float, float]:
    """Return the mean loss and the mean of the target's figure."""
    batches = steps.batches(np.arange(len(features.labels)), size)
    sums = [scores(*chunk) for part in batches for chunk in features.chunks(part, 1)]
    return tuple(float(sum(part)) / len(features.labels) for part in zip(*sums, strict=True))


def _left(parts: list[np.ndarray], done: int) -> list[np.ndarray]:
    """Leave out the first `done` batches."""
    left = []
    for part in parts:
        left += [part[done:]] if len(part) > done else []
        done = max(0, done - len(part))
    return left


def _trouble(epoch: int, step: int, rate: float, sound: bool) -> str:
    """Say where a loss went wrong, and why, probably."""
    cause = (
        f"the learning rate, {rate:.2g} at that epoch's beginning, is probably too high; try a tenth of it"
        if sound
        else "the frozen part gives features that are not finite for examples of that batch; look at its weights, or "
        "compute in float32"
    )
    return f"the loss of epoch {epoch}, step {step} is not a finite number: {cause}"


def _close_epoch(
    now: _Standing,
    names: tuple[str, str],
    means: Sequence[float],
    scored: tuple[float, float],
    tail: keras.Model,
    started: float,
) -> None:
    """Write the record of an epoch, keep its weights where they are the best, and go on to the next.

    `names` are those of the phase and of the figure that stands beside the loss in `means` and `scored`.
    """
    phase, figure = names
    record = {"phase": phase, "epoch": now.epoch, "loss": means[0], figure: means[1], "val_loss": scored[0]}
    record |= {f"val_{figure}": scored[1], "learning_rate": now.rate, "seconds": time.perf_counter() - started}
    now.records.append(record)
    if scored[0] < now.best:
        now.best, now.best_epoch, now.weights = scored[0], now.epoch, _weights(tail)
    if not np.isfinite(scored[0]):
        now.trouble = f"the validation loss after epoch {now.epoch} is not a finite number; try a lower learning rate"
    now.epoch, now.steps, now.sums = now.epoch + 1, 0, (0.0, 0.0)


def _weights(tail: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in tail.trainable_variables]


def _order(training: Features, options: Options, phase: Phase, epoch: int) -> list[np.ndarray]:
    """Return the batches of an epoch as numbers (steps, batch), from the seed, the phase and the epoch alone.

    Ragged examples stand sorted by length. Among a few batches' worth of them, drawn at random, neighbours go together,
    so that little padding is computed; the batches then come in random order.
    """
    rng = np.random.default_rng([options.seed, *phase.name.encode(), epoch])
    order = _drawn(rng, training.labels) if options.balanced else rng.permutation(len(training.labels))
    if training.ragged:
        width = WINDOW * options.batch_size
        order = np.concatenate([np.sort(order[i : i + width]) for i in range(0, len(order), width)])
    first, *rest = steps.batches(order, options.batch_size)
    return [rng.permutation(first) if training.ragged else first, *rest]


def _drawn(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Draw as many numbers as there are labels, every class being as likely as any other."""
    _, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    chance = 1 / counts[own]
    return rng.choice(len(labels), len(labels), p=chance / chance.sum())
