"""Computing in bfloat16 where the processor gains from it: the choice, by a short measurement, and the switch."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tlkit.errors import unknown
from tlkit.models import keras_graph
from tlkit.models.classifier import pieces
from tlkit.tasks.targets import OUTPUTS

if TYPE_CHECKING:
    import keras

PRECISIONS = ("auto", "float32", "bfloat16")
UNITS = {"avx512_bf16", "amx_bf16"}  # what Linux calls processors' bfloat16 instructions
REPEATS, ENOUGH = 3, 0.3  # calls that are timed, and seconds after which no more are
GAIN = 1.15  # how much faster bfloat16 has to be; within less a measurement of a second may err


def check(precision: str) -> None:
    """Raise InputError for a name that is no precision."""
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)


def has_units() -> bool:
    """Tell whether the machine computes in bfloat16 by itself: a GPU, or a processor with instructions for it."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU")) or not UNITS.isdisjoint(" ".join(_processor()).split())


def machine() -> list[Any]:
    """Describe what a measurement depends on: the GPUs, the processor, and how many cores may be used."""
    import tensorflow as tf

    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [gpus, [line for line in _processor() if "MHz" not in line], cores]  # the clock differs from look to look


def _processor() -> list[str]:
    """Return what Linux says of the first core."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return file.read().partition("\n\n")[0].splitlines()
    except OSError:
        return []


@contextlib.contextmanager
def computing(clf: keras.Model, precision: str) -> Iterator[None]:
    """Let the layers of a classifier compute in a precision inside the block; their weights stay float32.

    A layer that gives the answer, or has a precision of its own, keeps it. Of nested blocks the inner one decides.
    """
    _, backbone, head = pieces(clf)
    policy = _policy(precision)
    layers = [layer for piece in (backbone, head) for layer in keras_graph.layers(piece) if _switchable(layer)]
    kept = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = policy
        yield
    finally:
        for layer, before in zip(layers, kept, strict=True):
            layer.dtype_policy = before


@functools.cache
def _policy(precision: str) -> keras.DTypePolicy:
    """Return the policy that stands for a precision, always the same object: no layer has it by itself."""
    import keras

    return keras.DTypePolicy("float32" if precision == "float32" else f"mixed_{precision}")


def _switchable(layer: Any) -> bool:
    """Tell whether the precision of a layer may be switched: it computes in float32, or an outer block switched it."""
    import keras

    softmax = getattr(layer, "activation", None) is keras.activations.softmax
    policy = layer.dtype_policy
    return (policy.name == "float32" or policy is _policy("bfloat16")) and not softmax and layer.name not in OUTPUTS


def measure(clf: keras.Model, build: Callable[[str], Callable], batch: Any) -> str:
    """Choose the precision in which a part of a classifier is faster.

    Args:
        clf: the classifier.
        build: makes the function to time, for a precision, within a block of that.
        batch: what it takes.

    Returns:
        "bfloat16" where it is clearly faster, else "float32".
    """
    seconds = {}
    for precision in ("float32", "bfloat16"):
        with computing(clf, precision):
            seconds[precision] = _seconds(build(precision), batch)
    return "bfloat16" if seconds["float32"] > GAIN * seconds["bfloat16"] else "float32"


def _seconds(run: Callable, batch: Any) -> float:
    """Return the shortest time of a few calls, or of the only one where it is long, after one that compiles."""
    import tensorflow as tf

    run(batch)
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < ENOUGH:
        started = time.perf_counter()
        for tensor in tf.nest.flatten(run(batch)):
            tensor.numpy()
        times.append(time.perf_counter() - started)
    return min(times)
