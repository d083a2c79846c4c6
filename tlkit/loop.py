"""Train a tail on stored features: batches, schedule, early stopping, best weights."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.spec import Phase
from tlkit.store import Store

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

STEPS_PER_CALL = 64  # steps in one call into TensorFlow: few enough that Ctrl-C is heard
START = 0.1  # of the peak learning rate; from nothing at all the first step would be wasted
WARM_UP = 0.1  # share of the steps over which the learning rate rises to its peak


@dataclass(frozen=True, eq=False)
class Options:
    """Group what `fit` was asked for and every phase needs.

    Args:
        batch_size: examples per step.
        patience: epochs without a better validation loss before a phase ends.
        class_weight: float32 (classes,), the weight of each class's examples in the loss.
        weight_decay: decoupled (AdamW), on kernels only.
        label_smoothing: share of each target spread over all classes.
        seed: of the data order and of dropout.
    """

    batch_size: int
    patience: int
    class_weight: np.ndarray
    weight_decay: float
    label_smoothing: float
    seed: int


def train(
    tail: keras.Model, phase: Phase, stores: tuple[Store, Store], options: Options, tell: Callable[[dict], None]
) -> tuple[list[dict], int]:
    """Train one phase and leave the tail with the weights of its best epoch.

    The best epoch is the one of the lowest validation loss; the state before the phase counts as epoch 0, so a phase
    never ends worse than it began.

    Args:
        tail: stored features -> probabilities; its trainable variables are trained.
        phase: epochs and learning rate.
        stores: the training and the validation features.
        options: see `Options`.
        tell: called with the record of every epoch.

    Returns:
        A record per epoch (phase, epoch from 1, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds), and
        the number of the best epoch.
    """
    training, validation = stores
    _seed_dropout(tail, options.seed)
    optimizer = _optimizer(tail, phase, len(training.labels), options)
    step, score = _compiled(tail, optimizer, options)
    best, best_epoch, best_weights = score(validation)[0], 0, _weights(tail)
    records: list[dict] = []
    for epoch in range(1, phase.epochs + 1):
        started = time.perf_counter()
        rate = float(optimizer.learning_rate)
        loss, accuracy = step(training, epoch, _order(len(training.labels), options, phase, epoch))
        val_loss, val_accuracy = score(validation)
        record = {"phase": phase.name, "epoch": epoch, "loss": loss, "accuracy": accuracy, "val_loss": val_loss}
        record |= {"val_accuracy": val_accuracy, "learning_rate": rate, "seconds": time.perf_counter() - started}
        records.append(record)
        tell(record)
        if val_loss < best:
            best, best_epoch, best_weights = val_loss, epoch, _weights(tail)
        if epoch - best_epoch > options.patience or not np.isfinite(loss):
            break
    for variable, value in zip(tail.trainable_variables, best_weights, strict=True):
        variable.assign(value)
    return records, best_epoch


def _weights(tail: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in tail.trainable_variables]


def _order(examples: int, options: Options, phase: Phase, epoch: int) -> np.ndarray:
    """Return the order of the examples in an epoch, from the seed, the phase and the epoch alone."""
    return np.random.default_rng([options.seed, *phase.name.encode(), epoch]).permutation(examples)


def _seed_dropout(tail: keras.Model, seed: int) -> None:
    for number, layer in enumerate(tail._flatten_layers()):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign(np.array([seed, number], dtype=generator.state.dtype))


def _optimizer(tail: keras.Model, phase: Phase, examples: int, options: Options) -> keras.optimizers.Optimizer:
    """Build AdamW under a linear warm-up and cosine decay to zero."""
    import keras

    steps = phase.epochs * -(-examples // options.batch_size)
    warm = max(1, int(steps * WARM_UP))
    peak = phase.learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(
        START * peak, max(1, steps - warm), warmup_target=peak, warmup_steps=warm
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=options.weight_decay)
    optimizer.exclude_from_weight_decay(var_list=[v for v in tail.trainable_variables if len(v.shape) < 2])
    optimizer.build(tail.trainable_variables)
    return optimizer


def _losses(labels: tf.Tensor, probabilities: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Return the cross-entropy of each example, in nats: (batch,)."""
    import keras
    import tensorflow as tf

    targets = tf.one_hot(labels, probabilities.shape[-1])
    return keras.losses.categorical_crossentropy(targets, probabilities, label_smoothing=smoothing)


def _compiled(tail: keras.Model, optimizer: Any, options: Options) -> tuple[Callable, Callable]:
    """Compile the training of one epoch and the scoring of a store."""
    import tensorflow as tf

    variables = tail.trainable_variables
    weights = tf.constant(options.class_weight, tf.float32)

    @tf.function(reduce_retracing=True)
    def steps(arrays: list, labels: tf.Tensor, order: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        total, right = tf.constant(0.0), tf.constant(0.0)
        for index in order:
            truth = tf.gather(labels, index)
            with tf.GradientTape() as tape:
                given = tail([tf.gather(array, index) for array in arrays], training=True)
                each = _losses(truth, given, options.label_smoothing) * tf.gather(weights, truth)
                loss = tf.reduce_mean(each)
            optimizer.apply(tape.gradient(loss, variables), variables)
            total += tf.reduce_sum(each)
            right += _right(given, truth)
        return total, right

    answers = tf.function(lambda arrays: tail(list(arrays), training=False), reduce_retracing=True)
    tensors = functools.cache(_tensors)

    def step(store: Store, epoch: int, order: np.ndarray) -> tuple[float, float]:
        arrays, labels = tensors(store, (epoch - 1) % len(store.views))
        sums = [steps(arrays, labels, tf.constant(part)) for part in _calls(order, options.batch_size)]
        return tuple(float(sum(part)) / len(order) for part in zip(*sums, strict=True))

    def score(store: Store) -> tuple[float, float]:
        arrays, labels = tensors(store, 0)
        size = max(256, options.batch_size)
        given = tf.concat([answers([a[i : i + size] for a in arrays]) for i in range(0, len(labels), size)], 0)
        return float(tf.reduce_mean(_losses(labels, given, 0.0))), float(_right(given, labels)) / len(labels)

    return step, score


def _right(probabilities: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return tf.reduce_sum(tf.cast(tf.equal(tf.argmax(probabilities, -1), labels), tf.float32))


def _tensors(store: Store, view: int) -> tuple[list[tf.Tensor], tf.Tensor]:
    import tensorflow as tf

    return [tf.constant(array) for array in store.views[view]], tf.constant(store.labels, tf.int64)


def _calls(order: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Cut an epoch's order into calls (steps, batch); the incomplete last batch is a call of its own."""
    whole = len(order) // batch_size * batch_size
    rows = order[:whole].reshape(-1, batch_size)
    for i in range(0, len(rows), STEPS_PER_CALL):
        yield rows[i : i + STEPS_PER_CALL]
    if whole < len(order):
        yield order[None, whole:]
