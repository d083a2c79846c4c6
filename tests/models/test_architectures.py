"""Networks of pictures: weights files that fit are read, others are named, and nothing in a file is run."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tlkit
from tests.helpers import onnx_messages, tiny_models
from tlkit.errors import WeightsError
from tlkit.models.backbone import Backbone, SecondSource
from tlkit.models.vision import architectures
from tlkit.models.vision.image_input import ImageInput
from tlkit.utils.download import File, Wheel

ROW = Backbone("tiny", tiny_models.tiny_backbone, ImageInput("tf", 16, 8), ("end1", "end2", "end3"), stem="stem")


def arrays(model: Any) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights]


def alike(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))


# === Weights files ===


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_saved_weights_are_read(suffix: str, tmp_path: Path) -> None:
    trained, fresh = tiny_models.tiny_backbone(16), tiny_models.tiny_backbone(16)
    path = tmp_path / f"a{suffix}"
    trained.save_weights(path) if suffix == ".weights.h5" else trained.save(path)
    assert not alike(trained, fresh)
    architectures.load_weights(fresh, ROW, path)
    assert alike(trained, fresh)


def test_the_backbone_is_found_in_a_saved_classifier(tmp_path: Path) -> None:
    inner, pixels = tiny_models.tiny_backbone(16), keras.Input((16, 16, 3))
    whole = keras.Model(pixels, keras.layers.Dense(2)(keras.layers.Flatten()(inner(pixels))))
    whole.save(tmp_path / "whole.keras")
    fresh = tiny_models.tiny_backbone(16)
    architectures.load_weights(fresh, ROW, tmp_path / "whole.keras")
    assert alike(inner, fresh)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_weights_of_another_network_name_both(suffix: str, tmp_path: Path) -> None:
    given = keras.Input((4,))
    other = keras.Model(given, keras.layers.Dense(3)(given))
    path = tmp_path / f"other{suffix}"
    other.save_weights(path) if suffix == ".weights.h5" else other.save(path)
    with pytest.raises(WeightsError, match=rf"other{suffix} does not fit backbone 'tiny': .*or weights=None to start"):
        architectures.load_weights(tiny_models.tiny_backbone(16), ROW, path)


def test_a_file_of_another_kind_goes_to_the_rows_own_loader(tmp_path: Path) -> None:
    read: list[Any] = []
    model = tiny_models.tiny_backbone(16)
    row = dataclasses.replace(ROW, loader=lambda model, path: read.append((model, path)))
    architectures.load_weights(model, row, tmp_path / "a.pth")
    assert read == [(model, tmp_path / "a.pth")]
    with pytest.raises(WeightsError, match=r"a\.pth does not fit .*: this backbone reads \.h5, \.weights\.h5 and"):
        architectures.load_weights(model, ROW, tmp_path / "a.pth")


def test_a_damaged_file_of_tensors(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 20)
    row = dataclasses.replace(ROW, loader=architectures.load_torch_efficientnet)
    with pytest.raises(WeightsError, match=r"its tensors cannot be read .*; save it again, in float32"):
        architectures.load_weights(tiny_models.tiny_backbone(16), row, tmp_path / "a.safetensors")


def test_a_torch_file_of_another_network_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"_conv_stem.weight": np.zeros((1, 1, 3, 3), np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="1 convolutions in the file, 49 in the backbone"):
        tlkit.efficientnet_lite0_pool_dense(2, size=32, weights=tmp_path / "other.safetensors")


# === Saved models ===


def test_a_model_that_only_computes_is_read(tmp_path: Path) -> None:
    made = tiny_models.tiny_backbone(16)
    made.save(tmp_path / "a.keras")
    read, pixels = architectures.read_keras(tmp_path / "a.keras"), tiny_models.pictures(2, 16)
    assert np.array_equal(read(pixels), made(pixels))


def test_what_would_run_a_program_is_not_read(tmp_path: Path) -> None:
    given = keras.Input((4,))
    made = keras.Model(given, keras.layers.Lambda(lambda x: x + 1, output_shape=(4,))(given))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="is a `Lambda` layer: it may run code of its own"):
        architectures.read_keras(tmp_path / "a.keras")


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_what_is_no_archive_is_not_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ValueError, match=r"\w"):
        architectures.read_keras(tmp_path / "a.keras")


# === Builders ===


def test_an_efficientnet_is_standardised_by_variances() -> None:
    model = architectures.keras_application(architecture="EfficientNetB0", size=32)
    norm = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    scaled = norm(np.array([[[[0.485, 0.456, 0.406], [1.0, 1.0, 1.0]]]], np.float32)).numpy()[0, 0]
    assert scaled[0] == pytest.approx([0, 0, 0], abs=1e-6)
    assert scaled[1] == pytest.approx([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225], rel=1e-5)


def test_efficientnet_lite_pads_as_its_weights_were_trained() -> None:
    model = architectures.efficientnet_lite(width=1.0, depth=1.0, size=32)
    depthwise = [layer for layer in model.layers if isinstance(layer, keras.layers.DepthwiseConv2D)]
    assert len(depthwise) == 16 and {layer.padding for layer in depthwise} == {"same"}
    assert not any(isinstance(layer, keras.layers.ZeroPadding2D) for layer in model.layers)
    assert model.output_shape == (None, 1, 1, 1280)


# === Copies from second sources ===


def small_vgg() -> Any:
    """Return two convolutions under the names of VGG16's, with random weights and biases."""
    layers = [
        keras.layers.Conv2D(filters, 3, name=name, bias_initializer="random_normal")
        for name, filters in (("block1_conv1", 4), ("block1_conv2", 5))
    ]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.MaxPooling2D(name="block1_pool")])


def copied_row(file: str, loader: str) -> Backbone:
    wheel = Wheel("a-package==1.0", (File(f"a_package/{file}", ""),))
    source = SecondSource(wheel, f"tlkit.models.vision.architectures:{loader}", "a copy")
    return dataclasses.replace(ROW, second_source=source)


VGG_ROW = copied_row("vgg.onnx", "load_vgg_from_onnx")
WHOLE_ROW = copied_row("whole.model", "load_from_whole_hdf5")


def onnx_tensors(model: Any) -> dict[str, np.ndarray]:
    """Return the weights of a VGG as tf2onnx stores them."""
    tensors = {}
    for layer in (layer for layer in model.layers if layer.weights):
        kernel, bias = map(np.asarray, layer.weights)
        tensors[f"functional_1/{layer.name}_1/convolution/ReadVariableOp:0"] = kernel.transpose(3, 2, 0, 1)
        tensors[f"functional_1/{layer.name}_1/Squeeze:0"] = bias
    return tensors


def write_onnx(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    path.write_bytes(onnx_messages.model(*(onnx_messages.tensor(name, array) for name, array in tensors.items())))
    return path


def test_the_convolutions_of_a_vgg_in_an_onnx_file(tmp_path: Path) -> None:
    trained, fresh = small_vgg(), small_vgg()
    others = {"functional_1/dense_1/Cast/ReadVariableOp:0": np.ones((3, 4), np.float32)}
    path = write_onnx(tmp_path / "vgg.onnx", others | onnx_tensors(trained))
    assert not alike(trained, fresh)
    architectures.load_weights(fresh, VGG_ROW, path)
    assert alike(trained, fresh)


def test_an_onnx_file_that_does_not_fit(tmp_path: Path) -> None:
    tensors = onnx_tensors(small_vgg())
    name = "functional_1/block1_conv2_1/convolution/ReadVariableOp:0"
    for other in (tensors[name][:, :, :2], tensors[name][0]):
        path = write_onnx(tmp_path / "vgg.onnx", tensors | {name: other})
        with pytest.raises(WeightsError, match=r"vgg\.onnx does not fit backbone 'tiny': .*or weights=None to start"):
            architectures.load_weights(small_vgg(), VGG_ROW, path)
    del tensors[name]
    with pytest.raises(WeightsError, match=r"it holds 3 of 4 tensors and lacks 'functional_1/block1_conv2_1/convol"):
        architectures.load_weights(small_vgg(), VGG_ROW, write_onnx(path, tensors))


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Any, Path]:
    """Return a network and a classifier around it, saved as a whole HDF5 file with its optimizer."""
    inner = tiny_models.tiny_backbone(16)
    outer = keras.Model(inner.input, keras.layers.Dense(2, name="answer")(keras.layers.Flatten()(inner.output)))
    outer.compile("adam", "mse")
    outer.train_on_batch(np.ones((2, 16, 16, 3), np.float32), np.ones((2, 2), np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras calls the format old
        outer.save(tmp_path / "whole.h5")
    return inner, (tmp_path / "whole.h5").rename(tmp_path / "whole.model")


def test_a_backbone_in_a_whole_hdf5_file(whole: tuple[Any, Path]) -> None:
    trained, path = whole
    fresh = tiny_models.tiny_backbone(16)
    assert not alike(trained, fresh)
    architectures.load_weights(fresh, WHOLE_ROW, path)
    assert alike(trained, fresh)


def test_a_whole_hdf5_file_that_does_not_fit(whole: tuple[Any, Path]) -> None:
    import h5py

    _, path = whole
    with h5py.File(path, "r+") as file:
        name = next(name for name in file["model_weights"] if "conv" in name)
        kernel = file[f"model_weights/{name}"].attrs["weight_names"][0]
        shape = file[f"model_weights/{name}"][kernel].shape
        del file[f"model_weights/{name}"][kernel]
        file[f"model_weights/{name}"].create_dataset(kernel, data=np.zeros((*shape[:-1], 7), np.float32))
    with pytest.raises(WeightsError, match=rf"whole\.model does not fit backbone 'tiny': the weights of layer {name}"):
        architectures.load_weights(tiny_models.tiny_backbone(16), WHOLE_ROW, path)
    with h5py.File(path, "r+") as file:
        del file[f"model_weights/{name}"]
    with pytest.raises(WeightsError, match=rf"it holds no weights of layer {name}"):
        architectures.load_weights(tiny_models.tiny_backbone(16), WHOLE_ROW, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(WeightsError, match="it is no HDF5 file that can be read"):
        architectures.load_weights(tiny_models.tiny_backbone(16), WHOLE_ROW, path)


def test_a_copy_under_another_name_is_not_read(whole: tuple[Any, Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"this backbone reads \.h5, \.weights\.h5 and \.keras files"):
        architectures.load_weights(tiny_models.tiny_backbone(16), WHOLE_ROW, whole[1].rename(tmp_path / "a.pth"))
