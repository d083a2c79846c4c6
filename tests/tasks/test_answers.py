"""The most probable labels that an exported model answers, written and read back."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.tasks import answers

tf = pytest.importorskip("tensorflow")
LABELS = ("ant", "bee", "cat", "dog", "eel", "fox", "g\u00fcl")


def test_ranked_names_the_best_labels_in_order() -> None:
    given = answers.ranked(tf.constant([[0.1, 0.2, 0.05, 0.3, 0.04, 0.01, 0.3]]), LABELS)
    assert given["top_k_labels"].shape == given["top_k_probabilities"].shape == (1, answers.TOP_K)
    names = [name.decode("utf-8") for name in given["top_k_labels"].numpy()[0]]
    assert names == ["dog", "g\u00fcl", "bee", "ant", "cat"]
    np.testing.assert_allclose(given["top_k_probabilities"], [[0.3, 0.3, 0.2, 0.1, 0.05]])


def test_ranked_names_all_of_few_labels() -> None:
    assert answers.ranked(tf.constant([[0.25, 0.75]]), ("no", "yes"))["top_k_labels"].numpy().tolist() == [
        [b"yes", b"no"]
    ]


def test_tops_reads_what_ranked_wrote() -> None:
    given = answers.ranked(tf.constant([[0.25, 0.75], [1.0, 0.0]]), ("g\u00fcl", "yes"))
    assert answers.tops(given) == [(("yes", 0.75), ("g\u00fcl", 0.25)), (("g\u00fcl", 1.0), ("yes", 0.0))]


def test_scores_of_words_are_added_before_the_activation() -> None:
    import keras

    x, words = keras.Input((2,)), keras.Input((3,))
    model = keras.Model([x, words], answers.probabilities(x, words, 3, "softmax"))
    model.get_layer("probabilities").set_weights([np.zeros((2, 3), np.float32), np.array([0, 1, 0], np.float32)])
    answer = model([np.zeros((1, 2)), np.array([[2.0, 0.0, 0.0]])]).numpy()[0]
    np.testing.assert_allclose(answer, np.exp([2, 1, 0]) / np.exp([2, 1, 0]).sum(), rtol=1e-5)
    alone = keras.Model(x, answers.probabilities(x, None, 3, "sigmoid"))
    assert alone.layers[-1].activation.__name__ == "sigmoid", "without words the layer itself has the activation"
