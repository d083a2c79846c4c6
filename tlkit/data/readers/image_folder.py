"""Read pictures in class folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tlkit.config import Splitting
from tlkit.data import example_info
from tlkit.data.assemble import About, Part, assemble
from tlkit.data.example_info import LOOK, Traits
from tlkit.data.splits import SPLIT_NAMES, Data
from tlkit.data.splitting import settled
from tlkit.errors import DataError
from tlkit.utils import files, paths, regular_files
from tlkit.utils.progress import counted

MAX_NAME_LETTERS = 50  # of a file name that are used in the name of its converted copy
SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"}


def image_folder(path: str | Path, *, seed: int = 0, splitting: Splitting | None = None, strict: bool = False) -> Data:
    """Read a folder that has a subfolder for each class, on this machine or at an address such as gs://bucket/photos.

    Where all subfolders are called train, val (or validation, valid, dev) and test, with the classes inside, these
    splits are kept. Whatever the files are called, their content decides; hidden files are ignored, links followed.
    Pictures that only Pillow can read are converted once, into tlkit's cache folder.

    Args:
        path: the folder.
        seed: seeds the splits that are drawn.
        splitting: how they are drawn, in place of a seed alone.
        strict: raise an error where anything cannot be read.

    Returns:
        The data set; files that cannot be read are in `unreadable`, with the reason.

    Raises:
        DataError: there is no such folder, it is not laid out like this, or there is nothing to learn from.
        InputError: an option that cannot be.

    Examples:
        With `pixels` as in the example of `tlkit.arrays`:

        >>> from PIL import Image
        >>> for number, label in enumerate(["dark", "red"] * 6):
        ...     Path("photos", label).mkdir(parents=True, exist_ok=True)
        ...     Image.fromarray(pixels[number]).save(f"photos/{label}/{number}.png")
        >>> data = tlkit.image_folder("photos")
        >>> data.labels, sum(map(len, data.splits().values())), data.unreadable
        (('dark', 'red'), 12, ())
    """
    root = os.fspath(path).rstrip("/") or "/"
    paths.check_name(root)
    if not paths.exists(root):
        raise DataError(f"there is no folder {root}; check the path")
    if not paths.is_folder(root):
        raise DataError(f"{root} is a file; give a folder that has a subfolder for each class")
    layout = {name: _classes(folders) for name, folders in _layout(root).items()}
    _same_classes(layout, root)
    parts, unreadable = {}, _astray(root, layout)
    for name, classes in layout.items():
        labelled = [(file, label) for label, group in classes.items() for file in group]
        odd = [file for file, _ in labelled if not regular_files.is_utf8(file)]
        unreadable += [
            (regular_files.shown(file.removeprefix(f"{root}/")), "its name is not UTF-8; rename it") for file in odd
        ]
        labelled = [pair for pair in labelled if regular_files.is_utf8(pair[0])]
        sources, labels = [file for file, _ in labelled], [label for _, label in labelled]
        names = [source.removeprefix(f"{root}/") for source in sources]
        items, traits, reasons = pictures(sources, names)
        unreadable += [(names[number], reason) for number, reason in reasons.items()]
        readable = [label for number, label in enumerate(labels) if number not in reasons]
        if items and (lost := sorted(set(classes) - set(readable))):
            raise DataError(
                f"no file of the class {lost[0]!r} in {root} can be read ({unreadable[-1][0]}: {unreadable[-1][1]}); "
                f"replace them or remove the folder"
            )
        parts[name] = Part(items, readable, traits)
    info = About("image", str(path), unreadable=tuple(unreadable))
    return assemble(parts, info, settled(seed, splitting), strict=strict)


def pictures(
    sources: Sequence[str | bytes], names: Sequence[str] | None = None
) -> tuple[list[str | bytes], Traits, dict[int, str]]:
    """Decode pictures, several at a time, and compute their traits.

    Args:
        sources: paths or contents of files.
        names: their names; their numbers by default.

    Returns:
        The readable pictures in order, as paths, contents, or paths of converted copies; their traits; and
        number -> reason for the others.
    """
    names = [str(number) for number in range(len(sources))] if names is None else names
    readable, digests, looks, called, reasons = [], [], [], [], {}
    answers = example_info.in_blocks(_picture, sources)
    for number, answer in enumerate(counted(answers, "checking pictures", len(sources))):
        if isinstance(answer, DataError):
            reasons[number] = str(answer)
            continue
        item, digest, look = answer
        readable.append(item)
        digests.append(digest)
        looks.append(look)
        called.append(names[number])
    traits = Traits(example_info.strings(called), example_info.digests(digests), None, np.array(looks, LOOK))
    return readable, traits, reasons


def _picture(source: str | bytes) -> tuple[str | bytes, bytes, tuple] | DataError:
    """Return the item to read for a source, its digest and its look; or the reason why it cannot be read."""
    from tlkit.data import images

    try:
        data = source if isinstance(source, bytes) else paths.content(source)
        ready, thumb = images.examine(data)
    except DataError as error:
        return DataError(str(error).removeprefix("cannot read the picture: ").removeprefix(f"cannot read {source}: "))
    facts = (example_info.digest(data), example_info.of_file(data, thumb))
    if isinstance(source, bytes):
        return ready, *facts
    if ready is data:
        return source, *facts
    # In memory, a folder of converted photographs would take many times its size on disk.
    copy = (
        files.cache_home()
        / "pictures"
        / f"{Path(source).stem[:MAX_NAME_LETTERS]}-{hashlib.sha256(data).hexdigest()[:16]}.png"
    )
    if not copy.is_file():
        with files.atomic(copy) as temporary:
            temporary.write_bytes(ready)
    return str(copy), *facts


# === Layout ===


def _folders(folder: str) -> dict[str, str]:
    return {entry.name: entry.path for entry in paths.visible(folder) if entry.folder}


def _layout(root: str) -> dict[str, list[str]]:
    """Return the folders of the class folders, by split."""
    inside = _folders(root)
    if not inside:
        content = "files but no subfolders" if paths.visible(root) else "nothing"
        raise DataError(f"{root} holds {content}; put the pictures of each class into a subfolder of its own")
    splits: dict[str, list[str]] = {}
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


def _classes(folders: Sequence[str]) -> dict[str, list[str]]:
    classes: dict[str, list[str]] = {}
    for folder in folders:
        inside = _folders(folder)
        if not inside:
            raise DataError(f"{folder} has no subfolders; put the pictures of each class into a subfolder of its own")
        for name, path in inside.items():
            if not regular_files.is_utf8(name):
                raise DataError(f"the class folder {regular_files.shown(path)} has a name that is not UTF-8; rename it")
            classes.setdefault(name, []).extend(counted(paths.below(path), f"listing {name}"))
    if empty := [name for name, pictures_ in classes.items() if not pictures_]:
        raise DataError(f"the class folder {empty[0]!r} in {folders[0]} is empty; add pictures or remove it")
    return classes


def _astray(root: str, layout: dict[str, dict[str, list[str]]]) -> list[tuple[str, str]]:
    """Return the pictures that are in no class folder."""
    places = {root, *(entry.path for entry in paths.visible(root) if entry.folder and layout.keys() > {"train"})}
    beside = [entry for folder in sorted(places) for entry in paths.visible(folder) if not entry.folder]
    named = [entry.path for entry in beside if Path(entry.name).suffix.lower() in SUFFIXES]
    return [
        (regular_files.shown(path.removeprefix(f"{root}/")), "it lies beside the class folders, in none of them")
        for path in named
    ]


def _same_classes(layout: dict[str, dict[str, list[str]]], root: str) -> None:
    train = set(layout["train"])
    for name, classes in layout.items():
        if more := sorted(set(classes) - train):
            raise DataError(f"the {name} split of {root} has the class {more[0]!r}, which train lacks; add it there")
        if less := sorted(train - set(classes)):
            raise DataError(f"the {name} split of {root} lacks the class {less[0]!r}, which train has; add its folder")
