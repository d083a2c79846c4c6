"""Next-token prediction: learn every token of a reply or of a summary from the tokens before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tlkit.errors import InputError
from tlkit.tasks.answers import COUNTS, WORDS, Card
from tlkit.tasks.predictions import TextPrediction
from tlkit.tasks.targets import Target

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

NONE = -1  # in the truth, where nothing is to be learned: in the prompt and in the padding


@dataclass(frozen=True)
class NextToken(Target):
    """The next token at each place; the truth of an example are the ids of its tokens, one place further on.

    Args:
        labels: the one name of what is written, "reply" or "summary".
        size: the most tokens of an example; the truth of one is int64 (size,), -1 where nothing is to be learned.
    """

    labels: tuple[str, ...] = ("reply",)
    size: int = 128
    name: ClassVar[str] = "reply"
    figure: ClassVar[str] = "token_accuracy"
    output_name: ClassVar[str] = "logits"
    dtype: ClassVar[str] = "int64"
    scored: ClassVar[int] = 8  # examples at a time: the logits of one take megabytes
    noun: ClassVar[str] = "replies"
    card: ClassVar[Card] = Card(
        "{kind}-generation",
        "writer of replies",
        "fine-tuned to write a reply",
        "",
        'answer["text"].numpy()[0].decode()',
        "a reply, or a text that goes on",
        "It writes what is likely, not what is true, and may repeat what stands in its training data.",
    )
    outputs: ClassVar[Mapping[str, tuple[str, int]]] = {"text": (WORDS, 1), "dropped": (COUNTS, 1)}
    unit: ClassVar[str] = "text"
    sampled: ClassVar[str] = "at random"
    needing: ClassVar[str] = "a model that writes"
    loss: ClassVar[str] = "cross-entropy of a token, nats"
    form: ClassVar[Mapping[str, type]] = {"size": int}
    least: ClassVar[int] = 1
    most: ClassVar[int | None] = 1
    writes: ClassVar[bool] = True
    unexplained: ClassVar[str] = "a text it writes"

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        if len(self.labels) != 1 or self.size < 1:
            raise InputError(f"{self.labels}, size={self.size}: give one name and at least one token")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one truth: (size,)."""
        return (self.size,)

    @staticmethod
    def described(truth: Any, labels: tuple[str, ...]) -> str:
        """Name what is written."""
        return labels[truth]

    def truths(self, clf: keras.Model, split: Any) -> np.ndarray:
        """Return the ids that follow each place of what is to be written, by the model's own tokens: (n, size)."""
        pre, parts = clf.get_layer("pre"), [np.zeros((0, self.size), np.int64)]
        for batch in clf.spec.input.texts(split.items).batch(256):
            found = pre.truths(batch).numpy()
            parts.append(np.pad(found, ((0, 0), (0, self.size - found.shape[1])), constant_values=NONE))
        return np.concatenate(parts)

    def output(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Bring logits to float32 whatever the policy, named "logits"."""
        from keras import layers

        return layers.Activation("linear", dtype="float32", name="logits")(x)

    def tokens(self, truth: tf.Tensor, answer: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return, for each token: its cross-entropy in nats, whether it is the likeliest, and whether it counts.

        Args:
            truth: (batch, size), -1 where nothing is to be learned.
            answer: logits (batch, tokens, vocabulary); of tokens beyond the truth none counts.

        Returns:
            Three float32 tensors (batch, tokens); the first two are 0 where nothing counts.
        """
        import tensorflow as tf

        places = tf.shape(answer)[1]  # of made-up features, on which steps are timed, there may be more than `size`
        missing = tf.maximum(places - tf.shape(truth)[1], 0)
        truth = tf.pad(truth[:, :places], [[0, 0], [0, missing]], constant_values=NONE)
        counts = tf.cast(truth >= 0, tf.float32)
        wanted = tf.maximum(truth, 0)
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, answer)
        right = tf.cast(tf.equal(tf.argmax(answer, -1), wanted), tf.float32)
        return each * counts, right * counts, counts

    def losses(self, truth: tf.Tensor, answer: tf.Tensor, smoothing: float, weights: np.ndarray) -> tf.Tensor:
        """Return the cross-entropy of each example, in nats, the mean over its tokens: (batch,)."""
        import tensorflow as tf

        each, _, counts = self.tokens(truth, answer)
        return tf.reduce_sum(each, -1) / tf.maximum(tf.reduce_sum(counts, -1), 1.0)

    def hits(self, truth: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
        """Sum up the share of each example's tokens that are the likeliest."""
        import tensorflow as tf

        _, right, counts = self.tokens(truth, answer)
        return tf.reduce_sum(tf.reduce_sum(right, -1) / tf.maximum(tf.reduce_sum(counts, -1), 1.0))

    def served(self, answer: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return `logits` (batch, tokens, vocabulary)."""
        return {"logits": answer}

    def predictions(self, given: Mapping[str, Any]) -> list[TextPrediction]:
        """Return the text generated for every prompt."""
        rows = zip(np.asarray(given["text"]), np.asarray(given["dropped"]), strict=True)
        return [TextPrediction(text.decode("utf-8", "replace"), int(dropped)) for text, dropped in rows]

    def facts(self) -> dict[str, Any]:
        """Return the size."""
        return {"size": self.size}


@dataclass(frozen=True)
class Reply(NextToken):
    """The tokens of a reply to a prompt, or of a text that continues one."""


@dataclass(frozen=True)
class Summary(NextToken):
    """The tokens of a summary of a document."""

    labels: tuple[str, ...] = ("summary",)
    name: ClassVar[str] = "summary"
    noun: ClassVar[str] = "summaries"
    card: ClassVar[Card] = Card(
        "summarization",
        "writer of summaries",
        "fine-tuned to write a summary",
        "",
        'answer["text"].numpy()[0].decode()',
        "a summary",
        "It may leave out what matters, and write what the document does not say.",
    )
