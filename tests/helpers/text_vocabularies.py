"""Tiny vocabularies of every family of text backbones, and rows of the tables made small enough to train in a test."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import tiny_models
from tlkit.models.backbone import Backbone
from tlkit.models.text.families import FAMILIES
from tlkit.models.text.text_backbones import TEXT
from tlkit.models.text.text_presets import Lexicon
from tlkit.utils.lazy import resolve

# one row of each family, which the slow tests build; `make test-all` builds all
FIRST = {family: next(name for name, row in TEXT.items() if row.input.family == family) for family in FAMILIES}
# one of each way of splitting, and a decoder, in the fast tests; the others, which take as long again, in all
QUICK = ("bert", "albert", "gpt2")
EACH = [pytest.param(family, marks=() if family in QUICK else pytest.mark.all) for family in FAMILIES]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@functools.cache
def lexicon(family: str) -> Lexicon:
    """Make the tiny vocabulary of a family: the words of `models.WORDS`, whole where it can hold words."""
    splits = FAMILIES[family].splits
    if splits == "words":
        return Lexicon((*SPECIAL, *tiny_models.WORDS, "##s"), lowercase=True)
    return _byte_pairs() if splits == "bytes" else Lexicon(proto=base64.b64encode(_pieces()).decode())


def _byte_pairs() -> Lexicon:
    from keras_hub.src.tokenizers.byte_pair_tokenizer import bytes_to_unicode

    words = ["<s>", "<pad>", "</s>", "<unk>", *bytes_to_unicode()[1], "<mask>", "<|endoftext|>"]
    merges = []
    for word in tiny_models.WORDS:
        whole = "\u0120"
        for letter in word:
            merges.append(f"{whole} {letter}")
            whole += letter
            words.append(whole)
    return Lexicon(tuple(dict.fromkeys(words)), tuple(dict.fromkeys(merges)))


def _pieces() -> bytes:
    import sentencepiece

    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(
            [" ".join(tiny_models.WORDS[n:] + tiny_models.WORDS[:n]) for n in range(len(tiny_models.WORDS))] * 20
        ),
        model_writer=made,
        vocab_size=44,
        hard_vocab_limit=False,
        control_symbols=["[CLS]", "[SEP]", "<pad>", "[PAD]"],
        user_defined_symbols=["[MASK]"],
        minloglevel=2,
    )
    return made.getvalue()


def size(known: Lexicon) -> int:
    """Return how many ids a vocabulary needs, with room for the shift of XLM-RoBERTa."""
    if not known.proto:
        return len(known.words)
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_proto=base64.b64decode(known.proto)).vocab_size() + 2


def shrunk(row: Backbone, layers: int | None = None) -> Backbone:
    """Return a row of 16 channels and a tiny vocabulary, with as many layers as it has or as are given."""
    known = lexicon(row.input.family)
    words = next(key for key in row.arguments if key in ("vocab_size", "vocabulary_size"))
    small: dict[str, Any] = {"num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, words: size(known)}
    small |= {"embedding_dim": 8} if "embedding_dim" in row.arguments else {}
    small |= {"bucket_size": 8} if row.input.family == "deberta_v3" else {}
    small |= {"num_layers": layers} if layers else {}
    given = dataclasses.replace(row.input, vocabulary=known)
    return dataclasses.replace(row, input=given, arguments={**row.arguments, **small})


def classifier(row: str | Backbone, head: str = "cls_dense", layers: int | None = None, **options: Any) -> Any:
    """Build a text classifier of three topics over a shrunken row, with spread weights; always the same one."""
    import keras
    import tensorflow as tf

    import tlkit

    keras.utils.set_random_seed(0)
    row = shrunk(TEXT[row] if isinstance(row, str) else row, layers)
    clf = tlkit.classifier(row, head, ["a", "b", "c"], weights=None, **({"size": 16} | options))
    texts = [[text, other] for text, other in PAIRS] if options.get("pairs") else tiny_models.TEXTS
    return tiny_models.spread(clf, tf.constant(texts))


PAIRS = list(zip(tiny_models.TEXTS, tiny_models.TEXTS[1:] + tiny_models.TEXTS[:1], strict=True))


def save_preset(family: str, folder: Path, layers: int = 2) -> Path:
    """Write a tiny backbone of a family, with random weights, as a KerasHub preset."""
    row = shrunk(TEXT[FIRST[family]], layers)
    resolve(row.builder)(**{**row.arguments, **positions(family)}).save_to_preset(str(folder))
    tokenizer(family).save_to_preset(str(folder))
    return folder


def tokenizer(family: str) -> Any:
    """Build KerasHub's own tokenizer of a family with the tiny vocabulary."""
    import keras_hub

    known = lexicon(family)
    made = getattr(keras_hub.models, FAMILIES[family].tokenizer)
    if known.proto:
        return made(proto=base64.b64decode(known.proto))
    if FAMILIES[family].splits == "words":
        return made(vocabulary=list(known.words), lowercase=True)
    return made(vocabulary={word: number for number, word in enumerate(known.words)}, merges=list(known.merges))


def positions(family: str) -> dict[str, int]:
    """Return the argument that says how many positions there are; a BLOOM has none."""
    return {} if family == "bloom" else {"max_sequence_length": 32}
