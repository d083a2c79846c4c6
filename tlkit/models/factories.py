"""Ready-made combinations of a backbone and a head, all of which return a plain functional `keras.Model`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tlkit.models.classifier import classifier
from tlkit.tasks.targets import Target

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


def xception_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build Xception -> average pooling -> Dropout -> Dense(classes, softmax); 299 pixels by default."""
    return classifier("xception", "pool_dense", labels, size=size, weights=weights, name=name)


def densenet121_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build DenseNet121 -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("densenet121", "pool_dense", labels, size=size, weights=weights, name=name)


def nasnet_mobile_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build NASNetMobile -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("nasnet_mobile", "pool_dense", labels, size=size, weights=weights, name=name)


def efficientnet_b0_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build EfficientNetB0 -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("efficientnet_b0", "pool_dense", labels, size=size, weights=weights, name=name)


def efficientnet_v2_b0_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build EfficientNetV2B0 -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("efficientnet_v2_b0", "pool_dense", labels, size=size, weights=weights, name=name)


def convnext_tiny_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build ConvNeXtTiny -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("convnext_tiny", "pool_dense", labels, size=size, weights=weights, name=name)


def inception_resnet_v2_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build InceptionResNetV2 -> average pooling -> Dropout -> Dense(classes, softmax); 299 pixels by default."""
    return classifier("inception_resnet_v2", "pool_dense", labels, size=size, weights=weights, name=name)


def resnet50_v2_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build ResNet50V2 -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("resnet50_v2", "pool_dense", labels, size=size, weights=weights, name=name)


def mobilenet_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build MobileNet -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("mobilenet", "pool_dense", labels, size=size, weights=weights, name=name)


def mobilenet_v3_large_pool_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build MobileNetV3Large -> average pooling -> Dropout -> Dense(classes, softmax); 224 pixels by default."""
    return classifier("mobilenet_v3_large", "pool_dense", labels, size=size, weights=weights, name=name)


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


def distil_bert_classifier(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build DistilBERT (uncased English) -> mean of the tokens -> Dropout -> Dense(classes, softmax); see
    `bert_classifier`."""
    return classifier("distil_bert_base_en_uncased", "mean_dense", labels, size=size, weights=weights, name=name)


def roberta_classifier(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build RoBERTa base (English) -> the vector of <s> -> Dropout -> Dense(classes, softmax); see
    `bert_classifier`."""
    return classifier("roberta_base_en", "cls_dense", labels, size=size, weights=weights, name=name)


def xlm_roberta_classifier(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build XLM-RoBERTa base (100 languages) -> the vector of <s> -> Dropout -> Dense(classes, softmax); see
    `bert_classifier`."""
    return classifier("xlm_roberta_base_multi", "cls_dense", labels, size=size, weights=weights, name=name)


def albert_classifier(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build ALBERT base (uncased English) -> pooled [CLS] -> Dropout -> Dense(classes, softmax); see
    `bert_classifier`."""
    return classifier("albert_base_en_uncased", "cls_dense", labels, size=size, weights=weights, name=name)


def electra_classifier(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build ELECTRA base (uncased English) -> mean of the tokens -> Dropout -> Dense(classes, softmax); see
    `bert_classifier`. Its pooler was never trained, so the head does without."""
    return classifier(
        "electra_base_discriminator_uncased_en", "mean_dense", labels, size=size, weights=weights, name=name
    )


def deberta_v3_classifier(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build DeBERTa-v3 base (English) -> the vector of [CLS] -> Dropout -> Dense(classes, softmax); see
    `bert_classifier`."""
    return classifier("deberta_v3_base_en", "cls_dense", labels, size=size, weights=weights, name=name)


def gpt2_classifier(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build GPT-2 base (English) -> the vector of the last token -> Dropout -> Dense(classes, softmax); see
    `bert_classifier`."""
    return classifier("gpt2_base_en", "cls_dense", labels, size=size, weights=weights, name=name)


def autoencoder_vector_dense(
    labels: Labels, *, size: int | None = None, weights: Weights = "pretrained", name: str | None = None
) -> keras.Model:
    """Build a pretrained autoencoder's encoder -> Dropout -> Dense(classes, softmax), over rows of a table.

    Args:
        labels: the class names, or their number; or a target, such as `data.target`.
        size: leave it out; the number of columns follows from the table.
        weights: the folder that `tlkit.pretrain_autoencoder(data, FOLDER)` wrote; there are none without data.
        name: of the model.

    Raises:
        InputError, WeightsError: as `tlkit.classifier` and `tlkit.autoencoder`.
    """
    return classifier("autoencoder", "vector_dense", labels, size=size, weights=weights, name=name)


# what `--recipe` takes: the factory, its backbone and its head
FACTORIES: dict[str, tuple[Callable[..., keras.Model], str, str]] = {
    "vgg16_flatten_dense": (vgg16_flatten_dense, "vgg16", "flatten_dense"),
    "vgg19_flatten_dense": (vgg19_flatten_dense, "vgg19", "flatten_dense"),
    "resnet50_pool_dense": (resnet50_pool_dense, "resnet50", "pool_dense"),
    "inception_v3_pool_dense": (inception_v3_pool_dense, "inception_v3", "pool_dense"),
    "mobilenet_v2_pool_dense": (mobilenet_v2_pool_dense, "mobilenet_v2", "pool_dense"),
    "efficientnet_lite0_pool_dense": (efficientnet_lite0_pool_dense, "efficientnet_lite0", "pool_dense"),
    "xception_pool_dense": (xception_pool_dense, "xception", "pool_dense"),
    "densenet121_pool_dense": (densenet121_pool_dense, "densenet121", "pool_dense"),
    "nasnet_mobile_pool_dense": (nasnet_mobile_pool_dense, "nasnet_mobile", "pool_dense"),
    "efficientnet_b0_pool_dense": (efficientnet_b0_pool_dense, "efficientnet_b0", "pool_dense"),
    "efficientnet_v2_b0_pool_dense": (efficientnet_v2_b0_pool_dense, "efficientnet_v2_b0", "pool_dense"),
    "convnext_tiny_pool_dense": (convnext_tiny_pool_dense, "convnext_tiny", "pool_dense"),
    "inception_resnet_v2_pool_dense": (inception_resnet_v2_pool_dense, "inception_resnet_v2", "pool_dense"),
    "resnet50_v2_pool_dense": (resnet50_v2_pool_dense, "resnet50_v2", "pool_dense"),
    "mobilenet_pool_dense": (mobilenet_pool_dense, "mobilenet", "pool_dense"),
    "mobilenet_v3_large_pool_dense": (mobilenet_v3_large_pool_dense, "mobilenet_v3_large", "pool_dense"),
    "bert_classifier": (bert_classifier, "bert_base_en_uncased", "cls_dense"),
    "minilm_classifier": (minilm_classifier, "minilm_l6", "mean_dense"),
    "bert_entities": (bert_entities, "bert_base_en_uncased", "token_dense"),
    "minilm_entities": (minilm_entities, "minilm_l6", "token_dense"),
    "distil_bert_classifier": (distil_bert_classifier, "distil_bert_base_en_uncased", "mean_dense"),
    "roberta_classifier": (roberta_classifier, "roberta_base_en", "cls_dense"),
    "xlm_roberta_classifier": (xlm_roberta_classifier, "xlm_roberta_base_multi", "cls_dense"),
    "albert_classifier": (albert_classifier, "albert_base_en_uncased", "cls_dense"),
    "electra_classifier": (electra_classifier, "electra_base_discriminator_uncased_en", "mean_dense"),
    "deberta_v3_classifier": (deberta_v3_classifier, "deberta_v3_base_en", "cls_dense"),
    "gpt2_classifier": (gpt2_classifier, "gpt2_base_en", "cls_dense"),
    "autoencoder_vector_dense": (autoencoder_vector_dense, "autoencoder", "vector_dense"),
}
