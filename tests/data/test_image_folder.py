"""Folders as they are in the world."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlkit
from tlkit.config import Splitting
from tlkit.data.readers import image_folder
from tlkit.errors import DataError


def save(path: Path, seed: int = 0) -> Path:
    """Write a small picture; other seeds, other pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    Image.fromarray(pixels).resize((40, 40), Image.Resampling.BICUBIC).save(path, "PNG")
    return path


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with nested folders, odd names, a link, litter, a stray picture and broken files."""
    root = tmp_path / "photos"
    names = ["cat/1.PNG", "cat/deep/er/2.png", "cat/Ünï ça 名.JPG", "cat/noextension", "cat/5.png", "cat/6.png",
             "dog/1.png", "dog/2.png", "dog/3.png", "dog/4.png"]  # fmt: skip
    for number, name in enumerate(names):
        save(root / name, number)
    save(tmp_path / "elsewhere" / "linked.png", 50)
    (root / "dog" / "link").symlink_to(tmp_path / "elsewhere")
    (root / "dog" / "broken.png").write_bytes(b"")
    (root / "cat" / "page.jpg").write_bytes(b"<!doctype html><p>404")
    (root / "cat" / "Thumbs.db").write_bytes(b"x")
    (root / "README.md").write_text("about")
    save(root / "stray.png", 60)
    return root


def test_everything_is_read_or_named(world: Path) -> None:
    data = tlkit.image_folder(world)
    names = sorted(name for split in data.splits().values() for name in split.traits.names)
    assert names == sorted([
        "cat/1.PNG", "cat/deep/er/2.png", "cat/Ünï ça 名.JPG", "cat/noextension", "cat/5.png", "cat/6.png",
        "dog/1.png", "dog/2.png", "dog/3.png", "dog/4.png", "dog/link/linked.png",
    ])  # fmt: skip
    assert dict(data.unreadable) == {
        "stray.png": "it lies beside the class folders, in none of them",
        "cat/page.jpg": "it is an HTML page, not a picture; fetch the picture again",
        "dog/broken.png": "the file is empty",
    }


def test_strict_refuses_what_cannot_be_read(world: Path) -> None:
    said = "3 could not be read; stray.png: it lies beside .*; repair or remove them, or do without strict"
    with pytest.raises(DataError, match=said):
        tlkit.image_folder(world, strict=True)


def test_quarantine_is_written_as_a_table(world: Path, tmp_path: Path) -> None:
    data = tlkit.image_folder(world)
    data.write_quarantine(tmp_path / "quarantine.csv")
    rows = list(csv.DictReader((tmp_path / "quarantine.csv").read_text("utf-8").splitlines()))
    assert [(row["example"], row["reason"]) for row in rows] == list(data.unreadable)


def test_a_pattern_keeps_groups_of_files_together(tmp_path: Path) -> None:
    for number in range(48):
        save(tmp_path / "xy"[number % 2] / f"patient{number // 4:02}-{number}.png", number)
    data = tlkit.image_folder(tmp_path, splitting=Splitting(group_by=r"patient(\d+)"))
    patients = [{name.split("-")[0][2:] for name in split.traits.names} for split in data.splits().values()]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 12
    apart = tlkit.image_folder(tmp_path)
    patients = [{name.split("-")[0][2:] for name in split.traits.names} for split in apart.splits().values()]
    assert sum(map(len, patients)) > 12  # the control


def test_given_splits_and_a_splits_file(tmp_path: Path) -> None:
    number = 0
    for split, count in (("train", 6), ("val", 2), ("test", 2)):
        for label in ("cat", "dog"):
            for _ in range(count):
                number += 1
                save(tmp_path / "given" / split / label / f"{number}.png", number)
    data = tlkit.image_folder(tmp_path / "given")
    assert data.splitting == "The train, val and test splits were given."
    data.write_splits(tmp_path / "splits.csv")
    text = (tmp_path / "splits.csv").read_text("utf-8").replace(",test,", ",VAL,").replace(",val,", ",test,")
    (tmp_path / "splits.csv").write_text(text, "utf-8")
    again = tlkit.image_folder(tmp_path / "given", splitting=Splitting(file=str(tmp_path / "splits.csv")))
    assert sorted(again.test.traits.names) == sorted(data.val.traits.names)


def test_blank_files_in_quantity_do_not_wait_in_memory(tmp_path: Path) -> None:
    sources = [b""] * 1500
    kept, seen, reasons = image_folder.pictures(sources)
    assert not kept and not len(seen.names) and set(reasons) == set(range(1500))


def test_a_long_name_does_not_make_a_longer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    name = "ü" * 125 + ".tif"  # as long as a name may be
    Image.new("RGB", (9, 9), "red").save(tmp_path / name, "TIFF")
    (copy,), _, reasons = image_folder.pictures([str(tmp_path / name)])
    assert not reasons and Path(copy).is_file() and Path(copy).name.startswith("ü" * 50 + "-")


# === Names that are no UTF-8 ===


def test_a_file_whose_name_is_no_utf_8_is_left_out_by_a_name_that_can_be_printed(tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", number)
    odd = tmp_path / "photos" / "a" / os.fsdecode(b"caf\xe9.png")
    odd.write_bytes((tmp_path / "photos" / "a" / "0.png").read_bytes())
    (tmp_path / "photos" / os.fsdecode(b"stray\xe9.png")).write_bytes(odd.read_bytes())
    data = tlkit.image_folder(tmp_path / "photos")
    assert dict(data.unreadable) == {
        r"a/caf\xe9.png": "its name is not UTF-8; rename it",
        r"stray\xe9.png": "it lies beside the class folders, in none of them",
    }
    assert sum(map(len, data.splits().values())) == 8
    data.write_quarantine(tmp_path / "quarantine.csv")
    assert r"a/caf\xe9.png,its name is not UTF-8; rename it" in (tmp_path / "quarantine.csv").read_text("ascii")
    with pytest.raises(DataError, match=r"2 could not be read; .*repair or remove them"):
        tlkit.image_folder(tmp_path / "photos", strict=True)


@pytest.mark.parametrize("where", ["photos", "photos/a"])
def test_folders_whose_names_are_no_utf_8_are_refused(tmp_path: Path, where: str) -> None:
    for number in range(8):
        save(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", number)
    odd = tmp_path / os.fsdecode(where.encode() + b"\xe9")
    (tmp_path / where).rename(odd)
    root = odd if where == "photos" else tmp_path / "photos"
    with pytest.raises(DataError, match=r"(photos|a)\\xe9 (is|has a name that is) not UTF-8; rename it") as caught:
        tlkit.image_folder(root)
    assert str(caught.value).isprintable()
