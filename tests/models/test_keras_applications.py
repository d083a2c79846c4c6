"""The table of Keras Applications networks: it says what Keras itself says."""

from __future__ import annotations

import importlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from tlkit.errors import InputError
from tlkit.models.vision import architectures
from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import ImageInput
from tlkit.models.vision.keras_applications import APPLICATIONS, Application
from tlkit.utils.download import Download

MODULES = {
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "resnet50": "resnet",
    "resnet50_v2": "resnet_v2",
    "inception_v3": "inception_v3",
    "inception_resnet_v2": "inception_resnet_v2",
    "xception": "xception",
    "mobilenet": "mobilenet",
    "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3_small": "mobilenet_v3",
    "mobilenet_v3_large": "mobilenet_v3",
    "densenet121": "densenet",
    "nasnet_mobile": "nasnet",
    "efficientnet_b0": "efficientnet",
    "efficientnet_v2_b0": "efficientnet_v2",
    "efficientnet_v2_s": "efficientnet_v2",
    "convnext_tiny": "convnext",
}
SCALING = {  # what the networks that scale by themselves make of 0..255, and the layer that is given it
    "mobilenet_v3_small": ("conv", lambda x: x / 127.5 - 1),
    "efficientnet_b0": ("stem_conv_pad", lambda x: _standardised(x)),
    "efficientnet_v2_b0": ("stem_conv", lambda x: _standardised(x)),
    "efficientnet_v2_s": ("stem_conv", lambda x: x / 128 - 1),
    "convnext_tiny": ("convnext_tiny_stem", lambda x: _standardised(x)),
}
by_name = pytest.mark.parametrize("known", APPLICATIONS, ids=lambda known: known.name)


def _standardised(pixels: np.ndarray) -> np.ndarray:
    return (pixels / 255 - np.array(architectures.IMAGENET_MEAN)) / np.array(architectures.IMAGENET_STD)


def _pixels(photos: dict, size: int = 96) -> np.ndarray:
    return np.stack([photo[:size, :size].astype(np.float32) for photo in photos.values()])


def _family(known: Application) -> str:
    return known.family.source


# === The table ===


def test_every_network_of_keras_is_a_row() -> None:
    def builds(value: object) -> bool:
        return callable(value) and not isinstance(value, type) and value.__name__[0].isupper()

    offered = {name for name in dir(keras.applications) if builds(getattr(keras.applications, name))}
    assert offered - {known.architecture for known in APPLICATIONS} == set()
    assert {known.name for known in APPLICATIONS} < set(VISION)


def test_the_table_needs_no_tensorflow() -> None:
    code = (
        "import sys; from tlkit.models.vision.image_backbones import VISION; "
        "print([name in sys.modules for name in ('keras', 'tensorflow')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[False, False]"


def test_every_family_is_checked_against_its_own_module() -> None:
    assert {_family(known) for known in APPLICATIONS if known.name in MODULES} == set(map(_family, APPLICATIONS))


# === Preprocessing ===


@by_name
def test_preprocessing_is_the_librarys_own(known: Application, photos: dict) -> None:
    module = next(
        MODULES[each.name] for each in APPLICATIONS if each.name in MODULES and _family(each) == _family(known)
    )
    pixels = _pixels(photos)
    given = VISION[known.name].input.sized(96)._normaliser()(pixels).numpy()
    expected = importlib.import_module(f"keras.applications.{module}").preprocess_input(pixels.copy())
    # in units of the largest value, which is 1 for most and 151 where nothing is scaled but the means are removed
    assert np.abs(given - expected).max() <= 1e-5 * max(1, np.abs(expected).max())
    assert (np.abs(given - pixels).max() > 1) == (known.family.normalise != "none")


def test_networks_that_scale_by_themselves_are_all_looked_at() -> None:
    none = {_family(known) for known in APPLICATIONS if known.family.normalise == "none"}
    assert {_family(known) for known in APPLICATIONS if known.name in SCALING} == none


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "convnext_tiny" else pytest.mark.all) for name in SCALING]
)
def test_the_network_scales_by_itself(name: str, photos: dict) -> None:
    layer, scaling = SCALING[name]
    pixels = _pixels(photos, 32)
    model = architectures.keras_application(**VISION[name].arguments, size=32)
    scaled = keras.Model(model.input, model.get_layer(layer).input)(pixels).numpy()
    assert np.abs(scaled - scaling(pixels)).max() <= 1e-5


# === Sizes ===


@by_name
def test_keras_refuses_what_is_below_the_minimum(known: Application) -> None:
    below = VISION[known.name].input.minimum - 1
    with pytest.raises(ValueError, match=f"at least {below + 1}x{below + 1}"):
        architectures.keras_application(architecture=known.architecture, size=below)


def test_a_size_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match=r"size '64' is too small .* at least 32 pixels"):
        ImageInput("tf").sized("64")


@pytest.mark.all
@by_name
def test_the_minimum_can_be_built_and_has_the_stated_parameters(known: Application) -> None:
    model = architectures.keras_application(architecture=known.architecture, size=VISION[known.name].input.minimum)
    assert model.count_params() == known.params
    assert min(model.output_shape[1:]) >= 1


# === Weights ===


class Asked(Exception):
    """What Keras would have fetched."""


@pytest.mark.all
@by_name
def test_weights_are_where_keras_has_them(known: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(name: str, address: str, cache_subdir: str = "", file_hash: str | None = None, **_: object) -> str:
        raise Asked(name, address, cache_subdir, file_hash)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", asked)
    size = known.size
    with pytest.raises(Asked) as caught:
        getattr(keras.applications, known.architecture)(include_top=False, input_shape=(size, size, 3))
    weights = VISION[known.name].weights
    assert isinstance(weights, Download)
    digest = weights.file.digest.partition(":")[2] or None
    assert caught.value.args == (weights.file.name, weights.url, "models", digest)
