"""Train a tail on stored features: batches, schedule, early stopping, best weights."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.spec import Phase
from tlkit.store import Features

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SCORED = 64  # examples scored at a time
WINDOW = 16  # batches among which examples of like length are brought together
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
        balanced: whether an epoch draws as many examples of each class, some again and some not at all, instead of
            taking each once.
    """

    batch_size: int
    patience: int
    class_weight: np.ndarray
    weight_decay: float
    label_smoothing: float
    seed: int
    balanced: bool = False


def train(
    tail: keras.Model, phase: Phase, features: tuple[Features, Features], options: Options, tell: Callable[[dict], None]
) -> tuple[list[dict], int]:
    """Train one phase and leave the tail with the weights of its best epoch.

    The best epoch is the one of the lowest validation loss; the state before the phase counts as epoch 0, so a phase
    never ends worse than it began.

    Args:
        tail: stored features -> probabilities; its trainable variables are trained.
        phase: epochs and learning rate.
        features: of the training and of the validation split.
        options: see `Options`.
        tell: called with the record of every epoch.

    Returns:
        A record per epoch (phase, epoch from 1, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds), and
        the number of the best epoch.
    """
    training, validation = features
    _seed_dropout(tail, options.seed)
    optimizer = _optimizer(tail, phase, len(training.labels), options)
    step, score = _compiled(tail, optimizer, options)
    best, best_epoch, best_weights = score(validation)[0], 0, _weights(tail)
    records: list[dict] = []
    for epoch in range(1, phase.epochs + 1):
        started = time.perf_counter()
        rate = float(optimizer.learning_rate)
        loss, accuracy = step(training, epoch, _order(training, options, phase, epoch))
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


def _order(training: Features, options: Options, phase: Phase, epoch: int) -> list[np.ndarray]:
    """Return the batches of an epoch as numbers (steps, batch), from the seed, the phase and the epoch alone.

    Ragged examples stand sorted by length. Among a few batches' worth of them, drawn at random, neighbours go together,
    so that little padding is computed; the batches then come in random order.
    """
    rng = np.random.default_rng([options.seed, *phase.name.encode(), epoch])
    order = _drawn(rng, training.labels) if options.balanced else rng.permutation(len(training.labels))
    if training.ragged:
        width = WINDOW * options.batch_size
        order = np.concatenate([np.sort(order[i : i + width]) for i in range(0, len(order), width)])
    steps, *rest = _batches(order, options.batch_size)
    return [rng.permutation(steps) if training.ragged else steps, *rest]


def _drawn(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Draw as many numbers as there are labels, every class being as likely as any other."""
    _, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    chance = 1 / counts[own]
    return rng.choice(len(labels), len(labels), p=chance / chance.sum())


def _batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut numbers into whole batches (steps, size), and a smaller one (1, rest) where some are left."""
    whole = len(order) // size * size
    parts = [order[:whole].reshape(-1, size), order[None, whole:]]
    return [part for part in parts if part.size]


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
    arrays = [tf.TensorSpec((None, *tensor.shape), tensor.dtype) for tensor in tail.inputs]
    given = (arrays, tf.TensorSpec((None, None), tf.int64))

    @tf.function(input_signature=given)
    def steps(arrays: list, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        total, right = tf.constant(0.0), tf.constant(0.0)
        for step in tf.range(tf.shape(labels)[0]):
            truth = labels[step]
            with tf.GradientTape() as tape:
                answer = tail([array[step] for array in arrays], training=True)
                each = _losses(truth, answer, options.label_smoothing) * tf.gather(weights, truth)
                loss = tf.reduce_mean(each)
            optimizer.apply(tape.gradient(loss, variables), variables)
            total += tf.reduce_sum(each)
            right += _right(answer, truth)
        return total, right

    @tf.function(input_signature=given)
    def scores(arrays: list, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        total, right = tf.constant(0.0), tf.constant(0.0)
        for step in tf.range(tf.shape(labels)[0]):
            answer = tail([array[step] for array in arrays], training=False)
            total += tf.reduce_sum(_losses(labels[step], answer, 0.0))
            right += _right(answer, labels[step])
        return total, right

    def means(call: Callable, features: Features, epoch: int, batches: list[np.ndarray]) -> tuple[float, float]:
        sums = [call(*chunk) for part in batches for chunk in features.chunks(part, epoch)]
        return tuple(float(sum(part)) / len(features.labels) for part in zip(*sums, strict=True))

    def score(features: Features) -> tuple[float, float]:
        return means(scores, features, 1, _batches(np.arange(len(features.labels)), SCORED))

    return functools.partial(means, steps), score


def gradients(tail: keras.Model) -> Callable[[list], list]:
    """Compile what costs time in a training step, for a measurement: arrays (batch, ...) -> a number per gradient."""
    import tensorflow as tf

    @tf.function
    def run(arrays: list) -> list:
        with tf.GradientTape() as tape:
            answer = tail(arrays, training=True)
            loss = tf.reduce_mean(_losses(tf.zeros(tf.shape(answer)[0], tf.int64), answer, 0.0))
        found = tape.gradient(loss, tail.trainable_variables)
        return [tf.reduce_sum(tf.convert_to_tensor(gradient)) for gradient in found]

    return run


def _right(probabilities: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return tf.reduce_sum(tf.cast(tf.equal(tf.argmax(probabilities, -1), labels), tf.float32))
