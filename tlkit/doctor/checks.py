"""Check a data set for faults without a model, in seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from tlkit.data.examples import GROUPS, MEMBERS, SPLITS, Examples, gather
from tlkit.data.splits import Data
from tlkit.doctor import target_balance
from tlkit.doctor.leaks import copies
from tlkit.doctor.shortcuts import shortcuts
from tlkit.doctor.target_balance import classes, entity_types
from tlkit.reporting.findings import Finding, Severity
from tlkit.utils.text_format import listed

MIN_SIDE, ORDINARY_SIDE = 32, 64  # pixels: below the one a picture shows little, where most are above the other
OUTLIER_FACTOR = 8  # times smaller or larger than the median short side
LONG_RATIO = 4  # long side to short side: a centre crop keeps a quarter of the picture
MAX_RARE_MODE_SHARE = 0.1  # share up to which another mode is an exception
WARNING_SHARE = 0.01  # share from which what is wrong with single examples is a warning
CUT_WARNING_SHARE = 0.1  # share of texts cut at the sequence length from which it is a warning
GREY_MODES = {b"1", b"L", b"LA", b"La", b"I", b"I;16", b"I;16B", b"I;16L", b"F"}


def check(data: Data, *, tokens: Mapping[str, np.ndarray] | None = None, size: int | None = None) -> list[Finding]:
    """Run all checks that need no model.

    Args:
        data: the data set.
        tokens: split -> tokens of each text, read or not, (n,); of some splits or all.
        size: the most tokens that are read. Without it and `tokens`, cut texts are not reported.

    Returns:
        The findings; `Diagnosis` puts them in order.
    """
    examples = gather(data)
    findings = [*BALANCE_CHECKS.get(data.task, lambda _: [])(examples), *_unreadable(data), *copies(examples)]
    if data.kind == "text":
        findings += [*_short(examples), *_cut(examples, tokens or {}, size)]
    elif examples.seen.looks is not None:
        findings += [*_sizes(examples), *_shapes(examples), *_modes(examples)]
    return [*findings, *shortcuts(examples)]


# === Files and rows ===


def _unreadable(data: Data) -> list[Finding]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, reason in data.unreadable:
        # "12 bytes missing" and "40 bytes missing" are one reason
        groups.setdefault(re.sub(r"\d+", "0", reason), []).append((name, reason))
    if not groups:
        return []
    ordered = sorted(groups.values(), key=len, reverse=True)
    reasons = "; ".join(f"{len(group):,}: {group[0][1]}" for group in ordered[:3])
    unit = "files" if data.kind == "image" else "rows"
    return [
        Finding(
            "unreadable",
            "warning",
            f"{len(data.unreadable):,} {unit} cannot be used and are left out "
            f"({reasons}{'; ...' * (len(ordered) > 3)})",
            "mend, move or remove them; with --strict nothing is read until they are",
            len(data.unreadable),
            tuple(tuple(name for name, _ in group[:MEMBERS]) for group in ordered[:GROUPS]),
            tuple(group[0][1] for group in ordered[:GROUPS]),
        )
    ]


# === Pictures ===


def _sizes(examples: Examples) -> list[Finding]:
    wide, high = examples.seen.looks["width"], examples.seen.looks["height"]
    short, known = np.minimum(wide, high), np.minimum(wide, high) > 0
    if not known.any():
        return []
    median = float(np.median(short[known]))
    tiny = (short < MIN_SIDE) & (median >= ORDINARY_SIDE)
    odd = np.flatnonzero(known & (tiny | (short * OUTLIER_FACTOR <= median) | (short >= median * OUTLIER_FACTOR)))
    if not len(odd):
        return []
    ordered = odd[np.argsort(short[odd], kind="stable")]
    sizes = [f"{wide[number]} x {high[number]}" for number in ordered]
    return [
        Finding(
            "outlier_size",
            _severity(len(odd), len(examples)),
            f"{len(odd):,} of {len(examples):,} pictures are far smaller or larger than the rest, whose short side is "
            f"{median:,.0f} pixels in the median: {listed(sizes)}",
            "look at them: icons, thumbnails and scans among photos are mostly mistakes; replace or remove them",
            len(odd),
            examples.named([number] for number in ordered),
            tuple(sizes[:GROUPS]),
        )
    ]


def _shapes(examples: Examples) -> list[Finding]:
    wide, high = (np.maximum(examples.seen.looks[side], 1) for side in ("width", "height"))
    ratio = np.maximum(wide, high) / np.minimum(wide, high)
    odd = np.flatnonzero(ratio >= LONG_RATIO)
    if not len(odd):
        return []
    ordered = odd[np.argsort(-ratio[odd], kind="stable")]
    sizes = [f"{wide[number]} x {high[number]}" for number in ordered]
    return [
        Finding(
            "outlier_shape",
            _severity(len(odd), len(examples)),
            f"{len(odd):,} of {len(examples):,} pictures are at least {LONG_RATIO} times as long as wide: "
            f"{listed(sizes)}",
            "the centre crop keeps a quarter of them or less; give --resize pad, or cut them up",
            len(odd),
            examples.named([number] for number in ordered),
            tuple(sizes[:GROUPS]),
        )
    ]


def _modes(examples: Examples) -> list[Finding]:
    modes = examples.seen.looks["mode"]
    distinct, counts = np.unique(modes[modes != b""], return_counts=True)
    if not len(distinct):
        return []
    commonest = distinct[counts.argmax()]
    odd = np.flatnonzero((modes != b"") & (modes != commonest))
    if not len(odd) or len(odd) > MAX_RARE_MODE_SHARE * len(examples):
        return []
    order = np.argsort(-counts, kind="stable")[1:]
    others = listed([f"{counts[number]:,} {_mode(distinct[number])}" for number in order])
    return [
        Finding(
            "mode_outlier",
            "note",
            f"{len(odd):,} of {len(examples):,} pictures are stored in another mode than the rest "
            f"({_mode(commonest)}): {others}",
            "look whether they belong here; all modes are read as colour, so nothing has to be converted",
            len(odd),
            examples.named([number] for number in odd),
            tuple(_mode(mode) for mode in modes[odd[:GROUPS]]),
        )
    ]


def _mode(mode: bytes) -> str:
    return f"{mode.decode()} (grey)" if mode in GREY_MODES else mode.decode()


# === Texts ===


def _short(examples: Examples) -> list[Finding]:
    short = [number for number, text in enumerate(examples.items) if len(text.strip()) < 2]
    if not short:
        return []
    return [
        Finding(
            "empty_text",
            _severity(len(short), len(examples)),
            f"{len(short):,} of {len(examples):,} texts are empty or a single character",
            "remove them, or check the column the texts are taken from (--text-column)",
            len(short),
            examples.named([number] for number in short),
        )
    ]


def cut(tokens: Mapping[str, np.ndarray], size: int) -> tuple[int, int, str]:
    """Count the texts that are cut at the sequence length.

    Args:
        tokens: split -> tokens of each text, (n,).
        size: the most tokens that are read.

    Returns:
        The number of longer texts, the number of all, and a sentence with both; an empty one if none is longer.
    """
    count, total = sum(int(np.sum(lengths > size)) for lengths in tokens.values()), sum(map(len, tokens.values()))
    text = f"{count:,} of {total:,} texts ({count / max(total, 1):.1%}) are longer than {size:,} tokens and were cut"
    return count, total, text if count else ""


def _cut(examples: Examples, tokens: Mapping[str, np.ndarray], size: int | None) -> list[Finding]:
    if size is None:
        return []
    cut_texts = {side: np.flatnonzero(lengths > size) for side, lengths in tokens.items()}
    count, total, text = cut(tokens, size)
    if not count:
        return []
    starts = {side: int(np.searchsorted(examples.sides, number)) for number, side in enumerate(SPLITS)}
    numbers = [starts[side] + number for side, rows in cut_texts.items() for number in rows[:GROUPS].tolist()]
    return [
        Finding(
            "truncated_text",
            "warning" if count >= CUT_WARNING_SHARE * total else "note",
            f"{text}; what comes after is not seen",
            f"where the end of a text matters, try --size {2 * size} if the backbone takes as many; it takes about "
            "twice the time",
            count,
            examples.named([number] for number in numbers),
        )
    ]


# === Words ===


def _severity(count: int, total: int) -> Severity:
    return "warning" if count >= WARNING_SHARE * total else "note"


# task -> the check of how its labels are distributed
BALANCE_CHECKS = {
    "label": classes,
    "tags": target_balance.tags,
    "value": target_balance.values,
    "entities": lambda examples: entity_types(examples.data),
}
