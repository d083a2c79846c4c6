"""Read pictures from folders, one folder for each class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tlkit import files
from tlkit.errors import DataError
from tlkit.splits import SPLIT_NAMES, About, Data, Group, assemble

# Left behind by other programs, in no class of their own.
_LITTER = {"__macosx", "thumbs.db", "desktop.ini"}


def image_folder(path: str | Path, *, seed: int = 0) -> Data:
    """Read a folder that has a subfolder for each class.

    Where all subfolders are called train, val (or validation, valid, dev) and test, with the classes inside, these
    splits are kept. Whatever the files are called, their content decides; hidden files are ignored.
    Pictures that only Pillow can read are converted once, into tlkit's cache folder.

    Args:
        path: the folder.
        seed: seeds the splits that are drawn.

    Returns:
        The data set; files that cannot be read are in `unreadable`, with the reason.

    Raises:
        DataError: there is no such folder, it is not laid out like this, or there is nothing to learn from.
    """
    root = Path(path)
    if not root.exists():
        raise DataError(f"there is no folder {root}; check the path")
    if not root.is_dir():
        raise DataError(f"{root} is a file; give a folder that has a subfolder for each class")
    layout = {name: _classes(folders) for name, folders in _layout(root).items()}
    _same_classes(layout, root)
    groups, unreadable = {}, []
    for name, classes in layout.items():
        found = [(file, label) for label, group in classes.items() for file in group]
        items, reasons = pictures([file for file, _ in found])
        unreadable += [(file.relative_to(root).as_posix(), reasons[file]) for file in reasons]
        kept = [label for file, label in found if file not in reasons]
        if items and (lost := sorted(set(classes) - set(kept))):
            raise DataError(
                f"no file of the class {lost[0]!r} in {root} can be read ({unreadable[-1][0]}: {unreadable[-1][1]}); "
                f"replace them or remove the folder"
            )
        groups[name] = Group(items, kept)
    return assemble(groups, About("image", str(path), unreadable=tuple(unreadable)), seed=seed)


def pictures(sources: Sequence[Path | bytes]) -> tuple[list[str | bytes], dict[Path | bytes, str]]:
    """Try to decode pictures, several at a time.

    Args:
        sources: paths or contents of files.

    Returns:
        What can be read, in order: paths, contents, or paths of converted copies; and source -> reason for the rest.
    """
    import tqdm

    hidden = True if os.environ.get("TLKIT_QUIET", "") not in {"", "0"} else None
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tried = pool.map(_picture, sources)
        answers = list(tqdm.tqdm(tried, "checking pictures", len(sources), leave=False, disable=hidden))
    reasons = {source: str(answer) for source, answer in zip(sources, answers, strict=True) if _failed(answer)}
    return [answer for answer in answers if not _failed(answer)], reasons


def _failed(answer: str | bytes | DataError) -> bool:
    return isinstance(answer, DataError)


def _picture(source: Path | bytes) -> str | bytes | DataError:
    from tlkit import images

    try:
        data = source if isinstance(source, bytes) else images.content(source)
        ready = images.load(data)
    except DataError as error:
        return DataError(str(error).removeprefix("cannot read the picture: "))
    if isinstance(source, bytes):
        return ready
    if ready is data:
        return str(source)
    # In memory, a folder of converted photographs would take many times its size on disk.
    copy = files.cache_home() / "pictures" / f"{source.stem}-{hashlib.sha256(data).hexdigest()[:16]}.png"
    if not copy.is_file():
        with files.atomic(copy) as temporary:
            temporary.write_bytes(ready)
    return str(copy)


# === Layout ===


def _visible(folder: Path) -> list[Path]:
    inside = sorted(folder.iterdir())
    return [path for path in inside if not path.name.startswith(".") and path.name.lower() not in _LITTER]


def _folders(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in _visible(folder) if path.is_dir()}


def _layout(root: Path) -> dict[str, list[Path]]:
    """Return, for each split, the folders that hold its class folders."""
    inside = _folders(root)
    if not inside:
        what = "files but no subfolders" if _visible(root) else "nothing"
        raise DataError(f"{root} holds {what}; put the pictures of each class into a subfolder of its own")
    splits: dict[str, list[Path]] = {}
    for name in inside:
        if name.lower() in SPLIT_NAMES:
            splits.setdefault(SPLIT_NAMES[name.lower()], []).append(inside[name])
    others = [name for name in inside if name.lower() not in SPLIT_NAMES]
    # A single folder called "train" may well be a class, beside "bus" and "tram".
    if not splits or (others and len(splits) == 1):
        return {"train": [root]}
    if others:
        raise DataError(f"{root} has the folder {others[0]!r} beside its splits; move it into a split, or away")
    if "train" not in splits:
        raise DataError(f"{root} has the splits {', '.join(sorted(splits))} but no folder 'train'; add it")
    return splits


def _classes(folders: Sequence[Path]) -> dict[str, list[Path]]:
    classes: dict[str, list[Path]] = {}
    for folder in folders:
        inside = _folders(folder)
        if not inside:
            raise DataError(f"{folder} has no subfolders; put the pictures of each class into a subfolder of its own")
        for name, path in inside.items():
            classes.setdefault(name, []).extend(_files(path))
    if empty := [name for name, found in classes.items() if not found]:
        raise DataError(f"the class folder {empty[0]!r} in {folders[0]} is empty; add pictures or remove it")
    return classes


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path in _visible(folder):
        found += _files(path) if path.is_dir() and not path.is_symlink() else [path]
    return found


def _same_classes(layout: dict[str, dict[str, list[Path]]], root: Path) -> None:
    train = set(layout["train"])
    for name, classes in layout.items():
        if more := sorted(set(classes) - train):
            raise DataError(f"the {name} split of {root} has the class {more[0]!r}, which train lacks; add it there")
        if less := sorted(train - set(classes)):
            raise DataError(f"the {name} split of {root} lacks the class {less[0]!r}, which train has; add its folder")
