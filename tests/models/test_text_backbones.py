"""Text backbones: tokenization in the model, folders as weights, and the table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import text_vocabularies, tiny_models
from tlkit.models.text.families import FAMILIES
from tlkit.models.text.text_backbones import TEXT
from tlkit.models.text.tokenizer import Tokens

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tiny_models.WORDS, "##s"]


def ids(layer: Tokens, *texts: str) -> list[list[int]]:
    import tensorflow as tf

    return layer(tf.constant(texts))["token_ids"].numpy().tolist()


def test_padding_that_is_trimmed_does_not_change_the_answers(tmp_path: Path) -> None:
    import tensorflow as tf

    for head in ("mean_dense", "cls_dense"):
        clf = tiny_models.text_classifier(tmp_path / head, head)
        together = clf(tf.constant(tiny_models.TEXTS), training=False).numpy()
        alone = np.concatenate([clf(tf.constant([text]), training=False) for text in tiny_models.TEXTS])
        assert np.abs(together - alone).max() < 1e-5
        assert np.abs(np.roll(together, 1, 0) - alone).max() > 1e-2


def test_a_folder_of_another_depth_is_a_backbone(tmp_path: Path) -> None:
    clf = tlkit.bert_classifier(2, size=8, weights=tiny_models.tiny_bert(tmp_path / "bert", layers=2))
    assert clf.spec.backbone.blocks == ("transformer_layer_0", "transformer_layer_1")
    assert [layer.name for layer in clf.layers[1:]] == ["pre", "bert_base_en_uncased", "head"]


def test_cls_dense_uses_the_pooler_and_mean_dense_does_not(tmp_path: Path) -> None:
    folder = tiny_models.tiny_bert(tmp_path / "bert")
    with_pooler = tlkit.classifier("minilm_l6", "cls_dense", 2, size=8, weights=folder)
    without = tlkit.classifier("minilm_l6", "mean_dense", 2, size=8, weights=folder)
    assert any("pooled_dense" in v.path for v in with_pooler.weights)
    assert not any("pooled_dense" in v.path for v in without.weights)


def _with_vocabulary() -> object:
    row = TEXT["minilm_l6"]
    given = dataclasses.replace(row.input, vocabulary=tuple(VOCABULARY))
    return dataclasses.replace(row, input=given, arguments={**row.arguments, "vocabulary_size": len(VOCABULARY)})


def test_a_preset_that_is_not_here_cannot_be_had_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    with pytest.raises(tlkit.OfflineError, match="bert_tiny_en_uncased"):
        tlkit.classifier("bert_tiny_en_uncased", "cls_dense", 2)


@pytest.mark.parametrize("row", TEXT.values(), ids=TEXT)
def test_the_architecture_of_a_row_gives_its_parameters(row: object) -> None:
    given, family = row.arguments, row.input.family
    assert given["hidden_dim"] % given["num_heads"] == 0 and given["intermediate_dim"] == 4 * given["hidden_dim"]
    assert row.licence and row.source.startswith("https://") and len(row.phases) == 2
    width, words = given["hidden_dim"], given.get("vocabulary_size") or given["vocab_size"]
    narrow = given.get("embedding_dim", width)
    positions = {"deberta_v3": 0, "bloom": 0, "gpt2": 1024, "opt": 2048}.get(family, row.input.limit)
    segments = 2 if family in ("bert", "albert", "electra") else 0
    total = (words + positions + segments) * narrow
    total += 2 * narrow  # the normalisation below or, in GPT-2 and OPT, above the layers
    total += 2 * width if family == "bloom" else 0
    total += narrow * width + width if narrow != width else 0
    total += 2 * 256 * width + 2 * width if family == "deberta_v3" else 0
    layers = 1 if family == "albert" else given["num_layers"]
    total += layers * (4 * width * (width + 1) + 8 * width * width + 5 * width + 4 * width)
    total += width * (width + 1) if segments else 0
    assert total == row.params


@pytest.mark.parametrize("row", TEXT.values(), ids=TEXT)
def test_every_row_is_a_preset_of_keras_hub(row: object) -> None:
    import keras_hub

    assert row.builder == f"keras_hub.models:{FAMILIES[row.input.family].backbone}"
    if row.name == "minilm_l6":
        return
    told = getattr(keras_hub.models, FAMILIES[row.input.family].backbone).presets[row.name]
    assert told["metadata"]["params"] == row.params and told["kaggle_handle"] == row.weights.handle


def test_every_size_and_language_of_each_family_has_a_row() -> None:
    import keras_hub

    for family, about in FAMILIES.items():
        own = [
            name
            for name in getattr(keras_hub.models, about.backbone).presets
            if name.startswith(family.split("_v3")[0])
        ]
        lacking = {"bert_tiny_en_uncased_sst2", "gpt2_base_en_cnn_dailymail"}  # trained further, for one task
        lacking |= {"opt_2.7b_en", "opt_6.7b_en", "bloom_1.7b_multi", "bloom_3b_multi"}  # too large to train here
        lacking |= {name for name in own if name.startswith("bloomz")}
        assert set(own) - set(TEXT) <= lacking, family


# === What a backbone says of a whole text ===


@pytest.mark.filterwarnings("ignore:(?s).*softmax over axis:UserWarning")  # a token alone looks at itself only
@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_padding_does_not_change_the_answers(family: str) -> None:
    import tensorflow as tf

    clf = text_vocabularies.classifier(text_vocabularies.FIRST[family], layers=2)
    together = clf(tf.constant(tiny_models.TEXTS), training=False).numpy()
    alone = np.concatenate([clf(tf.constant([one]), training=False) for one in tiny_models.TEXTS])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(np.roll(together, 1, 0) - alone).max() > 1e-2


@pytest.mark.slow
def test_the_minilm_weights_are_real() -> None:
    import tensorflow as tf

    clf = tlkit.minilm_classifier(2, size=32)
    texts = tf.constant(["A cat sits on the mat.", "A kitten is resting on a rug.", "Stock prices fell sharply."])
    features = {name: value.numpy() for name, value in clf.base(texts).items()}
    mean = np.stack([s[m].mean(0) for s, m in zip(features["sequence"], features["mask"], strict=True)])
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    assert mean[0] @ mean[1] == pytest.approx(0.655, abs=0.002)
    assert mean[0] @ mean[2] == pytest.approx(0.065, abs=0.002)
