"""Read tensors from old-style PyTorch pickles (before PyTorch 1.6) without PyTorch and without running the file.

Such a file is five pickles (magic number, protocol, system, tensors, storage keys), then for each key the number of
elements and the raw numbers. A pickle is a program; here a small interpreter of our own takes only the instructions
that a dictionary of tensors needs, and four names. All it allocates is bounded by the size of the file.

Source of the format: `torch.serialization._legacy_save` and `pickletools`.
"""

from __future__ import annotations

import mmap
import os
import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.errors import WeightsError
from tlkit.utils import regular_files

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MAX_INSTRUCTIONS = 1_000_000  # one byte of pickle may make an object of 64; a tensor takes about 20 instructions
_DTYPES = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
_ORDERED, _REBUILD = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read a state dictionary from an old-style PyTorch file.

    Args:
        path: a `.pth` or `.pt` file holding nothing but named float32 and int64 tensors.

    Returns:
        Name -> array (float32 or int64, read-only) of the tensor's shape, in the file's order.

    Raises:
        WeightsError: the file is damaged, of another format, or holds anything but tensors. Nothing of it is run.
    """
    path = Path(path)
    if not os.path.isfile(path) or not path.stat().st_size:
        raise WeightsError(f"{path} is missing or empty; fetch it again")
    with regular_files.regular(path, most=None) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] == b"PK\x03\x04":
            raise WeightsError(f"{path} is a zipped PyTorch file, which is not read; convert it to .safetensors")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of a backslash in a name that is refused anyway
                return _read(data)
        except _Refused as error:
            raise WeightsError(
                f"{path} holds {error}; it was not run. Use a .safetensors or .weights.h5 file"
            ) from None
        except (ValueError, LookupError, TypeError, OverflowError) as error:
            raise WeightsError(f"{path} is damaged or no PyTorch file ({error}); fetch it again") from error


class _Refused(Exception):
    """A pickle instruction or object that a state dictionary does not need."""


def _read(data: mmap.mmap) -> dict[str, np.ndarray]:
    magic, protocol, system = (_Machine(data).run() for _ in range(3))
    if magic != MAGIC or protocol != PROTOCOL:
        raise ValueError("its first bytes are wrong")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _Refused("numbers of another byte order")
    machine = _Machine(data)
    state, keys = machine.run(), _Machine(data).run()
    if not isinstance(state, dict) or not all(isinstance(value, _Tensor) for value in state.values()):
        raise _Refused("more than named tensors")
    if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
        raise ValueError("its list of storages is wrong")
    if sorted(keys) != sorted(machine.storages):
        raise ValueError("its list of storages is wrong")
    arrays = {key: _numbers(data, machine.storages[key]) for key in keys}
    return {name: _array(tensor, arrays[tensor.storage.key]) for name, tensor in state.items()}


# === Tensors ===


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _numbers(data: mmap.mmap, storage: _Storage) -> np.ndarray:
    if int.from_bytes(data.read(8), "little", signed=True) != storage.count:
        raise ValueError(f"storage {storage.key[:40]!r} has another length than announced")
    raw = data.read(storage.count * storage.dtype.itemsize)
    if len(raw) != storage.count * storage.dtype.itemsize:
        raise ValueError("it ends too early")
    return np.frombuffer(raw, storage.dtype)


def _array(tensor: _Tensor, numbers: np.ndarray) -> np.ndarray:
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, strides, writeable=False)
    return view.astype(numbers.dtype.newbyteorder("="), copy=False)


def _ints(value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple) or not all(type(item) is int and item >= 0 for item in value):
        raise ValueError("a shape is not made of whole numbers")
    return value


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise _Refused("a tensor without a storage")
    tensor = _Tensor(storage, *_ints((offset,)), _ints(shape), _ints(strides))
    if len(tensor.shape) != len(tensor.strides) or len(tensor.shape) > 32:
        raise ValueError("a shape does not fit its strides")
    # Strides of 0 would let a few bytes stand for any number of elements.
    elements, last = 1, tensor.offset
    for side, stride in zip(tensor.shape, tensor.strides, strict=True):
        elements, last = elements * side, last + (side - 1) * stride
    if elements > storage.count or (elements and last >= storage.count):
        raise ValueError("a tensor is larger than its storage")
    return tensor


# === The interpreter ===


@dataclass(frozen=True)
class _Name:
    """A global that the file names; it is recorded and never imported."""

    text: str


@dataclass
class _Machine:
    """Run one pickle from where `data` stands, with nothing but the instructions in `_STEPS`."""

    data: mmap.mmap
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    storages: dict[str, _Storage] = field(default_factory=dict)

    def run(self) -> Any:
        # A memory map never reads past the file's end, so no announced length makes it allocate more than the file.
        for _ in range(MAX_INSTRUCTIONS + 1):
            if not (code := self.data.read(1)):
                raise ValueError("it ends too early")
            opcode = pickletools.code2op.get(code.decode("latin-1"))
            if opcode is None:
                raise ValueError(f"there is no pickle instruction {code!r}")
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name not in _STEPS:  # its argument is not even read
                raise _Refused(f"the pickle instruction {opcode.name}")
            _STEPS[opcode.name](self, opcode.arg and opcode.arg.reader(self.data))
        raise _Refused(f"more than {MAX_INSTRUCTIONS} pickle instructions")

    def since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def group(self, count: int) -> None:
        if count > len(self.stack):
            raise ValueError("the stack is empty")
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def name(self, text: str) -> None:
        if text not in {_ORDERED, _REBUILD, *_DTYPES}:
            raise _Refused(f"the name {text.replace(' ', '.')[:100]}")
        self.stack.append(_Name(text))

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if function == _Name(_ORDERED) and arguments == ():
            self.stack.append({})
        elif function == _Name(_REBUILD) and isinstance(arguments, tuple) and len(arguments) in (6, 7):
            self.stack.append(_rebuild(*arguments))
        else:
            raise _Refused("a call that is not one for a tensor")

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or not all(isinstance(key, str) for key in items[::2]):
            raise _Refused("a dictionary whose keys are not names")
        target.update(zip(items[::2], items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise _Refused("an append to something that is no list")
        self.stack[-1].extend(items)

    def storage(self) -> None:
        match self.stack.pop():
            case ("storage", _Name(kind), str(key), str(), int(count), None) if kind in _DTYPES:
                announced = _Storage(key, _DTYPES[kind], count)
            case _:
                raise _Refused("a storage of another kind")
        if not 0 <= count * announced.dtype.itemsize <= len(self.data):
            raise ValueError(f"a storage of {count} numbers is larger than the file")
        if self.storages.setdefault(key, announced) != announced:
            raise ValueError(f"storage {key[:40]!r} is announced twice")
        self.stack.append(announced)


def _push(machine: _Machine, value: Any) -> None:
    machine.stack.append(value)


def _get(machine: _Machine, index: int) -> None:
    machine.stack.append(machine.memo[index])


def _put(machine: _Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


_Step = Callable[[_Machine, Any], Any]
_STEPS: dict[str, _Step] = {
    "PROTO": lambda m, _: None,
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.group(1),
    "TUPLE2": lambda m, _: m.group(2),
    "TUPLE3": lambda m, _: m.group(3),
    "SETITEM": lambda m, _: m.set_items([m.stack.pop(-2), m.stack.pop()]),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "APPEND": lambda m, _: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, _: m.extend(m.since_mark()),
    "GLOBAL": lambda m, text: m.name(text),
    "REDUCE": lambda m, _: m.call(),
    "BINPERSID": lambda m, _: m.storage(),
    # The state of an OrderedDict is PyTorch's `_metadata`, which holds no weights.
    "BUILD": lambda m, _: m.stack.pop(),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"), _push),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _get),
}
