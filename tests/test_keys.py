"""Keys: equal functions have equal digests, whatever their names; what changes an answer changes the digest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import models
import numpy as np
import pytest

from tlkit import build, keys


def network(
    change: Callable | None = None, strides: int = 1, swapped: bool = False, axis: int = -1, skip: bool = True
) -> object:
    """Build a small network, its layers named by Keras, with the same weights each time."""
    import keras
    from keras import layers

    pixels = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, strides=strides, padding="same")(keras.ops.flip(pixels, axis=axis))
    y = layers.BatchNormalization()(x)
    pair = [y, x if skip else pixels]
    model = keras.Model(pixels, layers.Subtract()(pair[::-1] if swapped else pair))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1, weight.shape) for weight in model.weights])
    if change is not None:
        change(model)
    return model


def test_a_second_build_has_other_names_and_the_same_key() -> None:
    first, second = network(), network()
    assert [layer.name for layer in first.layers[1:]] != [layer.name for layer in second.layers[1:]]
    assert keys.functions([first]) == keys.functions([second])


def test_training_flags_do_not_matter() -> None:
    def freeze(model: object) -> None:
        model.trainable = False

    assert keys.functions([network(freeze)]) == keys.functions([network()])


def one_weight(model: object) -> None:
    kernel = model.weights[0]
    value = kernel.numpy()
    value[0, 0, 0, 0] = np.nextafter(value[0, 0, 0, 0], np.float32(9))
    kernel.assign(value)


def one_statistic(model: object) -> None:
    model.weights[-1].assign(model.weights[-1] * 1.01)


def _norm(model: object) -> object:
    return next(layer for layer in model.layers if "batch_normalization" in layer.name)


def other_epsilon(model: object) -> None:
    _norm(model).epsilon = 0.5


def half(model: object) -> None:
    _norm(model).dtype_policy = "mixed_bfloat16"


@pytest.mark.parametrize("change", [one_weight, one_statistic, other_epsilon, half])
def test_what_a_layer_holds_changes_the_key(change: Callable) -> None:
    assert keys.functions([network(change)]) != keys.functions([network()])


@pytest.mark.parametrize(
    "given", [{"strides": 2, "skip": True}, {"swapped": True}, {"axis": 1}, {"skip": False}], ids=str
)
def test_how_layers_are_called_and_joined_changes_the_key(given: dict) -> None:
    assert keys.functions([network(**given)]) != keys.functions([network()])


def test_the_order_and_number_of_parts_change_the_key() -> None:
    one, other = network(), network(one_weight)
    digests = [keys.functions(parts) for parts in ([one], [one, other], [other, one], [one, one])]
    assert len(set(digests)) == 4


def test_the_output_that_is_read_changes_the_key() -> None:
    import keras

    model = network()
    inner = keras.Model(model.input, [model.layers[1].output, _norm(model).output])
    outer = keras.Model(model.input, [_norm(model).output, model.layers[1].output])
    assert keys.functions([inner]) != keys.functions([outer])


def test_a_tokenizers_settings_change_the_key() -> None:
    from tlkit.tokens import Tokens

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *models.WORDS]
    layers = [Tokens(words, True, 8), Tokens(words, True, 8), Tokens(words, False, 8), Tokens(words[:-1], True, 8)]
    one, same, cased, fewer = (keys.functions([layer]) for layer in layers)
    assert one == same and len({one, cased, fewer}) == 3


def test_another_source_of_tlkit_is_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys.importlib.resources, "files", lambda _: tmp_path)
    digests = []
    for text in ("a = 1", "a = 2"):
        (tmp_path / "m.py").write_text(text)
        (tmp_path / "notes.txt").write_text(text)
        digests.append(keys.code.__wrapped__())
    (tmp_path / "notes.txt").write_text("of no matter")
    assert len(set(digests)) == 2 and keys.code.__wrapped__() == digests[1]


def test_facts_are_combined_whatever_their_order() -> None:
    assert keys.combined({"a": 1, "b": [2]}) == keys.combined({"b": [2], "a": 1})
    assert keys.combined({"a": 1}) != keys.combined({"a": 2})


@pytest.mark.slow
def test_another_process_has_the_same_key(tmp_path: Path) -> None:
    models.tiny_bert(tmp_path / "bert")
    code = (
        "import models, keras, tlkit; from tlkit import build, keys;"
        "clf = models.tiny_classifier();"
        f"bert = tlkit.classifier('minilm_l6', 'cls_dense', 2, size=8, weights={str(tmp_path / 'bert')!r});"
        "print(keys.functions(build.pieces(clf)[:2]), keys.functions(build.pieces(bert)[:2]))"
    )
    tests = str(Path(models.__file__).parent)
    told = [
        subprocess.run([sys.executable, "-c", code], cwd=tests, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert told[0] == told[1] and len(set(told[0].split())) == 2
    assert told[0].split()[0] == keys.functions(build.pieces(models.tiny_classifier())[:2])
