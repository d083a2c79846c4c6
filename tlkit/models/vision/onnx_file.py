"""Read named float32 tensors from ONNX files without the package `onnx` and without running the file.

An ONNX file is one message in the wire format of protocol buffers: a sequence of fields, some of which are sequences of
fields again. Only three levels are read: the model, its graph, and the graph's initialisers, which are the stored
tensors. Everything else is skipped. Each length is checked against the bytes around it, and only the tensors asked for
are copied, so that no file can demand more memory than its own size.

Source of the format: `onnx/onnx.proto` and https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np

from tlkit.errors import WeightsError
from tlkit.utils import regular_files

MAX_FIELDS = 1_000_000  # in a file; a tensor takes about five, an operation of the graph one
MAX_DIMENSIONS = 8
MAX_VARINT_BYTES = 10  # a whole number of 64 bits has seven of them in each byte
VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5  # wire types
GRAPH, INITIALISER = 7, 5  # field numbers in a model, and in a graph
DIMENSIONS, KIND, SEGMENT, FLOATS, NAME, RAW, EXTERNAL, LOCATION = 1, 2, 3, 4, 8, 9, 13, 14  # in a tensor
FLOAT32 = 1  # the kind of a tensor


def read(path: str | os.PathLike, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read tensors that are stored in an ONNX file.

    Args:
        path: the file.
        names: the tensors to read, which must be float32. Others in the file are skipped.

    Returns:
        Name -> array (float32) of the tensor's shape, in the order of `names`.

    Raises:
        WeightsError: the file is damaged, of another format, or lacks one of the tensors. Nothing of it is run.
    """
    path, wanted = Path(path), {name.encode(): name for name in names}
    if not os.path.isfile(path) or not path.stat().st_size:
        raise WeightsError(f"{path} is missing or empty; fetch it again")
    with regular_files.regular(path, most=None) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _read(data, wanted)
        except ValueError as error:
            raise WeightsError(f"{path} is damaged or not the ONNX file expected ({error}); fetch it again") from error


def _read(data: mmap.mmap, wanted: dict[bytes, str]) -> dict[str, np.ndarray]:
    reader, found = _Reader(data), {}
    for graph in reader.messages(_Span(0, len(data)), GRAPH):
        for span in reader.messages(graph, INITIALISER):
            tensor = _tensor(reader, span)
            name = wanted.get(tensor.name)
            if name in found:
                raise ValueError(f"it holds the tensor {name!r} twice")
            if name is not None:
                found[name] = _array(data, tensor, name)
    if missing := [name for name in wanted.values() if name not in found]:
        raise ValueError(f"it holds {len(found)} of {len(wanted)} tensors and lacks {missing[0]!r}")
    return {name: found[name] for name in wanted.values()}


# === Tensors ===


@dataclass(frozen=True)
class _Span:
    """The bytes of the file from `begin` to before `end`."""

    begin: int
    end: int


@dataclass
class _Tensor:
    """What a file says of a tensor.

    Args:
        elsewhere: whether its numbers lie in another file, or it is a piece of a larger tensor.
    """

    name: bytes = b""
    kind: int = 0
    shape: list[int] = field(default_factory=list)
    numbers: list[_Span] = field(default_factory=list)
    elsewhere: bool = False


def _tensor(reader: _Reader, span: _Span) -> _Tensor:
    tensor = _Tensor()
    for number, value in reader.fields(span):
        if number == DIMENSIONS:
            tensor.shape += [value] if isinstance(value, int) else reader.varints(value)
            if len(tensor.shape) > MAX_DIMENSIONS:
                raise ValueError(f"a tensor has more than {MAX_DIMENSIONS} dimensions")
        elif number == KIND and isinstance(value, int):
            tensor.kind = value
        elif number == NAME and isinstance(value, _Span):
            tensor.name = reader.data[value.begin : value.end]
        elif number in (FLOATS, RAW) and isinstance(value, _Span):
            tensor.numbers.append(value)
        elif number in (SEGMENT, EXTERNAL) or (number == LOCATION and value != 0):
            tensor.elsewhere = True
        elif number in (KIND, FLOATS, NAME, RAW):
            raise ValueError(f"field {number} of a tensor has another type")
    return tensor


def _array(data: mmap.mmap, tensor: _Tensor, name: str) -> np.ndarray:
    if tensor.kind != FLOAT32 or tensor.elsewhere:
        where = "numbers in another place" if tensor.elsewhere else f"kind {tensor.kind}"
        raise ValueError(f"the tensor {name!r} has {where}; only float32 (kind 1) in the file itself is read")
    size, itemsize = sum(span.end - span.begin for span in tensor.numbers), np.dtype(np.float32).itemsize
    # a side of 0 would let the others be of any length
    if max(tensor.shape, default=0) > len(data) or itemsize * prod(tensor.shape) != size:
        raise ValueError(f"the tensor {name!r} of shape {tensor.shape} cannot have {size:,} bytes")
    raw = b"".join(data[span.begin : span.end] for span in tensor.numbers)
    return np.frombuffer(raw, "<f4").reshape(tensor.shape).astype(np.float32, copy=False)


# === Wire format ===


@dataclass
class _Reader:
    """Read fields, and count them.

    Args:
        data: the file.
        count: how many fields have been read.
    """

    data: mmap.mmap
    count: int = 0

    def messages(self, span: _Span, wanted: int) -> Iterator[_Span]:
        """Yield the messages in a span that have the field number `wanted`."""
        for number, value in self.fields(span):
            if number == wanted:
                if isinstance(value, int):
                    raise ValueError(f"field {number} at byte {span.begin:,} has another type")
                yield value

    def fields(self, span: _Span) -> Iterator[tuple[int, int | _Span]]:
        """Yield the number of each field in a span with its value: a whole number, or where its bytes are."""
        place = span.begin
        while place < span.end:
            self.count += 1
            if self.count > MAX_FIELDS:
                raise ValueError(f"it has more than {MAX_FIELDS:,} fields")
            key, place = self.varint(place, span.end)
            number, wire_type = key >> 3, key & 7
            if number == 0 or wire_type not in (VARINT, FIXED_64, LENGTH, FIXED_32):
                raise ValueError(f"there is no field of protocol buffers at byte {place - 1:,}")
            if wire_type == VARINT:
                value, place = self.varint(place, span.end)
                yield number, value
                continue
            length = {FIXED_64: 8, FIXED_32: 4}.get(wire_type)
            if length is None:
                length, place = self.varint(place, span.end)
            if length > span.end - place:
                raise ValueError(f"a field of {length:,} bytes at byte {place:,} goes beyond its end")
            yield number, _Span(place, place + length)
            place += length

    def varint(self, place: int, end: int) -> tuple[int, int]:
        """Read the whole number at `place`; return it and the place after it."""
        value = 0
        for count, byte in enumerate(self.data[place : min(end, place + MAX_VARINT_BYTES)]):
            value |= (byte & 0x7F) << 7 * count
            if byte < 0x80:
                return value, place + count + 1
        raise ValueError(f"a number at byte {place:,} does not end")

    def varints(self, span: _Span) -> list[int]:
        """Read whole numbers that stand one after another, one more than `MAX_DIMENSIONS` at most."""
        values, place = [], span.begin
        while place < span.end and len(values) <= MAX_DIMENSIONS:
            value, place = self.varint(place, span.end)
            values.append(value)
        return values
