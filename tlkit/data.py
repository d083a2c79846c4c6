"""Data sets: everything that reads one, and the choice among the readers for the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tlkit import errors, pairing, paths, rows, traits
from tlkit.assembly import About, Part, assemble
from tlkit.datasets import dataset
from tlkit.drawing import settled
from tlkit.folders import image_folder
from tlkit.manifests import image_table, kind_of
from tlkit.samples import bbc_news, digits, tfds
from tlkit.spec import Splitting
from tlkit.splits import Data, Split
from tlkit.tables import text_table

__all__ = [
    "Data",
    "Split",
    "arrays",
    "bbc_news",
    "dataset",
    "digits",
    "image_folder",
    "image_table",
    "kind_of",
    "read",
    "text_table",
    "tfds",
]

SAMPLES = {"bbc_news": bbc_news, "digits": digits}


def arrays(
    x: Any,
    y: Any,
    *,
    labels: Sequence[str] | None = None,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
    splitting: Splitting | None = None,
) -> Data:
    """Make a data set of what is already in memory.

    Args:
        x: pictures, (n, height, width), (n, height, width, 1) or (n, height, width, 3), 0..255; or n texts; or n pairs
            of texts, for a model that was built with pairs=True.
        y: n labels, names or whole numbers.
        labels: the names of the classes: for numbers, those of 0, 1, ...; for names, their order.
        groups: n values; examples that agree in theirs stay on one side: the patient, the scene, the author.
        seed, splitting: as for `image_folder`.

    Raises:
        InputError: x, y and groups differ in length, y is not one label for each example, or x holds neither pictures
            nor texts.
        DataError: labels of mixed type or too few examples, as from every reader.
    """
    values = y.tolist() if hasattr(y, "tolist") else list(y)
    if any(isinstance(value, list | tuple) for value in values):
        raise errors.InputError("y must hold one label for each example; turn one-hot rows into numbers with argmax")
    items, kind = _examples(x)
    if len(items) != len(values):
        raise errors.InputError(f"x has {len(items)} examples and y has {len(values)} labels; make them match")
    seen, splitting = traits.look(items, kind), settled(seed, splitting)
    if groups is not None:
        if len(groups) != len(items):
            raise errors.InputError(f"x has {len(items)} examples and groups has {len(groups)} values; make them match")
        seen = replace(seen, groups=traits.strings([str(group) for group in groups]))
        splitting = replace(splitting, group_by="groups")
    return assemble({"train": Part(items, values, seen)}, About(kind, "arrays"), splitting, labels=labels)


def _examples(x: Any) -> tuple[list[str] | np.ndarray, str]:
    if isinstance(x, np.ndarray) and x.dtype.kind in "uif" and x.ndim > 1:
        from tlkit import images

        images.check_pixels(x)
        return x, "image"
    texts = x.tolist() if hasattr(x, "tolist") else list(x)
    if texts and all(map(pairing.is_pair, texts)):
        return [pairing.Pair(*pairing.parts(text)) for text in texts], "text"
    if strange := next((repr(text)[:60] for text in texts if not isinstance(text, str)), ""):
        raise errors.InputError(
            f"x holds {strange}; give texts, or pairs of them, as a list of strings, or pictures as one array (n, "
            f"height, width, channels)"
        )
    return texts, "text"


def read(
    source: str,
    *,
    text_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    root: str | None = None,
    pairs: bool = False,
    seed: int = 0,
    splitting: Splitting | None = None,
    strict: bool = False,
) -> Data:
    """Read whatever a source names: a path first, then a packaged sample, then TensorFlow Datasets.

    Args:
        source: a folder of class folders; a .csv, .tsv, .jsonl or .ndjson file of texts or of paths of pictures, also
            with .gz; "digits"; "bbc_news"; "tfds:NAME" or "tfds:NAME:CONFIG". Folders and tables may be addresses.
        text_column, image_column, label_column: for a table, where the names cannot be guessed; one of the first two
            also says whether it holds texts or lists pictures.
        root: for a table of pictures, the folder that relative paths start from.
        pairs: for a table of texts, as for `text_table`.
        seed, splitting, strict: as for `image_folder`.

    Raises:
        InputError: no sample has this name, or an option was given that is for something else.
        DataError: a missing path, or data that cannot be read or learned from.
    """
    path, splitting = Path(source), settled(seed, splitting)
    options = {"splitting": splitting, "strict": strict}
    columns = {"text_column": text_column, "image_column": image_column, "label_column": label_column, "root": root}
    columns = {name: value for name, value in (columns | {"pairs": pairs or None}).items() if value is not None}
    if os.path.isfile(source) or (paths.is_remote(source) and rows.is_table(source)):
        return _table(source, columns, options)
    if columns:
        raise errors.InputError(f"{source} is not a table file; leave out {' and '.join(columns)}")
    if paths.is_remote(source):
        return image_folder(source, **options)
    if os.path.isdir(source):
        data = image_folder(path, **options)
        note = f"The folder {source} was read, not the packaged sample of the same name."
        return replace(data, splitting=f"{data.splitting} {note}") if source in SAMPLES else data
    if source in SAMPLES:
        return SAMPLES[source](splitting=splitting)
    if source.startswith("tfds:"):
        return tfds(source.removeprefix("tfds:"), **options)
    if len(path.parts) > 1 or path.suffix or source.endswith("/"):
        raise errors.DataError(
            f"there is no file or folder {source}; check the path (tables end in {', '.join(rows.SUFFIXES)})"
        )
    raise errors.unknown("data set", source, [*SAMPLES, "tfds:NAME", "a path"])


def _table(path: str, columns: dict[str, Any], options: dict[str, Any]) -> Data:
    places = {name: value for name, value in columns.items() if name not in ("label_column", "pairs")}
    if kind_of(path, **places) == "image":
        if "pairs" in columns:
            raise errors.InputError(f"{path} lists pictures; leave out pairs, or name two columns of texts")
        return image_table(path, **columns, **options)
    if "root" in columns:
        raise errors.InputError(f"{path} holds texts, which have no folder; leave out root, or name an image_column")
    return text_table(path, **columns, **options)
