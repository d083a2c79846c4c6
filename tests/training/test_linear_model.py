"""Linear models against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.training import linear_model
from tlkit.training.linear_model import Linear, Rows


def rows(truths: np.ndarray, features: np.ndarray, weights: np.ndarray | None = None) -> Rows:
    weights = np.ones((len(features), 1), np.float32) if weights is None else weights
    return Rows(features.astype(np.float32), truths.astype(np.float32), weights, np.arange(len(features)))


def classes(count: int = 300, width: int = 5, *, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, width)) * 10.0 ** np.arange(width)
    scores = (features / 10.0 ** np.arange(width)) @ rng.normal(size=(width, 3)) + noise * rng.gumbel(size=(count, 3))
    return features, scores.argmax(axis=1)


def test_without_a_penalty_it_is_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    features, labels = classes(width=3)
    (model,) = linear_model.fitted(rows(np.eye(3)[labels], features), "softmax", [1e6])
    spread = features.std(axis=0)
    theirs = LogisticRegression(C=1e6, max_iter=2000).fit(features / spread, labels).predict_proba(features / spread)
    np.testing.assert_allclose(linear_model.answers(model.scores(features), "softmax"), theirs, atol=1e-2)


def test_tags_are_fitted_one_by_one() -> None:
    features, labels = classes()
    both = np.stack([labels == 0, labels != 1], axis=1)
    (model,) = linear_model.fitted(rows(both, features), "sigmoid", [1.0])
    for number in range(2):
        (alone,) = linear_model.fitted(rows(both[:, [number]], features), "sigmoid", [1.0])
        np.testing.assert_allclose(model.scores(features)[:, [number]], alone.scores(features), atol=0.05)


def test_values_are_ridge_regression() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(1)
    features = rng.normal(size=(50, 80))
    values = features[:, 0] * 3 + rng.normal(size=50) + 7
    mean, scale = linear_model._scaling(features.astype(np.float32))
    theirs = Ridge(alpha=1 / 0.3).fit((features - mean) * scale, values)
    (model,) = linear_model.fitted(rows(values[:, None], features), "identity", [0.3])
    np.testing.assert_allclose(model.scores(features)[:, 0], theirs.predict((features - mean) * scale), atol=1e-3)


def test_more_features_than_rows_are_solved_in_the_space_of_the_rows() -> None:
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(20, 200)), np.arange(20) % 2
    (few,) = linear_model.fitted(rows(np.eye(2)[labels], features), "softmax", [0.1])
    doubled = np.concatenate([features] * 11)  # more rows than features: no detour
    weights = np.full((220, 1), 1 / 11, np.float32)
    (many,) = linear_model.fitted(rows(np.eye(2)[np.tile(labels, 11)], doubled, weights), "softmax", [0.1])
    np.testing.assert_allclose(few.scores(features), many.scores(features), atol=0.02)


def test_weights_count_as_repetitions() -> None:
    features, labels = classes(60, width=1)
    twice = np.concatenate([np.arange(60), np.arange(20)])
    weights = np.where(np.arange(60) < 20, 2.0, 1.0)[:, None].astype(np.float32)
    one = rows(np.eye(3)[labels], features, weights)
    (by_weight,) = linear_model.unscaled(one, "softmax", [0.5])
    (by_rows,) = linear_model.unscaled(rows(np.eye(3)[labels[twice]], features[twice]), "softmax", [0.5])
    np.testing.assert_allclose(by_weight[1], by_rows[1], atol=0.02)
    (control,) = linear_model.unscaled(rows(np.eye(3)[labels], features), "softmax", [0.5])
    assert np.abs(control[1] - by_rows[1]).max() > 0.02


def test_constant_features_are_left_out() -> None:
    features, labels = classes()
    features = np.concatenate([features, np.full((300, 1), 1e6)], axis=1)
    (model,) = linear_model.fitted(rows(np.eye(3)[labels], features), "softmax", [1.0])
    assert (model.kernel[-1] == 0).all() and np.isfinite(model.bias).all()
    (nothing,) = linear_model.fitted(rows(np.eye(3)[labels], np.ones((300, 2))), "softmax", [1.0])
    shares = linear_model.answers(nothing.scores(np.ones((1, 2), np.float32)), "softmax")[0]
    np.testing.assert_allclose(shares, np.bincount(labels) / 300, atol=0.01)


def test_smoothing_makes_answers_less_sure() -> None:
    features, labels = classes(noise=0.0)
    data = rows(np.eye(3)[labels], features)
    sure, smooth = (
        linear_model.answers(next(linear_model.fitted(data, "softmax", [10.0], share)).scores(features), "softmax")
        for share in (0.0, 0.2)
    )
    assert smooth.max(axis=1).mean() < sure.max(axis=1).mean() - 0.05


def test_folds_hold_each_class_evenly() -> None:
    labels = np.repeat([0, 1, 2], [50, 7, 3])
    numbers = linear_model.folds(labels, 5, seed=0)
    assert np.ptp(np.bincount(numbers)) == 0
    assert all(np.ptp(np.bincount(numbers[labels == one], minlength=5)) <= 1 for one in range(3))
    assert (numbers == linear_model.folds(labels, 5, seed=0)).all()
    assert (numbers != linear_model.folds(labels, 5, seed=1)).any()


def test_noise_asks_for_a_strong_penalty_and_order_for_a_weak_one() -> None:
    rng = np.random.default_rng(3)
    features, labels = classes(noise=0.0)
    masks = [np.arange(300) % 5 == fold for fold in range(5)]
    ordered = linear_model.choose(rows(np.eye(3)[labels], features), "softmax", masks)
    noise = linear_model.choose(rows(np.eye(3)[rng.integers(0, 3, 300)], features), "softmax", masks)
    assert noise.strength <= 0.03 < 1.0 <= ordered.strength
    assert ordered.losses[ordered.strength] == min(ordered.losses.values())
    assert noise.losses[noise.strength] > 0.9 * np.log(3), "out of fold nothing is learned of noise"


def test_rows_that_no_fold_holds_out_are_not_judged() -> None:
    features, labels = classes(100)
    masks = [np.arange(100) == 3, np.arange(100) == 4]
    choice = linear_model.choose(rows(np.eye(3)[labels], features), "softmax", masks)
    assert np.flatnonzero(choice.judged).tolist() == [3, 4]
    assert (choice.scores[~choice.judged] == 0).all()


def test_what_check_raises_ends_the_search() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    features, labels = classes(50)
    with pytest.raises(KeyboardInterrupt):
        linear_model.choose(rows(np.eye(3)[labels], features), "softmax", [np.arange(50) < 9], check=stop)


def test_losses_by_hand() -> None:
    data = rows(np.array([[1.0, 0.0]]), np.zeros((1, 1)))
    assert linear_model.mean_loss(np.array([[0.0, 0.0]]), data, "softmax") == pytest.approx(np.log(2))
    assert linear_model.mean_loss(np.array([[2.0, 0.0]]), data, "identity") == pytest.approx(0.5)
    assert Linear(np.ones((1, 2)), np.array([1.0, 2.0])).scores(np.ones((1, 1), np.float32)).tolist() == [[2.0, 3.0]]
