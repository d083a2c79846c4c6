"""Plot the learning curves of all phases, and the confusion matrix."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.utils import files
from tlkit.utils.text_format import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_NUMBERED_CLASSES = 30  # up to this many classes the cells of the confusion matrix have room for numbers
COLOURS = {"training": "tab:orange", "validation": "tab:blue"}


def curves_figure(report: Any) -> Figure:
    """Draw loss and accuracy (or mae) over all epochs, phase after phase, each unfreezing marked by a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), told(report.history), strict=True):
        draw_curve(axes, report.history, name)
    return figure


def told(history: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Name what a history tells of every epoch: the loss, and accuracy or another figure."""
    named = ("accuracy", "mae", "token_accuracy")
    return "loss", next((name for name in named if history and name in history[0]), "accuracy")


def draw_curve(axes: Axes, history: Sequence[Mapping[str, Any]], name: str) -> None:
    """Draw one figure over all epochs, of training and of validation, each unfreezing marked by a line."""
    epochs = np.arange(1, len(history) + 1)
    for key, label, style in ((name, "training", "o--"), (f"val_{name}", "validation", "o-")):
        values = [np.nan if row.get(key) is None else row[key] for row in history]
        axes.plot(epochs, values, style, label=label, markersize=4, color=COLOURS[label])
    axes.set(xlabel="epoch", ylabel=name, xlim=(0.5, len(epochs) + 0.5))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    _mark_phases(axes, [str(row.get("phase", "")) for row in history])
    axes.legend(loc="best", frameon=False)


def _mark_phases(axes: Axes, phases: Sequence[str]) -> None:
    starts = [i for i, phase in enumerate(phases) if i == 0 or phase != phases[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(phases)], strict=True):
        if start:
            axes.axvline(start + 0.5, color="0.5", linestyle=":")
        place = {"x": (start + end + 1) / 2, "y": 1.02, "transform": axes.get_xaxis_transform()}
        axes.text(**place, s=phases[start], ha="center", color="0.5", parse_math=False)


def confusion_figure(report: Any) -> Figure:
    """Draw the confusion matrix: colour is the share of a true class, numbers are counts where they can be read."""
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    counts = report.confusion
    k = len(counts)
    side = float(np.clip(2.6 + 0.55 * k, 5, 11 if k <= MAX_NUMBERED_CLASSES else 20))
    figure = Figure(figsize=(side * 1.08, side), layout="constrained")
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # The root lifts a confusion of a few percent off the background.
    drawn = axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    figure.colorbar(drawn, ax=axes, label="share of the class", shrink=0.8, aspect=30, ticks=(0, 0.05, 0.2, 0.5, 1))
    shown = range(0, k, -(-k // 125))
    names = [short(report.labels[c], 24) for c in shown]
    size = 10 if k <= 10 else 8 if k <= MAX_NUMBERED_CLASSES else 7
    turned = 90 if k * max(map(len, names)) > 45 else 0
    axes.set_xticks(shown, names, rotation=turned, fontsize=size, parse_math=False)
    axes.set_yticks(shown, names, fontsize=size, parse_math=False)
    axes.set(xlabel="answer", ylabel="truth", title=f"{report.split}: {report.accuracy:.1%} of {report.n} right")
    for row, column in np.argwhere(counts) if k <= MAX_NUMBERED_CLASSES else ():
        colour = "white" if share[row, column] > 0.4 else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=size)
    return figure


def precision_recall_figure(report: Any) -> Figure:
    """Draw the precision of a rare class against its recall, over all thresholds."""
    from matplotlib.figure import Figure
    from sklearn import metrics

    place = report.labels.index(report.rare["label"])
    truth = report.y_true == place
    precision, recall, _ = metrics.precision_recall_curve(truth, report.probabilities[:, place])
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    axes.step(recall, precision, where="post", color=COLOURS["validation"])
    axes.axhline(report.rare["share"], color="0.35", linestyle=":")  # scores without sense
    told = f"average precision {report.rare['average_precision']:.3f}"
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title(f"{report.split}: {short(report.rare['label'], 24)}, {told}", parse_math=False)
    axes.grid(alpha=0.25)
    return figure


def write(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file in one step."""
    # A script the font lacks is drawn as boxes: no reason to stop or to warn once a letter.
    with files.atomic(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(temporary, format="png", dpi=110)
