"""Where a score comes from: heat of a map by hand, words and cells that are left out."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.data.table_columns import Column
from tlkit.models.attribution import Asked, Heat, Words, cells, heats, words

# === Pictures ===


def mapped(number: int | None = None) -> Asked:
    """Return a model whose map is the picture in four places and whose scores are its red and its green."""
    import keras

    pixels = keras.Input((4, 4, 3))
    base = keras.Model(pixels, {"map": keras.layers.AveragePooling2D(2)(pixels)})
    features = {"map": keras.Input((2, 2, 3), name="map")}
    pooled = keras.layers.GlobalAveragePooling2D()(features["map"])
    return Asked(base, keras.Model(features, pooled[:, :2]), ("red", "green"), number, "crop")


def pictures() -> np.ndarray:
    """Return a picture that is red above on the left, and one that is green below on the right."""
    made = np.zeros((2, 4, 4, 3), np.float32)
    made[0, :2, :2, 0] = made[1, 2:, 2:, 1] = 200
    return made


def test_the_heat_of_each_picture_lies_where_its_label_is() -> None:
    first, second = heats(mapped(), pictures())
    assert (first.label, second.label) == ("red", "green") and first.score == second.score == 50
    assert first.heat[0, 0] == 1 and first.heat[3, 3] == 0 and second.heat[3, 3] == 1 and second.heat[0, 0] == 0
    assert np.array_equal(first.picture, pictures()[0]) and first.picture.dtype == np.uint8


def test_another_label_is_explained_where_it_is_asked_for() -> None:
    red, green = (heats(mapped(number), pictures())[0] for number in (0, 1))
    assert red.heat.any() and green.label == "green" and green.score == 0 and not green.heat.any()


def test_an_overlay_is_grey_where_it_is_cold_and_red_where_it_is_hot() -> None:
    heat = Heat("red", 1.0, np.full((1, 2, 3), 100, np.uint8), np.array([[0.0, 1.0]], np.float32))
    assert heat.overlay(1.0).tolist() == [[[100, 100, 100], [255, 32, 0]]]
    assert heat.overlay(0.0).tolist() == [[[100] * 3] * 2] and heat.overlay().dtype == np.uint8
    assert heat.overlay(0.5).tolist()[0][1] == [178, 66, 50]


# === Texts and tables ===


def counted(labels: tuple[str, ...], number: int | None = None) -> Asked:
    """Return a model whose score of each label is how often that word stands in a text."""

    class Counts(np.ndarray):
        def numpy(self) -> np.ndarray:
            return self

    def tail(texts: object, training: bool) -> np.ndarray:
        read = [text.decode() for text in texts.numpy()]
        return np.array([[text.split().count(label) for label in labels] for text in read], float).view(Counts)

    return Asked(lambda texts, training: texts, tail, labels, number, "crop")


def test_the_words_that_carry_the_score_are_found() -> None:
    text = "  a cat and a dog , cat!"
    found = words(counted(("cat", "dog")), text)
    assert found == Words(
        "cat", 1.0, ("  a ", "cat ", "and ", "a ", "dog ", ", ", "cat", "!"), (0, 1, 0, 0, 0, 0, 0, -1)
    )
    assert "".join(found.pieces) == text
    assert words(counted(("cat", "dog"), 1), text).weights[4] == 1


@pytest.mark.parametrize("text", ["", "   "])
def test_a_text_without_words(text: str) -> None:
    assert words(counted(("cat", "dog")), text).weights == ()


def test_scripts_without_spaces_are_cut_by_letters() -> None:
    assert words(counted(("猫",)), "猫です ok").pieces == ("猫", "で", "す ", "ok")


def test_of_a_pair_the_words_of_both_texts_are_left_out() -> None:
    def tail(texts: object, training: bool) -> np.ndarray:
        assert texts.shape[1:] == (2,)
        told = [" ".join(part.decode() for part in pair) for pair in texts.numpy()]
        return counted(("cat",)).tail(tf.constant(told), training)

    import tensorflow as tf

    asked = Asked(lambda texts, training: texts, tail, ("cat",), 0, "crop")
    assert words(asked, ["a cat", "no cat "]) == Words("cat", 2.0, ("a ", "cat", "\nno ", "cat "), (0, 1, 0, 1))


def test_of_a_long_text_neighbours_are_left_out_together() -> None:
    text = "word " * 90 + "cat " + "word " * 99
    found = words(counted(("cat",)), text)
    assert len(found.pieces) == 32 and sum(found.weights) == 1 and "cat" in found.pieces[found.weights.index(1)]
    assert "".join(found.pieces) == text


def test_the_cells_that_carry_the_score_are_found() -> None:
    import tensorflow as tf

    def tail(rows: object, training: bool) -> object:
        known = tf.where(tf.math.is_nan(rows), 0.0, rows)
        return tf.stack([known[:, 0] - 3 * known[:, 1], 0 * known[:, 0]], 1)

    asked = Asked(lambda rows, training: rows, tail, ("yes", "no"), 0, "crop")
    table = (Column("age"), Column("<job>", ("none", "cook")), Column("more"))
    found = cells(asked, np.array([30, 1, np.nan], np.float32), table)
    assert found == Words("yes", 27.0, ("age: 30.0, ", "<job>: cook, ", "more: missing"), (30, -3, 0))
