"""What goes on, told while it happens: lines for people, or events for programs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Any

Progress = bool | Callable[[dict[str, Any]], Any]
CLEARED = "\r\x1b[K"  # what wipes a terminal's line
MINUTE, HOUR = 60, 3600  # seconds


class Telling:
    """Tell of what goes on.

    Args:
        progress: True for lines on the screen, False for nothing; or a function that is called with each event and no
            lines. An event is a dictionary; "event" says what happened: "estimate" (what `estimating.measured` found),
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
            print(CLEARED * self._open + text)
            self._open = False

    def step(self, event: str, facts: Mapping[str, Any], text: str) -> None:
        """Tell of one of many steps: on a terminal each line takes the place of the one before."""
        if not self.shown or not sys.stdout.isatty():
            self.tell(event, facts, text)
            return
        width = shutil.get_terminal_size().columns - 1  # a longer line would break, and only its end be replaced
        print(CLEARED + text[:width], end="", flush=True)
        self._open = True

    def close(self) -> None:
        """Let what others write begin on a line of its own."""
        if self._open:
            print()
            self._open = False


def duration(seconds: float) -> str:
    """Write a time as people read it, no more exactly than an estimate is: 1 s, 40 s, 3 min, 2 h 10 min."""
    if seconds < 1.5 * MINUTE:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / MINUTE)
    return f"{minutes} min" if seconds < 1.5 * HOUR else f"{minutes // 60} h {minutes % 60} min"
