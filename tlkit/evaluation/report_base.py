"""Base class of all reports: figures, history and notes; show, save and load them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from markupsafe import Markup

from tlkit.errors import ArtifactError
from tlkit.evaluation import plots
from tlkit.tasks import registry
from tlkit.utils import files, regular_files
from tlkit.utils.escaping import line
from tlkit.utils.files import plain
from tlkit.utils.html_format import cell, concatenate, number, table, text
from tlkit.utils.lazy import resolve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 20  # classes that a notebook shows
WORST = 12  # answers that a report shows
MEMORY = ("samples", "mistakes")  # raw examples, which no report.json holds
SAMPLES = 8  # raw examples a report keeps in memory
# by the target's name, the class of its report
REPORTS = {
    "label": "tlkit.evaluation.classification_report:Report",
    "tags": "tlkit.evaluation.multilabel_report:TagsReport",
    "value": "tlkit.evaluation.regression_report:ValueReport",
    "entities": "tlkit.evaluation.entity_report:EntityReport",
    "reply": "tlkit.evaluation.generation_report:ReplyReport",
    "summary": "tlkit.evaluation.generation_report:SummaryReport",
}
# what figures are called, where that is not their name
FIGURES = {
    "macro_f1": "macro-F1", "micro_f1": "micro-F1", "mae": "mean absolute error", "r2": "R2",
    "rmse": "root mean squared error", "f1": "entity F1, micro", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
}  # fmt: skip


def called(name: str, target: str) -> str:
    """Return what a figure of a report of this target is called."""
    return f"loss ({registry.target(target).loss})" if name == "loss" else FIGURES.get(name, name.replace("_", " "))


@dataclass(frozen=True, eq=False)
class Mistake:
    """Show one wrong answer.

    Args:
        item: the raw example.
        name: what it is called, empty where that is not known.
        truth, answer: in words.
        sure: how sure the model was, or how far it is off, in words.
    """

    item: Any
    name: str
    truth: str
    answer: str
    sure: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """Hold what was measured on one split.

    Args:
        labels: the names of the classes or tags, in the order of the model's outputs, or of the value.
        split: which part of the data was measured.
        n: the number of examples.
        loss: the mean loss of the examples.
        history: for each epoch its phase, epoch, loss, accuracy or another figure, val_loss, val_accuracy,
            learning_rate and seconds.
        seconds: what the measurement took.
        notes: what a reader has to know about the figures.
        samples: a few of the raw examples, on which `tlkit.export` proves the exported model.
        mistakes: the worst answers with their raw examples, for the report's page.
    """

    target: ClassVar[str]  # the name of what was learned, a key of REPORTS
    tested: ClassVar[str]  # what of `each` a comparison of runs tests
    chosen: ClassVar[str] = ""  # how the answers of `worst` are chosen
    drawn: ClassVar[str] = ""  # what `figure_of` draws
    hidden: ClassVar[tuple[str, ...]] = ("samples",)  # fields that are kept in memory, not in report.json
    labels: tuple[str, ...]
    split: str
    n: int
    loss: float
    history: Sequence[Mapping[str, Any]] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    samples: tuple[Any, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    @classmethod
    def of(cls, target: Any, truth: np.ndarray, answers: Sequence[np.ndarray], facts: Mapping[str, Any]) -> Measured:
        """Compare what a model answered with the truth.

        Args:
            target: what it learned.
            truth: of each example, as the target has it.
            answers: the model's outputs, batch by batch.
            facts: `split`, `history`, `seconds` and `notes`, kept as they are.
        """
        raise NotImplementedError

    @classmethod
    def kept(cls, target: Any, truth: np.ndarray, answer: Any) -> np.ndarray:
        """Return what is needed of a model's answer to a batch, where that is not all of it."""
        return answer.numpy()

    @classmethod
    def beyond(cls, clf: Any, split: Any) -> dict[str, Any]:
        """Return what the report has to tell besides the answers: more facts for `of`."""
        return {}

    @property
    def figures(self) -> dict[str, float]:
        """The headline figures by name, the first one before all; finite numbers."""
        raise NotImplementedError

    def lines(self) -> list[str]:
        """Write what stands in the table for a terminal, between its first line and the notes."""
        raise NotImplementedError

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95 % interval of each headline figure that has one; empty where single answers are not kept."""
        return {}

    @property
    def each(self) -> Mapping[str, np.ndarray]:
        """What tells how well each example alone was answered, the first before all: "right" (n,) of bool, "error",
        "loss" or "missed" (n,) of float. Empty where single answers are not kept."""
        return {}

    def worst(self, items: Sequence[Any] = ()) -> list[tuple[int, str, str, str]]:
        """Return the worst answers, WORST at most: number of the example, truth, answer, how sure the model was or how
        far it is off. `items` are the raw examples, for those reports that look at them."""
        return []

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The figures of each class, tag or type of entities; none where there are no such."""
        return ()

    def figure_of(self) -> Figure | None:
        """Draw what belongs to this kind of report besides the learning curves and a confusion matrix."""
        return None

    def draw(self, folder: Path) -> None:
        """Write the plots of this kind of report besides the learning curves."""

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Write the figures as a table for a terminal."""
        first = f"{self.split}: {self.n} examples, {self._about()}, {self.seconds:.1f} s"
        return "\n".join(map(line, [first, *self.lines(), *(f"note: {note}" for note in self.notes)]))

    def _repr_html_(self) -> str:
        """Show the figures in a notebook, and of each class, of many the worst by F1."""
        about = Markup("<p><b>{}</b>: {:,} examples, {}</p>")
        told = [about.format(text(self.split), self.n, text(self._about()))]
        told += table(
            ("figure", ""), [(called(name, self.target), number(value)) for name, value in self.figures.items()]
        )
        rows = list(self.rows)
        if len(rows) > SHOWN:
            rows = sorted((row for row in rows if row["support"]), key=lambda row: row["f1"])[:SHOWN]
        if rows:
            names = [name for name in rows[0] if name != "label"]
            told += table(("", *names), [(row["label"], *(cell(row[name]) for name in names)) for row in rows])
        if len(rows) < len(self.rows):
            told.append(Markup("<p>the {} worst of {:,} by f1</p>").format(len(rows), len(self.rows)))
        return str(concatenate([*told, *(Markup("<p>{}</p>").format(text(note)) for note in self.notes)], "\n"))

    def _about(self) -> str:
        return f"{len(self.labels)} classes"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values, without the answers; a number that is not finite becomes None."""
        shown = [field.name for field in fields(self) if field.name not in (*self.hidden, *MEMORY)]
        return {"target": self.target} | {name: plain(getattr(self, name)) for name in shown}

    def save(self, directory: str | Path) -> None:
        """Write report.json, the plots of this kind and, where there is a history, curves.png; each appears whole."""
        folder = Path(directory)
        files.write_json(folder / "report.json", self.to_dict())
        self.draw(folder)
        (folder / "curves.png").unlink(missing_ok=True)  # an older report's
        if self.history:
            plots.write(plots.curves_figure(self), folder / "curves.png")

    @classmethod
    def restored(cls, found: dict[str, Any]) -> Measured:
        """Build the report from its JSON values."""
        tuples = {name: tuple(found[name]) for name in ("labels", "history", "notes")}
        return cls(**found | tuples)

    @staticmethod
    def load(directory: str | Path) -> Measured:
        """Read the report that `save` wrote; it lacks what was kept in memory only.

        Raises:
            ArtifactError: there is no report.json, or it is damaged.
        """
        path = Path(directory) / "report.json"
        try:
            found = regular_files.read_json(path, within=path.parent)
            kind = resolve(REPORTS[found.pop("target", "label")])  # older ones know of nothing but labels
            return kind.restored(found)
        except FileNotFoundError as error:
            raise ArtifactError(f"{path} is missing; name the directory that Report.save wrote to") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"{path} is damaged ({regular_files.why(error)}); evaluate again and save the report anew"
            ) from error
