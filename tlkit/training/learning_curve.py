"""Whether more examples would help: the head, trained on parts of the training examples, on the frozen base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.config import Augment, Compute, Phase
from tlkit.features import extraction, frontier
from tlkit.features.auto_choices import budget
from tlkit.features.feature_sets import Features
from tlkit.models.freezing import unfrozen
from tlkit.training import linear_model, loop, planning, solved_head, steps
from tlkit.training.linear_model import Rows

if TYPE_CHECKING:
    import keras

FRACTIONS = (1 / 8, 1 / 4, 1 / 2, 1.0)
LEAST = 128  # training examples: an eighth of fewer says nothing
# of one fraction: training steps, and steps times weights, which is what a step of a large head costs
STEPS, WORK = 20_000, 5e9


@dataclass(frozen=True)
class _Way:
    """State how each fraction is trained, as far as a history tells it; otherwise as `fit` would by default."""

    phase: Phase
    batch_size: int = 32
    patience: int = 3
    weight_decay: float = 1e-4
    seed: int = 0
    augment: Any = None
    precision: str = "float32"
    kept: str = "float32"

    @classmethod
    def of(cls, clf: keras.Model, history: Any) -> _Way | None:
        """Return it, or None where the features of the frozen base are not stored."""
        if history is None:
            return cls(clf.spec.backbone.phases[0])
        told = history.settings
        frozen = [phase for phase in told["phases"] if phase["unfreeze"] == 0]
        kept = {str(depth): how for depth, how in told["choices"]["stores"].items()}.get("0", "stream")
        if not frozen or kept == "stream" or isinstance(told["augment"], str):
            return None
        augment = None if told["augment"] is None else Augment(**told["augment"])
        names = ("batch_size", "patience", "weight_decay", "seed")
        own = {name: told[name] for name in names}
        return cls(Phase(**frozen[0]), **own, augment=augment, precision=told["choices"]["precision"], kept=kept)


def affordable(clf: keras.Model, data: Any, history: Any = None) -> bool:
    """Tell whether `learning_curve` has something to say, in seconds rather than minutes."""
    if clf.spec.target.writes or len(data.train) < LEAST or not len(data.val):
        return False
    if (way := _Way.of(clf, history)) is None:
        return False
    count = way.phase.epochs * (len(data.train) // way.batch_size)
    return 0 < count <= STEPS and count * clf.head.count_params() <= WORK


def learning_curve(
    clf: keras.Model, data: Any, *, history: Any = None, fractions: Sequence[float] = FRACTIONS
) -> list[dict[str, float]]:
    """Train the head of a classifier on parts of the training examples, each time from the same beginning.

    The base stays frozen, so all of it is computed once, and not at all where `tlkit.fit` has stored it. Each part
    holds the smaller ones, and of one label as large a share of every class. It is gone through as often as makes the
    same number of steps, so that a small part does not suffer from fewer of them.

    Args:
        clf: a classifier as it was built, not trained; its weights, and which of them train, are in the end what they
            were.
        data: what a reader returned.
        history: what `tlkit.fit` returned for such a classifier, whose settings and stored features are then used.
        fractions: of the training examples, ascending, 0..1.

    Returns:
        For each fraction its `examples` and, after its best epoch, `val_loss` and `val_accuracy`, or `val_mae`; nothing
        where that is not `affordable`: for few examples, very large heads, and models that write.

    Examples:
        With `clf` as in the example of `tlkit.classifier`, for 140 examples to train on:

        >>> pixels = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
        >>> data = tlkit.arrays(pixels, ["dark", "red"] * 100)
        >>> curve = tlkit.learning_curve(clf, data, fractions=(0.5, 1.0))
        >>> [point["examples"] for point in curve]
        [70, 140]
    """
    if not affordable(clf, data, history):
        return []
    with unfrozen(clf, 0):
        return _curve(clf, data, _Way.of(clf, history), fractions)


def _curve(clf: keras.Model, data: Any, way: _Way, fractions: Sequence[float]) -> list[dict[str, float]]:
    """Train the head, which alone is unfrozen, on each fraction."""
    cut = frontier.find(clf)
    tail = frontier.segment(clf, cut, None)
    if not tail.trainable_variables:
        return []
    sources = planning.sources(clf, data, way.augment, way.seed)
    job = extraction.Job([(source, 1) for source in sources], [cut], [way.kept], way.precision, budget(Compute()))
    (training,), (validation,) = extraction.fill(job)[0]
    return _Probe(tail, clf.spec.target, way, training, validation).curve(fractions)


class _Probe:
    """Train one head again and again, compiled once."""

    def __init__(self, tail: Any, target: Any, way: _Way, training: Features, validation: Features) -> None:
        self.tail, self.target, self.way = tail, target, way
        self.training, self.validation = training, validation
        self.count = len(training.labels) // way.batch_size * way.batch_size
        planned = way.phase.epochs * (self.count // way.batch_size)
        self.optimizer = steps.optimizer(tail, way.phase.learning_rate, planned, way.weight_decay)
        plain = np.ones(len(target.labels), np.float32)
        self.step, self.scores = steps.compiled(tail, target, self.optimizer, plain, 0.0)
        self.variables = [*tail.variables, *self.optimizer.variables]
        self.before = [variable.numpy() for variable in self.variables]
        self.rows: tuple[Rows, Rows] | None = None
        if way.phase.solve:
            at = solved_head.vector_of(tail)  # without words: how a curve rises is seen without them
            self.rows = tuple(solved_head.rows(target, split, plain, at=at) for split in (training, validation))

    def curve(self, fractions: Sequence[float]) -> list[dict[str, float]]:
        """Return a record for each fraction, and put the weights back."""
        order = _nested(self.training.labels, self.target.name, self.way.seed)
        found = []
        for fraction in fractions:
            part = order[: max(1, round(fraction * len(order)))]
            loss, figure = self.trained(part)
            found.append({"examples": len(part), f"val_{self.target.figure}": figure, "val_loss": loss})
        self.reset()
        return found

    def reset(self) -> None:
        """Put the weights and the optimizer back to the beginning."""
        for variable, value in zip(self.variables, self.before, strict=True):
            variable.assign(value)
        steps.seed_dropout(self.tail, self.way.seed)

    def trained(self, part: np.ndarray) -> tuple[float, float]:
        """Train on the examples of these numbers; return loss and figure on the validation split at the best epoch."""
        self.reset()
        if self.rows is not None:
            return self.solved(part)
        rng = np.random.default_rng(self.way.seed)
        best, at = loop.score(self.scores, self.validation, loop.SCORED), 0
        for epoch in range(1, self.way.phase.epochs + 1):
            drawn = rng.permutation(np.resize(part, self.count)).reshape(-1, self.way.batch_size)
            bad = [int(self.step(*chunk)[2]) >= 0 for chunk in self.training.chunks(drawn, 1)]
            now = loop.score(self.scores, self.validation, loop.SCORED)
            if now[0] < best[0]:
                best, at = now, epoch
            if any(bad) or epoch - at > self.way.patience:
                break
        return best

    def solved(self, part: np.ndarray) -> tuple[float, float]:
        """Solve the head on these examples; return loss and figure on the validation split."""
        train, val = self.rows[0].take(np.isin(self.rows[0].examples, part)), self.rows[1]
        pool, link = train.joined(val), self.target.link
        choice = linear_model.choose(pool, link, [np.arange(len(pool)) >= len(train)])
        model = next(linear_model.fitted(train, link, [choice.strength]))
        solved_head.output_layer(self.tail, self.target).set_weights([model.kernel, model.bias])
        return loop.score(self.scores, self.validation, loop.SCORED)


def _nested(labels: np.ndarray, task: str, seed: int) -> np.ndarray:
    """Put examples in an order whose every beginning is a sample, of one label with each class's share."""
    order = np.random.default_rng(seed).permutation(len(labels))
    if task != "label":
        return order
    mixed = labels[order]
    place = np.empty(len(mixed))
    for label in np.unique(mixed):
        (own,) = np.nonzero(mixed == label)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return order[np.argsort(place, kind="stable")]
