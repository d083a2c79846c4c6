"""Shards: they appear whole, damage is noticed, and a full or read-only disk is told in one message."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tlkit.errors import InputError, RunError
from tlkit.features import disk_cache
from tlkit.features.shards import Column, Folder, narrowed

RNG = np.random.default_rng(0)


def block(rows: int = 4, width: int = 3) -> np.ndarray:
    return RNG.normal(size=(rows, width)).astype(np.float32)


def filled(path: Path, shards: int = 3) -> tuple[Folder, list[list[np.ndarray]]]:
    """Write shards of two tensors each."""
    arrays = [[block(), np.arange(8).reshape(4, 2) + number] for number in range(shards)]
    folder = Folder(path, "tiny, pool", 2)
    for number, pair in enumerate(arrays):
        folder.write(number, pair)
    return folder, arrays


def opened(path: Path, tensors: int = 2) -> Folder:
    folder = Folder(path, "tiny, pool", tensors)
    folder.open()
    return folder


def names(path: Path) -> set[str]:
    return {file.name for file in path.iterdir()}


# === Writing and opening ===


def test_what_was_written_is_opened_again(tmp_path: Path) -> None:
    folder, arrays = filled(tmp_path / "a")
    again = opened(tmp_path / "a")
    assert list(again.shards) == [0, 1, 2]
    for number, pair in enumerate(arrays):
        for shards in (folder.shards, again.shards):
            for found, expected in zip(shards[number], pair, strict=True):
                assert np.array_equal(found, expected) and found.dtype == expected.dtype
    assert again.nbytes == folder.nbytes == sum(array.nbytes for pair in arrays for array in pair)


def test_shards_are_mapped_not_read(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    assert all(isinstance(array, np.memmap) for pair in opened(tmp_path / "a").shards.values() for array in pair)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert opened(tmp_path / "none").shards == {} and not (tmp_path / "none").exists()


def test_opening_marks_the_folder_as_used(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    os.utime(tmp_path / "a", (1, 1))
    opened(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mtime > 1


def test_the_folder_says_what_it_holds(stored: Path) -> None:
    filled(stored / "a")
    assert [entry.about for entry in disk_cache.entries()] == ["tiny, pool"]


def test_what_a_dead_process_left_behind_is_no_shard(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    (tmp_path / "a" / ".tlkit-half").write_bytes(b"half")
    assert list(opened(tmp_path / "a").shards) == [0, 1, 2]


# === Damage ===


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty, Path.unlink])
def test_a_damaged_shard_is_noticed_and_the_others_stay(tmp_path: Path, damage: Callable) -> None:
    _, arrays = filled(tmp_path / "a")
    (file,) = (tmp_path / "a").glob("00001.0-*.npy")
    damage(file)
    again = opened(tmp_path / "a")
    assert list(again.shards) == [0, 2] and not file.exists()
    assert np.array_equal(again.shards[2][0], arrays[2][0])
    again.write(1, arrays[1])
    assert all(np.array_equal(opened(tmp_path / "a").shards[n][0], arrays[n][0]) for n in range(3))


def test_a_shard_under_another_shards_digest_is_not_taken(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    (first,), (second,) = ((tmp_path / "a").glob(f"0000{n}.0-*.npy") for n in (0, 1))
    first.write_bytes(second.read_bytes())
    assert list(opened(tmp_path / "a").shards) == [1, 2]


def header(shape: str, kind: str = "'<f4'") -> bytes:
    """Return a file of NumPy with room for 12 numbers, whatever its header says."""
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(48)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"(lp0\n.",  # a pickle
        b"PK\3\4" + bytes(100),  # what numpy.load takes for an archive
        header("()"),
        header("(0, 3)"),
        header("(-1,)"),
        header("(4611686018427387904,)"),
        header("(4294967296, 4294967296)"),
        header("(" + "9" * 4500 + ",)"),
        header("(4L, 3)"),
        header("(" * 300),
        header("(4, 3"),
        header("(4, 3)", "'|O'"),
        header("(4, 3)", "'|V0'"),
        header("(4, 3)", "[('a', '<f4')]"),
        header("(4, 3)", "'<M8[ns]'"),
        header("(4, 3)", "'a4'"),
        header("(4, 3)", "__import__('os')"),
    ],
)
def test_a_file_that_bears_its_digest_and_holds_no_numbers(tmp_path: Path, content: bytes) -> None:
    _, arrays = filled(tmp_path / "a")
    digest = hashlib.sha256(content).hexdigest()[:32]
    (file,) = (tmp_path / "a").glob("00001.0-*.npy")
    file.unlink()
    (forged := tmp_path / "a" / f"00001.0-{digest}.npy").write_bytes(content)
    again = opened(tmp_path / "a")
    assert list(again.shards) == [0, 2] and not forged.exists()
    assert np.array_equal(again.shards[2][0], arrays[2][0])


@pytest.mark.parametrize(
    "name", ["a-b.npy", "1-b.npy", "1.2.3-b.npy", "-b.npy", "\u0661.0-b.npy", "1_0.0-b.npy", ".0-b.npy"]
)
def test_what_is_no_shard_by_its_name_is_let_be(tmp_path: Path, name: str) -> None:
    filled(tmp_path / "a")
    (tmp_path / "a" / name).write_bytes(b"")
    assert list(opened(tmp_path / "a").shards) == [0, 1, 2] and (tmp_path / "a" / name).exists()


def test_what_is_no_file_is_no_shard(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    digest = "0" * 32
    (tmp_path / "a" / f"00001.0-{digest}.npy").mkdir()
    os.mkfifo(tmp_path / "a" / f"00002.0-{digest}.npy")
    (tmp_path / "a" / f"00003.0-{digest}.npy").symlink_to("/dev/zero")
    assert list(opened(tmp_path / "a").shards) == [0, 1, 2]


# === Full and read-only disks ===


def test_a_full_disk_ends_in_one_message_and_leaves_nothing_half_written(disk: Path) -> None:
    (disk / "other").write_bytes(bytes(60_000))
    folder, large = Folder(disk / "a", "about", 2), block(100, 100)
    folder.write(0, [large, large])
    before = names(disk / "a")
    with pytest.raises(RunError) as caught:
        folder.write(1, [large, large])
    assert str(caught.value) == (
        f"cannot write {disk}/a/00001.1: the disk is full; free some space or choose another place. Stored features "
        "lie there: `tlkit cache clear` removes those of earlier runs, TLKIT_HOME moves the folder, and a smaller "
        "cache budget needs less of it"
    )
    assert names(disk / "a") == before
    (disk / "other").unlink()
    again = opened(disk / "a")
    assert list(again.shards) == [0] and np.array_equal(again.shards[0][1], large)
    again.write(1, [large[:40], large[:40]])
    assert list(opened(disk / "a").shards) == [0, 1]


def test_a_shard_whose_second_tensor_does_not_fit_is_not_taken(disk: Path) -> None:
    folder, large = Folder(disk / "a", "about", 2), block(100, 300)  # 120 kB
    with pytest.raises(RunError, match=r"00000\.1: the disk is full"):
        folder.write(0, [large, large])
    assert folder.shards == {} and opened(disk / "a").shards == {}
    assert names(disk / "a") == {disk_cache.ABOUT}


def test_a_read_only_disk_is_named(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(RunError, match=r"the file system is read-only; choose another place.*TLKIT_HOME moves"):
        Folder(disk / "a", "about", 1).write(0, [block()])


@pytest.mark.parametrize(
    ("number", "message"), [(errno.EACCES, "permission is denied"), (errno.ENOSPC, "the disk is full")]
)
def test_a_write_that_is_refused_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    folder, _ = filled(tmp_path / "a", 1)
    before = names(tmp_path / "a")

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tlkit.features.shards.os.replace", refused)
    with pytest.raises(RunError, match=f"cannot write .*00001.0: {message}"):
        folder.write(1, [block(), block()])
    assert names(tmp_path / "a") == before


# === Types ===


def test_only_floating_point_tensors_are_narrowed() -> None:
    assert narrowed(block(), "float16").dtype == np.float16
    assert narrowed(block(), "float32").dtype == np.float32
    assert narrowed(np.arange(70_000), "float16").dtype == np.int64
    assert narrowed(np.array([True]), "float16").dtype == bool
    assert narrowed(np.zeros((0, 3), np.float32), "float16").shape == (0, 3)


@pytest.mark.parametrize("value", [65_600.0, -1e6, np.inf, np.nan])
def test_features_too_large_for_float16_are_refused(value: float) -> None:
    array = np.array([[1.0, value]], np.float32)
    with pytest.raises(InputError, match=r"cannot be stored as float16; raise the cache budget, .* or set it to 0"):
        narrowed(array, "float16")
    assert narrowed(array, "float32") is array
    assert narrowed(np.float32([[65_504.0]]), "float16")[0, 0] == 65_504


# === Columns ===


def test_take_gives_the_examples_asked_for_in_their_order() -> None:
    whole = block(10)
    column = Column([whole[:4], whole[4:8], whole[8:]], 4, "float32")
    order = np.array([9, 0, 7, 7, 3, 4])
    assert np.array_equal(column.take(order), whole[order])
    assert column.nbytes == whole.nbytes


def test_take_gives_the_type_of_the_graph() -> None:
    whole = block(4).astype(np.float16)
    taken = Column([whole], 4, "float32").take(np.array([2]))
    assert taken.dtype == np.float32 and np.array_equal(taken[0], whole[2])


def test_ragged_shards_are_padded_to_the_longest_that_is_needed() -> None:
    short, long = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 5, 4))
    column = Column([short, long], 2, "float32")
    assert column.take(np.array([1, 0])).shape == (2, 3, 4)
    both = column.take(np.array([2, 0]))
    assert both.shape == (2, 5, 4)
    assert np.array_equal(both[0], long[0].astype(np.float32))
    assert np.array_equal(both[1, :3], short[0].astype(np.float32)) and not both[1, 3:].any()
