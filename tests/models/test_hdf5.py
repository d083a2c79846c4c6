"""HDF5 files of weights are looked through before anything is read from them."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import tlkit
from tests.helpers import tiny_models
from tlkit.cli import main
from tlkit.errors import WeightsError
from tlkit.models import hdf5
from tlkit.models.backbone import Backbone
from tlkit.models.vision.image_input import ImageInput

GIB = 1 << 30
PLACE = "layers/conv2d/vars/0"


@pytest.fixture(scope="module")
def trained() -> Any:
    return tiny_models.tiny_classifier(2)


def classifier(weights: Path) -> Any:
    """Build a classifier from somebody's weights file."""
    row = Backbone(
        "tiny",
        tiny_models.tiny_backbone,
        ImageInput("tf", 16, 8),
        ("end1",),
        loader="tlkit.models.vision.architectures:load_torch_efficientnet",
    )
    return tlkit.classifier(row, "pool_dense", 2, weights=weights)


def declaring(path: Path, count: int = 4, size: int = 4 * GIB - 4) -> Path:
    """Write a small file whose data sets declare `size` bytes each, a little less than Keras refuses by itself."""
    with h5py.File(path, "w") as file:
        for number in range(count):
            # chunked and compressed, and nothing is ever written: the fill value stands for all
            file.create_dataset(
                f"layers/{number}/vars/0", (size // 4,), "f4", chunks=(min(size // 4, 1 << 20),), compression="gzip"
            )
        file.attrs["layer_names"] = np.array([b"layers"])
    assert path.stat().st_size < 100_000
    return path


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test in which the numbers of a data set are read."""
    for name in ("__getitem__", "__array__", "read_direct"):
        monkeypatch.setattr(h5py.Dataset, name, lambda *_, **__: pytest.fail("a data set was read"))


# === What is declared ===


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
def test_a_small_file_that_declares_gigabytes(tmp_path: Path, unread: None, name: str) -> None:
    path = declaring(tmp_path / name)
    message = (
        r"w\.\S+ does not fit backbone 'tiny': its HDF5 data sets declare 17,179,869,168 bytes, at most 16,\d+,\d+ "
    )
    with pytest.raises(WeightsError, match=message):
        classifier(path)


def test_many_data_sets_of_which_each_is_small(tmp_path: Path, unread: None) -> None:
    with pytest.raises(WeightsError, match="declare 20,000,000 bytes, at most 16,"):
        classifier(declaring(tmp_path / "w.weights.h5", 20, 1_000_000))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_keras_file_that_declares_gigabytes(tmp_path: Path, trained: Any, unread: None, method: int) -> None:
    trained.save(tmp_path / "good.keras")
    inner = declaring(tmp_path / "inner.h5")
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(tmp_path / "w.keras", "w", method) as bad:
        for name in good.namelist():
            bad.writestr(name, inner.read_bytes() if name.endswith(".h5") else good.read(name))
    with pytest.raises(WeightsError, match="declare 17,179,869,168 bytes, at most 64,000,000 are read"):
        classifier(tmp_path / "w.keras")


def test_a_keras_file_whose_weights_are_of_another_form(tmp_path: Path, trained: Any) -> None:
    trained.save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(tmp_path / "w.keras", "w") as bad:
        for name in good.namelist():
            bad.writestr(name.replace(".h5", ".npz"), good.read(name))
    with pytest.raises(WeightsError, match=r"it holds no model\.weights\.h5, the only form of weights"):
        classifier(tmp_path / "w.keras")


def test_a_folder_whose_weights_declare_gigabytes(tmp_path: Path, unread: None) -> None:
    folder = tiny_models.tiny_bert(tmp_path / "bert")
    declaring(folder / "model.weights.h5")
    with pytest.raises(
        WeightsError, match=r"bert cannot be read as .*model\.weights\.h5: its HDF5 data sets declare 17,"
    ):
        tlkit.classifier("minilm_l6", "mean_dense", 2, size=16, weights=folder)


@pytest.mark.slow
def test_the_command_line_tells_of_it_in_one_line(tmp_path: Path, unread: None, capsys: pytest.CaptureFixture) -> None:
    for kind in "ab":
        (tmp_path / "data" / kind).mkdir(parents=True)
        for number, picture in enumerate(tiny_models.pictures(10, 32, seed=ord(kind))):
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "data" / kind / f"{number}.png")
    path = declaring(tmp_path / "w.weights.h5")
    given = ["--backbone", "mobilenet_v2", "--size", "32", "--weights", str(path), "--out", str(tmp_path / "out")]
    assert main(["train", str(tmp_path / "data"), *given, "--quiet"]) == 2
    told = capsys.readouterr().err.strip().split("\n")[-1]
    assert told.startswith("tlkit: error: ") and "its HDF5 data sets declare 17,179,869,168 bytes" in told


# === What else is not read ===


def external(file: h5py.File) -> None:
    file.create_dataset(PLACE, (4,), "f4", external=[("secret.bin", 0, 16)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "a", (4,))
    file.create_virtual_dataset(PLACE, layout)


def soft(file: h5py.File) -> None:
    file[PLACE] = h5py.SoftLink("/elsewhere")


def strings(file: h5py.File) -> None:
    file.create_dataset(PLACE, (4,), h5py.string_dtype())


def circle(file: h5py.File) -> None:
    file.create_group("layers")["again"] = file["/"]


def unknown(file: h5py.File) -> None:
    file.create_dataset(PLACE, (4,), "f4", chunks=(4,), compression="lzf")


def packed(file: h5py.File, size: int, kept: bytes) -> None:
    data = file.create_dataset(PLACE, (size // 4,), "f4", chunks=(size // 4,), compression="gzip")
    data.id.write_direct_chunk((0,), kept)


def bomb(file: h5py.File) -> None:
    packed(file, 65_536, zlib.compress(bytes(50_000_000), 9))


def oversized(file: h5py.File) -> None:
    packed(file, 4_096, bytes(50_000))


def named(file: h5py.File) -> None:
    file["layers"] = np.dtype("f4")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (external, "'/layers/conv2d/vars/0' in it is an external Dataset"),
        (virtual, "'/layers/conv2d/vars/0' in it is a virtual Dataset"),
        (soft, "'/layers/conv2d/vars/0' in it is a SoftLink, which may lead anywhere"),
        (strings, "'/layers/conv2d/vars/0' in it holds no numbers but object"),
        (circle, "its HDF5 groups lie more than 64 deep"),
        (unknown, "is compressed in a way that is not read; save it with gzip, or plainly"),
        (bomb, "is a decompression bomb: a chunk holds more than 65,536 bytes"),
        (oversized, "has a chunk of 50,000 bytes for 4,096"),
        (named, "'/layers' in it is neither a group nor a data set"),
    ],
)
def test_what_is_not_read(tmp_path: Path, unread: None, edit: Callable, message: str) -> None:
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        edit(file)
    with pytest.raises(WeightsError, match=f"w.weights.h5 does not fit backbone 'tiny': .*{message}"):
        classifier(tmp_path / "w.weights.h5")


@pytest.mark.parametrize("content", [b"", b"abc" * 1000, b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_what_is_no_hdf5_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.weights.h5").write_bytes(content)
    with pytest.raises(WeightsError, match=r"does not fit .*: it is no HDF5 file that can be read \(\w.+\); give"):
        classifier(tmp_path / "w.weights.h5")


# === What is read ===


def test_plain_and_compressed_weights_are_read(tmp_path: Path, trained: Any) -> None:
    body = trained.get_layer("tiny")
    body.save_weights(tmp_path / "plain.weights.h5")
    with h5py.File(tmp_path / "plain.weights.h5") as plain, h5py.File(tmp_path / "small.weights.h5", "w") as small:

        def pack(name: str, found: Any) -> None:
            if isinstance(found, h5py.Dataset):
                small.create_dataset(name, data=found[()], compression="gzip", shuffle=True, fletcher32=True)

        plain.visititems(pack)
    for name in ("plain", "small"):
        again = classifier(tmp_path / f"{name}.weights.h5").get_layer("tiny")
        assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), body.get_weights(), strict=True))


def test_the_state_of_an_optimizer_fits_in(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((2000,)), keras.layers.Dense(3000)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.save_weights(tmp_path / "w.weights.h5")
    assert (tmp_path / "w.weights.h5").stat().st_size > 70_000_000  # the control: three times the network
    hdf5.check(tmp_path / "w.weights.h5", hdf5.allowance(model))


def test_the_cause_is_told_and_not_a_count(tmp_path: Path, trained: Any) -> None:
    trained.get_layer("tiny").save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5", "r+") as file:
        places: list[str] = []
        file.visititems(lambda name, found: places.append(name) if isinstance(found, h5py.Dataset) else None)
        shape = file[places[0]].shape
        del file[places[0]]
        file[places[0]] = np.zeros((7, *shape), np.float32)
    with pytest.raises(WeightsError, match=r"does not fit backbone 'tiny': <.*>: .*shape"):
        classifier(tmp_path / "w.weights.h5")


# === Tensors ===


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def safetensors(path: Path, header: Any, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + bytes(8))
    return path


BAD = {
    "offsets": ({"a": {**TENSOR, "data_offsets": [0, 1 << 60]}}, None, "invalid"),
    "backwards": ({"a": {**TENSOR, "data_offsets": [8, 0]}}, None, "invalid offset"),
    "shape": ({"a": {**TENSOR, "shape": [1 << 40, 1 << 40]}}, None, "overflow"),
    "length": ({"a": TENSOR}, 1 << 62, "header too large"),
    "float8": ({"a": {**TENSOR, "dtype": "F8_E4M3", "shape": [8]}}, None, "float8_e4m3fn"),
    "unknown": ({"a": {**TENSOR, "dtype": "Q4"}}, None, "unknown variant"),
    "text": (b"{{{{", None, "invalid JSON"),
}


@pytest.mark.parametrize(("header", "length", "cause"), BAD.values(), ids=BAD)
def test_tensors_that_cannot_be(tmp_path: Path, header: Any, length: int | None, cause: str) -> None:
    path = safetensors(tmp_path / "w.safetensors", header, length)
    with pytest.raises(WeightsError, match=f"does not fit backbone 'tiny': its tensors cannot be read .*{cause}"):
        classifier(path)


@pytest.mark.parametrize(("header", "length", "cause"), BAD.values(), ids=BAD)
def test_tensors_of_a_hugging_face_folder_that_cannot_be(
    tmp_path: Path, header: Any, length: int | None, cause: str
) -> None:
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
    config = {"model_type": "bert", "vocab_size": 7, "max_position_embeddings": 16, "hidden_dropout_prob": 0.1, **shape}
    config |= {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n")
    if isinstance(header, dict) and header["a"].get("dtype") == "F8_E4M3":
        about = header["a"]
        header = {"embeddings.word_embeddings.weight": about}
    safetensors(tmp_path / "model.safetensors", header, length)
    with pytest.raises(WeightsError, match=f"cannot be read as a KerasHub preset or Hugging Face folder: .*{cause}"):
        tlkit.classifier("minilm_l6", "mean_dense", 2, size=16, weights=tmp_path)
