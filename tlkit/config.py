"""Configuration that callers choose: splitting, phases, augmentation, compute and reading. Imports nothing of tlkit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

# === Data ===


@dataclass(frozen=True)
class Splitting:
    """The way examples are split into train, val and test, unless the data set is split already.

    Args:
        seed: seed of the random split.
        how: "random" draws 15 % of every class for val and for test; "stable" decides by the seed and the digest of
            the example (or of its group) alone, so that adding examples moves none of the others.
        file: a `splits.csv` as a run writes it, which decides for every example.
        group_by: a column of a table, or a regular expression for file paths; examples with the same value stay in one
            split.
        near_duplicates: "together" keeps exact and near duplicates in one split ("stable": exact ones only);
            "anywhere" splits them independently.
    """

    seed: int = 0
    how: Literal["random", "stable"] = "random"
    file: str | None = None
    group_by: str | None = None
    near_duplicates: Literal["together", "anywhere"] = "together"


# === Training ===


@dataclass(frozen=True)
class Phase:
    """One phase of training.

    Args:
        name: the name of the phase in the history and the report.
        epochs: the maximum number of passes over the training split; early stopping may end the phase sooner.
        learning_rate: the peak rate, reached after a short warm-up and followed by cosine decay to zero.
        unfreeze: the number of blocks of the backbone to train, counted from the top, or "all" for the stem too.
        solve: solve a linear head on the frozen backbone exactly, its penalty chosen by cross-validation, instead of
            taking gradient steps. A head that is not linear takes gradient steps until it has converged: at least
            `epochs` epochs, and about 1,000 steps.
    """

    name: str
    epochs: int
    learning_rate: float
    unfreeze: int | Literal["all"] = 0
    solve: bool = False


TWO_PHASE = (
    Phase("head", epochs=10, learning_rate=1e-3, unfreeze=0),
    Phase("top", epochs=5, learning_rate=1e-4, unfreeze=2),
)


@dataclass(frozen=True)
class Augment:
    """Random changes of pictures before they reach the model.

    Args:
        flip: mirror left and right, half of the time.
        crop: the largest share of the side that a random crop removes (it also zooms in by as much).
        brightness: the largest shift, as a share of the full scale of 255.
        contrast: the largest relative change of contrast.
    """

    flip: bool = True
    crop: float = 0.1
    brightness: float = 0.1
    contrast: float = 0.1


LIGHT = Augment()
STRONG = Augment(crop=0.35, brightness=0.3, contrast=0.4)


@dataclass(frozen=True)
class Compute:
    """The way training is computed. Results change by rounding only, and by fewer views if disk space is short.

    Args:
        precision: "float32"; "bfloat16" (computes in it and keeps weights in float32); or "auto", the faster of the
            two as measured on the frozen part and on training steps, on machines with bfloat16 units.
        cache_budget: bytes that stored features may take on disk, including those of earlier runs; the least recently
            used are deleted to make room. By default half of the free disk space; 0 stores nothing.
        deterministic: the same seed gives the same bits on the same machine: operations run in a fixed order, and
            fixed rules (float32, 16 GB) replace choices by measured time and free space.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    cache_budget: int | None = None
    deterministic: bool = False


# === Reading ===


@dataclass(frozen=True)
class Reading:
    """The way a split is read.

    Args:
        batch_size: examples in a batch.
        resize: "crop", "pad" or "stretch" (pictures).
        augment: None, an `Augment`, or a callable on a float32 batch of pixels (batch, size, size, 3), 0..255.
        seed: seed of the augmentation, combined with the number of the example and of its view.
    """

    batch_size: int = 32
    resize: Literal["crop", "pad", "stretch"] = "crop"
    augment: Augment | Callable | None = None
    seed: int = 0
