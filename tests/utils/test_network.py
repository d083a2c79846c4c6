"""Web addresses: who is asked and in what time, what a guard refuses, and what of an address is never shown."""

from __future__ import annotations

import contextlib
import io
import socket
import urllib.error
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlkit.errors import InputError, OfflineError
from tlkit.utils import network


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TLKIT_OFFLINE", "TLKIT_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)


# === Settings ===


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("1", True), ("yes", True)])
def test_offline(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    assert network.is_offline() is False
    monkeypatch.setenv("TLKIT_OFFLINE", value)
    assert network.is_offline() is expected


def test_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    assert network.patience() == 9
    monkeypatch.setenv("TLKIT_TIMEOUT", "2.5")
    assert network.patience() == 2.5
    for wrong in ("0", "soon", "-1", "inf"):
        monkeypatch.setenv("TLKIT_TIMEOUT", wrong)
        with pytest.raises(InputError, match=f"TLKIT_TIMEOUT is '{wrong}'; give a number of seconds above 0"):
            network.patience()


def test_no_redirection_leads_from_https_to_http() -> None:
    import urllib.request

    asked = urllib.request.Request("https://example.invalid/a")
    with contextlib.closing(io.BytesIO()) as body, pytest.raises(network.UnwantedError, match="leads to http://b"):
        network._Redirects().redirect_request(asked, body, 302, "", {}, "http://b/a")


# === The guard ===


def test_a_library_that_hides_the_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"so example\.invalid is not "), network.guard():
        try:
            socket.getaddrinfo("example.invalid", 80)
        except Exception as error:
            raise ValueError("the preset is unknown") from error
    with pytest.raises(ValueError, match="of its own"), network.guard():
        raise ValueError("of its own")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs sockets that are files")
def test_offline_sockets_that_are_files_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as asking, network.guard():
        listening.bind("here")
        listening.listen()
        asking.connect("here")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pa@ss@host/a?token=1 is", "https://***@host/a?*** is"),
        ("('http://token@host:8/a')", "('http://***@host:8/a')"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://host/a, b@c?d", "https://host/a, b@c?d"),
        ("nothing", "nothing"),
    ],
)
def test_hidden(text: str, shown: str) -> None:
    assert network.without_secrets(text) == shown


@pytest.mark.parametrize("place", ["gs://bucket/a", "https://me:secret@host/a?key=secret"])
def test_an_address_is_refused_offline_and_a_path_is_not(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network.check_address(place)
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    for near in ("/a/b", "a.csv", Path("a"), "file:///a", "RAM://a"):
        network.check_address(near)
    with pytest.raises(
        OfflineError, match=r"TLKIT_OFFLINE is set, so .* is not read; copy it to this machine"
    ) as caught:
        network.check_address(place)
    assert "secret" not in str(caught.value)


def test_a_refusal_without_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    network.refuse_if_offline("nothing is refused")
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"^TLKIT_OFFLINE is set, so x is not fetched$"):
        network.refuse_if_offline("x is not fetched")


# === Answers ===


def answering(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> list[Any]:
    """Let requests be answered, or fail, in this order; list what was asked."""
    asked, left = [], list(answers)

    def take(request: Any) -> Any:
        asked.append(request)
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(network, "_open", take)
    return asked


def failed(status: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://host/a", status, "", {}, None)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (io.BytesIO(), True),
        (failed(405), True),
        (network.UnwantedError("leads elsewhere"), True),
        (urllib.error.URLError("no route"), False),
    ],
)
def test_whatever_answers_is_reachable(answer: Any, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    (asked,) = [answering(monkeypatch, answer)]
    assert network.reachable("http://host/") is expected
    assert [request.get_method() for request in asked] == ["HEAD"]


def test_the_rest_of_a_file_is_asked_for_and_all_of_it_where_there_is_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, "the rest", "all", failed(416), "all again", failed(416), failed(404))
    assert network.answer("http://host/a", 5) == "the rest" and network.answer("http://host/a", 0) == "all"
    assert network.answer("http://host/a", 9) == "all again"
    assert [request.get_header("Range") for request in asked] == ["bytes=5-", None, "bytes=9-", None]
    for status in (416, 404):
        with pytest.raises(urllib.error.HTTPError, match=str(status)):
            network.answer("http://host/a", 0)


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12), ("0", 0), (None, None), ("", None), ("-1", None), ("9" * 19, None)]
)
def test_numbers_of_headers(text: str | None, number: int | None) -> None:
    assert network.number(text) == number


def test_chunks_come_until_there_is_no_more_or_what_was_wanted_is_here() -> None:
    def response() -> Any:
        left = [b"ab", b"c", b"", b"never read"]
        return SimpleNamespace(read1=lambda size: left.pop(0))

    assert list(network.chunks(response(), None)) == [b"ab", b"c"]
    assert list(network.chunks(response(), 2)) == [b"ab"]


def test_a_broken_answer_is_no_end_of_it() -> None:
    def broken(size: int) -> bytes:
        raise ConnectionResetError("reset")

    with pytest.raises(ConnectionResetError, match="reset"):
        list(network.chunks(SimpleNamespace(read1=broken), None))


@pytest.mark.parametrize("address", ["ftp://me:secret@host/a", "data:,a", "http://", "http://me:secret@host:x/"])
def test_what_is_no_web_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch)
    with pytest.raises(InputError, match="is not a web address; it should start with https:// or http://") as caught:
        network.answer(address, 0)
    assert "secret" not in str(caught.value) and asked == []
