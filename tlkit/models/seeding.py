"""Seed and determinism for the length of a block: what is global to the process is put back when the block ends."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np

KERAS = ("global_random_seed", "global_seed_generator")  # what keras.utils.set_random_seed sets besides the others


@contextlib.contextmanager
def random_states_restored() -> Iterator[None]:
    """Put the global random states of Python, NumPy, TensorFlow and Keras back at the end of a block.

    What follows draws the numbers it would have drawn without the block. The exception is a TensorFlow operation that
    was given a seed: its stream starts again where the block sets TensorFlow's global seed or draws from it.
    """
    python, numbers = random.getstate(), np.random.get_state()
    with _tensorflow_restored(), _keras_restored():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numbers)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python, NumPy, TensorFlow and Keras for the length of a block."""
    import keras

    with random_states_restored():
        keras.utils.set_random_seed(seed)
        yield


@contextlib.contextmanager
def deterministic_operations(wanted: bool = True) -> Iterator[None]:
    """Make TensorFlow's operations deterministic for the length of a block, where that is wanted.

    The switch is one for the whole process; where it was on before the block, it stays on.
    """
    import tensorflow as tf
    from tensorflow.python.framework import config  # tf.config can neither read the switch nor turn it off

    switched = wanted and not config.is_op_determinism_enabled()
    if switched:
        tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        if switched:
            config.disable_op_determinism()


@contextlib.contextmanager
def _tensorflow_restored() -> Iterator[None]:
    """Put TensorFlow's global seed back, and the generator that draws the seeds of operations without one."""
    import tensorflow as tf
    from tensorflow.python.eager.context import context

    eager = context()
    seed, generator = eager._seed, getattr(eager, "_rng", None)  # there is no generator before the first seed
    state = None if generator is None else generator.getstate()
    try:
        yield
    finally:
        if getattr(eager, "_rng", None) is not generator or (generator is not None and generator.getstate() != state):
            tf.random.set_seed(seed)  # which also drops the kernels that stand in the middle of a stream
        if generator is not None:
            eager._rng = generator
            generator.setstate(state)


@contextlib.contextmanager
def _keras_restored() -> Iterator[None]:
    """Put Keras's global seed back, and the generator that is used where no seed is given."""
    from keras.src.backend.common import global_state

    before = {name: global_state.get_global_attribute(name) for name in KERAS}
    generator = before["global_seed_generator"]
    state = None if generator is None else generator.state.numpy()
    try:
        yield
    finally:
        for name, value in before.items():
            global_state.set_global_attribute(name, value)
        if generator is not None:
            generator.state.assign(state)
