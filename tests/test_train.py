"""Training: two phases on stored features, what moves, what is kept, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import models
import numpy as np
import pytest

import tlkit
from tlkit import build, frontier, loop, options, store
from tlkit.errors import FreezeError, InputError
from tlkit.spec import Augment, Phase, Reading

PHASES = (Phase("head", 2, 1e-2, 0), Phase("top", 2, 1e-3, 2))


def colours(each: int = 24, side: int = 16) -> tlkit.Data:
    """Return pictures of two classes that differ in colour, as data."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], each)
    pixels = rng.integers(0, 60, (2 * each, side, side, 3))
    pixels[labels == 1, :, :, 0] += 190
    return tlkit.arrays(pixels.astype(np.uint8), labels, labels=["dark", "red"])


def mislabelled(data: tlkit.Data) -> tlkit.Data:
    """Return the data with every training label wrong."""
    return dataclasses.replace(data, train=dataclasses.replace(data.train, labels=1 - data.train.labels))


def topics() -> tlkit.Data:
    """Return short texts of two topics, as data."""
    pets, money = ["the", "cat", "sat", "on", "mat", "dog", "ran"], ["bank", "rate", "loan", "fell", "rose", "the"]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, 6)) for words in (pets, money) for _ in range(30)]
    return tlkit.arrays(texts, ["pets"] * 30 + ["money"] * 30)


@pytest.fixture(scope="module")
def trained() -> tuple:
    clf = models.tiny_classifier()
    before = {v.path: v.numpy() for v in build.pieces(clf)[1].weights}
    seen: dict[str, dict] = {}

    def watch(record: dict) -> None:
        seen[record["phase"]] = {v.path: v.numpy() for v in build.pieces(clf)[1].weights}

    original = loop.train
    loop.train = lambda tail, phase, stores, options, tell: original(
        tail, phase, stores, options, lambda record: (watch(record), tell(record))
    )
    try:
        history = tlkit.fit(clf, colours(), phases=PHASES, progress=False)
    finally:
        loop.train = original
    return clf, before, seen, history


def test_phase_one_moves_nothing_of_the_backbone(trained: tuple) -> None:
    _, before, seen, _ = trained
    assert all(np.array_equal(value, before[path]) for path, value in seen["head"].items())


def test_phase_two_moves_the_top_blocks_and_only_them(trained: tuple) -> None:
    clf, before, seen, _ = trained
    moved = {path for path, value in seen["top"].items() if not np.array_equal(value, before[path])}
    tlkit.unfreeze(clf, 2)
    assert moved == {v.path for v in build.pieces(clf)[1].trainable_variables}
    assert not any("moving" in path for path in moved)


def test_history_says_what_happened(trained: tuple) -> None:
    *_, history = trained
    assert [(r["phase"], r["epoch"]) for r in history.epochs] == [("head", 1), ("head", 2), ("top", 1), ("top", 2)]
    names = {"phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"}
    assert all(set(record) == names for record in history.epochs)
    head, top = history.phases
    assert head["cut"] == ["pool"] and head["trainable"] == 2 * 16 + 2
    assert top["trainable"] > head["trainable"] and top["stored_bytes"] > head["stored_bytes"]
    assert history.settings["augment"]["flip"] is True and history.settings["views"] == 2
    assert 0 < history.trunk_seconds < history.seconds


def test_unfreezing_batch_normalization_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    clf = models.tiny_classifier()
    original = frontier.find

    def careless(model: object) -> frontier.Cut:
        cut = original(model)
        build.pieces(model)[1].get_layer("bn3").trainable = True
        return cut

    phases = (Phase("top", 1, 1e-3, 1),)
    tlkit.fit(clf, colours(), phases=phases, progress=False)
    monkeypatch.setattr(frontier, "find", careless)
    with pytest.raises(FreezeError, match=r"phase 'top' changed \d frozen weights of tiny, the first is bn3"):
        tlkit.fit(clf, colours(), phases=phases, progress=False)


def test_the_head_learns() -> None:
    clf = models.tiny_classifier()
    tlkit.fit(clf, colours(), phases=(Phase("head", 30, 5e-2, 0),), augment="none", patience=30, progress=False)
    assert tlkit.evaluate(clf, colours().test).accuracy == 1.0


def test_texts_train_in_two_phases(tmp_path: Path) -> None:
    clf = models.text_classifier(tmp_path, classes=2)
    data = dataclasses.replace(topics(), labels=clf.spec.labels)
    before = {v.path: v.numpy() for v in build.pieces(clf)[1].weights}
    history = tlkit.fit(clf, data, phases=(Phase("head", 3, 1e-2, 0), Phase("top", 12, 1e-2, 1)), progress=False)
    moved = {v.path.split("/")[0] for v in build.pieces(clf)[1].weights if not np.array_equal(v, before[v.path])}
    assert moved == {"transformer_layer_2"}
    assert history.phases[0]["cut"] == ["pool"]
    assert tlkit.evaluate(clf, data.train).accuracy > 0.7


def test_the_same_seed_gives_the_same_weights() -> None:
    weights = []
    for seed in (3, 3, 4):
        clf = models.tiny_classifier()
        tlkit.fit(clf, colours(), phases=PHASES[:1], seed=seed, progress=False)
        weights.append(clf.head.get_weights()[0])
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_a_phase_ends_with_its_best_epoch_and_never_worse_than_it_began() -> None:
    clf = models.tiny_classifier()
    data = colours()
    tlkit.fit(clf, data, phases=(Phase("head", 10, 1e-2, 0),), augment="none", progress=False)
    before = tlkit.evaluate(clf, data.val).loss
    history = tlkit.fit(clf, mislabelled(data), phases=(Phase("head", 2, 1e-2, 0),), augment="none", progress=False)
    assert min(record["val_loss"] for record in history.epochs) > before, "wrong labels were meant to do harm"
    assert tlkit.evaluate(clf, data.val).loss == pytest.approx(before, abs=1e-5)
    assert history.phases[0]["best_epoch"] == 0


def test_patience_ends_a_phase() -> None:
    clf = models.tiny_classifier()
    tlkit.fit(clf, colours(), phases=(Phase("head", 10, 1e-2, 0),), augment="none", progress=False)
    history = tlkit.fit(clf, mislabelled(colours()), phases=(Phase("head", 9, 1e-2, 0),), patience=1, progress=False)
    assert history.phases[0]["best_epoch"] == 0 and len(history.epochs) == 2


def test_learning_rates_rise_and_fall() -> None:
    clf = models.tiny_classifier()
    phase = (Phase("head", 12, 1e-2, 0),)
    rates = [r["learning_rate"] for r in tlkit.fit(clf, colours(), phases=phase, patience=12, progress=False).epochs]
    assert rates[0] < max(rates) <= 1e-2 and rates[-1] < 0.2 * max(rates)


def test_progress_prints_a_line_per_epoch(capsys: pytest.CaptureFixture) -> None:
    clf = models.tiny_classifier()
    tlkit.fit(clf, colours(), phases=PHASES[:1])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].startswith("frozen base: ")
    assert lines[1].startswith("  head   1/2  loss ") and "val_accuracy" in lines[1]


def test_digits_like_data_are_not_mirrored() -> None:
    assert options.augmentation("auto", "image", flip=False) == Augment(flip=False)
    assert options.augmentation("strong", "image", flip=True).flip
    assert options.augmentation("auto", "text", flip=True) is None


def test_balanced_class_weights() -> None:
    data = colours()
    rare = dataclasses.replace(data.train, labels=np.array([0] * 3 + [1] * 1), items=data.train.items[:4])
    uneven = dataclasses.replace(data, train=rare)
    assert options.class_weights("balanced", uneven) == pytest.approx([4 / 6, 2.0])
    assert options.class_weights({"red": 5}, uneven) == pytest.approx([1.0, 5.0])
    assert options.class_weights(None, uneven) == pytest.approx([1.0, 1.0])


def test_class_weights_and_label_smoothing_change_the_loss() -> None:
    losses = []
    for given in ({}, {"class_weight": {"red": 5.0}}, {"label_smoothing": 0.3}):
        clf = models.tiny_classifier()
        losses.append(tlkit.fit(clf, colours(), phases=PHASES[:1], progress=False, **given).epochs[0]["loss"])
    assert len(set(losses)) == 3


def test_weight_decay_shrinks_kernels_and_spares_biases() -> None:
    layers = []
    for decay in (0.0, 0.5):
        clf = models.tiny_classifier()
        clf.head.get_layer("probabilities").bias.assign([0.0, 9.0])
        phase = (Phase("head", 20, 1e-2, 0),)
        tlkit.fit(clf, colours(), phases=phase, weight_decay=decay, patience=20, augment="none", progress=False)
        layers.append(clf.head.get_layer("probabilities"))
    plain, decayed = (np.abs(layer.kernel.numpy()).sum() for layer in layers)
    assert decayed < 0.99 * plain
    assert layers[1].bias.numpy()[1] > 8


def test_views_differ_and_are_stored_once_each() -> None:
    clf, data = models.tiny_classifier(), colours()
    tlkit.unfreeze(clf, 0)
    reading = Reading(8, augment=Augment())
    (filled,) = store.fill(clf, [frontier.find(clf)], data.train, reading, views=3)
    assert len(filled.views) == 3 and filled.nbytes == 3 * len(data.train) * 16 * 4
    assert not np.allclose(filled.views[0][0], filled.views[1][0], atol=1e-3)
    (again,) = store.fill(clf, [frontier.find(clf)], data.train, reading, views=1)
    assert np.array_equal(again.views[0][0], filled.views[0][0])


def test_every_example_passes_the_trunk_once_for_all_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    clf, data = models.tiny_classifier(), colours()
    seen = []
    original = type(clf.spec.input).batches

    def counted(self: object, split: object, reading: Reading, view: int = 0) -> object:
        seen.append((len(split), view))
        return original(self, split, reading, view)

    monkeypatch.setattr(type(clf.spec.input), "batches", counted)
    tlkit.fit(clf, data, phases=PHASES, augment="none", progress=False)
    assert seen == [(len(data.train), 0), (len(data.val), 0)]


def test_features_that_do_not_fit_in_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MEMORY_SHARE", 1e-9)
    with pytest.raises(InputError, match="GB of memory may be used; unfreeze fewer blocks"):
        tlkit.fit(models.tiny_classifier(), colours(), phases=PHASES[:1], progress=False)


def test_an_augmentation_of_ones_own_is_used() -> None:
    def black(batch: object) -> object:
        return batch * 0.0

    clf = models.tiny_classifier()
    history = tlkit.fit(clf, colours(), phases=PHASES[:1], augment=black, progress=False)
    assert history.settings["augment"].endswith("black")
    assert all(record["accuracy"] <= 0.6 for record in history.epochs)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"augment": "lite"}, "unknown augment 'lite'; did you mean light"),
        ({"batch_size": 0}, "batch_size=0, patience=3, label_smoothing=0.0: give a batch size of 1 or more"),
        ({"label_smoothing": 1.0}, "0 <= label_smoothing < 1"),
        ({"views": 0}, "views=0: give the number of augmented versions"),
        ({"class_weight": "even"}, "class_weight 'even': give 'balanced' or a mapping"),
        ({"class_weight": {"rad": 2}}, "unknown label in class_weight 'rad'; did you mean red"),
        ({"phases": (Phase("top", 1, 1e-3, 9),)}, "tiny has 3 blocks"),
    ],
)
def test_options_that_cannot_be(given: dict, message: str) -> None:
    clf = models.tiny_classifier()
    with pytest.raises(InputError, match=message):
        tlkit.fit(clf, colours(), progress=False, **{"phases": PHASES[:1], **given})


def test_data_that_do_not_suit_the_classifier() -> None:
    with pytest.raises(InputError, match="tiny takes images, but the data are texts"):
        tlkit.fit(models.tiny_classifier(), topics())
    with pytest.raises(
        InputError, match=r"has 3 labels \(0, 1, 2\), the data 2 \(dark, red\); build it with data.labels"
    ):
        tlkit.fit(models.tiny_classifier(3), colours())
    with pytest.raises(InputError, match=r"has 2 labels \(red, dark\), the data 2 \(dark, red\)"):
        tlkit.fit(models.tiny_classifier(["red", "dark"]), colours())


def test_texts_cannot_be_augmented(tmp_path: Path) -> None:
    clf = models.text_classifier(tmp_path, classes=2)
    with pytest.raises(InputError, match="augment is for pictures"):
        tlkit.fit(clf, dataclasses.replace(topics(), labels=clf.spec.labels), augment="light")
