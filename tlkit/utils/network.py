"""Request web addresses: http and https only, in bounded time, without ever showing passwords or tokens.

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

# a download that brings fewer bytes in so many seconds is stopped
STALL_SECONDS = 60.0
MIN_BYTES_BEFORE_STALL = 1 << 14
LOCAL_SCHEMES = ("file", "ram")  # of TensorFlow's file systems: they need no network
NETWORK_EVENTS = frozenset(
    f"socket.{name}"
    for name in ("connect", "getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo", "sendto", "sendmsg")
)
_lock = threading.Lock()
_guards: list[_Guard] = []
_hooked: list[bool] = []


class UnwantedError(Exception):
    """A download that must not continue: it is too large, or redirects elsewhere. The text begins with a verb."""


def patience() -> float:
    """Return the seconds to wait for a first answer: TLKIT_TIMEOUT, or 9; raise InputError if it is not a number."""
    text = os.environ.get("TLKIT_TIMEOUT") or "9"
    if not re.fullmatch(r"[0-9]{0,4}[.]?[0-9]+", text) or not float(text):
        raise InputError(f"TLKIT_TIMEOUT is {text!r}; give a number of seconds above 0, such as 9")
    return float(text)


def reachable(address: str) -> bool:
    """Return whether a server answers at a web address within `patience()` seconds, whatever the status."""
    if is_offline():
        return False
    try:
        _open(_request(address, {}, method="HEAD")).close()
    except UnwantedError:
        return True
    except urllib.error.URLError as error:
        return isinstance(error, urllib.error.HTTPError)
    return True


def number(text: str | None) -> int | None:
    """Return the number in a header; None if the header is missing or is not a plain number."""
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text) else None


def chunks(response: Any, wanted: int | None) -> Iterator[bytes]:
    """Yield the body of a response as it arrives; raise ConnectionError if it arrives too slowly."""
    received, stalled, finished = 0, threading.Event(), threading.Event()

    def watch() -> None:
        before = 0
        while not finished.wait(STALL_SECONDS):
            if received < before + MIN_BYTES_BEFORE_STALL:
                stalled.set()
                # Only shutting down the socket ends a waiting read; this is a second handle of it.
                with contextlib.suppress(OSError, ValueError), socket.socket(fileno=os.dup(response.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
                return
            before = received

    if isinstance(response, http.client.HTTPResponse):
        threading.Thread(target=watch, daemon=True).start()
    try:
        while received != wanted and (chunk := response.read1(1 << 16)):
            received += len(chunk)
            yield chunk
    except (OSError, http.client.HTTPException):
        if not stalled.is_set():
            raise
    finally:
        finished.set()
    if stalled.is_set():
        raise ConnectionError(f"fewer than {MIN_BYTES_BEFORE_STALL} bytes came in {STALL_SECONDS:g} s")


def answer(address: str, done: int) -> Any:
    """Request a file from byte `done` on, or all of it if the server does not have that byte."""
    headers = {"User-Agent": "tlkit", "Accept-Encoding": "identity"}
    request = _request(address, headers | ({"Range": f"bytes={done}-"} if done else {}))
    try:
        return _open(request)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not done:
            raise
        return _open(_request(address, headers))


def _request(address: str, headers: dict[str, str], method: str = "GET") -> urllib.request.Request:
    """Return a request by http, https or for a local file; a password is sent to its own host only."""
    try:
        parts = urllib.parse.urlsplit(address)
        user, at, host = parts.netloc.rpartition("@")
        parts.port  # noqa: B018  raises ValueError if the port is not a number
        here = parts.scheme == "file" and host in ("", "localhost")
        if not here and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("another scheme")
        request = urllib.request.Request(parts._replace(netloc=host).geturl(), headers=headers, method=method)
    except ValueError:
        # Not "from error": the text of the ValueError may hold the password.
        raise InputError(
            f"{without_secrets(address)!r} is not a web address; it should start with https:// or http://"
        ) from None
    if here and os.path.exists(path := urllib.request.url2pathname(parts.path)) and not os.path.isfile(path):
        raise InputError(f"{address!r} is not a regular file; name one")
    if at:
        secret = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to web addresses only, and never from https to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        scheme = urllib.parse.urlsplit(newurl).scheme.lower()
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            fp.close()
            raise UnwantedError(f"leads to {without_secrets(newurl)}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request) -> Any:
    """Open an address in bounded time; in a thread, since a socket's timeout does not bound the DNS look-up."""
    seconds, answers = patience(), queue.Queue()

    def ask() -> None:
        try:
            # Built for every request, to use the current proxies of the environment.
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
    """The threads that were running before a guard, which it does not concern, and the first refusal."""

    def __init__(self) -> None:
        self.others = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
        self.refused = ""


def is_offline() -> bool:
    """Return whether TLKIT_OFFLINE forbids the network."""
    return os.environ.get("TLKIT_OFFLINE", "") not in {"", "0"}


def refuse_if_offline(what: str, remedy: str = "") -> None:
    """Raise OfflineError if TLKIT_OFFLINE is set.

    Args:
        what: the consequence, such as "the package x==1 is not fetched".
        remedy: what the user can do instead.
    """
    if is_offline():
        raise OfflineError(f"TLKIT_OFFLINE is set, so {what}" + (f"; {remedy}" if remedy else ""))


def check_address(path: str | os.PathLike) -> None:
    """Raise OfflineError for an address such as gs://bucket/folder if TLKIT_OFFLINE is set; local paths pass."""
    scheme, colon, _ = os.fspath(path).partition("://")
    if colon and scheme.lower() not in LOCAL_SCHEMES:
        refuse_if_offline(f"{without_secrets(os.fspath(path))} is not read", "copy it to this machine")


def without_secrets(text: str) -> str:
    """Return a text with the secrets of all addresses in it masked: user, password, and the query after a "?"."""
    text = re.sub(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/'\"<>]*@", r"\1***@", text)
    return re.sub(r"(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s?'\"<>()]*)\?[^\s'\"<>()]+", r"\1?***", text)


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Block network access inside the block, for this thread and those it starts, if TLKIT_OFFLINE is set.

    Raises:
        OfflineError: something inside tried to look up or connect to a host. It also replaces any error that a library
            raises because of that.
    """
    if not is_offline():
        yield
        return
    this = _Guard()
    with _lock:
        if not _hooked:  # for good, since Python cannot remove a hook
            sys.addaudithook(_hook)
            _hooked.append(True)
        _guards.append(this)
    try:
        yield
    except OfflineError:
        raise
    except Exception as error:
        if this.refused:
            raise OfflineError(this.refused) from error
        raise
    finally:
        _guards.remove(this)


def _hook(event: str, details: tuple[Any, ...]) -> None:
    if event not in NETWORK_EVENTS or not _guards:
        return
    thread = threading.get_ident()
    active = [entry for entry in _guards if thread not in entry.others]
    host = _host(event, details)
    if not active or host is None:
        return
    message = (
        f"TLKIT_OFFLINE is set, so {host} is not contacted, though a library tried to; fetch what it needs on another "
        "machine and put it where the library keeps it, or unset TLKIT_OFFLINE"
    )
    for entry in active:
        entry.refused = entry.refused or message
    raise OfflineError(message)


def _host(event: str, details: tuple[Any, ...]) -> str | None:
    """Return the host that an event concerns; None for local sockets, which are paths or numbers."""
    host = details[0] if event.startswith("socket.get") else details[-1]
    host = host[0] if isinstance(host, tuple) and host else host
    if event.startswith("socket.get"):
        return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    return host if isinstance(details[-1], tuple) and isinstance(host, str) else None
