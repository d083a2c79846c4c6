"""Tokenize pairs of prompt and reply, or of document and summary, for models that generate text.

Importing this registers `ReplyTokens` and `SummaryTokens`, which loading the `model.keras` of such a model needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from tlkit.models import kerashub
from tlkit.models.text.tokenizer import build_tokenizer
from tlkit.tasks.next_token import NONE

if TYPE_CHECKING:
    import tensorflow as tf


class _Turns(keras.layers.Layer):
    """A byte-pair tokenizer with its vocabulary in the config, as `tlkit.models.text.tokenizer.Tokens` does."""

    def __init__(
        self,
        vocabulary: Sequence[str],
        merges: Sequence[str],
        sequence_length: int,
        length: int,
        *,
        family: str,
        separator: str = "",
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.vocabulary, self.merges = tuple(vocabulary), tuple(merges)
        self.sequence_length, self.length = sequence_length, length
        self.family, self.separator = family, separator
        self.lowercase, self.proto = False, ""
        table = build_tokenizer(self)
        split = kerashub.byte_pairs(table)
        # behind functions, where Keras does not look for layers to save: the config already holds all of it
        self._split, self._join = (lambda texts: split(texts)), (lambda ids: kerashub.join_byte_pairs(table, ids))
        self.start, self.end = int(table.start_token_id), int(table.end_token_id)
        self._pad = int(table.pad_token_id)  # GPT-2 has none and pads with its first token, which is no special one
        self._special = tuple(map(int, table.special_token_ids))
        # an exported model needs to know of its tables
        self._resources = [*kerashub.splitting_tables(table), *kerashub.joining_tables(table)]

    def texts(self, ids: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """Join the chosen ids (batch, tokens) of each example to a text: strings (batch,)."""
        import tensorflow as tf

        special = tf.reduce_any(ids[..., None] == tf.constant(self._special, ids.dtype), -1)
        return self._join(tf.ragged.boolean_mask(ids, chosen & ~special))

    def get_config(self) -> dict[str, Any]:
        """Return everything the layer is rebuilt from."""
        own = {"vocabulary": list(self.vocabulary), "merges": list(self.merges), "length": self.length}
        own |= {"sequence_length": self.sequence_length, "family": self.family, "separator": self.separator}
        return {**super().get_config(), **own}

    def _dense(self, ids: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Pad ids to the longest example, at least one place: ids and padding mask (batch, tokens), int32."""
        import tensorflow as tf

        padded = ids.to_tensor(self._pad)
        missing = tf.maximum(1 - tf.shape(padded)[1], 0)  # an empty batch keeps one column
        padded = tf.pad(padded, [[0, 0], [0, missing]], constant_values=self._pad)
        return padded, tf.sequence_mask(ids.row_lengths(), tf.shape(padded)[1], tf.int32)


@keras.saving.register_keras_serializable(package="tlkit")
class ReplyTokens(_Turns):
    """Turn pairs (batch, 2) of strings, prompt and reply, into token ids and a padding mask (batch, tokens) of a
    decoder: start, prompt, separator, reply, end. Without a prompt there is no separator.

    A reply is cut at its end where it has more than `length` tokens and the prompt leaves no more; a prompt is cut at
    its beginning, since its end matters most.

    Args:
        vocabulary: byte pairs, in the order of their ids.
        merges: of them, the first one first.
        sequence_length: tokens of prompt and reply together, special ones included.
        length: tokens of a reply, its end included, that are kept however long the prompt is.
        family: a key of `tlkit.models.text.families.FAMILIES`.
        separator: stands between prompt and reply.
    """

    def call(self, pairs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokenize a batch of pairs, padded to the longest of them."""
        ids, mask = self._dense(self._packed(pairs)[0])
        return {"token_ids": ids, "padding_mask": mask}

    def compute_output_spec(self, pairs: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Describe the outputs without running the tokenizer."""
        shape = (pairs.shape[0], None)
        return {name: keras.KerasTensor(shape, dtype="int32") for name in ("token_ids", "padding_mask")}

    def truths(self, pairs: tf.Tensor) -> tf.Tensor:
        """Return the id that follows each place, -1 where it is not of the reply: int64 (batch, tokens)."""
        import tensorflow as tf

        ids, first = self._packed(pairs)
        dense, mask = self._dense(ids)
        places = tf.range(tf.shape(dense)[1], dtype=tf.int64)
        spoken = (mask > 0) & (places >= first[:, None])
        ids_to_write = tf.where(spoken, tf.cast(dense, tf.int64), NONE)
        return tf.pad(ids_to_write[:, 1:], [[0, 0], [0, 1]], constant_values=NONE)

    def lengths(self, pairs: tf.Tensor) -> tf.Tensor:
        """Return how many tokens each pair has, however many are read: int64 (batch,)."""
        prompts, replies = self._split(pairs[:, 0]), self._split(pairs[:, 1])
        return 2 + prompts.row_lengths() + self._between(prompts).row_lengths() + replies.row_lengths()

    def prompts(self, texts: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        """Tokenize prompts (batch,) and leave room for `length` tokens after the longest.

        Returns:
            What a decoder's `generate_step` takes; the places that are to be written, boolean (batch, tokens); and how
            many tokens of each prompt are not read, int64 (batch,).
        """
        import tensorflow as tf

        prompts = self._split(texts)
        between = self._between(prompts)
        room = self.sequence_length - 1 - self.length - between.row_lengths()
        kept = _last(prompts, room)
        ids, mask = self._dense(tf.concat([self._starts(texts), kept, between], 1))
        ids, mask = (tf.pad(part, [[0, 0], [0, self.length]]) for part in (ids, mask))
        places, own = tf.range(tf.shape(ids)[1])[None], tf.reduce_sum(mask, 1)[:, None]
        wanted = (places >= own) & (places < own + self.length)
        return (
            {"token_ids": ids, "padding_mask": tf.cast(mask, tf.bool)},
            wanted,
            prompts.row_lengths() - kept.row_lengths(),
        )

    def _packed(self, pairs: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Return the ids of each pair, and the place of its reply's first one."""
        import tensorflow as tf

        prompts = self._split(pairs[:, 0])
        between = self._between(prompts)
        replies = tf.concat([self._split(pairs[:, 1]), tf.fill((tf.shape(pairs)[0], 1), self.end)], 1)
        before = 1 + prompts.row_lengths() + between.row_lengths()
        replies = _first(replies, tf.maximum(tf.cast(self.length, tf.int64), self.sequence_length - before))
        room = self.sequence_length - 1 - between.row_lengths() - replies.row_lengths()
        prompts = _last(prompts, room)
        ids = tf.concat([self._starts(pairs), prompts, between, replies], 1)
        return ids, 1 + prompts.row_lengths() + between.row_lengths()

    def _starts(self, texts: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.fill((tf.shape(texts)[0], 1), self.start)

    def _between(self, prompts: tf.RaggedTensor) -> tf.RaggedTensor:
        """Return the ids of the separator for each prompt that is not empty."""
        import tensorflow as tf

        one = self._split(tf.constant([self.separator])).to_tensor()
        count = prompts.nrows(tf.int32)
        present = tf.tile((prompts.row_lengths() > 0)[:, None], [1, tf.shape(one)[1]])
        return tf.ragged.boolean_mask(tf.tile(one, [count, 1]), present)


@keras.saving.register_keras_serializable(package="tlkit")
class SummaryTokens(_Turns):
    """Turn pairs (batch, 2) of strings, document and summary, into ids and padding masks of an encoder and a decoder.

    A document is cut after `sequence_length` tokens, a summary after `length`, special ones included.

    Args:
        vocabulary, merges, sequence_length, length, family: as for `ReplyTokens`, of a key of `families.SEQ2SEQ`.
        separator: unused.
    """

    def call(self, pairs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokenize a batch of pairs, documents and summaries each padded to the longest of them."""
        import tensorflow as tf

        ids, mask = self._dense(self._document(pairs[:, 0])[0])
        written, written_mask = self._dense(tf.concat([self._openings(pairs), self._summary(pairs)[:, :-1]], 1))
        return {
            "encoder_token_ids": ids,
            "encoder_padding_mask": mask,
            "decoder_token_ids": written,
            "decoder_padding_mask": written_mask,
        }

    def compute_output_spec(self, pairs: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Describe the outputs without running the tokenizer."""
        names = (f"{side}_{what}" for side in ("encoder", "decoder") for what in ("token_ids", "padding_mask"))
        return {name: keras.KerasTensor((pairs.shape[0], None), dtype="int32") for name in names}

    def truths(self, pairs: tf.Tensor) -> tf.Tensor:
        """Return the id after each place of a decoder, -1 where it is not of the summary: int64 (batch, tokens)."""
        import tensorflow as tf

        dense, mask = self._dense(self._summary(pairs))
        ids_to_write = tf.where(mask > 0, tf.cast(dense, tf.int64), NONE)
        return tf.pad(ids_to_write, [[0, 0], [1, 0]], constant_values=NONE)  # that the start follows the end is no news

    def lengths(self, pairs: tf.Tensor) -> tf.Tensor:
        """Return how many tokens each document has, however many are read: int64 (batch,)."""
        return 2 + self._split(pairs[:, 0]).row_lengths()

    def prompts(self, texts: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        """Tokenize documents (batch,), and leave room for a summary; returns as `ReplyTokens.prompts` does."""
        import tensorflow as tf

        found, dropped = self._document(texts)
        ids, mask = self._dense(found)
        opening = self._openings(texts)
        written = tf.pad(opening, [[0, 0], [0, self.length - 1]], constant_values=self._pad)
        open_mask = tf.pad(tf.ones_like(opening, tf.bool), [[0, 0], [0, self.length - 1]])
        given = {"encoder_token_ids": ids, "encoder_padding_mask": mask}
        return given | {"decoder_token_ids": written, "decoder_padding_mask": open_mask}, ~open_mask, dropped

    def _document(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Return the ids of each document, and how many are not read."""
        import tensorflow as tf

        ids = self._split(texts)
        kept = ids[:, : self.sequence_length - 2]
        ends = [tf.fill((tf.shape(texts)[0], 1), token) for token in (self.start, self.end)]
        return tf.concat([ends[0], kept, ends[1]], 1), ids.row_lengths() - kept.row_lengths()

    def _summary(self, pairs: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids that are to be written: those of the summary and the end."""
        import tensorflow as tf

        end = tf.fill((tf.shape(pairs)[0], 1), self.end)
        return tf.concat([self._split(pairs[:, 1]), end], 1)[:, : self.length - 1]

    def _openings(self, texts: tf.Tensor) -> tf.Tensor:
        """Return what BART's decoder begins with: its end token and its start token."""
        import tensorflow as tf

        return tf.tile(tf.constant([[self.end, self.start]]), [tf.shape(texts)[0], 1])


def _first(ids: tf.RaggedTensor, count: tf.Tensor) -> tf.RaggedTensor:
    """Keep the first so many ids of each row."""
    return _where(ids, lambda position, rows: position < _of(count, rows))


def _last(ids: tf.RaggedTensor, count: tf.Tensor) -> tf.RaggedTensor:
    """Keep the last so many ids of each row."""
    return _where(ids, lambda position, rows: position >= _of(ids.row_lengths() - count, rows))


def _of(values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return tf.gather(values, rows)


def _where(ids: tf.RaggedTensor, chosen: Any) -> tf.RaggedTensor:
    import tensorflow as tf

    places = tf.ragged.range(ids.row_lengths()).flat_values
    return tf.ragged.boolean_mask(ids, ids.with_flat_values(chosen(places, ids.value_rowids())))
