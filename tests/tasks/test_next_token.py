"""The target of models that write: its loss and figure against arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.errors import InputError
from tlkit.tasks import next_token, predictions

ONES = np.ones(1, np.float32)
LOGITS = np.log(np.array([[[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]] * 2, np.float32))
TRUTH = np.array([[-1, 1, 0, -1], [0, -1, -1, -1]])


def test_the_loss_is_the_mean_over_the_tokens_of_the_reply() -> None:
    target = next_token.Reply(size=4)
    expected = [-(np.log(0.8) + np.log(0.3)) / 2, -np.log(0.7)]
    assert np.asarray(target.losses(TRUTH, LOGITS, 0.0, ONES)) == pytest.approx(expected, rel=1e-5)
    assert float(target.hits(TRUTH, LOGITS)) == pytest.approx(0.5 + 1.0)


def test_what_has_no_reply_costs_nothing() -> None:
    target = next_token.Summary(size=4)
    assert np.asarray(target.losses(np.full((2, 4), -1), LOGITS, 0.0, ONES)).tolist() == [0.0, 0.0]
    assert (target.name, target.labels, target.shape, target.facts()) == ("summary", ("summary",), (4,), {"size": 4})


def test_what_is_answered_beyond_the_truth_does_not_count() -> None:
    told = np.asarray(next_token.Reply(size=2).losses(np.array([[1, 2], [0, -1]]), LOGITS, 0.0, ONES))
    assert told == pytest.approx([-(np.log(0.2) + np.log(0.1)) / 2, -np.log(0.7)], rel=1e-5)


def test_predictions_hold_text_and_what_was_not_read() -> None:
    given = {"text": np.array(["hé\n you".encode(), b"\xff"], object), "dropped": np.array([0, 3])}
    first, second = next_token.Reply().predictions(given)
    assert first == predictions.TextPrediction("hé\n you", 0) and str(first) == "hé you"
    assert second.text == "\ufffd" and second.dropped == 3


@pytest.mark.parametrize("given", [{"labels": ()}, {"labels": ("a", "b")}, {"size": 0}])
def test_targets_that_cannot_be(given: dict) -> None:
    with pytest.raises(InputError, match="give one name and at least one token"):
        next_token.Reply(**given)
