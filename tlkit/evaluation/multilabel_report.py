"""Report of a model of tags: figures of each tag and of all, a table for the terminal, a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tlkit.errors import InputError
from tlkit.evaluation import plots, significance
from tlkit.evaluation.report_base import WORST, Measured
from tlkit.tasks.targets import THRESHOLD
from tlkit.utils import text_format
from tlkit.utils.files import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE_ROWS = 20  # beyond this many tags a terminal shows only the worst ones
MAX_PLOTTED_TAGS = 60  # tags that have room in the plot
SMALLEST = 1e-7  # the probability below which Keras, too, clips before it takes the logarithm


@dataclass(frozen=True, eq=False, kw_only=True)
class TagsReport(Measured):
    """Hold what was measured on one split of a model that gives each example any number of tags.

    A tag counts as given from a probability of a half on. Besides the fields of `Measured`, where `loss` is the mean
    binary cross-entropy in nats:

    Args:
        micro_f1: F1 over all decisions, so that frequent tags weigh more, 0..1.
        macro_f1: the mean F1 of the tags that occur in the split or among the answers, 0..1.
        mean_average_precision: the mean average precision of the tags that occur in the split, whatever the threshold,
            0..1.
        subset_accuracy: the share of the examples all of whose tags are right, 0..1.
        hamming_loss: the share of wrong decisions, 0..1.
        per_tag: for each tag its label, precision, recall, f1, average_precision (None where no example has it) and
            support (the number of its examples).
        y_true: the true tags (n, tags); None after loading.
        probabilities: the answers (n, tags); None after loading.
    """

    target: ClassVar[str] = "tags"
    tested: ClassVar[str] = "loss"
    chosen: ClassVar[str] = "The examples with the wrong decisions that the model was most sure of."
    drawn: ClassVar[str] = "F1 of each tag"
    hidden: ClassVar[tuple[str, ...]] = ("y_true", "probabilities", "samples")
    micro_f1: float
    macro_f1: float
    mean_average_precision: float
    subset_accuracy: float
    hamming_loss: float
    per_tag: Sequence[Mapping[str, Any]]
    y_true: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    @classmethod
    def of(cls, target: Any, truth: np.ndarray, answers: Sequence[np.ndarray], facts: Mapping[str, Any]) -> TagsReport:
        """Compare probabilities with the true tags.

        Raises:
            InputError: shapes that do not fit, or numbers that are no probabilities.
        """
        from sklearn import metrics

        truth, given = _checked(truth, np.concatenate(answers), target.labels)
        guess = given >= THRESHOLD
        each = metrics.precision_recall_fscore_support(truth, guess, average=None, zero_division=0)
        ranked = [
            float(metrics.average_precision_score(own, shares)) if own.any() else None
            for own, shares in zip(truth.T, given.T, strict=True)
        ]
        columns = ("label", "precision", "recall", "f1", "support", "average_precision")
        rows = zip(target.labels, *each, ranked, strict=True)
        seen = (truth | guess).any(0)
        known = [share for share in ranked if share is not None]
        micro = metrics.precision_recall_fscore_support(truth, guess, average="micro", zero_division=0)
        right = np.clip(np.where(truth, given, 1 - given), SMALLEST, 1)
        facts = dict(facts) | {"notes": (*facts.get("notes", ()), *_absent(target.labels, truth))}
        return cls(
            labels=target.labels,
            n=len(truth),
            loss=float(-np.log(right).mean()),
            micro_f1=float(micro[2]),
            macro_f1=float(each[2][seen].mean()) if seen.any() else 0.0,
            mean_average_precision=float(np.mean(known)) if known else 0.0,
            subset_accuracy=float((truth == guess).all(1).mean()),
            hamming_loss=float(metrics.hamming_loss(truth, guess)),
            per_tag=[plain(dict(zip(columns, row, strict=True))) for row in rows],
            y_true=truth,
            probabilities=given,
            **facts,
        )

    @property
    def figures(self) -> dict[str, float]:
        """Micro-F1, macro-F1, mean average precision, subset accuracy, Hamming loss and loss."""
        names = ("micro_f1", "macro_f1", "mean_average_precision", "subset_accuracy", "hamming_loss", "loss")
        return {name: getattr(self, name) for name in names}

    def lines(self) -> list[str]:
        """Write the figures; of many tags the 20 worst by F1, which it says."""
        figures = {name.replace("_", " ").replace(" f1", "-F1"): value for name, value in self.figures.items()}
        rows = list(self.per_tag)
        if len(rows) > TABLE_ROWS:
            rows = sorted((row for row in rows if row["support"]), key=lambda row: row["f1"])[:TABLE_ROWS]
        width = max(len("tag"), *(len(text_format.short(row["label"])) for row in rows)) if rows else len("tag")
        lines = [
            "   ".join(f"{name} {value:.3f}" for name, value in figures.items()),
            "",
            f"{'tag':<{width}}  precision  recall     f1  average precision  examples",
            *(_row(row, width) for row in rows),
        ]
        worst = f"(the {len(rows)} worst of {len(self.per_tag)} tags by f1)"
        return lines if len(rows) == len(self.per_tag) else [*lines, worst]

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The figures of each tag."""
        return self.per_tag

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the intervals of all headline figures but the mean average precision; nothing after loading."""
        if self.y_true is None or self.probabilities is None:
            return {}
        guess = self.probabilities >= THRESHOLD
        wrong = self.y_true != guess
        own = np.stack([~wrong.any(1), wrong.mean(1), self.each["loss"]], 1)
        sums = np.concatenate([self.y_true & guess, self.y_true.astype(int) + guess, own], 1)
        return significance.of_sums(sums, lambda total: _counted(total, len(self.labels), self.n))

    @property
    def each(self) -> Mapping[str, np.ndarray]:
        """The loss of each example, the mean over its tags; nothing after loading."""
        if self.y_true is None or self.probabilities is None:
            return {}
        right = np.clip(np.where(self.y_true, self.probabilities, 1 - self.probabilities), SMALLEST, 1)
        return {"loss": -np.log(right).mean(1)}

    def worst(self, items: Sequence[Any] = ()) -> list[tuple[int, str, str, str]]:
        """Return the examples with the wrong decisions that the model was most sure of."""
        if self.y_true is None or self.probabilities is None:
            return []
        guess = self.probabilities >= THRESHOLD
        off = np.where(guess != self.y_true, np.abs(self.probabilities - 0.5), -1.0)
        chosen = [int(place) for place in np.argsort(-off.max(1), kind="stable")[:WORST] if off[place].max() >= 0]
        told = []
        for number in chosen:
            tag = int(off[number].argmax())
            sure = f"{self.labels[tag]}: {self.probabilities[number, tag]:.1%}"
            told.append((number, self._named(self.y_true[number]), self._named(guess[number]), sure))
        return told

    def _named(self, given: np.ndarray) -> str:
        return ", ".join(self.labels[tag] for tag in np.flatnonzero(given)) or "no tag"

    def figure_of(self) -> Figure:
        """Draw F1 and average precision of each tag."""
        return _figure(self)

    def draw(self, folder: Path) -> None:
        """Write tags.png."""
        plots.write(_figure(self), folder / "tags.png")

    def _about(self) -> str:
        return f"{len(self.labels)} tags"


def _counted(total: np.ndarray, tags: int, n: int) -> dict[str, float]:
    """Return figures from sums over n examples: of what is right, of truth and answer together, and three more."""
    hits, both, (subset, hamming, loss) = total[:tags], total[tags : 2 * tags], total[2 * tags :]
    seen = both > 0
    macro = float((2 * hits[seen] / both[seen]).mean()) if seen.any() else 0.0
    micro = float(2 * hits.sum() / both.sum()) if seen.any() else 0.0
    found = {"micro_f1": micro, "macro_f1": macro, "subset_accuracy": subset / n}
    return found | {"hamming_loss": hamming / n, "loss": loss / n}


def _checked(truth: Any, answers: Any, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    truth, answers = np.asarray(truth), np.asarray(answers, np.float64)
    wanted = (len(truth), len(labels))
    if truth.shape != wanted or not len(truth) or not np.isin(truth, (0, 1)).all():
        raise InputError(f"y_true has shape {truth.shape}; give 0 or 1 for each example and each of {len(labels)} tags")
    if answers.shape != wanted:
        raise InputError(f"probabilities have shape {answers.shape}; these tags need {wanted}")
    if not np.isfinite(answers).all():
        raise InputError("probabilities hold NaN or infinity: the training diverged; lower the learning rate")
    if answers.min() < 0 or answers.max() > 1:
        raise InputError("probabilities are below 0 or above 1; apply a sigmoid to logits before scoring")
    return truth.astype(bool), answers


def _absent(labels: Sequence[str], truth: np.ndarray) -> list[str]:
    absent = [label for label, there in zip(labels, truth.any(0), strict=True) if not there]
    return [f"no example in this split has: {text_format.short(', '.join(absent), 120)}"] if absent else []


def _row(row: Mapping[str, Any], width: int) -> str:
    ranked = "" if row["average_precision"] is None else f"{row['average_precision']:.3f}"
    figures = f"{row['precision']:>9.3f}  {row['recall']:>6.3f}  {row['f1']:>5.3f}  {ranked:>17}  {row['support']:>8}"
    return f"{text_format.short(row['label']):<{width}}  {figures}"


def _figure(report: TagsReport) -> Figure:
    """Draw F1 and average precision of each tag, the best on top; of many tags the worst."""
    from matplotlib.figure import Figure

    rows = sorted(report.per_tag, key=lambda row: row["f1"])[:MAX_PLOTTED_TAGS]
    figure = Figure(figsize=(8, 1.6 + 0.28 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(rows))
    axes.barh(places, [row["f1"] for row in rows], color="tab:blue", alpha=0.7, label="F1")
    ranked = [np.nan if row["average_precision"] is None else row["average_precision"] for row in rows]
    axes.plot(ranked, places, "D", color="tab:orange", markersize=5, label="average precision")
    names = [f"{text_format.short(row['label'], 24)} ({row['support']})" for row in rows]
    axes.set_yticks(places, names, fontsize=8, parse_math=False)
    few = f", the {len(rows)} worst" if len(rows) < len(report.per_tag) else ""
    axes.set(xlim=(0, 1.02), title=f"{report.split}: {report.n} examples, {len(report.labels)} tags{few}")
    axes.grid(axis="x", alpha=0.25)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False)
    return figure
