"""Text backbones: tokenization in the model, folders as weights, and the table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import text_vocabularies, tiny_models
from tlkit.config import Reading
from tlkit.data.splits import Split
from tlkit.errors import WeightsError
from tlkit.models import classifier
from tlkit.models.text.families import FAMILIES
from tlkit.models.text.text_backbones import TEXT
from tlkit.models.text.tokenizer import Tokens

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tiny_models.WORDS, "##s"]


def ids(layer: Tokens, *texts: str) -> list[list[int]]:
    import tensorflow as tf

    return layer(tf.constant(texts))["token_ids"].numpy().tolist()


def test_tokens_are_word_pieces_cut_and_padded() -> None:
    layer = Tokens(VOCABULARY, True, 6)
    cat, unknown, end = VOCABULARY.index("cat"), 1, VOCABULARY.index("##s")
    assert ids(layer, "Cats CAT zebra") == [[2, cat, end, cat, unknown, 3]]
    assert ids(layer, "", "dog") == [[2, 3, 0], [2, VOCABULARY.index("dog"), 3]]
    assert ids(layer, "cat " * 9) == [[2, cat, cat, cat, cat, 3]]


@pytest.mark.parametrize(
    ("texts", "length"), [([""], 2), (["cat", ""], 3), (["the cat sat", "a"], 5), (["cat " * 9, "cat"], 6)]
)
def test_a_batch_is_as_long_as_its_longest_text(texts: list[str], length: int) -> None:
    assert {len(row) for row in ids(Tokens(VOCABULARY, True, 6), *texts)} == {length}


def test_an_empty_batch_keeps_one_column_in_the_exported_graph() -> None:
    import tensorflow as tf

    layer = Tokens(VOCABULARY, True, 6)
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None,), tf.string)])
    assert {tuple(value.shape) for value in graph(tf.constant([], tf.string)).values()} == {(0, 1)}


def test_padding_that_is_trimmed_does_not_change_the_answers(tmp_path: Path) -> None:
    import tensorflow as tf

    for head in ("mean_dense", "cls_dense"):
        clf = tiny_models.text_classifier(tmp_path / head, head)
        together = clf(tf.constant(tiny_models.TEXTS), training=False).numpy()
        alone = np.concatenate([clf(tf.constant([text]), training=False) for text in tiny_models.TEXTS])
        assert np.abs(together - alone).max() < 1e-5
        assert np.abs(np.roll(together, 1, 0) - alone).max() > 1e-2


def test_lengths_are_counted_in_tokens_as_far_as_the_model_reads() -> None:
    row = _with_vocabulary()
    row = dataclasses.replace(row, input=row.input.sized(6))
    texts = ["", "cats sat", "the cat", "cat " * 9]
    assert row.input.lengths(Tokens(VOCABULARY, True, 6), texts).tolist() == [2, 5, 4, 6]
    assert row.input.lengths(Tokens(VOCABULARY, True, 6), []).tolist() == []
    assert row.input.tokens(Tokens(VOCABULARY, True, 6), texts).tolist() == [2, 5, 4, 11]


def test_texts_are_read_in_the_order_of_the_rows() -> None:
    given, split = _with_vocabulary().input, Split(["a", "b", "c"], np.array([0, 1, 0]))
    read = [batch.numpy().tolist() for batch in given.batches(split, Reading(2), rows=np.array([2, 0, 1]))]
    assert read == [[b"c", b"a"], [b"b"]]
    assert [batch.numpy().tolist() for batch in given.batches(split, Reading(2))] == [[b"a", b"b"], [b"c"]]


def test_a_cased_vocabulary_keeps_case() -> None:
    assert ids(Tokens(VOCABULARY, False, 4), "Cat cat") == [[2, 1, VOCABULARY.index("cat"), 3]]


def test_the_mask_marks_the_real_tokens() -> None:
    import tensorflow as tf

    given = Tokens(VOCABULARY, True, 6)(tf.constant(["the cat", "the cat sat on"]))
    assert given["padding_mask"].numpy().tolist() == [[True, True, True, True, False, False], [True] * 6]
    assert given["segment_ids"].numpy().tolist() == [[0] * 6] * 2


def test_tokens_come_back_from_their_config() -> None:
    layer = Tokens(VOCABULARY, True, 6, name="pre")
    again = Tokens.from_config(layer.get_config())
    assert again.name == "pre" and ids(again, "the cats sat") == ids(layer, "the cats sat")


def test_output_spec_agrees_with_the_outputs() -> None:
    import keras
    import tensorflow as tf

    layer = Tokens(VOCABULARY, True, 6)
    spec = layer.compute_output_spec(keras.KerasTensor((None,), dtype="string"))
    given = layer(tf.constant(["the cat", "a"]))
    assert {key: value.dtype for key, value in spec.items()} == {key: v.dtype.name for key, v in given.items()}
    assert {value.shape for value in spec.values()} == {(None, None)}, "the length is that of each batch"


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


def test_a_broken_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match="broken cannot be read as a KerasHub preset or Hugging Face folder"):
        tlkit.minilm_classifier(2, weights=folder)


def test_a_file_that_is_no_text_backbone_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.keras").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"x\.keras does not fit backbone 'minilm_l6'"):
        tlkit.classifier(_with_vocabulary(), "mean_dense", 2, weights=tmp_path / "x.keras")


def _with_vocabulary() -> object:
    row = TEXT["minilm_l6"]
    given = dataclasses.replace(row.input, vocabulary=tuple(VOCABULARY))
    return dataclasses.replace(row, input=given, arguments={**row.arguments, "vocabulary_size": len(VOCABULARY)})


def test_random_weights_take_the_rows_vocabulary() -> None:
    clf = tlkit.classifier(_with_vocabulary(), "mean_dense", 2, size=8, weights=None)
    assert clf.spec.weights == "random" and classifier.pieces(clf)[0].vocabulary == tuple(VOCABULARY)


def test_a_weights_file_needs_a_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "x.weights.h5").write_bytes(b"")
    row = text_vocabularies.shrunk(TEXT["bert_base_zh"])
    row = dataclasses.replace(row, input=TEXT["bert_base_zh"].input)
    with pytest.raises(WeightsError, match="'bert_base_zh' has no vocabulary without its preset; give weights=FOLDER"):
        tlkit.classifier(row, "cls_dense", 2, weights=tmp_path / "x.weights.h5")
    assert tlkit.classifier(row, "cls_dense", 2, weights=None).spec.weights == "random"


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


@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_the_pooled_vector_is_where_it_should_be(family: str) -> None:
    import tensorflow as tf

    clf = text_vocabularies.classifier(text_vocabularies.FIRST[family], layers=2)
    row = text_vocabularies.shrunk(TEXT[text_vocabularies.FIRST[family]], 2)
    pre, body = dataclasses.replace(row.input, size=16).assemble(row, None)
    given = {key: value.numpy() for key, value in body(pre(tf.constant(tiny_models.TEXTS))).items()}
    last = given["mask"].sum(1) - 1
    assert len(set(last)) > 2 and clf is not None
    each = np.arange(len(last))
    first, final = given["sequence"][:, 0], given["sequence"][each, last]
    places = {"first": np.array_equal(given["pooled"], first), "last": np.array_equal(given["pooled"], final)}
    assert places == {"first": FAMILIES[family].pooled == "first", "last": FAMILIES[family].pooled == "last"}
    assert not np.allclose(first, final), "the control"
    assert np.ptp(given["pooled"], axis=0).max() > 0


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
