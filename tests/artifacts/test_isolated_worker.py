"""The messages of a process of its own: arrays come back as they were, and nothing that is no message is read."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

from tlkit.artifacts import isolated_worker
from tlkit.artifacts.isolated_worker import Malformed


def written(facts: dict, arrays: dict) -> bytes:
    stream = io.BytesIO()
    isolated_worker.send(stream, facts, arrays)
    return stream.getvalue()


def raw(header: Any, content: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(4, "big") + text + content


def described(**changes: Any) -> dict:
    return {"facts": {}, "arrays": [{"name": "a", "dtype": "int8", "shape": [2], "bytes": 2} | changes]}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="float32").reshape(2, 3),
        np.array([np.nan, -0.0, np.inf]),
        np.array([[True], [False]]),
        np.zeros((0, 4), "int64"),
        np.array(7, "uint8"),
        np.array([[b"a\0", b""], [b"\xff", b"\xe2\x82\xac"]], object),
        np.empty((2, 0), object),
        np.arange(4, dtype=">i4"),
    ],
)
def test_an_array_comes_back(array: np.ndarray) -> None:
    facts, found = isolated_worker.receive(io.BytesIO(written({"b": 1}, {"a": array})), 10**6)
    assert facts == {"b": 1} and list(found) == ["a"] and found["a"].shape == array.shape
    assert found["a"].dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found["a"], array)


@pytest.mark.parametrize("array", [np.array(["text"], object), np.array([1 + 2j]), np.array(["x"]), np.array([{}])])
def test_what_is_not_passed_on(array: np.ndarray) -> None:
    with pytest.raises(Malformed, match=r"^a (is of the type|holds something)"):
        written({}, {"a": array})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xff\xff\xff", "a header of 4,294,967,295 bytes, at most 1,000,000"),
        (raw(b"no json"), "a header that is none"),
        (raw(b"\xff\xfe"), "a header that is none"),
        (raw(b"[" * 100_000), "a header that is none"),
        (raw([]), "a header that is none"),
        (raw({"facts": [], "arrays": []}), "a header that is none"),
        (raw({"facts": {}, "arrays": [0] * 65}), "a header that is none"),
        (raw({"facts": {}, "arrays": [0]}), "an array without its description"),
        (raw(described(name=5)), "an array of an unknown type"),
        (raw(described(dtype="object")), "an array of an unknown type"),
        (raw(described(dtype="O")), "an array of an unknown type"),
        (raw(described(dtype=["i4"])), "an array of an unknown type"),
        (raw(described(shape=[2.0])), "impossible shape"),
        (raw(described(shape=[-2])), "impossible shape"),
        (raw(described(shape=[True, 2])), "impossible shape"),
        (raw(described(shape=[1] * 9)), "impossible shape"),
        (raw(described(shape=[2**41], bytes=2**41)), "impossible shape"),
        (raw(described(bytes="2")), "impossible shape"),
        (raw(described(bytes=3)), "an array of 2 elements in 3 bytes"),
        (raw(described(bytes=-1)), "an array of 2 elements in -1 bytes"),
        (raw(described(dtype="bytes", bytes=15)), "an array of 2 elements in 15 bytes"),
        (raw(described(shape=[2**30], bytes=2**30)), "more than 1,000,000 bytes of arrays"),
        (raw(described(shape=[0, 2**39, 2**39], bytes=0)), "array is too big|too large|Maximum"),
        (raw({"facts": {}, "arrays": described()["arrays"] * 2}, b"abab"), "the array 'a' twice"),
        (raw(described(dtype="bytes", shape=[1], bytes=9), b"\2" + bytes(7) + b"a"), "strings of impossible lengths"),
        (raw(described(dtype="bytes", shape=[1], bytes=9), b"\xff" * 8 + b"a"), "strings of impossible lengths"),
    ],
)
def test_what_is_no_message(content: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        isolated_worker.receive(io.BytesIO(content), 10**6)


def test_a_message_that_is_cut_off() -> None:
    whole = written({}, {"a": np.arange(4)})
    for length in (0, 3, 10, len(whole) - 1):
        with pytest.raises(EOFError):
            isolated_worker.receive(io.BytesIO(whole[:length]), 10**6)
