"""Tokenization inside the model: every family's words, packing of texts and pairs, and what an export keeps of it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import text_vocabularies, tiny_models
from tlkit.artifacts import export, graph_scan
from tlkit.errors import InputError
from tlkit.models.text.families import FAMILIES
from tlkit.models.text.tokenizer import Tokens

ODD = [
    "the cat sat",
    "",
    " two  blanks, a\ttab\nand a line ",
    "naïve “quotes” — 1,234.5 ½ \u4e2d\u6587 \U0001f600",
    "don't we'll I'm it's !!! ?? ...",
    "x" * 70,
    "cat\u00a0dog\u3000bank rate  ",
]
RELOAD = """
import json, sys, warnings
warnings.simplefilter("error")
import numpy as np, tensorflow as tf, keras
import tlkit.models.text.text_backbones
folder, texts = sys.argv[1], json.loads(sys.argv[2])
found = {}
for family in sys.argv[3:]:
    clf = keras.saving.load_model(f"{folder}/{family}.keras", safe_mode=True)
    served = tf.saved_model.load(f"{folder}/{family}")
    found[f"{family} keras"] = clf(tf.constant(texts), training=False).numpy()
    found[f"{family} served"] = served.signatures["serving_default"](tf.constant(texts))["probabilities"].numpy()
np.savez(f"{folder}/answers.npz", **found)
"""


def tokens(family: str, length: int = 64, **options: Any) -> Tokens:
    known = text_vocabularies.lexicon(family)
    made = {"family": family, "merges": known.merges, "proto": known.proto}
    return Tokens(known.words, known.lowercase, length, **made | options)


def ids(layer: Tokens, texts: list) -> list[list[int]]:
    import tensorflow as tf

    given = layer(tf.constant(texts))
    return [
        row[mask].tolist() for row, mask in zip(given["token_ids"].numpy(), given["padding_mask"].numpy(), strict=True)
    ]


@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_tokens_are_those_of_keras_hub(family: str) -> None:
    import tensorflow as tf

    known = text_vocabularies.tokenizer(family)
    theirs = tf.function(known)(tf.constant(ODD)).to_list()
    layer = tokens(family, 128)
    closing = [] if FAMILIES[family].pooled == "last" else [known.end_token_id]
    expected = [[known.start_token_id, *row, *closing] for row in theirs]
    assert ids(layer, ODD) == expected
    graph = tf.function(layer)(tf.constant(ODD))
    eager = layer(tf.constant(ODD))
    assert all(np.array_equal(graph[key], eager[key]) for key in eager)
    assert len({tuple(row) for row in expected}) == len(ODD)
    assert layer.lengths(tf.constant(ODD)).numpy().tolist() == [len(row) for row in expected]


@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_pairs_are_packed_with_what_stands_between_them(family: str) -> None:
    import tensorflow as tf

    layer, single = tokens(family, segments=2), tokens(family)
    first, second = (ids(single, [text])[0] for text in ("the cat", "a dog ran"))
    closing = FAMILIES[family].pooled != "last"
    inner = first[1:-1] if closing else first[1:]
    last = second[1:]
    end = text_vocabularies.tokenizer(family).end_token_id
    between = [end] * (2 if family in ("roberta", "xlm_roberta") else 1)
    pair = [["the cat", "a dog ran"]]
    assert ids(layer, pair) == [[first[0], *inner, *between, *last]]
    assert ids(layer, [["a dog ran", "the cat"]]) != ids(layer, pair)
    given = layer(tf.constant(pair))
    assert ("segment_ids" in given) == (FAMILIES[family].pooled == "pooler")
    if "segment_ids" in given:
        parts = [0] * (1 + len(inner) + len(between)) + [1] * len(last)
        assert given["segment_ids"].numpy()[0].tolist() == parts
    assert layer.lengths(tf.constant(pair)).numpy().tolist() == [1 + len(inner) + len(between) + len(last)]


def test_of_a_long_pair_the_longer_text_is_cut() -> None:
    layer = tokens("bert", 9, segments=2)
    words = text_vocabularies.lexicon("bert").words
    cat, dog = words.index("cat"), words.index("dog")
    assert ids(layer, [["cat " * 20, "dog dog"]]) == [[2, cat, cat, cat, cat, 3, dog, dog, 3]]
    assert ids(layer, [["cat " * 20, "dog " * 20]]) == [[2, cat, cat, cat, 3, dog, dog, dog, 3]]


def test_a_token_that_pads_elsewhere_is_a_token() -> None:
    """GPT-2 pads with token 0, which is "!" in its own vocabulary."""
    known = text_vocabularies.lexicon("gpt2")
    words = ("!", *(word for word in known.words if word != "!"))
    layer = Tokens(words, False, 16, family="gpt2", merges=known.merges)
    start, *letters = (words.index(word) for word in ("<|endoftext|>", "t", "h", "e"))
    assert ids(layer, ["!!", "the!"]) == [[start, 0, 0], [start, *letters, 0]]


@pytest.mark.parametrize("family", ["roberta", "gpt2", "bert", "xlm_roberta"])
def test_special_tokens_in_a_text_are_text(family: str) -> None:
    special = text_vocabularies.tokenizer(family).end_token
    row = ids(tokens(family), [f"cat {special} dog"])[0]
    assert row.count(text_vocabularies.tokenizer(family).end_token_id) == (FAMILIES[family].pooled != "last") + (
        family == "gpt2"
    )


@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_tokens_come_back_from_their_config(family: str) -> None:
    layer = tokens(family, 16, name="pre")
    again = Tokens.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.name == "pre" and ids(again, ODD) == ids(layer, ODD)


def test_the_config_of_an_older_artifact_is_one_of_a_bert() -> None:
    words = list(text_vocabularies.lexicon("bert").words)
    old = {"name": "pre", "trainable": True, "dtype": "float32", "vocabulary": words, "lowercase": True}
    layer = Tokens.from_config({**old, "sequence_length": 8})
    assert ids(layer, ["the cat"]) == ids(tokens("bert", 8), ["the cat"])


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("os", {}, "tokens of the family 'os' are not known; bert, "),
        ("bert", {"words": ["a"]}, "the vocabulary is none of the family bert: .*; give its own"),
        ("gpt2", {"words": ["a"]}, "the vocabulary is none of the family gpt2: "),
        ("gpt2", {"words": ["<|endoftext|>"], "merges": ["a b"]}, "none of the family gpt2: Merge rule 'a b' contains"),
        ("albert", {"proto": "!"}, "none of the family albert: "),
        ("albert", {"proto": "/etc/passwd"}, "none of the family albert: "),
        ("albert", {"proto": base64.b64encode(b"x" * 3000).decode()}, "none of the family albert: "),
    ],
)
def test_a_vocabulary_that_does_not_fit(family: str, options: dict, message: str) -> None:
    given = {key: value for key, value in options.items() if key != "words"}
    with pytest.raises(InputError, match=message):
        Tokens(options.get("words", []), False, 8, family=family, **given)


# === Exported ===


def save(folder: Path, family: str, **options: Any) -> np.ndarray:
    """Write a classifier as a `.keras` file and as a SavedModel, and return its answers."""
    import tensorflow as tf

    clf = text_vocabularies.classifier(text_vocabularies.FIRST[family], layers=2, **options)
    clf.save(folder / f"{family}.keras")
    export._write_saved_model(clf, folder / family)
    graph_scan.scan(folder / family)
    assert ("pairs" in options) == (len(clf.inputs[0].shape) == 2)
    return clf(
        tf.constant(text_vocabularies.PAIRS if "pairs" in options else tiny_models.TEXTS), training=False
    ).numpy()


def reload(folder: Path, texts: list, *families: str) -> Any:
    subprocess.run([sys.executable, "-c", RELOAD, str(folder), json.dumps(texts), *families], check=True)
    return np.load(folder / "answers.npz")


@pytest.mark.slow
def test_every_family_reloads_in_a_fresh_process(tmp_path: Path) -> None:
    expected = {family: save(tmp_path, family) for family in FAMILIES}
    given = reload(tmp_path, tiny_models.TEXTS, *FAMILIES)
    for family, answers in expected.items():
        assert np.array_equal(given[f"{family} keras"], answers), family
        # eager and compiled softmaxes differ in their last bit
        assert np.abs(given[f"{family} served"] - answers).max() <= 1e-5, family
        assert not np.allclose(np.roll(answers, 1, axis=0), answers, atol=1e-2)


@pytest.mark.slow
def test_pairs_reload_in_a_fresh_process(tmp_path: Path) -> None:
    families = ("bert", "roberta", "deberta_v3", "gpt2")
    expected = {family: save(tmp_path, family, pairs=True) for family in families}
    given = reload(tmp_path, text_vocabularies.PAIRS, *families)
    for family, answers in expected.items():
        assert np.array_equal(given[f"{family} keras"], answers), family
        # eager and compiled softmaxes differ in their last bit
        assert np.abs(given[f"{family} served"] - answers).max() <= 1e-5, family


def test_no_word_that_was_seen_is_exported(tmp_path: Path) -> None:
    import tensorflow as tf

    layer = tokens("roberta")
    layer(tf.constant(["Geheimnis Xylophon"]))
    module = tf.Module()
    module.layer, module.tables = layer, layer._resources
    tf.saved_model.save(
        module, str(tmp_path), tf.function(layer).get_concrete_function(tf.TensorSpec((None,), tf.string))
    )
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Geheimnis" not in written and b"Xylophon" not in written and "\u0120cat".encode() in written
    graph_scan.scan(tmp_path)


# === WordPieces by hand ===

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tiny_models.WORDS, "##s"]


def padded(layer: Tokens, texts: list[str]) -> list[list[int]]:
    import tensorflow as tf

    return layer(tf.constant(texts))["token_ids"].numpy().tolist()


def test_tokens_are_word_pieces_cut_and_padded() -> None:
    layer = Tokens(VOCABULARY, True, 6)
    cat, unknown, end = VOCABULARY.index("cat"), 1, VOCABULARY.index("##s")
    assert padded(layer, ["Cats CAT zebra"]) == [[2, cat, end, cat, unknown, 3]]
    assert padded(layer, ["", "dog"]) == [[2, 3, 0], [2, VOCABULARY.index("dog"), 3]]
    assert padded(layer, ["cat " * 9]) == [[2, cat, cat, cat, cat, 3]]


@pytest.mark.parametrize(
    ("texts", "length"), [([""], 2), (["cat", ""], 3), (["the cat sat", "a"], 5), (["cat " * 9, "cat"], 6)]
)
def test_a_batch_is_as_long_as_its_longest_text(texts: list[str], length: int) -> None:
    assert {len(row) for row in padded(Tokens(VOCABULARY, True, 6), texts)} == {length}


def test_an_empty_batch_keeps_one_column_in_the_exported_graph() -> None:
    import tensorflow as tf

    layer = Tokens(VOCABULARY, True, 6)
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None,), tf.string)])
    assert {tuple(value.shape) for value in graph(tf.constant([], tf.string)).values()} == {(0, 1)}


def test_a_cased_vocabulary_keeps_case() -> None:
    assert padded(Tokens(VOCABULARY, False, 4), ["Cat cat"]) == [[2, 1, VOCABULARY.index("cat"), 3]]


def test_the_mask_marks_the_real_tokens() -> None:
    import tensorflow as tf

    given = Tokens(VOCABULARY, True, 6)(tf.constant(["the cat", "the cat sat on"]))
    assert given["padding_mask"].numpy().tolist() == [[True, True, True, True, False, False], [True] * 6]
    assert given["segment_ids"].numpy().tolist() == [[0] * 6] * 2


def test_output_spec_agrees_with_the_outputs() -> None:
    import keras
    import tensorflow as tf

    layer = Tokens(VOCABULARY, True, 6)
    spec = layer.compute_output_spec(keras.KerasTensor((None,), dtype="string"))
    given = layer(tf.constant(["the cat", "a"]))
    assert {key: value.dtype for key, value in spec.items()} == {key: v.dtype.name for key, v in given.items()}
    assert {value.shape for value in spec.values()} == {(None, None)}, "the length is that of each batch"
