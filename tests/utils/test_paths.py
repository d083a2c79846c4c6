"""Folders and files, here and at addresses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tlkit
from tlkit.data import images
from tlkit.errors import DataError
from tlkit.utils import paths


def test_files_below_a_folder_in_order_without_litter(tmp_path: Path) -> None:
    for name in (
        "b/2.png",
        "b/1.png",
        "a.png",
        ".hidden/x.png",
        "b/.DS_Store",
        "Thumbs.db",
        "__MACOSX/y.png",
        "ü/名.png",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [path.removeprefix(f"{tmp_path}/") for path in paths.below(str(tmp_path))]
    assert found == ["a.png", "b/1.png", "b/2.png", "ü/名.png"]


def test_links_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.png").write_bytes(b"")
    (tmp_path / "top" / "in").mkdir(parents=True)
    (tmp_path / "top" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "top" / "in" / "again").symlink_to(tmp_path / "top")
    assert [Path(path).name for path in paths.below(str(tmp_path / "top"))] == ["1.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_listed(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(DataError, match=r"cannot list .*closed: Permission denied; check the path and its permissions"):
        paths.visible(str(tmp_path / "closed"))


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cannot list .*: Permission denied; check the path and its permissions"):
        paths.visible(str(tmp_path))


@pytest.fixture
def address() -> str:
    """Put pictures of two classes behind an address that only TensorFlow's file systems know."""
    rng = np.random.default_rng(0)
    for label in ("cat", "cup"):
        tf.io.gfile.makedirs(f"ram://photos/{label}")
        for number in range(8):
            pixels = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((10, 10, 1))).astype(np.uint8)
            content = tf.io.encode_jpeg(pixels).numpy()
            with tf.io.gfile.GFile(f"ram://photos/{label}/{number}.jpg", "wb") as file:
                file.write(content)
    return "ram://photos"


def test_pictures_at_an_address_are_read_like_any(address: str) -> None:
    data = tlkit.read(address)
    assert data.labels == ("cat", "cup") and data.kind == "image"
    assert {len(split) for split in data.splits().values()} == {12, 2}
    assert all(item.startswith("ram://photos/") for item in data.train.items)
    assert sorted(data.train.traits.names)[0].startswith("cat/")
    assert next(iter(images.batches(data.train.items, 32, tlkit.config.Reading()))).shape == (12, 32, 32, 3)


def test_addresses_that_lead_nowhere() -> None:
    with pytest.raises(DataError, match=r"there is no folder ram://nothing; check the path"):
        tlkit.image_folder("ram://nothing")
    with pytest.raises(
        DataError, match=r"TensorFlow cannot reach s3://bucket/photos: .*copy the folder to this machine"
    ):
        tlkit.image_folder("s3://bucket/photos")
    with pytest.raises(DataError, match=r"cannot read ram://none.jpg: .*; check the path and its permissions"):
        paths.content("ram://none.jpg")
