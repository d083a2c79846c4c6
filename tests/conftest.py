"""What all tests share. The environment is set before anything imports TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TLKIT_QUIET", "1")

TOP = Path(__file__).resolve().parent.parent


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
