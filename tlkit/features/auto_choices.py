"""What is chosen before the first step, by measurement or by free space, once, and then written down."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tlkit.config import Compute
from tlkit.errors import InputError, RunError
from tlkit.features import disk_cache, extraction, frontier, mixed_precision
from tlkit.models import cache_keys
from tlkit.utils import digests, schema

if TYPE_CHECKING:
    import keras

SHARE = 0.5  # of the disk's free space that stored features may take
FIXED = 16 * 10**9  # bytes, where no choice may depend on free space
VIEWS = 4  # augmented versions stored of each picture: each costs a pass over the data
HALF = 2  # bytes of a float16
WORTH = 50  # training steps from which on a measurement of a few of them pays
KINDS = ("float32", "float16", "stream")
# of choices in JSON, as `schema.mismatches` takes it
FORM = {
    "precision": Literal["float32", "bfloat16"], "tails": {"*": Literal["float32", "bfloat16"]}, "views": int,
    "stores": {"*": Literal["float32", "float16", "stream"]}, "budget": int, "bytes": int,
}  # fmt: skip


@dataclass(frozen=True)
class Choices:
    """Hold what was chosen.

    Args:
        precision: what the frozen part computes in, "float32" or "bfloat16".
        tails: for each phase's `unfreeze`, what its training steps compute in.
        views: augmented versions stored of each training example.
        stores: for each phase's `unfreeze`, how features are kept: "float32", "float16" or "stream".
        budget: bytes that stored features may take.
        bytes: what those of this training take, about.
    """

    precision: str
    tails: Mapping[int | str, str]
    views: int
    stores: Mapping[int | str, str]
    budget: int
    bytes: int

    @classmethod
    def of(cls, told: Mapping[str, Any], depths: Sequence[int | str]) -> Choices:
        """Read what was written down as JSON, whose keys are all strings.

        Args:
            told: the fields.
            depths: every `unfreeze` of the training.

        Raises:
            RunError: they are not those of such a training.
        """
        fault = next(schema.mismatches(told, FORM), None)
        names = {str(depth) for depth in depths}
        if fault or set(told) != set(FORM) or not set(told["tails"]) == set(told["stores"]) == names:
            raise RunError(
                f"the checkpoint's choices are damaged ({fault or 'they are of other phases'}); start anew in another "
                f"directory"
            )
        by_depth = {name: {depth: told[name][str(depth)] for depth in depths} for name in ("tails", "stores")}
        return cls(**{**told, **by_depth})


def check(compute: Compute) -> None:
    """Raise InputError for settings that cannot be."""
    mixed_precision.check(compute.precision)
    budget = compute.cache_budget
    if budget is not None and (not isinstance(budget, int) or budget < 0):
        raise InputError(f"cache_budget={budget!r}: give a number of bytes, 0 or more, or None for half the free disk")


def budget(compute: Compute) -> int:
    """Return how many bytes stored features may take."""
    if compute.cache_budget is not None:
        return compute.cache_budget
    return FIXED if compute.deterministic else int(disk_cache.free() * SHARE)


def stores(
    sizes: Mapping[int | str, tuple[int, int]], examples: tuple[int, int], views: Sequence[int], limit: int
) -> tuple[int, dict[int | str, str], int]:
    """Choose how many views are stored, and how the features of each cut are.

    First as little as possible is computed anew in every epoch; then as many views as are wanted come before float32: a
    half of the bits costs less accuracy than a half of the augmentation.

    Args:
        sizes: for each cut the bytes of an example: as float32, and as float16.
        examples: in the training and in the validation split.
        views: numbers of views that will do, the best first.
        limit: bytes that may be taken.

    Returns:
        The views, "float32", "float16" or "stream" for each cut, and the bytes they take.
    """
    training, validation = examples
    plans = []
    for count in views:
        copies = count * training + validation
        for how in product(KINDS, repeat=len(sizes)):
            needed = [widths[KINDS.index(kind)] * copies for kind, widths in zip(how, sizes.values(), strict=True)
                      if kind != "stream"]  # fmt: skip
            if sum(needed) <= limit:
                plans.append((count, dict(zip(sizes, how, strict=True)), sum(needed)))

    def worth(plan: tuple[int, dict, int]) -> tuple:
        kinds = list(plan[1].values())
        return -kinds.count("stream"), -views.index(plan[0]), kinds.count("float32"), -plan[2]

    return max(plans, key=worth)


def example_bytes(cut: frontier.Cut, lengths: np.ndarray | None) -> tuple[int, int]:
    """Return what the features of an average example take, in bytes: as float32, and as float16."""
    length = 1.0 if lengths is None else float(np.mean(lengths))
    wide = narrow = 0.0
    for tensor in cut.tensors:
        count = np.prod([length if side is None else side for side in tensor.shape[1:]])
        width = np.dtype(tensor.dtype).itemsize
        wide += count * width
        narrow += count * (HALF if tensor.dtype == "float32" else width)
    return int(np.ceil(wide)), int(np.ceil(narrow))


def numeric(compute: Compute, clf: keras.Model, cut: frontier.Cut, batch: Any) -> str:
    """Choose the precision of the frozen part: as asked; measured where there are bfloat16 units; else float32.

    Args:
        compute: what was asked for.
        clf: the classifier.
        cut: the highest one, so that most of the network is measured.
        batch: raw examples to measure on, from a function that reads them.
    """
    if compute.precision != "auto":
        return compute.precision
    if compute.deterministic or not mixed_precision.has_units():
        return "float32"
    about = {"frozen part": cache_keys.functions(frontier.parts(clf, None, cut), values=False)}
    return remembered(
        about, lambda: mixed_precision.measure(clf, lambda numbers: extraction.trunk(clf, [cut], numbers), batch())
    )


def remembered(about: Mapping[str, Any], measured: Callable[[], str]) -> str:
    """Return what an earlier training measured of the same on this machine, or measure and write it down.

    A measurement takes seconds, and where the two are close another one might choose the other, so that nothing of what
    is stored would be found again.

    Args:
        about: what is measured.
        measured: measures it.
    """
    import keras
    import tensorflow as tf

    versions = [keras.__version__, tf.__version__, os.environ.get("TF_ENABLE_ONEDNN_OPTS")]
    key = digests.combined({**about, "machine": mixed_precision.machine(), "versions": versions})
    if (known := disk_cache.recall(key)) in mixed_precision.PRECISIONS:
        return known
    found = measured()
    with contextlib.suppress(RunError):  # a folder that cannot be written costs a measurement, not the training
        disk_cache.remember(key, found)
    return found


def tails(
    compute: Compute, steps: Mapping[int | str, int], measured: Callable[[int | str], str]
) -> dict[int | str, str]:
    """Choose the precision of the training steps: as asked, measured where there are bfloat16 units, or float32.

    It is a choice of its own: where bfloat16 makes the frozen part of EfficientNet-lite0 1.8 times as fast, it makes
    training its upper stages 1.8 times as slow (AMD EPYC with AVX512-BF16).

    Args:
        compute: what was asked for.
        steps: for each `unfreeze` the planned steps through layers of the backbone.
        measured: chooses the faster one for an `unfreeze`, which takes seconds.
    """
    if compute.precision != "auto":
        return dict.fromkeys(steps, compute.precision)
    units = not compute.deterministic and mixed_precision.has_units()
    return {depth: measured(depth) if units and count >= WORTH else "float32" for depth, count in steps.items()}
