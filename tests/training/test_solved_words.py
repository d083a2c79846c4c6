"""Scores of words that are solved beside those of the vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

import tlkit
from tests.helpers import tiny_models
from tlkit.training import linear_model, solved_words
from tlkit.training.linear_model import Rows

QUIET = {"quality": "fast", "progress": False}


def bags(count: int, *, seed: int = 0) -> tuple[csr_array, np.ndarray]:
    """Return counts of 20 buckets, the first of which says the label of most texts."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    dense = (rng.random((count, 21)) < 0.3).astype(np.float32)
    dense[:, 0] = 0
    dense[:, 1] = labels ^ (rng.random(count) < 0.05)
    return csr_array(dense), labels


def rows(labels: np.ndarray, features: np.ndarray | None = None) -> Rows:
    features = np.zeros((len(labels), 1), np.float32) if features is None else features
    ones = np.ones((len(labels), 1), np.float32)
    return Rows(features, np.eye(2, dtype=np.float32)[labels], ones, np.arange(len(labels)))


def chosen(pool: Rows) -> linear_model.Choice:
    masks = [np.arange(len(pool)) % 4 == fold for fold in range(4)]
    return linear_model.choose(pool, "softmax", masks)


def test_tf_idf_is_that_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfTransformer

    counts, labels = bags(40)
    fitted = solved_words.fitted(counts, rows(labels), "softmax")
    theirs = TfidfTransformer(norm="l2", smooth_idf=True).fit(counts)
    np.testing.assert_allclose(fitted.idf, theirs.idf_, rtol=1e-6)
    weighed = solved_words.tf_idf(counts, fitted.idf).toarray()
    np.testing.assert_allclose(weighed, theirs.transform(counts).toarray(), atol=1e-6)


def test_words_are_learned_and_a_bucket_that_was_not_seen_has_no_score() -> None:
    counts, labels = bags(200)
    counts = csr_array(counts.toarray() * (np.arange(21) != 20))
    fitted = solved_words.fitted(counts, rows(labels), "softmax")
    fresh, truth = bags(200, seed=1)
    assert (fitted.scores(fresh).argmax(axis=1) == truth).mean() > 0.85
    assert (fitted.table[20] == 0).all() and (fitted.table[0] == 0).all()


def test_words_weigh_in_where_they_help() -> None:
    counts, labels = bags(200)
    noise = rows(labels, np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
    choice = chosen(noise)
    fusion, both = solved_words.choose(counts, noise, "softmax", choice)
    assert fusion.words > 0 and fusion.loss < 0.6 * linear_model.mean_loss(choice.scores, noise, "softmax")
    assert linear_model.mean_loss(both.scores, noise, "softmax") == pytest.approx(fusion.loss)


def test_words_that_bring_nothing_are_left_out() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    clear = rows(labels, (labels[:, None] * 4 + rng.normal(size=(200, 1))).astype(np.float32))
    empty = csr_array((200, 21), dtype=np.float32)
    fusion, _ = solved_words.choose(empty, clear, "softmax", chosen(clear))
    assert (fusion.vector, fusion.words) == (1.0, 0.0)


def test_a_classifier_answers_with_the_sum(tmp_path: Path) -> None:
    data = tiny_models.topics(60)
    bert = tiny_models.tiny_bert(tmp_path / "bert")
    clf, again = (
        tlkit.classifier("minilm_l6", "mean_dense", data.labels, size=16, weights=bert, words=True) for _ in range(2)
    )
    history = tlkit.fit(clf, data, **QUIET)
    weights = history.phases[0]["solved"]["words"]
    assert weights["words"] > 0 and clf.head.get_layer("words").table.numpy().any()
    assert tlkit.evaluate(clf, data.test).figures["accuracy"] == 1.0
    # the model's own answers to val are those of a fit to train, before the last fit
    plain = tlkit.fit(again, data, refit=False, **QUIET)
    assert plain.epochs[0]["val_accuracy"] == 1.0 and plain.refit is None
    table = clf.head.get_layer("words").table.numpy()
    clf.head.get_layer("words").table.assign(np.zeros_like(table))
    assert tlkit.evaluate(clf, data.test).loss > 1.2 * tlkit.evaluate(again, data.test).loss, "the words count"
