"""What is compiled of a phase: its steps, its score, the optimizer under its schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.models import keras_graph
from tlkit.tasks.targets import Target

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

START = 0.1  # of the peak learning rate; from nothing at all the first step would be wasted
WARM_UP = 0.1  # share of the steps over which the learning rate rises to its peak


def seed_dropout(tail: keras.Model, seed: int) -> None:
    """Set the state of every layer that draws random numbers."""
    for number, layer in enumerate(keras_graph.layers(tail)):
        generator = keras_graph.random_generator(layer)
        if generator is not None:
            generator.state.assign(np.array([seed, number], dtype=generator.state.dtype))


def optimizer(tail: keras.Model, peak: float, steps: int, weight_decay: float) -> keras.optimizers.Optimizer:
    """Build AdamW under a linear warm-up to the peak learning rate and cosine decay to zero, over so many steps.

    Weight decay is decoupled, and of kernels only.
    """
    import keras

    warm = max(1, int(steps * WARM_UP))
    schedule = keras.optimizers.schedules.CosineDecay(
        START * peak, max(1, steps - warm), warmup_target=peak, warmup_steps=warm
    )
    made = keras.optimizers.AdamW(schedule, weight_decay=weight_decay)
    made.exclude_from_weight_decay(var_list=[v for v in tail.trainable_variables if len(v.shape) < 2])
    made.build(tail.trainable_variables)
    return made


def compiled(
    tail: keras.Model, target: Target, optimizer: Any, class_weight: np.ndarray, label_smoothing: float
) -> tuple[Callable, Callable]:
    """Compile the training on batches and their scoring.

    Returns:
        Two functions of arrays (k, batch, ...) and labels (k, batch, ...). The first trains k steps and gives the sum
        of losses, that of the target's figure, and the first step whose loss is not finite, or -1; the second gives
        the sum of plain losses and that of the figure.
    """
    import tensorflow as tf

    trained = tail.trainable_variables
    plain = np.ones_like(class_weight)
    arrays = [tf.TensorSpec((None, *tensor.shape), tensor.dtype) for tensor in tail.inputs]
    given = (arrays, tf.TensorSpec((None, None, *target.shape), target.dtype))

    @tf.function(input_signature=given)
    def steps(arrays: list, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        total, figure, bad = tf.constant(0.0), tf.constant(0.0), tf.constant(-1)
        for step in tf.range(tf.shape(labels)[0]):
            truth = labels[step]
            with tf.GradientTape() as tape:
                answer = tail([array[step] for array in arrays], training=True)
                each = target.losses(truth, answer, label_smoothing, class_weight)
                loss = tf.reduce_mean(each)
            optimizer.apply(*zip(*_reached(tape, loss, trained), strict=True))
            total += tf.reduce_sum(each)
            figure += target.hits(truth, answer)
            bad = tf.where((bad < 0) & ~tf.math.is_finite(loss), step, bad)
        return total, figure, bad

    @tf.function(input_signature=given)
    def scores(arrays: list, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        total, figure = tf.constant(0.0), tf.constant(0.0)
        for step in tf.range(tf.shape(labels)[0]):
            answer = tail([array[step] for array in arrays], training=False)
            total += tf.reduce_sum(target.losses(labels[step], answer, 0.0, plain))
            figure += target.hits(labels[step], answer)
        return total, figure

    return steps, scores


def example_losses(tail: keras.Model, target: Target) -> Callable[[list, Any], Any]:
    """Compile the plain loss of every example: arrays (k, batch, ...) and labels (k, batch, ...) -> (k, batch)."""
    import tensorflow as tf

    plain = np.ones(len(target.labels), np.float32)
    arrays = [tf.TensorSpec((None, *tensor.shape), tensor.dtype) for tensor in tail.inputs]

    @tf.function(input_signature=(arrays, tf.TensorSpec((None, None, *target.shape), target.dtype)))
    def run(arrays: list, labels: tf.Tensor) -> tf.Tensor:
        count = tf.shape(labels)[0]
        losses = tf.TensorArray(tf.float32, count, element_shape=(None,))
        for step in tf.range(count):
            answer = tail([array[step] for array in arrays], training=False)
            losses = losses.write(step, target.losses(labels[step], answer, 0.0, plain))
        return losses.stack()

    return run


def assign(tail: keras.Model, weights: Sequence[np.ndarray]) -> None:
    """Set the trainable variables of a tail."""
    for variable, value in zip(tail.trainable_variables, weights, strict=True):
        variable.assign(value)


def gradients(tail: keras.Model, target: Target) -> Callable[[list], list]:
    """Compile what costs time in a training step, for a measurement: arrays (batch, ...) -> a number per gradient."""
    import tensorflow as tf

    @tf.function(input_signature=[[tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tail.inputs]])
    def run(arrays: list) -> list:
        with tf.GradientTape() as tape:
            answer = tail(arrays, training=True)
            sides = [tf.shape(answer)[1] if side is None else side for side in target.shape]  # None: of each token
            truth = tf.zeros((tf.shape(answer)[0], *sides), target.dtype)
            loss = tf.reduce_mean(target.losses(truth, answer, 0.0, np.ones(len(target.labels))))
        found = _reached(tape, loss, tail.trainable_variables)
        return [tf.reduce_sum(tf.convert_to_tensor(gradient)) for gradient, _ in found]

    return run


def _reached(tape: tf.GradientTape, loss: tf.Tensor, trained: list) -> list[tuple[tf.Tensor, Any]]:
    """Return gradient and variable of all that the loss depends on; not so the mask token of a pretraining."""
    found = zip(tape.gradient(loss, trained), trained, strict=True)
    return [(gradient, variable) for gradient, variable in found if gradient is not None]


def batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut numbers into whole batches (steps, size), and a smaller one (1, rest) where some are left."""
    whole = len(order) // size * size
    parts = [order[:whole].reshape(-1, size), order[None, whole:]]
    return [part for part in parts if part.size]
