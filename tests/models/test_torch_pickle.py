"""Old-style PyTorch files are read without PyTorch; anything but tensors is refused and not run."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.torch_pickles import FLOATS, SYSTEM, Named, Storage, Tensor, contents, dump, sample, state
from tlkit.errors import WeightsError
from tlkit.models.vision import torch_pickle


def name(module: str, attribute: str) -> type:
    """Return a class that pickles as a reference to a global that need not exist."""
    return type(attribute, (), {"__module__": module, "__qualname__": attribute})


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Return a function that writes bytes to a file and returns its path."""

    def put(data: bytes) -> Path:
        (tmp_path / "a.pth").write_bytes(data)
        return tmp_path / "a.pth"

    return put


def test_read(write: Any) -> None:
    arrays = torch_pickle.read(write(sample()))
    assert list(arrays) == ["w", "t", "b", "n", "e"]
    np.testing.assert_array_equal(arrays["w"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(arrays["t"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(arrays["b"], [4, 5])
    assert arrays["n"].shape == () and arrays["n"] == 7 and arrays["n"].dtype == np.int64
    assert arrays["e"].shape == (0, 3) and arrays["w"].dtype == np.float32
    assert not arrays["w"].flags.writeable


def test_a_call_of_the_system_is_refused_and_not_run(write: Any, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    for main in (pickle.dumps(Evil(), 2), pickle.dumps({"a": Evil()}, 2)):
        data = contents(main, ())
        with pytest.raises(WeightsError, match=r"holds the name posix.system; it was not run"):
            torch_pickle.read(write(data))
    # The control: the same bytes, given to pickle, do run.
    pickle.loads(main)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("place", range(5))
def test_a_foreign_name_is_refused_in_each_pickle(write: Any, place: int) -> None:
    tensors, storages = state()
    parts = [dump(v) for v in (torch_pickle.MAGIC, torch_pickle.PROTOCOL, SYSTEM, tensors, [s.key for s in storages])]
    parts[place] = dump(Named("builtins", "eval"))
    with pytest.raises(WeightsError, match=r"holds the name builtins.eval; it was not run"):
        torch_pickle.read(write(b"".join(parts)))


@pytest.mark.parametrize("near", ["collections Counter", "torch DoubleStorage", "torch._utils _rebuild_qtensor"])
def test_names_near_the_admitted_ones_are_refused(write: Any, near: str) -> None:
    with pytest.raises(WeightsError, match=f"holds the name {near.replace(' ', '.')}"):
        torch_pickle.read(write(contents(dump(Named(*near.split())), ())))


@pytest.mark.parametrize(
    ("bomb", "message"),
    [
        (b"\x80\x02}r\xff\xff\xff\xff.", "damaged"),  # LONG_BINPUT
        (b"\x80\x02X\xff\xff\xff\xffa.", "damaged"),  # BINUNICODE of 4 GB
        (b"\x80\x02T\xff\xff\xff\x7fa.", "the pickle instruction BINSTRING"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x0fa.", "the pickle instruction BINUNICODE8"),
        (b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x0fa.", "the pickle instruction BYTEARRAY8"),
        (b"\x80\x02\x8b\xff\xff\xff\x7fa.", "the pickle instruction LONG4"),
        (b"\x80\x02" + b"2" * 50 + b".", "the pickle instruction DUP"),
    ],
)
def test_bombs_allocate_nothing(write: Any, bomb: bytes, message: str) -> None:
    path = write(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=message):
            torch_pickle.read(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_huge_memo_index_costs_nothing(write: Any) -> None:
    tensors, storages = state()
    main = dump(tensors)
    path = write(contents(main[:-1] + b"r\xff\xff\xff\xff.", storages))
    assert list(torch_pickle.read(path)) == ["w", "t", "b", "n", "e"]


def test_too_many_instructions_are_refused(write: Any) -> None:
    with pytest.raises(WeightsError, match="holds more than 1000000 pickle instructions"):
        torch_pickle.read(write(b"}" * 1_000_002 + b"."))


@pytest.mark.parametrize("count", [10**6, 2**62, 10**30, -1])
def test_a_huge_storage_is_refused(write: Any, count: int) -> None:
    storage = Storage(FLOATS, "1", count)
    data = contents(dump({"a": Tensor(storage, 0, (6,), (1,))}), (storage,))
    with pytest.raises(WeightsError, match=f"a storage of {count} numbers is larger than the file"):
        torch_pickle.read(write(data))


def test_a_storage_of_another_length_than_announced(write: Any) -> None:
    storage = Storage(FLOATS, "1", 5)
    with pytest.raises(WeightsError, match="storage '1' has another length than announced"):
        torch_pickle.read(write(contents(dump({"a": Tensor(storage, 0, (5,), (1,))}), (storage,))))


def test_a_storage_announced_twice(write: Any) -> None:
    one, two = Storage(FLOATS, "1"), Storage(FLOATS, "1", 5)
    main = dump({"a": Tensor(one, 0, (6,), (1,)), "b": Tensor(two, 0, (5,), (1,))})
    with pytest.raises(WeightsError, match="storage '1' is announced twice"):
        torch_pickle.read(write(contents(main, (one,))))


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "message"),
    [
        (1, (6,), (1,), "larger than its storage"),
        (0, (7,), (1,), "larger than its storage"),
        (0, (10**12,), (0,), "larger than its storage"),
        (0, (2, 3), (10**9, 1), "larger than its storage"),
        (0, (6,), (-1,), "not made of whole numbers"),
        (-1, (1,), (1,), "not made of whole numbers"),
        (0, (True,), (1,), "not made of whole numbers"),
        (0, [6], (1,), "not made of whole numbers"),
        (0, (6,), (), "does not fit its strides"),
        (0, (1,) * 33, (1,) * 33, "does not fit its strides"),
    ],
)
def test_a_tensor_outside_its_storage(write: Any, offset: Any, shape: Any, strides: Any, message: str) -> None:
    storage = Storage(FLOATS, "1")
    with pytest.raises(WeightsError, match=message):
        torch_pickle.read(write(contents(dump({"a": Tensor(storage, offset, shape, strides)}), (storage,))))


@pytest.mark.parametrize(
    ("main", "message"),
    [
        (dump({"a": 1}), "more than named tensors"),
        (dump([]), "more than named tensors"),
        (dump({1: 2}), "a dictionary whose keys are not names"),
        (dump({"a": Tensor(None, 0, (), ())}), "a tensor without a storage"),
        (b"\x80\x02(a.", "damaged"),
        (b"\x80\x02}Na.", "an append to something that is no list"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "a call that is not one for a tensor"),
        (b"\x80\x02ctorch\n\\q\n.", r"holds the name torch\.\\q"),
        (b"\x80\x02NNR.", "a call that is not one for a tensor"),
        (b"\x80\x02NQ.", "a storage of another kind"),
        (b"\x80\x02N\x86.", "damaged or no PyTorch file"),
        (b"\x80\x02h\x05.", "damaged or no PyTorch file"),
    ],
)
def test_more_than_tensors_is_refused(write: Any, main: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        torch_pickle.read(write(contents(main, ())))


def test_wrong_frames(write: Any) -> None:
    tensors, storages = state()
    with pytest.raises(WeightsError, match="numbers of another byte order"):
        torch_pickle.read(write(contents(dump(tensors), storages, system={"little_endian": False})))
    for keys in (["1"], ["1", "3"], ["1", "2", "2"], 5, [("1",), "2"]):
        with pytest.raises(WeightsError, match="its list of storages is wrong"):
            torch_pickle.read(write(contents(dump(tensors), storages, keys)))
    with pytest.raises(WeightsError, match="its first bytes are wrong"):
        torch_pickle.read(write(dump(1) + sample()))


def test_every_truncation_is_noticed(write: Any) -> None:
    data = sample()
    for length in range(1, len(data)):
        with pytest.raises(WeightsError, match="is damaged or no PyTorch file"):
            torch_pickle.read(write(data[:length]))


def test_other_kinds_of_files(write: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"zipped PyTorch file.*convert it to .safetensors"):
        torch_pickle.read(write(b"PK\x03\x04rest"))
    for path in (write(b""), tmp_path / "none.pth"):
        with pytest.raises(WeightsError, match="is missing or empty; fetch it again"):
            torch_pickle.read(path)
    with pytest.raises(WeightsError, match="no PyTorch file"):
        torch_pickle.read(write(b"\x89HDF\r\n\x1a\n" + bytes(100)))


def test_the_argument_of_a_refused_instruction_is_not_even_read(write: Any) -> None:
    # Python warns of the backslash, and a warning is an error here
    with pytest.raises(WeightsError, match="holds the pickle instruction STRING; it was not run"):
        torch_pickle.read(write(b"\x80\x02S'\\q'\n."))
