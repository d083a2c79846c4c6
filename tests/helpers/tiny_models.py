"""Small classifiers for the tests, with outputs that differ from input to input.

A network with random weights answers nearly the same to anything, so two broken paths would agree on it. `spread`
calibrates BatchNormalization on a batch and scales the head until the answers differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import tlkit

WORDS = ("cat", "dog", "sat", "ran", "on", "the", "mat", "bank", "rate", "loan", "fell", "rose")
TEXTS = ["the cat sat on the mat", "the dog ran", "the bank rate rose", "a loan fell fell fell", "", "cat " * 40]


BLOCKS = ("transformer_layer", "_inner_layer_", "encoder_layer_")  # in the names of transformer layers


def pictures(count: int, size: int, seed: int = 0) -> np.ndarray:
    """Return float32 pixels (count, size, size, 3), 0..255, each picture of its own brightness and pattern."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 4, 4, 3))
    return np.kron(coarse, np.ones((1, -(-size // 4), -(-size // 4), 1)))[:, :size, :size].astype(np.float32)


def colours(each: int = 24, side: int = 16) -> tlkit.Data:
    """Return pictures of two classes that differ in colour, as data."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], each)
    pixels = rng.integers(0, 60, (2 * each, side, side, 3))
    pixels[labels == 1, :, :, 0] += 190
    return tlkit.arrays(pixels.astype(np.uint8), labels, labels=["dark", "red"])


def topics(each: int = 30, labels: tuple[str, str] = ("topic 0", "topic 1")) -> tlkit.Data:
    """Return texts of two topics and of 1 to 11 words, as data."""
    pets, money = ["the", "cat", "sat", "on", "mat", "dog", "ran"], ["bank", "rate", "loan", "fell", "rose", "the"]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, 1 + i % 11)) for words in (pets, money) for i in range(each)]
    return tlkit.arrays(texts, [labels[0]] * each + [labels[1]] * each, labels=labels)


def tiny_bert(folder: Path, layers: int = 3) -> Path:
    """Write a tiny BERT with random weights as a KerasHub preset."""
    import keras_hub

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    shape = {"num_layers": layers, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
    keras_hub.models.BertBackbone(vocabulary_size=len(vocabulary), **shape).save_to_preset(str(folder))
    keras_hub.models.BertTokenizer(vocabulary=vocabulary, lowercase=True).save_to_preset(str(folder))
    return folder


def spread(clf: Any, batch: Any) -> Any:
    """Make a random classifier's answers to a batch differ, and prove that they do."""
    import keras

    rng = np.random.default_rng(1)
    for layer in clf._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum, layer.trainable = 0.0, True
    clf.base(batch, training=True)  # with momentum 0 one batch sets the statistics
    for layer in clf._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum, layer.trainable = 0.99, False
        if any(part in layer.name for part in (*BLOCKS, "embedding")):
            for weight in layer.weights:
                if len(weight.shape) > 1:
                    weight.assign(rng.normal(0, 0.4, weight.shape))
    features = tail_input(clf, batch)
    kernel = clf.head.get_layer("probabilities").kernel
    kernel.assign(rng.normal(0, 3 / (np.std(features, axis=0).mean() * np.sqrt(kernel.shape[0])), kernel.shape))
    bias = -np.mean(features, axis=0) @ kernel.numpy()
    clf.head.get_layer("probabilities").bias.assign(bias)
    answers = clf(batch, training=False).numpy()
    assert np.ptp(answers, axis=0).max() > 0.2, "the answers do not differ: nothing that follows would prove anything"
    return clf


def tail_input(clf: Any, batch: Any) -> np.ndarray:
    """Return what the head's last dense layer is given."""
    import keras

    dense = clf.head.get_layer("probabilities")
    before = keras.Model(clf.head.input, dense.input)
    return before(clf.base(batch, training=False), training=False).numpy()


def tiny_backbone(size: int) -> Any:
    """Build three blocks of Conv2D, BatchNormalization and ReLU over a stem, the second one residual."""
    import keras
    from keras import layers

    pixels = keras.Input((size, size, 3))
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem")(pixels)
    for block in (1, 2, 3):
        y = layers.Conv2D(8, 3, padding="same", use_bias=False, name=f"conv{block}")(x)
        y = layers.ReLU(name=f"relu{block}")(layers.BatchNormalization(name=f"bn{block}")(y))
        x = layers.Add(name=f"end{block}")([x, y]) if block == 2 else layers.Identity(name=f"end{block}")(y)
    return keras.Model(pixels, layers.Conv2D(16, 1, name="top_conv")(x))


def tiny_classifier(classes: Any = 2, size: int = 16, **options: Any) -> Any:
    """Build a picture classifier small enough to train in a second; always the same one."""
    import keras

    from tlkit.models.backbone import Backbone
    from tlkit.models.vision.image_input import ImageInput

    keras.utils.set_random_seed(0)
    row = Backbone("tiny", tiny_backbone, ImageInput("tf", size, 8), ("end1", "end2", "end3"), stem="stem")
    return tlkit.classifier(row, "pool_dense", classes, weights=None, **options)


def image_classifier(name: str = "mobilenet_v2", head: str = "pool_dense", size: int = 32, classes: int = 3) -> Any:
    """Build a picture classifier with random, spread weights."""
    import keras

    keras.utils.set_random_seed(0)
    clf = tlkit.classifier(name, head, [f"class {i}" for i in range(classes)], size=size, weights=None)
    return spread(clf, pictures(16, size))


def text_classifier(folder: Path, head: str = "mean_dense", classes: int = 3, words: bool = False) -> Any:
    """Build a text classifier over a tiny BERT with random, spread weights; those of words, if any, count as much."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    labels = [f"topic {i}" for i in range(classes)]
    clf = tlkit.classifier("minilm_l6", head, labels, size=16, weights=tiny_bert(folder), words=words)
    return with_scores(spread(clf, tf.constant(TEXTS))) if words else spread(clf, tf.constant(TEXTS))


def with_scores(clf: Any) -> Any:
    """Give every word of a classifier with words a score, and an inverse document frequency, of its own."""
    rng, layer = np.random.default_rng(2), clf.head.get_layer("words")
    layer.table.assign(rng.normal(size=layer.table.shape))
    layer.idf.assign(rng.uniform(1, 5, layer.idf.shape))
    return clf


def folded_in_float64(clf: Any) -> tuple[Any, Any]:
    """Return a backbone folded and as it is, both in float64, where rounding cannot hide a mistake nor pass for one."""
    import keras

    from tlkit.features import batchnorm_folding
    from tlkit.models import classifier

    def widened(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return layer  # an operation such as a sum computes in the type it is given
        return type(layer).from_config({**layer.get_config(), "dtype": "float64"})

    plain = keras.models.clone_model(classifier.pieces(clf)[1], clone_function=widened)
    plain.set_weights(classifier.pieces(clf)[1].get_weights())
    return batchnorm_folding.fold(plain), plain


def tagged(folder: Path, each: int = 24) -> tlkit.Data:
    """Write texts with tagged words of a tiny BERT's vocabulary as a CoNLL file, and read it: pets and firms."""
    rng = np.random.default_rng(0)
    parts = [[("cat", "B-PET")], [("dog", "B-PET"), ("mat", "I-PET")], [("bank", "B-FIRM"), ("loan", "I-FIRM")]]
    parts += [[(word, "O")] for word in ("the", "sat", "ran", "on", "rose")]
    texts = []
    for number in range(3 * each):
        chosen = [parts[number % 3], *(parts[place] for place in rng.integers(0, len(parts), 2 + number % 5))]
        rng.shuffle(chosen)
        texts.append("\n".join(f"{word}\t{tag}" for part in chosen for word, tag in part))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tagged.conll").write_text("\n\n".join(texts))
    return tlkit.tagged_texts(folder / "tagged.conll")
