"""Lines for people, on a terminal and in a pipe, and events for programs."""

from __future__ import annotations

import contextlib
import io

import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.config import Phase
from tlkit.utils.progress import CLEARED, ProgressReporter, duration


class Terminal(io.StringIO):
    """Stands for a screen."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """Return what the screen shows in the end."""
        return [line.rpartition(CLEARED)[2] for line in self.getvalue().split("\n")]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "40")
    return Terminal()


def steps(telling: ProgressReporter) -> None:
    telling.say("first")
    telling.step("epoch", {"epoch": 1}, "epoch 1")
    telling.step("epoch", {"epoch": 2}, "epoch 2 " + "x" * 40)
    telling.report("phase", {"name": "head"}, "the phase is over")
    telling.step("epoch", {"epoch": 1}, "epoch 1 of the next")
    telling.close()
    telling.close()


def test_on_a_terminal_a_step_takes_the_place_of_the_one_before(screen: Terminal) -> None:
    with contextlib.redirect_stdout(screen):
        steps(ProgressReporter(True))
    assert screen.lines() == ["first", "the phase is over", "epoch 1 of the next", ""]
    second = next(part for part in screen.getvalue().split(CLEARED) if part.startswith("epoch 2"))
    assert len(second) == 39, "a line that breaks could not be replaced"


def test_in_a_pipe_each_is_a_line(capsys: pytest.CaptureFixture) -> None:
    steps(ProgressReporter(True))
    told = ["first", "epoch 1", "epoch 2 " + "x" * 40, "the phase is over", "epoch 1 of the next"]
    assert capsys.readouterr().out == "\n".join([*told, ""])


def test_a_program_gets_events_and_nobody_nothing(screen: Terminal) -> None:
    seen: list[dict] = []
    with contextlib.redirect_stdout(screen):
        steps(ProgressReporter(seen.append))
        steps(ProgressReporter(False))
    epochs = [{"event": "epoch", "epoch": number} for number in (1, 2, 1)]
    assert seen == [*epochs[:2], {"event": "phase", "name": "head"}, epochs[2]] and screen.getvalue() == ""
    assert [ProgressReporter(each).shown for each in (True, False, seen.append)] == [True, False, False]
    assert [ProgressReporter(each).wanted for each in (True, False, seen.append)] == [True, False, True]


def test_a_training_on_a_terminal_leaves_a_line_per_phase(screen: Terminal) -> None:
    phases = (Phase("head", 2, 1e-2, 0), Phase("top", 2, 1e-3, 1))
    with contextlib.redirect_stdout(screen):
        tlkit.fit(tiny_models.tiny_classifier(), tiny_models.colours(), phases=phases)
    *before, head, top, end = screen.lines()
    assert [line.split(":")[0] for line in before] == ["stored features", "frozen base"] and end == ""
    assert head.startswith("phase head: 2 epochs in ") and "the best was epoch 2: val_loss 0." in head
    assert top.startswith("phase top: 2 epochs in ") and screen.getvalue().count(CLEARED) == 6


def test_what_fails_leaves_the_next_message_a_line_of_its_own(
    screen: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlkit.training.fit.audit", lambda *_: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError), contextlib.redirect_stdout(screen):
        tlkit.fit(tiny_models.tiny_classifier(), tiny_models.colours(), phases=(Phase("head", 1, 1e-2, 0),))
    assert screen.lines()[-2].startswith("  head   1/1  loss") and screen.getvalue().endswith("\n")


def test_times_as_people_read_them() -> None:
    told = ["1 s", "1 s", "89 s", "2 min", "89 min", "1 h 30 min", "50 h 0 min"]
    assert [duration(seconds) for seconds in (0.0, 1.2, 89, 90, 5340, 5400, 180_000)] == told
