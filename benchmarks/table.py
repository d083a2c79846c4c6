"""Compose the Markdown of all results. What was not run is said to be not run."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import figures
from figures import Bar, Estimate, Records

MISSING = "not run"
BUSY = 0.25  # share of the cores that others took, from which on seconds mean nothing
TITLES = {
    "pictures": "Pictures: trashnet at 224 px, EfficientNet-lite0, 10 epochs frozen + 5 with two stages opened",
    "texts": "Texts: banking77, 64 tokens, MiniLM-L6, 10 epochs frozen + 3 with three of six layers opened",
    "vgg": "VGG16 + Flatten + Dense, random weights, 500 photographs at 224 px, 10 epochs + 5 with block 5 opened",
}
ROWS = {
    "tlkit": "**tlkit**",
    "second": "tlkit, second run on the same data",
    "keras": "plain Keras, as the guide writes it",
    "keras-onednn": "plain Keras, with TF_ENABLE_ONEDNN_OPTS=1 as tlkit sets it",
    "kerashub": "KerasHub task",
    "torch": "PyTorch",
    "torch-trim": "PyTorch, padded to the longest of the batch",
    "floor": "floor: bare frozen pass + bare tail steps",
}
HIDDEN = {
    "pictures": ("torch-trim",),
    "texts": (),
    "vgg": ("second", "keras-onednn", "kerashub", "torch", "torch-trim", "floor"),
}
INTRODUCTION = """\
Written by `make bench`; see `benchmarks/bench.py`. Same machine, same examples, one process after the other. The clock
is the training from call to return, decoding included, files in the file cache; imports and model building are not.
No augmentation. All validate after each epoch (the floor does not). Figures marked * were timed over {short} epochs and
scaled: what is missing is added at the mean of the epochs after the first, or at the first without its start-up. In
brackets: the spread, over runs and epochs, from the lowest to the highest. Memory is the peak of anonymous memory."""


def load(results: Path) -> dict[str, Any]:
    """Read the record of every step that was run: step -> record."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(results.glob("*.json"))}
    return {name: record for name, record in found.items() if record}


def compose(records: Records) -> str:
    """Write the whole document."""
    parts = ["# Benchmarks", INTRODUCTION.format(short=_short(records)), _machine(records)]
    parts += ["## Against the bars", _bars(records)]
    for workload, title in TITLES.items():
        parts += [f"## {title}", _speed(records, workload)]
    parts += [
        "## Test accuracy",
        _accuracy(records),
        "## Half precision",
        _half(records),
        "## What augmentation costs",
        _light(records),
    ]
    parts += ["## Scale", _scale(records), "## The full, unscaled run of plain Keras", _full(records)]
    return "\n\n".join(parts) + "\n"


def _short(records: Records) -> str:
    ran = {"+".join(map(str, record["ran"])) for record in records.values() if figures.is_scaled(record)}
    return " or ".join(sorted(ran)) or "2+1"


def _machine(records: Records) -> str:
    if not records:
        return f"Nothing was measured yet: every figure below is {MISSING}."
    lines = []
    if any(record.get("limit") for record in records.values()):
        lines.append("**A smoke run on a few examples: the figures mean nothing.**")
    machines = {_one_machine(record["machine"]) for record in records.values()}
    if len(machines) > 1:
        lines.append("**The steps were run on different machines: do not compare them.**")
    versions: dict[str, set[str]] = {}
    for record in records.values():
        for name, version in record["versions"].items():
            versions.setdefault(name, set()).add(version)
    known = ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in versions.items())
    busy = {step: record["machine"]["others"] for step, record in records.items()}
    timed = [share for step, share in busy.items() if "-once-" not in step and share <= BUSY]
    others = f"Other processes used up to {100 * max(timed, default=0):.0f} % of the cores during a step that is timed."
    if loud := [step for step, share in busy.items() if share > BUSY]:
        others += f" More than {100 * BUSY:.0f} % during {', '.join(loud)}: their seconds are too long by as much."
    return "\n".join([*lines, f"{'; '.join(sorted(machines))}. {known}. {others}"])


def _one_machine(facts: Mapping[str, Any]) -> str:
    flags = ", ".join(facts["flags"]) or "none of the vector units asked for"
    return f"{facts['processor']}, {facts['cores']} cores ({flags}), {facts['memory_gb']} GB, Python {facts['python']}"


# === Cells ===


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(value: Estimate | None, digits: int = 1, unit: str = "") -> str:
    """Write a figure with its spread."""
    if value is None:
        return MISSING
    low, mid, high = (f"{number:.{digits}f}" for number in (value.low, value.mid, value.high))
    return f"{mid}{unit}" if low == high else f"{mid}{unit} ({low} to {high})"


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.2f} %"


# === Tables ===


def _bars(records: Records) -> str:
    return markdown(("figure", "measured", "bar", "met"), [_bar(bar) for bar in figures.bars(records)])


def _bar(bar: Bar) -> list[str]:
    bound = f"{'>=' if bar.least else '<='} {bar.bound:.{bar.digits}f}" + (f" ({bar.note})" if bar.note else "")
    return [bar.what, figure(bar.value, bar.digits), bound, {None: MISSING, True: "yes", False: "**no**"}[bar.met]]


def _speed(records: Records, workload: str) -> str:
    head = ("", "phase 1, s", "phase 2, s", "both, s", "each epoch, s", "memory, MB", "test accuracy")
    head = (*head, "phase 1 / tlkit", "both / tlkit")
    rows = [_row(records, workload, who) for who in ROWS if who not in HIDDEN[workload]]
    return markdown(head, rows)


def _row(records: Records, workload: str, who: str) -> list[str]:
    mine = figures.ours(records, workload)
    runs = mine if who == "tlkit" else figures.runs(records, f"{workload}-{who}")
    if not runs:
        return [ROWS[who], *[MISSING] * 8]
    times = [figures.seconds(runs, phase) for phase in (0, 1, None)]
    star = "*" if any(map(figures.is_scaled, runs)) else ""
    memory = f"{max(run['memory_mb']['peak'] for run in runs):,}"
    ratios = [figures.ratio(time, figures.seconds(mine, phase)) for time, phase in ((times[0], 0), (times[2], None))]
    cells = [figure(ratio, 2) for ratio in ratios] if who != "tlkit" else ["1", "1"]
    learned = _learned(records, workload, who)
    return [ROWS[who], *(figure(time, 1, star) for time in times), _epochs(runs[0]), memory, learned, *cells]


def _learned(records: Records, workload: str, who: str) -> str:
    """Write the mean test accuracy over the seeds; nothing for who was not run to the end on purpose."""
    if workload not in figures.SEEDED or who not in ("tlkit", "keras"):
        return ""
    found = [row[1 if who == "tlkit" else 2] for row in figures.accuracies(records, workload)]
    there = [value for value in found if value is not None]
    missing = f" ({len(there)} of {len(found)} seeds)" if there and len(there) < len(found) else ""
    return _percent(statistics.fmean(there) if there else None) + missing


def _epochs(record: Mapping[str, Any]) -> str:
    """Write the seconds of every epoch of a run: phase 1 | phase 2."""
    phases = [[f"{e['seconds']:.1f}" for e in record["epochs"] if e["phase"] == phase] for phase in (0, 1)]
    return " / ".join(" ".join(phase) for phase in phases)


def _accuracy(records: Records) -> str:
    rows = []
    for workload in figures.SEEDED:
        for seed, mine, theirs in figures.accuracies(records, workload):
            both = None not in (mine, theirs)
            gap = f"{100 * (mine - theirs):+.2f}" if both else MISSING
            rows.append([f"{workload}, seed {seed}", _percent(mine), _percent(theirs), gap])
        given = figures.paired(records, workload)
        mean = f"{given[0]:+.2f} +- {given[1]:.2f}" if given else MISSING
        rows.append([f"{workload}, mean of the paired differences +- its standard error", "", "", mean])
    note = (
        "The seed draws the splits, the head's first weights and the order; the test split of banking77 is given. But "
        "for pictures, seed 0, plain Keras computes its frozen base once for phase 1, the guide's other way: the same "
        "in less time."
    )
    return markdown(("", "tlkit", "plain Keras", "difference, points"), rows) + f"\n\n{note}"


def _half(records: Records) -> str:
    """Compare seed 0 as `auto` chooses with float32, with features stored as float16, and with bfloat16 throughout."""
    kinds = (("tlkit-0", "auto"), ("float32", "float32"), ("float16", "stored as float16"), ("bfloat16", "bfloat16"))
    rows = []
    for workload in figures.SEEDED:
        for step, title in kinds:
            found = records.get(f"{workload}-{step}")
            cells = [MISSING] * 3
            if found:
                choices = found["extra"]["settings"]["choices"]
                kept = ", ".join(dict.fromkeys(choices["stores"].values()))
                steps = ", ".join(dict.fromkeys(choices["tails"][depth] for depth in choices["stores"] if depth != "0"))
                cells = [
                    f"{choices['precision']}; {steps}; {kept}",
                    _percent(found["accuracy"]),
                    f"{found['seconds']:.1f}" if found["machine"]["others"] <= BUSY else "beside other work",
                ]
            rows.append([f"{workload}, {title}", *cells])
    note = "bfloat16 is slow on processors without units for it, and `auto` does not choose it there."
    return (
        markdown(("seed 0", "frozen part; steps of phase 2; stored as", "test accuracy", "both phases, s"), rows)
        + f"\n\n{note}"
    )


def _light(records: Records) -> str:
    """Compare `light` with no augmentation: tlkit with K stored views, plain Keras with a new one in each epoch."""
    rows = []
    for who, title, none in (
        ("tlkit", "tlkit, light, {views} stored views", figures.ours(records, "pictures")),
        ("keras", "plain Keras, light, anew in each epoch", figures.runs(records, "pictures-keras")),
    ):
        light = figures.runs(records, f"light-{who}")
        views = light[0]["extra"].get("settings", {}).get("views", "K") if light else "K"
        with_it, without = figures.seconds(light), figures.seconds(none)
        star = "*" if light and figures.is_scaled(light[0]) else ""
        accuracy = _percent(light[0]["accuracy"]) if light else MISSING
        accuracy = "" if light and light[0]["accuracy"] is None else accuracy
        cells = [figure(without), figure(with_it, 1, star), figure(figures.ratio(with_it, without), 2), accuracy]
        rows.append([title.format(views=views), *cells])
    over = figures.ratio(*(figures.seconds(figures.runs(records, f"light-{who}")) for who in ("keras", "tlkit")))
    rows.append(["plain Keras / tlkit, both augmenting", "", figure(over, 2), "", ""])
    return markdown(("pictures", "none, both phases, s", "light, both phases, s", "light / none", "accuracy"), rows)


def _scale(records: Records) -> str:
    head = ("Fashion-MNIST at 96 px, EfficientNet-lite0, 1 + 1 epochs", "s in all", "ms per image", "RssAnon peak, MB")
    rows = []
    for count in (2000, 60000):
        found = records.get(f"scale-{count}")
        cells = [MISSING] * 3
        if found:
            milli = 1000 * figures.per_image(found)
            cells = [f"{found['seconds']:.1f}", f"{milli:.2f}", f"{found['memory_mb']['peak']:,}"]
        rows.append([f"tlkit.fit, {count:,} images", *cells])
    return markdown(head, rows) + "\n\nPer image of train and val; what is compiled once weighs more on the few."


def _full(records: Records) -> str:
    """Show the log of the unscaled run of plain Keras with seed 0, and its ratio to tlkit with the same seed."""
    full, same, scaled = (figures.runs(records, f"pictures-{who}") for who in ("keras-full-0", "tlkit-0", "keras"))
    value = figures.ratio(figures.seconds(full), figures.seconds(same))
    took = f"{figure(figures.seconds(full), 1, ' s')}; scaled it was {figure(figures.seconds(scaled), 1, ' s')}"
    said = f"pictures: {took}. Over tlkit with the same seed: {figure(value, 2)}."
    if any(run["machine"]["others"] > BUSY for run in full):
        said += " It ran beside other work, so these seconds are no measurement; the losses are."
    lines = [_log(epoch) for run in full for epoch in run["epochs"]]
    return "\n".join([said, "", "```", *lines, "```"]) if lines else said


def _log(epoch: Mapping[str, Any]) -> str:
    figures_ = "  ".join(f"{key} {epoch[key]:.4f}" for key in ("loss", "val_loss", "val_accuracy") if key in epoch)
    return f"phase {epoch['phase'] + 1}  epoch {epoch['epoch']:>2}  {epoch['seconds']:7.1f} s  {figures_}"
