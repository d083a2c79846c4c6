"""Runs side by side: how they were made, how good they are, and whether that is more than chance."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tlkit.errors import InputError, RunError
from tlkit.evaluation import significance
from tlkit.evaluation.report_base import REPORTS, called
from tlkit.reporting import html_page, report_page
from tlkit.runs import record
from tlkit.utils import files, html_format, regular_files, schema, text_format
from tlkit.utils.escaping import from_cell, line
from tlkit.utils.lazy import resolve

CELL = 48  # characters of a cell in a terminal
LEVEL = 0.05  # a corrected p-value below it is called more than chance
# what is compared: its test, and what it is called
TESTS = {
    "right": (significance.mcnemar, "McNemar's exact test of which answers are right"),
    "error": (significance.signed_rank, "Wilcoxon's signed-rank test of the absolute errors"),
    "loss": (significance.signed_rank, "Wilcoxon's signed-rank test of the losses"),
    "missed": (significance.signed_rank, "Wilcoxon's signed-rank test of the entities missed or made up in each text"),
}
# what a comparison reads of each file, as `schema.mismatches` takes it
PHASE = {"name": str, "trainable": int, "seconds": float}
RUN = {
    "settings": {"epochs": [int], "learning_rate": [float]},
    "history": {"phases": [PHASE], "seconds": float},
    "figures": {"*": float | None},  # null: it is not a finite number
}
ARTIFACT = {"backbone": {"name": str}, "head": str, "weights": {"origin": str}}
REPORT = {"target": str, "n": int}


@dataclass(frozen=True)
class Tested:
    """Tell how a run stands against the best one.

    Args:
        directory: the run.
        mean: of what is tested; the share of right answers, or the mean error or loss.
        only_best, only_this: on how many examples the best run does better, and this one.
        p, corrected: two-sided p-value, as it is and by Holm's method for all these tests.
    """

    directory: str
    mean: float
    only_best: int
    only_this: int
    p: float
    corrected: float

    @property
    def differs(self) -> bool:
        """Whether the difference is more than chance."""
        return self.corrected < LEVEL


@dataclass(frozen=True, eq=False)
class Comparison:
    """Hold runs side by side; it prints as a table.

    Args:
        runs: in the order they were given.
        of: what is tested, a key of TESTS; empty where nothing is.
        best: the place of the run that is best in it, whose mean is `mean`; None where nothing is tested.
        tests: every other run against the best.
        notes: what a reader has to know, such as why there is no test.
    """

    runs: tuple[Compared, ...]
    of: str = ""
    best: int | None = None
    mean: float = 0.0
    tests: tuple[Tested, ...] = ()
    notes: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table (rows, 1 + runs) as text, the first cell of a row being its name."""
        names = dict.fromkeys(name for run in self.runs for name in run.facts)
        figures = dict.fromkeys(name for run in self.runs for name in run.figures)
        found = [(name, *(run.facts.get(name, "-") for run in self.runs)) for name in names]
        target = self.runs[0].target
        return found + [
            (called(name, target), *(html_format.number(run.figures.get(name)) for run in self.runs))
            for name in figures
        ]

    def lines(self) -> list[str]:
        """Write what the tests say, a sentence each, and the notes."""
        found = []
        if self.best is not None:
            best = self.runs[self.best].directory
            found.append(f"best: {best}, {self._told(self.mean)}; the others against it by {TESTS[self.of][1]}:")
        for one in self.tests:
            verdict = "is more than chance" if one.differs else "may be chance"
            found.append(
                f"{one.directory}: {self._told(one.mean)}; better on {one.only_this:,}, worse on "
                f"{one.only_best:,} examples; p = {one.p:.3g}, corrected {one.corrected:.3g}: the difference {verdict}"
            )
        return [*found, *(f"note: {note}" for note in self.notes)]

    def _told(self, mean: float) -> str:
        return f"{mean:.1%} right" if self.of == "right" else f"mean {self.of} {mean:.4g}"

    def __str__(self) -> str:
        heads = [run.directory if len(run.directory) <= 32 else f"…{run.directory[-31:]}" for run in self.runs]
        cells = [[text_format.short(cell, CELL) for cell in row] for row in [("", *heads), *self.rows()]]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        table = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([*(line.rstrip() for line in table), "", *map(line, self.lines())])

    def to_dict(self) -> dict[str, Any]:
        """Return all of it but the single answers as plain JSON values."""
        shown = ("directory", "target", "n", "data", "facts", "figures")
        tests = [vars(one) | {"differs": one.differs} for one in self.tests]
        best = None if self.best is None else {"directory": self.runs[self.best].directory, "mean": self.mean}
        runs = [{name: getattr(run, name) for name in shown} for run in self.runs]
        return {"runs": runs, "of": self.of, "best": best, "tests": tests, "notes": list(self.notes)}

    def save(self, path: str | os.PathLike) -> None:
        """Write it as one HTML page, without network or script; raise RunError where it cannot be written."""
        html_page.write(path, self._page())

    def _repr_html_(self) -> str:
        return str(html_format.concatenate(self._shown(), "\n"))

    def _page(self) -> Iterator[Markup]:
        yield from html_page.opening(f"{len(self.runs)} runs side by side", report_page.STYLE)
        yield from self._shown()
        yield Markup("</body>\n</html>")

    def _shown(self) -> Iterator[Markup]:
        yield from html_format.table(("", *(run.directory for run in self.runs)), self.rows())
        yield Markup("<h2>More than chance?</h2>")
        yield from (Markup("<p>{}</p>").format(html_format.text(line)) for line in self.lines())


def compare(directories: Sequence[str | os.PathLike]) -> Comparison:
    """Put finished runs side by side, and test whether they differ by more than chance.

    Where all were measured on the same test examples, each is tested against the best, example by example: labels by
    McNemar's exact test, all else by Wilcoxon's signed-rank test: of the errors of values, the losses of tags and of
    what is written (each text as a whole, as far as it was read), the entities missed or made up. The p-values are
    corrected by Holm's method; that the best was chosen by the same examples makes them a little too small.

    Args:
        directories: of two or more runs that learned the same target.

    Raises:
        InputError: fewer than two runs, one of them twice, or runs of other targets.
        RunError: a directory holds no run, an unfinished or a damaged one.
    """
    places = [Path(each) for each in directories]
    if len(places) < 2:
        raise InputError(f"{len(places)} run to compare; name the directories of two or more")
    real = [str(each) if regular_files.fault(each) else os.path.realpath(each) for each in places]
    if twice := next((each for n, each in enumerate(places) if real[n] in real[:n]), 0):
        raise InputError(f"{twice} is named twice; name other runs to compare it with")
    runs = tuple(map(read, places))
    for run in runs[1:]:
        if run.target != runs[0].target:
            told = f"{run.directory} learned the target {run.target}, {runs[0].directory} {runs[0].target}"
            raise InputError(f"{told}; compare runs of one target")
    if why := _untested(runs):
        return Comparison(runs, notes=(f"there is no test: {why}",))
    return _tested(runs)


def _untested(runs: Sequence[Compared]) -> str:
    """Say why runs cannot be tested against each other; empty where they can."""
    first, name = runs[0], f"{runs[0].directory}/{record.SPLITS}"
    for run in runs[1:]:
        if run.examples != first.examples:
            return (
                f"{run.directory} was measured on other test examples than {first.directory}; train it with "
                f"--splits {name} to measure both on the same"
            )
    for run in runs:
        if not run.each:
            return f"{run.directory} has no {record.ANSWERS}, as runs of older versions; train it again"
    return ""


def _tested(runs: tuple[Compared, ...]) -> Comparison:
    """Test every run against the best."""
    of = next(iter(runs[0].each))
    sign = 1 if of == "right" else -1
    means = [float(run.each[of].mean()) for run in runs]
    best = int(np.argmax([sign * mean for mean in means]))
    others = [place for place in range(len(runs)) if place != best]
    top = runs[best].each[of]
    chances = [TESTS[of][0](top, runs[place].each[of]) for place in others]
    tests = []
    for place, p, corrected in zip(others, chances, significance.holm(chances), strict=True):
        lead = sign * (top.astype(float) - runs[place].each[of])
        counts = int((lead > 0).sum()), int((lead < 0).sum())
        tests.append(Tested(runs[place].directory, means[place], *counts, p, corrected))
    notes = []
    if len({run.data for run in runs}) > 1:
        notes.append("the test examples are the same, but not all of the data: the runs learned from other examples")
    return Comparison(runs, of, best, means[best], tuple(tests), tuple(notes))


# === What is read of a run ===


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
    name = resolve(REPORTS[target]).tested
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
        data = regular_files.content(path, most=regular_files.MAX_RECORD_BYTES, within=path.parent)
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
