"""Zip archives are looked into before they are unpacked."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from tlkit.utils import archives
from tlkit.utils.archives import UnsafeError


def write(path: Path, members: dict[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write an archive; `mode` is the kind of file that its members claim to be."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (mode | 0o644) << 16
            archive.writestr(member, data, method)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", False),
        ("a/b.c", False),
        ("assets/ünder_score-1.txt", False),
        ("", True),
        ("/a", True),
        ("a//b", True),
        ("./a", True),
        ("../a", True),
        ("a/../../b", True),
        ("a/..", True),
        ("a\\b", True),
        ("C:/a", True),
        ("c:a", True),
        ("a\0b", True),
        ("a\nb", True),
    ],
)
def test_stray(name: str, expected: bool) -> None:
    assert archives.is_unsafe_name(name) is expected


def test_a_plain_archive_passes(tmp_path: Path) -> None:
    archives.check(write(tmp_path / "a.zip", {"config.json": b"{}", "assets/": b"", "assets/words.txt": b"a" * 5000}))


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "a\\..\\b"])
def test_a_name_that_leads_outside(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.zip", {"config.json": b"{}", name: b"x"})
    with pytest.raises(UnsafeError, match=r"holds '.*', a name that may lead outside"):
        archives.check(path)
    with pytest.raises(UnsafeError, match="a name that may lead outside"):
        archives.extract(path, name, tmp_path / "out", size=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_device(tmp_path: Path, kind: int) -> None:
    path = write(tmp_path / "a.zip", {"config.json": b"/etc/passwd"}, kind)
    with pytest.raises(UnsafeError, match=r"holds 'config\.json', which is a link or another special file"):
        archives.check(path)
    with pytest.raises(UnsafeError, match="is a link or another special file"):
        archives.extract(path, "config.json", tmp_path / "out", size=11)
    assert not (tmp_path / "out").exists()


def test_a_name_that_stands_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"a": b"1"})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a", b"2")
    with pytest.raises(UnsafeError, match="holds 'a' twice"):
        archives.check(path)


def test_a_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.zip", {"a": bytes(2_000_000), "b": b""})
    archives.check(path)  # small enough in any case
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED_BYTES", 1000)
    with pytest.raises(
        UnsafeError, match=r"is a decompression bomb: it announces 2,000,000 bytes, at most .* are unpacked"
    ):
        archives.check(path)
    with pytest.raises(UnsafeError, match="holds a decompression bomb: a has 2,000,000 bytes, not 100"):
        archives.extract(path, "a", tmp_path / "out", size=100)
    with pytest.raises(UnsafeError, match="holds a decompression bomb"):
        archives.extract(path, "a", tmp_path / "out", size=0)
    assert not (tmp_path / "out").exists()


def test_a_bomb_that_announces_less_gives_no_more_than_that(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"a": bytes(2_000_000)})
    data = path.read_bytes()
    path.write_bytes(data.replace((2_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    with pytest.raises(archives.DAMAGE_ERRORS):
        archives.extract(path, "a", tmp_path / "out", size=100)
    assert (tmp_path / "out").stat().st_size <= 100


def patched(path: Path, record: bytes, offset: int, value: bytes) -> Path:
    """Overwrite a field of the records that begin with `record`."""
    data = bytearray(path.read_bytes())
    start = data.index(record) + offset
    data[start : start + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("record", "offset", "value"),
    [
        (b"PK\3\4", 33, b"\xff\xff"),  # the compressed bytes
        (b"PK\1\2", 8, b"\1\0"),  # a flag: encrypted
        (b"PK\1\2", 42, b"\xff\xff\0\0"),  # where the member begins
    ],
)
def test_damage_is_of_known_kinds(tmp_path: Path, record: bytes, offset: int, value: bytes) -> None:
    path = patched(write(tmp_path / "a.zip", {"aa": bytes(range(256)) * 4}), record, offset, value)
    with pytest.raises(archives.DAMAGE_ERRORS):
        archives.extract(path, "aa", tmp_path / "out", size=1024)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 0x63])
def test_other_compressions_are_not_read(tmp_path: Path, method: int) -> None:
    path = write(tmp_path / "a.zip", {"aa": b"12"}, method=zipfile.ZIP_STORED)
    patched(path, b"PK\1\2", 10, method.to_bytes(2, "little"))
    with pytest.raises(UnsafeError, match="holds 'aa', which is stored in a way that is not read"):
        archives.check(path)
    with pytest.raises(UnsafeError, match="holds 'aa', which is stored in a way that is not read"):
        archives.extract(path, "aa", tmp_path / "out", size=2)
    assert not (tmp_path / "out").exists()


def test_a_member_that_begins_before_the_archive(tmp_path: Path) -> None:
    path = patched(write(tmp_path / "a.zip", {"aa": b"12"}), b"PK\5\6", 16, b"\xff\xff\xff\0")  # where the list begins
    with pytest.raises(UnsafeError, match="holds 'aa', which is stored in a way that is not read"):
        archives.extract(path, "aa", tmp_path / "out", size=2)


def test_an_archive_that_ends_too_early(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"aa": b"12"}, method=zipfile.ZIP_STORED)
    patched(path, b"PK\1\2", 20, b"\xff\xff\0\0" * 2)  # both sizes
    with pytest.raises(archives.DAMAGE_ERRORS):
        archives.extract(path, "aa", tmp_path / "out", size=0xFFFF)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = patched(write(tmp_path / "a.zip", {"ä": b""}), b"PK\1\2", 46, b"\xff\xff")
    with pytest.raises(UnsafeError, match="is not a zip archive"):
        archives.check(path)


def test_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(UnsafeError, match="has 3 members; at most 2 are opened"):
        archives.check(write(tmp_path / "a.zip", {"a": b"", "b": b"", "c": b""}))


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"PK no zip")
    for path in (tmp_path / "a", tmp_path, tmp_path / "absent"):
        with pytest.raises(UnsafeError, match="is not a zip archive"):
            archives.check(path)


def test_take(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"a/b": b"12345", "c": b"6"})
    archives.extract(path, "a/b", tmp_path / "out", size=5)
    assert (tmp_path / "out").read_bytes() == b"12345"
    with pytest.raises(KeyError):
        archives.extract(path, "b", tmp_path / "out", size=5)
