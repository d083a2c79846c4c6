"""Run an artifact in a separate process, within limits of time and memory.

An artifact whose operations all compute (`graph_scan`) may still never come to an end, or ask for more memory than
there is. So a person may have it answer in another process, which is ended where it takes too long, and which the
system refuses more memory than it was granted. The process is not trusted: what it answers is read as numbers and
strings within bounds (`tlkit.artifacts.isolated_worker`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.artifacts import isolated_worker
from tlkit.errors import ArtifactError, InputError

LOADING_SECONDS = 300.0  # seconds in which TensorFlow must be imported and the model be loaded
GRACE_SECONDS = 5.0  # seconds in which a command that is stopped may tidy up
MAX_TIMEOUT = 1_000_000.0  # seconds
DEFAULT_MEMORY, MIN_MEMORY = 4_000_000_000, 100_000_000  # bytes: of itself, and with less TensorFlow does not answer
MAX_ANSWER_BYTES = 1 << 28  # bytes of what is answered at once
MEMORY_ERRORS = ("ResourceExhaustedError", "MemoryError")  # what TensorFlow and NumPy call it
OUT_OF_MEMORY_CODE = 77  # the exit code of a command that was refused memory


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of the time and memory of a process.

    Args:
        timeout: the most seconds of one answer, of up to `batch_size` items; None for no limit.
        memory: the most bytes that the model and its answers may take, beside what TensorFlow itself does; None for no
            limit.
    """

    timeout: float | None = None
    memory: int | None = None


def limits(isolate: bool = False, timeout: float | None = None, memory: int | None = None) -> Limits | None:
    """Check the options of isolation and return the limits.

    Args:
        isolate: whether to use a process of its own; either limit alone means that, too.
        timeout: seconds of one answer, above 0, at most 1,000,000.
        memory: bytes, at least 100,000,000; 4,000,000,000 by default. Linux only.

    Returns:
        The limits, or None if nothing is to be isolated.

    Raises:
        InputError: a limit that cannot be, or one of memory where the system has none.

    Example:
        >>> limits(timeout=5).timeout
        5
        >>> limits() is None
        True
    """
    if not isolate and timeout is None and memory is None:
        return None
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and math.isfinite(timeout) and 0 < timeout <= MAX_TIMEOUT):
        raise InputError(f"timeout={timeout!r}: give seconds, more than 0 and at most {MAX_TIMEOUT:,.0f}")
    if memory is None:
        return Limits(timeout, DEFAULT_MEMORY if sys.platform == "linux" else None)
    if sys.platform != "linux":
        raise InputError(f"memory={memory!r}: only Linux limits memory; leave it out, a limit of time works here")
    if not isinstance(memory, int) or isinstance(memory, bool) or not MIN_MEMORY <= memory < 2**60:
        raise InputError(f"memory={memory!r}: give bytes, at least {MIN_MEMORY:,}, with which TensorFlow can answer")
    return Limits(timeout, memory)


class Worker:
    """Run a SavedModel in a separate process, which starts at the first question, and again after it was ended.

    Args:
        path: the artifact, for messages.
        folder: its SavedModel, scanned.
        ops: modules that bring the operations of its graph.
        allowed: the limits.

    Example:
        >>> worker = Worker(path, path / "saved_model" / "1", (), Limits(timeout=5))  # doctest: +SKIP
        >>> worker.ask("serving_default", np.array([b"..."], object))["probabilities"]  # doctest: +SKIP
    """

    def __init__(self, path: Path, folder: Path, ops: Sequence[str], allowed: Limits) -> None:
        self.path, self.allowed = path, allowed
        self._setup = {"folder": str(folder.resolve()), "ops": list(ops), "memory": allowed.memory}
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._end: Any = None

    def ask(self, signature: str, items: np.ndarray) -> dict[str, np.ndarray]:
        """Answer one batch.

        Args:
            signature: the name of a signature.
            items: its input: numbers, or bytes as objects, (batch, ...).

        Returns:
            The output arrays by name.

        Raises:
            ArtifactError: it took longer or more memory than allowed, failed, crashed, or answered what is no answer.
        """
        with self._lock:
            if self._process is None:
                self._start()
            what = f"answering {len(items):,} items" if len(items) != 1 else "answering"
            return self._exchange({"signature": signature}, {"items": items}, what, self.allowed.timeout)

    def close(self) -> None:
        """End the process, if there is one; the next question starts another."""
        if self._end is not None:
            self._end()
        self._process = self._end = None

    def _start(self) -> None:
        command = [sys.executable, "-P", isolated_worker.__file__]
        # no graphics card: a second process finds its memory taken, and its driver is one more thing to attack
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C comes here, and ends it from here with whatever it started
            env={**os.environ, **quiet},
        )
        self._end = weakref.finalize(self, _end, self._process)
        self._exchange(self._setup, {}, "loading", LOADING_SECONDS)

    def _exchange(self, facts: dict, arrays: dict, what: str, seconds: float | None) -> dict[str, np.ndarray]:
        """Send a message and wait for the answer, in a thread: no pipe is waited for with a limit on every system."""
        process, received = self._process, []

        def talk() -> None:
            try:
                isolated_worker.send(process.stdin, facts, arrays)
                received.append(isolated_worker.receive(process.stdout, MAX_ANSWER_BYTES))
            except Exception as error:  # of any kind: the waiting thread reports it
                received.append(error)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        try:
            thread.join(seconds)
            if not received:
                raise self._late(what, seconds)
            if isinstance(received[0], Exception):
                raise self._broken(what, received[0], process)
        except BaseException:
            self.close()
            raise
        reply, outputs = received[0]
        if "error" in reply:
            raise self._failed(what, str(reply["error"]), str(reply.get("message")))
        return outputs

    # === Error messages ===

    def _late(self, what: str, seconds: float | None) -> ArtifactError:
        if what == "loading":
            return ArtifactError(
                f"{self.path}: loading took longer than {seconds:g} s and was stopped; try again when the machine has "
                f"less to do, or do not use this model"
            )
        return ArtifactError(
            f"{self.path}: {what} took longer than {seconds:g} s and was stopped; raise --timeout (timeout=) if it may "
            f"take that long, or do not use this model"
        )

    def _broken(self, what: str, error: Exception, process: subprocess.Popen) -> ArtifactError:
        if not isinstance(error, OSError | EOFError):
            return ArtifactError(
                f"{self.path}: {what} was stopped, as its process sent what is no answer: {_plain(str(error))}. Ask "
                f"for fewer items at a time if their answers are large, or do not use this model"
            )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        return ArtifactError(f"{self.path}: {what} {crashed(process.returncode, self.allowed)}")

    def _failed(self, what: str, kind: str, message: str) -> ArtifactError:
        if what == "loading":
            self.close()
        if kind in MEMORY_ERRORS:
            return ArtifactError(f"{self.path}: {what} {full(self.allowed)}")
        return ArtifactError(
            f"{self.path}: {what} failed in its own process: {_plain(kind)[:50]}: {_plain(message)}; export the model "
            f"again, or do not use it"
        )


def _end(process: subprocess.Popen) -> None:
    """End a process, and what it may have started, and wait until it has gone."""
    if process.returncode is None:  # not waited for: its number is still its own
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def full(allowed: Limits) -> str:
    """Return the message that a process ran out of memory, with the remedy."""
    available = "there is" if allowed.memory is None else f"{allowed.memory:,} bytes"
    return (
        f"needs more memory than {available}; raise --memory (memory=), give fewer items at a time, "
        "or do not use this model"
    )


def crashed(code: int | None, allowed: Limits) -> str:
    """Return the message that a process crashed, with the exit code or signal and the remedy."""
    ending = f"exit code {code}"
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            ending = signal.Signals(-code).name
    hint = "" if allowed.memory is None else f"; perhaps {allowed.memory:,} bytes of memory, --memory, were too few"
    return f"was ended by a crash of its process ({ending}){hint}. Do not use this model if it happens again"


def _plain(text: str) -> str:
    """Return untrusted text as one short line without terminal codes."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:300].strip()


# === Commands ===


def run(command: Sequence[str], about: str, allowed: Limits) -> int:
    """Run a whole command in a process of its own and return its exit code.

    Its output is this program's. The process gets a pipe as stdin, whose end tells it that this program has gone.

    Args:
        command: what to run; it limits its memory itself, by `isolated_worker.limit`, and exits with
            `OUT_OF_MEMORY_CODE` if it was refused memory.
        about: a description of the command, for messages.
        allowed: the limits; the one of time is for all of it.

    Raises:
        ArtifactError: it took longer or more memory than allowed, or crashed.

    Example:
        >>> run([sys.executable, "-c", ""], "nothing", Limits(timeout=60))
        0
    """
    quiet = {"CUDA_VISIBLE_DEVICES": "-1"}
    process = subprocess.Popen(
        list(command), stdin=subprocess.PIPE, start_new_session=True, env={**os.environ, **quiet}
    )
    try:
        code = process.wait(allowed.timeout)
    except subprocess.TimeoutExpired:
        _ask_to_stop(process)
        raise ArtifactError(
            f"{about} took longer than {allowed.timeout:g} s and was stopped; raise --timeout if it may take that "
            f"long, or do not use this model"
        ) from None
    except KeyboardInterrupt:
        _ask_to_stop(process)
        raise
    finally:
        _end(process)
    if code == OUT_OF_MEMORY_CODE:
        raise ArtifactError(f"{about} {full(allowed)}")
    if code < 0:
        raise ArtifactError(f"{about} {crashed(code, allowed)}")
    return code


def _ask_to_stop(process: subprocess.Popen) -> None:
    """Terminate a command and wait briefly, to let it remove unfinished files; one inside a graph does not react."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
