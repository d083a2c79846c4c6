"""What all tests share. The environment is set before anything imports TensorFlow."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tlkit.features import disk_cache, mixed_precision
from tlkit.utils import files

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TLKIT_QUIET", "1")

TOP = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def features(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep stored features out of the developer's own cache; a test that moves TLKIT_HOME moves them with it."""
    folder, home, original = tmp_path_factory.mktemp("features"), os.environ.get("TLKIT_HOME"), disk_cache.root
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk_cache, "root", lambda: folder if os.environ.get("TLKIT_HOME") == home else original())
        yield
    shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def unmeasured() -> Iterator[None]:
    """Let "auto" mean float32: what a clock says of a tiny network differs from run to run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixed_precision, "measure", lambda *_: "float32")
        yield


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return what a process of its own is run in: the developer's weights and samples, but stored features apart."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("weights", "samples"):
        kept = files.cache_home().resolve() / name
        kept.mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(kept)
    return {**os.environ, "TLKIT_HOME": str(home)}


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a folder of stored features of its own, which does not exist yet."""
    monkeypatch.setattr(disk_cache, "root", lambda: tmp_path / "stored")
    return tmp_path / "stored"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 200 kB, or skip where that is not permitted."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the permission to mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of development data beside the repository, or skip."""
    folder = TOP.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the development data in ../shared/data, which only developers have")
    return folder


@pytest.fixture(scope="session")
def photos() -> dict[str, object]:
    """Return three photographs, name -> uint8 array (height, width, 3), that scikit-image carries."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image's bundled photographs")
    return {name: getattr(data, name)() for name in ("chelsea", "coffee", "rocket")}


@pytest.fixture(scope="session")
def exported_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a tiny classifier of pictures once; that a fresh process can load it is shown in tests of the export."""
    from tests.helpers import tiny_models
    from tlkit.artifacts import export

    out = tmp_path_factory.mktemp("exported") / "out"
    proof = {"samples": 0, "real": False, "max_difference": 0.0, "spread": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_prove", lambda *_: proof)
        export.export(tiny_models.tiny_classifier(2), out)
    return out


@pytest.fixture
def artifact(exported_artifact: Path, tmp_path: Path) -> Path:
    """Return a copy of an exported artifact, which a test may change."""
    return Path(shutil.copytree(exported_artifact, tmp_path / "artifact"))
