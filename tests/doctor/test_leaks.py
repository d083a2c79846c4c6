"""Copies: across splits, under two labels, or merely repeated."""

from __future__ import annotations

import pytest

from tests.helpers import tiny_data
from tlkit.data.examples import gather
from tlkit.data.splits import Data
from tlkit.doctor.leaks import copies
from tlkit.reporting.findings import Finding

SAME = b"0123456789abcdef"


def found(data: Data) -> dict[str, Finding]:
    """Return the findings by code, each of which may occur once only."""
    every = copies(gather(data))
    assert len({finding.code for finding in every}) == len(every)
    return {finding.code: finding for finding in every}


def photos() -> Data:
    """Ten pictures: 0 to 5 in train, 6 and 7 in val, 8 and 9 in test; even ones are a, odd ones b."""
    return tiny_data.pictures([0, 1] * 5, ["train"] * 6 + ["val"] * 2 + ["test"] * 2)


def alike(data: Data, *numbers: int) -> Data:
    """Give pictures the look of the first of them."""
    look = gather(data).seen.looks["thumb"][numbers[0]]
    return tiny_data.altered(data, thumb=dict.fromkeys(numbers, look))


# === Pictures ===


def test_different_pictures_are_no_copies() -> None:
    assert copies(gather(photos())) == []


def test_copies_of_one_label_in_one_split_are_a_note() -> None:
    same = found(tiny_data.altered(photos(), digests={0: SAME, 2: SAME, 4: SAME}))
    (finding,) = same.values()
    assert (finding.code, finding.severity, finding.count) == ("duplicates", "note", 2)
    assert finding.title == "2 of 10 pictures are identical to another of their split and label"
    assert finding.examples == (("p0.jpg", "p2.jpg", "p4.jpg"),)


def test_copies_under_two_labels_are_an_error() -> None:
    every = found(tiny_data.altered(photos(), digests={0: SAME, 2: SAME, 3: SAME}))
    finding = every["conflict"]
    assert (finding.severity, finding.count) == ("error", 1)
    assert finding.title == "1 group of identical pictures stands under more than one label"
    # one of each label before the second of any
    assert finding.examples == (("p0.jpg", "p3.jpg", "p2.jpg"),)
    assert set(every) == {"conflict", "duplicates"} and every["duplicates"].count == 1


def test_groups_under_two_labels_are_counted() -> None:
    other = SAME[::-1]
    finding = found(tiny_data.altered(photos(), digests={0: SAME, 1: SAME, 2: other, 3: other}))["conflict"]
    assert finding.count == 2 and finding.title.startswith("2 groups of identical pictures stand under")


def test_copies_across_splits_are_an_error() -> None:
    (finding,) = found(tiny_data.altered(photos(), digests={0: SAME, 8: SAME})).values()
    assert (finding.code, finding.severity, finding.count) == ("leak", "error", 1)
    assert finding.title == "1 of 2 test examples (50.0%) have an identical copy in train"
    assert finding.examples == (("p8.jpg", "p0.jpg"),)
    assert "--near-duplicates together" in finding.remedy and "--group-by" in finding.remedy


@pytest.mark.parametrize(
    ("numbers", "title"),
    [
        ((1, 7), "1 of 2 val examples (50.0%) have an identical copy in train"),
        ((7, 9), "1 of 2 test examples (50.0%) have an identical copy in val"),
    ],
)
def test_val_leaks_too(numbers: tuple[int, int], title: str) -> None:
    finding = found(tiny_data.altered(photos(), digests=dict.fromkeys(numbers, SAME)))["leak"]
    assert finding.title == title and finding.severity == "error"


def test_a_leak_into_all_splits_tells_each() -> None:
    finding = found(tiny_data.altered(photos(), digests=dict.fromkeys((1, 7, 9), SAME)))["leak"]
    assert [part.split(" have ")[0] for part in finding.title.split("; ")] == [
        "1 of 2 test examples (50.0%)",
        "1 of 2 val examples (50.0%)",
        "1 of 2 test examples (50.0%)",
    ]


def test_a_leak_may_be_a_conflict_too() -> None:
    assert set(found(tiny_data.altered(photos(), digests={0: SAME, 9: SAME}))) == {"leak", "conflict"}


# === Pictures that look alike ===


def test_near_copies_of_one_label_in_one_split_are_a_note() -> None:
    (finding,) = found(alike(photos(), 0, 2)).values()
    assert (finding.code, finding.severity, finding.count) == ("near_duplicates", "note", 1)
    assert finding.title == (
        "1 of 10 pictures are near copies (re-encoded, resized or mirrored) of another of their split and label"
    )
    assert finding.examples == (("p0.jpg", "p2.jpg"),)


def test_near_copies_under_two_labels_and_across_splits() -> None:
    every = found(alike(photos(), 0, 9))
    assert {finding.severity for finding in every.values()} == {"error"} and set(every) == {"leak", "conflict"}
    assert every["leak"].title == "1 of 2 test examples (50.0%) have a near copy in train"
    assert every["conflict"].title.startswith("1 group of near copies (re-encoded, resized or mirrored) stands")


def test_near_copies_are_told_only_where_they_add_to_copies() -> None:
    # copies look alike
    exact = tiny_data.altered(alike(photos(), 0, 2, 8, 9), digests=dict.fromkeys((0, 2, 8, 9), SAME))
    every = copies(gather(exact))
    assert sorted(finding.code for finding in every) == ["conflict", "duplicates", "leak"]
    assert all("near" not in finding.title for finding in every)


def test_near_copies_beside_copies_are_counted_apart() -> None:
    data = tiny_data.altered(alike(photos(), 0, 2, 4, 8), digests={0: SAME, 2: SAME})
    every = found(data)
    assert every["duplicates"].count == 1 and every["near_duplicates"].count == 1
    assert every["leak"].title == "1 of 2 test examples (50.0%) have a near copy in train"


# === Texts ===


def test_texts_that_differ() -> None:
    assert copies(gather(tiny_data.texts(["one", "two", "three", "four", "five"], [0, 1, 0, 1, 0]))) == []


def test_texts_repeated_exactly_and_but_for_case_and_spacing() -> None:
    words = ["call me", "call me", "Call  me", "call me", "other", "Other"]
    every = found(tiny_data.texts(words, [0] * 5 + [1], ["train"] * 5 + ["val"]))
    assert every["duplicate_text"].title == "2 of 6 texts repeat another of their split and label byte for byte"
    near = every["near_duplicates"]
    assert near.title == "1 of 6 texts repeat another of their split and label but for case or spacing"
    assert near.examples == (("line 0", "line 1", "line 2", "line 3"),) and near.severity == "note"
    assert every["conflict"].title.startswith("1 group of texts that differ in case or spacing only stands")
    assert every["leak"].title.startswith("1 of 1 val examples (100.0%) have the same text but for case or spacing in")


def test_half_a_surrogate_is_a_text_like_others() -> None:
    assert set(found(tiny_data.texts(["a\ud800", "a\ud800", "b"], [0, 0, 0], ["train"] * 3))) == {"duplicate_text"}


def test_few_of_many_groups_are_kept() -> None:
    words = [f"text {number // 2}" for number in range(100)]
    (finding,) = found(tiny_data.texts(words, [0] * 100, ["train"] * 100)).values()
    assert finding.count == 50 and len(finding.examples) == 20
