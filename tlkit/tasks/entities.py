"""Named entities: token classification with a BIO tag for every word, predicted at the word's first token.

Words are what whitespace separates. A tokenizer cuts a word into subwords, each word for itself; where each word begins
among the tokens of its text follows from how many subwords the words before it have. The exported model counts them in
its own graph, so that it takes plain strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tlkit.errors import InputError
from tlkit.tasks import bio_tags
from tlkit.tasks.answers import FRACTIONS, WORDS, Card
from tlkit.tasks.predictions import EntitiesPrediction, Span
from tlkit.tasks.targets import Target

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

WORD = re.compile(r"[^ \t\n\v\f\r]+")  # `tf.strings.split` knows no other whitespace
NO_WORD, NO_TOKEN = -1, -2  # in truths: here no word begins; a word the tokenizer makes nothing of
FIRST = 1  # the token of a text at which its first word begins, after [CLS], <s> or the like
BATCH = 1024  # texts or words tokenized at a time


def words(text: str) -> list[str]:
    """Split a text into its words."""
    return WORD.findall(text)


@dataclass(frozen=True)
class Entities(Target):
    """A BIO tag for every word of a text; the truth of a text is an array over its tokens.

    At the token where a word begins stands the number of its tag, elsewhere -1. Columns from the model's size on hold
    the tags of words that lie beyond it, in order, then -2 for each word that the tokenizer makes nothing of.

    Args:
        labels: the tags, "O" first, then B- and I- of each type: ("O", "B-PER", "I-PER").
    """

    labels: tuple[str, ...]
    name: ClassVar[str] = "entities"
    figure: ClassVar[str] = "accuracy"
    output_name: ClassVar[str] = "token_probabilities"
    dtype: ClassVar[str] = "int16"
    shape: ClassVar[tuple[int | None, ...]] = (None,)
    noun: ClassVar[str] = "entities"
    link: ClassVar[str | None] = "softmax"
    card: ClassVar[Card] = Card(
        "token-classification",
        "tagger of words",
        "{count} tags",
        "Tags",
        'answer["tokens"], answer["tags"]',
        "a tag for each word, which whitespace separates: `tokens`, `tags` and the `probabilities` of these",
        "It knows of no other types of entities, and of no languages but those it was trained on.",
    )
    outputs: ClassVar[Mapping[str, tuple[str, int]]] = {
        "tokens": (WORDS, 2),
        "tags": (WORDS, 2),
        "probabilities": (FRACTIONS, 2),
    }
    unit: ClassVar[str] = "type"
    sampled: ClassVar[str] = "from each type of entity"
    needing: ClassVar[str] = "some type of entity"
    loss: ClassVar[str] = "cross-entropy of the words, nats"
    form: ClassVar[Mapping[str, type]] = {}
    least: ClassVar[int] = 2
    unexplained: ClassVar[str] = "the entities of a text"

    def __post_init__(self) -> None:
        names = tuple(map(str, self.labels))
        if fault := bio_tags.fault(names):
            raise InputError(f"{fault}; give O, B-PER, I-PER, ..., as data.labels has them")
        if len(set(names)) < len(names):
            raise InputError(f"tags must differ: {', '.join(names[:10])}")
        object.__setattr__(self, "labels", names)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of entities, in the order of the tags."""
        return self.kinds(self.labels)

    @staticmethod
    def kinds(labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return the types of entities, in the order of the tags."""
        return tuple(dict.fromkeys(bio_tags.parted(tag)[1] for tag in labels[1:]))

    @staticmethod
    def counts(truths: np.ndarray, labels: tuple[str, ...]) -> Sequence[int]:
        """Count the entities of each type, by the tags they begin with."""
        return [(truths == 2 * number + 1).sum() for number in range(len(Entities.kinds(labels)))]

    @staticmethod
    def described(truth: Any, labels: tuple[str, ...]) -> str:
        """Write the tags of the words."""
        return " ".join(labels[tag] for tag in truth if tag >= 0)

    def truths(self, clf: keras.Model, split: Any) -> np.ndarray:
        """Align the words of a split with the tokens of a classifier: int16 (n, tokens and what lies beyond them).

        Raises:
            InputError: a text with another number of words than tags, or a tokenizer that cuts a word otherwise than
                it cuts the word alone.
        """
        pre, size = clf.get_layer("pre"), clf.spec.input.size
        texts = [words(text) for text in split.items]
        tokens, counts = _tokens(pre, split.items), _counted(pre, texts)
        special = int(_tokens(pre, [""])[0])
        rows = []
        for number, (own, tags) in enumerate(zip(texts, split.labels, strict=True)):
            tags = tags[tags >= 0]
            if len(own) != len(tags):
                raise InputError(
                    f"text {number} has {len(own)} words but {len(tags)} tags: {split.items[number][:60]!r}"
                )
            pieces = np.array([counts[word] for word in _spaced(own)], np.int64)
            if min(pieces.sum() + special, size) != tokens[number]:
                raise InputError(
                    f"the tokenizer of {clf.spec.backbone.name} cuts words by what stands beside them, so tags cannot "
                    f"be aligned: {split.items[number][:60]!r}; choose another backbone"
                )
            rows.append(_row(tags, pieces, int(tokens[number]) - special, size))
        wide = max(map(len, rows), default=size)
        filled = [np.pad(row, (0, wide - len(row)), constant_values=NO_WORD) for row in rows]
        return np.array(filled, np.int16).reshape(len(rows), wide)

    def output(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Add Dense(tags, softmax), named "probabilities", over the tokens: (batch, tokens, tags)."""
        from keras import layers

        return layers.Dense(len(self.labels), activation="softmax", dtype="float32", name="probabilities")(x)

    def losses(self, truth: tf.Tensor, answer: tf.Tensor, smoothing: float, weights: np.ndarray) -> tf.Tensor:
        """Return the mean weighted cross-entropy of each text's words, in nats: (batch,)."""
        import keras
        import tensorflow as tf

        truth, known = _read(truth, answer)
        targets = tf.one_hot(truth, answer.shape[-1])
        each = keras.losses.categorical_crossentropy(targets, answer, label_smoothing=smoothing)
        each *= tf.gather(tf.constant(weights, tf.float32), truth) * known
        return tf.reduce_sum(each, 1) / tf.maximum(tf.reduce_sum(known, 1), 1.0)

    def hits(self, truth: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
        """Sum up the share of each text's words whose tag is right; 1 for a text without any."""
        import tensorflow as tf

        truth, known = _read(truth, answer)
        wrong = tf.cast(tf.not_equal(tf.argmax(answer, -1, tf.int32), truth), tf.float32) * known
        return tf.reduce_sum(1 - tf.reduce_sum(wrong, 1) / tf.maximum(tf.reduce_sum(known, 1), 1.0))

    def served(self, answer: tf.Tensor) -> dict[str, tf.Tensor]:
        """Give `token_probabilities` (batch, tokens, tags); `read` gives the words besides."""
        return {self.output_name: answer}

    def read(self, clf: keras.Model, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer texts (batch,) in a graph: `tokens` and `tags` (batch, words) of strings, "" after a text's end.

        `probabilities` (batch, words) are those of the tags. A word the model does not read, beyond its size or made
        nothing of by the tokenizer, has the tag O with a probability of 0. `token_probabilities` (batch, tokens, tags)
        are the model's own answers.
        """
        import tensorflow as tf

        pre, split = clf.get_layer("pre"), tf.strings.split(texts)
        plain = tf.strings.reduce_join(split, axis=1, separator=" ")  # other whitespace may be tokens of its own
        answer = clf(plain, training=False)
        own = split.to_tensor("")
        first = tf.concat([[""], tf.fill([tf.maximum(tf.shape(own)[1] - 1, 0)], " ")], 0)[: tf.shape(own)[1]]
        pieces = tf.where(own == "", 0, tf.reshape(subwords(pre, tf.reshape(first + own, [-1])), tf.shape(own)))
        special = subwords(pre, tf.constant([""]), special=0)
        reach = FIRST + tf.reduce_sum(tf.cast(pre(plain)["padding_mask"], tf.int32), 1) - special
        starts = FIRST + tf.cumsum(pieces, 1, exclusive=True)
        known = (pieces > 0) & (starts < reach[:, None])
        given = tf.gather(answer, tf.where(known, starts, 0), batch_dims=1)
        tags = tf.gather(tf.constant(self.labels), tf.where(known, tf.argmax(given, -1, tf.int32), 0))
        return {
            "tokens": own,
            "tags": tf.where(own == "", "", tags),
            "probabilities": tf.where(known, tf.reduce_max(given, -1), 0.0),
            self.output_name: answer,
        }

    def predictions(self, given: Mapping[str, Any]) -> list[EntitiesPrediction]:
        """Return the entities of every text."""
        told = zip(*(np.asarray(given[name]) for name in ("tokens", "tags", "probabilities")), strict=True)
        return [_prediction(*row) for row in told]


# === Subwords ===


def subwords(pre: Any, texts: tf.Tensor, special: Any = None) -> tf.Tensor:
    """Count the tokens of words (n,), tokenized on their own, without special tokens: int32 (n,).

    `special` is their number; that of an empty text by default.
    """
    import tensorflow as tf

    def tokens(given: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(pre(given)["padding_mask"], tf.int32), 1)

    return tokens(texts) - (tokens(tf.constant([""])) if special is None else special)


def _spaced(text: Sequence[str]) -> list[str]:
    """Put a space before every word but the first, as in the text, since byte pairs include it."""
    return [f" {word}" if number else word for number, word in enumerate(text)]


def _counted(pre: Any, texts: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return the number of subwords of every distinct word."""
    different = sorted({word for text in texts for word in _spaced(text)})
    special = int(_tokens(pre, [""])[0])
    return dict(zip(different, (_tokens(pre, different) - special).tolist(), strict=True))


def _tokens(pre: Any, texts: Sequence[str]) -> np.ndarray:
    """Return the number of tokens of each text, special ones included, as far as they are read: int64 (n,)."""
    import tensorflow as tf

    batches = [tf.constant(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    counts = [subwords(pre, batch, special=0).numpy() for batch in batches]
    return np.concatenate([np.zeros(0, np.int64), *counts]).astype(np.int64)


def _row(tags: np.ndarray, pieces: np.ndarray, reach: int, size: int) -> np.ndarray:
    """Return the truth of a text whose words have so many pieces, and whose first `reach` pieces are read."""
    starts = np.cumsum(pieces) - pieces
    known = (pieces > 0) & (starts < reach)
    beyond = tags[(pieces > 0) & ~known]
    row = np.full(size, NO_WORD, np.int16)
    row[FIRST + starts[known]] = tags[known]
    return np.concatenate([row, beyond, np.full((pieces == 0).sum(), NO_TOKEN)])


def _read(truth: tf.Tensor, answer: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the truth at the tokens that were answered, 0 where no word begins, and 1.0 where one does, else 0.0."""
    import tensorflow as tf

    truth = tf.cast(truth[:, : tf.shape(answer)[1]], tf.int32)
    known = truth >= 0
    return tf.where(known, truth, 0), tf.cast(known, tf.float32)


def _prediction(tokens: np.ndarray, tags: np.ndarray, probabilities: np.ndarray) -> EntitiesPrediction:
    count = int((tokens != b"").sum())
    own, names = ([value.decode("utf-8", "replace") for value in each[:count]] for each in (tokens, tags))
    found = tuple(
        Span(" ".join(own[start:end]), kind, start, end, float(probabilities[start:end].min()))
        for kind, start, end in bio_tags.spans(names)
    )
    return EntitiesPrediction(tuple(own), tuple(names), tuple(map(float, probabilities[:count])), found)
