"""Open the file of a table or text once, local or remote: to look at its beginning, then to read all of it."""

from __future__ import annotations

import codecs
import contextlib
import errno
import gzip
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tlkit.errors import DataError
from tlkit.utils import paths, regular_files

# A packed table may be so many times as large as its file, or so many bytes; texts shrink to a third, a bomb to a
# thousandth.
EXPANSION, FLOOR = 100, 16_000_000
PEEK_BYTES = 1 << 16  # read at a time to look at the beginning
_FOREIGN, _ACCENTED = re.compile("[\udc80-\udcff]"), re.compile("[^\0-\x7f\udc80-\udcff]")


class Source:
    """A file, which may be packed as .gz, opened on first use and read only as far as needed.

    A file at an address is fetched by the first question. Use it as a context manager, which closes the file.

    Args:
        path: of the file, or its address.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._file = contextlib.ExitStack()
        self._stream: BinaryIO | None = None  # what has not been read yet, unpacked
        self._kept: list[bytes] = []  # what has
        self._most = 0

    def __str__(self) -> str:
        return self.path

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and forget its content; it is opened again when needed."""
        self._file.close()
        self._stream, self._kept = None, []

    def check(self) -> None:
        """Raise DataError if there is no such file, or if it is a folder; an open file is not checked again."""
        if self._stream is not None:
            return
        paths.check_name(self.path)
        if not paths.exists(self.path) or paths.is_folder(self.path):
            exists = paths.exists(self.path)
            raise DataError(
                f"{self.path} is a folder; give a file" if exists else f"there is no file {self.path}; check it"
            )

    def beginning(self) -> tuple[BinaryIO, str]:
        """Return a file that reads the source from its beginning, and only as far as it is read; and its encoding."""
        first = next(self._chunks(), b"")
        return io.BufferedReader(_Again(self._chunks())), _encoding(first, whole=False)[0]

    def content(self) -> tuple[bytes, str, str]:
        """Return all that the file holds, its encoding and what there is to say about it; and close the file.

        Raises:
            OSError, EOFError, zlib.error: it cannot be read or unpacked. DataError: it unpacks to too much, or it is at
                an address and cannot be fetched.
        """
        with self:
            self._read_on(None)
            data = b"".join(self._kept)
        return data, *_encoding(data, whole=True)

    def _chunks(self) -> Iterator[bytes]:
        """Yield the content of the file from its beginning, and read on if that is not enough."""
        number = 0
        while number < len(self._kept) or self._read_on(PEEK_BYTES):
            yield self._kept[number]
            number += 1

    def _read_on(self, size: int | None) -> bool:
        """Read and keep so many more bytes, or all; return whether there were any."""
        stream = self._opened()
        room = self._most + 1 - sum(map(len, self._kept))
        if data := stream.read(room if size is None else min(size, room)):
            self._kept.append(data)
        if len(data) == room:
            self._refuse()
        return bool(data)

    def _refuse(self) -> None:
        """Raise the error that the file holds more than is read."""
        limit = f"{self._most:,} bytes"
        if self._is_packed():
            raise DataError(
                f"{self.path} unpacks to more than {limit}; unpack it with gunzip if that is as it should be"
            )
        raise OSError(errno.EFBIG, f"it has more than {limit}; no more are read")

    def _is_packed(self) -> bool:
        return self.path.lower().endswith(".gz")

    def _opened(self) -> BinaryIO:
        """Return the open stream; open or download the file if that was not done yet."""
        if self._stream is not None:
            return self._stream
        if paths.is_remote(self.path):
            data = paths.content(self.path)
            file, size = io.BytesIO(data), len(data)
            self._most = size
        else:
            file = self._file.enter_context(regular_files.regular(self.path, most=regular_files.MAX_TABLE_BYTES))
            size = os.fstat(file.fileno()).st_size
            self._most = regular_files.MAX_TABLE_BYTES
        if self._is_packed():
            file = self._file.enter_context(gzip.GzipFile(mode="rb", fileobj=file))
            self._most = min(max(FLOOR, EXPANSION * size), regular_files.MAX_TABLE_BYTES)
        self._stream = file
        return file


class _Again(io.RawIOBase):
    """Read pieces of bytes as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        left = self._left or memoryview(next(self._chunks, b""))
        count = min(len(left), len(buffer))
        buffer[:count], self._left = left[:count], left[count:]
        return count


@contextlib.contextmanager
def opened(path: str | Path | Source) -> Iterator[Source]:
    """Yield the source of a path and close it in the end; an existing source is left open for its owner."""
    with contextlib.nullcontext(path) if isinstance(path, Source) else Source(path) as source:
        yield source


def _encoding(data: bytes, *, whole: bool) -> tuple[str, str]:
    """Return the encoding of a file and a note on it; if it is not `whole`, it may end within a character."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", ""
    decoder = codecs.getincrementaldecoder("utf-8")
    with contextlib.suppress(UnicodeDecodeError):
        decoder().decode(data, whole)
        return "utf-8-sig", ""
    text = decoder("surrogateescape").decode(data, whole)
    if len(_FOREIGN.findall(text)) <= len(_ACCENTED.findall(text)):
        return "utf-8-sig", ""  # with single faults; another encoding would garble all other rows
    with contextlib.suppress(UnicodeDecodeError):
        data.decode("cp1252")
        return "cp1252", "The file is not in UTF-8; it was read as Windows-1252."
    return "latin-1", "The file is neither in UTF-8 nor in Windows-1252; it was read as Latin-1."
