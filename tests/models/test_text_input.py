"""Text input: sizes, texts and pairs in, where the vocabulary comes from, and what is said of a whole text."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

import tlkit
from tests.helpers import text_vocabularies, tiny_models
from tlkit.config import Reading
from tlkit.data.splits import Split
from tlkit.data.text_pairs import Pair
from tlkit.errors import InputError, WeightsError
from tlkit.models import classifier
from tlkit.models.text.families import FAMILIES
from tlkit.models.text.text_backbones import TEXT
from tlkit.models.text.text_input import RelativePositions, TextInput
from tlkit.models.text.tokenizer import Tokens

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tiny_models.WORDS, "##s"]
GIVEN = TextInput(size=16, limit=32)


def _with_vocabulary() -> object:
    row = TEXT["minilm_l6"]
    given = dataclasses.replace(row.input, vocabulary=tuple(VOCABULARY))
    return dataclasses.replace(row, input=given, arguments={**row.arguments, "vocabulary_size": len(VOCABULARY)})


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


@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_the_pooled_vector_is_where_it_should_be(family: str) -> None:
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    row = text_vocabularies.shrunk(TEXT[text_vocabularies.FIRST[family]], 2)
    pre, body = dataclasses.replace(row.input, size=16).assemble(row, None)
    given = {key: value.numpy() for key, value in body(pre(tf.constant(tiny_models.TEXTS))).items()}
    last = given["mask"].sum(1) - 1
    assert len(set(last)) > 2
    each = np.arange(len(last))
    first, final = given["sequence"][:, 0], given["sequence"][each, last]
    places = {"first": np.array_equal(given["pooled"], first), "last": np.array_equal(given["pooled"], final)}
    assert places == {"first": FAMILIES[family].pooled == "first", "last": FAMILIES[family].pooled == "last"}
    assert not np.allclose(first, final), "the control"
    assert np.ptp(given["pooled"], axis=0).max() > 0


# === Sizes ===


@pytest.mark.parametrize("size", [3, 33, 0, "8", 8.0])
def test_sizes_that_cannot_be(size: object) -> None:
    with pytest.raises(InputError, match=rf"size {size!r} does not suit this backbone; give 4 to 32 tokens"):
        GIVEN.sized(size)


def test_a_pair_needs_room_for_two() -> None:
    assert GIVEN.sized(4).size == 4 and GIVEN.sized(None) is GIVEN and GIVEN.sized(32).size == 32
    pairs = GIVEN.paired()
    assert pairs.segments == 2 and pairs.tensor().shape == (None, 2) and GIVEN.tensor().shape == (None,)
    with pytest.raises(InputError, match="give 8 to 32 tokens"):
        pairs.sized(7)


# === Texts and pairs ===


def test_texts_and_pairs_are_served_as_they_are() -> None:
    assert GIVEN.served(["a", "é"]) == [b"a", "é".encode()]
    assert GIVEN.paired().served([("a", "b"), ["c", ""]]) == [[b"a", b"b"], [b"c", b""]]
    assert GIVEN.encode(["a"])[0] == "serving_default"
    assert set(GIVEN.signatures(len, len, "crop")) == {"serving_default", "embed"}


@pytest.mark.parametrize(
    ("given", "items", "message"),
    [
        (GIVEN, ["a", 5], "item 1 is a int, not a text; give strings"),
        (GIVEN, [b"a"], "item 0 is a bytes, not a text; give strings"),
        (
            GIVEN,
            [Pair("a", "b")],
            "the examples are pairs, and this backbone was built for single texts;",
        ),
        (
            GIVEN.paired(),
            [("a", "b"), "c"],
            "item 1 is a str, not a pair; give a list of pairs of texts",
        ),
    ],
)
def test_what_is_no_text_is_named(given: TextInput, items: list, message: str) -> None:
    for way in (given.encode, given.served, lambda items: given.batches(Split(items, np.zeros(len(items))), Reading())):
        with pytest.raises(InputError, match=message):
            way(items)


def test_made_up_texts_are_what_it_takes_and_one_is_too_long() -> None:
    for given in (GIVEN, GIVEN.paired()):
        made = given.made_up()
        assert len(given.served(made)) == len(made) > 2 and len(set(map(str, made))) == len(made)
    assert len(GIVEN.made_up()[-1].split()) == GIVEN.size


def test_its_facts_build_it_again() -> None:
    assert TextInput(**GIVEN.facts()) == GIVEN and TextInput(**GIVEN.paired().facts()) == GIVEN.paired() != GIVEN


# === Relative positions ===


def test_relative_positions_are_normalised_and_the_same_for_each_example() -> None:
    layer = RelativePositions(6, 8, name="rel_embedding")
    given = layer(np.zeros((3, 5), np.float32)).numpy()
    assert given.shape == (3, 6, 8) and np.array_equal(given[0], given[2])
    assert np.abs(given.mean(-1)).max() < 1e-5 and given.std(-1) == pytest.approx(1, abs=1e-2)
    assert layer.compute_output_shape((None, 5)) == (None, 6, 8)


def test_relative_positions_come_back_from_their_config() -> None:
    layer = RelativePositions(6, 8, name="rel_embedding")
    layer.build((None, 5))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert not np.array_equal(again.get_weights()[0], layer.get_weights()[0]), "the control"
    again.set_weights(layer.get_weights())
    batch = np.zeros((2, 5), np.float32)
    assert again.name == "rel_embedding" and np.array_equal(again(batch), layer(batch))
