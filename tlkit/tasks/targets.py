"""Targets: one label, several labels (tags) or a number, with their output layers, losses, figures and predictions.

A target is what `Data.target` gives and a factory takes in place of class names:

    clf = tlkit.resnet50_pool_dense(data.target)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from tlkit.errors import InputError
from tlkit.tasks.answers import FRACTIONS, RANKED, Card, probabilities, ranked, tops
from tlkit.tasks.predictions import Prediction, TagsPrediction, ValuePrediction

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

THRESHOLD = 0.5  # the probability from which on a tag counts as given
WORD_SCORES = "words"  # the layer whose scores are added to those of the last dense layer, where there is one
# the last layers of heads, which compute in float32 whatever the policy
OUTPUTS = ("probabilities", "value", "unit", "logits", WORD_SCORES)


class Target(Protocol):
    """Everything that depends on the target. Its subclasses are frozen dataclasses, so they compare by value.

    Attributes:
        labels: the names of the classes or tags, or the one name of the number.
        name: "label", "tags" or "value".
        figure: the figure reported for every epoch besides the loss: "accuracy", or "mae" (mean absolute error).
        output_name: the name of the exported model's plain output: "probabilities" or "value".
        dtype, shape: of the truth of one example.
        noun: what a model learns, as messages say it: "one label".
        card: what the model card says of it.
        outputs: of an exported model, those that are read: the kinds of NumPy's types and the rank of each.
        unit: what examples are counted by: "class".
        sampled: how splits are drawn: "from each class".
        needing: what needs an example in each split: "some class".
        loss: what the loss is: "cross-entropy, nats".
        form: the types of what `facts` gives.
        least, most: how many labels there may be; `most` is None where there is no bound.
        writes: whether a model of it writes text.
        link: of a linear head that can be solved: "softmax", "sigmoid" or "identity"; None where none can.
        unexplained: what it answers, where `tlkit.explain` does not explain that: "a text it writes".
    """

    labels: tuple[str, ...]
    name: ClassVar[str]
    figure: ClassVar[str]
    output_name: ClassVar[str]
    dtype: ClassVar[str]
    noun: ClassVar[str]
    card: ClassVar[Card]
    outputs: ClassVar[Mapping[str, tuple[str, int]]]
    unit: ClassVar[str]
    sampled: ClassVar[str]
    needing: ClassVar[str]
    loss: ClassVar[str]
    form: ClassVar[Mapping[str, type]]
    least: ClassVar[int]
    most: ClassVar[int | None] = None
    writes: ClassVar[bool] = False
    link: ClassVar[str | None] = None
    unexplained: ClassVar[str] = ""

    @classmethod
    def of_data(cls, labels: tuple[str, ...], truths: np.ndarray) -> Target:
        """Build the target of a data set from its labels and the truths of its training examples."""
        return cls(labels)

    @staticmethod
    def kinds(labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return what examples are counted by: the labels, or the types of entities."""
        return labels

    @staticmethod
    def counts(truths: np.ndarray, labels: tuple[str, ...]) -> Sequence[int]:
        """Count the examples of a split by `kinds`; all of them where there is one."""
        return [len(truths)]

    @staticmethod
    def described(truth: Any, labels: tuple[str, ...]) -> str:
        """Write what the truth of one example stands for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one truth."""

    def truths(self, clf: keras.Model, split: Any) -> np.ndarray:
        """Return the truth of each example of a split, (n, *shape), for this classifier."""
        return split.labels

    def output(self, x: keras.KerasTensor, words: keras.KerasTensor | None = None) -> keras.KerasTensor:
        """Add the last layers of a head: (batch, channels), scores of words (batch, labels) -> the model's output."""

    def losses(self, truth: tf.Tensor, answer: tf.Tensor, smoothing: float, weights: np.ndarray) -> tf.Tensor:
        """Return the loss of each example: (batch,)."""

    def hits(self, truth: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
        """Return the sum of `figure` over the examples of a batch."""

    def served(self, answer: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the outputs of an exported model by name."""

    def predictions(self, given: Mapping[str, Any]) -> list[Any]:
        """Convert the outputs of an exported model to one prediction for every example."""

    def facts(self) -> dict[str, Any]:
        """Return the arguments, besides the labels, that build this target again."""
        return {}


# === Targets ===


@dataclass(frozen=True)
class Label(Target):
    """One of several classes for each example; the truth is its number.

    Args:
        labels: the names of the classes, two or more, in the order of the outputs.
        temperature: by which `tlkit.calibrate` divided the scores of the model that answers; 1.0 where it did not.
    """

    labels: tuple[str, ...]
    temperature: float = 1.0
    name: ClassVar[str] = "label"
    figure: ClassVar[str] = "accuracy"
    output_name: ClassVar[str] = "probabilities"
    dtype: ClassVar[str] = "int64"
    shape: ClassVar[tuple[int, ...]] = ()
    noun: ClassVar[str] = "one label"
    link: ClassVar[str | None] = "softmax"
    card: ClassVar[Card] = Card(
        "{kind}-classification",
        "classifier",
        "{count} classes",
        "Labels",
        'answer["label"], answer["top_k_probabilities"]',
        "one label, the most probable, with the probabilities of all",
        "Whatever it is shown, it names one of its labels; it does not know that something is none of them.",
    )
    outputs: ClassVar[Mapping[str, tuple[str, int]]] = RANKED
    unit: ClassVar[str] = "class"
    sampled: ClassVar[str] = "from each class"
    needing: ClassVar[str] = "some class"
    loss: ClassVar[str] = "cross-entropy, nats"
    form: ClassVar[Mapping[str, type]] = {"temperature": float}
    least: ClassVar[int] = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _names(self.labels, 2, "a classifier needs at least two labels"))

    @staticmethod
    def counts(truths: np.ndarray, labels: tuple[str, ...]) -> Sequence[int]:
        """Count the examples of each class."""
        return np.bincount(truths, minlength=len(labels))

    @staticmethod
    def described(truth: Any, labels: tuple[str, ...]) -> str:
        """Name the class."""
        return labels[truth]

    def output(self, x: keras.KerasTensor, words: keras.KerasTensor | None = None) -> keras.KerasTensor:
        """Add Dense(classes, softmax), named "probabilities", and the scores of words, if any, before softmax."""
        return probabilities(x, words, len(self.labels), "softmax")

    def losses(self, truth: tf.Tensor, answer: tf.Tensor, smoothing: float, weights: np.ndarray) -> tf.Tensor:
        """Return the cross-entropy of each example, in nats, times the weight of its class: (batch,)."""
        import keras
        import tensorflow as tf

        targets = tf.one_hot(truth, answer.shape[-1])
        each = keras.losses.categorical_crossentropy(targets, answer, label_smoothing=smoothing)
        return each * tf.gather(tf.constant(weights, tf.float32), truth)

    def hits(self, truth: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
        """Count the right answers."""
        import tensorflow as tf

        return tf.reduce_sum(tf.cast(tf.equal(tf.argmax(answer, -1), truth), tf.float32))

    def served(self, answer: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return `probabilities` (batch, classes), `label` (batch,), and the best few, `top_k_...` (batch, k)."""
        import tensorflow as tf

        best = tf.gather(tf.constant(self.labels), tf.argmax(answer, -1))
        return {"probabilities": answer, "label": best, **ranked(answer, self.labels)}

    def predictions(self, given: Mapping[str, Any]) -> list[Prediction]:
        """Return the most probable label of every example."""
        return [Prediction(*top[0], top) for top in tops(given)]

    def facts(self) -> dict[str, Any]:
        """Return the temperature."""
        return {"temperature": self.temperature}


@dataclass(frozen=True)
class Tags(Target):
    """Any number of labels for each example, none included; the truth is 1.0 for each that it has, else 0.0.

    Args:
        labels: the names of the tags, one or more, in the order of the outputs.
    """

    labels: tuple[str, ...]
    name: ClassVar[str] = "tags"
    figure: ClassVar[str] = "accuracy"
    output_name: ClassVar[str] = "probabilities"
    dtype: ClassVar[str] = "float32"
    noun: ClassVar[str] = "tags"
    link: ClassVar[str | None] = "sigmoid"
    card: ClassVar[Card] = Card(
        "{kind}-classification",
        "tagger",
        "{count} tags",
        "Tags",
        'answer["chosen"], answer["probabilities"]',
        "any number of tags, those with a probability of at least a half; `chosen` and `probabilities` are "
        "in the order of the tags below",
        "It knows of no other tags, and what it was not trained on may be given any of them.",
    )
    outputs: ClassVar[Mapping[str, tuple[str, int]]] = {"probabilities": (FRACTIONS, 2), **RANKED}
    unit: ClassVar[str] = "tag"
    sampled: ClassVar[str] = "evenly over the tags"
    needing: ClassVar[str] = "each tag"
    loss: ClassVar[str] = "binary cross-entropy, nats"
    form: ClassVar[Mapping[str, type]] = {}
    least: ClassVar[int] = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _names(self.labels, 1, "tags need at least one name"))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one truth: (tags,)."""
        return (len(self.labels),)

    @staticmethod
    def counts(truths: np.ndarray, labels: tuple[str, ...]) -> Sequence[int]:
        """Count the examples that have each tag."""
        return truths.sum(0)

    @staticmethod
    def described(truth: Any, labels: tuple[str, ...]) -> str:
        """Name the tags, joined by |."""
        return "|".join(labels[tag] for tag in np.flatnonzero(truth))

    def output(self, x: keras.KerasTensor, words: keras.KerasTensor | None = None) -> keras.KerasTensor:
        """Add Dense(tags, sigmoid), named "probabilities", and the scores of words, if any, before sigmoid."""
        return probabilities(x, words, len(self.labels), "sigmoid")

    def losses(self, truth: tf.Tensor, answer: tf.Tensor, smoothing: float, weights: np.ndarray) -> tf.Tensor:
        """Return the binary cross-entropy of each example, in nats, the weighted mean over its tags: (batch,)."""
        import keras
        import tensorflow as tf

        each = keras.losses.binary_crossentropy(truth[..., None], answer[..., None], label_smoothing=smoothing)
        return tf.reduce_mean(each * tf.constant(weights, tf.float32), -1)

    def hits(self, truth: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
        """Sum up the share of each example's tags, given or not, that is answered right."""
        import tensorflow as tf

        right = tf.cast(tf.equal(answer >= THRESHOLD, truth >= THRESHOLD), tf.float32)
        return tf.reduce_sum(tf.reduce_mean(right, -1))

    def served(self, answer: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return `probabilities` (batch, tags), `chosen` (batch, tags), and the best few, `top_k_...` (batch, k)."""
        return {"probabilities": answer, "chosen": answer >= THRESHOLD, **ranked(answer, self.labels)}

    def predictions(self, given: Mapping[str, Any]) -> list[TagsPrediction]:
        """Return the tags of every example."""
        rows = np.asarray(given["probabilities"])
        order = [[place for place in np.argsort(-row, kind="stable") if row[place] >= THRESHOLD] for row in rows]
        chosen = [tuple(self.labels[place] for place in places) for places in order]
        return [TagsPrediction(tags, top) for tags, top in zip(chosen, tops(given), strict=True)]


@dataclass(frozen=True)
class Value(Target):
    """A number for each example, such as a price or an age.

    The network learns it in units of its own spread, as errors then have the size that learning rates suit; the model
    takes and answers the unit of the data.

    Args:
        labels: the name of the number, as a tuple of one.
        mean, scale: mean and standard deviation of the training examples, in the unit of the data; scale > 0.
    """

    labels: tuple[str, ...]
    mean: float = 0.0
    scale: float = 1.0
    name: ClassVar[str] = "value"
    figure: ClassVar[str] = "mae"
    output_name: ClassVar[str] = "value"
    dtype: ClassVar[str] = "float32"
    shape: ClassVar[tuple[int, ...]] = ()
    noun: ClassVar[str] = "a value"
    link: ClassVar[str | None] = "identity"
    card: ClassVar[Card] = Card(
        "{kind}-regression",
        "regressor",
        "value {name}",
        "Value",
        'answer["value"]',
        "a number, in the unit of the training data",
        "It gives a number whatever it is shown; beyond the range it was trained on, how good a one is not known.",
    )
    outputs: ClassVar[Mapping[str, tuple[str, int]]] = {"value": (FRACTIONS, 1)}
    unit: ClassVar[str] = "value"
    sampled: ClassVar[str] = "evenly over the range of the values"
    needing: ClassVar[str] = "each range of values"
    loss: ClassVar[str] = "squared error, divided by the variance in training"
    form: ClassVar[Mapping[str, type]] = {"mean": float, "scale": float}
    least: ClassVar[int] = 1
    most: ClassVar[int | None] = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _names(self.labels, 1, "a value needs a name"))
        if len(self.labels) > 1:
            raise InputError(f"a value has one name, not {len(self.labels)}: {', '.join(self.labels[:5])}")
        if not (math.isfinite(self.mean) and math.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"mean={self.mean}, scale={self.scale}: give finite numbers, and a scale above 0")

    @classmethod
    def of_data(cls, labels: tuple[str, ...], truths: np.ndarray) -> Value:
        """Build the target of a data set from the spread of its training examples."""
        values = np.asarray(truths, np.float64)
        return cls(labels, float(values.mean()), float(values.std()) or 1.0)

    @staticmethod
    def described(truth: Any, labels: tuple[str, ...]) -> str:
        """Write the number."""
        return str(truth)

    def output(self, x: keras.KerasTensor, words: keras.KerasTensor | None = None) -> keras.KerasTensor:
        """Add Dense(1), named "value", add the score of words, if any, and bring both to the unit of the data."""
        from keras import layers

        x = layers.Dense(1, dtype="float32", name="value")(x)
        return layers.Rescaling(self.scale, self.mean, dtype="float32", name="unit")(x if words is None else x + words)

    def losses(self, truth: tf.Tensor, answer: tf.Tensor, smoothing: float, weights: np.ndarray) -> tf.Tensor:
        """Return the squared error of each example, in units of the squared spread: (batch,)."""
        import tensorflow as tf

        return tf.square((answer[..., 0] - truth) / self.scale)

    def hits(self, truth: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
        """Sum up the absolute errors, in the unit of the data."""
        import tensorflow as tf

        return tf.reduce_sum(tf.abs(answer[..., 0] - truth))

    def served(self, answer: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return `value` (batch,)."""
        return {"value": answer[..., 0]}

    def predictions(self, given: Mapping[str, Any]) -> list[ValuePrediction]:
        """Return the number of every example."""
        return [ValuePrediction(self.labels[0], float(value)) for value in np.asarray(given["value"])]

    def facts(self) -> dict[str, Any]:
        """Return mean and scale."""
        return {"mean": self.mean, "scale": self.scale}


def of(labels: int | Iterable[str] | Target) -> Target:
    """Return a target unchanged; turn names, or a number n for the names "0" to "n-1", into a `Label`.

    Raises:
        InputError: there are fewer than two classes, or a name occurs twice.
    """
    if hasattr(labels, "output_name"):
        return labels
    return Label(tuple(str(number) for number in range(labels)) if isinstance(labels, int) else tuple(labels))


def _names(labels: Iterable[str], least: int, few: str) -> tuple[str, ...]:
    names = tuple(str(name) for name in labels)
    if len(names) < least:
        raise InputError(f"{few}, got {len(names)}: {names}")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(f"labels must differ; these stand more than once: {', '.join(twice[:5])}")
    return names
