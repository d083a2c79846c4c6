"""Time KerasHub's `ImageClassifier` and `BertTextClassifier`: frozen backbone, fit, the top blocks opened, fit again.

Pictures: over EfficientNet-lite0 as tlkit builds and loads it from KerasHub's backbone; decoded ones are cached as in
with_keras.py. Texts: over `BertBackbone.from_preset(folder)`; the task tokenizes in each epoch, as it does by itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import measure
import with_keras
import workloads

if TYPE_CHECKING:
    import keras

SCALE, OFFSET = 1 / 128, -127 / 128  # what EfficientNet-lite takes


def main() -> None:
    """Run one step."""
    job = measure.job(__doc__)
    import tensorflow  # noqa: F401 - before tlkit, which turns oneDNN on where TensorFlow itself does not

    from tlkit.cli import hush

    hush()
    import keras

    keras.utils.set_random_seed(job.seed)
    workload, splits = workloads.read(job)
    build = pictures if workload.kind == "image" else texts
    task, unfreeze, encode = build(workload, splits)
    with measure.Memory() as memory:
        started = time.perf_counter()
        train = with_keras.batches(splits.train, encode, shuffle=True)
        fits = with_keras.Fits(
            task, train, with_keras.batches(splits.val, encode), workload.keras_rates, from_logits=True
        )
        unfreeze(0)
        fits.fit(job.run[0])
        unfreeze(workload.unfreeze)
        fits.fit(job.run[1])
        seconds = time.perf_counter() - started
    with_keras.finish(job, measure.Run("kerashub", splits.sizes(), fits.epochs, fits.seconds, seconds, memory), None)


def pictures(workload: workloads.Workload, splits: workloads.Splits) -> tuple[keras.Model, Any, Any]:
    """Build the task for pictures; return it, what opens its top blocks, and what encodes an item."""
    import keras
    import keras_hub

    import tlkit
    from tlkit.models.classifier import pieces

    clf = workloads.classifier(workload, splits.names)
    backbone = pieces(clf)[1]
    bare = keras.Model(backbone.inputs[0], backbone.output["map"])
    task = keras_hub.models.ImageClassifier(bare, len(splits.names), dropout=0.2)
    decode = with_keras.pixels(workload.size)
    return task, lambda blocks: tlkit.unfreeze(clf, blocks), lambda path: decode(path) * SCALE + OFFSET


def texts(workload: workloads.Workload, splits: workloads.Splits) -> tuple[keras.Model, Any, Any]:
    """Build the task for texts; return it, what opens its top layers, and what encodes an item."""
    import keras_hub

    backbone = keras_hub.models.BertBackbone.from_preset(splits.weights)
    preprocessor = with_keras.tokens(splits.weights, workload.size)
    task = keras_hub.models.BertTextClassifier(backbone, len(splits.names), preprocessor=preprocessor)

    def unfreeze(blocks: int) -> None:
        backbone.trainable = blocks > 0
        lowest = backbone.num_layers - blocks
        for layer in backbone.layers if blocks else ():
            number = layer.name.removeprefix("transformer_layer_")
            layer.trainable = layer.name == "pooled_dense" or (number.isdecimal() and int(number) >= lowest)

    return task, unfreeze, lambda text: text


if __name__ == "__main__":
    main()
