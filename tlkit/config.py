"""What a caller chooses: splitting, phases, augmentation, compute and reading. Imports nothing of tlkit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

# === Data ===


@dataclass(frozen=True)
class Splitting:
    """State how examples come to train, val and test, as far as that is not given.

    Args:
        seed: seeds the draw.
        how: "random" draws 15 % of each class for val and for test; "stable" lets an example's side follow from the
            seed and its own (its group's) digest alone, so that adding examples moves none.
        file: a `splits.csv` as a run writes it; it decides for every example.
        group_by: a column of a table, or a pattern (a regular expression) of a file's path; examples that agree in it
            stay on one side.
        near_duplicates: "together" keeps copies and near copies of an example on one side ("stable": copies only);
            "anywhere" draws each on its own.
    """

    seed: int = 0
    how: Literal["random", "stable"] = "random"
    file: str | None = None
    group_by: str | None = None
    near_duplicates: Literal["together", "anywhere"] = "together"


# === Training ===


@dataclass(frozen=True)
class Phase:
    """State one phase of training.

    Args:
        name: what the phase is called in the history and the report.
        epochs: the most passes over the training split; early stopping may end it sooner.
        learning_rate: the peak rate, reached after a short warm-up and followed by cosine decay to zero.
        unfreeze: how many blocks of the backbone train, counted from the top, or "all" for the stem too.
    """

    name: str
    epochs: int
    learning_rate: float
    unfreeze: int | Literal["all"] = 0


TWO_PHASE = (
    Phase("head", epochs=10, learning_rate=1e-3, unfreeze=0),
    Phase("top", epochs=5, learning_rate=1e-4, unfreeze=2),
)


@dataclass(frozen=True)
class Augment:
    """State how far pictures may be changed at random before they reach the model.

    Args:
        flip: mirror left and right, half of the time.
        crop: the largest share of the side that a random crop cuts away (it also zooms in by as much).
        brightness: the largest shift, as a share of the full scale of 255.
        contrast: the largest relative change of the contrast.
    """

    flip: bool = True
    crop: float = 0.1
    brightness: float = 0.1
    contrast: float = 0.1


LIGHT = Augment()
STRONG = Augment(crop=0.35, brightness=0.3, contrast=0.4)


@dataclass(frozen=True)
class Compute:
    """State how training is computed. What is learned changes by rounding, and by fewer views where room is short.

    Args:
        precision: "float32"; "bfloat16" (computes in it and keeps weights in float32); or "auto", the faster of the
            two by short measurements, of the frozen part and of the steps, where there are bfloat16 units.
        cache_budget: bytes that stored features may take on disk, those of earlier runs included, the least recently
            used of which make room. By default a half of what the disk has free; 0 stores nothing.
        deterministic: the same seed gives the same bits on the same machine: operations in a fixed order, and fixed
            rules (float32, 16 GB) in place of choices by clock and free space.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    cache_budget: int | None = None
    deterministic: bool = False


# === Weights ===


# === Backbones ===


@dataclass(frozen=True)
class Reading:
    """State how a split is read.

    Args:
        batch_size: examples in a batch.
        resize: "crop", "pad" or "stretch" (pictures).
        augment: None, an `Augment`, or a callable on a float32 batch of pixels (batch, size, size, 3), 0..255.
        seed: seeds the augmentation, with each example's number and its view.
    """

    batch_size: int = 32
    resize: Literal["crop", "pad", "stretch"] = "crop"
    augment: Augment | Callable | None = None
    seed: int = 0
