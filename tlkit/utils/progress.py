"""Report progress: lines and bars for people, events for programs."""

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
CLEARED = "\r\x1b[K"  # clears the current line of a terminal
MINUTE, HOUR = 60, 3600  # seconds
log = logging.getLogger("tlkit")


def say(text: object, *, to: IO[str] | None = None, before: str = "", end: str = "\n", flush: bool = False) -> None:
    """Print a text of one or several lines; tlkit prints everything through this function.

    Control characters other than line feeds and tabs become escapes, as do characters that the stream's encoding lacks.

    Args:
        text: the text; text from outside within it should have gone through `escaping.line`.
        to: a stream, standard output by default.
        before: printed first, unescaped, such as `CLEARED`.
        end: printed last.
        flush: whether to flush the stream.
    """
    stream = sys.stdout if to is None else to
    printable, encoding = escaping.lines(str(text)), getattr(stream, "encoding", None)
    if encoding:
        printable = printable.encode(encoding, "backslashreplace").decode(encoding)
    print(before + printable, end=end, file=stream, flush=flush)


def _one_line(record: logging.LogRecord) -> bool:
    record.msg, record.args = escaping.line(record.getMessage()), ()
    return True


log.addFilter(_one_line)


class ProgressReporter:
    """Report the progress of training.

    Args:
        progress: True prints lines, False prints nothing; a function is called with every event and nothing is printed.
            An event is a dictionary whose key "event" is its kind: "estimate" (with what `estimate.measured` returns),
            "epoch" (with its record, as in `History.epochs`), "phase" (with its summary, as in `History.phases`).
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._open = False  # whether the cursor is at the end of a line that the next one will replace

    @property
    def shown(self) -> bool:
        """True if lines are printed."""
        return self.progress is True

    @property
    def wanted(self) -> bool:
        """True if lines are printed or events are reported."""
        return self.progress is not False

    def report(self, event: str, facts: Mapping[str, Any], text: str = "") -> None:
        """Pass an event to the callback, or print its text."""
        if callable(self.progress):
            self.progress({"event": event, **facts})
        else:
            self.say(text)

    def say(self, text: str) -> None:
        """Print one or several lines, in place of the last line if that is to be replaced."""
        if self.shown and text:
            say(text, before=CLEARED * self._open)
            self._open = False

    def step(self, event: str, facts: Mapping[str, Any], text: str) -> None:
        """Report one of many steps: on a terminal its line replaces that of the step before."""
        if not self.shown or not sys.stdout.isatty():
            self.report(event, facts, text)
            return
        width = shutil.get_terminal_size().columns - 1  # a longer line would wrap, and only its end would be replaced
        say(escaping.line(text)[:width], before=CLEARED, end="", flush=True)
        self._open = True

    def close(self) -> None:
        """End the current line, so that the next output begins on a new one."""
        if self._open:
            say("")
            self._open = False


def duration(seconds: float) -> str:
    """Return a rounded duration such as 1 s, 40 s, 3 min or 2 h 10 min."""
    if seconds < 1.5 * MINUTE:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / MINUTE)
    return f"{minutes} min" if seconds < 1.5 * HOUR else f"{minutes // 60} h {minutes % 60} min"


@contextlib.contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Callable[[int], Any]]:
    """Show a progress bar of bytes on a terminal, unless TLKIT_QUIET is set; yield the function that advances it.

    Args:
        title: printed before the bar.
        total: bytes in total; 0 if unknown.
        done: bytes that exist already.
    """
    import tqdm

    options = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, "leave": False}
    with tqdm.tqdm(desc=escaping.line(title), total=total or None, initial=done, disable=_hidden(), **options) as bar:
        yield bar.update


def counted(values: Iterable[Any], title: str, total: int | None = None) -> Iterable[Any]:
    """Yield the values and count them on a terminal, unless TLKIT_QUIET is set."""
    import tqdm

    return tqdm.tqdm(values, escaping.line(title), total, leave=False, disable=_hidden())


def examples_bar(total: int, shown: bool) -> Any:
    """Return a progress bar for examples passing the frozen part; its `update` advances it."""
    import tqdm

    return tqdm.tqdm(total=total, desc="frozen base", unit="ex", leave=False, disable=_hidden() if shown else True)


def _hidden() -> bool | None:
    """Return tqdm's `disable`: True if TLKIT_QUIET is set, else None, which shows a bar on a terminal only."""
    return True if os.environ.get("TLKIT_QUIET", "") not in {"", "0"} else None
