"""What is seen without a model: each finding, and data in which it is not found."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_data
from tlkit.data.splits import Data
from tlkit.doctor.checks import check
from tlkit.reporting.findings import Finding

EVEN = [0, 1] * 50


def found(data: Data, code: str, **options: object) -> Finding | None:
    """Return the only finding of a kind, if there is one."""
    every = [finding for finding in check(data, **options) if finding.code == code]
    assert len(every) < 2
    return every[0] if every else None


def words(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [f"{number} " + "word " * int(length) for number, length in enumerate(rng.integers(1, 20, count))]


def photos() -> Data:
    return tiny_data.pictures(EVEN)


# === Controls ===


def test_sound_pictures() -> None:
    assert check(photos()) == []


def test_sound_texts() -> None:
    tokens = {"train": np.full(60, 12), "val": np.full(20, 12), "test": np.full(20, 32)}
    assert check(tiny_data.texts(words(100), EVEN), tokens=tokens, size=32) == []


def test_the_packaged_digits() -> None:
    assert check(tlkit.digits()) == []


# === Classes ===


def test_tiny_classes() -> None:
    labels = [0] * 60 + [1] * 30 + [2] * 9
    finding = found(tiny_data.texts(words(99), labels, ["train"] * 99), "tiny_class")
    assert finding.title == "1 of 3 classes have fewer than 10 training examples: c 9"
    assert finding.severity == "warning" and finding.said == ("c",) and finding.examples[0][0] == "line 90"
    assert found(tiny_data.texts(words(100), [*labels, 2], ["train"] * 100), "tiny_class") is None


def test_the_smallest_class_is_told_first() -> None:
    labels = [0] * 30 + [1] * 7 + [2] * 4
    assert found(tiny_data.texts(words(41), labels, ["train"] * 41), "tiny_class").title.endswith(": c 4, b 7")


def test_classes_that_a_split_lacks() -> None:
    sides = ["train"] * 60 + ["val"] * 20 + ["test"] * 20
    labels = EVEN[:60] + [0] * 20 + EVEN[:20]
    finding = found(tiny_data.texts(words(100), labels, sides), "missing_class")
    assert finding.title == "val has no example of b" and finding.severity == "warning" and finding.count == 1
    finding = found(tiny_data.texts(words(100), EVEN[:60] + [0] * 40, sides), "missing_class")
    assert finding.title == "val has no example of b; test has no example of b"


@pytest.mark.parametrize(("rare", "flagged"), [(34, False), (33, True)])
def test_uneven_classes(rare: int, flagged: bool) -> None:
    labels = [0] * 100 + [1] * rare
    assert (
        found(tiny_data.texts(words(len(labels)), labels, ["train"] * len(labels)), "imbalance") is not None
    ) == flagged


def test_what_is_said_of_uneven_classes() -> None:
    finding = found(tiny_data.texts(words(100), [0] * 80 + [1] * 20, ["train"] * 100), "imbalance")
    assert finding.title == ("the largest class has 4.0 times as many training examples as the smallest (a 80, b 20)")
    assert "--class-weight balanced" in finding.remedy and "macro-F1" in finding.remedy
    assert finding.severity == "warning" and finding.remedy.endswith("always answering a is right in 80%")
    labels = [0] * 40 + [1] * 40 + [2] * 10
    assert "always" not in found(tiny_data.texts(words(90), labels, ["train"] * 90), "imbalance").remedy


def test_long_class_names_are_cut() -> None:
    data = tiny_data.texts(words(100), [0] * 80 + [1] * 20, ["train"] * 100)
    finding = found(dataclasses.replace(data, labels=("x" * 500, "y" * 500)), "imbalance")
    assert len(finding.title) < 200 and "…" in finding.title


# === Files and rows ===


def test_unreadable_files_are_grouped_by_reason() -> None:
    lost = (("a.jpg", "12 bytes are missing"), ("b.jpg", "the file is empty"), ("c.jpg", "7 bytes are missing"))
    finding = found(dataclasses.replace(photos(), unreadable=lost), "unreadable")
    assert finding.title == ("3 files cannot be used and are left out (2: 12 bytes are missing; 1: the file is empty)")
    assert finding.examples == (("a.jpg", "c.jpg"), ("b.jpg",)) and finding.count == 3
    assert finding.said == ("12 bytes are missing", "the file is empty")
    assert finding.severity == "warning" and "--strict" in finding.remedy


def test_rows_that_cannot_be_used() -> None:
    lost = tuple((f"line {number}", f"reason {'abcde'[number]}") for number in range(5))
    finding = found(dataclasses.replace(tiny_data.texts(words(100), EVEN), unreadable=lost), "unreadable")
    assert finding.title.startswith("5 rows cannot be used") and finding.title.endswith("; ...)")
    assert len(finding.examples) == 5


# === Pictures ===


def test_tiny_pictures_among_large_ones() -> None:
    finding = found(tiny_data.altered(photos(), width={3: 31}), "outlier_size")
    assert finding.count == 1 and finding.severity == "warning" and finding.said == ("31 x 200",)
    assert finding.title == (
        "1 of 100 pictures are far smaller or larger than the rest, whose short side is 200 pixels in the median: "
        "31 x 200"
    )
    assert found(tiny_data.altered(photos(), width={3: 60}, height={3: 32}), "outlier_size") is None


def test_tiny_pictures_among_their_like() -> None:
    small = tiny_data.altered(photos(), width=dict.fromkeys(range(100), 28), height=dict.fromkeys(range(100), 28))
    assert found(small, "outlier_size") is None


@pytest.mark.parametrize(("side", "flagged"), [(1599, False), (1600, True)])
def test_pictures_far_larger_than_the_rest(side: int, flagged: bool) -> None:
    data = tiny_data.altered(photos(), width={3: side}, height={3: side})
    assert (found(data, "outlier_size") is not None) == flagged


def test_one_of_very_many_is_a_note() -> None:
    data = tiny_data.pictures([0, 1] * 60)
    assert found(tiny_data.altered(data, width={3: 20}), "outlier_size").severity == "note"
    assert found(tiny_data.altered(data, width={3: 20, 4: 20}), "outlier_size").severity == "warning"


def test_a_size_nobody_knows_is_no_outlier() -> None:
    assert check(tiny_data.altered(photos(), width={3: 0}, height={3: 0})) == []


@pytest.mark.parametrize(("wide", "flagged"), [(799, False), (800, True)])
def test_long_pictures(wide: int, flagged: bool) -> None:
    finding = found(tiny_data.altered(photos(), width={3: wide}), "outlier_shape")
    assert (finding is not None) == flagged
    if finding:
        assert finding.said == ("800 x 200",) and "--resize pad" in finding.remedy
        assert finding.title == "1 of 100 pictures are at least 4 times as long as wide: 800 x 200"


def test_tall_pictures_are_long_too() -> None:
    assert found(tiny_data.altered(photos(), height={3: 1200}), "outlier_shape").count == 1


def test_a_few_pictures_in_another_mode() -> None:
    finding = found(tiny_data.altered(photos(), mode={3: b"L", 4: b"L", 5: b"CMYK"}), "mode_outlier")
    assert finding.severity == "note" and finding.count == 3
    assert finding.title == ("3 of 100 pictures are stored in another mode than the rest (RGB): 2 L (grey), 1 CMYK")
    assert sorted(finding.said) == ["CMYK", "L (grey)", "L (grey)"]


def test_many_pictures_in_another_mode_are_no_exception() -> None:
    assert found(tiny_data.altered(photos(), mode=dict.fromkeys(range(10), b"L")), "mode_outlier").count == 10
    assert found(tiny_data.altered(photos(), mode=dict.fromkeys(range(11), b"L")), "mode_outlier") is None


def test_arrays_have_no_mode() -> None:
    assert found(tiny_data.altered(photos(), mode=dict.fromkeys(range(100), b"")), "mode_outlier") is None


def test_shortcuts_and_copies_are_looked_for() -> None:
    assert found(tiny_data.altered(photos(), digests={0: b"x" * 16, 1: b"x" * 16}), "conflict").count == 1
    odd = [
        number for number, label in enumerate(np.concatenate([s.labels for s in photos().splits().values()])) if label
    ]
    assert found(tiny_data.altered(photos(), format=dict.fromkeys(odd, b"PNG")), "shortcut").count == 1


# === Texts ===


def test_short_texts() -> None:
    finding = found(tiny_data.texts([*words(98), " x ", ""], EVEN), "empty_text")
    assert finding.title == "2 of 100 texts are empty or a single character" and finding.severity == "warning"
    assert len(finding.examples) == 2 and "--text-column" in finding.remedy
    assert found(tiny_data.texts([*words(99), "ok"], EVEN), "empty_text") is None
    assert found(tiny_data.texts([*words(149), "x"], EVEN + EVEN[:50]), "empty_text").severity == "note"


def test_texts_cut_at_the_sequence_length() -> None:
    data = tiny_data.texts(words(100), EVEN)
    tokens = {"train": np.full(60, 12), "val": np.full(20, 32), "test": np.full(20, 12)}
    tokens["val"][3] = 33
    finding = found(data, "truncated_text", tokens=tokens, size=32)
    assert finding.title == (
        "1 of 100 texts (1.0%) are longer than 32 tokens and were cut; what comes after is not seen"
    )
    assert finding.severity == "note" and "--size 64" in finding.remedy and finding.count == 1
    assert finding.examples == ((data.val.traits.names[3],),)
    tokens["train"][:9] = 33
    assert found(data, "truncated_text", tokens=tokens, size=32).severity == "warning"


def test_tokens_of_some_splits() -> None:
    data = tiny_data.texts(words(100), EVEN)
    finding = found(data, "truncated_text", tokens={"test": np.full(20, 33)}, size=32)
    assert finding.count == 20 and finding.examples[0] == (data.test.traits.names[0],) and len(finding.examples) == 20


def test_without_tokens_or_size_nobody_knows_what_is_cut() -> None:
    data = tiny_data.texts(words(100), EVEN)
    assert found(data, "truncated_text", size=2) is None
    assert found(data, "truncated_text", tokens={"train": np.full(60, 99)}) is None


# === Real data ===


def test_sms_spam(shared: Path) -> None:
    every = check(tlkit.text_table(shared / "text" / "sms_spam.csv"))
    titles = {finding.code: (finding.severity, finding.title) for finding in every}
    assert set(titles) == {"imbalance", "duplicate_text", "near_duplicates", "shortcut"}
    assert titles["duplicate_text"][1] == "403 of 5,574 texts repeat another of their split and label byte for byte"
    assert titles["shortcut"][0] == "note"


@pytest.mark.slow
def test_trashnet(shared: Path) -> None:
    every = {finding.code: finding for finding in check(tlkit.image_folder(shared / "trashnet"))}
    conflict = every["conflict"]
    assert conflict.count == 3 and {frozenset(group) for group in conflict.examples} == {
        frozenset({"glass/glass115.jpg", "metal/metal91.jpg"}),
        frozenset({"glass/glass176.jpg", "plastic/plastic152.jpg"}),
        frozenset({"glass/glass389.jpg", "plastic/plastic332.jpg"}),
    }
    assert "imbalance" in every and "shortcut" not in every and "leak" not in every
