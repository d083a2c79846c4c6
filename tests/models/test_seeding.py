"""Seeds and determinism: what a block sets is put back when it ends, however it ends."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow.python.framework import config

import tlkit
from tests.helpers import tiny_models
from tlkit.config import Compute, Phase
from tlkit.models import seeding
from tlkit.models.tabular.autoencoder import Pretraining
from tlkit.training import loop

PHASES = (Phase("head", 1, 1e-2, 0),)


class Stopped(Exception):
    """Stands for any error."""


def drawn() -> list[float]:
    """Return the next number of every global random stream."""
    import keras
    import tensorflow as tf

    numbers = [random.random(), np.random.random(), tf.random.uniform(()).numpy(), keras.random.uniform(()).numpy()]
    return [float(number) for number in numbers]


@pytest.fixture(params=[False, True], ids=["new", "drawn from"])
def expected(request: pytest.FixtureRequest) -> Iterator[list[float]]:
    """Seed, and return what is drawn next where nothing comes between, from new streams or from some in use."""
    import keras

    def begun() -> None:
        keras.utils.set_random_seed(7)
        if request.param:
            drawn()

    with seeding.random_states_restored():
        begun()
        found = drawn()
        begun()
        yield found


def spend() -> None:
    """Draw from every stream without seeding."""
    drawn()
    drawn()


def reseed() -> None:
    """Set every seed, to the one that was set before."""
    import keras

    keras.utils.set_random_seed(7)
    spend()


@pytest.mark.parametrize("work", [spend, reseed])
@pytest.mark.parametrize("fails", [False, True])
def test_the_streams_go_on_after_a_block(work: Callable, fails: bool, expected: list[float]) -> None:
    try:
        with seeding.random_states_restored():
            work()
            if fails:
                raise Stopped
    except Stopped:
        pass
    assert drawn() == expected


def test_a_seed_holds_within_a_block(expected: list[float]) -> None:
    found = []
    for _ in range(2):
        with seeding.seeded(3):
            found.append(drawn())
    assert found[0] == found[1] != expected and drawn() == expected


def test_without_a_seed_before_there_is_none_after() -> None:
    import keras
    from tensorflow.python.eager.context import global_seed

    with seeding.random_states_restored():
        before = global_seed(), keras.src.utils.rng_utils.get_random_seed()
        with seeding.seeded(3):
            assert global_seed() == 3 == keras.src.utils.rng_utils.get_random_seed()
        assert (global_seed(), keras.src.utils.rng_utils.get_random_seed()) == before


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_determinism_is_as_before_when_a_block_ends(before: bool, wanted: bool) -> None:
    with seeding.deterministic_operations(before):
        with pytest.raises(Stopped), seeding.deterministic_operations(wanted):
            assert config.is_op_determinism_enabled() is (before or wanted)
            raise Stopped
        assert config.is_op_determinism_enabled() is before
    assert not config.is_op_determinism_enabled()


# === What uses them ===


@pytest.mark.parametrize("fails", [False, True])
def test_a_deterministic_fit_leaves_the_process_as_it_was(
    fails: bool, expected: list[float], stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seeding.random_states_restored():
        clf = tiny_models.tiny_classifier(dropout=0.3)
    seen, original = [], loop.train

    def watched(*given: Any) -> Any:
        seen.append(config.is_op_determinism_enabled())
        reseed()  # as a part of the user's own may
        if fails:
            raise Stopped
        return original(*given)

    monkeypatch.setattr(loop, "train", watched)
    try:
        tlkit.fit(clf, tiny_models.colours(), phases=PHASES, progress=False, compute=Compute(deterministic=True))
    except Stopped:
        assert fails
    assert seen == [True] and not config.is_op_determinism_enabled()
    assert drawn() == expected


def test_a_pretraining_leaves_the_streams(expected: list[float], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(60, 3)).round(3)
    rows = [f"{x},{y},{z},{'ab'[n % 2]}" for n, (x, y, z) in enumerate(numbers)]
    (tmp_path / "a.csv").write_text("x,y,z,label\n" + "\n".join(rows) + "\n")
    data = tlkit.table(tmp_path / "a.csv")
    tlkit.pretrain_autoencoder(data, tmp_path / "kept", how=Pretraining(width=4, epochs=1), progress=False)
    assert drawn() == expected
