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
from tlkit.errors import InputError
from tlkit.features import auto_choices, extraction, feature_sets, mixed_precision
from tlkit.features.auto_choices import Choices
from tlkit.models import seeding
from tlkit.models.classifier import pieces
from tlkit.models.freezing import audit, fingerprints, unfreeze, unfrozen
from tlkit.training import estimate, loop, options, planning, schedules, solved_head, steps, tensorboard
from tlkit.training.checkpoint import Keeper, restore
from tlkit.training.planning import Plan, Request, Stage
from tlkit.utils import environment
from tlkit.utils.html_format import cell, concatenate, table
from tlkit.utils.progress import Progress, ProgressReporter, examples_bar

if TYPE_CHECKING:
    import os

    import keras

    from tlkit.data.splits import Data

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
        refit: of a head that was fitted to train and val in the end: examples, strength, temperature, and the loss of
            answers to examples that a model was not fitted to; else None.
    """

    epochs: tuple[dict, ...]
    phases: tuple[dict, ...]
    trunk_seconds: float
    trunk_examples: int
    seconds: float
    settings: dict[str, Any]
    refit: dict[str, Any] | None = None

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
    quality: Literal["fast", "good"] | None = None,
    refit: bool | None = None,
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
        phases: a schedule of one's own, taken as it is; by default `quality` makes one.
        quality: "good" (the default): a linear head is solved exactly, then the top blocks are trained, and weights
            before and after are mixed as the validation split says; "fast": the head alone, on unchanged examples.
        refit: fit the head to train and val in the end, where no later phase brought more, calibrated by out-of-fold
            answers; by default unless the val split was given.
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
    plain = quality == "fast" and augment == "auto"
    how = None if plain else options.augmentation(augment, clf.spec.input.kind, data.flip)
    epoch_steps = -(-len(data.train) // batch_size)
    chosen = not phases and schedules.check(quality) and schedules.adapts(clf.spec.backbone.phases)
    if phases and quality is not None:
        raise InputError(f"quality={quality!r} chooses the phases; leave it out, or leave out phases")
    if chosen:
        phases = schedules.phases(clf.spec.backbone.phases, quality or "good", epoch_steps, len(data.val))
        patience = schedules.patience(patience, epoch_steps)
    phases = tuple(phases or clf.spec.backbone.phases)
    refit = not data.val_given if refit is None else refit
    weights, even = options.class_weights(class_weight, data), options.balanced(sampling, class_weight, clf.spec.target)
    each_phase = loop.Options(
        clf.spec.target, batch_size, patience, weights, weight_decay, label_smoothing, seed, even, interpolate=chosen
    )
    versions = options.views(views, how, phases)
    request = Request(phases, how, versions, compute, each_phase, ProgressReporter(progress), tensorboard, refit)
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
    clf.spec = dataclasses.replace(clf.spec, target=options.uncalibrated(clf.spec.target), learned_val="")
    plan = planning.plan(clf, data, request, keeper)
    request = plan.request
    if not plan.resumed:
        keeper.begin(dataclasses.asdict(plan.choices))
    if plan.choices.bytes:
        most = f"{plan.choices.budget / 1e6:,.0f} MB at most"
        request.telling.say(f"stored features: about {plan.choices.bytes / 1e6:,.1f} MB of disk, of {most}")
    with keeper.listening():
        features, passed = {}, 0
        if len(keeper.progress.done) < len(request.phases) or _refits(plan, keeper):
            with unfrozen(clf, plan.least):
                _estimate(clf, plan, keeper)
                features, passed = _features(plan, keeper)
        trunk = time.perf_counter() - started
        solution = _phases(clf, plan, features, keeper, log)
        refitted = _refit(clf, data, plan, features, keeper, solution) if _refits(plan, keeper) else None
    epochs = tuple(record for records, _ in keeper.progress.done for record in records)
    summaries = tuple(summary for _, summary in keeper.progress.done)
    chosen = {"views": plan.choices.views, "choices": dataclasses.asdict(plan.choices)}
    return History(epochs, summaries, trunk, passed, keeper.seconds, request.settings() | chosen, refitted)


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
) -> solved_head.Solution | None:
    """Train the phases that are not over; return how the head was solved, where this process did.

    `keeper` gathers the records and the summary of each.
    """
    telling, asked = plan.request.telling, plan.request.loop
    over = len(keeper.progress.done)
    kept = over if keeper.progress.loop is not None else over - 1  # the phase whose variables an earlier process kept
    solution = None
    for number, (phase, stage) in enumerate(plan.phases()):
        if number == kept:
            unfreeze(clf, phase.unfreeze)
            restore("tail", stage.tail.variables, keeper.progress.arrays)
        if number >= over:
            with mixed_precision.computing(clf, plan.choices.tails[stage.depth]):
                tell = _teller(phase, asked.target.figure, telling, log, keeper.over)
                found = _phase(clf, phase, stage, features[stage.depth], plan, keeper, tell=tell)
                solution = found or solution
                records, summary = keeper.progress.done[-1]
                telling.report("phase", summary, _over(records, summary))
    return solution


def _phase(
    clf: keras.Model,
    phase: Phase,
    stage: Stage,
    features: Features,
    plan: Plan,
    keeper: Keeper,
    *,
    tell: Callable[[dict], None],
) -> solved_head.Solution | None:
    """Train one phase and prove that what was frozen did not move; return the solution of a head that was solved."""
    started, asked, solution = time.perf_counter(), plan.request.loop, None
    unfreeze(clf, phase.unfreeze)
    backbone = pieces(clf)[1]
    before = fingerprints(backbone)
    if phase.solve:
        found, solution = _solve(stage, phase, features, plan, keeper)
        for record in found.records:
            tell(record)
    else:
        found = loop.train(stage.tail, phase, features, asked, tell, keeper)
    audit(backbone, before, phase.name)
    trained = sum(int(np.prod(variable.shape)) for variable in clf.trainable_variables)
    summary = {"name": phase.name, "cut": list(stage.cut.after), "unfreeze": phase.unfreeze, "trainable": trained}
    summary |= {"frozen": clf.count_params() - trained, "stored_bytes": sum(part.nbytes for part in features)}
    summary |= {"best_epoch": found.best_epoch, "trouble": found.trouble, "seconds": time.perf_counter() - started}
    if found.share is not None:
        summary |= {"share": found.share, "candidates": list(found.candidates)}
    if solution is not None:
        summary |= {"solved": solution.summary()}
    keeper.finish(found.records, summary, stage.tail)
    return solution


# === Solved heads ===


def _solve(
    stage: Stage, phase: Phase, features: Features, plan: Plan, keeper: Keeper
) -> tuple[loop.Result, solved_head.Solution | None]:
    """Solve a linear head on the training split; the penalty is chosen as `solved_head.solve` says."""
    started, asked = time.perf_counter(), plan.request.loop
    use_val = plan.request.refit
    solution = solved_head.solve(
        stage.tail, asked.target, features, asked, plan.choices.views, use_val=use_val, check=keeper.stop.check
    )
    if isinstance(solution, str):
        return loop.Result([], 0, solution), None
    solution.assign(stage.tail, asked.target, with_val=False)
    optimizer = steps.optimizer(stage.tail, phase.learning_rate, 1, 0.0)
    _, scores = steps.compiled(stage.tail, asked.target, optimizer, asked.class_weight, 0.0)
    figure = asked.target.figure
    record = {"phase": phase.name, "epoch": 1}
    for prefix, split in (("", features[0]), ("val_", features[1])):
        loss, value = loop.score(scores, split, loop.SCORED)
        record |= {f"{prefix}loss": loss, f"{prefix}{figure}": value}
    record |= {"learning_rate": 0.0, "seconds": time.perf_counter() - started}
    return loop.Result([record], 1), solution


def _refits(plan: Plan, keeper: Keeper) -> bool:
    """Return whether the head is fitted once more, to train and val: no later phase brought more than it."""
    solved = [number for number, phase in enumerate(plan.request.phases) if phase.solve]
    if not (plan.request.refit and solved):
        return False
    done = [summary for _, summary in keeper.progress.done]
    if any(not done[number]["best_epoch"] for number in solved if number < len(done)):
        return False  # features that are not finite
    return not any(summary["best_epoch"] for summary in done[solved[-1] + 1 :])


def _refit(
    clf: keras.Model,
    data: Data,
    plan: Plan,
    features: Mapping[int | str, Features],
    keeper: Keeper,
    solution: solved_head.Solution | None,
) -> dict[str, Any]:
    """Fit a solved head to train and val, and calibrate it by out-of-fold answers."""
    stage, asked = next(stage for stage in plan.stages if stage.depth == 0), plan.request.loop
    if solution is None:  # an earlier process solved it
        solution = solved_head.solve(
            stage.tail, asked.target, features[0], asked, plan.choices.views, use_val=True, check=keeper.stop.check
        )
    facts = solved_head.refit(stage.tail, solution, asked.target)
    target = clf.spec.target
    if "temperature" in facts:
        target = dataclasses.replace(target, temperature=facts["temperature"])
    learned = data.val.digest(clf.spec.input.kind)
    clf.spec = dataclasses.replace(clf.spec, target=target, learned_val=learned)
    plan.request.telling.say(
        f"the head was fitted once more, to all {facts['examples']:,} examples of train and val "
        f"(out-of-fold loss {facts['loss']:.4f})"
    )
    return facts


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
