"""Ctrl-C between two steps: the first sets a mark, the second acts as ever, and all is as it was afterwards."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tlkit.utils.interrupts import Stop, listening


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """Let Ctrl-C act as ever, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = Stop()
    with listening(stop):
        os.kill(os.getpid(), signal.SIGINT)
        assert not stop.asked and signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop(number: int, capsys: pytest.CaptureFixture) -> None:
    before, stop = signal.getsignal(number), Stop()
    with listening(stop):
        stop.check()
        os.kill(os.getpid(), number)
        assert stop.asked and not stop.insisted
    assert signal.getsignal(number) is before
    assert "stopping after this step; press Ctrl-C again to stop at once" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        stop.check()


def test_the_second_signal_stops_at_once() -> None:
    stop = Stop()
    with pytest.raises(KeyboardInterrupt), listening(stop):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it went on")


def test_what_the_second_signal_became_is_still_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), listening(Stop()):
        os.kill(os.getpid(), signal.SIGINT)
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as stop:
            raise SystemError("bad argument to internal function") from stop
    with pytest.raises(SystemError), listening(Stop()):
        os.kill(os.getpid(), signal.SIGINT)
        raise SystemError("of its own")


def test_a_second_sigterm_acts_as_ever() -> None:
    code = "import os, signal\nfrom tlkit.utils.interrupts import Stop, listening\n"
    code += "with listening(Stop()):\n    [os.kill(os.getpid(), signal.SIGTERM) for _ in range(2)]\n"
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == -signal.SIGTERM


class Interrupting(io.FileIO):
    """A file in whose first writing Ctrl-C is pressed."""

    pressed = False

    def write(self, text: bytes) -> int:
        if not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_a_signal_in_the_middle_of_a_line_is_heard_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    with io.TextIOWrapper(io.BufferedWriter(Interrupting(tmp_path / "err", "w"))) as stream, listening(stop):
        monkeypatch.setattr(sys, "stderr", stream)
        print("epoch 1", file=sys.stderr, flush=True)
        monkeypatch.undo()
    assert stop.asked
    told = "\nstopping after this step; press Ctrl-C again to stop at once\n"
    assert (tmp_path / "err").read_text() == f"{told}epoch 1\n"


def test_an_error_restores_what_was_there() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), listening(Stop()):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_nothing_changes() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with listening(Stop()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
