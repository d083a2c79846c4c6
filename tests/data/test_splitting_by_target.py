"""Draws that keep tags and the range of a number even."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.config import Splitting
from tlkit.data import splitting
from tlkit.data.splits import Split


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
