"""What a comparison needs of a run, read from the files in its directory."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.runs import record
from tlkit.errors import RunError
from tlkit.evaluation.report_base import REPORTS
from tlkit.utils import files, regular_files, schema
from tlkit.utils.escaping import from_cell

# what a comparison reads of each file, as `forms.mismatches` takes it
PHASE = {"name": str, "trainable": int, "seconds": float}
RUN = {
    "settings": {"epochs": [int], "learning_rate": [float]},
    "history": {"phases": [PHASE], "seconds": float},
    "figures": {"*": float | None},  # null: it is not a finite number
}
ARTIFACT = {"backbone": {"name": str}, "head": str, "weights": {"origin": str}}
REPORT = {"target": str, "n": int}
# by the target's name, what of its single answers is tested
TESTED = {
    "label": "right", "tags": "loss", "value": "error", "entities": "missed", "reply": "loss", "summary": "loss",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Compared:
    """Hold what a comparison needs of one run.

    Args:
        directory: where it lies, as it was given.
        target: the name of what was learned.
        n: examples of the test split.
        data: the fingerprint of the data.
        facts: how it was made, in words: backbone, head, weights, phases, and so on.
        figures: the headline figures, None for one that is not finite.
        examples: digest and label of each test example, sorted.
        each: how well each of them was answered, as `Measured.each` has it; empty where that was not kept.
    """

    directory: str
    target: str
    n: int
    data: str
    facts: dict[str, str]
    figures: dict[str, float | None]
    examples: tuple[tuple[str, str], ...]
    each: dict[str, np.ndarray]


def read(out: Path) -> Compared:
    """Read a finished run.

    Raises:
        RunError: the directory holds no run, an unfinished or a damaged one.
    """
    told = record.load(out)
    if told["status"] != "finished":
        raise RunError(f"{out} is not finished; finish it with: tlkit train --resume {out}")
    made, report = _checked(out / "tlkit.json", ARTIFACT), _checked(out / "report.json", REPORT)
    _checked(out / record.LEDGER, RUN)
    if report["target"] not in REPORTS:
        raise _damaged(out / "report.json", f"target is {report['target'][:40]!r}")
    phases, settings = told["history"]["phases"], told["settings"]
    facts = {"backbone": made["backbone"]["name"], "head": made["head"], "weights": made["weights"]["origin"]}
    facts |= {name: str(settings[name]) for name in ("size", "augment", "seed") if name in settings}
    facts |= {
        f"phase {phase['name']}": f"up to {epochs} epochs, {phase['trainable']:,} parameters, {phase['seconds']:.1f} s"
        for phase, epochs in zip(phases, settings["epochs"], strict=False)
    }
    facts |= {"learning rate": ", ".join(f"{rate:g}" for rate in settings["learning_rate"])}
    facts |= {"seconds": f"{told['history']['seconds']:.1f}", "data": told["data"][:19]}
    facts["test examples"] = f"{report['n']:,}"
    placed = [
        (row["digest"], from_cell(row["label"]))
        for row in _rows(out / record.SPLITS, "digest", "label", "split", test=True)
    ]
    if not placed or len(placed) != report["n"]:
        raise _damaged(out / record.SPLITS, f"{len(placed):,} test examples, of {report['n']:,} that were measured")
    order = sorted(range(len(placed)), key=placed.__getitem__)
    each = _answers(out / record.ANSWERS, [digest for digest, _ in placed], order, report["target"])
    examples = tuple(placed[number] for number in order)
    return Compared(str(out), report["target"], report["n"], told["data"], facts, dict(told["figures"]), examples, each)


def _answers(path: Path, digests: list[str], order: list[int], target: str) -> dict[str, np.ndarray]:
    """Read how well each test example was answered, in that order; nothing where it was not kept."""
    if not os.path.lexists(path):
        return {}
    name = TESTED[target]
    rows = list(_rows(path, "digest", name))
    if [row["digest"] for row in rows] != digests:
        raise _damaged(path, f"its examples are not those of {record.SPLITS}")
    try:
        values = np.array([float(row[name]) for row in rows])[order]
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not np.isfinite(values).all() or (name == "right" and not np.isin(values, (0, 1)).all()):
        raise _damaged(path, f"a value of {name} is out of range")
    return {name: values.astype(bool) if name == "right" else values}


def _rows(path: Path, *columns: str, test: bool = False) -> Iterator[dict[str, str]]:
    """Yield the rows of a table of a run, all or those of the test split, which has the columns."""
    try:
        data = regular_files.content(path, most=regular_files.MOST_RECORDS, within=path.parent)
        for row in csv.DictReader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")):
            if missing := [name for name in columns if row.get(name) is None]:
                raise _damaged(path, f"a row has no {missing[0]}")
            if not test or row["split"] == "test":
                yield row
    except OSError as error:
        raise RunError(f"cannot read {path} ({regular_files.why(error)}), a part of the run; train it again") from error
    except csv.Error as error:
        raise _damaged(path, str(error)) from error


def _checked(path: Path, form: Any) -> Any:
    found = files.read_json(path, within=path.parent)
    if fault := next(schema.mismatches(found, form), None):
        raise _damaged(path, fault)
    return found


def _damaged(path: Path, fault: str) -> RunError:
    return RunError(f"{path} is damaged ({fault}); restore it, or train the run again with --overwrite")
