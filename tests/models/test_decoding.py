"""Cached decoding against decoding without a cache, one whole pass a token."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tlkit
from tests.helpers import tiny_generators
from tlkit.errors import InputError
from tlkit.models import classifier
from tlkit.models.generation.decoding import Sampling, answered


@pytest.fixture(scope="module", params=["reply", "summary"])
def lm(request: pytest.FixtureRequest) -> Any:
    return (tiny_generators.decoder if request.param == "reply" else tiny_generators.seq2seq)(length=6)


def by_hand(lm: Any, prompt: str) -> str:
    """Write greedily, computing everything anew for each token."""
    pre, body, _ = classifier.pieces(lm)
    given, wanted, _ = pre.prompts(tf.constant([prompt]))
    side = "decoder_" if "decoder_token_ids" in given else ""
    before = {name: value for name, value in given.items() if not name.startswith(side or "no")}
    (written,) = np.flatnonzero(~wanted.numpy()[0])[None]
    ids = given[f"{side}token_ids"].numpy()[0][written].tolist()
    start = len(ids)
    while len(ids) - start < wanted.numpy().sum() and (len(ids) == start or ids[-1] != pre.end):
        now = {f"{side}token_ids": tf.constant([ids]), f"{side}padding_mask": tf.ones((1, len(ids)), tf.int32)}
        rest = {name: tf.cast(value, tf.int32) for name, value in before.items()} if side else {}
        ids.append(int(np.argmax(body({**rest, **now}, training=False)["scores"].numpy()[0, -1])))
    new = tf.constant([ids[start:]], tf.int32)
    return pre.texts(new, tf.ones_like(new, tf.bool)).numpy()[0].decode("utf-8", "replace")


def test_the_cache_changes_nothing_nor_does_the_company(lm: Any) -> None:
    together = tlkit.generate(lm, tiny_generators.PROMPTS)
    assert together == [by_hand(lm, prompt) for prompt in tiny_generators.PROMPTS]
    assert len(set(together)) > 3
    assert tlkit.generate(lm, tiny_generators.PROMPTS[1]) == together[1:2]
    lm.layers[-2].get_layer("token_embedding").embeddings.assign_add(np.ones((1, 16)) * np.linspace(-3, 3, 16))
    assert tlkit.generate(lm, tiny_generators.PROMPTS) != together  # what was compiled follows the weights


def test_a_bloom_writes_with_the_cache_what_it_writes_without() -> None:
    lm = tiny_generators.bloom(length=4)
    together = tlkit.generate(lm, tiny_generators.PROMPTS[:4:3])
    assert together == [by_hand(lm, prompt) for prompt in tiny_generators.PROMPTS[:4:3]]
    assert together[0] != together[1]


@pytest.mark.slow
def test_draws_follow_the_seed(lm: Any) -> None:
    def drawn(**how: Any) -> list[str]:
        return tlkit.generate(lm, tiny_generators.PROMPTS[:3], sampling=Sampling(**how))

    first = drawn(sampler="top_p", p=0.95, temperature=2.0, seed=1)
    assert first == drawn(sampler="top_p", p=0.95, temperature=2.0, seed=1)
    assert first != drawn(sampler="top_p", p=0.95, temperature=2.0, seed=2)
    assert drawn(sampler="top_k", k=1) == tlkit.generate(lm, tiny_generators.PROMPTS[:3])


def test_what_is_not_read_is_counted(lm: Any) -> None:
    long, short = answered(lm, ["the " * 40, "the cat"])
    around, room = (3, 32 - 6 - 2) if "reply" in lm.name else (2, 32 - 2)  # special tokens and the separator
    tokens = int(lm.get_layer("pre").lengths(tf.constant([["the " * 40, ""]]))[0]) - around
    assert long.dropped == tokens - room > 0 and short.dropped == 0


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([""], "item 0 is an empty prompt; give it at least a word"),
        (["a", "\n "], "item 1 is an empty prompt"),
        (["a", 3], "item 1 is a int, not a text; give strings"),
    ],
)
def test_prompts_that_cannot_be(lm: Any, items: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tlkit.generate(lm, items)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sampler": "beam"}, "sampler"),
        ({"k": 0}, "give k of 1 or more"),
        ({"p": 0.0}, "0 < p <= 1"),
        ({"temperature": 0.0}, "a temperature above 0"),
    ],
)
def test_samplings_that_cannot_be(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sampling(**given)
