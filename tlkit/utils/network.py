"""Ask web addresses: by http and https alone, in bounded time, with no secret of an address ever shown.

Environment:
    TLKIT_TIMEOUT   seconds to wait for the first answer, 9 by default
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import queue
import re
import socket
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from tlkit.errors import InputError, OfflineError

STALL = 60.0  # seconds in which a download must bring
LEAST = 1 << 14  # bytes
HERE = ("file", "ram")  # schemes of TensorFlow's that lead to no network
EVENTS = frozenset(
    f"socket.{name}"
    for name in ("connect", "getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo", "sendto", "sendmsg")
)
_lock = threading.Lock()
_guards: list[_Guard] = []
_hooked: list[bool] = []


class UnwantedError(Exception):
    """A download that must not go on: it is too large, or leads elsewhere. The text begins with a verb."""


def patience() -> float:
    """Return the seconds to wait for a first answer: TLKIT_TIMEOUT, else 9; raise InputError where it is no number."""
    text = os.environ.get("TLKIT_TIMEOUT") or "9"
    if not re.fullmatch(r"[0-9]{0,4}[.]?[0-9]+", text) or not float(text):
        raise InputError(f"TLKIT_TIMEOUT is {text!r}; give a number of seconds above 0, such as 9")
    return float(text)


def reachable(address: str) -> bool:
    """Return whether a server answers at a web address, with whatever status, in `patience()` seconds."""
    if is_set():
        return False
    try:
        _open(_request(address, {}, method="HEAD")).close()
    except UnwantedError:
        return True
    except urllib.error.URLError as error:
        return isinstance(error, urllib.error.HTTPError)
    return True


def number(text: str | None) -> int | None:
    """Return what a header says in digits; None where it says nothing, or nothing of use."""
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text) else None


def chunks(response: Any, wanted: int | None) -> Iterator[bytes]:
    """Give what an answer holds as it comes; raise ConnectionError where it comes too slowly for `STALL` seconds."""
    came, cut, over = 0, threading.Event(), threading.Event()

    def watch() -> None:
        before = 0
        while not over.wait(STALL):
            if came < before + LEAST:
                cut.set()
                # A read that waits is ended only by its socket, of which this is a second handle.
                with contextlib.suppress(OSError, ValueError), socket.socket(fileno=os.dup(response.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
                return
            before = came

    if isinstance(response, http.client.HTTPResponse):
        threading.Thread(target=watch, daemon=True).start()
    try:
        while came != wanted and (chunk := response.read1(1 << 16)):
            came += len(chunk)
            yield chunk
    except (OSError, http.client.HTTPException):
        if not cut.is_set():
            raise
    finally:
        over.set()
    if cut.is_set():
        raise ConnectionError(f"fewer than {LEAST} bytes came in {STALL:g} s")


def answer(address: str, done: int) -> Any:
    """Ask for a file from byte `done` on, or for all of it where the server has no such byte."""
    headers = {"User-Agent": "tlkit", "Accept-Encoding": "identity"}
    request = _request(address, headers | ({"Range": f"bytes={done}-"} if done else {}))
    try:
        return _open(request)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not done:
            raise
        return _open(_request(address, headers))


def _request(address: str, headers: dict[str, str], method: str = "GET") -> urllib.request.Request:
    """Ask by http, https or for a file of this machine, and by nothing else; a password goes to its own host only."""
    try:
        parts = urllib.parse.urlsplit(address)
        user, at, host = parts.netloc.rpartition("@")
        parts.port  # noqa: B018  a port that is no number raises here
        here = parts.scheme == "file" and host in ("", "localhost")
        if not here and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("another scheme")
        request = urllib.request.Request(parts._replace(netloc=host).geturl(), headers=headers, method=method)
    except ValueError:
        # Not from the ValueError, whose text may hold the password.
        raise InputError(
            f"{hidden(address)!r} is not a web address; it should start with https:// or http://"
        ) from None
    if here and os.path.exists(path := urllib.request.url2pathname(parts.path)) and not os.path.isfile(path):
        raise InputError(f"{address!r} is no regular file; name one")
    if at:
        secret = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirections to web addresses only, and from https to nothing less."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        scheme = urllib.parse.urlsplit(newurl).scheme.lower()
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            fp.close()
            raise UnwantedError(f"leads to {hidden(newurl)}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request) -> Any:
    """Open an address in bounded time: a thread, since no timeout of a socket bounds the look-up of its name."""
    seconds, answers = patience(), queue.Queue()

    def ask() -> None:
        try:
            # Made anew, since it takes the proxies of the environment as they are now.
            answers.put(urllib.request.build_opener(_Redirects).open(request, timeout=seconds))
        except (OSError, ValueError, http.client.HTTPException, UnwantedError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        answer = TimeoutError(f"no answer within {seconds:g} s")
    if isinstance(answer, Exception):
        raise answer if isinstance(answer, urllib.error.URLError | UnwantedError) else urllib.error.URLError(answer)
    return answer


# === TLKIT_OFFLINE ===


class _Guard:
    """Hold the threads that ran before a guard, which are somebody else's, and the first thing that was refused."""

    def __init__(self) -> None:
        self.others = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
        self.refused = ""


def is_set() -> bool:
    """Return whether TLKIT_OFFLINE forbids the network."""
    return os.environ.get("TLKIT_OFFLINE", "") not in {"", "0"}


def refuse(what: str, remedy: str = "") -> None:
    """Raise OfflineError where TLKIT_OFFLINE is set.

    Args:
        what: what is then not done, such as "the package x==1 is not fetched".
        remedy: what a person can do instead.
    """
    if is_set():
        raise OfflineError(f"TLKIT_OFFLINE is set, so {what}" + (f"; {remedy}" if remedy else ""))


def address(place: str | os.PathLike) -> None:
    """Raise OfflineError for an address such as gs://bucket/folder where TLKIT_OFFLINE is set; paths pass."""
    scheme, colon, _ = os.fspath(place).partition("://")
    if colon and scheme.lower() not in HERE:
        refuse(f"{hidden(os.fspath(place))} is not read", "copy it to this machine")


def hidden(text: str) -> str:
    """Return a text without what addresses in it may hold of secrets: user, password, and the query after a "?"."""
    text = re.sub(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/'\"<>]*@", r"\1***@", text)
    return re.sub(r"(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s?'\"<>()]*)\?[^\s'\"<>()]+", r"\1?***", text)


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Refuse the network, while this lasts, to this thread and to those that start meanwhile, if TLKIT_OFFLINE is set.

    Raises:
        OfflineError: something inside wanted to look up a host or to connect to one. It also stands in for whatever
            a library makes of that refusal.
    """
    if not is_set():
        yield
        return
    own = _Guard()
    with _lock:
        if not _hooked:  # for good, since Python takes no hook out again
            sys.addaudithook(_hook)
            _hooked.append(True)
        _guards.append(own)
    try:
        yield
    except OfflineError:
        raise
    except Exception as error:
        if own.refused:
            raise OfflineError(own.refused) from error
        raise
    finally:
        _guards.remove(own)


def _hook(event: str, details: tuple[Any, ...]) -> None:
    if event not in EVENTS or not _guards:
        return
    thread = threading.get_ident()
    bound = [each for each in _guards if thread not in each.others]
    host = _host(event, details)
    if not bound or host is None:
        return
    told = (
        f"TLKIT_OFFLINE is set, so {host} is not asked, as a library wanted to; fetch what it needs on another machine "
        "and put it where the library keeps it, or unset TLKIT_OFFLINE"
    )
    for each in bound:
        each.refused = each.refused or told
    raise OfflineError(told)


def _host(event: str, details: tuple[Any, ...]) -> str | None:
    """Return the host that is asked for; None for sockets of this machine's own, which are paths or numbers."""
    place = details[0] if event.startswith("socket.get") else details[-1]
    place = place[0] if isinstance(place, tuple) and place else place
    if event.startswith("socket.get"):
        return place.decode("ascii", "replace") if isinstance(place, bytes) else str(place)
    return place if isinstance(details[-1], tuple) and isinstance(place, str) else None
