"""Look into zip archives before anything is unpacked, and take single files out of them.

A zip file states the size of each member beforehand, and Python's `zipfile` gives no more than that; so what the
archive's directory announces bounds what comes out.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path

MOST_MEMBERS = 10_000
EXPANSION = 20  # times an archive's own size; weights hardly shrink, a bomb grows a thousandfold
FLOOR = 64_000_000  # bytes that any archive may unpack to
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others may take much memory, and fail in ways of their own
# what `zipfile` raises for archives that are damaged, encrypted, or compressed in a way it does not know
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


class UnsafeError(Exception):
    """A member of an archive that must not be unpacked; says why."""


def stray(name: str) -> bool:
    """Tell whether a name is anything but a plain relative path with forward slashes, which leads nowhere else."""
    plain = name.isprintable() and not any(char in name for char in "\\:")
    return not plain or any(part in ("", ".", "..") for part in name.split("/"))


def check(path: Path) -> None:
    """Read the directory of an archive that others will unpack.

    Raises:
        UnsafeError: it is no zip archive, or a member leads outside, is a link, stands twice or is a bomb.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, *DAMAGE) as error:
        raise UnsafeError(f"is no zip archive ({error})") from error
    if len(members) > MOST_MEMBERS:
        raise UnsafeError(f"has {len(members):,} members; at most {MOST_MEMBERS:,} are opened")
    names = set()
    for member in members:
        if member.filename in names:
            raise UnsafeError(f"holds {member.filename[:100]!r} twice")
        names.add(member.filename)
        _check_kind(member)
    total, most = sum(member.file_size for member in members), max(FLOOR, EXPANSION * path.stat().st_size)
    if total > most:
        raise UnsafeError(f"is a decompression bomb: it announces {total:,} bytes, at most {most:,} are unpacked")


def take(path: Path, name: str, target: Path, *, size: int) -> None:
    """Copy one member to `target`.

    Args:
        path: the archive.
        name: the member.
        target: the file to write.
        size: the bytes it may have; 0 where unknown, and then 20 times the archive's.

    Raises:
        UnsafeError: the member is a link or larger.
        KeyError: there is no such member.
        One of DAMAGE: the archive cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(name)
        _check_kind(member)
        most = size or EXPANSION * path.stat().st_size
        if member.file_size > most:
            raise UnsafeError(f"holds a decompression bomb: {name} has {member.file_size:,} bytes, not {most:,}")
        with archive.open(member) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)


def _check_kind(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if stray(name.removesuffix("/")):
        raise UnsafeError(f"holds {name[:100]!r}, a name that may lead outside")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UnsafeError(f"holds {name[:100]!r}, which is a link or another special file")
    if member.compress_type not in METHODS or member.header_offset < 0:
        raise UnsafeError(f"holds {name[:100]!r}, which is stored in a way that is not read")
