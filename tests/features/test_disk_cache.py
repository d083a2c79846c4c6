"""The folder of stored features: what it lists, and who makes room."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tlkit.features import disk_cache
from tlkit.utils import files

GONE = {"oldest": 1, "older": 2, "newest": 3}  # name -> when it was used


def entry(root: Path, name: str, used: float, size: int = 1000) -> Path:
    """Write an entry of one file."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "00000.0-0.npy").write_bytes(bytes(size))
    os.utime(folder, (used, used))
    return folder


@pytest.fixture
def three(stored: Path) -> dict[str, Path]:
    return {name: entry(stored, name, used) for name, used in GONE.items()}


def left(stored: Path) -> set[str]:
    return {path.name for path in stored.iterdir()}


def test_root_lies_in_tlkits_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    assert disk_cache.root() == tmp_path / "home" / "features"


def test_entries_come_newest_first_with_size_and_origin(three: dict[str, Path]) -> None:
    files.write_json(three["older"] / disk_cache.ABOUT, {"about": "tiny, pool, 3 images"})
    size = 1000 + (three["older"] / disk_cache.ABOUT).stat().st_size
    os.utime(three["older"], (2, 2))
    assert disk_cache.entries() == [
        disk_cache.Entry(three["newest"], "of unknown origin", 1000, 3.0),
        disk_cache.Entry(three["older"], "tiny, pool, 3 images", size, 2.0),
        disk_cache.Entry(three["oldest"], "of unknown origin", 1000, 1.0),
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", "no JSON"])
def test_a_damaged_note_does_not_matter(stored: Path, text: str) -> None:
    (entry(stored, "a", 1) / disk_cache.ABOUT).write_text(text)
    assert disk_cache.entries()[0].about == "of unknown origin"


def test_what_another_process_removes_meanwhile_is_not_listed(three: dict[str, Path]) -> None:
    (three["older"] / "00001.0-0.npy").symlink_to("nowhere")  # listed, and gone when it is looked at
    assert [found.folder.name for found in disk_cache.entries()] == ["newest", "oldest"]


def test_nothing_stored_is_no_error(stored: Path) -> None:
    assert disk_cache.entries() == [] and disk_cache.clear() == 0 and not stored.exists()


def test_clear_removes_everything_and_counts_it(three: dict[str, Path], stored: Path) -> None:
    assert disk_cache.clear() == 3000
    assert left(stored) == set()


@pytest.mark.parametrize(
    ("needed", "remaining"),
    [
        (0, {"oldest", "older", "newest"}),
        (500, {"oldest", "older", "newest"}),
        (501, {"older", "newest"}),
        (1500, {"older", "newest"}),
        (2000, {"newest"}),
        (9999, set()),
    ],
)
def test_make_room_removes_the_least_recently_used_and_no_more(
    three: dict[str, Path], stored: Path, needed: int, remaining: set[str]
) -> None:
    disk_cache.make_room(needed, 3500, set())
    assert left(stored) == remaining


def test_make_room_spares_what_is_in_use(three: dict[str, Path], stored: Path) -> None:
    disk_cache.make_room(1000, 3000, {three["oldest"]})
    assert left(stored) == {"oldest", "newest"}
    disk_cache.make_room(10**9, 0, {three["oldest"]})
    assert left(stored) == {"oldest"}


def test_touch_makes_an_entry_the_last_to_go(three: dict[str, Path], stored: Path) -> None:
    disk_cache.touch(three["oldest"])
    disk_cache.make_room(1000, 3000, set())
    assert left(stored) == {"oldest", "newest"}


def test_free_counts_what_is_stored_already(three: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=50)

    monkeypatch.setattr(disk_cache.shutil, "disk_usage", usage)
    assert disk_cache.free() == 3050
    assert asked == [disk_cache.root()]


def test_free_asks_the_nearest_folder_that_exists(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(disk_cache.shutil, "disk_usage", lambda path: asked.append(path) or SimpleNamespace(free=7))
    assert disk_cache.free() == 7 and asked == [tmp_path]
