"""What is told while something goes on: lines for people, events for programs, nothing where nobody looks."""

from __future__ import annotations

import sys

import pytest

from tlkit.telling import CLEARED, Telling, duration


def test_a_program_gets_events_and_no_lines(capsys: pytest.CaptureFixture) -> None:
    seen: list[dict] = []
    telling = Telling(seen.append)
    telling.tell("phase", {"name": "head"}, "words")
    telling.step("epoch", {"loss": 1.0}, "words")
    telling.say("words")
    telling.close()
    assert seen == [{"event": "phase", "name": "head"}, {"event": "epoch", "loss": 1.0}]
    assert capsys.readouterr().out == "" and telling.wanted and not telling.shown


def test_where_nobody_looks_nothing_is_told(capsys: pytest.CaptureFixture) -> None:
    telling = Telling(False)
    telling.tell("phase", {}, "words")
    telling.step("epoch", {}, "words")
    telling.close()
    assert capsys.readouterr().out == "" and not telling.wanted


def test_in_a_pipe_every_step_is_a_line(capsys: pytest.CaptureFixture) -> None:
    telling = Telling(True)
    telling.step("epoch", {}, "one")
    telling.step("epoch", {}, "two")
    telling.tell("phase", {}, "over")
    telling.tell("phase", {})
    telling.close()
    assert capsys.readouterr().out == "one\ntwo\nover\n"


def test_on_a_terminal_a_step_replaces_the_one_before(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "11")
    telling = Telling(True)
    telling.step("epoch", {}, "a line that is too long")
    telling.step("epoch", {}, "two")
    telling.say("over")
    telling.step("epoch", {}, "three")
    telling.close()
    telling.close()
    assert capsys.readouterr().out == f"{CLEARED}a line tha{CLEARED}two{CLEARED}over\n{CLEARED}three\n"


def test_times_as_people_read_them() -> None:
    known = {0.01: "1 s", 40.2: "40 s", 89.9: "90 s", 91: "2 min", 1800: "30 min", 5399: "90 min", 7800: "2 h 10 min"}
    assert {seconds: duration(seconds) for seconds in known} == known
