"""TLKIT_OFFLINE=1: nothing is asked of the network, neither by tlkit nor by a library that it calls.

What tlkit fetches itself it refuses by name, before anything is tried. Libraries may fetch of their own accord (Keras,
KerasHub, keras-cv, kagglehub, huggingface_hub, TensorFlow Datasets, a builder of one's own): calls of them stand under
`guard`, in which Python refuses the look-up of a host and every connection. What TensorFlow reads itself, in C++, are
addresses such as gs://bucket/folder; all of them pass `address` first.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

from tlkit.errors import OfflineError

HERE = ("file", "ram")  # schemes of TensorFlow's that lead to no network
EVENTS = frozenset(
    f"socket.{name}"
    for name in ("connect", "getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo", "sendto", "sendmsg")
)

_lock = threading.Lock()
_guards: list[_Guard] = []
_hooked: list[bool] = []


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
