"""Report of a regression: its errors beside those of the mean, a table for the terminal, a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tlkit.errors import InputError
from tlkit.evaluation import plots, significance
from tlkit.evaluation.report_base import WORST, Measured
from tlkit.utils import text_format

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 40  # of the histogram of errors
# figures, as they are called for readers; R2 is None where it cannot be told
NAMES = {"mae": "MAE", "rmse": "RMSE", "r2": "R2", "median_absolute_error": "median absolute error"}


@dataclass(frozen=True, eq=False, kw_only=True)
class ValueReport(Measured):
    """Hold what was measured on one split of a model that answers a number.

    Besides the fields of `Measured`, where `loss` is the mean squared error, divided by the variance in training:

    Args:
        mae, rmse, median_absolute_error: mean absolute error, root of the mean squared error, median absolute error, in
            the unit of the data.
        r2: the share of the variance that is explained, 1 at best; None where all true values are the same.
        trivial: the same four figures of who always answers `mean`.
        mean: of the training examples.
        spread: the least and the greatest true value, and the standard deviation.
        y_true: the true values (n,); None after loading.
        values: the answers (n,); None after loading.
    """

    target: ClassVar[str] = "value"
    tested: ClassVar[str] = "error"
    chosen: ClassVar[str] = "The answers that are furthest from the truth."
    drawn: ClassVar[str] = "answers by truth, and their errors"
    hidden: ClassVar[tuple[str, ...]] = ("y_true", "values", "samples")
    mae: float
    rmse: float
    r2: float | None
    median_absolute_error: float
    trivial: Mapping[str, float | None]
    mean: float
    spread: Sequence[float]
    y_true: np.ndarray | None = None
    values: np.ndarray | None = None

    @classmethod
    def of(cls, target: Any, truth: np.ndarray, answers: Sequence[np.ndarray], facts: Mapping[str, Any]) -> ValueReport:
        """Compare answered with true values.

        Raises:
            InputError: shapes that do not fit, or numbers that are not finite.
        """
        truth, given = np.asarray(truth, np.float64), np.concatenate(answers).astype(np.float64)
        if given.ndim == 2 and given.shape[1] == 1:
            given = given[:, 0]
        if truth.ndim != 1 or not len(truth) or given.shape != truth.shape:
            raise InputError(f"{truth.shape} true values and {given.shape} answers; give one of each for every example")
        if not np.isfinite(truth).all() or not np.isfinite(given).all():
            raise InputError("values hold NaN or infinity: the training diverged; lower the learning rate")
        return cls(
            labels=target.labels,
            n=len(truth),
            loss=float(np.square((given - truth) / target.scale).mean()),
            **_errors(truth, given),
            trivial=_errors(truth, np.full(len(truth), target.mean)),
            mean=float(target.mean),
            spread=(float(truth.min()), float(truth.max()), float(truth.std())),
            y_true=truth,
            values=given,
            **facts,
        )

    @property
    def figures(self) -> dict[str, float]:
        """MAE, RMSE, R2 where it can be told, median absolute error and loss."""
        return {name: value for name in (*NAMES, "loss") if (value := getattr(self, name)) is not None}

    def lines(self) -> list[str]:
        """Write the figures beside those of who always answers the mean of the training examples."""
        low, high, deviation = self.spread
        always = f"always {self.mean:.6g}"
        rows = [(said, getattr(self, name), self.trivial[name]) for name, said in NAMES.items()]
        width = max(len(said) for said in NAMES.values())
        return [
            f"{self.labels[0]}: {low:.6g} to {high:.6g}, standard deviation {deviation:.4g}",
            "",
            f"{'':<{width}}  {'model':>12}  {always:>18}",
            *(f"{said:<{width}}  {_told(said, own):>12}  {_told(said, other):>18}" for said, own, other in rows),
        ]

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the intervals of all headline figures; nothing after loading."""
        if self.y_true is None or self.values is None:
            return {}
        truth, off = self.y_true, self.values - self.y_true
        share = self.loss / max(np.square(off).mean(), 1e-300)

        def figures(rows: np.ndarray) -> dict[str, float]:
            absolute, squared = np.abs(off[rows]), np.square(off[rows]).mean()
            found = {"mae": absolute.mean(), "rmse": np.sqrt(squared), "median_absolute_error": np.median(absolute)}
            if self.r2 is not None:
                found["r2"] = 1 - squared / max(truth[rows].var(), 1e-300)
            return {name: float(value) for name, value in (found | {"loss": share * squared}).items()}

        return significance.bootstrap(figures, self.n)

    @property
    def each(self) -> Mapping[str, np.ndarray]:
        """The absolute error of each answer; nothing after loading."""
        return {} if self.y_true is None or self.values is None else {"error": np.abs(self.values - self.y_true)}

    def worst(self, items: Sequence[Any] = ()) -> list[tuple[int, str, str, str]]:
        """Return the answers that are furthest from the truth."""
        if self.y_true is None or self.values is None:
            return []
        off = self.values - self.y_true
        chosen = np.argsort(-np.abs(off), kind="stable")[:WORST]
        return [(int(n), f"{self.y_true[n]:.6g}", f"{self.values[n]:.6g}", f"off by {off[n]:+.4g}") for n in chosen]

    def figure_of(self) -> Figure | None:
        """Draw the answers over the true values and the errors, where the answers are at hand."""
        return None if self.y_true is None else _figure(self)

    def draw(self, folder: Path) -> None:
        """Write values.png, where the answers are at hand."""
        if self.y_true is not None:
            plots.write(_figure(self), folder / "values.png")

    @classmethod
    def restored(cls, found: dict[str, Any]) -> ValueReport:
        """Build the report from its JSON values."""
        return super().restored(found | {"spread": tuple(found["spread"])})

    def _about(self) -> str:
        return f"value {self.labels[0]}"


def _errors(truth: np.ndarray, given: np.ndarray) -> dict[str, float | None]:
    from sklearn import metrics

    return {
        "mae": float(metrics.mean_absolute_error(truth, given)),
        "rmse": float(metrics.root_mean_squared_error(truth, given)),
        "r2": float(metrics.r2_score(truth, given)) if len(np.unique(truth)) > 1 else None,
        "median_absolute_error": float(metrics.median_absolute_error(truth, given)),
    }


def _told(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if name == "R2" else f"{value:.4g}"


def _figure(report: ValueReport) -> Figure:
    """Draw the answers over the true values, and how the errors are spread."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    ends = [min(report.y_true.min(), report.values.min()), max(report.y_true.max(), report.values.max())]
    left.plot(ends, ends, color="0.35", linestyle=":", label="right")
    left.axhline(report.mean, color="tab:orange", linewidth=1, label="mean of training")
    size = float(np.clip(2000 / report.n, 3, 30))
    left.scatter(report.y_true, report.values, s=size, alpha=0.5, color="tab:blue", edgecolors="none")
    left.set(title=f"{report.split}: {report.n} examples, MAE {report.mae:.4g}")
    left.set_xlabel("truth: " + text_format.short(report.labels[0]), parse_math=False)
    left.set_ylabel("answer")
    left.legend(loc="upper left", frameon=False)
    right.hist(report.values - report.y_true, bins=BINS, color="tab:blue", alpha=0.7)
    right.axvline(0, color="0.35", linestyle=":")
    right.set(xlabel="answer minus truth", ylabel="examples")
    for axes in (left, right):
        axes.grid(alpha=0.25)
    return figure
