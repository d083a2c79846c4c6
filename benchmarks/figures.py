"""From the steps' JSONs to figures: scaled times, ratios with their spread, accuracy, and the bars they are held to."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

SEEDS = (0, 1, 2)
SEEDED = ("pictures", "texts")  # the workloads that are trained with every seed
Records = Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Hold a figure with its spread: the lowest, the middle and the highest value."""

    low: float
    mid: float
    high: float

    def over(self, other: Estimate) -> Estimate:
        """Divide; the spread is the widest that both allow."""
        return Estimate(self.low / other.high, self.mid / other.mid, self.high / other.low)

    def plus(self, other: Estimate) -> Estimate:
        """Add."""
        return Estimate(self.low + other.low, self.mid + other.mid, self.high + other.high)


def exactly(value: float) -> Estimate:
    """Return a figure without spread."""
    return Estimate(value, value, value)


# === Times ===


def phase_seconds(record: Mapping[str, Any], phase: int) -> Estimate:
    """Return the seconds of one phase over all planned epochs.

    What was not run is added at the mean (least, most) of the epochs after the first; where only the first was run, at
    its time without its start-up, so that neither tracing nor decoding is scaled.
    """
    epochs = [epoch for epoch in record["epochs"] if epoch["phase"] == phase]
    missing, measured = record["planned"][phase] - len(epochs), record["phase_seconds"][phase]
    if missing <= 0:
        return exactly(measured)
    later = [epoch["seconds"] for epoch in epochs[1:]] or [epochs[0]["seconds"] - epochs[0]["startup"]]
    return Estimate(*(measured + missing * each(later) for each in (min, statistics.fmean, max)))


def seconds(runs: Sequence[Mapping[str, Any]], phase: int | None = None) -> Estimate | None:
    """Return the seconds of a phase, or of both: the median of several runs, and the spread of all; None for no run."""
    if not runs:
        return None
    found = [
        phase_seconds(run, 0).plus(phase_seconds(run, 1)) if phase is None else phase_seconds(run, phase)
        for run in runs
    ]
    mid = statistics.median(one.mid for one in found)
    return Estimate(min(one.low for one in found), mid, max(one.high for one in found))


def is_scaled(record: Mapping[str, Any]) -> bool:
    """Tell whether fewer epochs were run than the figures are about."""
    return list(record["ran"]) != list(record["planned"])


def runs(records: Records, *names: str) -> list[Mapping[str, Any]]:
    """Return the records of those of these steps that were run."""
    return [records[name] for name in names if name in records]


def ours(records: Records, workload: str) -> list[Mapping[str, Any]]:
    """Return the timed first runs of tlkit."""
    return runs(records, f"{workload}-tlkit", *(f"{workload}-tlkit-{seed}" for seed in SEEDS))


def ratio(over: Estimate | None, under: Estimate | None) -> Estimate | None:
    """Divide what may not have been run."""
    return over.over(under) if over and under else None


# === Accuracy ===


def accuracies(records: Records, workload: str) -> list[tuple[int, float | None, float | None]]:
    """Return for each seed the test accuracy of tlkit and of plain Keras, None where it was not run."""
    rows = []
    for seed in SEEDS:
        mine = runs(records, f"{workload}-tlkit-{seed}")
        plain = runs(records, f"{workload}-keras-full-{seed}", f"{workload}-keras-once-{seed}")
        rows.append((seed, *(found[0]["accuracy"] if found else None for found in (mine, plain))))
    return rows


def paired(records: Records, workload: str) -> tuple[float, float] | None:
    """Return tlkit minus plain Keras in points, mean and standard error; None where one is missing."""
    given = accuracies(records, workload)
    if any(None in row for row in given):
        return None
    differences = [100 * (mine - theirs) for _, mine, theirs in given]
    return statistics.fmean(differences), statistics.stdev(differences) / math.sqrt(len(differences))


# === Scale ===


def per_image(record: Mapping[str, Any]) -> float:
    """Return the seconds of `fit` for each example of train and val."""
    return record["seconds"] / (record["examples"]["train"] + record["examples"]["val"])


# === Bars ===


@dataclasses.dataclass(frozen=True)
class Bar:
    """Hold one figure against what was promised of it.

    Args:
        what: the figure, in words.
        value: what was measured, None where it was not run.
        bound: what it has to reach.
        least: whether the bound is the least it may be, rather than the most.
        note: said beside it.
        digits: after the decimal point.
    """

    what: str
    value: Estimate | None
    bound: float
    least: bool = False
    note: str = ""
    digits: int = 2

    @property
    def met(self) -> bool | None:
        """Whether the middle value reaches the bound; None where nothing was measured."""
        if self.value is None:
            return None
        return self.value.mid >= self.bound if self.least else self.value.mid <= self.bound


def bars(records: Records) -> list[Bar]:
    """Return every bar."""
    return [
        *_speed(records),
        *_vgg(records),
        *_overhead(records),
        *_second(records),
        *_learned(records),
        *_big(records),
    ]


def _speed(records: Records) -> list[Bar]:
    found = []
    for name in SEEDED:
        mine, plain = ours(records, name), runs(records, f"{name}-keras")
        found.append(Bar(f"{name}: plain Keras / tlkit, both phases", ratio(seconds(plain), seconds(mine)), 5, True))
        first = ratio(seconds(plain, 0), seconds(mine, 0))
        found.append(Bar(f"{name}: plain Keras / tlkit, phase 1", first, 12, True))
    peers = (("pictures-torch", "channels_last", 7), ("texts-torch", "padded to 64", 4))
    for step, how, bound in (*peers, ("texts-torch-trim", "padded to the longest of the batch", 4)):
        name = step.split("-")[0]
        value = ratio(seconds(runs(records, step)), seconds(ours(records, name)))
        found.append(Bar(f"{name}: PyTorch ({how}) / tlkit, both phases", value, bound, True))
    return found


def _vgg(records: Records) -> list[Bar]:
    mine = ours(records, "vgg")
    units = bool(mine) and "amx_bf16" in mine[0]["machine"]["flags"]
    note = f"with{'' if units else 'out'} bfloat16 matrix units" if mine else "15 with bfloat16 matrix units"
    value = ratio(seconds(runs(records, "vgg-keras")), seconds(mine))
    return [Bar("vgg: plain Keras / tlkit, both phases", value, 15 if units else 5, True, note)]


def _overhead(records: Records) -> list[Bar]:
    floors = runs(records, "pictures-floor")
    mine = {"float32": runs(records, "pictures-float32")}
    if floors and (chosen := ours(records, "pictures")):  # where float32 is what `auto` chooses, one row says it all
        mine[chosen[0]["extra"]["settings"]["choices"]["precision"]] = chosen
    found = []
    for kind, records_of in mine.items():
        bare = exactly(floors[0]["extra"]["forward_seconds"][kind]) if floors else None
        what = f"pictures: tlkit phase 1 / one bare forward pass over decoded pictures, both in {kind}"
        found.append(Bar(what, ratio(seconds(records_of, 0), bare), 1.5))
    for name in SEEDED:
        value = ratio(seconds(ours(records, name)), seconds(runs(records, f"{name}-floor")))
        found.append(Bar(f"{name}: tlkit / floor, both phases", value, 1.2))
    return found


def _second(records: Records) -> list[Bar]:
    found = []
    for name in SEEDED:
        first, second = runs(records, f"{name}-tlkit-0"), runs(records, f"{name}-second")
        value = ratio(seconds(second, 0), seconds(first, 0))
        found.append(Bar(f"{name}: phase 1 of a second run / of the first", value, 0.3))
        passed = exactly(second[0]["extra"]["passed"]) if first and second else None
        control = f"{first[0]['extra']['passed']} in the first" if first else ""
        if first and not first[0]["extra"]["passed"]:
            passed, control = None, "the counter saw nothing in the first run either: it is broken"
        found.append(
            Bar(f"{name}: examples that passed the frozen part in the second run", passed, 0, False, control, 0)
        )
    return found


def _learned(records: Records) -> list[Bar]:
    found = []
    for name in SEEDED:
        given = paired(records, name)
        mean, error = given or (0.0, 0.0)
        value = Estimate(mean - error, mean, mean + error) if given else None
        note = "-0.5, less one standard error of the paired difference"
        found.append(Bar(f"{name}: test accuracy, tlkit minus plain Keras, points", value, -0.5 - error, True, note))
    return found


def _big(records: Records) -> list[Bar]:
    small, large = (runs(records, f"scale-{count}") for count in (2000, 60000))
    flat = exactly(per_image(large[0]) / per_image(small[0])) if small and large else None
    budget = large[0]["extra"].get("budget_mb", 0) if large else 0
    peaks = [run[0]["memory_mb"]["peak"] if run else 0 for run in (small, large)]
    more = exactly(peaks[1] - peaks[0]) if small and large else None
    return [
        Bar("seconds per image, 60,000 images / 2,000", flat, 1.15),
        Bar("RssAnon, 60,000 images minus 2,000, MB", more, budget + 200, note=f"budget {budget} + 200", digits=0),
    ]
