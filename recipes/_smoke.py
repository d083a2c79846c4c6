"""Made-up data and a made-up BERT, so that every recipe can be run in seconds without weights."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any

import numpy as np

import tlkit

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


def tagged(each: int = 12) -> str:
    """Write texts whose teams and firms are tagged as a CoNLL file, and return its path."""
    rng = np.random.default_rng(0)
    names = ["team B-TEAM\nmatch I-TEAM", "bank B-FIRM", "share B-FIRM\nmarket I-FIRM"]
    others = [f"{word} O" for word in WORDS[8:]]
    texts = [
        "\n".join([*rng.choice(others, 3), names[number % 3], *rng.choice(others, 2)]) for number in range(3 * each)
    ]
    path = tempfile.mkdtemp(prefix="tlkit-smoke-") + "/tagged.conll"
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n\n".join(texts))
    return path


def payments(folder: str, rows: int = 300) -> str:
    """Write a table of payments, one in eight a fraud and two in three without a label, and return its path."""
    rng = np.random.default_rng(0)
    lines = ["amount,fee,card,fraud"]
    for number in range(rows):
        amount, fraud = rng.normal(100, 20), number % 8 == 0
        fee = amount / 10 + rng.normal(0, 0.1) + 4 * fraud
        label = "" if number % 3 else ("yes" if fraud else "no")
        lines.append(f"{amount:.2f},{fee:.2f},{('debit', 'credit')[number % 2]},{label}")
    path = f"{folder}/payments.csv"
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path


def tfds(source: str, examples: Any, labels: Any) -> tlkit.Data:
    """Read "tfds:NAME" as a recipe does, but with made-up examples: TensorFlow Datasets' own mock of the data set."""
    import tensorflow as tf

    numbers = np.unique(labels, return_inverse=True)[1]
    pictures = isinstance(examples, np.ndarray)

    def as_dataset(builder: Any, *_: Any, **__: Any) -> tf.data.Dataset:
        what, label = builder.info.supervised_keys
        channels = builder.info.features[what].shape[-1] if pictures else None
        found = [tf.io.encode_png(one[..., :channels]) for one in examples] if pictures else list(examples)
        classes = getattr(builder.info.features[label], "num_classes", len(numbers))
        return tf.data.Dataset.from_tensor_slices({what: found, label: numbers % classes})

    return _mocked(source, as_dataset, len(numbers), "label")


def written(source: str, task: str, count: int = 20) -> tlkit.Data:
    """Read "tfds:NAME" as a recipe does, to learn to write from, but with made-up texts in all that is text."""
    import tensorflow as tf

    def as_dataset(builder: Any, *_: Any, **__: Any) -> tf.data.Dataset:
        rng = np.random.default_rng(0)
        plain = [key for key, feature in builder.info.features.items() if feature.shape == ()]
        texts = {key: [f"{' '.join(rng.choice(WORDS, 6))} {number}" for number in range(count)] for key in plain}
        return tf.data.Dataset.from_tensor_slices(texts)

    return _mocked(source, as_dataset, count, task)


def _mocked(source: str, as_dataset: Any, count: int, task: str) -> tlkit.Data:
    """Read a data set of TensorFlow Datasets whose examples, all of the train split, are made up."""
    import tensorflow_datasets as library

    folder = tempfile.mkdtemp(prefix="tlkit-smoke-")
    with library.testing.mock_data(data_dir=folder, as_dataset_fn=as_dataset):
        builder = library.builder(source.removeprefix("tfds:"))
        train = library.core.SplitInfo(name="train", shard_lengths=[count], num_bytes=0)
        builder.info.set_splits(library.core.SplitDict([train]))
        pathlib.Path(builder.data_dir).mkdir(parents=True)
        builder.info.write_to_directory(builder.data_dir)
        return tlkit.read(source, task=task)


def writer(family: str) -> object:
    """Return the row of a tiny model that writes, with bytes for tokens."""
    from tlkit.models.backbone import Backbone
    from tlkit.models.generation.generators import blocks
    from tlkit.models.generation.prompt_input import PromptInput
    from tlkit.models.text.families import KINDS

    shape = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "vocabulary_size": 300}
    builder = f"keras_hub.models:{KINDS[family].backbone}"
    given = PromptInput(family=family, limit=64)
    phases = (tlkit.Phase("top", 1, 1e-3, 1), tlkit.Phase("deeper", 1, 1e-3, 2))
    arguments = shape | {"max_sequence_length": 64}
    return Backbone("tiny", builder, given, blocks, KINDS[family].stem, arguments=arguments, phases=phases)
