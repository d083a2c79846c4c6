"""Measure whether pretraining helps to find entities: MiniLM's own weights against random ones, the same budget.

Data:  the Broad Twitter Corpus (Derczynski, Bontcheva and Roberts, COLING 2016; CC BY 4.0): persons, places and
       organisations in tweets; its folder train_dev_test_conll. Anything that `tlkit.tagged_texts` reads will do.
Run:   python benchmarks/transfer_entities.py train_dev_test_conll --seeds 0,1,2

Each arm trains the same network on the same texts for the same epochs; in "random, all" every layer moves in the second
phase, which is what random weights need. The figure is the entity F1 on the test split, exact in span and type.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time

import keras
import numpy as np

import tlkit

ARMS = {"pretrained": ("pretrained", 2), "random": (None, 2), "random, all": (None, "all")}
SIZE = 64  # tokens of a text


def main() -> None:
    """Train every arm with every seed and print a line for each, then the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder or file of tagged texts")
    parser.add_argument("--texts", type=int, default=1000, help="training texts, drawn by the seed")
    parser.add_argument("--held", type=int, default=500, help="texts of val and of test, the same ones for every seed")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--arms", default=";".join(ARMS), help="separated by semicolons")
    parser.add_argument("--epochs", default="8,4", help="of the head, and of the unfrozen layers")
    options = parser.parse_args()
    whole = tlkit.tagged_texts(options.data)
    print(whole, whole.splitting)
    found: dict[str, list[float]] = {}
    for seed in map(int, options.seeds.split(",")):
        held = {name: drawn(split, options.held, 0) for name, split in whole.splits().items() if name != "train"}
        data = dataclasses.replace(whole, train=drawn(whole.train, options.texts, seed), **held)
        for arm in options.arms.split(";"):
            started = time.perf_counter()
            measured = trained(data, *ARMS[arm], tuple(map(int, options.epochs.split(","))), seed)
            found.setdefault(arm, []).append(measured.f1)
            told = f"F1 {measured.f1:.4f}, words {measured.accuracy:.4f}, loss {measured.loss:.4f}"
            print(f"{arm:<12} seed {seed}: {told}, {time.perf_counter() - started:.0f} s", flush=True)
    for arm, values in found.items():
        told = ", ".join(f"{value:.4f}" for value in values)
        print(f"{arm:<12} mean F1 {statistics.mean(values):.4f} of {len(values)} seeds: {told}")


def drawn(split: tlkit.Split, most: int, seed: int) -> tlkit.Split:
    """Draw so many texts of a split."""
    return split.take(np.sort(np.random.default_rng(seed).permutation(len(split))[:most]))


def trained(
    data: tlkit.Data, weights: str | None, unfreeze: int | str, epochs: tuple[int, int], seed: int
) -> tlkit.EntityReport:
    """Train one arm with one seed and measure it on the test split."""
    keras.utils.set_random_seed(seed)
    clf = tlkit.minilm_entities(data.target, size=SIZE, weights=weights)
    head, top = clf.spec.backbone.phases
    phases = (
        dataclasses.replace(head, epochs=epochs[0]),
        dataclasses.replace(top, epochs=epochs[1], unfreeze=unfreeze),
    )
    tlkit.fit(clf, data, phases=phases, seed=seed, progress=False)
    return tlkit.evaluate(clf, data.test)


if __name__ == "__main__":
    main()
