"""Made-up data and a made-up BERT, so that every recipe can be run in seconds without weights."""

from __future__ import annotations

import tempfile

import numpy as np

WORDS = ("cup", "goal", "team", "match", "bank", "share", "price", "market", "the", "a", "of", "won", "fell", "rose")
TOPICS = {"sport": WORDS[:4], "business": WORDS[4:8]}


def pictures(classes: int = 3, each: int = 12, side: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 pictures (examples, side, side, 3), each class of its own colour, and their class numbers."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    noise = rng.integers(0, 80, (len(labels), side, side, 3))
    colours = np.eye(3)[labels % 3] * 150
    return (noise + colours[:, None, None, :]).astype(np.uint8), labels


def texts(each: int = 20) -> tuple[list[str], list[str]]:
    """Return short texts about two topics, and the topics."""
    rng = np.random.default_rng(0)
    labels = [topic for topic in TOPICS for _ in range(each)]
    return [" ".join(rng.choice((*TOPICS[topic], *WORDS[8:]), 8)) for topic in labels], labels


def bert(layers: int) -> str:
    """Write a tiny BERT with random weights as a KerasHub preset, and return its folder."""
    import keras_hub

    folder = tempfile.mkdtemp(prefix="tlkit-smoke-")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    shape = {"num_layers": layers, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
    keras_hub.models.BertBackbone(vocabulary_size=len(vocabulary), **shape).save_to_preset(folder)
    keras_hub.models.BertTokenizer(vocabulary=vocabulary, lowercase=True).save_to_preset(folder)
    return folder


def table(header: str) -> str:
    """Write a table of two columns of made-up texts, and return its path."""
    rng = np.random.default_rng(0)
    rows = [f"{' '.join(rng.choice(WORDS, 6))} {number},{rng.choice(WORDS)}" for number in range(20)]
    path = f"{tempfile.mkdtemp(prefix='tlkit-smoke-')}/table.csv"
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([header, *rows]))
    return path


def writer(family: str) -> object:
    """Return the row of a tiny model that writes, with bytes for tokens."""
    from tlkit.families import KINDS
    from tlkit.generators import blocks
    from tlkit.prompts import PromptInput
    from tlkit.spec import Backbone

    shape = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "vocabulary_size": 300}
    builder = f"keras_hub.models:{KINDS[family].backbone}"
    given = PromptInput(family=family, limit=64)
    return Backbone("tiny", builder, given, blocks, KINDS[family].stem, arguments=shape | {"max_sequence_length": 64})
