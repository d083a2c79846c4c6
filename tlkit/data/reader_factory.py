"""Choose the reader that fits a path, for `tlkit.read` and the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlkit import errors
from tlkit.config import Splitting
from tlkit.data import label_parsing, table_file
from tlkit.data.readers.bundled import bbc_news, digits
from tlkit.data.readers.conll import is_tagged, tagged_texts
from tlkit.data.readers.image_folder import image_folder
from tlkit.data.readers.image_table import image_table, kind_of
from tlkit.data.readers.tabular import table
from tlkit.data.readers.text_generation import dialogues, summaries
from tlkit.data.readers.text_table import text_table
from tlkit.data.readers.tfds import tfds
from tlkit.data.splits import Data
from tlkit.data.splitting import settled
from tlkit.data.table_source import Source
from tlkit.tasks import registry
from tlkit.utils import paths

SAMPLES = {"bbc_news": bbc_news, "digits": digits}


def read(
    source: str,
    *,
    text_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    root: str | None = None,
    pairs: bool = False,
    kind: str | None = None,
    ignore: Sequence[str] | None = None,
    seed: int = 0,
    splitting: Splitting | None = None,
    strict: bool = False,
    task: str = "label",
) -> Data:
    """Read the data set that a source names: a path, else a bundled sample, else a TensorFlow Dataset.

    Args:
        source: a folder of class folders; a .csv, .tsv, .jsonl or .ndjson file of texts or of paths of pictures, also
            with .gz; a .conll, .bio or .iob file of tagged words, or a folder of them; "digits"; "bbc_news";
            "tfds:NAME" or "tfds:NAME:CONFIG". Folders and tables may be addresses.
        text_column, image_column, label_column: for a table, where the names cannot be guessed; one of the first two
            also says whether it holds texts or lists pictures.
        root, pairs: for a table of pictures, the folder that relative paths start from; of texts, as for `text_table`.
        kind, ignore: "table" for one of numbers and categories, where that is not plain; its columns not to be read.
        seed, splitting, strict: as for `image_folder`.
        task: for a table, what its column of labels holds: "label", "tags", "value", "reply" or "summary" (to the text
            column, see `dialogues` and `summaries`); "entities" for tagged words.

    Raises:
        InputError: no sample has this name, or an option is for something else. DataError: a missing path, or data that
            cannot be read or learned from.

    Examples:
        With the folder of the example of `tlkit.image_folder`, and a packaged sample:

        >>> tlkit.read("photos").labels
        ('dark', 'red')
        >>> data = tlkit.read("digits")
        >>> data.kind, data.train.items.shape[1:]
        ('image', (8, 8))
    """
    options = {"splitting": settled(seed, splitting), "strict": strict}
    columns = {"text_column": text_column, "image_column": image_column, "label_column": label_column, "root": root}
    columns |= {"pairs": pairs or None, "kind": kind, "ignore": ignore}
    columns = {name: value for name, value in columns.items() if value is not None}
    if registry.writes(task):
        return _written(source, columns, options, task)
    if task == "entities" or (is_tagged(source) and paths.exists(source)):
        return _tagged(source, columns, options, task)
    is_file = os.path.exists(source) and not os.path.isdir(source)  # also a pipe, which the reader refuses
    if is_file or (paths.is_remote(source) and table_file.is_table(source)):
        with Source(source) as opened:  # once, to tell what it holds and to read it
            return _table(opened, columns, options, task)
    _check_options(source, columns, task)
    if paths.is_remote(source) or os.path.isdir(source):
        data = image_folder(source, **options)
        note = f"The folder {source} was read, not the packaged sample of the same name."
        return replace(data, splitting=f"{data.splitting} {note}") if source in SAMPLES else data
    return _known(source, options)


def _known(source: str, options: dict[str, Any]) -> Data:
    """Read a data set by name; raise an error if the name is unknown and no such path exists."""
    if source in SAMPLES:
        return SAMPLES[source](splitting=options["splitting"])
    if source.startswith("tfds:"):
        return tfds(source.removeprefix("tfds:"), **options)
    path = Path(source)
    if len(path.parts) > 1 or path.suffix or source.endswith("/"):
        tables = ", ".join(table_file.SUFFIXES)
        raise errors.DataError(f"there is no file or folder {source}; check the path (tables end in {tables})")
    raise errors.unknown("data set", source, [*SAMPLES, "tfds:NAME", "a path"])


def _tagged(path: str, columns: dict[str, Any], options: dict[str, Any], task: str) -> Data:
    if task not in ("label", "entities"):
        raise errors.InputError(f"{path} holds tagged words, no {task}; leave the target out, or give entities")
    if columns:
        raise errors.InputError(f"{path} holds tagged words; leave out {' and '.join(columns)}")
    return tagged_texts(path, **options)


def _written(path: str, columns: dict[str, Any], options: dict[str, Any], task: str) -> Data:
    """Read texts for generation; the text column holds the source, the label column the text to write."""
    if strange := sorted(columns.keys() - {"text_column", "label_column"}):
        raise errors.InputError(f"a {task} is learned from texts; leave out {' and '.join(strange)}")
    if not os.path.exists(path) and not path.startswith("tfds:"):
        raise errors.DataError(f"there is no file or folder {path} of this machine; a {task} is learned from such")
    source_column, reply_column = columns.get("text_column"), columns.get("label_column")
    if task == "reply":
        return dialogues(path, prompt_column=source_column, reply_column=reply_column, **options)
    return summaries(path, document_column=source_column, summary_column=reply_column, **options)


def _check_options(source: str, columns: dict[str, str], task: str) -> None:
    """Raise InputError for options that apply to tables only."""
    if columns:
        raise errors.InputError(f"{source} is not a table file; leave out {' and '.join(columns)}")
    if label_parsing.known(task) != "label":
        raise errors.InputError(f"{source} has one label for each example; only tables hold {task}: give a table of it")


def _table(path: Source, columns: dict[str, Any], options: dict[str, Any], task: str) -> Data:
    kind, ignore = columns.pop("kind", None), columns.pop("ignore", ())
    if kind not in (None, "table"):
        raise errors.unknown("kind", kind, ["table"])
    if kind is None:
        kind = kind_of(path, **{name: columns[name] for name in columns.keys() - {"label_column", "pairs"}})
    if kind == "table":
        return _sheet(path, columns, options | {"ignore": ignore}, task)
    options = options | {"task": task}
    if ignore:
        raise errors.InputError(f"ignore={list(ignore)} is for tables of numbers and categories; give kind='table' too")
    if kind == "image":
        if "pairs" in columns:
            raise errors.InputError(f"{path} lists pictures; leave out pairs, or name two columns of texts")
        return image_table(path, **columns, **options)
    if "root" in columns:
        raise errors.InputError(f"{path} holds texts, which have no folder; leave out root, or name an image_column")
    return text_table(path, **columns, **options)


def _sheet(path: Source, columns: dict[str, Any], options: dict[str, Any], task: str) -> Data:
    if strange := sorted(columns.keys() - {"label_column"}):
        raise errors.InputError(f"{path} holds numbers and categories; leave out {' and '.join(strange)}")
    if label_parsing.known(task) != "label":
        raise errors.InputError(f"{path} holds numbers and categories, of which one label is learned, not {task}")
    return table(path, **columns, **options)
