"""Pairs of texts as tokens: what stands where, what is learned, what is cut, and texts again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import tiny_generators
from tlkit.errors import InputError
from tlkit.models.generation.prompt_tokenizer import ReplyTokens, SummaryTokens

LEXICON = tiny_generators.LEXICON
END = LEXICON.words.index("<|endoftext|>")


def replies(size: int = 12, length: int = 6, separator: str = "\n") -> ReplyTokens:
    return ReplyTokens(LEXICON.words, LEXICON.merges, size, length, family="gpt2", separator=separator)


def words(layer: Any, ids: Any) -> list[str]:
    return [layer.vocabulary[number] for number in np.asarray(ids)]


@pytest.fixture(scope="module")
def layer() -> ReplyTokens:
    return replies()


def test_prompt_separator_and_reply(layer: ReplyTokens) -> None:
    found = layer(tf.constant([["the cat", "dog"], ["", "a"]]))
    first, second = found["token_ids"].numpy()
    assert words(layer, first) == ["<|endoftext|>", "the", "Ġ", "cat", "Ċ", "dog", "<|endoftext|>"]
    assert words(layer, second[:3]) == ["<|endoftext|>", "a", "<|endoftext|>"]  # without a prompt no separator
    assert found["padding_mask"].numpy().sum(1).tolist() == [7, 3]
    assert layer.lengths(tf.constant([["the cat", "dog"], ["", "a"]])).numpy().tolist() == [7, 3]


def test_only_the_reply_is_learned(layer: ReplyTokens) -> None:
    truth = layer.truths(tf.constant([["the cat", "dog"], ["", "a"]])).numpy()
    assert truth[0].tolist() == [-1, -1, -1, -1, LEXICON.words.index("dog"), END, -1]
    assert truth[1].tolist() == [LEXICON.words.index("a"), END, -1, -1, -1, -1, -1]


def test_prompts_are_cut_at_their_beginning_and_replies_at_their_end(layer: ReplyTokens) -> None:
    (ids,) = layer(tf.constant([["abcdefghijkl", "uvwxyz"]]))["token_ids"].numpy()
    assert words(layer, ids) == ["<|endoftext|>", *"ijkl", "Ċ", *"uvwxyz"] and len(ids) == 12
    (ids,) = layer(tf.constant([["ab", "abcdefghijklmnop"]]))["token_ids"].numpy()
    assert words(layer, ids) == ["<|endoftext|>", "a", "b", "Ċ", *"abcdefgh"]  # what a short prompt leaves is used


def test_prompts_leave_room(layer: ReplyTokens) -> None:
    given, wanted, dropped = layer.prompts(tf.constant(["abcdefghij", "ab"]))
    ids, mask = given["token_ids"].numpy(), given["padding_mask"].numpy()
    assert words(layer, ids[0][mask[0]]) == ["<|endoftext|>", *"ghij", "Ċ"] and dropped.numpy().tolist() == [6, 0]
    assert ids.shape == (2, 12) and wanted.numpy().sum(1).tolist() == [6, 6]
    assert np.flatnonzero(wanted.numpy()[1]).tolist() == [4, 5, 6, 7, 8, 9]


def test_texts_come_back_without_special_tokens(layer: ReplyTokens) -> None:
    text = "the ä cat! <|endoftext|>"
    ids = layer(tf.constant([["", text[:9]]]))["token_ids"]
    assert layer.texts(ids, tf.ones_like(ids, tf.bool)).numpy()[0].decode() == text[:9]
    plain = replies(64)(tf.constant([["", text]]))["token_ids"]  # written out, it is no special token
    assert (plain.numpy() == END).sum() == 2
    assert layer.texts(plain, tf.ones_like(plain, tf.bool)).numpy()[0].decode() == text


def test_documents_and_summaries() -> None:
    layer = SummaryTokens(LEXICON.words, LEXICON.merges, 8, 6, family="bart")
    pairs = tf.constant([["the cat ran away", "dog"], ["a", "abcdefgh"]])
    found = {name: value.numpy() for name, value in layer(pairs).items()}
    assert words(layer, found["encoder_token_ids"][0]) == ["<s>", "the", "Ġ", "cat", "Ġ", "r", "a", "</s>"]
    assert words(layer, found["decoder_token_ids"][0][:3]) == ["</s>", "<s>", "dog"]
    assert words(layer, found["decoder_token_ids"][1]) == ["</s>", "<s>", *"abcd"]
    truth = layer.truths(pairs).numpy()
    assert words(layer, truth[0][1:3]) == ["dog", "</s>"] and truth[0][[0, 3, 4, 5]].tolist() == [-1] * 4
    assert words(layer, truth[1][1:]) == [*"abcde"]  # cut, it has no end
    _, wanted, dropped = layer.prompts(pairs[:, 0])
    assert dropped.numpy().tolist() == [6, 0] and wanted.numpy().sum(1).tolist() == [5, 5]


def test_a_copy_from_the_config_does_the_same(layer: ReplyTokens) -> None:
    copy = ReplyTokens.from_config(layer.get_config())
    pairs = tf.constant([["the cat", "dog"]])
    assert np.array_equal(copy(pairs)["token_ids"], layer(pairs)["token_ids"])


def test_vocabularies_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="the vocabulary is none of the family gpt2"):
        ReplyTokens(["a"], [], 12, 6, family="gpt2")
