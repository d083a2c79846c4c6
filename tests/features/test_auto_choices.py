"""Choices: how features are kept, in which precision, and that nothing is measured where the rules are fixed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import Compute
from tlkit.errors import InputError, RunError
from tlkit.features import auto_choices, disk_cache, frontier, mixed_precision

ONE = {0: (40, 20)}  # a cut whose examples take 40 bytes as float32
TWO = {2: (400, 200), 0: (40, 20)}
COUNTS = (80, 20)  # in one view 100 examples are stored, in four 340


# === How features are kept ===


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (13_600, (4, {0: "float32"}, 13_600)),  # all views as float32
        (13_599, (4, {0: "float16"}, 6_800)),  # all views come before float32
        (6_800, (4, {0: "float16"}, 6_800)),
        (6_799, (2, {0: "float16"}, 3_600)),  # fewer views only where float16 does not fit
        (3_599, (1, {0: "float16"}, 2_000)),
        (2_000, (1, {0: "float16"}, 2_000)),
        (1_999, (4, {0: "stream"}, 0)),
        (0, (4, {0: "stream"}, 0)),
    ],
)
def test_views_come_first_then_float32_and_a_stream_last(limit: int, expected: tuple) -> None:
    assert auto_choices.stores(ONE, COUNTS, [4, 2, 1], limit) == expected


def test_a_number_of_views_that_was_asked_for_stays() -> None:
    assert auto_choices.stores(ONE, COUNTS, [4], 6_799) == (4, {0: "stream"}, 0)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (44_000, ({2: "float32", 0: "float32"}, 44_000)),
        (43_999, ({2: "float16", 0: "float32"}, 24_000)),
        (23_999, ({2: "float16", 0: "float16"}, 22_000)),
        (21_999, ({2: "stream", 0: "float32"}, 4_000)),
        (3_999, ({2: "stream", 0: "float16"}, 2_000)),
        (1_999, ({2: "stream", 0: "stream"}, 0)),
    ],
)
def test_small_features_are_stored_before_large_ones(limit: int, expected: tuple) -> None:
    assert auto_choices.stores(TWO, COUNTS, [1], limit) == (1, *expected)


def test_fewer_views_are_taken_so_that_every_cut_is_stored() -> None:
    assert auto_choices.stores(TWO, COUNTS, [4, 1], 30_000) == (1, {2: "float16", 0: "float32"}, 24_000)


def test_what_fits_in_fewer_views_is_stored_though_another_cut_never_is() -> None:
    assert auto_choices.stores(TWO, COUNTS, [4, 1], 4_000) == (1, {2: "stream", 0: "float32"}, 4_000)


def test_where_one_cut_never_fits_the_others_keep_their_views() -> None:
    assert auto_choices.stores(TWO, COUNTS, [4, 1], 15_000) == (4, {2: "stream", 0: "float32"}, 13_600)


@pytest.mark.parametrize(
    ("blocks", "expected"), [(0, (16 * 4, 16 * 2)), (2, (7 * 7 * 8 * 4, 7 * 7 * 8 * 2)), ("all", (3072, 1536))]
)
def test_the_bytes_of_a_picture_are_what_is_stored(blocks: object, expected: tuple) -> None:
    clf = tiny_models.tiny_classifier()
    tlkit.unfreeze(clf, blocks)
    assert auto_choices.example_bytes(frontier.find(clf), None) == expected


def test_the_bytes_of_a_text_go_by_its_length_and_only_floats_are_halved() -> None:
    tensors = (
        SimpleNamespace(shape=(None, None, 16), dtype="float32"),
        SimpleNamespace(shape=(None, None), dtype="bool"),
    )
    cut = frontier.Cut(1, tensors, ("a", "b"))
    assert auto_choices.example_bytes(cut, np.array([2, 4])) == (3 * 16 * 4 + 3, 3 * 16 * 2 + 3)
    assert auto_choices.example_bytes(cut, np.array([2, 3])) == (163, 83), "rounded up"


# === The budget ===


def test_the_budget_is_half_of_what_is_free_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_cache, "free", lambda: 1001)
    assert auto_choices.budget(Compute()) == 500
    assert auto_choices.budget(Compute(cache_budget=7)) == 7
    assert auto_choices.budget(Compute(cache_budget=0)) == 0


def test_a_deterministic_run_asks_for_no_free_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_cache, "free", lambda: pytest.fail("free space was asked for"))
    assert auto_choices.budget(Compute(deterministic=True)) == 16 * 10**9
    assert auto_choices.budget(Compute(deterministic=True, cache_budget=5)) == 5


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (
            Compute(cache_budget=-1),
            "cache_budget=-1: give a number of bytes, 0 or more, or None for half the free disk",
        ),
        (Compute(cache_budget=1.5), "cache_budget=1.5: give a number of bytes"),
        (Compute(precision="float61"), "unknown precision 'float61'"),
    ],
)
def test_settings_that_cannot_be(compute: Compute, message: str) -> None:
    with pytest.raises(InputError, match=message):
        auto_choices.check(compute)


# === The precision ===


@pytest.mark.parametrize(
    ("compute", "units", "expected"),
    [
        (Compute("float32"), True, "float32"),
        (Compute("bfloat16"), False, "bfloat16"),
        (Compute("bfloat16", deterministic=True), False, "bfloat16"),
        (Compute("auto"), False, "float32"),
        (Compute("auto", deterministic=True), True, "float32"),
    ],
)
def test_nothing_is_measured_where_the_rules_decide(
    monkeypatch: pytest.MonkeyPatch, compute: Compute, units: bool, expected: str
) -> None:
    monkeypatch.setattr(mixed_precision, "has_units", lambda: units)
    monkeypatch.setattr(mixed_precision, "measure", lambda *_: pytest.fail("it was measured"))
    assert auto_choices.numeric(compute, None, None, lambda: pytest.fail("a batch was read")) == expected


@pytest.mark.parametrize("answer", ["float32", "bfloat16"])
def test_auto_measures_the_trunk_on_real_examples_where_there_are_units(
    monkeypatch: pytest.MonkeyPatch, stored: Path, answer: str
) -> None:
    clf = tiny_models.tiny_classifier()
    tlkit.unfreeze(clf, 0)
    pixels = tiny_models.pictures(3, 16)
    seen = []

    def measure(model: object, trunk: object, batch: object) -> str:
        seen.append((model, [tuple(tensor.shape) for tensor in trunk(answer)(batch)[0]]))
        return answer

    monkeypatch.setattr(mixed_precision, "has_units", lambda: True)
    monkeypatch.setattr(mixed_precision, "measure", measure)
    assert auto_choices.numeric(Compute(), clf, frontier.find(clf), lambda: pixels) == answer
    assert seen == [(clf, [(3, 16)])]
    # the same again, with other weights, is remembered
    monkeypatch.setattr(mixed_precision, "measure", lambda *_: pytest.fail("it was measured again"))
    clf.head.set_weights([weight + 1 for weight in clf.head.get_weights()])
    assert auto_choices.numeric(Compute(), clf, frontier.find(clf), lambda: pixels) == answer


def test_what_cannot_be_remembered_is_measured_all_the_same(monkeypatch: pytest.MonkeyPatch, stored: Path) -> None:
    def full(path: Path, text: str) -> None:
        raise RunError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr(disk_cache.files, "write_text", full)
    assert auto_choices.remembered({"what": "x"}, lambda: "bfloat16") == "bfloat16"


STEPS = {2: 300, 1: auto_choices.WORTH - 1, 0: 0}


def test_steps_are_measured_apart_from_the_frozen_part_where_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed_precision, "has_units", lambda: True)
    asked = []

    def faster(depth: int) -> str:
        asked.append(depth)
        return "bfloat16"

    assert auto_choices.tails(Compute(), STEPS, faster) == {2: "bfloat16", 1: "float32", 0: "float32"}
    assert asked == [2], "few steps, or none through the backbone, are not worth it"


@pytest.mark.parametrize(
    ("compute", "units", "expected"),
    [
        (Compute(), False, "float32"),
        (Compute(deterministic=True), True, "float32"),
        (Compute("float32"), True, "float32"),
        (Compute("bfloat16"), False, "bfloat16"),
    ],
)
def test_steps_are_not_measured_where_the_rules_decide(
    monkeypatch: pytest.MonkeyPatch, compute: Compute, units: bool, expected: str
) -> None:
    monkeypatch.setattr(mixed_precision, "has_units", lambda: units)
    assert auto_choices.tails(compute, STEPS, lambda _: pytest.fail("it was measured")) == dict.fromkeys(
        STEPS, expected
    )


# === What was written down ===

TOLD = {
    "precision": "bfloat16", "tails": {"2": "float32", "all": "bfloat16"}, "views": 2,
    "stores": {"2": "float16", "all": "stream"}, "budget": 100, "bytes": 50,
}  # fmt: skip


def test_choices_come_back_from_json() -> None:
    found = auto_choices.Choices.of(TOLD, ("all", 2))
    assert found.tails == {"all": "bfloat16", 2: "float32"} and list(found.stores) == ["all", 2]
    assert (found.precision, found.views, found.budget, found.bytes) == ("bfloat16", 2, 100, 50)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"precision": "int8"}, "precision is 'int8', not 'float32' or 'bfloat16'"),
        ({"tails": []}, "tails is of type list, not dict"),
        ({"stores": {"2": "float16", "all": "disk"}}, "stores.all is 'disk', not 'float32' or 'float16' or 'stream'"),
        ({"stores": {"2": "float16"}}, "they are of other phases"),
        ({"tails": {"2": "float32", "two": "float32"}}, "they are of other phases"),
        ({"views": 1.5}, "views is of type float, not int"),
        ({"more": 1}, "they are of other phases"),
    ],
)
def test_choices_that_no_training_wrote(change: dict, fault: str) -> None:
    with pytest.raises(RunError, match=rf"the checkpoint's choices are damaged \({fault}\); start anew in another"):
        auto_choices.Choices.of(TOLD | change, ("all", 2))
