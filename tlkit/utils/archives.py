"""Inspect zip archives before unpacking, and extract single members.

A zip file states the size of each member beforehand, and Python's `zipfile` gives no more than that; so what the
archive's directory announces bounds what comes out.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path

MAX_MEMBERS = 10_000
# an archive may unpack to so many times its own size: weights hardly shrink, a bomb grows a thousandfold
MAX_EXPANSION = 20
ALWAYS_ALLOWED_BYTES = 64_000_000  # that any archive may unpack to
COMPRESSION_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may need much memory or fail in other ways
# errors of `zipfile` for archives that are damaged, encrypted, or compressed in a way it does not know
DAMAGE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


class UnsafeError(Exception):
    """An archive or a member that must not be unpacked; the message says why."""


def is_unsafe_name(name: str) -> bool:
    """Return whether a name is anything but a plain relative path with forward slashes that stays inside its folder."""
    plain = name.isprintable() and not any(char in name for char in "\\:")
    return not plain or any(part in ("", ".", "..") for part in name.split("/"))


def check(path: Path) -> None:
    """Check the directory of an archive before it is unpacked.

    Raises:
        UnsafeError: it is not a zip archive, or a member leads outside, is a link, appears twice or is a bomb.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, *DAMAGE_ERRORS) as error:
        raise UnsafeError(f"is not a zip archive ({error})") from error
    if len(members) > MAX_MEMBERS:
        raise UnsafeError(f"has {len(members):,} members; at most {MAX_MEMBERS:,} are opened")
    names = set()
    for member in members:
        if member.filename in names:
            raise UnsafeError(f"holds {member.filename[:100]!r} twice")
        names.add(member.filename)
        _check_kind(member)
    total, limit = (
        sum(member.file_size for member in members),
        max(ALWAYS_ALLOWED_BYTES, MAX_EXPANSION * path.stat().st_size),
    )
    if total > limit:
        raise UnsafeError(f"is a decompression bomb: it announces {total:,} bytes, at most {limit:,} are unpacked")


def extract(path: Path, name: str, target: Path, *, size: int) -> None:
    """Extract one member to the file `target`.

    Args:
        path: the archive.
        name: the member.
        target: the file to write.
        size: the bytes it may have; 0 if unknown, which allows 20 times the size of the archive.

    Raises:
        UnsafeError: the member is a link or larger.
        KeyError: there is no such member.
        One of DAMAGE_ERRORS: the archive cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(name)
        _check_kind(member)
        limit = size or MAX_EXPANSION * path.stat().st_size
        if member.file_size > limit:
            raise UnsafeError(f"holds a decompression bomb: {name} has {member.file_size:,} bytes, not {limit:,}")
        with archive.open(member) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)


def _check_kind(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if is_unsafe_name(name.removesuffix("/")):
        raise UnsafeError(f"holds {name[:100]!r}, a name that may lead outside")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UnsafeError(f"holds {name[:100]!r}, which is a link or another special file")
    if member.compress_type not in COMPRESSION_METHODS or member.header_offset < 0:
        raise UnsafeError(f"holds {name[:100]!r}, which is stored in a way that is not read")
