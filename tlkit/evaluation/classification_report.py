"""Report of a classifier: figures from arrays, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tlkit.errors import InputError
from tlkit.evaluation import calibration, plots, rare_class, significance
from tlkit.evaluation.report_base import WORST, Measured
from tlkit.utils import text_format
from tlkit.utils.files import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE_ROWS = 20  # beyond this many classes a terminal shows only the worst ones
TOP_K = (3, 5)
LEADING = ("average_precision", "recall_at_precision_0.9")
SMALLEST = 1e-7  # the probability below which Keras, too, clips before it takes the logarithm
SLACK = 0.02  # how far a row of probabilities may be from 1: a softmax in bfloat16 is off by nearly this much


@dataclass(frozen=True, eq=False, kw_only=True)
class Report(Measured):
    """Hold what was measured on one split of a classifier with one label for each example.

    Besides the fields of `Measured`, where `loss` is the mean cross-entropy in nats:

    Args:
        accuracy: the share answered right, 0..1.
        macro_f1: the mean F1 of the classes that occur in the split or among the answers, 0..1.
        top_k: k -> the share whose true class is among the k most probable, for each k below the number of classes.
        per_class: for each class its label, precision, recall, f1 and support (the number of its examples).
        calibration: whether the probabilities can be believed, as `calibration.facts` describes it: the temperature,
            the expected calibration error (ece) with it and before, groups by confidence, and a table of thresholds.
        confusion: counts (classes, classes); a row is a true class, a column an answer.
        rare: of two classes, one of which is rare, its `label` and what `rare_class.figures` measures; else None.
        y_true: the true classes (n,); None after `Report.load`.
        probabilities: the answers (n, classes); None after `Report.load`.
    """

    target: ClassVar[str] = "label"
    tested: ClassVar[str] = "right"
    chosen: ClassVar[str] = "The wrong answers that the model was most sure of."
    drawn: ClassVar[str] = "precision by recall"
    hidden: ClassVar[tuple[str, ...]] = ("y_true", "probabilities", "samples")
    accuracy: float
    macro_f1: float
    top_k: Mapping[int, float]
    per_class: Sequence[Mapping[str, Any]]
    confusion: np.ndarray
    rare: Mapping[str, Any] | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)
    y_true: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    @classmethod
    def of(cls, target: Any, truth: np.ndarray, answers: Sequence[np.ndarray], facts: Mapping[str, Any]) -> Report:
        """Compare probabilities with the true classes."""
        return score(truth, np.concatenate(answers), target.labels, temperature=target.temperature, **facts)

    @property
    def figures(self) -> dict[str, float]:
        """Accuracy, macro-F1 and loss; before them, where one of two classes is rare, how well it is found."""
        first = {name: self.rare[name] for name in LEADING} if self.rare else {}
        return first | {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "loss": self.loss}

    def lines(self) -> list[str]:
        """Write the figures; of many classes the 20 worst by F1, which it says.

        Where one class has more than three times as many examples as another, macro-F1 and balanced accuracy (the mean
        recall of the classes) come first.
        """
        figures = {"accuracy": self.accuracy, "macro-F1": self.macro_f1, "loss": self.loss}
        support = [row["support"] for row in self.per_class if row["support"]]
        if max(support) > rare_class.UNEVEN * min(support):  # accuracy then says little of the rare classes
            recalls = [row["recall"] for row in self.per_class if row["support"]]
            figures = {"macro-F1": self.macro_f1, "balanced accuracy": float(np.mean(recalls)), **figures}
        figures |= {f"top-{k}": share for k, share in self.top_k.items()}
        rows = list(self.per_class)
        if len(rows) > TABLE_ROWS:
            rows = sorted((r for r in rows if r["support"]), key=lambda row: row["f1"])[:TABLE_ROWS]
        width = max(len("class"), *(len(text_format.short(row["label"])) for row in rows))
        lines = [
            *(rare_class.lines(self.rare["label"], self.rare) if self.rare else []),
            "   ".join(f"{name} {value:.3f}" for name, value in figures.items()),
            "",
            f"{'class':<{width}}  precision  recall     f1  examples",
            *(_row(row, width) for row in rows),
        ]
        if len(rows) < len(self.per_class):
            lines.append(f"(the {len(rows)} worst of {len(self.per_class)} classes by f1)")
        return [*lines, *calibration.lines(self.calibration)]

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95 % bootstrap intervals of accuracy, macro-F1 and loss; nothing after `Report.load`."""
        if self.y_true is None or self.probabilities is None:
            return {}
        guess = self.probabilities.argmax(axis=1)
        return significance.of_classes(self.y_true, guess, self.each["loss"], len(self.labels))

    @property
    def each(self) -> Mapping[str, np.ndarray]:
        """Whether each answer is right, and its loss; nothing after `Report.load`."""
        if self.y_true is None or self.probabilities is None:
            return {}
        losses = -np.log(np.clip(self.probabilities[np.arange(self.n), self.y_true], SMALLEST, 1))
        return {"right": self.probabilities.argmax(axis=1) == self.y_true, "loss": losses}

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The figures of each class."""
        return self.per_class

    def figure_of(self) -> Figure | None:
        """Draw the precision of a rare class against its recall, where there is one."""
        return plots.precision_recall_figure(self) if self.rare and self.probabilities is not None else None

    def worst(self, items: Sequence[Any] = ()) -> list[tuple[int, str, str, str]]:
        """Return the wrong answers that the model was most sure of."""
        if self.y_true is None or self.probabilities is None:
            return []
        guess, sure = self.probabilities.argmax(axis=1), self.probabilities.max(axis=1)
        wrong = np.flatnonzero(guess != self.y_true)
        chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:WORST]
        names = self.labels
        return [(int(n), names[self.y_true[n]], names[guess[n]], f"{sure[n]:.1%}") for n in chosen]

    def draw(self, folder: Path) -> None:
        """Write confusion.png and, where one of two classes is rare, precision_recall.png."""
        plots.write(plots.confusion_figure(self), folder / "confusion.png")
        (folder / "precision_recall.png").unlink(missing_ok=True)  # an older report's
        if (figure := self.figure_of()) is not None:
            plots.write(figure, folder / "precision_recall.png")

    @classmethod
    def restored(cls, found: dict[str, Any]) -> Report:
        """Build the report from its JSON values."""
        ranks = {int(k): share for k, share in found["top_k"].items()}
        return super().restored(found | {"top_k": ranks, "confusion": np.array(found["confusion"], dtype=int)})


# === Figures from arrays ===


def score(
    y_true: Sequence[int] | np.ndarray,
    probabilities: np.ndarray,
    labels: Sequence[str],
    *,
    temperature: float = 1.0,
    split: str = "test",
    history: Sequence[Mapping[str, Any]] = (),
    seconds: float = 0.0,
    notes: Sequence[str] = (),
) -> Report:
    """Compare answers with the truth.

    Args:
        y_true: the true classes (n,), as positions in `labels`.
        probabilities: the answers (n, classes); each row sums to 1.
        labels: the names of the classes.
        temperature: by which the scores of these answers were divided.
        split, history, seconds, notes: kept in the report as they are.

    Raises:
        InputError: shapes that do not fit, classes out of range, or rows that are not probabilities.
    """
    from sklearn import metrics

    truth, answers = _checked(y_true, probabilities, labels)
    classes = np.arange(len(labels))
    guess = answers.argmax(axis=1)
    each = metrics.precision_recall_fscore_support(truth, guess, labels=classes, zero_division=0)
    columns = ("label", "precision", "recall", "f1", "support")
    own = answers[np.arange(len(truth)), truth]  # what each true class was given
    ranks = {k: metrics.top_k_accuracy_score(truth, answers, k=k, labels=classes) for k in TOP_K if k < len(labels)}
    return Report(
        labels=tuple(map(str, labels)),
        split=split,
        n=len(truth),
        accuracy=float(metrics.accuracy_score(truth, guess)),
        macro_f1=float(metrics.f1_score(truth, guess, average="macro", zero_division=0)),
        loss=float(-np.log(np.clip(own, SMALLEST, 1)).mean()),
        top_k={k: float(share) for k, share in ranks.items()},
        per_class=[plain(dict(zip(columns, row, strict=True))) for row in zip(map(str, labels), *each, strict=True)],
        confusion=metrics.confusion_matrix(truth, guess, labels=classes),
        rare=_rare(truth, answers, labels),
        calibration=calibration.facts(truth, answers, temperature),
        history=tuple(history),
        seconds=seconds,
        notes=(*notes, *_absent(labels, each[3])),
        y_true=truth,
        probabilities=answers,
    )


def _absent(labels: Sequence[str], supports: np.ndarray) -> list[str]:
    absent = [str(label) for label, support in zip(labels, supports, strict=True) if not support]
    return [f"no example in this split of: {text_format.short(', '.join(absent), 120)}"] if absent else []


def _rare(truth: np.ndarray, answers: np.ndarray, labels: Sequence[str]) -> dict[str, Any] | None:
    place = rare_class.positive(truth, len(labels))
    return (
        None
        if place is None
        else {"label": str(labels[place]), **rare_class.figures(truth == place, answers[:, place])}
    )


def _checked(y_true: Any, probabilities: Any, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    truth, answers = np.asarray(y_true), np.asarray(probabilities, dtype=np.float64)
    k, different = len(labels), len(set(map(str, labels)))
    if different < max(k, 2):
        raise InputError(f"{k} labels, {different} of them different; give two or more different names")
    if truth.ndim != 1 or not len(truth) or not np.issubdtype(truth.dtype, np.integer):
        raise InputError(f"y_true has shape {truth.shape} and type {truth.dtype}; give one class number per example")
    if answers.shape != (len(truth), k):
        raise InputError(f"probabilities have shape {answers.shape}; these labels need {(len(truth), k)}")
    if truth.min() < 0 or truth.max() >= k:
        raise InputError(f"y_true holds {truth.min()}..{truth.max()}; the class numbers of {k} labels are 0..{k - 1}")
    if not np.isfinite(answers).all():
        raise InputError("probabilities hold NaN or infinity: the training diverged; lower the learning rate")
    if answers.min() < 0 or abs(answers.sum(axis=1) - 1).max() > SLACK:
        raise InputError("rows of probabilities are below 0 or do not sum to 1; apply softmax to logits before scoring")
    return truth, answers


def _row(row: Mapping[str, Any], width: int) -> str:
    name = f"{text_format.short(row['label']):<{width}}"
    return f"{name}  {row['precision']:>9.3f}  {row['recall']:>6.3f}  {row['f1']:>5.3f}  {row['support']:>8}"
