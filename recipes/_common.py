"""What the recipes share: their options, what `--smoke` makes up, and the way from a classifier to its SavedModel."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _smoke

import tlkit


@dataclasses.dataclass(frozen=True)
class Smoke:
    """State what `--smoke` takes in place of real data, the usual size and pretrained weights.

    Args:
        kind: "image" or "text".
        data: makes up examples and their labels.
        size: pixels of a side, or tokens of a text.
        weights: makes up weights; returns None for random ones, or the folder of a preset.
    """

    kind: str
    data: Callable[[], tuple[Any, Any]]
    size: int
    weights: Callable[[], str | None]


PICTURES = Smoke("image", _smoke.pictures, 32, lambda: None)
TEXTS = Smoke("text", _smoke.texts, 16, lambda: _smoke.bert(layers=6))
WRITERS = Smoke("text", _smoke.texts, 32, lambda: None)  # the network is a tiny one
RANDOM_TEXTS = Smoke("text", _smoke.texts, 16, lambda: None)  # the whole network, over single letters


def parse(doc: str, data: str, smoke: Smoke, *, size: int | None = None) -> argparse.Namespace:
    """Read a recipe's command line.

    Args:
        doc: the recipe's docstring.
        data: what is read by default: a folder, a table, or a name such as "tfds:malaria" or "digits".
        smoke: what `--smoke` takes instead.
        size: pixels of a side, or tokens of a text; the backbone's own by default.

    Returns:
        data, size, weights, out, seed, and smoke: None or what was given.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--data", default=data, help="a folder with a folder per class, a table, or tfds:NAME")
    parser.add_argument("--size", type=int, default=size, help="pixels of a side, or tokens of a text")
    parser.add_argument("--weights", default="pretrained", help="a file or folder, where they cannot be fetched")
    parser.add_argument("--out", default=f"runs/{Path(sys.argv[0]).stem}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="made-up data, random weights, seconds")
    options = parser.parse_args()
    options.smoke = smoke if options.smoke else None
    if options.smoke:
        options.size, options.weights = smoke.size, smoke.weights()
    return options


def read(options: argparse.Namespace, task: str = "label") -> tlkit.Data:
    """Fix the seed of everything that is random, and read the data, or make some up."""
    import keras

    keras.utils.set_random_seed(options.seed)
    if options.smoke is None:
        return tlkit.read(options.data, seed=options.seed, task=task)
    if task != "label":
        return _smoke.written(options.data, task)
    if options.data.startswith("tfds:"):
        return _smoke.tfds(options.data, *options.smoke.data())
    return tlkit.arrays(*options.smoke.data())


def finish(
    clf: Any,
    data: tlkit.Data,
    options: argparse.Namespace,
    phases: Sequence[tlkit.Phase] | None = None,
    batch_size: int = 32,
) -> None:
    """Train, measure on the test split, and export; by default in the backbone's own phases."""
    phases, compute = phases or clf.spec.backbone.phases, None
    if options.smoke:  # what a clock says of seconds decides nothing
        phases = [dataclasses.replace(phase, epochs=1) for phase in phases]
        compute = tlkit.Compute(precision="float32")
    print(data)
    history = tlkit.fit(clf, data, phases=phases, batch_size=batch_size, seed=options.seed, compute=compute)
    report = tlkit.evaluate(clf, data.test, history=history, notes=(data.splitting,))
    print(report)
    tlkit.export(clf, options.out, report=report, data=data, history=history, overwrite=True)
    print(f"SavedModel: {options.out}/saved_model/1")
