"""Stores and streams: every batch holds exactly the examples that were asked for, with their labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import Augment, Reading
from tlkit.data.splits import Split
from tlkit.features import feature_sets, frontier
from tlkit.features.feature_sets import Store, Stream
from tlkit.features.shards import Column

ORDER = np.random.default_rng(0).permutation(10)[:9].reshape(3, 3)


def numbered(views: int = 1, rows: int = 4, count: int = 10) -> Store:
    """Return a store in which example n of view v is 100 v + n, and its label n."""
    wholes = [100.0 * view + np.arange(count, dtype=np.float32)[:, None] for view in range(views)]
    columns = [(Column([whole[at : at + rows] for at in range(0, count, rows)], rows, "float32"),) for whole in wholes]
    return Store(tuple(columns), np.arange(count))


# === Stores ===


@pytest.mark.parametrize(("limit", "sizes"), [(2**25, [3]), (2 * 3 * 4, [2, 1]), (1, [1, 1, 1])])
def test_chunks_hold_exactly_the_examples_of_the_order(
    monkeypatch: pytest.MonkeyPatch, limit: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(feature_sets, "CHUNK", limit)
    chunks = list(numbered().chunks(ORDER, 1))
    assert [len(labels) for _, labels in chunks] == sizes
    assert np.array_equal(np.concatenate([labels for _, labels in chunks]), ORDER)
    assert np.array_equal(np.concatenate([array for (array,), _ in chunks])[:, :, 0], ORDER)


def test_a_chunk_has_so_many_steps_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_sets, "MOST_STEPS", 2)
    assert [len(labels) for _, labels in numbered().chunks(ORDER, 1)] == [2, 1]


def test_epochs_go_through_the_views_and_begin_again() -> None:
    seen = [next(numbered(views=3).chunks(ORDER, epoch))[0][0][0, 0, 0] - ORDER[0, 0] for epoch in range(1, 6)]
    assert seen == [0, 100, 200, 0, 100]


def test_as_many_views_as_epochs_is_ordinary_augmentation() -> None:
    seen = [next(numbered(views=5).chunks(ORDER, epoch))[0][0][0, 0, 0] for epoch in range(1, 6)]
    assert len(set(seen)) == 5


def ragged() -> Store:
    """Return a store of three shards of two examples whose longest are 2, 3 and 5 long."""
    pieces = [np.full((2, length, 1), length, np.float32) for length in (2, 3, 5)]
    mask = [np.ones((2, length), bool) for length in (2, 3, 5)]
    return Store(((Column(pieces, 2, "float32"), Column(mask, 2, "bool")),), np.arange(6), ragged=True)


def test_a_ragged_store_gives_batch_by_batch_each_as_long_as_it_needs() -> None:
    chunks = list(ragged().chunks(np.array([[1, 0], [2, 1], [5, 0]]), 1))
    assert [array.shape for (array, _), _ in chunks] == [(1, 2, 2, 1), (1, 2, 3, 1), (1, 2, 5, 1)]
    (array, mask), labels = chunks[2]
    assert array[0, :, :, 0].tolist() == [[5, 5, 5, 5, 5], [2, 2, 0, 0, 0]] and labels.tolist() == [[5, 0]]
    assert mask.dtype == bool and mask[0, 1].tolist() == [True, True, False, False, False]


def test_nbytes_counts_all_views_and_tensors() -> None:
    assert numbered(views=3).nbytes == 3 * 10 * 4
    assert ragged().nbytes == 2 * (2 + 3 + 5) * (4 + 1)


def test_an_error_while_gathering_is_not_lost() -> None:
    with pytest.raises(IndexError):
        list(numbered().chunks(np.array([[99, 0, 1]]), 1))


def test_a_training_that_stops_in_the_middle_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(feature_sets, "CHUNK", 1)
    before = threading.active_count()
    chunks = numbered().chunks(ORDER, 1)
    next(chunks)
    assert threading.active_count() == before + 1
    chunks.close()
    assert threading.active_count() == before


# === Sources and streams ===


@pytest.fixture(scope="module")
def clf() -> object:
    clf = tiny_models.spread(tiny_models.tiny_classifier(), tiny_models.pictures(16, 16))
    tlkit.unfreeze(clf, 0)
    return clf


def stream(clf: object, split: object, augment: Augment | None = None) -> Stream:
    trunk = frontier.segment(clf, None, frontier.find(clf))
    return Stream(feature_sets.source(clf, split, Reading(4, "crop", augment), None), lambda batch: [trunk(batch)])


def pooled(chunks: Iterator) -> np.ndarray:
    return np.concatenate([array[0] for (array,), _ in chunks])


def test_a_stream_computes_the_examples_of_the_order(clf: object) -> None:
    split = tiny_models.colours(12).train
    order = np.random.default_rng(0).permutation(len(split))[:12].reshape(3, 4)
    given = stream(clf, split)
    chunks = list(given.chunks(order, 1))
    assert [labels.shape for _, labels in chunks] == [(1, 4)] * 3 and given.nbytes == 0
    assert np.array_equal(np.concatenate([labels[0] for _, labels in chunks]), split.labels[order.ravel()])
    (batch,) = clf.spec.input.batches(split, Reading(len(split)))
    expected = np.asarray(frontier.segment(clf, None, frontier.find(clf))(batch))[order.ravel()]
    assert np.allclose(pooled(chunks), expected, rtol=1e-5)
    assert not np.allclose(np.roll(pooled(chunks), 1, 0), expected, rtol=1e-5)


def test_a_stream_augments_anew_in_each_epoch_and_the_same_in_each_run(clf: object) -> None:
    order = np.arange(8).reshape(2, 4)
    given = stream(clf, tiny_models.colours(12).train, Augment())
    one, two, again = (pooled(given.chunks(order, epoch)) for epoch in (1, 2, 1))
    assert np.array_equal(one, again) and not np.allclose(one, two, rtol=1e-3)


def test_pictures_keep_their_order_and_texts_go_by_length(clf: object) -> None:
    split = Split(["the cat sat", "dog", "the cat", "a b c d", "mat", "on the"], np.array([0, 1, 1, 0, 0, 1]))
    lengths = np.array([3, 1, 2, 4, 1, 2])
    given = feature_sets.source(clf, split, Reading(), lengths)
    assert given.ragged and lengths[given.order].tolist() == [1, 1, 2, 2, 3, 4]
    assert sorted(given.order) == list(range(6))
    assert np.array_equal(given.labels, split.labels[given.order])
    plain = feature_sets.source(clf, split, Reading(), None)
    assert not plain.ragged and plain.order.tolist() == list(range(len(split)))


def test_a_source_reads_the_rows_it_is_asked_for(clf: object) -> None:
    split = tiny_models.colours(12).train
    given = feature_sets.source(clf, split, Reading(32), None)
    batches = [np.asarray(batch) for batch in given.batches(np.array([5, 0, 3]), 0, 2)]
    assert [len(batch) for batch in batches] == [2, 1]
    assert np.array_equal(np.concatenate(batches), np.asarray(split.items)[[5, 0, 3]].astype(np.float32))


def test_examples_of_one_length_are_mixed_always_in_the_same_way() -> None:
    split = Split([""] * 60, np.repeat([0, 1], 30))
    lengths = np.array([5] * 50 + [3] * 10)
    orders = [feature_sets.source(None, split, Reading(), lengths).order for _ in range(2)]
    assert np.array_equal(*orders) and sorted(orders[0]) == list(range(60))
    assert np.array_equal(lengths[orders[0]], np.sort(lengths))
    runs = np.count_nonzero(np.diff(split.labels[orders[0][10:]]))
    assert runs > 10, "the classes still come one after the other"
