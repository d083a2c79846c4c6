"""Facts of a file that tell its class, and facts that do not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers import tiny_data
from tlkit.data.examples import gather
from tlkit.doctor.shortcuts import MAX_BINS, MAX_CLUES, MIN_ACCURACY, MIN_EXAMPLES, accuracy, binned, shortcuts
from tlkit.reporting.findings import Finding

RNG = np.random.default_rng(1)
LABELS = RNG.permutation(np.repeat([0, 1, 2], [150, 100, 50]))
TRAIN = ["train"] * 300


def found(**columns: dict[int, object]) -> list[Finding]:
    return shortcuts(gather(tiny_data.altered(tiny_data.pictures(LABELS, TRAIN), **columns)))


def of(label: int, value: object, labels: np.ndarray = LABELS) -> dict[int, object]:
    """Give every example of a class a value."""
    return dict.fromkeys(np.flatnonzero(labels == label).tolist(), value)


# === Pictures ===


def test_files_that_say_nothing() -> None:
    assert found() == []


def test_a_format_that_tells_one_class() -> None:
    (finding,) = found(format=of(2, b"PNG"))
    assert (finding.code, finding.severity, finding.count) == ("shortcut", "warning", 1)
    assert finding.title == (
        "the file format alone tells 'c' from the rest (balanced accuracy 1.00; mostly PNG against mostly JPEG); "
        "chance is 0.5"
    )
    assert "another source" in finding.remedy
    (group,) = finding.examples
    named = {f"p{number}.jpg": label for number, label in enumerate(LABELS)}
    assert [named[name] == 2 for name in group] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("mode", b"L", "the colour mode alone tells 'b' from the rest (balanced accuracy 1.00; mostly L against "),
        (
            "width",
            640,
            "the width in pixels alone tells 'b' from the rest (balanced accuracy 1.00; median 640 against ",
        ),
        ("bytes", 900, "the size in bytes alone tells 'b' from the rest (balanced accuracy 0.99; median 900 against "),
    ],
)
def test_other_facts(column: str, value: object, told: str) -> None:
    (finding,) = found(**{column: of(1, value)})
    # where b is told, what is not b is more often a: that alone is no clue to a
    assert finding.title.startswith(told) and finding.count == 1


def test_the_same_facts_under_shuffled_labels() -> None:
    assert found(format=of(2, b"PNG", RNG.permutation(LABELS)), width=of(1, 640, RNG.permutation(LABELS))) == []


def test_a_tendency_is_no_shortcut() -> None:
    # Six of ten PNGs in one class, three of ten in the others: balanced accuracy 0.65.
    share = np.where(LABELS == 2, 0.6, 0.3) > RNG.uniform(size=300)
    labels = LABELS.copy()
    assert found(format=dict.fromkeys(np.flatnonzero(share).tolist(), b"PNG")) == []
    assert 0.55 < accuracy(share.astype(int), labels, 3)[2] < MIN_ACCURACY


def test_of_two_classes_one_is_told() -> None:
    labels = [0, 1] * 40
    data = tiny_data.altered(tiny_data.pictures(labels, ["train"] * 80), format=of(1, b"PNG", np.array(labels)))
    (finding,) = shortcuts(gather(data))
    assert finding.count == 1 and "tells 'a' from 'b'" in finding.title


def test_the_clearest_come_first_and_few_are_told() -> None:
    labels = np.arange(200) % 5
    widths = {number: 100 * (1 + label) for number, label in enumerate(labels.tolist())}
    widths |= dict.fromkeys(range(1, 31, 5), 100)  # some of b have the width of a
    (finding,) = shortcuts(gather(tiny_data.altered(tiny_data.pictures(labels, ["train"] * 200), width=widths)))
    # c, d and e are clear; of the last two classes, one tells the other
    assert finding.count == 4 and finding.title.endswith("; and 1 more; chance is 0.5")
    assert all(f"tells {name!r}" in finding.title for name in "cde") and "tells 'b'" not in finding.title


def test_of_very_many_classes_some_are_told() -> None:
    labels = np.arange(26 * 25) % 26
    widths = {number: 100 + label for number, label in enumerate(labels.tolist())}
    (finding,) = shortcuts(gather(tiny_data.altered(tiny_data.pictures(labels, ["train"] * len(labels)), width=widths)))
    assert finding.count == MAX_CLUES


def test_classes_of_few_examples_are_not_judged() -> None:
    for size, judged in ((MIN_EXAMPLES - 1, False), (MIN_EXAMPLES, True)):
        labels = np.repeat([0, 1, 2], [100, 100, size])
        data = tiny_data.altered(tiny_data.pictures(labels, ["train"] * len(labels)), format=of(2, b"PNG", labels))
        assert bool(shortcuts(gather(data))) == judged


def test_arrays_of_one_size_say_nothing() -> None:
    assert found(format=dict.fromkeys(range(300), b""), mode=dict.fromkeys(range(300), b"")) == []


# === Texts ===


def test_length_that_tells_the_class_is_a_note() -> None:
    words = [f"{number} " + "word " * (20 if label else 2) for number, label in enumerate([0, 1] * 40)]
    (finding,) = shortcuts(gather(tiny_data.texts(words, [0, 1] * 40)))
    assert finding.severity == "note" and finding.title.startswith("the length in characters alone tells 'a' from 'b'")


def test_length_that_tells_nothing() -> None:
    words = [f"{number} " + "word " * int(count) for number, count in enumerate(RNG.integers(1, 20, 200))]
    assert shortcuts(gather(tiny_data.texts(words, [0, 1] * 100))) == []


# === The measure ===


def test_accuracy_of_a_rule_that_is_not_monotonic() -> None:
    values = RNG.normal(size=2000)
    labels = (np.abs(values) < 0.5).astype(int)
    assert (accuracy(binned(values), labels, 2) > 0.9).all()


def test_accuracy_of_noise_is_chance() -> None:
    labels = RNG.integers(0, 4, 2000)
    for values in (RNG.normal(size=2000), RNG.integers(0, 9, 2000), np.zeros(2000)):
        assert np.abs(accuracy(binned(values), labels, 4) - 0.5).max() < 0.06


def test_accuracy_does_not_learn_single_values_by_heart() -> None:
    names = np.array([f"n{number}" for number in range(400)])
    assert np.abs(accuracy(binned(names), RNG.integers(0, 2, 400), 2) - 0.5).max() < 0.1


def test_common_values_keep_a_bin_of_their_own() -> None:
    labels = np.repeat([0, 1], 200)
    values = np.array([f"rare {number}" for number in range(200)] + ["common"] * 200)
    assert len(set(values)) > MAX_BINS and (accuracy(binned(values), labels, 2) > 0.9).all()


def test_a_class_without_examples() -> None:
    assert accuracy(np.arange(10), np.arange(10) % 2, 3)[2] <= 0.5
