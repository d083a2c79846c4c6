"""The gallery: pictures with heat, texts with marked words, and neither where they cannot be had."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tlkit.data.splits import Data, Split
from tlkit.data.table_columns import Column
from tlkit.data.text_pairs import Pair
from tlkit.errors import InputError
from tlkit.evaluation.report_base import Mistake
from tlkit.models.attribution import Heat, Words
from tlkit.reporting import gallery, html_page
from tlkit.tasks.targets import Label

CLF = SimpleNamespace(spec=SimpleNamespace(target=Label(("no", "yes"))))


def shown(items: list[object], why: object, kind: str, monkeypatch: pytest.MonkeyPatch) -> str:
    def explain(clf: object, given: list[object]) -> list[object]:
        if isinstance(why, Exception):
            raise why
        return [why] * len(given)

    monkeypatch.setattr(gallery, "explain", explain)
    mistakes = [Mistake(item, f"/home/me/{number}.png", "cat", "dog", "98.0%") for number, item in enumerate(items)]
    return "\n".join(gallery.mistakes(SimpleNamespace(mistakes=mistakes), CLF, kind, html_page.Album(None)))


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


# === Samples ===


def made(items: object, labels: object, names: tuple[str, ...], **how: object) -> Data:
    split = Split(items, np.asarray(labels))
    return Data(split, split, split, names, how.pop("kind", "text"), "x", "", **how)


def sampled(data: Data) -> str:
    return "\n".join(gallery.samples(data, html_page.Album(None)))


def test_samples_stand_by_tag() -> None:
    told = sampled(made(["one", "two"], np.array([[1, 0], [1, 1]], np.float32), ("a", "b"), task="tags"))
    assert told.count("one") == 1 and told.count("two") == 2 and "<b>b</b><blockquote>two" in told


def test_samples_of_a_value_go_from_the_least_to_the_greatest() -> None:
    told = sampled(made(["five", "one", "nine"], np.array([5, 1, 9], np.float32), ("price",), task="value"))
    assert told.index("price 1.0") < told.index("one") < told.index("price 5.0") < told.index("price 9.0")


def test_samples_of_entities_and_of_what_is_written() -> None:
    tags = np.array([[0, 1], [2, -1]], np.int16)
    told = sampled(made(["to Rome", "Ada"], tags, ("O", "B-A", "I-A"), task="entities"))
    assert "<b>O B-A</b><blockquote>to Rome" in told
    assert "say hello\nhello" in sampled(made([Pair("say hello", "hello")], np.zeros(1, int), ("reply",), task="reply"))


def test_a_row_is_told_with_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = (Column("age"), Column("<job>", ("none", "cook")))
    rows = np.array([[30, 1], [40, np.nan]], np.float32)
    data = made(rows, [0, 1], ("no", "yes"), kind="table", columns=columns)
    told = sampled(data)
    assert "age: 30.0, &lt;job&gt;: cook" in told and "age: 40.0, &lt;job&gt;: missing" in told
    monkeypatch.setattr(gallery, "explain", lambda clf, given: [None] * len(given))
    report = SimpleNamespace(mistakes=[Mistake(rows[0], "", "yes", "no", "98.0%")])
    assert "age: 30.0" in "".join(gallery.mistakes(report, CLF, "table", html_page.Album(None), data))
