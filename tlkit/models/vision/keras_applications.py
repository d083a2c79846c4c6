"""Facts about the Keras Applications networks: training, weights files, and the ends of their blocks.

Addresses and digests are those of Keras 3.15's own source, `keras/src/applications`. Licences are those of the weights:
as the documentation of Keras 2 told them for what it had ported; of MobileNetV3, EfficientNet, EfficientNetV2 and
ConvNeXt as the repositories state them that published them, tensorflow/models, tensorflow/tpu, google/automl and
facebookresearch/ConvNeXt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

HOST = "https://storage.googleapis.com/"
KERAS = f"{HOST}tensorflow/keras-applications/"
NO_TOP = "_weights_tf_dim_ordering_tf_kernels_notop.h5"

Blocks = tuple[str, ...] | Callable[[Any], tuple[str, ...]]


@dataclass(frozen=True)
class Family:
    """The facts that the networks of one paper share.

    Args:
        normalise: as `image_input.NORMALISATION` has it, and as `preprocess_input` of the family does it; "none" where
            the network scales by itself.
        licence: of the weights.
        source: the paper.
        folder: where Keras publishes the weights.
        minimum: the smallest side in pixels.
        stem: the last layer below the first block.
    """

    normalise: Literal["caffe", "tf", "torch", "none"]
    licence: str
    source: str
    folder: str
    minimum: int = 32
    stem: str = ""


@dataclass(frozen=True)
class Application:
    """A network of Keras Applications, without its classification layers.

    Args:
        family: what it shares with others.
        name: of the row.
        architecture: its name in `keras.applications`.
        size: the side in pixels it was trained at.
        blocks: the last layer of each block, or a function of the built model that names them.
        params: parameters, as `count_params` of the built model gives them.
        file: the name of the weights file.
        digest: its MD5 or SHA-256; Keras publishes none for MobileNet and MobileNetV2.
        bytes: its size; 0 where Keras does not say.
        saved_as: its name in Keras's cache, where that is another one.
    """

    family: Family
    name: str
    architecture: str
    size: int
    blocks: Blocks
    params: int
    file: str
    digest: str = ""
    bytes: int = 0
    saved_as: str = ""


# === Blocks ===


def _stages(pattern: str, *counts: int, first: int = 1) -> tuple[str, ...]:
    """Name the last of `counts` numbered residual blocks of each stage."""
    return tuple(pattern.format(stage, count) for stage, count in enumerate(counts, first))


def _mbconv(*repeats: int, depth: float = 1.0, alone: str = "project_bn") -> tuple[str, ...]:
    """Name the last lettered block of every stage of an EfficientNet; it ends in an addition unless it is alone."""
    counts = [math.ceil(depth * count) for count in repeats]
    ends = [f"{chr(96 + count)}_add" if count > 1 else f"a_{alone}" for count in counts]
    return tuple(f"block{stage}{end}" for stage, end in enumerate(ends, 1))


def _efficientnet(depth: float) -> tuple[str, ...]:
    return _mbconv(1, 2, 2, 3, 3, 4, 1, depth=depth)


def _efficientnet_v2(depth: float) -> tuple[str, ...]:
    return _mbconv(1, 2, 2, 3, 5, 8, depth=depth, alone="project_activation")


def _nasnet(cells: int) -> tuple[str, ...]:
    """Name the cells. Each reads the two before it, so two maps cross every cut between cells."""
    first, second = cells + 1, 2 * cells + 1
    groups = (range(cells), range(first, first + cells), range(second, second + cells))
    normal = [tuple(f"normal_concat_{number}" for number in group) for group in groups]
    between = [(f"reduction_concat_reduce_{count}",) for count in (cells, 2 * cells)]
    return normal[0] + between[0] + normal[1] + between[1] + normal[2]


def additions(model: Any) -> tuple[str, ...]:
    """Name the residual sums of a model from the bottom to the top; Keras numbers them anew in each build."""
    return tuple(operation.name for operation in model.operations if type(operation).__name__ == "Add")


def xception(model: Any) -> tuple[str, ...]:
    """Name the ends of Xception's residual blocks, 2 to 13, and of its last block."""
    return (*additions(model), "block14_sepconv2_act")


def convnext(model: Any) -> tuple[str, ...]:
    """Name every third residual sum of a ConvNeXt: the depth of each of its stages is a multiple of three."""
    return additions(model)[2::3]


# === Families ===

VGG = Family("caffe", "CC-BY-4.0", "https://arxiv.org/abs/1409.1556", KERAS)
RESNET = Family("caffe", "MIT", "https://arxiv.org/abs/1512.03385", f"{KERAS}resnet/", stem="pool1_pool")
RESNET_V2 = Family("tf", "BSD-3-Clause", "https://arxiv.org/abs/1603.05027", f"{KERAS}resnet/", stem="pool1_pool")
INCEPTION = Family("tf", "Apache-2.0", "https://arxiv.org/abs/1512.00567", f"{KERAS}inception_v3/", minimum=75)
INCEPTION_RESNET = Family(
    "tf", "Apache-2.0", "https://arxiv.org/abs/1602.07261", f"{KERAS}inception_resnet_v2/", minimum=75
)
XCEPTION = Family(
    "tf", "MIT", "https://arxiv.org/abs/1610.02357", f"{KERAS}xception/", minimum=71, stem="block1_conv2_act"
)
MOBILENET = Family("tf", "Apache-2.0", "https://arxiv.org/abs/1704.04861", f"{KERAS}mobilenet/", stem="conv1_relu")
MOBILENET_V2 = Family(
    "tf", "Apache-2.0", "https://arxiv.org/abs/1801.04381", f"{KERAS}mobilenet_v2/", stem="Conv1_relu"
)
MOBILENET_V3 = Family("none", "Apache-2.0", "https://arxiv.org/abs/1905.02244", f"{KERAS}mobilenet_v3/", stem="conv_bn")
DENSENET = Family("torch", "BSD-3-Clause", "https://arxiv.org/abs/1608.06993", f"{KERAS}densenet/", stem="pool1")
NASNET = Family(
    "tf", "Apache-2.0", "https://arxiv.org/abs/1707.07012", f"{KERAS}nasnet/", stem="reduction_concat_stem_2"
)
EFFICIENTNET = Family(
    "none", "Apache-2.0", "https://arxiv.org/abs/1905.11946", f"{HOST}keras-applications/", stem="stem_activation"
)
EFFICIENTNET_V2 = Family(
    "none", "Apache-2.0", "https://arxiv.org/abs/2104.00298", f"{KERAS}efficientnet_v2/", stem="stem_activation"
)

VGG_BLOCKS = tuple(f"block{i}_pool" for i in range(1, 6))
DENSENET_BLOCKS = ("pool2_pool", "pool3_pool", "pool4_pool", "relu")
INCEPTION_RESNET_BLOCKS = (
    "mixed_5b", "block35_5_ac", "block35_10_ac", "mixed_6a", "block17_10_ac", "block17_20_ac", "mixed_7a",
    "block8_5_ac", "conv_7b_ac",
)  # fmt: skip
MOBILENET_BLOCKS = tuple(f"conv_pw_{i}_relu" for i in (1, 3, 5, 11, 13))
MOBILENET_V2_BLOCKS = (
    "expanded_conv_project_BN", "block_2_add", "block_5_add", "block_9_add", "block_12_add", "block_15_add",
    "block_16_project_BN",
)  # fmt: skip
MOBILENET_V3_SMALL_BLOCKS = (
    "expanded_conv_project_bn", *(f"expanded_conv_{i}_add" for i in (2, 5, 7, 10)),
)  # fmt: skip
MOBILENET_V3_LARGE_BLOCKS = ("expanded_conv_add", *(f"expanded_conv_{i}_add" for i in (2, 5, 9, 11, 14)))


def _resnets() -> Iterator[Application]:
    """Yield both versions of ResNet, of 50, 101 and 152 layers."""
    depths = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
    first = {
        50: (23_587_712, "4d473c1dd8becc155b73f8504c6f6626", 94_765_736),
        101: (42_658_176, "88cf7a10940856eca736dc7b7e228a21", 0),
        152: (58_370_944, "ee4c566cf9a93f14d82f913c2dc6dd0c", 0),
    }
    second = {
        50: (23_564_800, "fac2f116257151a9d068a22e544a4917", 0),
        101: (42_626_560, "c0ed64b8031c3730f411d2eb4eea35b5", 0),
        152: (58_331_648, "ed17cf2e0169df9d443503ef94b23b33", 0),
    }
    for family, suffix, version, facts in ((RESNET, "", "", first), (RESNET_V2, "_v2", "V2", second)):
        for layers, (params, digest, size) in facts.items():
            blocks = _stages("conv{}_block{}_out", *depths[layers], first=2)
            file = f"resnet{layers}{version.lower()}{NO_TOP}"
            yield Application(
                family, f"resnet{layers}{suffix}", f"ResNet{layers}{version}", 224, blocks, params, file,
                f"md5:{digest}", size,
            )  # fmt: skip


def _efficientnets() -> Iterator[Application]:
    """Yield EfficientNet B0 to B7."""
    for number, (size, depth, params, digest) in enumerate((
        (224, 1.0, 4_049_571, "50bc09e76180e00e4465e1a485ddc09d"),
        (240, 1.1, 6_575_239, "74c4e6b3e1f6a1eea24c589628592432"),
        (260, 1.2, 7_768_569, "111f8e2ac8aa800a7a99e3239f7bfb39"),
        (300, 1.4, 10_783_535, "af6d107764bb5b1abb91932881670226"),
        (380, 1.8, 17_673_823, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
        (456, 2.2, 28_513_527, "38879255a25d3c92d5e44e04ae6cec6f"),
        (528, 2.6, 40_960_143, "9ecce42647a20130c1f39a5d4cb75743"),
        (600, 3.1, 64_097_687, "cbcfe4450ddf6f3ad90b1b398090fe4a"),
    )):  # fmt: skip
        known = 16_705_208 if number == 0 else 0
        yield Application(
            EFFICIENTNET, f"efficientnet_b{number}", f"EfficientNetB{number}", size, _efficientnet(depth), params,
            f"efficientnetb{number}_notop.h5", f"md5:{digest}", known,
        )  # fmt: skip


def _efficientnets_v2() -> Iterator[Application]:
    """Yield EfficientNetV2 B0 to B3, S, M and L."""
    for letters, size, blocks, params, digest in (
        ("b0", 224, _efficientnet_v2(1.0), 5_919_312, "893217f2bb855e2983157299931e43ff"),
        ("b1", 240, _efficientnet_v2(1.1), 6_931_124, "0e80663031ca32d657f9caa404b6ec37"),
        ("b2", 260, _efficientnet_v2(1.2), 8_769_374, "1dfe2e7a5d45b6632553a8961ea609eb"),
        ("b3", 300, _efficientnet_v2(1.4), 12_930_622, "f6abf7b5849ac99a89b50dd3fd532856"),
        ("s", 384, _mbconv(2, 4, 4, 6, 9, 15), 20_331_360, "af0682fb74e8c54910f2d4393339c070"),
        ("m", 480, _mbconv(3, 5, 5, 7, 14, 18, 5), 53_150_388, "1b8dc055df72dde80d614482840fe342"),
        ("l", 480, _mbconv(4, 7, 7, 10, 19, 25, 7), 117_746_848, "b0b66b5c863aef5b46e8608fe1711615"),
    ):
        yield Application(
            EFFICIENTNET_V2, f"efficientnet_v2_{letters}", f"EfficientNetV2{letters.upper()}", size, blocks, params,
            f"efficientnetv2-{letters}_notop.h5", f"md5:{digest}",
        )  # fmt: skip


def _convnexts() -> Iterator[Application]:
    """Yield the five sizes of ConvNeXt."""
    for size, params, digest in (
        ("Tiny", 27_820_128, "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"),
        ("Small", 49_454_688, "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab"),
        ("Base", 87_566_464, "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45"),
        ("Large", 196_230_336, "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd"),
        ("XLarge", 348_147_968, "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05"),
    ):
        name = f"convnext_{size.lower()}"
        family = Family(
            "none", "MIT", "https://arxiv.org/abs/2201.03545", f"{KERAS}convnext/", stem=f"{name}_stem"
        )  # fmt: skip
        yield Application(
            family, name, f"ConvNeXt{size}", 224, convnext, params, f"{name}_notop.h5", f"sha256:{digest}"
        )


def _densenets() -> Iterator[Application]:
    """Yield DenseNet of 121, 169 and 201 layers."""
    for layers, params, digest in (
        (121, 7_037_504, "30ee3e1110167f948a6b9946edeeb738"),
        (169, 12_642_880, "b8c4d4c20dd625c148057b9ff1c1176b"),
        (201, 18_321_984, "c13680b51ded0fb44dff2d8f86ac8bb1"),
    ):
        yield Application(
            DENSENET, f"densenet{layers}", f"DenseNet{layers}", 224, DENSENET_BLOCKS, params,
            f"densenet{layers}{NO_TOP}", f"md5:{digest}",
        )  # fmt: skip


APPLICATIONS: tuple[Application, ...] = (
    Application(VGG, "vgg16", "VGG16", 224, VGG_BLOCKS, 14_714_688, f"vgg16/vgg16{NO_TOP}",
                "md5:6d6bbae143d832006294945121d1f1fc", 58_889_256),
    Application(VGG, "vgg19", "VGG19", 224, VGG_BLOCKS, 20_024_384, f"vgg19/vgg19{NO_TOP}",
                "md5:253f8cb515780f3b799900260a226db6", 80_134_624),
    *_resnets(),
    Application(INCEPTION, "inception_v3", "InceptionV3", 299, tuple(f"mixed{i}" for i in range(11)), 21_802_784,
                f"inception_v3{NO_TOP}", "md5:bcbd6486424b2319ff4ef7d526e38f63", 87_910_968),
    Application(INCEPTION_RESNET, "inception_resnet_v2", "InceptionResNetV2", 299, INCEPTION_RESNET_BLOCKS, 54_336_736,
                f"inception_resnet_v2{NO_TOP}", "md5:d19885ff4a710c122648d3b5c3b684e4"),
    Application(XCEPTION, "xception", "Xception", 299, xception, 20_861_480, f"xception{NO_TOP}",
                "md5:b0042744bf5b25fce3cb969f33bebb97"),
    Application(MOBILENET, "mobilenet", "MobileNet", 224, MOBILENET_BLOCKS, 3_228_864,
                "mobilenet_1_0_224_tf_no_top.h5"),
    Application(MOBILENET_V2, "mobilenet_v2", "MobileNetV2", 224, MOBILENET_V2_BLOCKS, 2_257_984,
                "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", bytes=9_406_464),
    Application(MOBILENET_V3, "mobilenet_v3_small", "MobileNetV3Small", 224, MOBILENET_V3_SMALL_BLOCKS, 939_120,
                "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "md5:d3e8ec802a04aa4fc771ee12a9a9b836"),
    Application(MOBILENET_V3, "mobilenet_v3_large", "MobileNetV3Large", 224, MOBILENET_V3_LARGE_BLOCKS, 2_996_352,
                "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5", "md5:07fb09a5933dd0c8eaafa16978110389"),
    *_densenets(),
    Application(NASNET, "nasnet_mobile", "NASNetMobile", 224, _nasnet(4), 4_269_716, "NASNet-mobile-no-top.h5",
                "md5:1ed92395b5b598bdda52abe5c0dbfd63", saved_as="nasnet_mobile_no_top.h5"),
    Application(NASNET, "nasnet_large", "NASNetLarge", 331, _nasnet(6), 84_916_818, "NASNet-large-no-top.h5",
                "md5:d81d89dc07e6e56530c4e77faddd61b5", saved_as="nasnet_large_no_top.h5"),
    *_efficientnets(),
    *_efficientnets_v2(),
    *_convnexts(),
)  # fmt: skip
