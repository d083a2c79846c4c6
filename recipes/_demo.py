"""What recipes/demo.py does with each of its two jobs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import _smoke

import tlkit
from tlkit.cli import hush
from tlkit.config import Reading

# digits look nothing like photos: the head alone is weak, and the top stages need a large rate to move
DIGITS = (tlkit.Phase("head", 10, 1e-3, 0), tlkit.Phase("top", 8, 1e-3, 3))

# a stranger's process: nothing of tlkit, only TensorFlow (and the tokenizer's operations)
STRANGER = """
import sys, tensorflow as tf
if sys.argv[2] == "texts":
    import tensorflow_text
    given = sys.argv[3:]
else:
    given = [open(name, "rb").read() for name in sys.argv[3:]]
model = tf.saved_model.load(sys.argv[1])
answer = model.signatures["serving_default"](tf.constant(given))
assert "tlkit" not in sys.modules
for label, share in zip(answer["label"].numpy(), answer["top_k_probabilities"].numpy()):
    print(f"    {label.decode()}  {share[0]:.3f}")
"""


@dataclasses.dataclass(frozen=True)
class Job:
    """State one half of the demonstration: its data, how its classifier is built, and its phases."""

    data: tlkit.Data
    build: Callable[[str | None], Any]
    phases: Sequence[tlkit.Phase] | None


def job(name: str, seed: int) -> Job:
    """Return the real job: digits with EfficientNet-lite0, or BBC News with MiniLM."""
    if name == "pictures":
        data = tlkit.digits(seed=seed)
        return Job(data, lambda w: tlkit.efficientnet_lite0_pool_dense(data.labels, size=96, weights=w), DIGITS)
    data = tlkit.bbc_news(seed=seed)
    return Job(data, lambda w: tlkit.minilm_classifier(data.labels, weights=w), None)


def smoke(name: str) -> Job:
    """Return a job on made-up data that takes seconds."""
    short = (tlkit.Phase("head", 1, 1e-3, 0), tlkit.Phase("top", 1, 1e-4, 2))
    if name == "pictures":
        data = tlkit.arrays(*_smoke.pictures())
        return Job(data, lambda w: tlkit.efficientnet_lite0_pool_dense(data.labels, size=32, weights=None), short)
    data = tlkit.arrays(*_smoke.texts())
    return Job(data, lambda w: tlkit.minilm_classifier(data.labels, size=16, weights=_smoke.bert(6)), short)


def show(name: str, job: Job, out: str, seed: int, *, scratch: bool) -> None:
    """Train, measure, compare, export, and ask the exported model in a fresh process."""
    hush()
    import keras

    keras.utils.set_random_seed(seed)
    print(f"\n=== {name}: {job.data}")
    clf = job.build("pretrained")
    history = tlkit.fit(clf, job.data, phases=job.phases, seed=seed)
    report = tlkit.evaluate(clf, job.data.test, history=history, notes=(job.data.splitting,))
    print(f"\n{report}\n")
    print(f"test accuracy  {report.accuracy:.4f}  pretrained, {_steps(history)}, {history.seconds:.0f} s")
    linear = tlkit.baseline(job.data)
    print(f"               {linear.accuracy:.4f}  {linear.notes[0]}, {linear.seconds:.0f} s")
    if scratch:
        _scratch(job, clf, seed)
    tlkit.export(clf, out, report=report, data=job.data, history=history, overwrite=True)
    _ask(name, job.data.test, out)


def _steps(history: tlkit.History) -> str:
    """Name the phases that the model's weights come from."""
    names = [phase["name"] for phase in history.phases if phase["best_epoch"]]
    return " and ".join(names) + (", fitted again to train and val" if history.refit else "")


def open_all(clf: Any) -> None:
    """Let every layer train, BatchNormalization too."""
    for part in clf.layers:  # `clf` itself is trainable already, and Keras passes on only what changes
        part.trainable = True


def _scratch(job: Job, clf: Any, seed: int) -> None:
    """Train the same network from random weights, all of it open, for as many epochs: what transfer brings.

    In plain Keras, because tlkit keeps BatchNormalization frozen, which random weights would not forgive.
    """
    import tensorflow as tf

    epochs = sum(phase.epochs for phase in job.phases or clf.spec.backbone.phases)
    started = time.perf_counter()
    fresh = job.build(None)
    open_all(fresh)
    fresh.compile("adam", "sparse_categorical_crossentropy")
    split = job.data.train
    examples = fresh.spec.input.batches(split, Reading(resize=fresh.spec.resize)).unbatch()
    labelled = tf.data.Dataset.zip(examples, tf.data.Dataset.from_tensor_slices(split.labels)).cache()
    fresh.fit(labelled.shuffle(len(split), seed=seed).batch(32).prefetch(2), epochs=epochs, verbose=0)
    figure = tlkit.evaluate(fresh, job.data.test).accuracy
    seconds = time.perf_counter() - started
    print(f"               {figure:.4f}  random weights, all of it trained, {epochs} epochs, {seconds:.0f} s")


def _ask(name: str, split: tlkit.Split, out: str) -> None:
    """Hand three raw test examples to the SavedModel in a process that imports TensorFlow alone."""
    items = [split.items[number] for number in (0, len(split) // 2, len(split) - 1)]
    if name == "pictures":
        import keras

        paths = [f"{out}/example_{number}.png" for number in range(len(items))]
        for path, pixels in zip(paths, items, strict=True):
            keras.utils.save_img(path, pixels.reshape(*pixels.shape[:2], -1), scale=False)
        items = paths
    print(f"\n{out}/saved_model/1 in a fresh process, {name} in, labels out:", flush=True)
    shown = subprocess.run(
        [sys.executable, "-c", STRANGER, f"{out}/saved_model/1", name, *items],
        check=True,
        capture_output=True,
        text=True,
    )
    print(shown.stdout, end="")
