"""The input of models that write: sizes, prompts and pairs in, and what an exported model is proved by."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers import tiny_generators
from tlkit.config import Reading
from tlkit.data.splits import Split
from tlkit.data.text_pairs import Pair
from tlkit.errors import InputError
from tlkit.models.generation.decoding import Sampling
from tlkit.models.generation.prompt_input import PromptInput

REPLY = PromptInput(size=32, limit=64, vocabulary=tiny_generators.LEXICON)
SUMMARY = PromptInput(size=32, limit=64, length=12, family="bart", vocabulary=tiny_generators.LEXICON)


# === Sizes ===


def test_a_reply_shares_its_room_with_the_prompt_and_a_summary_does_not() -> None:
    assert (REPLY.sized(20).size, REPLY.sized(20).length) == (20, 10)
    assert (SUMMARY.sized(20).size, SUMMARY.sized(20).length) == (20, 12)
    assert REPLY.sized(None, 6).length == 6 and not REPLY.summarizes and SUMMARY.summarizes


@pytest.mark.parametrize("size", [7, 65, 16.0, "16"])
def test_sizes_that_cannot_be(size: object) -> None:
    with pytest.raises(InputError, match=rf"size {size!r} does not suit this backbone; give 8 to 64 tokens"):
        REPLY.sized(size)


@pytest.mark.parametrize(
    ("given", "length", "most"), [(REPLY, 3, 28), (REPLY, 29, 28), (REPLY, 5.0, 28), (SUMMARY, 65, 64)]
)
def test_lengths_that_cannot_be(given: PromptInput, length: object, most: int) -> None:
    with pytest.raises(InputError, match=rf"length {length!r} does not suit size=32; give 4 to {most} tokens"):
        given.sized(None, length)
    assert given.sized(None, most).length == most


# === Texts ===


def test_a_text_alone_is_a_reply_to_no_prompt() -> None:
    split = Split([Pair("a", "b"), "c", ("d", "e")], np.zeros(3))
    read = [batch.numpy().tolist() for batch in REPLY.batches(split, Reading(2))]
    assert read == [[[b"a", b"b"], [b"", b"c"]], [[b"d", b"e"]]]
    (chosen,) = REPLY.batches(split, Reading(2), rows=[2, 0])
    assert chosen.numpy().tolist() == [[b"d", b"e"], [b"a", b"b"]]
    with pytest.raises(InputError, match="item 1 is a int, not a text or a pair of texts"):
        REPLY.texts(["a", 5])


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["a", 5], "item 1 is a int, not a text; give strings"),
        ([("a", "b")], "item 0 is a tuple, not a text"),
        (["a", " \n"], "item 1 is an empty prompt; give it at least a word to answer to"),
    ],
)
def test_what_is_no_prompt_is_named(items: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        REPLY.encode(items)


def test_prompts_are_encoded_as_they_are() -> None:
    name, given = REPLY.encode(["a", " é"])
    assert name == "serving_default" and given.numpy().tolist() == [b"a", " é".encode()]


def test_tokens_are_counted_and_lengths_end_at_the_size() -> None:
    pre = SimpleNamespace(lengths=lambda pairs: np.array([len(b" ".join(pair).split()) for pair in pairs.numpy()]))
    given, items = dataclasses.replace(REPLY, size=8), [("cat", "dog"), ("cat dog " * 9, "cat")]
    assert given.tokens(pre, items).tolist() == [2, 19] and given.lengths(pre, items).tolist() == [2, 8]
    assert given.tokens(pre, []).tolist() == []


# === Proofs and facts ===


def test_every_proof_has_a_prompt_of_at_least_a_word() -> None:
    (_, _, raw), (_, name, prompts) = REPLY.asked([("a b", "c"), "one two three four five six", ("", "")])
    assert raw == [[b"a b", b"c"], [b"", b"one two three four five six"], [b"", b""]]
    assert name == "text" and prompts == [b"a b", b"one two three four five", b"a"]
    made = REPLY.made_up()
    assert len(made) == 3 and all(prompt != reply for prompt, reply in made)
    assert REPLY.paired() is REPLY and REPLY.tensor().shape == (None, 2)


def test_its_facts_build_it_again() -> None:
    given = dataclasses.replace(REPLY, sampling=Sampling("top_k", k=5, seed=3), vocabulary=None)
    facts = given.facts()
    assert facts.pop("kind") == "prompt" and isinstance(facts["sampling"], dict)
    assert PromptInput(**facts) == given != PromptInput(**SUMMARY.facts() | {"kind": "text"})
