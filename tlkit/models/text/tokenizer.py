"""Tokenizer as a Keras layer. Importing this registers `Tokens`, which loading a `model.keras` needs.

The tokenizers are KerasHub's, in the form that runs in a TensorFlow graph, eagerly too: their other form, in Python,
splits some texts otherwise, and training would then differ from serving.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras

from tlkit.errors import InputError
from tlkit.models import kerashub
from tlkit.models.text.families import KINDS

if TYPE_CHECKING:
    import tensorflow as tf

PADDING = -1  # while texts are packed; it is no token's id, as the pad token's is in GPT-2
HOLE = "[hole {}]"  # for an id that no token has; no byte pairs merge into it


@keras.saving.register_keras_serializable(package="tlkit")
class Tokens(keras.layers.Layer):
    """Turn texts (batch,) or pairs of texts (batch, 2) of strings into token ids and a padding mask (batch, length)
    each, and segment ids (0 in the first text, 1 in the second) where the backbone takes them.

    `length` is that of the longest text of the batch: what would be padding in all of them is not computed.

    A wrapper of KerasHub's tokenizers and packer that keeps the vocabulary in its config: a preprocessor of KerasHub
    itself, called inside a functional model, is saved to a `.keras` file that cannot be loaded again. Special tokens
    that are written in a text, such as "</s>", are plain text.

    Args:
        vocabulary: WordPieces or byte pairs, in the order of their ids; empty for sentencepieces.
        lowercase: whether texts are lower-cased (and accents dropped) first, as uncased BERTs were trained.
        sequence_length: tokens per text, special ones included; longer texts are cut, shorter ones padded. Of a pair
            the longer text is cut first.
        family: a key of `KINDS`.
        merges: the merges of byte pairs, the first one first.
        proto: a sentencepiece model, its bytes in base64.
        segments: 1 for single texts, 2 for pairs.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        lowercase: bool,
        sequence_length: int,
        *,
        family: str = "bert",
        merges: Sequence[str] = (),
        proto: str = "",
        segments: int = 1,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.vocabulary = tuple(vocabulary)
        self.lowercase = lowercase
        self.sequence_length = sequence_length
        self.family, self.merges, self.proto, self.segments = family, tuple(merges), proto, segments
        tokenizer = build_tokenizer(self)
        split = (kerashub.byte_pairs if KINDS[family].splits == "bytes" else kerashub.ragged)(tokenizer)
        pack = _packer(KINDS[family], tokenizer, sequence_length)
        # behind functions, where Keras does not look for layers to save: the config already holds all of it
        self._split, self._pack = (lambda texts: split(texts)), (lambda texts: pack(texts))
        self._pad = getattr(tokenizer, "pad_token_id", 0)
        # an exported model needs to know of its tables
        self._resources = kerashub.splitting_tables(tokenizer)

    def call(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokenize a batch of texts, padded to the longest of them."""
        import tensorflow as tf

        ids, segments = self._pack(tuple(self._split(part) for part in self._parts(texts)))
        mask = ids != PADDING
        ids = tf.where(mask, ids, tf.cast(self._pad, ids.dtype))
        real = tf.cast(tf.reduce_any(mask, axis=0), tf.int32)
        longest = tf.maximum(tf.reduce_sum(real), 1)  # an empty batch keeps one column
        tokens = {"token_ids": ids, "segment_ids": segments, "padding_mask": mask}
        return {name: tokens[name][:, :longest] for name in KINDS[self.family].outputs}

    def lengths(self, texts: tf.Tensor) -> tf.Tensor:
        """Return how many tokens each text has, special ones included, however many are read: int64 (batch,)."""
        import tensorflow as tf

        counts = [tf.cast(self._split(part).row_lengths(), tf.int64) for part in self._parts(texts)]
        family = KINDS[self.family]
        return tf.add_n(counts) + 1 + (self.segments - 1) * family.separators + (family.pooled != "last")

    def _parts(self, texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return (texts,) if self.segments == 1 else (texts[:, 0], texts[:, 1])

    def compute_output_spec(self, texts: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Describe the outputs without running the tokenizer."""
        shape = (texts.shape[0], None)
        outputs = KINDS[self.family].outputs
        return {name: keras.KerasTensor(shape, dtype=dtype) for name, dtype in outputs.items()}

    def get_config(self) -> dict[str, Any]:
        """Return everything the layer is rebuilt from."""
        own = {"vocabulary": list(self.vocabulary), "lowercase": self.lowercase}
        own |= {"sequence_length": self.sequence_length, "family": self.family, "merges": list(self.merges)}
        return {**super().get_config(), **own, "proto": self.proto, "segments": self.segments}


# === Tokenizers ===


def build_tokenizer(layer: Tokens) -> Any:
    """Build the tokenizer of KerasHub. Whatever the config says, no file is read.

    Raises:
        InputError: a family that is not known, or a vocabulary that does not fit it.
    """
    import keras_hub
    import tensorflow as tf

    if layer.family not in KINDS:
        raise InputError(f"tokens of the family {str(layer.family)[:100]!r} are not known; {', '.join(KINDS)} are")
    family = KINDS[layer.family]
    build = getattr(keras_hub.models, family.tokenizer)
    try:
        if family.splits == "words":
            return build(vocabulary=list(layer.vocabulary), lowercase=layer.lowercase, **kerashub.IN_GRAPH)
        if family.splits == "bytes":
            ids = {word: number for number, word in enumerate(layer.vocabulary)}
            return build(vocabulary=ids, merges=list(layer.merges), unsplittable_tokens=[], **kerashub.IN_GRAPH)
        return build(proto=base64.b64decode(layer.proto, validate=True), **kerashub.IN_GRAPH)
    except (ValueError, RuntimeError, tf.errors.OpError, binascii.Error) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise InputError(f"the vocabulary is none of the family {layer.family}: {reason}; give its own") from error


def _packer(family: Any, tokenizer: Any, length: int) -> Callable:
    """Build the packer, which adds special tokens, cuts texts to a length and pads them with PADDING.

    A decoder's texts get no end token: what it says of the last token of a text is about what may follow it.
    """
    import keras_hub

    start, end = tokenizer.start_token_id, tokenizer.end_token_id
    how = {"sep_value": [end] * family.separators, "pad_value": PADDING, "truncate": "round_robin"}
    packer = keras_hub.layers.MultiSegmentPacker(length, start, end, **how, **kerashub.IN_GRAPH)
    return lambda parts: packer(parts, add_end_value=family.pooled != "last")
