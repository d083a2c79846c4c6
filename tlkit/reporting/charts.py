"""Charts of the report page: inline SVG that takes its colours from the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tlkit.evaluation import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#0f0e0d"  # drawn in this, shown in the colour of the page's text, be it dark or light
FADED = "#808080"  # seen on both
DECORATED = ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color")
STYLE = dict.fromkeys(DECORATED, INK) | {
    "svg.fonttype": "none",  # letters stay letters: small, and readable by machines
    "font.family": "sans-serif",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def svg(draw: Callable[[], Figure | None], about: str) -> Markup:
    """Draw a figure as an SVG element.

    Args:
        draw: makes the figure; where it makes none, nothing is drawn.
        about: what it shows, for those who cannot see it, as plain text; also keeps its parts apart from others'.
    """
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": about}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = draw()
        if figure is None:
            return Markup()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = out.getvalue()
    drawn = drawn[drawn.index("<svg") :].replace(INK, "currentColor")
    drawn = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", drawn, flags=re.DOTALL)
    label = Markup('<svg role="img" aria-label="{}" ').format(about)
    # Matplotlib escapes the words of a figure.
    return Markup(drawn.replace("<svg ", label, 1))


def curve(history: Sequence[Any], name: str) -> Figure:
    """Draw one figure over all epochs, phase after phase, the unfreezing marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    plots.draw_curve(figure.subplots(), history, name)
    return figure


def amounts(curve: Sequence[Any], figure: str) -> Figure:
    """Draw a figure on the validation split over the number of training examples, from `tlkit.learning_curve`."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    drawn = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = drawn.subplots()
    counts = [row["examples"] for row in curve]
    axes.plot(counts, [row[f"val_{figure}"] for row in curve], "o-", color=plots.COLOURS["validation"], markersize=5)
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="training examples", ylabel=f"{figure}, validation")
    axes.grid(alpha=0.25)
    return drawn


def reliability(bins: Sequence[Any]) -> Figure:
    """Draw how often answers are right against how sure they are; the larger a dot, the more answers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color=FADED, label="as it should be")
    most = max(group["examples"] for group in bins)
    sure, right = ([group[name] for group in bins] for name in ("confidence", "accuracy"))
    axes.plot(sure, right, "-", color=plots.COLOURS["validation"], linewidth=1)
    sizes = [12 + 120 * group["examples"] / most for group in bins]
    axes.scatter(sure, right, sizes, color=plots.COLOURS["validation"], alpha=0.8)
    axes.set(xlabel="how sure", ylabel="how often right", xlim=(0, 1.03), ylim=(-0.03, 1.05))
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", frameon=False)
    return figure
