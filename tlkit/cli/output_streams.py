"""Standard output and error of a command: nobody reads them, they are full, or they were closed from the start."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from typing import Any

from tlkit.utils.progress import say

GONE = 128 + getattr(signal, "SIGPIPE", 13)  # the exit code a shell shows of a program whose reader has gone
LOST = 2
REASONS = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; free some space or write elsewhere",
    errno.EFBIG: "the file would be larger than is allowed; raise the limit of file sizes (`ulimit -f unlimited`)",
    errno.EBADF: "it is closed; leave it open, or send it to /dev/null",
}


class Stream:
    """Pass text on to another stream; once that takes no more, remember why, and write to nowhere.

    Args:
        stream: the other one; None where it was closed from the start.
        patient: go on without a reader. Where False, the first failure is raised as OSError, too.

    Attributes:
        lost: why the other stream takes no more, if so.
    """

    def __init__(self, stream: Any, *, patient: bool) -> None:
        self._stream, self.patient = stream, patient
        self.lost: OSError | None = None
        self._devnull = open(os.devnull, "w") if stream is None else None  # noqa: SIM115 - closed by `close_own`

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream or self._devnull, name)

    def write(self, text: str) -> int:
        """Write text, and what the encoding does not know as escapes; return how many characters were given."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Send on what was written."""
        self._try("flush")

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for text in lines:
            self.write(text)

    def close_own(self) -> None:
        """Close what stands in for a closed stream."""
        if self._devnull:
            self._devnull.close()

    def _try(self, name: str, *given: str) -> None:
        try:
            if self.lost is None and self._stream is None and given:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            if self.lost is None and self._stream is not None:
                getattr(self._stream, name)(*given)
        except UnicodeEncodeError as error:
            known = self._stream.encoding
            self._try(name, error.object.encode(known, "backslashreplace").decode(known))
        except OSError as error:
            self.lost = error
            _discard(self._stream)
            if not self.patient:
                raise


class Guard:
    """Keep `sys.stdout` and `sys.stderr` from failing a command; a context manager.

    Standard error may always be lost. Where standard output is, a command that only prints ends, and one that makes
    something goes on where `go_on` said so.
    """

    def __enter__(self) -> Guard:
        if sys.stdout is None or sys.stderr is None:
            _occupy()
        self._before = sys.stdin, sys.stdout, sys.stderr
        self._out, self._err = Stream(sys.stdout, patient=False), Stream(sys.stderr, patient=True)
        sys.stdin, sys.stdout, sys.stderr = sys.stdin or io.StringIO(), self._out, self._err
        return self

    def go_on(self, patient: bool) -> None:
        """Say whether the command makes something, and so goes on without a reader."""
        self._out.patient = patient

    @property
    def gave_up(self) -> bool:
        """Whether the command was ended since standard output takes no more."""
        return self._out.lost is not None and not self._out.patient

    def __exit__(self, kind: type | None, error: BaseException | None, _: Any) -> None:
        try:
            with contextlib.suppress(OSError):
                self._out.flush()
            ended = isinstance(error, SystemExit) and not error.code  # as argparse ends after --help
            if self.code(0) == LOST and (ended or error is None):
                why = REASONS.get(self._out.lost.errno, self._out.lost.strerror)
                say(f"tlkit: error: cannot write standard output: {why}", to=sys.stderr)
            self._err.flush()
            if ended and self.code(0):
                raise SystemExit(self.code(0))
        finally:
            sys.stdin, sys.stdout, sys.stderr = self._before
            self._out.close_own()
            self._err.close_own()

    def code(self, code: int) -> int:
        """Return the exit code of a command, which had ended with `code` if all could be printed.

        What was made is there although nobody reads on; of what could not be written, something is missing.
        """
        if code or self._out.lost is None:
            return code
        left = self._out.lost.errno == errno.EPIPE
        if self._out.patient and (left or self._out.lost.errno == errno.EBADF):
            return 0
        return GONE if left else LOST


def _occupy() -> None:
    """Open /dev/null in the place of closed standard streams, so that no file of ours gets their numbers.

    What libraries write to standard error, by its number, would else end up in the middle of that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)


def _discard(stream: Any) -> None:
    """Let what a stream still holds go nowhere, so that Python does not complain of it when it ends."""
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
