"""Run a SavedModel in a separate process; this file is run as a program and imports nothing of tlkit.

    python isolated_worker.py

The first message on stdin is {"folder": of the SavedModel, "ops": modules to import for their operations, "memory":
bytes or null}; each further one names a `signature` and brings the array `items`. Every message gets one on stdout:
arrays, or {"error": kind, "message": reason}. At the end of stdin, whatever is being computed, the process ends.

A message is four bytes (the length of the header, big-endian), the header, which is JSON: {"facts": {...}, "arrays":
[{"name", "dtype", "shape", "bytes"}, ...]}, and the content of the arrays in that order. Of strings it is their
lengths (int64) and then the strings. There is no pickle in it: the reader makes arrays of numbers and of bytes, no
more, and believes no number that it has not checked.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import queue
import sys
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

MAX_HEADER_BYTES = 1_000_000  # bytes
MAX_ARRAYS = 64
MAX_RANK = 8
STRINGS = "bytes"
NUMBERS = ("bool", "float16", "float32", "float64", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)))
CHUNK_BYTES = 1 << 20  # bytes read at a time: what was announced takes no memory before it is there
ARENA_BYTES = 128 << 20  # bytes of addresses that glibc reserves for each thread that allocates; hardly any is used


class Malformed(ValueError):
    """An error in the format of a message."""


# === Messages ===


def send(stream: BinaryIO, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> None:
    """Write a message.

    Args:
        stream: the stream to write to.
        facts: values that JSON can represent.
        arrays: name -> array of numbers, or of objects that are bytes.

    Raises:
        Malformed: an array of another type.
    """
    parts = {name: _packed(name, np.asarray(array)) for name, array in (arrays or {}).items()}
    descriptions = [
        {"name": name, "dtype": dtype, "shape": list(np.shape(arrays[name])), "bytes": len(content)}
        for name, (dtype, content) in parts.items()
    ]
    header = json.dumps({"facts": dict(facts), "arrays": descriptions}).encode()
    for content in (len(header).to_bytes(4, "big"), header, *(content for _, content in parts.values())):
        view = memoryview(content)
        while view:
            view = view[stream.write(view) :]
    stream.flush()


def _packed(name: str, array: np.ndarray) -> tuple[str, bytes]:
    if array.dtype.kind == "O":
        strings = array.ravel().tolist()
        if not all(isinstance(string, bytes) for string in strings):
            raise Malformed(f"{name} holds something that is neither a number nor a string")
        return STRINGS, np.array(list(map(len, strings)), "<i8").tobytes() + b"".join(strings)
    if array.dtype.name not in NUMBERS:
        raise Malformed(f"{name} is of the type {array.dtype.name}, which is not passed on")
    return array.dtype.name, array.astype(array.dtype.newbyteorder("<")).tobytes()


def receive(stream: BinaryIO, most: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a message from an untrusted process.

    Args:
        stream: the stream to read from.
        most: bytes that its arrays may have together.

    Returns:
        The facts, and the arrays by name.

    Raises:
        EOFError: the other side has gone.
        Malformed: the bytes are not a message, or the arrays are larger than `most`.
    """
    length = int.from_bytes(_exactly(stream, 4), "big")
    if length > MAX_HEADER_BYTES:
        raise Malformed(f"a header of {length:,} bytes, at most {MAX_HEADER_BYTES:,} are read")
    try:
        header = json.loads(_exactly(stream, length))
        facts, descriptions = header["facts"], header["arrays"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Malformed(f"a header that is none ({type(error).__name__})") from None
    if not isinstance(facts, dict) or not isinstance(descriptions, list) or len(descriptions) > MAX_ARRAYS:
        raise Malformed("a header that is none")
    received: dict[str, np.ndarray] = {}
    for description in descriptions:
        name, dtype, shape, size = _checked(description)
        if name in received or size > most:
            raise Malformed(f"the array {name[:50]!r} twice, or more than {most:,} bytes of arrays")
        most -= size
        received[name] = _unpacked(_exactly(stream, size), dtype, shape)
    return facts, received


def _checked(description: Any) -> tuple[str, str, tuple[int, ...], int]:
    """Return name, dtype, shape and size of an array whose description agrees with itself."""
    if not isinstance(description, dict) or set(description) != {"name", "dtype", "shape", "bytes"}:
        raise Malformed("an array without its description")
    name, dtype, shape, size = (description[key] for key in ("name", "dtype", "shape", "bytes"))
    if not isinstance(name, str) or not isinstance(dtype, str) or dtype not in (*NUMBERS, STRINGS):
        raise Malformed("an array of an unknown type")
    if not isinstance(shape, list) or len(shape) > MAX_RANK or type(size) is not int:
        raise Malformed("an array of an impossible shape")
    if not all(type(side) is int and 0 <= side < 2**40 for side in shape):
        raise Malformed("an array of an impossible shape")
    count = math.prod(shape)
    least = count * (8 if dtype == STRINGS else np.dtype(dtype).itemsize)
    if size < least or (size > least and dtype != STRINGS):
        raise Malformed(f"an array of {count:,} elements in {size:,} bytes")
    return name, dtype, tuple(shape), size


def _unpacked(content: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    try:
        if dtype == "bool":  # any byte but 0 is true; NumPy itself believes that there are only two
            return (np.frombuffer(content, "uint8") != 0).reshape(shape)
        if dtype != STRINGS:
            native = np.dtype(dtype)
            return np.frombuffer(content, native.newbyteorder("<")).astype(native).reshape(shape)
        count = math.prod(shape)
        lengths, strings = np.frombuffer(content, "<i8", count).tolist(), content[8 * count :]
        if min(lengths, default=0) < 0 or sum(lengths) != len(strings):
            raise Malformed("strings of impossible lengths")
        unpacked, start = np.empty(count, object), 0
        for number, length in enumerate(lengths):
            unpacked[number] = strings[start : start + length]
            start += length
        return unpacked.reshape(shape)
    except ValueError as error:  # too large a shape, of an array without elements
        raise Malformed(str(error)) from None


def _exactly(stream: BinaryIO, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        piece = stream.read(min(CHUNK_BYTES, count - len(content)))
        if not piece:
            raise EOFError("the other side has gone")
        content += piece
    return bytes(content)


# === Limits ===


def limit(memory: int | None) -> None:
    """Limit how much more memory this process may take than it has now, and disable core dumps.

    Linux alone knows how much memory a process has asked for in a way that can be limited.

    Args:
        memory: bytes; None for no limit.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    _lower(resource.RLIMIT_CORE, 0)
    if memory is None:
        return
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        held = {line.split()[0]: int(line.split()[1]) * 1024 for line in file if line.startswith("Vm")}
    _lower(resource.RLIMIT_DATA, held["VmData:"] + memory)
    # what is shared or only reserved is not in the first limit
    _lower(resource.RLIMIT_AS, held["VmSize:"] + memory + ARENA_BYTES * 4 * (os.cpu_count() or 1))


def _lower(resource_kind: int, wanted: int) -> None:
    import resource

    hard = resource.getrlimit(resource_kind)[1]
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource_kind, (value, value))


def end_with(descriptor: int) -> None:
    """End this process when the other end of a pipe is closed, as it is when the parent process dies."""

    def listen() -> None:
        while os.read(descriptor, CHUNK_BYTES):  # not by a file object, whose lock a program cannot take when it ends
            pass
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()


def reason(error: BaseException) -> dict[str, str]:
    """Return the facts of the message that reports an error."""
    return {"error": type(error).__name__, "message": str(error)[:1000]}


# === The process ===


def _listen(stream: BinaryIO, requests: queue.SimpleQueue) -> None:
    """Put messages into the queue until stdin ends; then end the process, as nobody waits for its results."""
    try:
        while True:
            requests.put(receive(stream, sys.maxsize))
    finally:
        os._exit(0)


def main() -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever else is printed is no answer
    requests: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    facts, _ = requests.get()
    try:
        loaded = _loaded(**facts)
    except Exception as error:  # of any kind: the other side reports it
        send(answers, reason(error))
        os._exit(1)
    send(answers, {"ready": True})
    while True:
        facts, arrays = requests.get()
        try:
            outputs = _answered(loaded, facts["signature"], arrays["items"])
            send(answers, {}, outputs)
        except Exception as error:  # as above
            send(answers, reason(error))


def _loaded(folder: str, ops: list[str], memory: int | None) -> Any:
    import tensorflow as tf

    for module in ops:
        importlib.import_module(module)
    (tf.constant(1) + 1).numpy()  # starts TensorFlow's threads, whose stacks are memory, too
    limit(memory)
    try:
        import resource
    except ImportError:  # Windows
        pass
    else:
        _lower(resource.RLIMIT_FSIZE, 0)  # it has nothing to write to any file
    return tf.saved_model.load(folder)


def _answered(loaded: Any, signature: str, items: np.ndarray) -> dict[str, np.ndarray]:
    import tensorflow as tf

    outputs = loaded.signatures[signature](tf.constant(items, tf.string if items.dtype.kind == "O" else None))
    return {name: tensor.numpy() for name, tensor in outputs.items()}


if __name__ == "__main__":
    main()
