"""The gallery: pictures with heat, texts with marked words, and neither where they cannot be had."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tlkit import gallery, page
from tlkit.errors import InputError
from tlkit.measured import Mistake
from tlkit.saliency import Heat, Words

CLF = SimpleNamespace(spec=SimpleNamespace(target=SimpleNamespace(name="label")))


def shown(items: list[object], why: object, kind: str, monkeypatch: pytest.MonkeyPatch) -> str:
    def explain(clf: object, given: list[object]) -> list[object]:
        if isinstance(why, Exception):
            raise why
        return [why] * len(given)

    monkeypatch.setattr(gallery, "explain", explain)
    mistakes = [Mistake(item, f"/home/me/{number}.png", "cat", "dog", "98.0%") for number, item in enumerate(items)]
    return "\n".join(gallery.mistakes(SimpleNamespace(mistakes=mistakes), CLF, kind, page.Album(None)))


def test_a_picture_stands_beside_its_heat(monkeypatch: pytest.MonkeyPatch) -> None:
    heat = Heat("dog", 1.0, np.zeros((16, 16, 3), np.uint8), np.ones((16, 16), np.float32))
    told = shown(["/home/me/0.png"], heat, "image", monkeypatch)
    assert told.count("<img") == 2 and "what speaks for dog" in told and "/home/me" not in told
    assert "answer <b>dog</b>, 98.0%<br>truth <b>cat</b><br>0.png" in told


@pytest.mark.parametrize("why", [None, InputError("no scores")])
def test_without_heat_the_picture_stands_alone(monkeypatch: pytest.MonkeyPatch, why: object) -> None:
    assert shown([np.zeros((16, 16, 3), np.uint8)], why, "image", monkeypatch).count("<img") == 1


def test_the_words_that_count_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    told = shown(["x"], Words("dog", 1.0, ("a ", "<dog> ", "cat"), (0.5, 1.0, -1.0)), "text", monkeypatch)
    assert '<mark style="--w:0.50">a </mark><mark style="--w:1.00">&lt;dog&gt; </mark>cat</blockquote>' in told


def test_a_long_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = ("word " * 30,) * 20
    told = shown(["x"], Words("dog", 1.0, pieces, (1.0,) * 20), "text", monkeypatch)
    assert len(told) < 1500 and "…" in told
    assert "<blockquote>plain &amp; short</blockquote>" in shown(["plain & short"], None, "text", monkeypatch)


def test_of_other_data_the_answers_alone_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    told = shown(["/home/me/secret"], None, "", monkeypatch)
    assert "secret" not in told and "answer <b>dog</b>" in told
