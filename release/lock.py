"""Make requirements.lock, the versions and digests of everything that `make` installs, and install from it.

python -m release.lock make            resolve the requirements of setup.cfg anew and write the lock
python -m release.lock make --keep     the same, but stay at the locked versions where setup.cfg allows it
python -m release.lock check           say whether the lock is for this Python
python -m release.lock install         install what is locked, then tlkit itself, into the Python that runs this
python -m release.lock install --unlocked   install what setup.cfg allows, without digests

Nothing but Python's own library is imported, since this runs in an environment that is still empty, and in Pythons that
the lock is not for.
"""

from __future__ import annotations

import argparse
import configparser
import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).resolve().parent.parent
LOCK = TOP / "requirements.lock"
EXTRAS = ("dev", "release")
# What builds the packages that have no wheel, and tlkit itself: installed before them, so that pip fetches none of it.
BUILDING = ("pip", "setuptools")
PLACE = ("CPython 3.11", "Linux", "x86_64")
HEAD = """\
# Everything that `make` installs, for CPython 3.11 on Linux, x86-64 (glibc): run time, development and releases.
# Written by `make lock` from setup.cfg; do not edit. Install by `make`, or by
#     pip install --require-hashes -r requirements.lock
"""
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!_+-]*)((?: --hash=sha256:[0-9a-f]{64})+)")


class Pin(NamedTuple):
    """One distribution: its normalised name, its version, and the SHA-256 digests of the files allowed for it."""

    name: str
    version: str
    digests: tuple[str, ...]


class LockError(Exception):
    """The lock cannot be read, made or used; the message says what to do."""


def normal(name: str) -> str:
    """Return the name of a distribution in the form in which indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(*extras: str) -> list[str]:
    """Return the requirements of tlkit in setup.cfg, one string each, and those of the extras given."""
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg", "utf-8")
    blocks = [config["options"]["install_requires"], *(config["options.extras_require"][extra] for extra in extras)]
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def parse(text: str) -> list[Pin]:
    """Return what a lock pins, in its order.

    Raises:
        LockError: a line is anything but NAME==VERSION with SHA-256 digests, or a name stands there twice.
    """
    pins: dict[str, Pin] = {}
    kept = "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for line in re.sub(r"\s*\\\n\s*", " ", kept).splitlines():
        found = _PINNED.fullmatch(line.strip())
        if not found:
            raise LockError(
                f"the lock has a line that is no NAME==VERSION with SHA-256 digests: {line[:80]!r}; make lock"
            )
        name = normal(found[1])
        if name in pins:
            raise LockError(f"the lock has {name} twice; make lock")
        pins[name] = Pin(name, found[2], tuple(re.findall(r"sha256:([0-9a-f]{64})", found[3])))
    return list(pins.values())


def render(pins: list[Pin]) -> str:
    """Return the lines of a lock, by name, in the form that `pip install --require-hashes -r` reads."""
    lines = []
    for pin in sorted(pins):
        lines += [f"{pin.name}=={pin.version}", *(f"    --hash=sha256:{digest}" for digest in sorted(pin.digests))]
    return re.sub(r"\n    --hash", r" \\\n    --hash", "\n".join(lines)) + "\n"


def pinned(report: dict) -> list[Pin]:
    """Return the pins of a report of `pip install --dry-run --report`.

    Raises:
        LockError: something would not be installed from an archive with a SHA-256 digest.
    """
    pins = []
    for item in report["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        digest = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if not digest:
            raise LockError(
                f"{name} {version} would come without a SHA-256 digest; only archives of an index can be locked"
            )
        pins.append(Pin(normal(name), version, (digest,)))
    return pins


def misfit() -> str | None:
    """Return why the lock is not for this Python, with what to do, or None where it is."""
    here = (
        f"{platform.python_implementation()} {sys.version_info[0]}.{sys.version_info[1]}",
        platform.system(),
        platform.machine(),
    )
    if here == PLACE:
        return None
    return (
        f"requirements.lock is for {', '.join(PLACE)}; {sys.executable} is {', '.join(here)}. Name another interpreter "
        "(make PYTHON=/path/to/python3.11 ...), or say make UNLOCKED=1 ... to install the newest versions that "
        "setup.cfg allows, unchecked by any digest"
    )


def make(keep: bool) -> None:
    """Write the lock.

    Args:
        keep: whether what is locked stays at its version where the requirements allow it.

    Raises:
        LockError: this Python is not the one that the lock is for, or pip found no solution.
    """
    if (why := misfit()) is not None:
        raise LockError(why)
    with tempfile.TemporaryDirectory() as folder:
        report, held = Path(folder) / "report.json", Path(folder) / "held.txt"
        wanted = [*requirements(*EXTRAS), *BUILDING]
        if keep:
            pins = parse(LOCK.read_text("utf-8"))
            held.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins), "utf-8")
            wanted += ["--constraint", str(held)]
        # A wheel that pip built itself and kept would be locked in place of the archive that others get.
        _pip("install", "--dry-run", "--ignore-installed", "--no-cache-dir", "--report", str(report), *wanted)
        pins = pinned(json.loads(report.read_text("utf-8")))
    LOCK.write_text(HEAD + render(pins), "utf-8")


def install(unlocked: bool) -> None:
    """Install what is locked, then tlkit itself in editable form, into the Python that runs this.

    Args:
        unlocked: whether the newest versions that setup.cfg allows are installed instead, without digests.

    Raises:
        LockError: the lock is not for this Python, pip failed, or what is installed does not fit together.
    """
    if unlocked:
        _pip("install", "--editable", f".[{','.join(EXTRAS)}]")
        return
    if (why := misfit()) is not None:
        raise LockError(why)
    pins = parse(LOCK.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for name, part in (("first", [pin for pin in pins if pin.name in BUILDING]), ("all", pins)):
            path = Path(folder) / f"{name}.txt"
            path.write_text(render(part), "utf-8")
            _pip("install", "--require-hashes", "--no-build-isolation", "--requirement", str(path))
    _pip("install", "--no-deps", "--no-build-isolation", "--editable", ".")
    _pip("check")


def _pip(command: str, *arguments: str) -> None:
    quiet = ("--quiet",) if command == "install" else ()
    call = [sys.executable, "-m", "pip", "--disable-pip-version-check", command, *quiet, *arguments]
    if subprocess.run(call, cwd=TOP).returncode:
        raise LockError(f"pip {command} failed, see above; where setup.cfg has changed, make lock comes first")


def main(arguments: list[str]) -> int:
    """Do what the first argument says and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m release.lock", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("make", "check", "install"))
    parser.add_argument("--keep", action="store_true", help="stay at the locked versions where setup.cfg allows it")
    parser.add_argument("--unlocked", action="store_true", help="install without the lock")
    given = parser.parse_args(arguments)
    try:
        if given.command == "make":
            make(given.keep)
        elif given.command == "install":
            install(given.unlocked)
        elif not given.unlocked and (why := misfit()) is not None:
            raise LockError(why)
    except LockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
