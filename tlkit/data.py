"""Data sets: everything that reads one, and the choice among the readers for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tlkit import errors
from tlkit.folders import image_folder
from tlkit.samples import bbc_news, digits, tfds
from tlkit.splits import About, Data, Group, Split, assemble
from tlkit.tables import SUFFIXES, text_table

__all__ = ["Data", "Split", "arrays", "bbc_news", "digits", "image_folder", "read", "text_table", "tfds"]

SAMPLES = {"bbc_news": bbc_news, "digits": digits}


def arrays(x: Any, y: Any, *, labels: Sequence[str] | None = None, seed: int = 0) -> Data:
    """Make a data set of what is already in memory.

    Args:
        x: pictures, (n, height, width), (n, height, width, 1) or (n, height, width, 3), 0..255; or n texts.
        y: n labels, names or whole numbers.
        labels: the names of the classes: for numbers, those of 0, 1, ...; for names, their order.
        seed: seeds the splits.

    Raises:
        InputError: x and y differ in length, y is not one label for each example, or x holds neither pictures nor
            texts.
        DataError: labels of mixed type or too few examples, as from every reader.
    """
    values = y.tolist() if hasattr(y, "tolist") else list(y)
    if any(isinstance(value, list | tuple) for value in values):
        raise errors.InputError("y must hold one label for each example; turn one-hot rows into numbers with argmax")
    items, kind = _examples(x)
    if len(items) != len(values):
        raise errors.InputError(f"x has {len(items)} examples and y has {len(values)} labels; make them match")
    return assemble({"train": Group(items, values)}, About(kind, "arrays"), labels=labels, seed=seed)


def _examples(x: Any) -> tuple[list[str] | np.ndarray, str]:
    if isinstance(x, np.ndarray) and x.dtype.kind in "uif" and x.ndim > 1:
        from tlkit import images

        images.check_pixels(x)
        return x, "image"
    texts = x.tolist() if hasattr(x, "tolist") else list(x)
    if strange := next((repr(text)[:60] for text in texts if not isinstance(text, str)), ""):
        raise errors.InputError(
            f"x holds {strange}; give texts as a list of strings, or pictures as one array (n, height, width, channels)"
        )
    return texts, "text"


def read(source: str, *, text_column: str | None = None, label_column: str | None = None, seed: int = 0) -> Data:
    """Read whatever a source names: a path first, then a packaged sample, then TensorFlow Datasets.

    Args:
        source: a folder of class folders; a .csv, .tsv, .jsonl or .ndjson file, also with .gz; "digits"; "bbc_news";
            "tfds:NAME" or "tfds:NAME:CONFIG".
        text_column, label_column: for a table, where the names cannot be guessed.
        seed: seeds the splits that are drawn.

    Raises:
        InputError: no sample has this name, or a column was named for something other than a table.
        DataError: a missing path, or data that cannot be read or learned from.
    """
    path = Path(source)
    if path.is_file():
        return text_table(path, text_column=text_column, label_column=label_column, seed=seed)
    if text_column is not None or label_column is not None:
        raise errors.InputError(f"{source} is not a table file; leave out text_column and label_column")
    if path.is_dir():
        data = image_folder(path, seed=seed)
        note = f"The folder {source} was read, not the packaged sample of the same name."
        return replace(data, splitting=f"{data.splitting} {note}") if source in SAMPLES else data
    if source in SAMPLES:
        return SAMPLES[source](seed=seed)
    if source.startswith("tfds:"):
        return tfds(source.removeprefix("tfds:"), seed=seed)
    if len(path.parts) > 1 or path.suffix or source.endswith("/"):
        raise errors.DataError(
            f"there is no file or folder {source}; check the path (tables end in {', '.join(SUFFIXES)})"
        )
    raise errors.unknown("data set", source, [*SAMPLES, "tfds:NAME", "a path"])
