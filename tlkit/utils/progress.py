"""What goes on, told while it happens: lines for people, or events for programs."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any

from tlkit.utils import escaping

Progress = bool | Callable[[dict[str, Any]], Any]
CLEARED = "\r\x1b[K"  # what wipes a terminal's line
MINUTE, HOUR = 60, 3600  # seconds
log = logging.getLogger("tlkit")


def say(text: object, *, to: IO[str] | None = None, before: str = "", end: str = "\n", flush: bool = False) -> None:
    """Print a text of one or several lines; everything that tlkit prints passes here.

    Control characters in it, other than line feeds and tabs, become escapes, as does what the stream's encoding lacks.

    Args:
        text: what to print; what others wrote in it should have gone through `escaping.line`.
        to: a stream, standard output by default.
        before: printed before it as it is, such as what wipes a line.
        end: printed after it.
        flush: show it at once.
    """
    stream = sys.stdout if to is None else to
    told, encoding = escaping.lines(str(text)), getattr(stream, "encoding", None)
    if encoding:
        told = told.encode(encoding, "backslashreplace").decode(encoding)
    print(before + told, end=end, file=stream, flush=flush)


def _one_line(record: logging.LogRecord) -> bool:
    record.msg, record.args = escaping.line(record.getMessage()), ()
    return True


log.addFilter(_one_line)


class Telling:
    """Tell of what goes on.

    Args:
        progress: True for lines on the screen, False for nothing; or a function that is called with each event and no
            lines. An event is a dictionary; "event" says what happened: "estimate" (what `estimate.measured` found),
            "epoch" (its record, as in `History.epochs`), "phase" (its summary, as in `History.phases`).
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._open = False  # whether the cursor stands behind a line that the next one replaces

    @property
    def shown(self) -> bool:
        """Whether somebody looks at the screen."""
        return self.progress is True

    @property
    def wanted(self) -> bool:
        """Whether anybody, be it a program, wants to know."""
        return self.progress is not False

    def tell(self, event: str, facts: Mapping[str, Any], text: str = "") -> None:
        """Give an event to a program, or its text to a person."""
        if callable(self.progress):
            self.progress({"event": event, **facts})
        else:
            self.say(text)

    def say(self, text: str) -> None:
        """Show a person a line or several, in the place of the one that waits to be replaced."""
        if self.shown and text:
            say(text, before=CLEARED * self._open)
            self._open = False

    def step(self, event: str, facts: Mapping[str, Any], text: str) -> None:
        """Tell of one of many steps: on a terminal each line takes the place of the one before."""
        if not self.shown or not sys.stdout.isatty():
            self.tell(event, facts, text)
            return
        width = shutil.get_terminal_size().columns - 1  # a longer line would break, and only its end be replaced
        say(escaping.line(text)[:width], before=CLEARED, end="", flush=True)
        self._open = True

    def close(self) -> None:
        """Let what others write begin on a line of its own."""
        if self._open:
            say("")
            self._open = False


def duration(seconds: float) -> str:
    """Write a time as people read it, no more exactly than an estimate is: 1 s, 40 s, 3 min, 2 h 10 min."""
    if seconds < 1.5 * MINUTE:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / MINUTE)
    return f"{minutes} min" if seconds < 1.5 * HOUR else f"{minutes // 60} h {minutes % 60} min"


@contextlib.contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Callable[[int], Any]]:
    """Show a bar of bytes on a terminal, unless TLKIT_QUIET is set; yield the function that moves it on.

    Args:
        title: what stands before the bar.
        total: bytes in all; 0 where unknown.
        done: bytes that are there already.
    """
    import tqdm

    options = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, "leave": False}
    with tqdm.tqdm(desc=escaping.line(title), total=total or None, initial=done, disable=_hidden(), **options) as bar:
        yield bar.update


def counted(values: Iterable[Any], title: str, total: int | None = None) -> Iterable[Any]:
    """Yield the values and show on a terminal how many there were, unless TLKIT_QUIET is set."""
    import tqdm

    return tqdm.tqdm(values, escaping.line(title), total, leave=False, disable=_hidden())


def examples_bar(total: int, shown: bool) -> Any:
    """Return a bar of the examples that have passed the frozen part; its `update` moves it on."""
    import tqdm

    return tqdm.tqdm(total=total, desc="frozen base", unit="ex", leave=False, disable=_hidden() if shown else True)


def _hidden() -> bool | None:
    """Say for tqdm whether a bar is hidden: True where TLKIT_QUIET asks for it, None anywhere but on a terminal."""
    return True if os.environ.get("TLKIT_QUIET", "") not in {"", "0"} else None
