"""ONNX files are read without the package `onnx`; damaged ones and those of other content are refused."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.onnx_messages import model, number, part, tensor, varint
from tlkit.errors import WeightsError
from tlkit.models.vision import onnx_file
from tlkit.models.vision.onnx_file import EXTERNAL, FLOATS, GRAPH, INITIALISER, LOCATION, NAME, RAW, SEGMENT

KERNEL = np.arange(24, dtype="<f4").reshape(2, 3, 2, 2)
BIAS = np.array([0.5, -1.5], "<f4")
LONG = np.array([7, 8], "<i8")
SOUND = model(tensor("kernel", KERNEL), tensor("bias", BIAS, field=FLOATS), tensor("long", LONG, kind=7))


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Return a function that writes bytes to a file and returns its path."""

    def put(data: bytes) -> Path:
        (tmp_path / "a.onnx").write_bytes(data)
        return tmp_path / "a.onnx"

    return put


def test_read(write: Any) -> None:
    arrays = onnx_file.read(write(SOUND), ["bias", "kernel"])
    assert list(arrays) == ["bias", "kernel"]
    np.testing.assert_array_equal(arrays["kernel"], KERNEL)
    np.testing.assert_array_equal(arrays["bias"], BIAS)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_a_scalar_and_an_empty_tensor(write: Any) -> None:
    path = write(model(tensor("one", np.array(3, "<f4")), tensor("none", np.zeros((0, 3), "<f4"))))
    arrays = onnx_file.read(path, ["one", "none"])
    assert arrays["one"].shape == () and arrays["one"] == 3 and arrays["none"].shape == (0, 3)


def test_numbers_that_are_not_packed(write: Any) -> None:
    apart = b"".join(varint(FLOATS << 3 | 5) + value.tobytes() for value in BIAS)
    path = write(model(number(1, 2) + number(2, 1) + part(NAME, b"bias") + apart))
    np.testing.assert_array_equal(onnx_file.read(path, ["bias"])["bias"], BIAS)


def test_fields_of_every_type_are_skipped(write: Any) -> None:
    others = number(99, 1 << 63) + varint(98 << 3 | 1) + b"8 bytes." + varint(97 << 3 | 5) + b"four" + part(96, b"x")
    path = write(others + model(others + tensor("bias", BIAS)))
    np.testing.assert_array_equal(onnx_file.read(path, ["bias"])["bias"], BIAS)


def test_a_file_that_is_cut_anywhere_is_refused(write: Any) -> None:
    message = r"a\.onnx is damaged or not the ONNX file expected \(.*\); fetch it again"
    for end in range(1, len(SOUND)):
        with pytest.raises(WeightsError, match=message):
            onnx_file.read(write(SOUND[:end]), ["kernel", "bias"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (model(tensor("kernel", KERNEL)), "it holds 1 of 2 tensors and lacks 'bias'"),
        (model(tensor("kernel", KERNEL), tensor("bias", LONG, kind=7)), "'bias' has kind 7; only float32"),
        (model(tensor("kernel", KERNEL, kind=10), tensor("bias", BIAS)), "'kernel' has kind 10; only float32"),
        (model(tensor("kernel", KERNEL, shape=(2, 3, 2, 3))), r"shape \[2, 3, 2, 3\] cannot have 96 bytes"),
        (model(tensor("kernel", KERNEL, shape=())), r"shape \[\] cannot have 96 bytes"),
        (model(tensor("kernel", KERNEL, shape=(1 << 62, 1 << 62))), "cannot have 96 bytes"),
        (model(tensor("kernel", np.zeros(0, "<f4"), shape=(0, 1 << 62))), "cannot have 0 bytes"),
        (model(tensor("kernel", KERNEL, shape=[1] * 9)), "more than 8 dimensions"),
        (model(tensor("kernel", KERNEL, shape=[1] * 9, field=FLOATS)), "more than 8 dimensions"),
        (model(tensor("bias", BIAS), tensor("bias", BIAS)), "it holds the tensor 'bias' twice"),
        (model(tensor("bias", BIAS) + part(EXTERNAL, b"")), "'bias' has numbers in another place"),
        (model(tensor("bias", BIAS) + number(LOCATION, 1)), "'bias' has numbers in another place"),
        (model(tensor("bias", BIAS) + part(SEGMENT, b"")), "'bias' has numbers in another place"),
        (model(number(RAW, 1)), "field 9 of a tensor has another type"),
        (model(number(NAME, 1)), "field 8 of a tensor has another type"),
        (number(GRAPH, 1), "field 7 at byte 0 has another type"),
        (part(GRAPH, number(INITIALISER, 1)), "field 5 at byte 2 has another type"),
        (part(GRAPH, b"", length=1 << 62), "a field of 4,611,686,018,427,387,904 bytes at byte 10 goes beyond its end"),
        (part(GRAPH, part(INITIALISER, b"", length=9)) + b"behind it", "a field of 9 bytes at byte 4 goes beyond"),
        (b"\xff" * 30, "a number at byte 0 does not end"),
        (b"\x03", "no field of protocol buffers at byte 0"),
        (b"\x00\x00", "no field of protocol buffers at byte 0"),
        (b"<!DOCTYPE html><html>not found</html>", "no field of protocol buffers"),
        (b"\x89HDF\r\n\x1a\n", "damaged or not the ONNX file expected"),
    ],
)
def test_what_is_refused(write: Any, data: bytes, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason):
        onnx_file.read(write(data), ["kernel", "bias"])


def test_too_many_fields(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MAX_FIELDS", 100)
    onnx_file.read(write(model(tensor("bias", BIAS))), ["bias"])
    with pytest.raises(WeightsError, match="it has more than 100 fields"):
        onnx_file.read(write(number(1, 1) * 101 + model(tensor("bias", BIAS))), ["bias"])


def test_what_was_not_asked_for_is_not_copied(write: Any) -> None:
    path = write(model(tensor("large", np.zeros(1_000_000, "<f4")), tensor("bias", BIAS)))
    tracemalloc.start()
    try:
        onnx_file.read(path, ["bias"])
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_missing_or_empty_file(write: Any, tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", write(b"")):
        with pytest.raises(WeightsError, match=f"{path} is missing or empty; fetch it again"):
            onnx_file.read(path, ["bias"])
