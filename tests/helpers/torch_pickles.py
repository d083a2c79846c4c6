"""Write files of PyTorch without PyTorch."""

from __future__ import annotations

import collections
import io
import pickle
import struct
from typing import Any

import numpy as np

from tlkit.models.vision import torch_pickle

FLOATS = np.arange(6, dtype="<f4")
LONG = np.array([7], dtype="<i8")
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Storage:
    """What the file refers to by a persistent id."""

    def __init__(self, numbers: np.ndarray, key: str, count: int | None = None, kind: str | None = None) -> None:
        self.numbers, self.key = numbers, key
        kind = kind or {"f": "FloatStorage", "i": "LongStorage"}[numbers.dtype.kind]
        self.id = ("storage", Named("torch", kind), key, "cpu", numbers.size if count is None else count, None)


class Named:
    """A global name."""

    def __init__(self, module: str, attribute: str) -> None:
        self.text = f"c{module}\n{attribute}\n".encode()


class Tensor:
    """A call that rebuilds a tensor."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any) -> None:
        self.arguments = (storage, offset, shape, strides, False, collections.OrderedDict())


class Writer(pickle._Pickler):
    """The pure Python pickler, taught to write names and calls without importing what they stand for."""

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, Named):
            self.write(value.text)
        elif isinstance(value, Tensor):
            self.save(Named("torch._utils", "_rebuild_tensor_v2"))
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        elif isinstance(value, Storage):
            self.save(value.id)
            self.write(pickle.BINPERSID)
        else:
            super().save(value, save_persistent_id)


def dump(value: Any) -> bytes:
    """Pickle a value with protocol 2, as PyTorch does."""
    buffer = io.BytesIO()
    Writer(buffer, 2).dump(value)
    return buffer.getvalue()


def contents(main: bytes, storages: tuple[Storage, ...], keys: Any = None, system: Any = SYSTEM) -> bytes:
    """Return a whole file around the pickle of the tensors."""
    head = dump(torch_pickle.MAGIC) + dump(torch_pickle.PROTOCOL) + dump(system)
    body = b"".join(struct.pack("<q", s.numbers.size) + s.numbers.tobytes() for s in storages)
    return head + main + dump([s.key for s in storages] if keys is None else keys) + body


def state() -> tuple[collections.OrderedDict, tuple[Storage, ...]]:
    """Return a small state dictionary with PyTorch's `_metadata`, and its storages."""
    floats, long = Storage(FLOATS, "1"), Storage(LONG, "2")
    tensors = collections.OrderedDict(w=Tensor(floats, 0, (2, 3), (3, 1)), t=Tensor(floats, 0, (3, 2), (1, 3)))
    tensors |= {
        "b": Tensor(floats, 4, (2,), (1,)),
        "n": Tensor(long, 0, (), ()),
        "e": Tensor(floats, 0, (0, 3), (3, 1)),
    }
    tensors._metadata = collections.OrderedDict([("", {"version": 1})])
    return tensors, (floats, long)


def sample() -> bytes:
    """Return a sound file."""
    tensors, storages = state()
    return contents(dump(tensors), storages)
