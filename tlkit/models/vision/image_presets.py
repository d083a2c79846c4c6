"""Image backbones from KerasHub and keras-cv presets, by name or from a folder.

`keras_hub:NAME` and `keras_cv:NAME` name presets; a folder is one of KerasHub or keras-cv (as `save_to_preset` writes
it), of Hugging Face, or of timm, as far as KerasHub converts them. Their row is derived from what lies in the folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from tlkit.errors import InputError, OfflineError, WeightsError, unknown
from tlkit.models import hdf5, keras_configs, kerashub, weights
from tlkit.models.backbone import Backbone, Local, Preset
from tlkit.models.vision import flattening
from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import ImageInput
from tlkit.utils import environment, files, regular_files

if TYPE_CHECKING:
    import keras

CLASS_TOKEN = ("ViTBackbone", "DeiTBackbone", "DINOV2Backbone", "DINOV3Backbone")
USABLE = "give a folder that KerasHub's or keras-cv's save_to_preset wrote, or one of Hugging Face or timm"


def find(name: str | os.PathLike) -> Backbone | None:
    """Return the row of a preset or of a folder.

    Args:
        name: "keras_hub:PRESET", "keras_cv:PRESET", or the path of a folder.

    Returns:
        The row, or None for a name that is neither a preset nor a path.

    Raises:
        InputError: no such preset or folder, or one that holds no image backbone; says what would do.
        OfflineError: the preset is not on this machine and cannot be fetched.
        WeightsError: the folder cannot be read.
    """
    text = os.fspath(name)
    library, colon, preset = text.partition(":")
    if colon and library in LIBRARIES:
        return _preset(library, preset)
    path = Path(files.absolute_path(environment.expanded(text, "backbone")))
    if os.path.isdir(path):
        row = Backbone(
            f"folder_{_plain(path.resolve().name)}", BUILDER, ImageInput("none"), flattening.ends, loader=LOADER
        )
        return _derived(dataclasses.replace(row, weights=Local(path)), path)
    if isinstance(name, os.PathLike) or os.sep in text or text.startswith("~"):
        raise InputError(
            f"there is no folder {path} to take a backbone from; {USABLE}, or a name from `tlkit backbones`"
        )
    return None


def _plain(name: str) -> str:
    """Return a folder's name without the characters that a layer name cannot hold."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name).strip("_.-") or "unnamed"


def _preset(library: str, name: str) -> Backbone:
    """Return the row of a preset, after downloading the files that describe its input."""
    known = LIBRARIES[library]()
    if name not in known:
        raise _unread(library, name, known)
    handle, params = known[name]
    row = Backbone(
        f"{library}_{name}",
        BUILDER,
        ImageInput("none"),
        flattening.ends,
        weights=Preset(handle, size=4 * params),
        loader=LOADER,
        licence="see its source",
        params=params,
        source=f"https://www.kaggle.com/models/{'/'.join(handle.removeprefix('kaggle://').split('/')[:2])}",
    )
    state = weights.status(row)
    if state.here:
        return _derived(row, state.path)
    try:
        return _derived(row, weights.find(row, rows=VISION.values()).path)
    except OfflineError as error:
        raise OfflineError(
            f"{error}. A preset's folder that lies elsewhere can itself be given as the backbone"
        ) from error


def _unread(library: str, name: str, known: Mapping[str, Any]) -> InputError:
    """Return the error for an unknown preset, or for one of an unsupported backbone."""
    everything = known
    if library == "keras_hub":
        import keras_hub

        everything = keras_hub.models.Backbone.presets
    if name in everything:
        return InputError(f"keras_hub:{name} holds no backbone of pictures or texts that tlkit reads; choose another")
    return unknown(f"{library} preset", name, everything)


def keras_hub_presets() -> dict[str, tuple[str, int]]:
    """Return KerasHub's presets of image backbones: name -> (address, parameters)."""
    return {
        name: (facts["kaggle_handle"], facts["metadata"].get("params", 0))
        for backbone in _image_backbones()
        for name, facts in backbone.presets.items()
    }


def keras_cv_presets() -> dict[str, tuple[str, int]]:
    """Return keras-cv's presets of image backbones: name -> (address, parameters)."""
    presets = {}
    for name in dir(_keras_cv().models):
        kind = getattr(_keras_cv().models, name)
        if name.endswith("Backbone") and name not in ("VideoSwinBackbone", "Backbone"):
            presets |= {
                key: (facts["kaggle_handle"], facts["metadata"].get("params", 0))
                for key, facts in kind.presets.items()
                if "kaggle_handle" in facts
            }
    return presets


def _keras_cv() -> Any:
    try:
        import keras_cv
    except ImportError as error:
        raise InputError(f"keras_cv: presets need the package keras-cv ({error}); pip install keras-cv") from error
    return keras_cv


def _image_backbones() -> set[type]:
    """Return KerasHub's backbones of one picture: those it has a classifier for, and DINO's."""
    from keras_hub import models

    return {task.backbone_cls for task in models.ImageClassifier.__subclasses__()} | {
        models.DINOV2Backbone,
        models.DINOV3Backbone,
    }


LIBRARIES = {"keras_hub": keras_hub_presets, "keras_cv": keras_cv_presets}
BUILDER, LOADER = "tlkit.models.vision.image_presets:build", "tlkit.models.vision.image_presets:load"


# === Folders ===


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Turn all errors of reading a folder into one that names the folder."""
    try:
        yield
    except (*hdf5.FAULTS, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        reason = keras_configs.reason(error)
        raise WeightsError(f"{folder} cannot be read as an image backbone: {reason}; {USABLE}") from error


def _config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    facts = regular_files.read_json(folder / name)
    if not isinstance(facts, dict):
        raise ValueError(f"{name} is no JSON object")
    return facts


def _is_keras_cv(config: dict[str, Any]) -> bool:
    return str(config.get("registered_name", "")).startswith("keras_cv")


def _class(folder: Path, config: dict[str, Any]) -> type:
    """Return the class of the backbone in a folder; raise an error if it is not an image backbone."""
    import keras

    if _is_keras_cv(config):
        _keras_cv()
        keras_configs.check_folder(folder, "config.json")
        return keras.saving.get_registered_object(config["registered_name"])
    kind = kerashub.backbone_class(files.absolute_path(folder))
    if kind not in _image_backbones():
        raise InputError(
            f"{folder} holds a {kind.__name__}, which is no image backbone; give the folder of one, "
            "or a text backbone with weights=FOLDER"
        )
    return kind


def _derived(row: Backbone, folder: Path) -> Backbone:
    """Fill in a row from its folder: size, features, parameters."""
    with _reading(folder):
        config = _config(folder)
        kind = _class(folder, config)
        size = _scaling(folder, config)[2]
        inner = config.get("config") if isinstance(config.get("config"), dict) else {}
        token = kind.__name__ in CLASS_TOKEN and inner.get("use_class_token", True)
        metadata = _config(folder, "metadata.json") if (folder / "metadata.json").is_file() else {}
    image_input = ImageInput("none", size, min(32, size), features=("map", "pooled") if token else ("map",))
    params = row.params or int(metadata.get("parameter_count", 0))
    return dataclasses.replace(row, input=image_input, params=params, arguments={"folder": str(folder)})


def _scaling(folder: Path, config: dict[str, Any]) -> tuple[Any, Any, int]:
    """Return how pixels are scaled, scale and offset, and the side the network was trained at."""
    if _is_keras_cv(config):
        if not config["config"].get("include_rescaling"):
            raise InputError(f"{folder} does not say how pixels are scaled (include_rescaling is not set)")
        return 1.0, 0.0, _side(config["config"].get("input_shape")) or 224
    if "model_type" in config:
        return _huggingface(folder, config)
    if "registered_name" in config and not (folder / "image_converter.json").is_file():
        raise InputError(
            f"{folder} has no image_converter.json, so it does not say how pixels are scaled; save the KerasHub "
            "ImageConverter there too, with its save_to_preset"
        )
    import keras_hub

    keras_configs.check_folder(folder, "config.json", "image_converter.json")
    converter = keras_hub.layers.ImageConverter.from_preset(files.absolute_path(folder))
    if converter is None:
        raise InputError(f"{folder} does not say how pixels are scaled: its config.json has no pretrained_cfg")
    inner = config["config"] if "registered_name" in config else {}
    size = _side(inner.get("image_shape") or inner.get("input_shape")) or _side(converter.image_size) or 224
    return _number(converter.scale, 1.0), _number(converter.offset, 0.0), size


def _huggingface(folder: Path, config: dict[str, Any]) -> tuple[Any, Any, int]:
    """Read the scaling from Hugging Face's file; KerasHub does so for some networks only."""
    if not (folder / "preprocessor_config.json").is_file():
        raise InputError(f"{folder} has no preprocessor_config.json, so it does not say how pixels are scaled; add it")
    facts = _config(folder, "preprocessor_config.json")
    factor = facts.get("rescale_factor", 1 / 255) if facts.get("do_rescale", True) else 1.0
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if facts.get("do_normalize", True):
        mean, std = facts["image_mean"], facts["image_std"]
    crop = facts.get("crop_size") if facts.get("do_center_crop") else None
    size = _side(crop) or _side(facts.get("size")) or _side(config.get("image_size")) or 224
    return [factor / each for each in std], [-a / b for a, b in zip(mean, std, strict=True)], size


def _side(shape: Any) -> int:
    """Return the side in a shape, a size or a mapping of them; 0 if there is none."""
    if isinstance(shape, dict):
        shape = shape.get("height") or shape.get("shortest_edge")
    if isinstance(shape, list | tuple):
        shape = shape[0]
    return int(shape) if shape else 0


def _number(value: Any, default: float) -> Any:
    return default if value is None else list(value) if isinstance(value, list | tuple) else float(value)


# === Networks ===


def build(*, folder: str, size: int, trained: bool = False) -> keras.Model:
    """Build the network of a folder as one flat model of pixels (batch, size, size, 3), 0..255.

    Args:
        folder: the preset.
        size: pixels of a side.
        trained: with the folder's weights; else with random ones.

    Raises:
        InputError: the network cannot take that size.
        WeightsError: the folder cannot be read.
    """
    path = Path(folder)
    with _reading(path):
        config = _config(path)
        kind = _class(path, config)
        keras_configs.check_folder(path, "config.json")
        scale, offset, own = _scaling(path, config)
        if trained:
            hdf5.check_folder(path)
    takes = inspect.signature(kind.__init__).parameters
    shape = {"image_shape" if "image_shape" in takes else "input_shape": (size, size, 3)}
    try:
        bare = kind.from_preset(files.absolute_path(path), load_weights=trained, **shape)
    except (*hdf5.FAULTS, SafetensorError) as error:
        reason = hdf5.reason(error)[:200]
        if size == own or isinstance(error, SafetensorError):
            raise WeightsError(f"{path} cannot be read as an image backbone: {reason}; {USABLE}") from error
        raise InputError(f"the network of {path} cannot take size {size}: {reason}; its own size is {own}") from error
    return flattening.flatten(bare, size, scale, offset)


def load(model: keras.Model, path: Any) -> None:
    """Load the weights of a folder into a model that `build` made of it, or of one like it."""
    trained = build(folder=str(path), size=model.input_shape[1], trained=True)
    model.set_weights(trained.get_weights())
