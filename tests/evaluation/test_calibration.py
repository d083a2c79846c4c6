"""Calibration: figures by hand, the one number that mends probabilities, and that the exported model carries it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.errors import InputError
from tlkit.evaluation import calibration
from tlkit.tasks import targets

TRUTH = np.array([0, 0, 1, 1, 0])
ANSWERS = np.array([[0.9, 0.1], [0.95, 0.05], [0.9, 0.1], [0.3, 0.7], [0.2, 0.8]])


def drawn(n: int, by: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return n truths of three classes drawn from probabilities, and the answers of a model that is off by `by`."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, 3)) * 2
    real = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    truth = (real.cumsum(1) > rng.uniform(size=(n, 1))).argmax(1)
    return truth, calibration.scaled(real, 1 / by)


# === Figures ===


def test_bins_and_ece_by_hand() -> None:
    found = calibration.bins(TRUTH, ANSWERS)
    assert [(group["examples"], group["accuracy"]) for group in found] == [(1, 1.0), (1, 0.0), (2, 0.5), (1, 1.0)]
    assert [group["confidence"] for group in found] == pytest.approx([0.7, 0.8, 0.9, 0.95])
    assert (found[0]["from"], found[0]["to"]) == (10 / 15, 11 / 15)
    assert calibration.ece(TRUTH, ANSWERS) == pytest.approx((0.3 + 0.8 + 2 * 0.4 + 0.05) / 5)


def test_a_certain_answer_belongs_to_the_last_group() -> None:
    (group,) = calibration.bins(np.array([0]), np.array([[1.0, 0.0]]))
    assert group["to"] == 1 and calibration.ece(np.array([0]), np.array([[1.0, 0.0]])) == 0


def test_coverage_by_hand() -> None:
    found = {row["threshold"]: (row["coverage"], row["accuracy"]) for row in calibration.coverage(TRUTH, ANSWERS)}
    assert found[0.0] == (1.0, 0.6) and found[0.8] == (0.8, 0.5) and found[0.95] == (0.2, 1.0)
    assert found[0.99] == (0.0, None)


# === Temperature ===


@pytest.mark.parametrize("by", [0.4, 3.0])
def test_the_temperature_is_found(by: float) -> None:
    truth, answers = drawn(4000, by)
    found = calibration.temperature(truth, answers)
    assert found == pytest.approx(by, rel=0.08)
    mended = calibration.scaled(answers, found)
    assert calibration.ece(truth, mended) < 0.03 < calibration.ece(truth, answers)
    assert np.array_equal(mended.argmax(1), answers.argmax(1))


def test_what_is_right_by_chance_is_left() -> None:
    truth, answers = drawn(4000, 1.0)
    assert calibration.temperature(truth, answers) == 1.0
    assert sum(calibration.temperature(*drawn(12, 1.5, seed)) == 1 for seed in range(10)) >= 8, "12 tell nothing yet"
    assert calibration.temperature(*drawn(2000, 1.5)) == pytest.approx(1.5, rel=0.08)


def test_all_right_makes_nothing_certain() -> None:
    answers = np.tile([0.8, 0.2], (20, 1))
    found = calibration.temperature(np.zeros(20, int), answers)
    assert calibration.scaled(answers, found)[0, 0] == pytest.approx(21 / 22, abs=1e-3)


def test_facts_know_what_was_before() -> None:
    truth, answers = drawn(500, 3.0)
    now = calibration.facts(truth, calibration.scaled(answers, 3.0), 3.0)
    then = calibration.facts(truth, answers, 1.0)
    assert now["temperature"] == 3.0 and then["ece"] == then["ece_before"]
    assert now["ece_before"] == pytest.approx(then["ece"]) and now["loss_before"] == pytest.approx(then["loss_before"])
    assert now["ece"] < now["ece_before"]


# === Models ===


@pytest.fixture(scope="module")
def unsure() -> tuple[object, tlkit.Data]:
    """Return a classifier whose scores are far too small, and data it is right about."""
    data = tiny_models.colours(each=60)
    clf = tiny_models.tiny_classifier(data.labels)
    head = clf.head.get_layer("probabilities")
    features = clf.base(data.train.items.astype(np.float32), training=False)["map"].numpy().mean((1, 2))
    means = [features[data.train.labels == number].mean(0) for number in (0, 1)]
    towards = (means[1] - means[0]) / np.square(means[1] - means[0]).sum()
    middle = (means[0] + means[1]) / 2 @ towards
    head.set_weights([np.stack([-towards, towards], 1) * 0.2, np.array([middle, -middle]) * 0.2])
    return clf, data


def test_calibrate_changes_probabilities_and_no_answer(unsure: tuple) -> None:
    clf, data = unsure
    before = tlkit.evaluate(clf, data.test)
    assert clf.spec.target.temperature == 1 and before.calibration["ece"] > 0.2 and before.accuracy == 1
    found = tlkit.calibrate(clf, data.val)
    after = tlkit.evaluate(clf, data.test)
    assert found < 0.5 and clf.spec.target.temperature == found
    assert np.allclose(after.probabilities, calibration.scaled(before.probabilities, found), atol=1e-5)
    assert after.accuracy == before.accuracy and after.calibration["ece"] < before.calibration["ece"] / 2
    assert after.calibration["ece_before"] == pytest.approx(before.calibration["ece"], abs=1e-4)
    assert after.calibration["loss_before"] == pytest.approx(before.loss, abs=1e-4) and after.loss < before.loss
    assert tlkit.calibrate(clf, data.val) == 1, "once is enough"
    assert clf.spec.target.temperature == found


def test_scores_of_words_are_divided_too(tmp_path: Path) -> None:
    import tensorflow as tf

    clf, data = tiny_models.text_classifier(tmp_path, classes=2, words=True), tiny_models.topics(60)
    dense, words = clf.head.get_layer("probabilities"), clf.head.get_layer("words")
    table, kernel, idf = words.table.numpy(), dense.kernel.numpy(), words.idf.numpy()
    texts = tf.constant(data.test.items)
    before = clf(texts, training=False).numpy()
    by = tlkit.calibrate(clf, data.val)
    assert by > 1.2, "nothing would be proved"
    assert np.allclose(clf(texts, training=False).numpy(), calibration.scaled(before, by), atol=1e-4)
    assert np.array_equal(words.table, table / np.float32(by)) and np.array_equal(words.idf, idf)
    words.table.assign(table)
    assert not np.allclose(clf(texts, training=False).numpy(), calibration.scaled(before, by), atol=1e-2)
    assert np.array_equal(dense.kernel, kernel / np.float32(by))


def test_training_puts_an_end_to_it(unsure: tuple) -> None:
    clf, data = unsure
    tlkit.calibrate(clf, data.val)
    tlkit.fit(clf, data, phases=[tlkit.Phase("head", 1, 1e-4)], augment="none", progress=False)
    assert clf.spec.target.temperature == 1


@pytest.mark.parametrize("target", [tlkit.Tags(("a", "b")), tlkit.Value(("price",))])
def test_what_is_not_calibrated(target: targets.Target) -> None:
    clf = tiny_models.tiny_classifier(target)
    with pytest.raises(InputError, match="only a classifier of tlkit with one label for each example"):
        tlkit.calibrate(clf, tiny_models.colours().val)


def test_a_head_with_an_end_of_its_own_is_refused() -> None:
    import keras

    own = tlkit.Head("own", lambda features, target, **_: keras.layers.Flatten()(features["map"]), ("map",))
    clf = tlkit.classifier(tiny_models.tiny_classifier().spec.backbone, own, 2, weights=None)
    with pytest.raises(InputError, match=r"head 'own' has no dense layer 'probabilities'; close it with"):
        tlkit.calibrate(clf, tiny_models.colours().val)


def test_it_needs_examples(unsure: tuple) -> None:
    clf, data = unsure
    with pytest.raises(InputError, match=r"the split has no examples to calibrate on; give data\.val"):
        tlkit.calibrate(clf, data.val.take(np.arange(0)))


@pytest.mark.slow
def test_the_exported_model_carries_it(unsure: tuple, tmp_path: Path) -> None:
    clf, data = unsure
    layer = clf.head.get_layer("probabilities")
    layer.set_weights([weight / 10 for weight in layer.get_weights()])  # whatever other tests did: unsure again
    pixels = data.test.items.astype(np.float32)
    before = clf(pixels, training=False).numpy().max(1)
    tlkit.calibrate(clf, data.val)
    expected = clf(pixels, training=False).numpy().max(1)
    assert not np.allclose(before, expected, atol=0.1), "nothing would be proved"
    artifact = tlkit.export(clf, tmp_path / "out", report=tlkit.evaluate(clf, data.test))
    assert np.allclose([each.probability for each in artifact.predict(data.test.items)], expected, atol=1e-5)
    assert artifact.facts["target"] == {"name": "label", "temperature": clf.spec.target.temperature}
    assert artifact.spec.target == clf.spec.target and artifact.facts["parity"]["max_difference"] <= 1e-5
    again = tlkit.evaluate(artifact.model, data.test)
    assert again.calibration["ece"] == pytest.approx(artifact.report.calibration["ece"], abs=1e-5)
    silent = artifact.predict(data.test.items, threshold=float(np.median(expected)))
    assert 0 < sum(each.label is None for each in silent) < len(silent)
    assert all((each.label is None) == (each.probability < np.median(expected)) for each in silent)
    with pytest.raises(InputError, match="threshold=2: give a probability, 0 to 1, to a model of one label"):
        artifact.predict(data.test.items, threshold=2)
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.all
def test_figures_on_five_seeds(shared: Path) -> None:
    """Rubbish sorted by a frozen efficientnet_lite0: ECE on the test split before and after."""
    for seed in range(5):
        data = tlkit.image_folder(shared / "trashnet", seed=seed)
        clf = tlkit.efficientnet_lite0_pool_dense(data.labels)
        phases = [tlkit.Phase("head", 10, 1e-3)]
        tlkit.fit(clf, data, phases=phases, augment="none", seed=seed, progress=False)
        before = tlkit.evaluate(clf, data.test)
        found = tlkit.calibrate(clf, data.val)
        after = tlkit.evaluate(clf, data.test)
        told = [before.calibration["ece"], after.calibration["ece"], before.loss, after.loss, after.accuracy, found]
        print(seed, " ".join(f"{figure:.4f}" for figure in told))
        assert after.accuracy == before.accuracy and np.array_equal(after.confusion, before.confusion)
        assert after.calibration["ece"] <= before.calibration["ece"] + 1e-9
