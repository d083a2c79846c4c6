"""Tokenization as a layer of the model. Importing this registers `Tokens`, which loading a `model.keras` needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="tlkit")
class Tokens(keras.layers.Layer):
    """Turn texts (batch,) of strings into WordPiece token ids, segment ids and a padding mask (batch, length) each.

    `length` is that of the longest text of the batch: what would be padding in all of them is not computed.

    A wrapper of KerasHub's `BertTextClassifierPreprocessor` that keeps the vocabulary in its config: the preprocessor
    itself, called inside a functional model, is saved to a `.keras` file that cannot be loaded again.

    Args:
        vocabulary: the WordPieces, in the order of their ids.
        lowercase: whether texts are lower-cased (and accents dropped) first, as uncased BERTs were trained.
        sequence_length: tokens per text, [CLS] and [SEP] included; longer texts are cut, shorter ones padded.
    """

    def __init__(
        self,
        vocabulary: list[str],
        lowercase: bool,
        sequence_length: int,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.vocabulary = tuple(vocabulary)
        self.lowercase = lowercase
        self.sequence_length = sequence_length
        # behind a function, where Keras does not look for layers to save: the config already holds all of it
        preprocessor = _preprocessor(list(vocabulary), lowercase, sequence_length)
        self._encode = lambda texts: preprocessor(texts)

    def call(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokenize a batch of texts, padded to the longest of them."""
        import tensorflow as tf

        tokens = self._encode(texts)
        real = tf.cast(tf.reduce_any(tokens["padding_mask"], axis=0), tf.int32)
        longest = tf.maximum(tf.reduce_sum(real), 1)  # an empty batch keeps one column
        return {name: values[:, :longest] for name, values in tokens.items()}

    def compute_output_spec(self, texts: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Describe the three int32 outputs without running the tokenizer."""
        shape = (texts.shape[0], None)
        return {
            "token_ids": keras.KerasTensor(shape, dtype="int32"),
            "segment_ids": keras.KerasTensor(shape, dtype="int32"),
            "padding_mask": keras.KerasTensor(shape, dtype="bool"),
        }

    def get_config(self) -> dict[str, Any]:
        """Return everything the layer is rebuilt from."""
        own = {"vocabulary": list(self.vocabulary), "lowercase": self.lowercase}
        return {**super().get_config(), **own, "sequence_length": self.sequence_length}


def _preprocessor(vocabulary: list[str], lowercase: bool, sequence_length: int) -> Callable:
    import keras_hub

    tokenizer = keras_hub.models.BertTokenizer(vocabulary=vocabulary, lowercase=lowercase)
    return keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=sequence_length)
