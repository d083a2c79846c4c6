"""Build a release into dist/: wheel, source package, licences of all that is locked, and a bill of materials.

Run: make release
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from release import inventory
from release.lock import LOCK, TOP, LockError, parse

DIST = TOP / "dist"


def strangers(wheel: Path) -> list[str]:
    """Return the files in a wheel outside `tlkit/` and the wheel's own metadata."""
    own = ("tlkit/", f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/")
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if not name.startswith(own)]


def built(wheel: Path, folder: Path) -> metadata.Distribution:
    """Return what a wheel says of itself; its metadata is unpacked into a folder."""
    with zipfile.ZipFile(wheel) as archive:
        place = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return metadata.Distribution.at(Path(archive.extract(place, folder)).parent)


def describe(own: metadata.Distribution, folder: Path, made: datetime.datetime) -> list[Path]:
    """Write the licences and the bill of materials of a built tlkit into a folder and return their paths.

    Raises:
        LockError: what is installed is not what is locked, or the lock lacks something that tlkit needs.
    """
    pins = {pin.name: pin for pin in parse(LOCK.read_text("utf-8"))}
    found = inventory.installed(pins.values())
    running = set(inventory.closure(own)) - {"tlkit"}
    if missing := sorted(running - set(pins)):
        raise LockError(f"tlkit needs {', '.join(missing)}, which the lock does not have; make lock")
    paths = [folder / "LICENCES.md", folder / f"tlkit-{own.version}.cdx.json"]
    head = f"# Licences of what tlkit {own.version} is tested with\n\n"
    paths[0].write_text(head + inventory.licences(found, running), "utf-8")
    bill = inventory.materials(own, pins, made)
    paths[1].write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return paths


def publish(made: datetime.datetime) -> None:
    """Build everything into a new dist/.

    Raises:
        LockError: the build failed, the wheel holds anything but tlkit, or what is installed is not what is locked.
    """
    # setuptools would pack what an older build left.
    for folder in (DIST, TOP / "build"):
        if folder.exists():
            shutil.rmtree(folder)
    # The locked setuptools builds, not one that is fetched for it.
    call = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(DIST), str(TOP)]
    if subprocess.run(call, cwd=TOP).returncode:
        raise LockError("the build failed, see above")
    (wheel,) = DIST.glob("*.whl")
    if others := strangers(wheel):
        raise LockError(f"{wheel.name} holds what is no part of tlkit: {', '.join(others[:5])}")
    with tempfile.TemporaryDirectory() as folder:
        describe(built(wheel, Path(folder)), DIST, made)


def main() -> int:
    """Build a release, list its files, and return the exit code."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.datetime.now(datetime.UTC)
    try:
        publish(datetime.datetime.fromtimestamp(int(seconds), datetime.UTC) if seconds else now)
    except LockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(sorted(str(path.relative_to(TOP)) for path in DIST.iterdir())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
