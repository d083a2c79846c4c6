"""Wrong labels among made-up features and real digits: what is found, what is left alone, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import tlkit
from tlkit.doctor import diagnose, label_errors
from tlkit.errors import DataError, InputError
from tlkit.models import classifier

Arrays = tuple[np.ndarray, np.ndarray]


def clusters(count: int = 600, classes: int = 4, width: int = 32, *, apart: float = 1.5, seed: int = 0) -> Arrays:
    """Return features (count, width) around one centre for each class, and the true labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = rng.normal(size=(classes, width)) * apart
    return (rng.normal(size=(count, width)) + centres[labels]).astype(np.float32), labels


def changed(labels: np.ndarray, share: float, seed: int = 0) -> Arrays:
    """Return the labels with a share of them moved to any other class, and the numbers of these, sorted."""
    rng, wrong, classes = np.random.default_rng(seed), labels.copy(), labels.max() + 1
    which = np.sort(rng.permutation(len(labels))[: round(share * len(labels))])
    wrong[which] = (labels[which] + rng.integers(1, classes, len(which))) % classes
    return wrong, which


def shares(found: label_errors.Suspects, which: np.ndarray) -> tuple[float, float]:
    """Return which share of the suspects was changed, and which share of the changed was found."""
    hits = np.isin(found.numbers, which).sum()
    return hits / len(found), hits / len(which)


# === What is found ===


@pytest.mark.parametrize("share", [0.02, 0.1])
@pytest.mark.parametrize("classes", [2, 5])
def test_finds_most_of_the_wrong_labels_whatever_their_share(classes: int, share: float) -> None:
    features, labels = clusters(classes=classes)
    given, which = changed(labels, share)
    found = label_errors.find(features, given)
    right, recall = shares(found, which)
    assert right >= 0.9
    assert recall >= 0.8
    assert share / 2 <= found.rate <= 1.2 * share


def test_says_which_class_it_prefers_and_how_surely() -> None:
    features, labels = clusters()
    given, which = changed(labels, 0.05)
    found = label_errors.find(features, given)
    hits = np.isin(found.numbers, which)
    assert (found.suggested[hits] == labels[found.numbers[hits]]).mean() > 0.95
    assert (found.suggested != given[found.numbers]).all()
    assert (found.margins < 0).all()
    assert (found.margins >= -1).all()
    assert (found.chances > 0.5).all()
    assert (np.diff(found.chances) <= 0).all()
    assert [array.dtype.str[1:] for array in (found.numbers, found.suggested, found.margins)] == ["i8", "i8", "f8"]
    assert len(found) == len(found.numbers) == len(found.suggested) == len(found.margins) == len(found.chances)
    assert found.judged == len(labels)


@pytest.mark.parametrize("share", [0, 0.05])
def test_real_digits(share: float) -> None:
    digits = load_digits()
    given, which = changed(digits.target, share)
    found = label_errors.find(digits.data.astype(np.float32), given)
    assert abs(found.rate - share) < 0.015
    if share:
        assert min(shares(found, which)) > 0.85
    else:
        assert len(found) <= 2


# === What is left alone ===


@pytest.mark.parametrize("apart", [0.2, 0.5, 1.5])
def test_right_labels_are_left_alone_however_hard_the_classes(apart: float) -> None:
    features, labels = clusters(apart=apart)
    assert len(label_errors.find(features, labels)) <= 2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_features_that_say_nothing_of_the_labels_make_none_suspect(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = label_errors.find(rng.normal(size=(400, 20)), rng.integers(0, 5, 400))
    assert (len(found), found.rate) == (0, 0.0)


def test_examples_far_out_are_not_taken_for_wrong_labels() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 2000)
    features = rng.standard_t(3, size=(2000, 30)) + rng.normal(size=(5, 30))[labels] * 0.25
    assert len(label_errors.find(features, labels)) <= 2


def test_a_constant_feature_does_no_harm() -> None:
    features, labels = clusters()
    given, which = changed(labels, 0.05)
    found = label_errors.find(np.concatenate([features, np.ones((len(features), 3))], axis=1), given)
    assert min(shares(found, which)) > 0.8


# === Classes and copies ===


def test_small_classes_are_left_out_and_labels_may_be_any_integers() -> None:
    features, labels = clusters()
    given, which = changed(labels, 0.05)
    names = np.array([7, 3, 40, 11])[given]
    names[:3] = [1, 2, 2]  # a class of one example, one of two
    names[3:6] = 5  # and one of three, which is judged
    found = label_errors.find(features, names)
    assert found.judged == len(labels) - 3
    assert not np.isin(found.numbers, [0, 1, 2]).any()
    assert not np.isin(found.suggested, [1, 2]).any()
    which = which[which > 5]
    assert np.isin(which, found.numbers).mean() > 0.8


def copied(groups: bool) -> tuple[label_errors.Suspects, np.ndarray]:
    """Search where one example under a wrong label stands ten times; return what is found, and these numbers."""
    features, labels = clusters(count=400, width=300, apart=0.5)
    labels, _ = changed(labels, 0.05)
    labels[200], copies = (labels[0] + 1) % 4, np.arange(200, 210)
    features[copies], labels[copies] = features[0], labels[200]
    numbers = np.arange(400)
    numbers[copies] = 0
    return label_errors.find(features, labels, groups=np.char.mod("g%d", numbers) if groups else None), copies


def test_copies_do_not_vouch_for_each_other_in_one_group() -> None:
    found, copies = copied(groups=True)
    assert np.isin(copies, found.numbers).all()
    found, copies = copied(groups=False)
    assert not np.isin(copies, found.numbers).any()


def test_a_class_of_copies_only_is_left_out() -> None:
    features, labels = clusters(classes=3)
    labels[:20] = 3
    groups = np.arange(len(labels))
    groups[:20] = np.arange(20) % 2
    assert label_errors.find(features, labels, groups=groups).judged == len(labels) - 20


def test_an_example_of_a_class_that_its_model_has_not_seen_is_not_judged() -> None:
    features, labels = clusters(classes=3)
    first, rest = np.flatnonzero(labels == 2), np.flatnonzero(labels < 2)
    rows, rng = np.arange(len(labels)), np.random.default_rng(0)
    answers = label_errors._answers(
        features, rows, labels, [(rest, first), (np.r_[first, rest[:200]], rest[200:])], rng
    )
    assert np.isnan(answers.margins[first]).all()
    assert np.isfinite(answers.margins[rest[200:]]).all()
    answers = label_errors._answers(features, rows, labels, [(first, rest)], rng)
    assert np.isnan(answers.margins).all()


# === Order, seeds and size ===


def test_same_seed_same_answer() -> None:
    features, labels = clusters(apart=0.7)
    given, _ = changed(labels, 0.1)
    first, again, other = (label_errors.find(features, given, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.numbers, again.numbers)
    np.testing.assert_array_equal(first.margins, again.margins)
    assert not np.array_equal(first.margins, other.margins)


def test_nothing_is_written_into_what_was_given() -> None:
    features, labels = clusters()
    features.flags.writeable = labels.flags.writeable = False
    label_errors.find(features, labels)


def test_large_data_is_fitted_on_in_part_and_judged_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clusters()
    given, which = changed(labels, 0.05)
    given[:3], sizes, original = 4, [], label_errors._fit

    def fit(part: np.ndarray, classes: np.ndarray) -> object:
        sizes.append((len(part), len(np.unique(classes))))
        return original(part, classes)

    monkeypatch.setattr(label_errors, "MAX_FITTED", 60)
    monkeypatch.setattr(label_errors, "CHUNK", 7)
    monkeypatch.setattr(label_errors, "_fit", fit)
    found = label_errors.find(features, given)
    assert sizes == [(60, 5)] * 3
    assert found.judged == len(labels)
    assert np.isin(which[which > 2], found.numbers).mean() > 0.7


def test_the_size_of_a_chunk_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clusters(apart=0.7)
    given, _ = changed(labels, 0.1)
    whole = label_errors.find(features, given)
    monkeypatch.setattr(label_errors, "CHUNK", 7)
    parts = label_errors.find(features, given)
    np.testing.assert_array_equal(whole.numbers, parts.numbers)
    np.testing.assert_allclose(whole.margins, parts.margins, atol=1e-6)


def test_a_model_that_has_not_settled_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_errors, "MAX_SOLVER_STEPS", 2)
    features, labels = clusters()
    given, which = changed(labels, 0.05)
    assert shares(label_errors.find(features, given), which)[0] > 0.8


# === What is refused ===


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda x, y: (x[:, None], y, None),
            "features are float32 (600, 1, 32); give floats (examples, width), pooled",
        ),
        (lambda x, y: (x.astype(int), y, None), "features are int64 (600, 32); give floats"),
        (lambda x, y: (x[:0], y[:0], None), "features are float32 (0, 32); give floats"),
        (lambda x, y: (x, y[:-1], None), "labels are int64 (599,); give one integer for each of the 600 rows"),
        (lambda x, y: (x, y.astype(float), None), "labels are float64 (600,); give one integer for each"),
        (lambda x, y: (x, y, y[:5]), "groups have the shape (5,); give one for each of the 600 examples"),
    ],
)
def test_shapes_and_types_are_checked(change: Callable, expected: str) -> None:
    features, labels, groups = change(*clusters())
    with pytest.raises(InputError) as caught:
        label_errors.find(features, labels, groups=groups)
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_must_be_finite(value: float) -> None:
    features, labels = clusters()
    features[[5, 9], 3] = value
    with pytest.raises(DataError) as caught:
        label_errors.find(features, labels)
    assert str(caught.value) == (
        "the features of 2 examples are not finite, first of number 5; "
        "leave these examples out, or check the weights that made them"
    )


@pytest.mark.parametrize(("labels", "count"), [([0] * 9, "1 of 1"), ([0] * 7 + [1, 2], "1 of 3"), (range(9), "0 of 9")])
def test_two_classes_are_needed(labels: list[int], count: str) -> None:
    with pytest.raises(DataError) as caught:
        label_errors.find(np.ones((9, 2), np.float32), np.array(labels))
    assert str(caught.value) == (
        "wrong labels are found only among two or more classes with at least 3 different examples each; "
        f"{count} are so large: add examples, or leave out the search for wrong labels"
    )


# === A real network ===


def meets(data: object, clf: object, least: float, found: float) -> None:
    """Hold what is found of 5 % changed labels against its bars; the module's docstring has the figures."""
    pre, splits = classifier.pieces(clf)[0], data.splits().values()
    lengths = [clf.spec.input.lengths(pre, split.items) for split in splits]
    features = [diagnose._vectors(clf, split, own, False) for split, own in zip(splits, lengths, strict=True)]
    features = np.concatenate(features)
    labels = np.concatenate([split.labels for split in data.splits().values()])
    assert len(label_errors.find(features, labels)) <= 0.002 * len(labels)
    for seed in range(3):
        given, which = changed(labels, 0.05, seed)
        right, recall = shares(label_errors.find(features, given), which)
        assert right >= least and recall >= found


@pytest.mark.slow
def test_photos(shared: Path) -> None:
    data = tlkit.image_folder(shared / "trashnet")
    meets(data, tlkit.classifier("efficientnet_lite0", "pool_dense", data.labels), 0.6, 0.45)


@pytest.mark.all
def test_questions(shared: Path) -> None:
    data = tlkit.text_table(shared / "text" / "banking77_train.csv")
    meets(data, tlkit.classifier("minilm_l6", "mean_dense", data.labels, size=64), 0.6, 0.6)
