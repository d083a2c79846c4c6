"""Ctrl-C, heard between two steps: the first asks to stop where nothing is lost, the second stops at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from tlkit.utils.progress import say


class Stop:
    """Tell whether somebody wants the work to stop.

    Attributes:
        asked: set by the first Ctrl-C, or SIGTERM, while `listening`.
        insisted: set by the second one.
    """

    def __init__(self) -> None:
        self.asked = self.insisted = False

    def check(self) -> None:
        """Raise KeyboardInterrupt where a stop was asked for."""
        if self.asked:
            raise KeyboardInterrupt


@contextlib.contextmanager
def listening(stop: Stop) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM inside the block set `stop.asked` only; a second one acts as ever.

    What was ignored stays ignored, as Ctrl-C is under `nohup` and in the background of a shell. Python lets the main
    thread alone handle signals; in any other thread the block changes nothing.

    Raises:
        KeyboardInterrupt: of the second one, also where TensorFlow, interrupted in the middle of compiling, made
            another exception of it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def hear(number: int, frame: Any) -> None:
        stop.asked = True
        for each, handler in before.items():
            signal.signal(each, insist if callable(handler) else handler)
        _say("\nstopping after this step; once more stops at once\n")

    def insist(number: int, frame: Any) -> None:
        stop.insisted = True
        before[number](number, frame)

    try:
        for number in before:
            signal.signal(number, hear)
        yield
    except Exception:
        if stop.insisted:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """Write to standard error, in the middle of another writing to it too, which its buffer refuses to hear of."""
    try:
        say(text, to=sys.stderr, end="", flush=True)
    except RuntimeError:
        os.write(sys.stderr.fileno(), text.encode())
