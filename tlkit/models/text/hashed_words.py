"""Words beside the vector: word and word-pair counts of a text as hashed features, and their share of the scores.

What `classifier(..., words=True)` adds: `HashedWords` stands in `pre` beside the tokenizer, what it gives passes the
backbone unchanged, and `WordScores` stands in the head beside the last dense layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    import tensorflow as tf

BUCKETS = 2**15
MOST = 512  # distinct words and pairs of a text
FEATURES = IDS, COUNTS = "word_ids", "word_counts"
TINY = 1e-12  # the least norm that is divided by: a text without words has none

# for RE2: letters with their marks, and digits, of any script
SEPARATORS = r"[^\pL\pM\pN]+"
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}]"  # scripts without spaces between words: each sign counts as a word


@keras.saving.register_keras_serializable(package="tlkit")
class HashedWords(keras.layers.Layer):
    """Turn texts (batch,) or pairs of texts (batch, 2), strings, into ids and counts of words and of word pairs.

    A word is a run of letters and digits of any script, lower-cased; each Chinese character or Japanese kana is a word
    by itself. Words and pairs of neighbouring words are hashed into buckets, always the same ones. A bucket counts once
    for a text: its id, 1 to `buckets`, with 1 + log(how often it occurs). At most `most` distinct ids of a text are
    kept, in the order in which they occur, all words before all pairs. Of two texts the words count together, without a
    pair across them.

    The answer is `word_ids`, int32 (batch, length), and `word_counts`, float32 (batch, length), zeros after a text's
    last one; `length` is that of the richest text of the batch, and at least 1.

    Args:
        buckets: how many; words that share one cannot be told apart.
        most: the most distinct ids of a text.
        segments: 1 for single texts, 2 for pairs.
    """

    def __init__(
        self,
        buckets: int = BUCKETS,
        *,
        most: int = MOST,
        segments: int = 1,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.buckets, self.most, self.segments = buckets, most, segments

    def call(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Count the words and pairs of a batch of texts."""
        import tensorflow as tf

        parts = [_words(part) for part in ((texts,) if self.segments == 1 else (texts[:, 0], texts[:, 1]))]
        found = tf.concat([*parts, *(tf.strings.ngrams(part, 2) for part in parts)], axis=1)
        ids = 1 + tf.strings.to_hash_bucket_fast(found.flat_values, self.buckets)
        rows, base = tf.cast(found.value_rowids(), tf.int64), self.buckets + 1
        distinct, _, counts = tf.unique_with_counts(rows * base + ids)  # in the order in which they occur
        ids = tf.RaggedTensor.from_value_rowids(distinct % base, distinct // base, found.nrows())
        longest = tf.clip_by_value(tf.reduce_max(tf.concat([ids.row_lengths(), [1]], 0)), 1, self.most)
        damped = ids.with_values(1 + tf.math.log(tf.cast(counts, tf.float32)))
        shape = tf.stack([found.nrows(), longest])
        return {IDS: tf.cast(ids.to_tensor(shape=shape), tf.int32), COUNTS: damped.to_tensor(shape=shape)}

    def compute_output_spec(self, texts: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Describe the outputs without reading texts."""
        shape = (texts.shape[0], None)
        return {IDS: keras.KerasTensor(shape, "int32"), COUNTS: keras.KerasTensor(shape, "float32")}

    def get_config(self) -> dict[str, Any]:
        """Return everything the layer is rebuilt from."""
        own = {"buckets": self.buckets, "most": self.most, "segments": self.segments}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tlkit")
class WordScores(keras.layers.Layer):
    """Score texts by their words: what `HashedWords` gives -> scores (batch, outputs), 0 until it is trained.

    Each id has a row of scores. A text's score is the sum of its rows, weighted by count times `idf` and divided by the
    norm of these weights over the text. Padding has count 0 and so no effect.

    Args:
        outputs: scores of a text.
        buckets: as those of `HashedWords`.

    Attributes:
        table: the scores of each id, trainable, zeros at first: (buckets + 1, outputs).
        idf: the inverse document frequency of each id, not trainable, ones at first: (buckets + 1,).
    """

    def __init__(
        self,
        outputs: int,
        buckets: int = BUCKETS,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.outputs, self.buckets = outputs, buckets

    def build(self, ids_shape: Any, counts_shape: Any) -> None:
        """Make the weights."""
        ids = self.buckets + 1
        self.table = self.add_weight(shape=(ids, self.outputs), initializer="zeros", name="table")
        self.idf = self.add_weight(shape=(ids,), initializer="ones", trainable=False, name="idf")

    def call(self, ids: Any, counts: Any) -> Any:
        """Return the scores (batch, outputs)."""
        rows = keras.ops.take(self.table, ids, axis=0)
        return keras.ops.einsum("bl,blo->bo", self.tf_idf(ids, counts), rows)

    def tf_idf(self, ids: Any, counts: Any) -> Any:
        """Return the weight of each id of each text: (batch, length), its squares summing up to 1 over a text."""
        weights = counts * keras.ops.take(self.idf, ids, axis=0)
        norm = keras.ops.sqrt(keras.ops.sum(keras.ops.square(weights), axis=1, keepdims=True))
        return weights / keras.ops.maximum(norm, TINY)

    def compute_output_shape(self, ids_shape: Any, counts_shape: Any) -> tuple[int | None, int]:
        """Return (batch, outputs)."""
        return (ids_shape[0], self.outputs)

    def get_config(self) -> dict[str, Any]:
        """Return everything the layer is rebuilt from, except for its weights."""
        return {**super().get_config(), "outputs": self.outputs, "buckets": self.buckets}


def beside(tokens: keras.layers.Layer, raw: keras.KerasTensor, segments: int) -> keras.Model:
    """Build `pre` of a tokenizer and `HashedWords`: texts -> what both of them give."""
    return keras.Model(raw, {**tokens(raw), **HashedWords(segments=segments, name="hashed_words")(raw)}, name="pre")


def past(
    inputs: Mapping[str, keras.KerasTensor], features: Mapping[str, keras.KerasTensor]
) -> tuple[dict[str, keras.KerasTensor], dict[str, keras.KerasTensor]]:
    """Return the inputs and the features of a backbone with the ids and counts of words in both."""
    ids, counts = keras.Input((None,), dtype="int32", name=IDS), keras.Input((None,), dtype="float32", name=COUNTS)
    # a nested model must not hand an input straight through: Keras takes that for a cycle
    same = {IDS: keras.ops.cast(ids, "int32"), COUNTS: keras.ops.cast(counts, "float32")}
    return {**inputs, IDS: ids, COUNTS: counts}, {**features, **same}


def _words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split texts (batch,) into lower-case words."""
    import tensorflow as tf

    texts = tf.strings.lower(texts, encoding="utf-8")
    spaced = tf.strings.regex_replace(tf.strings.regex_replace(texts, UNSPACED, r" \0 "), SEPARATORS, " ")
    return tf.strings.split(spaced)
