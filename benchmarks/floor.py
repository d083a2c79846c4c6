"""Time the floor: one bare pass of the frozen part over the data, decoding included, plus the bare tail steps.

Frozen BatchNorm is folded, texts are trimmed to their batch, each part computes in the precision that tlkit's run
chose; no validation, no schedule, no audit, nothing on disk: what any scheme that computes the frozen part once has to
pay. Beside it, `forward_seconds`: one bare forward pass over pictures that are already decoded, compiled beforehand, in
that precision and in float32.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import measure
import numpy as np
import workloads

BATCH = TRUNK_BATCH = 32
AT_ONCE = 2  # batches in the frozen part, as in tlkit: with one, small products leave cores idle
WINDOW = 16  # batches' worth of texts among which those of like length go together


def main() -> None:
    """Run one step."""
    job = measure.job(__doc__)
    from tlkit.cli import hush

    hush()
    import keras

    from tlkit import unfreeze
    from tlkit.features import frontier, mixed_precision

    keras.utils.set_random_seed(job.seed)
    workload, data = workloads.WORKLOADS[job.workload], workloads.data(job)
    clf = workloads.classifier(workload, list(data.labels))
    opened, cuts = (0, workload.unfreeze), []
    for blocks in opened:
        unfreeze(clf, blocks)
        cuts.append(frontier.find(clf))
    epochs, seconds, (base, tails) = [], [], precisions(job)
    with measure.Memory() as memory:
        started = time.perf_counter()
        train, val = (by_length(clf, split) for split in (data.train, data.val))
        with mixed_precision.computing(clf, base):
            stored = frozen(clf, cuts[::-1], (train, val))[::-1]
        seconds.append(time.perf_counter() - started)
        for phase, arrays in enumerate(stored):
            began = time.perf_counter()
            unfreeze(clf, opened[phase])
            with mixed_precision.computing(clf, tails[phase]):
                tail = Tail(clf, cuts[phase], arrays, train, workload.rates[phase])
                times = [tail.epoch() for _ in range(job.epochs[phase])]
            epochs += [{"phase": phase, "epoch": number, **found} for number, found in enumerate(times, 1)]
            seconds.append(time.perf_counter() - began)
        total = time.perf_counter() - started
    setup, *seconds = seconds
    seconds[0] += setup
    extra = {"precision": base, "tails": tails, "forward_seconds": {}}
    for kind in dict.fromkeys((base, "float32")) if workload.kind == "image" else ():
        with mixed_precision.computing(clf, kind):
            extra["forward_seconds"][kind] = forward(clf, cuts[::-1], (train, val))
    sizes = {"train": len(train.split), "val": len(val.split)}
    run = measure.Run("floor", sizes, epochs, seconds, total, memory, setup_seconds=setup, extra=extra)
    measure.write(job, run)


def precisions(job: argparse.Namespace) -> tuple[str, list[str]]:
    """Return what tlkit's run computed in, the frozen part and each phase's steps; float32 where it was not run."""
    path = job.results / f"{job.workload}-tlkit-0.json"
    if not path.exists():
        return "float32", ["float32", "float32"]
    chosen = json.loads(path.read_text("utf-8"))["extra"]["settings"]["choices"]
    blocks = ("0", str(workloads.WORKLOADS[job.workload].unfreeze))
    return chosen["precision"], [chosen["tails"][depth] for depth in blocks]


# === The frozen part ===


def trunk(clf: Any, cuts: Sequence[Any]) -> Any:
    """Compile the way from the raw input through every cut, from the lowest to the highest."""
    import tensorflow as tf

    from tlkit.features import frontier

    starts = [None, *cuts[:-1]]
    parts = [frontier.segment(clf, start, end, folded=True) for start, end in zip(starts, cuts, strict=True)]

    @tf.function(input_signature=[tf.TensorSpec(clf.inputs[0].shape, clf.inputs[0].dtype)])
    def run(value: Any) -> list[list[Any]]:
        reached = []
        for part, cut in zip(parts, cuts, strict=True):
            value = part(value, training=False)
            value = list(value) if isinstance(value, list | tuple) else [value]
            value = [tf.cast(given, tensor.dtype) for given, tensor in zip(value, cut.tensors, strict=True)]
            reached.append(value)
        return reached

    return run


@dataclasses.dataclass(frozen=True)
class Ordered:
    """Hold a split in the order of its examples' lengths, and these, int64 (n,); None where all are of one size."""

    split: Any
    lengths: np.ndarray | None


def by_length(clf: Any, split: Any) -> Ordered:
    """Sort texts by their tokens, those of one length mixed, so that a batch holds little padding; not pictures."""
    from tlkit import Split
    from tlkit.models.classifier import pieces

    lengths = clf.spec.input.lengths(pieces(clf)[0], split.items)
    if lengths is None:
        return Ordered(split, None)
    mixed = np.random.default_rng(0).permutation(len(split))
    order = mixed[np.argsort(lengths[mixed], kind="stable")]
    return Ordered(Split([split.items[number] for number in order], split.labels[order]), lengths[order])


def read(clf: Any, split: Any) -> Any:
    """Read a split in order, in batches."""
    from tlkit.config import Reading

    return clf.spec.input.batches(split, Reading(TRUNK_BATCH, clf.spec.resize, None, 0))


def frozen(clf: Any, cuts: Sequence[Any], splits: Sequence[Ordered]) -> list[list[np.ndarray]]:
    """Run the trunk over train and val; return the arrays of train at each cut."""
    run = trunk(clf, cuts)
    kept: list[list[list[np.ndarray]]] = [[[] for _ in cut.tensors] for cut in cuts]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for batches in groups(batch for part in splits for batch in read(clf, part.split)):
            for reached in pool.map(run, batches):
                for place, tensors in zip(kept, reached, strict=True):
                    for arrays, tensor in zip(place, tensors, strict=True):
                        arrays.append(tensor.numpy())
    own = -(-len(splits[0].split) // TRUNK_BATCH)  # val was computed, but no bare step needs it
    return [[stack(arrays[:own]) for arrays in place] for place in kept]


def groups(batches: Iterable[Any]) -> Iterator[list[Any]]:
    """Hand out as many batches as run at once."""
    waiting = iter(batches)
    while group := list(itertools.islice(waiting, AT_ONCE)):
        yield group


def stack(parts: list[np.ndarray]) -> np.ndarray:
    """Join batches; where their other axes differ (texts that were trimmed), pad with zeros."""
    shape = np.max([part.shape[1:] for part in parts], axis=0)
    joined = np.zeros((sum(map(len, parts)), *shape), parts[0].dtype)
    done = 0
    for part in parts:
        joined[(slice(done, done + len(part)), *map(slice, part.shape[1:]))] = part
        done += len(part)
    return joined


def forward(clf: Any, cuts: Sequence[Any], splits: Sequence[Ordered]) -> float:
    """Return the seconds of one pass of the trunk over train and val, decoded beforehand."""
    run = trunk(clf, cuts)
    decoded = [batch for part in splits for batch in read(clf, part.split)]
    run(decoded[0])  # compiles it
    started = time.perf_counter()
    for batch in decoded:
        run(batch)
    return time.perf_counter() - started


# === The tail ===


class Tail:
    """Train what comes after a cut on arrays in memory, with AdamW at one rate.

    Args:
        clf: the classifier, what trains in it as `trainable` stands.
        cut: where the arrays were taken.
        arrays: the features of train, (n, ...) per tensor of the cut.
        train: the split they are of.
        rate: the learning rate.
    """

    def __init__(self, clf: Any, cut: Any, arrays: list[np.ndarray], train: Ordered, rate: float) -> None:
        import tensorflow as tf

        from tlkit.features import frontier

        self.model, self.train = frontier.segment(clf, cut, None), train
        self.arrays, self.labels = [tf.constant(array) for array in arrays], tf.constant(train.split.labels)
        self.ragged = [None in tensor.shape[1:] for tensor in cut.tensors]
        self.step = self._compiled(rate)

    def _compiled(self, rate: float) -> Any:
        import keras
        import tensorflow as tf

        variables = self.model.trainable_variables
        optimizer = keras.optimizers.AdamW(rate)
        optimizer.build(variables)

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.int64), tf.TensorSpec((), tf.int64)])
        def step(index: tf.Tensor, longest: tf.Tensor) -> None:
            given = [tf.gather(array, index) for array in self.arrays]
            given = [part[:, :longest] if cut else part for part, cut in zip(given, self.ragged, strict=True)]
            with tf.GradientTape() as tape:
                answer = self.model(given, training=True)
                each = keras.losses.sparse_categorical_crossentropy(tf.gather(self.labels, index), answer)
                loss = tf.reduce_mean(each)
            optimizer.apply(tape.gradient(loss, variables), variables)

        return step

    def epoch(self) -> dict[str, float]:
        """Train one epoch; return its seconds and its start-up."""
        clock = measure.Steps()
        for index in self._batches():
            longest = 0 if self.train.lengths is None else self.train.lengths[index].max()
            self.step(index, longest)
            clock.step()
        return {"seconds": time.perf_counter() - clock.ends[0], "startup": clock.startup()}

    def _batches(self) -> list[np.ndarray]:
        """Draw an epoch's batches; where something is ragged, neighbours of a window go together, as in tlkit."""
        order = np.random.permutation(len(self.labels))
        if any(self.ragged):
            width = WINDOW * BATCH
            order = np.concatenate([np.sort(order[i : i + width]) for i in range(0, len(order), width)])
        return [order[i : i + BATCH] for i in range(0, len(order), BATCH)]


if __name__ == "__main__":
    main()
