"""Verdicts on a run: what its figures mean, in words, and what to do about them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tlkit.evaluation import plots
from tlkit.evaluation.report_base import Measured
from tlkit.reporting.findings import Finding
from tlkit.utils import text_format

OVERFITTING_GAP = 0.1  # of accuracy between training and validation from which on a model is said to overfit
WORSE = 1.5  # times as large an error, where a value is learned
NEAR = 0.05  # as little above the most frequent class, the frozen base has told the head next to nothing
MIN_TEST_EXAMPLES = 100  # test examples
RARE = 20  # training examples of a class
POOR_RECALL = 0.5  # recall below which a class is named
HELPED = 0.1  # share of the errors that the last doubling of the examples took away
MAX_CALIBRATION_ERROR = 0.05  # expected calibration error


def judge(
    report: Measured,
    phases: Sequence[Mapping[str, Any]] = (),
    data: Any = None,
    amounts: Sequence[Mapping[str, float]] = (),
) -> list[Finding]:
    """Say what stands out in a run, the worst first.

    Args:
        report: what was measured, with the history.
        phases: the records of the phases, as `History.phases` holds them.
        data: what was learned from, where it is at hand.
        amounts: what `tlkit.learning_curve` returned.
    """
    found = [*_fit(report, phases), *_base(report, data), *_trivial(report), *_classes(report, data)]
    found += [*_probabilities(report), *_amount(amounts, data)]
    if report.n < MIN_TEST_EXAMPLES:
        title = f"only {report.n} examples were measured: the figures may be far off"
        found.append(Finding("few", "warning", title, "Set more examples aside for the test split; see the intervals."))
    ordered = sorted(found, key=lambda each: ("error", "warning", "note").index(each.severity))
    nothing = Finding("sound", "note", "nothing stands out", "The usual next step is more, or more varied, examples.")
    return ordered or [nothing]


def _fit(report: Measured, phases: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Look at how training went: overfitting, phases that brought nothing, epochs that ran out."""
    for phase in phases:
        own = [row for row in report.history if row["phase"] == phase["name"]]
        if phase.get("trouble"):
            yield Finding("trouble", "warning", f"phase {phase['name']} stopped early", f"{phase['trouble']}.")
        elif not phase["best_epoch"]:
            title = f"phase {phase['name']} brought no lower validation loss; the weights from before it are kept"
            yield Finding("idle", "note", title, "Try a lower learning rate for it, or leave it out.")
        elif len(own) > 1 and phase["best_epoch"] == len(own):  # early stopping would have come later
            title = f"phase {phase['name']} was still improving when its {len(own)} epochs were over"
            yield Finding("unfinished", "note", title, "Give it more epochs.")
    yield from _overfitting(report, phases)


def _overfitting(report: Measured, phases: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    kept = _kept(report.history, phases)
    name = plots.told(report.history)[1]
    if kept is None or kept.get(name) is None or kept.get(f"val_{name}") is None:
        return
    train, val = kept[name], kept[f"val_{name}"]
    apart = val > WORSE * train if name == "mae" else train - val > OVERFITTING_GAP
    if apart:
        remedy = (
            "It has learned examples by heart. In this order: more examples; stronger augmentation (pictures: "
            "--augment strong); fewer unfrozen blocks; more dropout or weight decay."
        )
        yield Finding("overfit", "warning", f"it overfits: {name} {train:.3f} in training, {val:.3f} on val", remedy)


def _kept(history: Sequence[Mapping[str, Any]], phases: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the record of the epoch whose weights are the model's."""
    for phase in reversed(phases):
        own = [row for row in history if row["phase"] == phase["name"] and row["epoch"] == phase["best_epoch"]]
        if own:
            return own[0]
    return None


def _base(report: Measured, data: Any) -> Iterator[Finding]:
    """See whether the frozen base tells the classes apart, and whether unfreezing helped."""
    first = report.history[0]["phase"] if report.history else None
    frozen = [row.get("val_accuracy") for row in report.history if row["phase"] == first]
    later = [row.get("val_accuracy") for row in report.history if row["phase"] != first]
    if not frozen or None in frozen or report.target != "label":
        return
    best = max(frozen)
    if data is not None and len(data.val):
        most = float(np.bincount(data.val.labels).max() / len(data.val))
        if best < most + NEAR:
            title = (
                f"the base hardly suits these data: frozen it gives {best:.3f}, the commonest class alone {most:.3f}"
            )
            remedy = "Unfreeze more blocks (--unfreeze, or all), with more epochs; or choose another backbone."
            yield Finding("base", "warning", title, remedy)
    if later and None not in later and max(later) > best + NEAR:
        title = f"unfreezing helped much: accuracy on val {best:.3f} with the frozen base, {max(later):.3f} after it"
        yield Finding("unfreeze", "note", title, "More blocks may help further: a larger --unfreeze.")


def _trivial(report: Measured) -> Iterator[Finding]:
    """See whether a model does better than who does not look at the examples."""
    trivial = getattr(report, "trivial", None)
    if trivial and report.mae > (1 - NEAR) * trivial["mae"]:
        title = f"the mean says as much: its mean absolute error is {trivial['mae']:.4g}, the model's {report.mae:.4g}"
        yield Finding("base", "warning", title, "Unfreeze more blocks, train longer, or choose another backbone.")
    lead = getattr(report, "lead", None)
    if lead and report.rouge["rougeL"] < lead["rougeL"]:
        title = f"first sentences say more: ROUGE-L {lead['rougeL']:.3f}, the model's {report.rouge['rougeL']:.3f}"
        yield Finding("base", "warning", title, "Train longer, on more examples, or choose another backbone.")


def _amount(amounts: Sequence[Mapping[str, float]], data: Any) -> Iterator[Finding]:
    """See whether the last doubling of the examples helped more than chance would have it."""
    if len(amounts) < 2 or data is None or not len(data.val):
        return
    less, full = amounts[-2], amounts[-1]
    name = next(name for name in full if name not in ("examples", "val_loss"))
    before, after = less[name], full[name]
    better = 1 - after / before if name == "val_mae" and before > 0 else 0.0
    if name != "val_mae" and before < 1:
        chance = math.sqrt(max(before * (1 - before), 1e-12) / len(data.val))
        better = (after - before) / (1 - before) if after - before > chance else 0.0
    if better > HELPED:
        figure = name.removeprefix("val_")
        title = (
            f"too little data: of {less['examples']:,} training examples the head gets {figure} {before:.3f} on val, "
            f"of {full['examples']:,} {after:.3f}"
        )
        yield Finding("little", "note", title, "The curve still rises: more examples are likely to help further.")


def _classes(report: Measured, data: Any) -> Iterator[Finding]:
    """Name the classes, tags or types that are rare or badly found."""
    poor = [row for row in report.rows if row.get("support") and row["recall"] < POOR_RECALL]
    if poor:
        what = "entities" if report.target == "entities" else "examples"
        title = f"fewer than half of the {what} are found of {_listed([row['label'] for row in poor])}"
        remedy = "Look at the mistakes below; more examples of these help most, or leaving them out."
        yield Finding("poor", "warning", title, remedy, len(poor))
    if data is not None and report.target in ("label", "tags"):
        counts = data.counts()["train"]
        rare = [label for label in data.labels if counts[label] < RARE]
        if rare:
            title = f"fewer than {RARE} training examples of {_listed(rare)}"
            yield Finding("rare", "note", title, "More examples of these are what helps them most.", len(rare))


def _probabilities(report: Measured) -> Iterator[Finding]:
    facts = getattr(report, "calibration", None) or {}
    if facts.get("ece", 0.0) > MAX_CALIBRATION_ERROR:
        title = f"probabilities are off by {facts['ece']:.3f} on average"
        remedy = "Do not take them at their word; a larger validation split makes a better calibration."
        yield Finding("calibration", "note", title, remedy)


def _listed(labels: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(text_format.short(str(label)) for label in labels[:most])
    return shown + (f" and {len(labels) - most} more" if len(labels) > most else "")
