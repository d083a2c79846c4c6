"""Image input: size, resizing, normalisation, batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tlkit.config import Reading
from tlkit.errors import InputError
from tlkit.models.backbone import Backbone
from tlkit.models.vision.architectures import IMAGENET_MEAN, IMAGENET_STD, load_weights
from tlkit.utils.lazy import resolve

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tlkit.data.splits import Split
    from tlkit.models.attribution import Asked, Heat
    from tlkit.models.weights import Found

# mode -> (channels reversed, scale, offset): what each family was trained on, as `preprocess_input` of Keras
# Applications has it ("caffe": BGR, means removed; "tf": -1..1; "torch": standardised), and TensorFlow's own
# EfficientNet-lite; "none" where the network scales by itself.
NORMALISATION = {
    "caffe": (True, 1.0, (-103.939, -116.779, -123.68)),
    "tf": (False, 1 / 127.5, -1.0),
    "torch": (
        False,
        tuple(1 / (255 * std) for std in IMAGENET_STD),
        tuple(-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)),
    ),
    "lite": (False, 1 / 128, -127 / 128),
    "none": (False, 1.0, 0.0),
}


@dataclass(frozen=True)
class ImageInput:
    """The pictures that a backbone takes: float32 pixels (batch, size, size, 3), 0..255, RGB.

    Args:
        normalise: a key of NORMALISATION; it becomes part of the model.
        size: the default side in pixels, the one the weights were trained at.
        minimum: the smallest side the architecture can take.
    """

    normalise: Literal["caffe", "tf", "torch", "lite", "none"]
    size: int = 224
    minimum: int = 32
    kind: str = "image"
    features: tuple[str, ...] = ("map",)
    ops: tuple[str, ...] = ()

    def sized(self, size: int | None) -> ImageInput:
        """Return this input at another side.

        Raises:
            InputError: smaller than the architecture can take.
        """
        if size is None:
            return self
        if not isinstance(size, int) or size < self.minimum:
            raise InputError(f"size {size!r} is too small for this backbone; give at least {self.minimum} pixels")
        return dataclasses.replace(self, size=size)

    def tensor(self) -> keras.KerasTensor:
        """Build the symbolic pixels (batch, size, size, 3)."""
        import keras

        return keras.Input((self.size, self.size, 3), dtype="float32", name="pixels")

    def _normaliser(self) -> keras.Model:
        import keras

        reverse, scale, offset = NORMALISATION[self.normalise]
        pixels = keras.Input((self.size, self.size, 3), dtype="float32", name="raw_pixels")
        x = keras.ops.flip(pixels, axis=-1) if reverse else pixels
        x = keras.layers.Rescaling(scale, offset, name="normalise")(x)
        return keras.Model(pixels, x, name="pre")

    def assemble(self, row: Backbone, found: Found | None) -> tuple[keras.Model, keras.Model]:
        """Build the normalising `pre` and the backbone (pixels -> {"map"[, "pooled"]}), with the weights of `found`."""
        import keras

        model = resolve(row.builder)(size=self.size, **row.arguments)
        if found is not None:
            load_weights(model, row, found.path)
        # a plain functional model of the same layers: saved files then name no class but Keras's own
        features = dict(zip(self.features, model.outputs, strict=True))
        return self._normaliser(), keras.Model(model.inputs[0], features, name=row.name)

    def batches(self, split: Split, reading: Reading, view: int = 0, rows: Any = None) -> tf.data.Dataset:
        """Read a split, or the examples of `rows`, as float32 pixels (batch, size, size, 3); `view` numbers the
        augmented versions.

        Raises:
            InputError: an array with NaN, or with other values than 0..255; a maximum <= 1 gets a warning.
        """
        import numpy as np

        from tlkit.data import images

        if isinstance(split.items, np.ndarray):
            images.check_pixels(split.items)
        return images.batches(split.items, self.size, reading, view, rows)

    def paired(self) -> ImageInput:
        """Raise an InputError: a picture is one example."""
        raise InputError("pairs=True is for texts; a picture is one example")

    def lengths(self, pre: keras.layers.Layer, items: Any) -> None:
        """Return None: pictures are of one size."""

    tokens = lengths

    def signatures(self, answer: Callable, embed: Callable, resize: str) -> dict[str, tuple[Callable, list]]:
        """Describe the endpoints: encoded bytes for serving and embedding, pixels for `serve_array`."""
        import tensorflow as tf

        from tlkit.data import images

        def read(image_bytes: tf.Tensor) -> tf.Tensor:
            return images.decode_batch(image_bytes, self.size, resize)

        encoded = [tf.TensorSpec((None,), tf.string, name="image_bytes")]
        pixels = [tf.TensorSpec((None, self.size, self.size, 3), tf.float32, name="pixels")]
        return {
            "serving_default": (lambda image_bytes: answer(read(image_bytes)), encoded),
            "serve_array": (lambda pixels: answer(pixels), pixels),
            "embed": (lambda image_bytes: embed(read(image_bytes)), encoded),
        }

    def encode(self, items: Any) -> tuple[str, tf.Tensor]:
        """Read pictures as the training readers do: paths and bytes for `serving_default`, arrays for `serve_array`.

        Raises:
            DataError: a picture that cannot be read.
            InputError: an array that is no picture.
        """
        import numpy as np
        import tensorflow as tf

        from tlkit.data import images

        if not any(isinstance(item, np.ndarray) for item in items):
            return "serving_default", tf.constant(self.served(items))
        arrays = [np.asarray(item) for item in items]
        alike: dict[tuple, list[int]] = {}  # a data set is made, and its function traced, for each shape and type
        for number, array in enumerate(arrays):
            alike.setdefault((array.shape, array.dtype), []).append(number)
        pixels: list[tf.Tensor] = [None] * len(arrays)
        for numbers in alike.values():
            same = np.stack([arrays[number] for number in numbers])
            (batch,) = images.batches(same, self.size, Reading(len(numbers)))
            for number, picture in zip(numbers, tf.unstack(batch), strict=True):
                pixels[number] = picture
        return "serve_array", tf.stack(pixels)

    def served(self, items: Any) -> list[bytes]:
        """Turn pictures into encoded bytes, as `serving_default` takes them; arrays of pixels become PNG."""
        import numpy as np
        import tensorflow as tf

        from tlkit.data import images

        def one(item: Any) -> bytes:
            if not isinstance(item, np.ndarray):
                return images.load(item)
            pixels = item[..., None] if item.ndim == 2 else item
            return tf.io.encode_png(np.clip(np.round(pixels), 0, 255).astype(np.uint8)).numpy()

        return [one(item) for item in items]

    def explain(self, asked: Asked, items: Any) -> list[Heat]:
        """Return the parts of pictures that the scores come from, one `Heat` for each picture."""
        import tensorflow as tf

        from tlkit.data import images
        from tlkit.models import attribution

        return attribution.heats(asked, images.decode_batch(tf.constant(self.served(items)), self.size, asked.resize))

    def made_up(self) -> list[Any]:
        """Return a few uint8 pictures (height, width, 3) of coarse random colours, not all square."""
        import numpy as np

        rng = np.random.default_rng(0)
        shapes = ((4, 4), (4, 6), (6, 4), (2, 2))
        return [np.kron(rng.integers(0, 256, (*shape, 3)), np.ones((20, 20, 1))).astype(np.uint8) for shape in shapes]

    def facts(self) -> dict[str, Any]:
        """Return the arguments that build this input again."""
        return {"normalise": self.normalise, "size": self.size, "minimum": self.minimum}
