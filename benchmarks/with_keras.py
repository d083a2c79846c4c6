"""Time plain Keras as its transfer-learning guide writes it: cache what is decoded, compile, fit, unfreeze, fit again.

Source: https://keras.io/guides/transfer_learning. The network is the one tlkit builds, a plain `keras.Model`. Unlike
the guide, examples are shuffled (they come class by class), and the second phase opens the same top blocks as tlkit.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import TYPE_CHECKING, Any

import measure
import workloads

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

BATCH = 32


def main() -> None:
    """Run one step."""
    job = measure.job(__doc__, augment=True, once=True)
    import tensorflow  # noqa: F401 - before tlkit, which turns oneDNN on where TensorFlow itself does not

    from tlkit.cli import hush

    hush()
    import keras

    import tlkit

    keras.utils.set_random_seed(job.seed)
    workload, splits = workloads.read(job)
    clf = workloads.classifier(workload, splits.names)
    model = clf if workload.kind == "image" else padded(clf)
    encode = pixels(workload.size) if workload.kind == "image" else Together(tokens(splits.weights, workload.size))
    with measure.Memory() as memory:
        started = time.perf_counter()
        train = batches(splits.train, encode, shuffle=True, augment=job.augment == "light")
        val = batches(splits.val, encode)
        history = Fits(model, train, val, workload.keras_rates)
        tlkit.unfreeze(clf, 0)
        if job.once:
            given = [features(clf, splits.train, encode, shuffle=True), features(clf, splits.val, encode)]
            head = Fits(clf.head, *given, workload.keras_rates)
            head.fit(job.run[0])
            history.epochs, history.seconds = head.epochs, head.seconds
        else:
            history.fit(job.run[0])
        tlkit.unfreeze(clf, workload.unfreeze)
        history.fit(job.run[1])
        seconds = time.perf_counter() - started
    accuracy = model.evaluate(batches(splits.test, encode), verbose=0)[1] if job.run == job.epochs else None
    finish(job, measure.Run("keras", splits.sizes(), history.epochs, history.seconds, seconds, memory), accuracy)


def finish(job: argparse.Namespace, run: measure.Run, accuracy: float | None) -> None:
    """Write the record of a run of Keras or KerasHub; what came before the first `fit` belongs to phase 1."""
    run.accuracy = accuracy
    run.phase_seconds[0] += run.seconds - sum(run.phase_seconds)
    measure.write(job, run)


class Fits:
    """Compile and fit a model phase by phase, and keep each epoch's record and each phase's seconds.

    Args:
        model: what is trained.
        train, val: datasets of (inputs, label) batches.
        rates: the learning rate of each phase.
        from_logits: whether the model gives logits rather than probabilities.
    """

    def __init__(self, model: keras.Model, train: Any, val: Any, rates: Any, *, from_logits: bool = False) -> None:
        self.model, self.train, self.val, self.rates, self.from_logits = model, train, val, rates, from_logits
        self.epochs: list[dict[str, Any]] = []
        self.seconds: list[float] = []

    def fit(self, epochs: int) -> None:
        """Train one more phase, as what is trainable stands now."""
        import keras

        phase = len(self.seconds)
        started = time.perf_counter()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=self.from_logits)
        metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        self.model.compile(keras.optimizers.Adam(self.rates[phase]), loss=loss, metrics=metrics)
        clock = timer(phase, self.epochs)
        self.model.fit(self.train, validation_data=self.val, epochs=epochs, shuffle=False, verbose=2, callbacks=[clock])
        self.seconds.append(time.perf_counter() - started)


def timer(phase: int, records: list[dict[str, Any]]) -> keras.callbacks.Callback:
    """Make the callback that adds a record per epoch, with the start-up of its training and validation loops."""
    import keras

    class Timer(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.training = self.validating = measure.Steps()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.training.step()

        def on_test_begin(self, logs: Any = None) -> None:
            self.validating = measure.Steps()

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            self.validating.step()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seconds = time.perf_counter() - self.training.ends[0]
            startup = self.training.startup() + self.validating.startup()
            records.append({"phase": phase, "epoch": epoch + 1, "seconds": seconds, "startup": startup, **(logs or {})})

    return Timer()


# === Data ===


def batches(part: workloads.Part, encode: Any, *, shuffle: bool = False, augment: bool = False) -> tf.data.Dataset:
    """Read a split as the guide does, caching what was decoded, in batches of (inputs, label).

    Args:
        part: the split.
        encode: one item -> the model's inputs, or a `Together`.
        shuffle: in another order each epoch.
        augment: another version of each picture each epoch, changed as tlkit's `light` does.
    """
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((part.items, part.labels))
    if isinstance(encode, Together):
        dataset = dataset.batch(BATCH).map(encode, num_parallel_calls=tf.data.AUTOTUNE).unbatch()
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(part.items))).cache()
    else:
        dataset = dataset.map(lambda item, label: (encode(item), label), num_parallel_calls=tf.data.AUTOTUNE).cache()
    if shuffle:
        dataset = dataset.shuffle(len(part.items))
    if augment:
        dataset = dataset.map(changed, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH).prefetch(tf.data.AUTOTUNE)


def changed(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Change one picture at random, by the function and to the extent of tlkit's `light`."""
    import tensorflow as tf

    from tlkit import LIGHT
    from tlkit.data import images

    seed = tf.random.uniform((2,), maxval=2**31 - 1, dtype=tf.int32)
    return images.augment(image, LIGHT, seed), label


def pixels(size: int) -> Any:
    """Return what reads a path as float32 (size, size, 3), 0..255."""
    import keras
    import tensorflow as tf

    resize = keras.layers.Resizing(size, size, crop_to_aspect_ratio=True)

    def encode(path: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        return tf.ensure_shape(resize(image), (size, size, 3))

    return encode


@dataclasses.dataclass(frozen=True)
class Together:
    """Encode items by the batch, where that is faster: `encode` takes (items, labels) and returns (inputs, labels)."""

    encode: Any

    def __call__(self, items: tf.Tensor, labels: tf.Tensor) -> Any:
        """Encode a batch."""
        return self.encode(items, labels)


def tokens(folder: str, length: int) -> Any:
    """Return what tokenizes a text, padded to `length`: KerasHub's own preprocessor."""
    import keras_hub

    tokenizer = keras_hub.models.Tokenizer.from_preset(folder)
    return keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=length)


def features(clf: keras.Model, part: workloads.Part, encode: Any, *, shuffle: bool = False) -> tf.data.Dataset:
    """Compute what the frozen base says of a split once, the guide's other way: batches of (head's inputs, label)."""
    import tensorflow as tf

    from tlkit.models.classifier import pieces

    # pictures are given as pixels, texts as tokens
    base = clf.base if clf.spec.input.kind == "image" else pieces(clf)[1]
    found = base.predict(batches(part, encode).map(lambda inputs, _: inputs), verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices((found, part.labels))
    return (dataset.shuffle(len(part.items)) if shuffle else dataset).batch(BATCH).prefetch(tf.data.AUTOTUNE)


def padded(clf: keras.Model) -> keras.Model:
    """Return a text classifier without its tokenizing layer: token ids -> probabilities, on the same layers."""
    import keras

    from tlkit.models.classifier import pieces

    _, backbone, head = pieces(clf)
    inputs = {name: keras.Input(t.shape[1:], dtype=t.dtype, name=name) for name, t in backbone.input.items()}
    return keras.Model(inputs, head(backbone(inputs)))


if __name__ == "__main__":
    main()
