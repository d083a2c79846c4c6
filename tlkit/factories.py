"""Named combinations of a backbone and a head. Each returns a plain functional `keras.Model`; each is one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tlkit.build import classifier
from tlkit.targets import Target

if TYPE_CHECKING:
    import keras

Labels = int | Iterable[str] | Target
Weights = str | os.PathLike | None


def vgg16_flatten_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build VGG16 -> Flatten -> Dense(256, relu) -> Dense(classes, softmax), the classic recipe.

    Args:
        labels: the class names, or their number; or a target, such as `data.target`.
        size: pixels of a side, 224 by default; the pictures are float32 (batch, size, size, 3), 0..255.
        weights: "pretrained" (ImageNet), None for random ones, or a path.
        name: of the model.

    Raises:
        InputError, WeightsError: as `tlkit.classifier`.
    """
    return classifier("vgg16", "flatten_dense", labels, size=size, weights=weights, name=name)


def vgg19_flatten_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build VGG19 -> Flatten -> Dense(256, relu) -> Dense(classes, softmax); see `vgg16_flatten_dense`."""
    return classifier("vgg19", "flatten_dense", labels, size=size, weights=weights, name=name)


def resnet50_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build ResNet50 -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("resnet50", "pool_dense", labels, size=size, weights=weights, name=name)


def inception_v3_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build InceptionV3 -> average pooling -> Dropout -> Dense(classes, softmax); 299 pixels by default."""
    return classifier("inception_v3", "pool_dense", labels, size=size, weights=weights, name=name)


def mobilenet_v2_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build MobileNetV2 -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("mobilenet_v2", "pool_dense", labels, size=size, weights=weights, name=name)


def efficientnet_lite0_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build EfficientNet-lite0 -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default.

    Its ImageNet weights come from the package index, so it works where no model hub can be reached.
    """
    return classifier("efficientnet_lite0", "pool_dense", labels, size=size, weights=weights, name=name)


def bert_classifier(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build BERT base (uncased English) -> pooled [CLS] -> Dropout -> Dense(classes, softmax).

    Args:
        labels: the class names, or their number; or a target, such as `data.target`.
        size: tokens per text, 128 by default and at most 512; the texts are strings (batch,).
        weights: "pretrained" (KerasHub), None for random ones, or the path of a preset or Hugging Face folder of any
            BERT.
        name: of the model.

    Raises:
        InputError, WeightsError: as `tlkit.classifier`.
    """
    return classifier("bert_base_en_uncased", "cls_dense", labels, size=size, weights=weights, name=name)


def minilm_classifier(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build MiniLM-L6 -> mean of the tokens -> Dropout -> Dense(classes, softmax); 128 tokens by default.

    Its weights come from the package index, so it works where no model hub can be reached.
    """
    return classifier("minilm_l6", "mean_dense", labels, size=size, weights=weights, name=name)


def bert_entities(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build BERT base (uncased English) -> each token -> Dropout -> Dense(tags, softmax), to find entities.

    Args:
        labels: `data.target` of `tlkit.tagged_texts`, or the tags: "O", "B-PER", "I-PER", ...
        size, weights, name: as for `bert_classifier`.

    Raises:
        InputError, WeightsError: as `tlkit.classifier`; tags that are not BIO.
    """
    return classifier("bert_base_en_uncased", "token_dense", labels, size=size, weights=weights, name=name)


def minilm_entities(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build MiniLM-L6 -> each token -> Dropout -> Dense(tags, softmax), to find entities; see `bert_entities`."""
    return classifier("minilm_l6", "token_dense", labels, size=size, weights=weights, name=name)


# what `--recipe` takes: the factory, its backbone and its head
FACTORIES: dict[str, tuple[Callable[..., keras.Model], str, str]] = {
    "vgg16_flatten_dense": (vgg16_flatten_dense, "vgg16", "flatten_dense"),
    "vgg19_flatten_dense": (vgg19_flatten_dense, "vgg19", "flatten_dense"),
    "resnet50_pool_dense": (resnet50_pool_dense, "resnet50", "pool_dense"),
    "inception_v3_pool_dense": (inception_v3_pool_dense, "inception_v3", "pool_dense"),
    "mobilenet_v2_pool_dense": (mobilenet_v2_pool_dense, "mobilenet_v2", "pool_dense"),
    "efficientnet_lite0_pool_dense": (efficientnet_lite0_pool_dense, "efficientnet_lite0", "pool_dense"),
    "bert_classifier": (bert_classifier, "bert_base_en_uncased", "cls_dense"),
    "minilm_classifier": (minilm_classifier, "minilm_l6", "mean_dense"),
    "bert_entities": (bert_entities, "bert_base_en_uncased", "token_dense"),
    "minilm_entities": (minilm_entities, "minilm_l6", "token_dense"),
}
