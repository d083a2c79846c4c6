"""What a quality makes of a backbone's schedule."""

from __future__ import annotations

import pytest

from tlkit.config import TWO_PHASE, Phase
from tlkit.errors import InputError
from tlkit.training import schedules


def test_fast_is_the_head_alone() -> None:
    (head,) = schedules.phases(TWO_PHASE, "fast", 100, 500)
    assert head.solve and head.unfreeze == 0


@pytest.mark.parametrize(("epoch_steps", "epochs"), [(100, 5), (20, 8), (1, 150)])
def test_good_trains_blocks_for_enough_steps(epoch_steps: int, epochs: int) -> None:
    head, top = schedules.phases(TWO_PHASE, "good", epoch_steps, 500)
    assert head.solve and not top.solve
    assert (top.epochs, top.unfreeze, top.learning_rate) == (epochs, 2, 1e-4)


def test_few_examples_to_judge_by_leave_the_second_phase_out() -> None:
    assert len(schedules.phases(TWO_PHASE, "good", 10, schedules.MIN_JUDGES - 1)) == 1
    assert len(schedules.phases(TWO_PHASE, "good", 10, schedules.MIN_JUDGES)) == 2


def test_models_without_a_head_of_their_own_keep_their_schedule() -> None:
    assert schedules.adapts(TWO_PHASE) and not schedules.adapts((Phase("top", 3, 3e-4, 1),))


def test_patience_counts_steps() -> None:
    assert (schedules.patience(3, 100), schedules.patience(3, 2)) == (3, 12)


def test_a_typo_is_named() -> None:
    with pytest.raises(InputError, match="unknown quality 'fats'; did you mean fast"):
        schedules.check("fats")
