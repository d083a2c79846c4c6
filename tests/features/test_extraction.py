"""Filling: what is stored is shared where nothing differs, rebuilt where it is damaged, and never half there."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import Augment, Reading
from tlkit.data.splits import Split
from tlkit.errors import InputError, RunError
from tlkit.features import disk_cache, extraction, feature_sets, frontier, mixed_precision
from tlkit.models import cache_keys, classifier
from tlkit.models.backbone import Backbone
from tlkit.models.vision.image_input import ImageInput


@pytest.fixture(autouse=True)
def small(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test have its own folder, and shards of two batches of four examples."""
    monkeypatch.setattr(extraction, "BATCH", 4)
    monkeypatch.setattr(extraction, "SHARD", 8)


def classifier_of_pictures() -> object:
    return tiny_models.spread(tiny_models.tiny_classifier(), tiny_models.pictures(16, 16))


READING = Reading(4)


@dataclasses.dataclass(frozen=True)
class Given:
    """What a fill depends on, one field to vary at a time."""

    clf: object = None
    split: Split | None = None
    reading: Reading = READING
    views: int = 1
    blocks: tuple = (0,)
    dtype: str = "float32"
    precision: str = "float32"


@pytest.fixture(scope="module")
def clf() -> object:
    return classifier_of_pictures()


@pytest.fixture(scope="module")
def split() -> Split:
    return tiny_models.colours(15).train  # 22 examples: three shards, the last one of six


@pytest.fixture
def given(clf: object, split: Split) -> Given:
    return Given(clf, split)


def source(clf: object, split: Split, reading: Reading) -> feature_sets.Source:
    return feature_sets.source(clf, split, reading, clf.spec.input.lengths(classifier.pieces(clf)[0], split.items))


def cuts(clf: object, blocks: tuple) -> list[frontier.Cut]:
    found = []
    for number in blocks:
        tlkit.unfreeze(clf, number)
        found.append(frontier.find(clf))
    return found


def fill(given: Given, tell: object = lambda examples: None, **job: int) -> tuple[list, int]:
    """Fill the features of one source; return them by cut, and how many examples passed the frozen part."""
    sources = [(source(given.clf, given.split, given.reading), given.views)]
    kept = [given.dtype] * len(given.blocks)
    todo = extraction.Job(sources, cuts(given.clf, given.blocks), kept, given.precision, **job)
    (filled,), passed = extraction.fill(todo, tell)
    return filled, passed


def everything(features: feature_sets.Features) -> list[np.ndarray]:
    """Return all that is stored, in the order of the examples as they are stored."""
    order = np.arange(len(features.labels))[None]
    return [array for epoch in (1, 2) for array in next(features.chunks(order, epoch))[0]]


def same(one: feature_sets.Features, other: feature_sets.Features) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(everything(one), everything(other), strict=True))


def folders(stored: Path) -> set[Path]:
    return set(stored.iterdir()) if stored.is_dir() else set()


# === What is stored ===


@pytest.mark.parametrize("blocks", [(0,), (2,), (2, 0), ("all", 3, 1, 0)], ids=str)
def test_the_tail_gives_the_models_answers_on_stored_features(given: Given, blocks: tuple) -> None:
    features, passed = fill(dataclasses.replace(given, blocks=blocks))
    assert passed == len(given.split) == 22
    (batch,) = given.clf.spec.input.batches(given.split, Reading(22))
    whole = given.clf(batch, training=False).numpy()
    for cut, stored in zip(cuts(given.clf, blocks), features, strict=True):
        tail = frontier.segment(given.clf, cut, None)
        order = np.random.default_rng(0).permutation(22)[None]
        ((arrays, labels),) = stored.chunks(order, 1)
        parts = tail([array[0] for array in arrays], training=False).numpy()
        assert np.abs(parts - whole[order[0]]).max() <= 1e-4 * whole.max()
        assert np.abs(np.roll(parts, 1, 0) - whole[order[0]]).max() > 1e-2
        assert np.array_equal(labels[0], given.split.labels[order[0]])


def test_the_cuts_of_all_phases_are_filled_in_one_pass(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    read, original = [], ImageInput.batches

    def counted(self: object, split: object, reading: Reading, view: int = 0, rows: object = None) -> object:
        read.extend(rows)
        return original(self, split, reading, view, rows)

    monkeypatch.setattr(ImageInput, "batches", counted)
    fill(dataclasses.replace(given, blocks=(2, 1, 0)))
    assert read == list(range(22))


def test_every_example_is_told_of(given: Given) -> None:
    seen = []
    fill(given, seen.append)
    assert seen == [4, 4, 4, 4, 4, 2]


def test_every_view_is_another_version_and_stored_once(given: Given) -> None:
    augmented = dataclasses.replace(given, reading=Reading(4, augment=Augment()), views=2)
    (features,), passed = fill(augmented)
    assert passed == 2 * 22 and features.nbytes == 2 * 22 * 16 * 4
    one, two = everything(features)
    assert not np.allclose(one, two, rtol=1e-3)
    (more,), passed = fill(dataclasses.replace(augmented, views=3))
    assert passed == 22, "only the third view was missing"
    assert np.array_equal(everything(more)[0], one) and np.array_equal(everything(more)[1], two)


# === Sharing ===


def test_a_second_fill_computes_nothing_and_gives_the_same_bits(given: Given) -> None:
    (first,), _ = fill(given)
    (second,), passed = fill(given)
    assert passed == 0 and same(first, second)


def test_another_unfreeze_computes_only_what_is_missing(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(given)
    compiled, original = [], extraction.trunk

    def watched(clf: object, wanted: list, numbers: str) -> Callable:
        compiled.append([cut.after for cut in wanted])
        return original(clf, wanted, numbers)

    monkeypatch.setattr(extraction, "trunk", watched)
    _, passed = fill(dataclasses.replace(given, blocks=(2, 0)))
    assert passed == 22 and compiled == [[("end1",)]]
    _, passed = fill(dataclasses.replace(given, blocks=(2,)))
    assert passed == 0


def with_weight(given: Given) -> Given:
    clf = classifier_of_pictures()
    kernel = classifier.pieces(clf)[1].get_layer("conv1").kernel
    kernel.assign(kernel * 1.0001)
    return dataclasses.replace(given, clf=clf)


def with_statistics(given: Given) -> Given:
    clf = classifier_of_pictures()
    mean = classifier.pieces(clf)[1].get_layer("bn3").moving_mean
    mean.assign(mean + 0.001)
    return dataclasses.replace(given, clf=clf)


def with_pixel(given: Given) -> Given:
    items = given.split.items.copy()
    items[7, 0, 0, 0] ^= 1
    return dataclasses.replace(given, split=Split(items, given.split.labels))


def with_order(given: Given) -> Given:
    return dataclasses.replace(given, split=Split(given.split.items[::-1].copy(), given.split.labels))


def with_size(given: Given) -> Given:
    return dataclasses.replace(
        given, clf=tiny_models.spread(tiny_models.tiny_classifier(size=24), tiny_models.pictures(16, 24))
    )


def with_reading(**fields: object) -> Callable:
    return lambda given: dataclasses.replace(given, reading=dataclasses.replace(given.reading, **fields))


def with_field(**fields: object) -> Callable:
    return lambda given: dataclasses.replace(given, **fields)


CHANGES = {
    "a weight": with_weight,
    "a statistic": with_statistics,
    "a pixel": with_pixel,
    "the order": with_order,
    "the size": with_size,
    "resize": with_reading(resize="pad"),
    "augmentation": with_reading(augment=Augment()),
    "float16": with_field(dtype="float16"),
    "bfloat16": with_field(precision="bfloat16"),
    "another cut": with_field(blocks=(1,)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_may_change_features_is_computed_anew(given: Given, name: str) -> None:
    fill(given)
    changed = CHANGES[name](given)
    assert fill(changed)[1] == 22
    assert fill(changed)[1] == fill(given)[1] == 0, "both stay"


AUGMENTED = {
    "the seed": with_reading(seed=1),
    "its strength": with_reading(augment=Augment(crop=0.2)),
    "resize": with_reading(resize="stretch"),
}


@pytest.mark.parametrize("name", AUGMENTED)
def test_what_may_change_augmented_features_is_computed_anew(given: Given, name: str) -> None:
    augmented = dataclasses.replace(given, reading=Reading(4, augment=Augment()))
    fill(augmented)
    assert fill(augmented)[1] == 0
    assert fill(AUGMENTED[name](augmented))[1] == 22


def test_another_version_of_the_code_or_of_keras_is_computed_anew(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras
    import tensorflow as tf

    fill(given)
    for owner, name, value in (
        (cache_keys, "code", lambda: "x"),
        (keras, "__version__", "x"),
        (tf, "__version__", "x"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            assert fill(given)[1] == 22
    assert fill(given)[1] == 0


def without_names(size: int) -> object:
    """Build a backbone whose layers, but for the end of its block, Keras names by itself."""
    import keras
    from keras import layers

    pixels = keras.Input((size, size, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3)(pixels)))
    return keras.Model(pixels, layers.Identity(name="end")(layers.Conv2D(4, 3)(x)))


def with_other_names(_: Given) -> object:
    import keras

    keras.utils.set_random_seed(0)
    row = Backbone("unnamed", without_names, ImageInput("tf", 16, 8), ("end",))
    return tiny_models.spread(tlkit.classifier(row, "pool_dense", 2, weights=None), tiny_models.pictures(16, 16))


def test_layer_names_of_a_second_build_do_not_matter(given: Given) -> None:
    first, second = (dataclasses.replace(given, clf=with_other_names(given)) for _ in range(2))
    names = [[layer.name for layer in classifier.pieces(one.clf)[1].layers] for one in (first, second)]
    assert names[0] != names[1]
    assert [fill(first)[1], fill(second)[1]] == [22, 0]


def with_labels(given: Given) -> Given:
    return dataclasses.replace(given, split=Split(given.split.items, 1 - given.split.labels))


def with_head(given: Given) -> Given:
    clf = classifier_of_pictures()
    clf.head.get_layer("probabilities").kernel.assign(clf.head.get_layer("probabilities").kernel * 2)
    return dataclasses.replace(given, clf=clf)


@pytest.mark.parametrize("change", [with_labels, with_head, with_reading(seed=1), with_reading(batch_size=7)])
def test_what_does_not_change_features_shares_them(given: Given, change: Callable) -> None:
    (first,), _ = fill(given)
    changed = change(given)
    (second,), passed = fill(changed)
    assert passed == 0 and same(first, second)
    assert np.array_equal(second.labels, changed.split.labels), "the labels are its own"


def test_weights_above_the_cut_do_not_matter_and_below_it_do(given: Given) -> None:
    clf = classifier_of_pictures()
    fill(dataclasses.replace(given, clf=clf, blocks=(1, 0)))
    top = classifier.pieces(clf)[1].get_layer("conv3").kernel
    top.assign(top * 1.5)
    assert fill(dataclasses.replace(given, clf=clf, blocks=(1,)))[1] == 0
    assert fill(dataclasses.replace(given, clf=clf, blocks=(0,)))[1] == 22


def test_an_augmentation_of_ones_own_is_never_shared(given: Given) -> None:
    def darker(batch: object) -> object:
        return batch * 0.5

    own = dataclasses.replace(given, reading=Reading(4, augment=darker))
    (first,), _ = fill(own)
    (second,), passed = fill(own)
    assert passed == 22 and same(first, second)
    assert not np.allclose(everything(first)[0], everything(fill(given)[0][0])[0], rtol=1e-3)


# === Damage, interruption, full disks ===


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4])


def flip_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[200] ^= 4
    file.write_bytes(content)


@pytest.mark.parametrize(("damage", "shard", "examples"), [(cut_off, 0, 8), (flip_bit, 1, 8), (Path.unlink, 2, 6)])
def test_only_a_damaged_shard_is_computed_again_to_the_same_bits(
    given: Given, stored: Path, damage: Callable, shard: int, examples: int
) -> None:
    (first,), _ = fill(given)
    expected = everything(first)
    (file,) = stored.glob(f"*/0000{shard}.0-*.npy")
    content = file.read_bytes()
    del first
    damage(file)
    (again,), passed = fill(given)
    assert passed == examples
    assert file.read_bytes() == content
    assert all(np.array_equal(a, b) for a, b in zip(everything(again), expected, strict=True))


def test_a_fill_that_was_interrupted_goes_on_where_it_stopped(
    given: Given, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def tell(count: int) -> None:
        seen.append(count)
        if sum(seen) > 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(given, tell)
    (resumed,), passed = fill(given)
    assert passed == 22 - 8
    monkeypatch.setattr(disk_cache, "root", lambda: tmp_path / "elsewhere")
    (whole,), passed = fill(given)
    assert passed == 22 and same(resumed, whole)


def test_a_disk_that_fills_up_ends_in_one_message_and_keeps_what_is_finished(
    given: Given, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_cache, "root", lambda: disk / "features")
    (disk / "other").write_bytes(bytes(140_000))
    low = dataclasses.replace(given, blocks=("all",))  # 8 examples of pixels are 24 kB
    with pytest.raises(
        RunError, match=r"^cannot write .*/00002\.0: the disk is full; free some space .*`tlkit cache cl"
    ):
        fill(low)
    (folder,) = (disk / "features").iterdir()
    assert sorted(file.name[:7] for file in folder.iterdir()) == ["00000.0", "00001.0", "about.j"]
    (disk / "other").unlink()
    (features,), passed = fill(low)
    assert passed == 6
    (batch,) = given.clf.spec.input.batches(given.split, Reading(22))
    assert np.allclose(everything(features)[0][0], batch / 127.5 - 1, atol=1e-6)


# === Room ===


def test_features_of_earlier_runs_make_way(given: Given, stored: Path) -> None:
    fill(given)
    (first,) = folders(stored)
    size = sum(entry.bytes for entry in disk_cache.entries())
    other = with_reading(resize="pad")(given)
    fill(other, budget=int(1.5 * size), needed=22 * 16 * 4)
    (second,) = folders(stored)
    assert second != first and fill(other)[1] == 0


def test_room_is_made_for_what_is_missing_alone(given: Given, stored: Path) -> None:
    fill(given)
    fill(with_reading(resize="pad")(given))
    assert len(folders(stored)) == 2
    assert fill(given, budget=1, needed=22 * 16 * 4)[1] == 0
    assert len(folders(stored)) == 2, "nothing is missing, so nothing has to go"


def test_what_is_in_use_is_never_removed(given: Given, stored: Path) -> None:
    fill(given)
    (first,) = folders(stored)
    fill(with_reading(resize="pad")(given))
    _, passed = fill(dataclasses.replace(given, blocks=(1, 0)), budget=1, needed=10**6)
    assert passed == 22 and first in folders(stored) and len(folders(stored)) == 2


# === Types and streams ===


def test_float16_takes_half_the_room_and_is_given_as_float32(given: Given) -> None:
    (wide,), _ = fill(given)
    (narrow,), _ = fill(dataclasses.replace(given, dtype="float16"))
    assert narrow.nbytes == wide.nbytes // 2
    one, other = everything(narrow)[0], everything(wide)[0]
    assert one.dtype == other.dtype == np.float32
    assert 0 < np.abs(one - other).max() <= 2**-10 * np.abs(other).max()


def test_features_too_large_for_float16_are_refused_and_not_stored(given: Given, stored: Path) -> None:
    clf = classifier_of_pictures()
    top = classifier.pieces(clf)[1].get_layer("top_conv").kernel
    top.assign(top * 1e6)
    large = dataclasses.replace(given, clf=clf)
    with pytest.raises(InputError, match=r"features as large as .*e\+\d+ cannot be stored as float16; raise the cache"):
        fill(dataclasses.replace(large, dtype="float16"))
    assert folders(stored) == set() and fill(large)[1] == 22


def test_bfloat16_features_of_every_cut_are_stored_as_float32(given: Given) -> None:
    features, _ = fill(dataclasses.replace(given, blocks=(2, 0)))
    halves, passed = fill(dataclasses.replace(given, blocks=(2, 0), precision="bfloat16"))
    assert passed == 22
    for half, full in zip(halves, features, strict=True):
        one, other = everything(half)[0], everything(full)[0]
        assert one.dtype == np.float32 and half.nbytes == full.nbytes
        assert 1e-5 < np.abs(one - other).max() / np.abs(other).max() < 0.05


def in_a_block(given: Given, numbers: str) -> np.ndarray:
    """Compute features on the layers as a block of that precision leaves them, with no job."""
    import tensorflow as tf

    (cut,) = cuts(given.clf, given.blocks)
    with mixed_precision.computing(given.clf, numbers):
        run = tf.function(frontier.segment(given.clf, None, cut, folded=True))
        batches = given.clf.spec.input.batches(given.split, Reading(4))
        return np.concatenate([np.asarray(run(batch, training=False), np.float32) for batch in batches])


def relative(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / np.abs(other).max())


@pytest.mark.parametrize("dtype", ["float32", "stream"])
@pytest.mark.parametrize(
    ("numbers", "other", "around"),
    [("bfloat16", "float32", None), ("bfloat16", "float32", "float32"), ("float32", "bfloat16", "bfloat16")],
)
def test_a_job_alone_decides_what_its_features_are_computed_in(
    given: Given, dtype: str, numbers: str, other: str, around: str | None
) -> None:
    asked = dataclasses.replace(given, blocks=(2,), dtype=dtype, precision=numbers)
    with mixed_precision.computing(given.clf, around) if around else contextlib.nullcontext():
        (features,), _ = fill(asked)
    assert {layer.dtype_policy.name for layer in given.clf._flatten_layers()} == {"float32"}
    chunks = features.chunks(np.arange(20).reshape(5, 4), 1)  # of a stream they are computed here
    found = np.concatenate([array for arrays, _ in chunks for array in arrays[0]])
    assert found.dtype == np.float32
    assert relative(found, in_a_block(asked, numbers)[:20]) < 1e-6
    assert relative(found, in_a_block(asked, other)[:20]) > 1e-4


@pytest.mark.parametrize("numbers", ["float32", "bfloat16"])
def test_features_are_found_again_whatever_their_places_were_asked_for_in(given: Given, numbers: str) -> None:
    sources, at = [(source(given.clf, given.split, given.reading), 1)], cuts(given.clf, (0,))
    jobs = [extraction.Job(sources, at, ["float32"], numbers) for _ in range(3)]
    assert extraction.ahead(jobs[0]) == 22 and extraction.fill(jobs[0])[1] == 22
    for around, job in zip(("float32", "bfloat16"), jobs[1:], strict=True):
        with mixed_precision.computing(given.clf, around):
            assert extraction.ahead(job) == extraction.fill(job)[1] == 0


def test_a_stream_stores_nothing_and_gives_the_same_features(given: Given, stored: Path) -> None:
    (flow,), passed = fill(dataclasses.replace(given, dtype="stream"))
    assert isinstance(flow, feature_sets.Stream) and passed == 0 and folders(stored) == set()
    order = np.random.default_rng(0).permutation(22)[:20].reshape(5, 4)
    (kept,), _ = fill(given)
    streamed = np.concatenate([arrays[0][0] for arrays, _ in flow.chunks(order, 1)])
    from_disk = np.concatenate([arrays[0].reshape(-1, 16) for arrays, _ in kept.chunks(order, 1)])
    assert np.allclose(streamed, from_disk, rtol=1e-4, atol=1e-5)
    assert not np.allclose(np.roll(streamed, 1, 0), from_disk, rtol=1e-2)


def test_some_cuts_may_be_stored_and_others_streamed(given: Given) -> None:
    sources = [(source(given.clf, given.split, given.reading), 1)]
    (filled,), passed = extraction.fill(extraction.Job(sources, cuts(given.clf, (2, 0)), ["stream", "float32"]))
    assert passed == 22 and [type(features).__name__ for features in filled] == ["Stream", "Store"]
    assert [filled[0].nbytes, filled[1].nbytes] == [0, 22 * 16 * 4]


# === Texts ===


@pytest.fixture(scope="module", params=["mean_dense", "cls_dense"])
def bert(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> object:
    return tiny_models.text_classifier(tmp_path_factory.mktemp("bert"), request.param, classes=2)


def test_ragged_features_give_the_models_answers_and_are_no_longer_than_needed(bert: object) -> None:
    import tensorflow as tf

    split, blocks = tiny_models.topics(15).train, ("all", 1, 0)
    tokens = np.array([len(text.split()) + 2 for text in split.items])
    order = source(bert, split, READING).order
    assert np.array_equal(tokens[order], np.sort(tokens))
    whole = bert(tf.constant(split.items), training=False).numpy()[order]
    few = [bert(tf.constant(texts), training=False) for texts in np.array_split(split.items, 6)]
    # what other shapes of a batch alone do to the answers of this random network, up to 2e-6
    allowed = max(2e-6, 3 * np.abs(np.concatenate(few)[order] - whole).max())
    stored, passed = fill(Given(bert, split, blocks=blocks))
    assert passed == len(split) and [features.ragged for features in stored] == [True, True, False]
    for cut, features in zip(cuts(bert, blocks), stored, strict=True):
        assert np.array_equal(features.labels, split.labels[order])
        tail = frontier.segment(bert, cut, None)
        for numbers in np.array_split(np.random.default_rng(0).permutation(len(split)), 2):
            ((arrays, _),) = features.chunks(numbers[None], 1)
            parts = tail([array[0] for array in arrays], training=False).numpy()
            assert np.abs(parts - whole[numbers]).max() < allowed < 1e-5
            assert np.abs(np.roll(parts, 1, 0) - whole[numbers]).max() > 1e-2
    ((flow,), _) = fill(Given(bert, split, blocks=(1,), dtype="stream"))
    numbers = np.random.default_rng(0).permutation(len(split))[:20].reshape(5, 4)
    for (ours, labels), (theirs, expected) in zip(flow.chunks(numbers, 1), stored[1].chunks(numbers, 1), strict=True):
        real = theirs[1][..., None]
        width = ours[0].shape[2]
        assert np.array_equal(labels, expected) and np.array_equal(ours[1], theirs[1][:, :, :width])
        assert np.allclose((ours[0] * real[:, :, :width]), (theirs[0] * real)[:, :, :width], atol=1e-4)
        assert not real[:, :, width:].any(), "a stream may hold less padding, and no less text"
    longest = [int(tokens[order][start : start + 8].max()) for start in range(0, len(tokens), 8)]
    assert len(set(longest)) > 1
    for column in (*stored[0].views[0], *stored[1].views[0]):
        assert [piece.shape[1] for piece in column.pieces] == longest
    assert stored[2].views[0][0].pieces[0].shape[1:] == (16,)


def test_words_are_stored_as_ids_and_counts_no_longer_than_needed(tmp_path: Path) -> None:
    import tensorflow as tf

    clf, split = tiny_models.text_classifier(tmp_path, classes=2, words=True), tiny_models.topics(15).train
    order = source(clf, split, READING).order
    whole = clf(tf.constant(split.items), training=False).numpy()[order]
    (features,), passed = fill(Given(clf, split))
    (cut,), ((vectors, ids, counts),) = cuts(clf, (0,)), features.views
    assert passed == len(split) and features.ragged and cut.after == ("pool", "word_ids", "word_counts")
    assert [(column.dtype, column.pieces[0].ndim) for column in (vectors, ids, counts)] == [
        ("float32", 2), ("int32", 2), ("float32", 2),
    ]  # fmt: skip
    words = [split.items[number].split() for number in order]
    own = [len({*text, *pairwise(text)}) for text in words]
    longest = [max(own[start : start + 8]) for start in range(0, len(own), 8)]
    assert len(set(longest)) > 1 and [piece.shape[1] for piece in ids.pieces] == longest, "shorter than all buckets"
    assert longest != [max(map(len, words[start : start + 8])) + 2 for start in range(0, len(own), 8)], "as tokens are"
    tail, numbers = frontier.segment(clf, cut, None), np.random.default_rng(0).permutation(len(split))
    ((arrays, _),) = features.chunks(numbers[None], 1)
    parts = tail([array[0] for array in arrays], training=False).numpy()
    assert np.abs(parts - whole[numbers]).max() < 1e-5 < 1e-2 < np.abs(np.roll(parts, 1, 0) - whole[numbers]).max()


@pytest.mark.parametrize("bert", ["mean_dense"], indirect=True)
def test_a_text_less_is_computed_anew(bert: object) -> None:
    split = tiny_models.topics(8).train
    fill(Given(bert, split))
    fewer = Split(split.items[1:], split.labels[1:])
    assert fill(Given(bert, fewer))[1] == len(fewer) and fill(Given(bert, split))[1] == 0
