"""Words beside the vector: what is counted, by a plain computation, what it scores, and classifiers with both."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.errors import InputError
from tlkit.models import classifier
from tlkit.models.text.hashed_words import BUCKETS, COUNTS, IDS, MOST, HashedWords, WordScores
from tlkit.tasks.next_token import Reply

LABELS = ("topic 0", "topic 1")
TEXTS = [
    "The cat's café, ÉCOLE 12,5 — the CAT!",
    "",
    " \n\t ... ?! _",
    "\u6f22\u5b57 and \u304b\u306a ok",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e",  # Hindi, whose vowel signs are marks
    "na na na na na_na Straße ΣΟΦΌΣ МОСКВА москва",
    "a b a b a b",
    "word " * 600,
]


def bucket(feature: str, buckets: int = BUCKETS) -> int:
    """Return the number of a word or pair, from TensorFlow's hash of it alone."""
    import tensorflow as tf

    return 1 + int(tf.strings.to_hash_bucket_fast(feature, buckets))


def words(text: str) -> list[str]:
    """Split a text into words, sign by sign."""
    found, word = [], ""
    for sign in (*text.lower(), " "):
        alone = any(script in unicodedata.name(sign, "") for script in ("CJK UNIFIED", "HIRAGANA", "KATAKANA"))
        if not alone and unicodedata.category(sign)[0] in "LMN":
            word += sign
            continue
        found += [word] if word else []
        found += [sign] if alone else []
        word = ""
    return found


def counted(parts: list[str], most: int = MOST, buckets: int = BUCKETS) -> list[tuple[int, float]]:
    """Return ids and damped counts of the words and pairs of a text, or of several that belong together."""
    each = [words(part) for part in parts]
    features = [word for part in each for word in part] + [" ".join(pair) for part in each for pair in pairwise(part)]
    counts = Counter(bucket(feature, buckets) for feature in features)
    return [(number, 1 + math.log(count)) for number, count in counts.items()][:most]


def rows(given: dict[str, Any]) -> list[list[tuple[int, float]]]:
    """Return what `HashedWords` gave, text by text, without the padding."""
    ids, counts = given[IDS].numpy(), given[COUNTS].numpy()
    assert ids.dtype == np.int32 and counts.dtype == np.float32 and ids.shape == counts.shape
    assert np.array_equal(ids == 0, counts == 0)
    return [
        [pair for pair in zip(*text, strict=True) if pair[0]]
        for text in zip(ids.tolist(), counts.tolist(), strict=True)
    ]


def close(one: list[list[tuple[int, float]]], other: list[list[tuple[int, float]]]) -> bool:
    """Tell whether ids are equal, in their order, and counts up to rounding."""
    same = [[number for number, _ in text] for text in one] == [[number for number, _ in text] for text in other]
    return same and all(np.allclose(a, b, rtol=1e-6) for a, b in zip(one, other, strict=True) if a)


# === What is counted ===


def test_words_and_pairs_are_those_of_a_plain_computation() -> None:
    import tensorflow as tf

    layer = HashedWords()
    found = rows(layer(tf.constant(TEXTS)))
    assert close(found, [counted([text]) for text in TEXTS])
    assert [len(text) for text in found] == [14, 0, 0, 11, 3, 9, 4, 2]
    assert found[7] == [
        (bucket("word"), pytest.approx(1 + math.log(600))),
        (bucket("word word"), pytest.approx(1 + math.log(599))),
    ]
    assert not close(found, [counted([text.swapcase() + " more"]) for text in TEXTS])


def test_a_word_keeps_its_number_for_ever() -> None:
    """What is learned of a word lies at its number; another hash would give it to other words."""
    import tensorflow as tf

    (found,) = rows(HashedWords()(tf.constant(["The cat, école"])))
    assert [number for number, _ in found] == [12139, 3801, 24502, 27811, 10362]


def test_the_graph_and_each_text_alone_give_the_same() -> None:
    import tensorflow as tf

    layer = HashedWords()
    eager = layer(tf.constant(TEXTS))
    compiled = tf.function(layer, input_signature=[tf.TensorSpec((None,), tf.string)])
    assert all(np.array_equal(eager[name], value) for name, value in compiled(tf.constant(TEXTS)).items())
    alone = [compiled(tf.constant([text])) for text in TEXTS]
    assert [rows(given)[0] for given in alone] == rows(eager)
    assert [given[IDS].shape[1] for given in alone] == [14, 1, 1, 11, 3, 9, 4, 2], "as long as needed, and at least 1"
    assert compiled(tf.constant([], tf.string))[IDS].shape == (0, 1)


def test_of_a_rich_text_the_first_words_are_kept() -> None:
    import tensorflow as tf

    text, short = " ".join(f"w{number}" for number in range(700)), "one two three"
    first, second = rows(HashedWords()(tf.constant([text, short])))
    assert len(first) == MOST and close([first, second], [counted([text]), counted([short])])
    assert {number for number, _ in first} <= {bucket(word) for word in text.split()}, "words before pairs"
    few = rows(HashedWords(most=4)(tf.constant([short])))[0]
    assert [number for number, _ in few] == [bucket(word) for word in ("one", "two", "three", "one two")]


def test_of_two_texts_words_count_together_without_a_pair_across_them() -> None:
    import tensorflow as tf

    (found,) = rows(HashedWords(segments=2)(tf.constant([["cat ran", "cat sat"]])))
    assert close([found], [counted(["cat ran", "cat sat"])]) and not close([found], [counted(["cat ran cat sat"])])
    assert {number for number, _ in found} == {bucket(each) for each in ("cat", "ran", "sat", "cat ran", "cat sat")}
    assert found[0] == (bucket("cat"), pytest.approx(1 + math.log(2)))


def test_what_shares_a_bucket_counts_together() -> None:
    import tensorflow as tf

    assert rows(HashedWords(1)(tf.constant(["a b c", "a"]))) == [[(1, pytest.approx(1 + math.log(5)))], [(1, 1.0)]]
    assert close(rows(HashedWords(7)(tf.constant(TEXTS))), [counted([text], buckets=7) for text in TEXTS])


def test_bytes_that_are_no_utf8_are_no_error() -> None:
    import tensorflow as tf

    assert rows(HashedWords()(tf.constant([b"\xff cat \xfe\xfd"]))) == [[(bucket("cat"), 1.0)]]


# === What it scores ===


def scorer(outputs: int = 3, buckets: int = 20) -> WordScores:
    layer, rng = WordScores(outputs, buckets), np.random.default_rng(0)
    layer.build((None, None), (None, None))
    layer.table.assign(rng.normal(size=(buckets + 1, outputs)))
    layer.idf.assign(rng.uniform(1, 5, buckets + 1))
    return layer


IDS_GIVEN = np.array([[3, 7, 20, 1], [7, 0, 0, 0], [0, 0, 0, 0]], np.int32)
COUNTS_GIVEN = np.array([[1, 2.5, 1, 1.7], [1.7, 0, 0, 0], [0, 0, 0, 0]], np.float32)


def test_scores_are_normalised_tf_idf_times_the_table() -> None:
    layer = scorer()
    table, idf = layer.table.numpy().astype(float), layer.idf.numpy().astype(float)
    weights = [
        np.array([count * idf[number] for number, count in zip(*text, strict=True)])
        for text in zip(IDS_GIVEN[:2], COUNTS_GIVEN[:2], strict=True)
    ]
    expected = [(w / np.linalg.norm(w)) @ table[text] for w, text in zip(weights, IDS_GIVEN, strict=False)]
    found = layer(IDS_GIVEN, COUNTS_GIVEN).numpy()
    assert np.allclose(found[:2], expected, atol=1e-6) and np.array_equal(found[2], np.zeros(3))
    assert np.allclose(np.square(layer.tf_idf(IDS_GIVEN, COUNTS_GIVEN)).sum(1), [1, 1, 0])
    assert np.allclose(expected[1], table[7]), "a single word weighs 1 whatever its count"
    layer.idf.assign(np.ones(21))
    assert not np.allclose(layer(IDS_GIVEN, COUNTS_GIVEN)[0], expected[0], atol=1e-3)


def test_padding_has_no_effect() -> None:
    layer = scorer()
    narrow = layer(IDS_GIVEN[1:2, :1], COUNTS_GIVEN[1:2, :1]).numpy()
    assert np.any(layer.table[0]) and np.allclose(layer(IDS_GIVEN, COUNTS_GIVEN)[1:2], narrow, atol=1e-6)


def test_new_scores_are_zero_and_learn() -> None:
    import tensorflow as tf

    layer = WordScores(3, 20)
    assert np.array_equal(layer(IDS_GIVEN, COUNTS_GIVEN), np.zeros((3, 3)))
    assert [weight.name for weight in layer.trainable_weights] == ["table"] and np.all(layer.idf.numpy() == 1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(IDS_GIVEN, COUNTS_GIVEN)[:, 1])
    gradient = tf.convert_to_tensor(tape.gradient(loss, layer.table.value)).numpy()
    expected = np.zeros((21, 3))
    np.add.at(expected[:, 1], IDS_GIVEN, layer.tf_idf(IDS_GIVEN, COUNTS_GIVEN))
    assert np.allclose(gradient, expected, atol=1e-6)
    assert not gradient[0].any() and set(np.flatnonzero(gradient[:, 1])) == {1, 3, 7, 20}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(HashedWords, {"buckets": 99, "most": 7, "segments": 2}), (WordScores, {"outputs": 5, "buckets": 99})],
)
def test_layers_come_back_from_their_config(kind: Any, settings: dict[str, int]) -> None:
    again = kind.from_config(kind(**settings).get_config())
    assert {name: getattr(again, name) for name in settings} == settings


# === Classifiers ===


def built(folder: Path, target: Any = LABELS, **options: Any) -> Any:
    """Build a classifier over a tiny BERT with words, or, where the options say so, without."""
    import keras

    preset = folder / "bert"
    keras.utils.set_random_seed(0)
    if not preset.exists():
        tiny_models.tiny_bert(preset, layers=1)
    given = {"size": 16, "weights": preset, "words": True} | options
    return tlkit.classifier("minilm_l6", given.pop("head", "mean_dense"), target, **given)


def test_a_classifier_with_words_is_plain_and_functional(tmp_path: Path) -> None:
    import keras

    clf = built(tmp_path)
    assert type(clf) is keras.src.models.functional.Functional and clf.spec.input.words
    pre, body, head = classifier.pieces(clf)
    assert [layer.name for layer in pre.layers[1:]] == ["tokens", "hashed_words"]
    assert set(body.output) == {"sequence", "mask", IDS, COUNTS}
    assert head.get_layer("words").table.shape == (BUCKETS + 1, 2) and head.get_layer("probabilities").units == 2
    assert {v.path for v in clf.trainable_variables} == {"probabilities/kernel", "probabilities/bias", "words/table"}
    assert clf.spec.input.tokens(pre, ["the cat", ""]).tolist() == [4, 2]


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("head", ["mean_dense", "cls_dense"])
def test_words_without_scores_change_no_answer(tmp_path: Path, head: str, pairs: bool) -> None:
    import tensorflow as tf

    clf, plain = (built(tmp_path, head=head, pairs=pairs, words=words) for words in (True, False))
    dense = clf.head.get_layer("probabilities")
    plain.head.get_layer("probabilities").set_weights(dense.get_weights())
    given = [["the cat", "a dog sat"], ["", "bank"]] if pairs else tiny_models.TEXTS
    answers = clf(tf.constant(given), training=False).numpy()
    assert np.array_equal(answers, plain(tf.constant(given), training=False)) and np.ptp(answers) > 1e-3
    changed = np.abs(tiny_models.with_scores(clf)(tf.constant(given), training=False) - answers).max(1)
    empty = np.array([not "".join(each) for each in given])
    assert changed[empty].max(initial=0) < 1e-6 and changed[~empty].min() > 1e-3


@pytest.mark.parametrize(
    "target",
    [tlkit.Label(LABELS), tlkit.Tags(("a", "b", "c")), tlkit.Value(("price",), 5.0, 2.0)],
    ids=lambda t: t.name,
)
def test_scores_of_words_are_added_to_those_of_the_vector(tmp_path: Path, target: Any) -> None:
    import keras
    import tensorflow as tf

    clf = tiny_models.with_scores(built(tmp_path, target))
    head, texts = clf.head, tf.constant(tiny_models.TEXTS)
    layers = [head.get_layer(name) for name in (target.output_name, "words")]
    dense, words = keras.Model(head.input, [layer.output for layer in layers])(clf.base(texts), training=False)
    assert dense.shape == words.shape == (6, len(target.labels)) and np.ptp(words, axis=0).min() > 0.1
    close = {"label": tf.nn.softmax, "tags": tf.sigmoid, "value": lambda scores: 5 + 2 * scores}[target.name]
    answers = clf(texts, training=False)
    assert answers.dtype == "float32" and np.allclose(answers, close(dense + words), atol=1e-6)
    assert not np.allclose(answers, close(dense), atol=1e-2)


@pytest.mark.parametrize(
    ("backbone", "head", "labels", "message"),
    [
        ("mobilenet_v2", "pool_dense", 2, "is for classifiers of texts, which 'mobilenet_v2' is not made for"),
        ("autoencoder", "vector_dense", 2, "is for classifiers of texts, which 'autoencoder' is not made for"),
        ("minilm_l6", "mean_dense", Reply(), "is for classifiers, not for models of reply that write"),
        ("minilm_l6", "token_dense", ["O", "B-A"], "is for whole texts, and head 'token_dense' answers each token"),
    ],
)
def test_what_has_no_words_is_refused(backbone: str, head: str, labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"words=True {message}; leave words out"):
        tlkit.classifier(backbone, head, labels, weights=None, words=True)


def test_a_head_of_ones_own_uses_the_words_or_is_refused(tmp_path: Path) -> None:
    def without(features: Any, target: Any, **_: Any) -> Any:
        return target.output(features["pooled"])

    def using(features: Any, target: Any, **_: Any) -> Any:
        return target.output(features["pooled"], features["words"])

    message = (
        r"head 'own' does not use the scores of words; close it with `target.output\(x, features\['words'\]\)`, or"
    )
    with pytest.raises(InputError, match=message):
        built(tmp_path, head=tlkit.Head("own", without, ("pooled",)))
    assert "words" in {layer.name for layer in built(tmp_path, head=tlkit.Head("own", using, ("pooled",))).head.layers}


def test_a_saved_model_comes_back_with_its_words(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    clf, texts = tiny_models.with_scores(built(tmp_path)), tf.constant(tiny_models.TEXTS)
    clf.save(tmp_path / "clf.keras")
    again = keras.saving.load_model(tmp_path / "clf.keras", safe_mode=True)
    assert np.array_equal(again(texts, training=False), clf(texts, training=False))
    words = [model.get_layer("head").get_layer("words") for model in (again, clf)]
    assert np.array_equal(words[0].table, words[1].table) and np.array_equal(words[0].idf, words[1].idf)
    words[0].table.assign(np.zeros(words[0].table.shape))
    assert not np.allclose(again(texts, training=False), clf(texts, training=False), atol=1e-2)


@pytest.mark.slow
def test_an_exported_model_answers_with_its_words(tmp_path: Path) -> None:
    clf = tiny_models.with_scores(built(tmp_path))
    artifact = tlkit.export(clf, tmp_path / "out")
    expected = clf(np.array(TEXTS, object), training=False).numpy().max(1)
    assert np.allclose([each.probability for each in artifact.predict(TEXTS)], expected, atol=1e-5)
    assert artifact.facts["input"]["words"] is True and artifact.spec.input.words
    assert np.allclose(artifact.model(np.array(TEXTS, object), training=False).numpy().max(1), expected, atol=1e-5)
    assert artifact.model.spec == artifact.spec and artifact.facts["parity"]["spread"] > 0.1
    assert "words" not in built(tmp_path, words=False).spec.input.facts()


def test_a_training_moves_words_and_vector_in_every_phase(tmp_path: Path) -> None:
    clf, data = built(tmp_path), tiny_models.topics()
    moved = []
    for phase in (tlkit.Phase("head", 6, 3e-2), tlkit.Phase("top", 3, 1e-2, 1)):
        before = {v.path: v.numpy() for v in clf.variables}
        tlkit.fit(clf, data, phases=[phase], progress=False)
        moved.append({v.path for v in clf.variables if not np.array_equal(v, before[v.path])})
    assert {"probabilities/kernel", "words/table"} <= moved[0] & moved[1] and "words/idf" not in moved[0] | moved[1]
    assert not any(path.startswith("transformer") for path in moved[0])
    assert any(path.startswith("transformer_layer_0") for path in moved[1])
    table = clf.head.get_layer("words").table.numpy()
    assert not table[0].any(), "padding has no row"
    assert set(np.flatnonzero(table.any(1))) <= {n for text in data.train.items for n, _ in counted([text])}
    dense = clf.head.get_layer("probabilities")
    dense.set_weights([np.zeros_like(weight) for weight in dense.get_weights()])
    assert tlkit.evaluate(clf, data.test).accuracy > 0.8, "the words alone tell the topics apart"
