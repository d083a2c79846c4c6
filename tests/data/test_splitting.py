"""Who goes to train, val and test."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tlkit.config import Splitting
from tlkit.data import example_info, splitting
from tlkit.data.splits import Split
from tlkit.errors import DataError, InputError

TEXTS = [f"{topic} number {number}" for topic in ("fish", "fowl") for number in range(40)]
LABELS = [topic for topic in ("fish", "fowl") for _ in range(40)]


def places(data: tlkit.Data) -> dict[str, str]:
    """Return the split of every example, by its text."""
    return {text: name for name, split in data.splits().items() for text in split.items}


def read(texts: list[str] = TEXTS, labels: list[str] = LABELS, **options: object) -> tlkit.Data:
    return tlkit.arrays(texts, labels, **options)


# === Carved ===


def test_carve_is_stratified_seeded_and_complete() -> None:
    labels = np.repeat([0, 1, 2], [100, 40, 20])
    parts = splitting.carve(labels, 5, 0.15, 0.15)
    assert sorted(np.concatenate(parts)) == list(range(160))
    assert [np.bincount(labels[part]).tolist() for part in parts] == [[70, 28, 14], [15, 6, 3], [15, 6, 3]]
    assert all(np.array_equal(a, b) for a, b in zip(parts, splitting.carve(labels, 5, 0.15, 0.15), strict=True))
    assert not np.array_equal(parts[0], splitting.carve(labels, 6, 0.15, 0.15)[0])


@pytest.mark.parametrize(("size", "sizes"), [(1, [1, 0, 0]), (2, [1, 0, 1]), (3, [1, 1, 1]), (10, [6, 2, 2])])
def test_carve_of_small_classes(size: int, sizes: list[int]) -> None:
    assert [len(part) for part in splitting.carve(np.zeros(size, int), 0, 0.15, 0.15)] == sizes


def test_units_are_never_parted_and_the_shares_are_kept() -> None:
    rng = np.random.default_rng(0)
    units = np.sort(rng.integers(0, 120, 600))
    labels = units % 3  # a unit is of one class
    parts = splitting.carve(labels, 1, 0.15, 0.15, units=units)
    sides = [set(units[part]) for part in parts]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert [round(len(part) / 600, 2) for part in parts] == pytest.approx([0.7, 0.15, 0.15], abs=0.03)
    assert all(len(np.unique(labels[part])) == 3 for part in parts)


def test_a_unit_larger_than_a_part_stays_in_train() -> None:
    units = np.array([0] * 60 + list(range(1, 41)))
    train, val, test = splitting.carve(np.zeros(100, int), 0, 0.15, 0.15, units=units)
    assert set(range(60)) <= set(train) and len(val) == len(test) == 15


def test_a_mixed_unit_counts_as_of_its_larger_class() -> None:
    assert splitting._owners(np.array([1, 0, 0, 2, 1]), np.array([0, 0, 0, 1, 1])).tolist() == [0, 1]


# === Copies ===


def test_copies_of_a_text_stay_on_one_side() -> None:
    texts = TEXTS + [text.upper() + "  " for text in TEXTS]
    where = places(read(texts, LABELS * 2))
    assert all(where[text] == where[text.upper() + "  "] for text in TEXTS)
    assert (
        "80 examples are copies or near copies of others and stay on their side." in read(texts, LABELS * 2).splitting
    )
    apart = places(read(texts, LABELS * 2, splitting=Splitting(near_duplicates="anywhere")))
    assert any(apart[text] != apart[text.upper() + "  "] for text in TEXTS)


def test_near_copies_of_pictures_stay_on_one_side(photos: dict[str, np.ndarray]) -> None:
    textured = (photos["chelsea"], photos["coffee"])  # the sky of the third is flat, which is paired with nothing
    cuts = [photo[y : y + 96, x : x + 96] for photo in textured for y in (0, 100) for x in (0, 90, 180)]
    mirrored = [cut[:, ::-1] for cut in cuts]
    pixels = np.stack([*cuts, *mirrored])
    data = tlkit.arrays(pixels, np.arange(len(pixels)) % len(cuts) % 2)
    side = {name: {int(n) % len(cuts) for n in split.traits.names} for name, split in data.splits().items()}
    assert not (side["train"] & side["test"] or side["train"] & side["val"] or side["val"] & side["test"])
    assert len(splitting.near(example_info.look(pixels, "image"))) >= len(cuts)
    small = example_info.look(pixels[:, :24, :24], "image")
    assert len(splitting.near(small)) == 0  # too small to tell things apart


# === Groups ===


def test_groups_of_arrays_never_straddle() -> None:
    groups = [number // 4 for number in range(80)]
    data = read(groups=groups)
    held = {name: {int(n) // 4 for n in split.traits.names} for name, split in data.splits().items()}
    assert not (held["train"] & held["val"] or held["train"] & held["test"] or held["val"] & held["test"])
    assert "Grouped by groups: 20 groups, none of which straddles." in data.splitting
    with pytest.raises(InputError, match=r"x has 80 examples and groups has 3 values; make them match"):
        read(groups=[1, 2, 3])


def test_a_pattern_groups_files(tmp_path: Path) -> None:
    seen = example_info.Traits(
        example_info.strings(["a/p1-x.png", "a/p1-y.png", "b/p2-x.png", "b/q.png"]), np.zeros(4, "S16")
    )
    assert splitting.grouped(seen, r"p(\d)", "d").groups.tolist() == ["1", "1", "2", ""]
    assert splitting.grouped(seen, r"p\d", "d").groups.tolist() == ["p1", "p1", "p2", ""]
    with pytest.raises(DataError, match=r"group_by 'z' matches no example of d, such as 'a/p1-x.png'; give a column"):
        splitting.grouped(seen, "z", "d")
    with pytest.raises(InputError, match=r"group_by '\(' is no regular expression: .*; mend it"):
        splitting.grouped(seen, "(", "d")


def test_too_few_examples_or_groups() -> None:
    with pytest.raises(
        DataError, match=r"no example is left for val: some class needs three examples.*another. Add some"
    ):
        read(["a", "b", "c", "d"], ["x", "x", "y", "y"])
    said = r"no example is left for val and test: some class needs three .* Grouped by groups: 1 groups.* Add some"
    with pytest.raises(DataError, match=said):
        read(groups=["one"] * 80)


# === Stable ===


def test_adding_examples_moves_none_of_the_others() -> None:
    stable = Splitting(how="stable")
    before = places(read(splitting=stable))
    assert "about 70 % train, 15 % val" in read(splitting=stable).splitting
    more = [f"{topic} and another {number}" for topic in ("fish", "fowl") for number in range(100)]
    after = places(read(TEXTS + more, LABELS + ["fish"] * 100 + ["fowl"] * 100, splitting=stable))
    assert before == {text: after[text] for text in TEXTS}
    drawn = places(read())
    redrawn = places(read(TEXTS + more, LABELS + ["fish"] * 100 + ["fowl"] * 100))
    assert drawn != {text: redrawn[text] for text in TEXTS}  # the control: a random draw moves them
    assert places(read(splitting=Splitting(1, "stable"))) != before
    shares = np.array([list(after.values()).count(name) for name in ("train", "val", "test")]) / len(after)
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.06)


def test_groups_decide_where_there_are_some() -> None:
    groups = [f"g{number // 4}" for number in range(80)]
    data = read(groups=groups, splitting=Splitting(how="stable"))
    where = {int(n): name for name, split in data.splits().items() for n in split.traits.names}
    assert all(where[n] == where[n // 4 * 4] for n in range(80))


def test_a_class_without_examples_somewhere_is_topped_up_and_that_is_said() -> None:
    data = read(["a", "b", "c", "d", "e", "f"], ["x"] * 3 + ["y"] * 3, splitting=Splitting(how="stable"))
    assert all(set(split.labels) == {0, 1} for split in data.splits().values())
    assert "Topped up, where chance had left a class without:" in data.splitting


def test_a_class_of_copies_alone_stays_in_train() -> None:
    texts, labels = [*TEXTS, "one text", "one text"], [*LABELS, "copies", "copies"]
    for seed in range(10):  # by its digest it would often go elsewhere
        where = places(read(texts, labels, splitting=Splitting(seed, "stable")))
        assert where["one text"] == "train"


def test_a_class_of_which_nothing_is_left_for_train_is_refused() -> None:
    labels = ["few"] * 2 + ["many"] * 78
    groups = [number // 8 for number in range(80)]  # the first counts as of the larger class, and goes anywhere
    told = []
    for seed in range(20):
        try:
            assert 0 in read(labels=labels, groups=groups, seed=seed).train.labels
        except DataError as error:
            told.append(str(error))
    assert 0 < len(told) < 20
    assert told[0].startswith("no example of the class 'few' in arrays is left for train: all belong to groups, or to")
    assert told[0].endswith("do without group_by, or draw copies on their own with near_duplicates='anywhere'")


# === From a file ===


def test_the_splits_of_a_run_are_used_again(tmp_path: Path) -> None:
    data = read(seed=7)
    data.write_splits(tmp_path / "splits.csv")
    again = read(splitting=Splitting(file=str(tmp_path / "splits.csv")))
    assert places(again) == places(data) != places(read())
    assert again.splitting == "The splits are those of splits.csv."  # the sentence travels in artifacts, so no path
    assert again.fingerprint() == data.fingerprint()


def rewritten(path: Path, change: object) -> str:
    rows = [change(row) for row in csv.DictReader(path.read_text("utf-8").splitlines())]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[-1])
        table.writeheader()
        table.writerows(row for row in rows if row)
    return str(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row if int(row["example"]) > 6 else None, "does not say where 7 examples belong .'0', '1', '2'"),
        (lambda row: row | {"digest": "00" * 16}, "0 is not what it was when .* was written; remove its digest"),
        (lambda row: row | {"split": "rest"}, "puts .* into 'rest'; write train, val or test"),
        (lambda row: row | {"split": row["split"].replace("val", "train")}, "puts no example of these data into val"),
    ],
)  # fmt: skip
def test_a_splits_file_that_does_not_fit(tmp_path: Path, change: object, said: str) -> None:
    path = tmp_path / "splits.csv"
    read().write_splits(path)
    with pytest.raises(DataError, match=said):
        read(splitting=Splitting(file=rewritten(path, change)))


def test_no_splits_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the splits file .*none.csv"):
        read(splitting=Splitting(file=str(tmp_path / "none.csv")))
    with pytest.raises(DataError, match=r"cannot read the splits file .*: a name cannot hold a NUL character; give a"):
        read(splitting=Splitting(file="a\0b"))
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"is no table with the columns example and split"):
        read(splitting=Splitting(file=str(tmp_path / "other.csv")))


def test_a_splits_file_without_digests_and_with_more_examples(tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    read().write_splits(path)
    rewritten(path, lambda row: {"example": row["example"], "split": row["split"]})
    few = tlkit.arrays(TEXTS[:60], LABELS[:60], splitting=Splitting(file=str(path)))
    assert "20 examples of the file are not among the data." in few.splitting


# === Options ===


def test_options_that_cannot_be() -> None:
    with pytest.raises(InputError, match=r"unknown split 'stabel'; did you mean stable"):
        read(splitting=Splitting(how="stabel"))
    with pytest.raises(InputError, match=r"unknown near_duplicates 'apart'"):
        read(splitting=Splitting(near_duplicates="apart"))
    with pytest.raises(InputError, match=r"seed=3 and splitting.seed=0 differ; give it in the splitting alone"):
        read(seed=3, splitting=Splitting())
    assert splitting.settled(3, replace(Splitting(), seed=3)).seed == 3


# === By tags, and by the range of a number ===


def tagged(count: int, shares: list[float], seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((count, len(shares))) < shares).astype(np.float32)


def test_frequent_tags_are_shared_evenly() -> None:
    tags = tagged(1000, [0.5, 0.3, 0.1])
    parts = splitting.carve_tags(tags, 3, 0.15, 0.15)
    assert sorted(np.concatenate(parts)) == list(range(1000))
    assert [len(part) for part in parts] == pytest.approx([700, 150, 150], abs=15)
    for part, share in zip(parts, (0.7, 0.15, 0.15), strict=True):
        assert tags[part].sum(0) == pytest.approx(share * tags.sum(0), abs=3)
    again = splitting.carve_tags(tags, 3, 0.15, 0.15)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))
    assert not np.array_equal(parts[1], splitting.carve_tags(tags, 4, 0.15, 0.15)[1])


@pytest.mark.parametrize("count", [3, 4, 7])
def test_rare_tags_are_on_all_sides(count: int) -> None:
    tags = np.concatenate([np.ones((count, 1)), np.zeros((200 - count, 1))])
    tags = np.concatenate([tags, tagged(200, [0.5, 0.5])], 1)
    assert all(tags[part, 0].sum() >= 1 for part in splitting.carve_tags(tags, 0, 0.15, 0.15))


@pytest.mark.parametrize(("count", "sides"), [(1, [1, 0, 0]), (2, [1, 0, 1])])
def test_what_is_learned_from_comes_first(count: int, sides: list[int]) -> None:
    tags = np.zeros((100, 2))
    tags[:count, 0], tags[:, 1] = 1, 1
    assert [int(tags[part, 0].sum()) for part in splitting.carve_tags(tags, 0, 0.15, 0.15)] == sides


def test_units_are_not_parted() -> None:
    tags, units = tagged(300, [0.4, 0.1]), np.repeat(np.arange(100), 3)
    parts = splitting.carve_tags(tags, 0, 0.15, 0.15, units=units)
    assert len(np.concatenate([np.unique(units[part]) for part in parts])) == 100
    assert [len(part) for part in parts] == pytest.approx([210, 45, 45], abs=9)


def test_ranges_of_a_number() -> None:
    values = np.arange(700.0)
    assert np.bincount(splitting.ranges(values)).tolist() == [70] * 10
    assert splitting.ranges(np.arange(6.0)).tolist() == [0] * 6 and len(splitting.ranges(np.zeros(0))) == 0
    assert len(np.unique(splitting.ranges(np.repeat([0.0, 1.0], 50)))) == 2  # quantiles that coincide are one
    assert len(np.unique(splitting.ranges(values, np.arange(700) // 50))) == 2  # 14 units


def draw(labels: np.ndarray, task: str, how: str) -> tuple[list[np.ndarray], str]:
    items = [f"text {number}" for number in range(len(labels))]
    return splitting.draw(Split(items, labels), "text", Splitting(0, how), 2, task)


@pytest.mark.parametrize("how", ["random", "stable"])
def test_values_are_drawn_from_the_whole_range(how: str) -> None:
    values = np.random.default_rng(0).exponential(size=2000).astype(np.float32)
    parts, _ = draw(values, "value", how)
    sizes, means = [len(part) for part in parts], [values[part].mean() for part in parts]
    assert sizes == pytest.approx([1400, 300, 300], abs=20 if how == "random" else 60)
    assert means == pytest.approx([1, 1, 1], abs=0.06 if how == "random" else 0.25)


def test_stable_draws_of_tags_stay_when_more_come() -> None:
    tags = tagged(400, [0.5, 0.2])
    tags[:3, 0] = 1
    many, few = draw(tags, "tags", "stable")[0], draw(tags[:300], "tags", "stable")[0]
    for longer, shorter in zip(many, few, strict=True):
        assert longer[longer < 300].tolist() == shorter.tolist()


def test_stable_draws_top_up_rare_tags() -> None:
    tags = np.concatenate([tagged(60, [0.5]), np.zeros((60, 1))], 1)
    tags[:4, 1] = 1
    parts, said = draw(tags, "tags", "stable")
    assert all(tags[part, 1].any() for part in parts) and "Topped up, where chance had left a tag without" in said


def test_those_who_own_a_tag() -> None:
    tags = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 0]])
    assert [found.tolist() for found in splitting.owned(tags)] == [[0, 1, 2], [0, 2]]
    assert [found.tolist() for found in splitting.owned(np.array([1, 0, 1]))] == [[1], [0, 2]]
