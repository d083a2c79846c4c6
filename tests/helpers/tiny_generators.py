"""Tiny models that write, with random weights and logits that differ from prompt to prompt, for the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlkit.data.splits import Data, Split
from tlkit.data.text_pairs import Pair
from tlkit.models.backbone import Backbone
from tlkit.models.generation.generators import blocks, generator, summarizer
from tlkit.models.generation.prompt_input import PromptInput
from tlkit.models.text.text_presets import Lexicon, made_up

BYTES = made_up("gpt2", False).words
MERGES = ("c a", "ca t", "d o", "do g", "t h", "th e")
LEXICON = Lexicon((*BYTES, "ca", "cat", "do", "dog", "th", "the"), MERGES)
# bytes that are no letters alone would all be shown alike
_LETTERS = np.array([[1.0 if word.isascii() and word.isalnum() else 0.1] for word in LEXICON.words])
SHAPE = {"num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "vocabulary_size": len(LEXICON.words)}
PROMPTS = ["the cat sat", "a dog", "who is the dog of the cat?", "ä and é", "the " * 40, "x"]


def decoder(layers: int = 3, **options: Any) -> Any:
    """Build a tiny GPT-2 that replies."""
    shape = {**SHAPE, "num_layers": layers, "max_sequence_length": 64}
    given = PromptInput(size=32, limit=64, family="gpt2", vocabulary=LEXICON)
    row = Backbone("tiny_gpt2", "keras_hub.models:GPT2Backbone", given, blocks, "embeddings_dropout", arguments=shape)
    return _spread(generator, row, options)


def bloom(layers: int = 2, **options: Any) -> Any:
    """Build a tiny BLOOM that replies."""
    given = PromptInput(size=32, limit=64, family="bloom", vocabulary=LEXICON)
    shape = {**SHAPE, "num_layers": layers}
    row = Backbone(
        "tiny_bloom", "keras_hub.models:BloomBackbone", given, blocks, "embedding_layernorm", arguments=shape
    )
    lm = _spread(generator, row, options)
    table = lm.layers[-2].get_layer("token_embedding").embeddings  # a longer vector would win whatever was asked
    table.assign(table / np.linalg.norm(table, axis=1, keepdims=True) * _LETTERS)
    return lm


def seq2seq(layers: int = 2, **options: Any) -> Any:
    """Build a tiny BART that summarizes."""
    shape = {**SHAPE, "num_layers": layers, "max_sequence_length": 64}
    given = PromptInput(size=32, limit=64, length=12, family="bart", vocabulary=LEXICON)
    stem = "encoder_embeddings_dropout"
    row = Backbone("tiny_bart", "keras_hub.models:BartBackbone", given, blocks, stem, arguments=shape)
    return _spread(summarizer, row, options)


def _spread(build: Any, row: Backbone, options: dict[str, Any]) -> Any:
    """Build with weights so large that logits differ from text to text, and prove it."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    lm = build(row, weights=None, **options)
    rng = np.random.default_rng(1)
    for variable in lm.weights:
        if "lora" not in variable.name and len(variable.shape) > 1:
            variable.assign(rng.normal(size=variable.shape) * (0.5 if "embedding" in variable.path else 0.3))
    table = lm.layers[-2].get_layer("token_embedding").embeddings
    table.assign(table * _LETTERS)
    logits = lm(tf.constant([[prompt, "cat"] for prompt in PROMPTS]), training=False).numpy()
    assert np.ptp(logits[:, 2], axis=0).max() > 1 and len(set(logits[:, 2].argmax(-1))) > 2
    return lm


def talks(each: int = 12, task: str = "reply") -> Data:
    """Return pairs in which the reply follows from the prompt, as data."""
    rng = np.random.default_rng(0)
    words = ("cat", "dog")
    made = [rng.choice(words, 1 + number % 5) for number in range(6 * each)]
    pairs = [Pair(f"say {' '.join(row)} {number}", " ".join(row[:2])) for number, row in enumerate(made)]

    def split(start: int, stop: int) -> Split:
        return Split(list(pairs[start:stop]), np.zeros(stop - start, np.int64))

    parts = {"train": split(0, 4 * each), "val": split(4 * each, 5 * each), "test": split(5 * each, 6 * each)}
    return Data(**parts, labels=(task,), kind="text", source="made", splitting="Drawn for a test.", task=task)
