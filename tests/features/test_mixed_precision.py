"""Precision: what the switch reaches, that it is undone, and when it is measured."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import tiny_models
from tlkit.errors import InputError
from tlkit.features import batchnorm_folding, mixed_precision
from tlkit.features.mixed_precision import measure  # as it is before the other tests' stand-in for it
from tlkit.models import classifier


def policies(clf: object) -> dict[str, str]:
    return {layer.name: layer.dtype_policy.name for layer in clf._flatten_layers()}


def test_unknown_precisions_are_named() -> None:
    with pytest.raises(InputError, match="unknown precision 'bfloat61'; did you mean bfloat16"):
        mixed_precision.check("bfloat61")
    for name in mixed_precision.PRECISIONS:
        mixed_precision.check(name)


# === Units ===


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags : fpu sse2 avx512f", False),
        ("flags : fpu avx512_bf16 sse2", True),
        ("flags : amx_bf16", True),
        ("flags : avx512_bf16x", False),
    ],
)
def test_units_are_what_the_processor_says(monkeypatch: pytest.MonkeyPatch, flags: str, expected: bool) -> None:
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    monkeypatch.setattr(mixed_precision, "open", lambda *_, **__: io.StringIO(flags), raising=False)
    assert mixed_precision.has_units() is expected


def test_a_gpu_has_units_and_no_list_of_flags_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(mixed_precision, "open", missing, raising=False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    assert mixed_precision.has_units() is False
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert mixed_precision.has_units() is True


# === The switch ===


@pytest.fixture(scope="module")
def clf() -> object:
    return tiny_models.spread(tiny_models.tiny_classifier(3), tiny_models.pictures(16, 16))


def test_layers_compute_in_bfloat16_and_keep_float32_weights(clf: object) -> None:
    pixels = tiny_models.pictures(5, 16, seed=2)
    before, whole = policies(clf), clf(pixels, training=False).numpy()
    with mixed_precision.computing(clf, "bfloat16"):
        inside = policies(clf)
        body = classifier.pieces(clf)[1]
        assert body.get_layer("conv1").compute_dtype == body(pixels)["map"].dtype == "bfloat16"
        assert {variable.dtype for variable in clf.weights} == {"float32"}
        half = clf(pixels, training=False).numpy()
    assert inside["probabilities"] == "float32" and inside["pool"] == "mixed_bfloat16"
    assert half.dtype == np.float32 and 1e-5 < np.abs(half - whole).max() < 0.1
    assert policies(clf) == before and np.array_equal(clf(pixels, training=False).numpy(), whole)


def test_words_are_scored_in_float32(tmp_path: Path) -> None:
    clf = tiny_models.text_classifier(tmp_path, words=True)
    with mixed_precision.computing(clf, "bfloat16"):
        inside = policies(clf)
    assert inside["words"] == inside["probabilities"] == "float32" and inside["pool"] == "mixed_bfloat16"


def test_the_input_is_normalised_in_float32(clf: object) -> None:
    with mixed_precision.computing(clf, "bfloat16"):
        assert classifier.pieces(clf)[0](tiny_models.pictures(1, 16)).dtype == "float32"


def test_float32_changes_nothing(clf: object) -> None:
    before = policies(clf)
    with mixed_precision.computing(clf, "float32"):
        assert policies(clf) == before


def test_an_error_inside_undoes_the_switch_too(clf: object) -> None:
    before = policies(clf)
    with pytest.raises(KeyboardInterrupt), mixed_precision.computing(clf, "bfloat16"):
        raise KeyboardInterrupt
    assert policies(clf) == before and set(before.values()) == {"float32"}


@pytest.mark.parametrize("outer", ["float32", "bfloat16"])
@pytest.mark.parametrize("inner", ["float32", "bfloat16"])
def test_of_nested_blocks_the_inner_one_decides(clf: object, outer: str, inner: str) -> None:
    before = policies(clf)
    with mixed_precision.computing(clf, inner):
        expected = policies(clf)
    with mixed_precision.computing(clf, outer):
        around = policies(clf)
        with mixed_precision.computing(clf, inner):
            assert policies(clf) == expected
        assert policies(clf) == around
    assert policies(clf) == before and (expected == before) is (inner == "float32")


def test_a_layer_with_a_precision_of_its_own_keeps_it() -> None:
    clf = tiny_models.tiny_classifier()
    layer = classifier.pieces(clf)[1].get_layer("conv2")
    for own in ("float64", "mixed_bfloat16"):
        layer.dtype_policy = own
        for numbers in ("bfloat16", "float32"):
            with mixed_precision.computing(clf, "bfloat16"), mixed_precision.computing(clf, numbers):
                assert layer.dtype_policy.name == own
            assert layer.dtype_policy.name == own


# === The measurement ===


@pytest.mark.parametrize(("half", "expected"), [(0.002, "bfloat16"), (0.018, "float32"), (0.03, "float32")])
def test_bfloat16_has_to_be_clearly_faster(clf: object, half: float, expected: str) -> None:
    seen = []

    def trunk(numbers: str) -> Callable:
        name = classifier.pieces(clf)[1].get_layer("conv1").dtype_policy.name
        seen.append((numbers, name))

        def run(batch: object) -> list:
            assert batch == "batch"
            time.sleep(0.02 if name == "float32" else half)
            return []

        return run

    assert measure(clf, trunk, "batch") == expected
    assert seen == [("float32", "float32"), ("bfloat16", "mixed_bfloat16")] and set(policies(clf).values()) == {
        "float32"
    }


def test_the_call_that_compiles_is_not_timed(clf: object) -> None:
    def trunk(_: str) -> Callable:
        name, calls = classifier.pieces(clf)[1].get_layer("conv1").dtype_policy.name, []

        def run(_: object) -> list:
            calls.append(name)
            first = len(calls) == 1
            time.sleep(0.1 if first and name == "mixed_bfloat16" else 0.01 if name == "float32" else 0.001)
            return []

        return run

    assert measure(clf, trunk, None) == "bfloat16"


def test_a_folded_trunk_computes_in_bfloat16_throughout(clf: object) -> None:
    with mixed_precision.computing(clf, "bfloat16"):
        folded = batchnorm_folding.fold(classifier.pieces(clf)[1])
        assert {layer.compute_dtype for layer in folded.layers[1:]} == {"bfloat16"}
