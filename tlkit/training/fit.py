"""Fit: compute the frozen part once, train the rest phase by phase, and prove that what was frozen did not move."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from markupsafe import Markup

from tlkit.config import Augment, Compute, Phase
from tlkit.features import auto_choices, extraction, feature_sets, mixed_precision
from tlkit.features.auto_choices import Choices
from tlkit.models import seeding
from tlkit.models.classifier import pieces
from tlkit.models.freezing import audit, fingerprints, unfreeze, unfrozen
from tlkit.training import estimate, loop, options, planning, tensorboard
from tlkit.training.checkpoint import Keeper, restore
from tlkit.training.planning import Plan, Request, Stage
from tlkit.utils import environment
from tlkit.utils.html_format import cell, concatenate, table
from tlkit.utils.progress import Progress, ProgressReporter, examples_bar

if TYPE_CHECKING:
    import os

    import keras

Features = tuple[feature_sets.Features, feature_sets.Features]  # of the training and of the validation split


@dataclass(frozen=True)
class History:
    """Tell how a training went.

    Args:
        epochs: a record per epoch (phase, epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds); of a
            value mae in place of accuracy.
        phases: a record per phase (name, cut, trainable and frozen parameters, kept epoch, seconds).
        trunk_seconds: time before the first phase: planning, the frozen part, opening what is stored.
        trunk_examples: how many examples passed the frozen part; none where all was stored by an earlier run.
        seconds: time in all.
        settings: every option of `fit` as it was resolved.
    """

    epochs: tuple[dict, ...]
    phases: tuple[dict, ...]
    trunk_seconds: float
    trunk_examples: int
    seconds: float
    settings: dict[str, Any]

    def _repr_html_(self) -> str:
        """Show the phases in a notebook, and behind a line to open the epochs."""
        heads = ("phase", "unfrozen blocks", "trained parameters", "frozen parameters", "best epoch", "seconds")
        names = ("unfreeze", "trainable", "frozen", "best_epoch", "seconds")
        told = list(table(heads, [(row["name"], *(cell(row[name]) for name in names)) for row in self.phases]))
        spent = Markup("<p>{:.1f} s in all, {:.1f} s of them before the first phase</p>")
        told.append(spent.format(self.seconds, self.trunk_seconds))
        if self.epochs:
            names = [name for name in self.epochs[0] if name not in ("phase", "learning_rate")]
            rows = [(row["phase"], *(cell(row.get(name)) for name in names)) for row in self.epochs]
            summary = Markup("<details><summary>{:,} epochs</summary>").format(len(rows))
            told += [summary, *table(("phase", *names), rows), Markup("</details>")]
        return str(concatenate(told, "\n"))


def fit(
    clf: keras.Model,
    data: Any,
    *,
    phases: Sequence[Phase] | None = None,
    batch_size: int = 32,
    augment: str | Augment | Callable | None = "auto",
    views: int | None = None,
    patience: int = 3,
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None,
    sampling: Literal["all", "balanced"] = "all",
    weight_decay: float = 1e-4,
    label_smoothing: float = 0.0,
    seed: int = 0,
    compute: Compute | None = None,
    run_dir: str | os.PathLike | Keeper | None = None,
    progress: Progress = True,
    tensorboard: str | os.PathLike | None = None,
) -> History:
    """Train a classifier in place and in phases: the head on the frozen base, then the unfrozen top blocks too.

    What is frozen and not random is computed once, and kept. Each phase warms up, decays its rate by a cosine, stops
    early, and ends with the weights of its lowest validation loss.

    Args:
        clf, data: a classifier of tlkit, and what a reader returned.
        phases: the schedule; the backbone's own by default.
        batch_size, patience: examples per step; epochs without a better validation loss that are waited for.
        augment: "auto" (light for pictures), "none", "light", "strong", an `Augment`, or a callable on float32 pixels.
        views: augmented versions stored of each picture, cycled over the epochs; 4, or as many as fit, by default.
        class_weight, sampling: "balanced" or label -> weight in the loss; "balanced" draws classes equally often.
        weight_decay, label_smoothing: of the kernels, decoupled; share of each label spread over all classes, < 1.
        seed: of order, dropout and augmentation (the head's first weights: `keras.utils.set_random_seed`).
        compute: precision, room on disk, determinism; `Compute()` by default.
        run_dir: a directory to keep progress in: the same call goes on where it was interrupted, or, where it had been
            finished, gives its weights again. Ctrl-C then stops between two steps.
        progress, tensorboard: True for lines, or what gets each event (`utils.progress`); a directory for TensorBoard.

    Raises:
        InputError: an option or data that do not suit the classifier. FreezeError: a frozen weight moved.
        RunError: the disk is full, `tensorboard` cannot be written, or `run_dir` holds another training.

    Examples:
        With `data` and `clf` as in the examples of `tlkit.arrays` and `tlkit.classifier`:

        >>> history = tlkit.fit(clf, data, phases=[tlkit.Phase("head", 3, 1e-2)], progress=False)
        >>> [epoch["phase"] for epoch in history.epochs]
        ['head', 'head', 'head']
        >>> history.epochs[-1]["val_loss"] < history.epochs[0]["val_loss"]
        True
    """
    environment.check()
    auto_choices.check(compute := compute or Compute())
    options.check(clf.spec, data, batch_size, patience, label_smoothing)
    phases = tuple(phases or clf.spec.backbone.phases)
    how = options.augmentation(augment, clf.spec.input.kind, data.flip)
    weights, even = options.class_weights(class_weight, data), options.balanced(sampling, class_weight, clf.spec.target)
    each_phase = loop.Options(clf.spec.target, batch_size, patience, weights, weight_decay, label_smoothing, seed, even)
    versions = options.views(views, how, phases)
    request = Request(phases, how, versions, compute, each_phase, ProgressReporter(progress), tensorboard)
    return _train(clf, data, request, run_dir if isinstance(run_dir, Keeper) else Keeper(run_dir))


def _train(clf: keras.Model, data: Any, request: Request, keeper: Keeper) -> History:
    with (
        tensorboard.opened(request.tensorboard) as log,
        contextlib.closing(request.telling),
        seeding.random_states_restored(),
        seeding.deterministic_operations(request.compute.deterministic),
    ):
        return _trained(clf, data, request, keeper, log)


def _trained(clf: keras.Model, data: Any, request: Request, keeper: Keeper, log: tensorboard.Log) -> History:
    started = time.perf_counter()
    clf.spec = dataclasses.replace(clf.spec, target=options.uncalibrated(clf.spec.target))
    plan = planning.plan(clf, data, request, keeper)
    if not plan.resumed:
        keeper.begin(dataclasses.asdict(plan.choices))
    if plan.choices.bytes:
        most = f"{plan.choices.budget / 1e6:,.0f} MB at most"
        request.telling.say(f"stored features: about {plan.choices.bytes / 1e6:,.1f} MB of disk, of {most}")
    with keeper.listening():
        features, passed = {}, 0
        if len(keeper.progress.done) < len(request.phases):
            with unfrozen(clf, plan.least):
                _estimate(clf, plan, keeper)
                features, passed = _features(plan, keeper)
        trunk = time.perf_counter() - started
        _phases(clf, plan, features, keeper, log)
    epochs = tuple(record for records, _ in keeper.progress.done for record in records)
    summaries = tuple(summary for _, summary in keeper.progress.done)
    chosen = {"views": plan.choices.views, "choices": dataclasses.asdict(plan.choices)}
    return History(epochs, summaries, trunk, passed, keeper.seconds, request.settings() | chosen)


def _estimate(clf: keras.Model, plan: Plan, keeper: Keeper) -> None:
    """Report what a new training will take, where it is long and somebody listens."""
    telling = plan.request.telling
    if telling.wanted and not plan.resumed and estimate.worth(plan):
        facts = estimate.measured(clf, plan, check=keeper.stop.check)
        telling.report("estimate", facts, estimate.text(facts))


# === The frozen part ===


def _features(plan: Plan, keeper: Keeper) -> tuple[dict[int | str, Features], int]:
    """Fill the stores of all stages in one pass over each split; return the features by depth and the examples that
    passed."""
    started, telling = time.perf_counter(), plan.request.telling
    with examples_bar(sum(views * len(source.order) for source, views in plan.job.sources), telling.shown) as bar:

        def tell(examples: int) -> None:
            bar.update(examples)
            keeper.stop.check()

        filled, passed = extraction.fill(plan.job, tell)
    telling.say(_told(plan.choices, passed, time.perf_counter() - started))
    depths = [stage.depth for stage in plan.stages]
    return dict(zip(depths, zip(*filled, strict=True), strict=True)), passed


def _told(chosen: Choices, passed: int, seconds: float) -> str:
    """Say in a line or two what became of the frozen part."""
    done = f"{passed} examples, computed once in" if passed else "stored by an earlier run, opened in"
    stored = any(how != "stream" for how in chosen.stores.values())
    lines = [f"frozen base: {done} {seconds:.1f} s"] if stored else []
    for depth, how in chosen.stores.items():
        if how == "stream":
            lines.append(
                f"features for unfreeze={depth} do not fit the cache budget of {chosen.budget / 1e9:.1f} GB: they are "
                f"computed anew in every epoch"
            )
    return "\n".join(lines)


# === The phases ===


def _phases(
    clf: keras.Model, plan: Plan, features: Mapping[int | str, Features], keeper: Keeper, log: tensorboard.Log
) -> None:
    """Train the phases that are not over; `keeper` gathers what is told of each."""
    telling, asked = plan.request.telling, plan.request.loop
    over = len(keeper.progress.done)
    kept = over if keeper.progress.loop is not None else over - 1  # the phase whose variables an earlier process kept
    for number, (phase, stage) in enumerate(plan.phases()):
        if number == kept:
            unfreeze(clf, phase.unfreeze)
            restore("tail", stage.tail.variables, keeper.progress.arrays)
        if number >= over:
            with mixed_precision.computing(clf, plan.choices.tails[stage.depth]):
                tell = _teller(phase, asked.target.figure, telling, log, keeper.over)
                _phase(clf, phase, stage, features[stage.depth], asked, keeper, tell=tell)
                records, summary = keeper.progress.done[-1]
                telling.report("phase", summary, _over(records, summary))


def _phase(
    clf: keras.Model,
    phase: Phase,
    stage: Stage,
    features: Features,
    asked: loop.Options,
    keeper: Keeper,
    *,
    tell: Callable[[dict], None],
) -> None:
    """Train one phase and prove that what was frozen did not move."""
    started = time.perf_counter()
    unfreeze(clf, phase.unfreeze)
    backbone = pieces(clf)[1]
    before = fingerprints(backbone)
    found = loop.train(stage.tail, phase, features, asked, tell, keeper)
    audit(backbone, before, phase.name)
    trained = sum(int(np.prod(variable.shape)) for variable in clf.trainable_variables)
    summary = {"name": phase.name, "cut": list(stage.cut.after), "unfreeze": phase.unfreeze, "trainable": trained}
    summary |= {"frozen": clf.count_params() - trained, "stored_bytes": sum(part.nbytes for part in features)}
    summary |= {"best_epoch": found.best_epoch, "trouble": found.trouble, "seconds": time.perf_counter() - started}
    keeper.finish(found.records, summary, stage.tail)


def _teller(
    phase: Phase, figure: str, telling: ProgressReporter, log: tensorboard.Log, over: int
) -> Callable[[dict], None]:
    """Return what tells of an epoch of a phase, before which so many epochs are over."""

    def tell(record: dict) -> None:
        log(over + record["epoch"], record)
        telling.step("epoch", record, _line(record, phase, figure))

    return tell


def _over(records: list[dict], summary: dict) -> str:
    """Say in a line how a phase ended."""
    best = next((record for record in records if record["epoch"] == summary["best_epoch"]), None)
    trouble = f"; {summary['trouble']}" if summary["trouble"] else ""
    if best is None:
        kept = "no epoch was better than what was there before"
    else:
        figures = [f"{name} {value:.4f}" for name, value in best.items() if name.startswith("val_")]
        kept = f"the best was epoch {best['epoch']}: {', '.join(figures)}"
    count = "1 epoch" if len(records) == 1 else f"{len(records)} epochs"
    return f"phase {summary['name']}: {count} in {summary['seconds']:.1f} s, {kept}{trouble}"


def _line(record: dict, phase: Phase, figure: str) -> str:
    left = (phase.epochs - record["epoch"]) * record["seconds"] / 60
    return (
        f"{phase.name:>6} {record['epoch']:>3}/{phase.epochs}  loss {record['loss']:.4f}  "
        f"{figure} {record[figure]:.4f}  val_loss {record['val_loss']:.4f}  "
        f"val_{figure} {record[f'val_{figure}']:.4f}  {record['seconds']:.1f} s"
        f"{f', at most about {left:.0f} min to go' if left >= 1 else ''}"
    )
