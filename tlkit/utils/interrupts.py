"""Stop cleanly on Ctrl-C: the first one after the current step, so that nothing is lost, the second at once."""

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
    """A flag that the user has asked the work to stop.

    Attributes:
        asked: set by the first Ctrl-C, or SIGTERM, while `listening`.
        insisted: set by the second one.
    """

    def __init__(self) -> None:
        self.asked = self.insisted = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if a stop was asked for."""
        if self.asked:
            raise KeyboardInterrupt


@contextlib.contextmanager
def listening(stop: Stop) -> Iterator[None]:
    """Make the first Ctrl-C or SIGTERM inside the block only set `stop.asked`; a second one acts as usual.

    Ignored signals stay ignored, such as Ctrl-C under `nohup` or in a background job. Python handles signals in the
    main thread only; in any other thread the block changes nothing.

    Raises:
        KeyboardInterrupt: at the second one, also if TensorFlow, interrupted while compiling, turned it into another
            exception.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def on_first(number: int, frame: Any) -> None:
        stop.asked = True
        for signal_number, handler in before.items():
            signal.signal(signal_number, on_second if callable(handler) else handler)
        _say("\nstopping after this step; press Ctrl-C again to stop at once\n")

    def on_second(number: int, frame: Any) -> None:
        stop.insisted = True
        before[number](number, frame)

    try:
        for number in before:
            signal.signal(number, on_first)
        yield
    except Exception:
        if stop.insisted:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """Write to standard error, even in the middle of another write, during which its buffer raises RuntimeError."""
    try:
        say(text, to=sys.stderr, end="", flush=True)
    except RuntimeError:
        os.write(sys.stderr.fileno(), text.encode())
