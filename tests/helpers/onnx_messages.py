"""Write ONNX files without the package `onnx`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlkit.models.vision.onnx_file import DIMENSIONS, FLOAT32, FLOATS, GRAPH, INITIALISER, KIND, NAME, RAW


def varint(value: int) -> bytes:
    """Write a whole number as protocol buffers do, seven bits a byte."""
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def number(field: int, value: int) -> bytes:
    """Write a field that is a whole number."""
    return varint(field << 3) + varint(value)


def part(field: int, content: bytes, length: int | None = None) -> bytes:
    """Write a field of bytes, which may announce another length than it has."""
    return varint(field << 3 | 2) + varint(len(content) if length is None else length) + content


def tensor(
    name: str, array: np.ndarray, *, shape: Sequence[int] | None = None, kind: int = FLOAT32, field: int = RAW
) -> bytes:
    """Write a tensor; `shape`, `kind` and the field of its numbers may be untrue."""
    sides = array.shape if shape is None else shape
    packed = part(DIMENSIONS, b"".join(map(varint, sides))) if field == FLOATS else b""
    single = b"" if packed else b"".join(number(DIMENSIONS, side) for side in sides)
    return packed + single + number(KIND, kind) + part(NAME, name.encode()) + part(field, array.tobytes())


def model(*tensors: bytes) -> bytes:
    """Write a model whose graph has one operation, a name and these tensors."""
    graph = part(1, part(4, b"Relu")) + part(2, b"graph") + b"".join(part(INITIALISER, each) for each in tensors)
    return number(1, 8) + part(2, b"writer") + part(GRAPH, graph)
