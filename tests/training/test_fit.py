"""Training: two phases on stored features, what moves, what is kept, and what is refused."""

from __future__ import annotations

import dataclasses
import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import Augment, Compute, Phase
from tlkit.errors import FreezeError, InputError
from tlkit.features import auto_choices, disk_cache, extraction, mixed_precision
from tlkit.models import classifier, heads
from tlkit.training import estimate, loop, options
from tlkit.training.checkpoint import Keeper

PHASES = (Phase("head", 2, 1e-2, 0), Phase("top", 2, 1e-3, 2))


def mislabelled(data: tlkit.Data) -> tlkit.Data:
    """Return the data with every training label wrong."""
    return dataclasses.replace(data, train=dataclasses.replace(data.train, labels=1 - data.train.labels))


@pytest.fixture(scope="module")
def trained() -> tuple:
    clf = tiny_models.tiny_classifier()
    before = {v.path: v.numpy() for v in classifier.pieces(clf)[1].weights}
    seen: dict[str, dict] = {}

    def watch(record: dict) -> None:
        seen[record["phase"]] = {v.path: v.numpy() for v in classifier.pieces(clf)[1].weights}

    original = loop.train
    loop.train = lambda tail, phase, stores, options, tell, keeper: original(
        tail, phase, stores, options, lambda record: (watch(record), tell(record)), keeper
    )
    try:
        history = tlkit.fit(clf, tiny_models.colours(), phases=PHASES, progress=False)
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
    assert moved == {v.path for v in classifier.pieces(clf)[1].trainable_variables}
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
    clf = tiny_models.tiny_classifier()
    original = loop.train

    def careless(*given: Any) -> Any:
        classifier.pieces(clf)[1].get_layer("bn3").trainable = True
        return original(*given)

    phases = (Phase("top", 1, 1e-3, 1),)
    tlkit.fit(clf, tiny_models.colours(), phases=phases, progress=False)
    monkeypatch.setattr(loop, "train", careless)
    with pytest.raises(FreezeError, match=r"phase 'top' changed \d frozen weights of tiny, the first is bn3"):
        tlkit.fit(clf, tiny_models.colours(), phases=phases, progress=False)


def test_the_head_learns() -> None:
    clf = tiny_models.tiny_classifier()
    tlkit.fit(
        clf, tiny_models.colours(), phases=(Phase("head", 30, 5e-2, 0),), augment="none", patience=30, progress=False
    )
    assert tlkit.evaluate(clf, tiny_models.colours().test).accuracy == 1.0


def test_texts_train_in_two_phases(tmp_path: Path) -> None:
    clf = tiny_models.text_classifier(tmp_path, classes=2)
    data = tiny_models.topics()
    before = {v.path: v.numpy() for v in classifier.pieces(clf)[1].weights}
    history = tlkit.fit(clf, data, phases=(Phase("head", 3, 1e-2, 0), Phase("top", 12, 1e-2, 1)), progress=False)
    moved = {v.path.split("/")[0] for v in classifier.pieces(clf)[1].weights if not np.array_equal(v, before[v.path])}
    assert moved == {"transformer_layer_2"}
    assert history.phases[0]["cut"] == ["pool"]
    assert tlkit.evaluate(clf, data.train).accuracy > 0.7


def test_the_same_seed_gives_the_same_weights() -> None:
    weights = []
    for seed in (3, 3, 4):
        clf = tiny_models.tiny_classifier()
        tlkit.fit(clf, tiny_models.colours(), phases=PHASES[:1], seed=seed, progress=False)
        weights.append(clf.head.get_weights()[0])
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_a_phase_ends_with_its_best_epoch_and_never_worse_than_it_began() -> None:
    clf = tiny_models.tiny_classifier()
    data = tiny_models.colours()
    tlkit.fit(clf, data, phases=(Phase("head", 10, 1e-2, 0),), augment="none", progress=False)
    before = tlkit.evaluate(clf, data.val).loss
    history = tlkit.fit(clf, mislabelled(data), phases=(Phase("head", 2, 1e-2, 0),), augment="none", progress=False)
    assert min(record["val_loss"] for record in history.epochs) > before, "wrong labels were meant to do harm"
    assert tlkit.evaluate(clf, data.val).loss == pytest.approx(before, abs=1e-5)
    assert history.phases[0]["best_epoch"] == 0


def test_patience_ends_a_phase() -> None:
    clf = tiny_models.tiny_classifier()
    tlkit.fit(clf, tiny_models.colours(), phases=(Phase("head", 10, 1e-2, 0),), augment="none", progress=False)
    history = tlkit.fit(
        clf, mislabelled(tiny_models.colours()), phases=(Phase("head", 9, 1e-2, 0),), patience=1, progress=False
    )
    assert history.phases[0]["best_epoch"] == 0 and len(history.epochs) == 2


@pytest.mark.parametrize("first", [2, "all"])
def test_a_phase_that_opens_less_than_one_before_it_sees_what_that_one_learned(first: object) -> None:
    clf, data = tiny_models.tiny_classifier(), tiny_models.colours()
    phases = (Phase("top", 3, 1e-2, first), Phase("head", 2, 1e-3, 0))
    before = {v.path: v.numpy() for v in classifier.pieces(clf)[1].weights}
    history = tlkit.fit(clf, data, phases=phases, augment="none", progress=False)
    assert any(not np.array_equal(v.numpy(), before[v.path]) for v in classifier.pieces(clf)[1].weights)
    best = min(record["val_loss"] for record in history.epochs if record["phase"] == "head")
    assert tlkit.evaluate(clf, data.val).loss == pytest.approx(best, abs=1e-5)
    assert history.phases[0]["cut"] == history.phases[1]["cut"]


def test_learning_rates_rise_and_fall() -> None:
    clf = tiny_models.tiny_classifier()
    phase = (Phase("head", 12, 1e-2, 0),)
    rates = [
        r["learning_rate"]
        for r in tlkit.fit(clf, tiny_models.colours(), phases=phase, patience=12, progress=False).epochs
    ]
    assert rates[0] < max(rates) <= 1e-2 and rates[-1] < 0.2 * max(rates)


def test_progress_prints_a_line_per_epoch(capsys: pytest.CaptureFixture) -> None:
    clf = tiny_models.tiny_classifier()
    tlkit.fit(clf, tiny_models.colours(), phases=PHASES[:1])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[0].startswith("stored features: about ")
    assert lines[1].startswith("frozen base: ")
    assert lines[2].startswith("  head   1/2  loss ") and "val_accuracy" in lines[2]
    assert lines[4].startswith("phase head: 2 epochs in ")


def test_a_weight_that_nothing_depends_on_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the mask token of a pretraining, of which Keras warns."""
    import keras

    class Masked(keras.layers.Layer):
        def build(self, shape: tuple) -> None:
            self.mask_token = self.add_weight(shape=(3,), name="mask_token")

        def call(self, value: Any) -> Any:
            return value

    def masked_dense(features: Any, target: Any, *, hidden: int, dropout: float) -> Any:
        return target.output(Masked(name="masked")(keras.layers.GlobalAveragePooling2D()(features["map"])))

    monkeypatch.setitem(heads.HEADS, "masked_dense", heads.Head("masked_dense", masked_dense, takes=("map",)))
    monkeypatch.setattr(estimate, "WORTH", 0)
    clf = tlkit.classifier(tiny_models.tiny_classifier().spec.backbone, "masked_dense", 2, weights=None)
    before = [weight.numpy() for weight in clf.head.weights]
    history = tlkit.fit(clf, tiny_models.colours(), phases=PHASES[:1])
    moved = [not np.array_equal(a, b) for a, b in zip(before, clf.head.weights, strict=True)]
    assert [weight.path.split("/")[-1] for weight in clf.head.weights] == ["mask_token", "kernel", "bias"]
    assert moved == [False, True, True] and history.phases[0]["best_epoch"] > 0


def test_digits_like_data_are_not_mirrored() -> None:
    assert options.augmentation("auto", "image", flip=False) == Augment(flip=False)
    assert options.augmentation("strong", "image", flip=True).flip
    assert options.augmentation("auto", "text", flip=True) is None


def test_balanced_class_weights() -> None:
    data = tiny_models.colours()
    rare = dataclasses.replace(data.train, labels=np.array([0] * 3 + [1] * 1), items=data.train.items[:4])
    uneven = dataclasses.replace(data, train=rare)
    assert options.class_weights("balanced", uneven) == pytest.approx([4 / 6, 2.0])
    assert options.class_weights({"red": 5}, uneven) == pytest.approx([1.0, 5.0])
    assert options.class_weights(None, uneven) == pytest.approx([1.0, 1.0])


def test_balanced_sampling_draws_every_class_as_often() -> None:
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    drawn = loop._drawn(np.random.default_rng(0), labels)
    assert np.bincount(labels[drawn]) / 1000 == pytest.approx([1 / 3] * 3, abs=0.05)
    assert len(drawn) == 1000 and len(np.unique(drawn)) < 1000
    assert drawn.tolist() == loop._drawn(np.random.default_rng(0), labels).tolist()


def test_balanced_sampling_takes_a_rare_class_for_possible() -> None:
    phases = (Phase("head", 12, 3e-2, 0),)

    def given(sampling: str) -> float:
        data = tiny_models.colours(60)
        rare = np.flatnonzero(data.train.labels == 1)
        kept = np.sort(np.concatenate([np.flatnonzero(data.train.labels == 0), rare[:2]]))
        uneven = dataclasses.replace(data, train=data.train.take(kept))
        clf = tiny_models.spread(tiny_models.tiny_classifier(), data.train.items[:16].astype(np.float32))
        history = tlkit.fit(clf, uneven, phases=phases, sampling=sampling, progress=False)
        assert history.settings["balanced"] is (sampling == "balanced")
        return float(clf.predict(data.val.items, verbose=0)[data.val.labels == 1, 1].mean())

    assert given("balanced") > 0.05 > given("all")


def test_class_weights_and_label_smoothing_change_the_loss() -> None:
    losses = []
    for given in ({}, {"class_weight": {"red": 5.0}}, {"label_smoothing": 0.3}):
        clf = tiny_models.tiny_classifier()
        losses.append(
            tlkit.fit(clf, tiny_models.colours(), phases=PHASES[:1], progress=False, **given).epochs[0]["loss"]
        )
    assert len(set(losses)) == 3


def test_weight_decay_shrinks_kernels_and_spares_biases() -> None:
    layers = []
    for decay in (0.0, 0.5):
        clf = tiny_models.tiny_classifier()
        clf.head.get_layer("probabilities").bias.assign([0.0, 9.0])
        phase = (Phase("head", 20, 1e-2, 0),)
        tlkit.fit(
            clf, tiny_models.colours(), phases=phase, weight_decay=decay, patience=20, augment="none", progress=False
        )
        layers.append(clf.head.get_layer("probabilities"))
    plain, decayed = (np.abs(layer.kernel.numpy()).sum() for layer in layers)
    assert decayed < 0.99 * plain
    assert layers[1].bias.numpy()[1] > 8


def test_an_augmentation_of_ones_own_is_used() -> None:
    def black(batch: object) -> object:
        return batch * 0.0

    clf = tiny_models.tiny_classifier()
    history = tlkit.fit(clf, tiny_models.colours(), phases=PHASES[:1], augment=black, progress=False)
    assert history.settings["augment"].endswith("black")
    assert all(record["accuracy"] <= 0.6 for record in history.epochs)


def test_features_of_an_augmentation_of_ones_own_do_not_stay(stored: Path) -> None:
    def black(batch: object) -> object:
        return batch * 0.0

    data = tiny_models.colours()
    tlkit.fit(tiny_models.tiny_classifier(), data, phases=PHASES[:1], augment=black, progress=False)
    gc.collect()
    kept = [entry.about for entry in disk_cache.entries()]
    assert len(kept) == 1 and f"{len(data.val)} images" in kept[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"augment": "lite"}, "unknown augment 'lite'; did you mean light"),
        ({"batch_size": 0}, "batch_size=0, patience=3, label_smoothing=0.0: give a batch size of 1 or more"),
        ({"label_smoothing": 1.0}, "0 <= label_smoothing < 1"),
        ({"views": 0}, "views=0: give the number of augmented versions"),
        ({"class_weight": "even"}, "class_weight 'even': give 'balanced' or a mapping"),
        ({"sampling": "even"}, "unknown sampling 'even'"),
        ({"sampling": "balanced", "class_weight": "balanced"}, "weighs rare classes twice; give one"),
        ({"class_weight": {"rad": 2}}, "unknown label in class_weight 'rad'; did you mean red"),
        ({"phases": (Phase("top", 1, 1e-3, 9),)}, "tiny has 3 blocks"),
    ],
)
def test_options_that_cannot_be(given: dict, message: str) -> None:
    clf = tiny_models.tiny_classifier()
    with pytest.raises(InputError, match=message):
        tlkit.fit(clf, tiny_models.colours(), progress=False, **{"phases": PHASES[:1], **given})


def test_data_that_do_not_suit_the_classifier() -> None:
    with pytest.raises(InputError, match="tiny takes images, but the data are texts"):
        tlkit.fit(tiny_models.tiny_classifier(), tiny_models.topics())
    with pytest.raises(
        InputError, match=r"has 3 labels \(0, 1, 2\), the data 2 \(dark, red\); build it with data.labels"
    ):
        tlkit.fit(tiny_models.tiny_classifier(3), tiny_models.colours())
    with pytest.raises(InputError, match=r"has 2 labels \(red, dark\), the data 2 \(dark, red\)"):
        tlkit.fit(tiny_models.tiny_classifier(["red", "dark"]), tiny_models.colours())


def test_texts_cannot_be_augmented(tmp_path: Path) -> None:
    clf = tiny_models.text_classifier(tmp_path, classes=2)
    with pytest.raises(InputError, match="augment is for pictures"):
        tlkit.fit(clf, tiny_models.topics(), augment="light")


# === What is stored ===


def trained_on(data: tlkit.Data, **given: object) -> tuple[object, tlkit.History]:
    """Train a new tiny classifier, always from the same weights."""
    clf = tiny_models.tiny_classifier()
    return clf, tlkit.fit(clf, data, **{"phases": PHASES, "progress": False, **given})


def same(one: object, other: object) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def far(one: object, other: object) -> float:
    """Return the largest difference between the trained weights of two classifiers."""
    return max(np.abs(a - b).max() for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_a_second_fit_computes_nothing_and_learns_the_same_bits(stored: Path, capsys: pytest.CaptureFixture) -> None:
    data = tiny_models.colours()
    first, computed = trained_on(data, progress=True)
    assert computed.trunk_examples == 2 * len(data.train) + len(data.val)
    assert f"frozen base: {computed.trunk_examples} examples, computed once" in capsys.readouterr().out
    second, again = trained_on(tiny_models.colours(), progress=True)
    assert again.trunk_examples == 0 and same(first, second)
    assert "frozen base: stored by an earlier run, opened in" in capsys.readouterr().out
    assert not same(first, tiny_models.tiny_classifier())
    _, other = trained_on(data, phases=PHASES[:1], seed=1)
    assert other.trunk_examples == 2 * len(data.train), "the validation split is not augmented"
    assert trained_on(data, phases=(Phase("top", 2, 1e-3, 1),))[1].trunk_examples == computed.trunk_examples


def test_a_damaged_shard_is_computed_again_and_the_same_is_learned(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "BATCH", 4)
    monkeypatch.setattr(extraction, "SHARD", 8)
    data = tiny_models.colours()
    first, _ = trained_on(data, phases=PHASES[:1], augment="none")
    damaged = sorted(stored.glob("*/00001.0-*.npy"))[0]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    second, history = trained_on(data, phases=PHASES[:1], augment="none")
    assert 0 < history.trunk_examples <= 8 and same(first, second)


def test_without_a_budget_features_are_computed_anew_in_every_epoch(
    stored: Path, capsys: pytest.CaptureFixture
) -> None:
    data, none = tiny_models.colours(8), Compute(cache_budget=0)
    kept, _ = trained_on(data, augment="none")
    sizes = [entry.bytes for entry in disk_cache.entries()]
    capsys.readouterr()
    streamed, history = trained_on(data, augment="none", compute=none, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(("  head", "   top", "phase "))] == [
        f"features for unfreeze={blocks} do not fit the cache budget of 0.0 GB: they are computed anew in every epoch"
        for blocks in (2, 0)
    ]
    assert history.trunk_examples == 0 and [phase["stored_bytes"] for phase in history.phases] == [0, 0]
    assert history.settings["choices"]["stores"] == {0: "stream", 2: "stream"}
    assert far(streamed, kept) < 1e-5 < 1e-3 < far(streamed, tiny_models.tiny_classifier())
    assert [entry.bytes for entry in disk_cache.entries()] == sizes, "nothing was stored, and nothing had to go"


def test_as_many_views_as_epochs_are_ordinary_augmentation(stored: Path) -> None:
    data, phase = tiny_models.colours(), PHASES[:1]
    ordinary, _ = trained_on(data, phases=phase, compute=Compute(cache_budget=0))
    one, few = trained_on(data, phases=phase, views=1)
    two, many = trained_on(data, phases=phase, views=2)
    assert (few.settings["views"], many.settings["views"]) == (1, 2)
    assert many.trunk_examples == len(data.train), "the first view was there"
    assert far(two, ordinary) < 1e-5 < 1e-4 < far(one, ordinary)


@pytest.mark.slow
def test_texts_learn_from_a_stream_too(tmp_path: Path, stored: Path) -> None:
    clf = tiny_models.text_classifier(tmp_path / "bert", classes=2)
    phases = (Phase("head", 3, 1e-2, 0), Phase("top", 12, 1e-2, 1))
    data, none = tiny_models.topics(), Compute(cache_budget=0)
    before = tlkit.evaluate(clf, data.train)
    history = tlkit.fit(clf, data, phases=phases, compute=none, progress=False)
    after = tlkit.evaluate(clf, data.train)
    assert history.trunk_examples == 0 and disk_cache.entries() == []
    assert after.loss < 0.8 * before.loss and after.accuracy > 0.7


def test_features_are_stored_as_float16_where_float32_does_not_fit(stored: Path) -> None:
    data = tiny_models.colours()
    wide = (2 * len(data.train) + len(data.val)) * 16 * 4
    full, _ = trained_on(data, phases=PHASES[:1], compute=Compute(cache_budget=wide))
    half, history = trained_on(data, phases=PHASES[:1], compute=Compute(cache_budget=wide - 1))
    assert history.settings["choices"]["stores"] == {0: "float16"} and history.settings["views"] == 2
    assert history.phases[0]["stored_bytes"] == wide // 2
    assert 0 < far(full, half) < 1e-3


# === What is chosen ===


def test_choices_are_recorded_once_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    told, original = [], loop.train

    def train(*arguments: object) -> object:
        assert len(told) == 1
        return original(*arguments)

    monkeypatch.setattr(loop, "train", train)
    keeper = Keeper(None, began=told.append)
    _, history = trained_on(tiny_models.colours(), run_dir=keeper, compute=Compute(cache_budget=10**9))
    assert len(told) == 1 and history.settings["choices"] == told[0]
    assert told[0]["views"] == 2 and told[0]["budget"] == 10**9 and told[0]["stores"] == {2: "float32", 0: "float32"}
    named = {"2": "float32", "0": "float32"}
    assert json.loads(json.dumps(told[0])) == {**told[0], "stores": named, "tails": named}
    json.dumps(history.settings)


def test_a_deterministic_training_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    ordered = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: ordered.append(True))
    monkeypatch.setattr(mixed_precision, "has_units", lambda: True)
    monkeypatch.setattr(mixed_precision, "measure", lambda *_: pytest.fail("it was measured"))
    monkeypatch.setattr(disk_cache, "free", lambda: pytest.fail("free space was asked for"))
    told: list[dict] = []
    keeper = Keeper(None, began=told.append)
    trained_on(tiny_models.colours(), phases=PHASES[:1], compute=Compute(deterministic=True), run_dir=keeper)
    assert ordered == [True]
    needed = told[0].pop("bytes")
    kept = {"precision": "float32", "tails": {0: "float32"}, "views": 2, "stores": {0: "float32"}}
    assert told == [kept | {"budget": auto_choices.FIXED}] and needed


# === Precision ===


def precisions(clf: object) -> set[str]:
    return {layer.dtype_policy.name for layer in clf._flatten_layers()}


def test_bfloat16_trains_float32_weights(monkeypatch: pytest.MonkeyPatch, stored: Path) -> None:
    seen, original = [], loop.train

    def train(tail: object, *arguments: object) -> object:
        seen.append(precisions(tail))
        return original(tail, *arguments)

    monkeypatch.setattr(loop, "train", train)
    data, phases = tiny_models.colours(), (Phase("head", 20, 5e-2, 0), Phase("top", 2, 1e-3, 2))
    clf, history = trained_on(data, phases=phases, augment="none", patience=20, compute=Compute("bfloat16"))
    assert history.settings["choices"]["precision"] == "bfloat16" and history.trunk_examples
    assert all("mixed_bfloat16" in names for names in seen) and len(seen) == 2
    assert precisions(clf) == {"float32"} and {variable.dtype for variable in clf.weights} == {"float32"}
    assert tlkit.evaluate(clf, data.test).accuracy == 1.0


def test_precision_is_restored_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    clf = tiny_models.tiny_classifier()
    monkeypatch.setattr(loop, "train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        tlkit.fit(clf, tiny_models.colours(), phases=PHASES, compute=Compute("bfloat16"), progress=False)
    assert precisions(clf) == {"float32"}


def test_auto_trains_in_what_the_measurement_says(monkeypatch: pytest.MonkeyPatch, stored: Path) -> None:
    monkeypatch.setattr(mixed_precision, "has_units", lambda: True)
    timed, original, seen = [], loop.train, []

    def measure(clf: object, build: object, batch: object) -> str:
        timed.append(build)
        found = build("float32")(batch)
        assert all(np.isfinite(gradient.numpy()) for gradient in found) if len(timed) > 1 else found
        return "float32" if len(timed) == 2 else "bfloat16"

    def train(tail: object, *arguments: object) -> object:
        seen.append(precisions(tail))
        return original(tail, *arguments)

    monkeypatch.setattr(mixed_precision, "measure", measure)
    monkeypatch.setattr(loop, "train", train)
    phases = (
        Phase("head", 1, 1e-2, 0),
        Phase("more", auto_choices.WORTH, 1e-3, 1),
        Phase("top", auto_choices.WORTH, 1e-3, 2),
    )
    _, history = trained_on(tiny_models.colours(), phases=phases, patience=0)
    chosen = history.settings["choices"]
    assert chosen["precision"] == "bfloat16" and chosen["tails"] == {2: "float32", 1: "bfloat16", 0: "float32"}
    assert ["mixed_bfloat16" in names for names in seen] == [False, True, False]
