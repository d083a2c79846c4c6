"""Read data sets of TensorFlow Datasets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkit import errors
from tlkit.config import Splitting
from tlkit.data import example_info, table_file
from tlkit.data.assemble import About, Part, assemble
from tlkit.data.readers import image_folder
from tlkit.data.splits import SPLIT_NAMES, Data
from tlkit.data.splitting import settled
from tlkit.utils import download, network


@network.guard()
def tfds(
    name: str,
    *,
    data_dir: str | Path | None = None,
    seed: int = 0,
    splitting: Splitting | None = None,
    strict: bool = False,
) -> Data:
    """Read a data set of TensorFlow Datasets that has pictures or texts and one label each.

    Args:
        name: "mnist", "imdb_reviews", "NAME/CONFIG" or "NAME:CONFIG", or a folder: one that holds a prepared data set
            (`dataset_info.json`), or class folders in the layout of `tfds.folder_dataset.ImageFolder`.
        data_dir: where prepared data sets are kept; by default where TensorFlow Datasets keeps them.
        seed, splitting, strict: as for `image_folder`.

    Returns:
        The data set, held in memory; pictures as the files they were made from.

    Raises:
        InputError: no data set has this name. OfflineError: TLKIT_OFFLINE is set and it is not here.
        DataError: the library is missing, the data cannot be downloaded, or they are not labelled pictures or texts.
    """
    folder = Path(name)
    if folder.is_dir() and not (folder / "dataset_info.json").is_file():
        return image_folder.image_folder(folder, seed=seed, splitting=splitting, strict=strict)
    library = _library()
    return _read(library, _prepared(library, name, data_dir), name, settled(seed, splitting), strict)


@network.guard()
def tables(name: str) -> dict[str, table_file.Table]:
    """Read the text features of a data set of TensorFlow Datasets, as one table for every split.

    Args:
        name: "cnn_dailymail", "NAME/CONFIG" or "NAME:CONFIG".

    Raises:
        InputError, OfflineError, DataError: as for `tfds`.
    """
    library = _library()
    builder = _prepared(library, name, None)
    features = builder.info.features.items()
    columns = sorted(key for key, one in features if one.shape == () and np.dtype(one.np_dtype).kind == "O")
    by_split: dict[str, table_file.Table] = {}
    for split in _splits(builder):
        if target_split := SPLIT_NAMES.get(split):
            examples = builder.as_dataset(split=split, shuffle_files=False).map(lambda row: [row[c] for c in columns])
            texts = ([cell.decode("utf-8", "replace") for cell in row] for row in examples.as_numpy_iterator())
            lines = [(number, dict(zip(columns, row, strict=True))) for number, row in enumerate(texts)]
            by_split[target_split] = table_file.Table(f"tfds:{name}", columns, lines, [])
    return by_split


def _prepared(library: Any, name: str, data_dir: str | Path | None) -> Any:
    """Return the builder of a data set on this machine, after downloading it if needed."""
    if os.path.isdir(name):
        return library.builder_from_directory(Path(name))
    network.check_address("" if data_dir is None else data_dir)
    builder = _builder(library, name, data_dir)
    _prepare(library, builder, name)
    return builder


def _library() -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise errors.DataError(
            f"TensorFlow Datasets cannot be imported ({error}); pip install tensorflow-datasets importlib_resources"
        ) from error
    return tensorflow_datasets


def _builder(library: Any, name: str, data_dir: str | Path | None) -> Any:
    handle = name.replace(":", "/", 1)
    try:
        return library.builder(handle, data_dir=None if data_dir is None else os.fspath(data_dir))
    except library.core.DatasetNotFoundError as error:
        known = library.list_builders(with_community_datasets=False)
        raise errors.unknown("TensorFlow Datasets name", handle.split("/")[0], known) from error
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise errors.InputError(f"TensorFlow Datasets refuses {name!r}: {reason}; check its configuration") from error


def _prepare(library: Any, builder: Any, name: str) -> None:
    if builder.is_prepared():
        return
    remedy = f"prepare it on another machine and copy {builder.data_dir} here"
    network.refuse_if_offline(f"the data set {name} is not fetched", remedy)
    # A host that does not answer would be tried for minutes.
    for address in list(getattr(builder, "url_infos", None) or {})[:1]:
        if not download.reachable(address):
            raise errors.DataError(f"{name} has to be downloaded, and {address} does not answer; {remedy}")
    config = library.download.DownloadConfig(try_download_gcs=False)
    try:
        builder.download_and_prepare(download_config=config)
    except errors.OfflineError:
        raise
    except Exception as error:  # each data set runs its own download code, which may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise errors.DataError(f"TensorFlow Datasets cannot prepare {name}: {reason}; {remedy}") from error


def _read(library: Any, builder: Any, name: str, splitting: Splitting, strict: bool) -> Data:
    item_key, label, kind = _keys(library, builder.info, name)
    names = getattr(builder.info.features[label], "names", None)
    decoders = {item_key: library.decode.SkipDecoding()} if kind == "image" else None
    parts: dict[str, Part] = {}
    unreadable, skipped = [], []
    for split in _splits(builder):
        target_split = SPLIT_NAMES.get(split)
        read = _examples(builder, split, (item_key, label), decoders) if target_split else ([], [])
        if not read[1]:
            skipped.append(split)
            continue
        called = [f"{split} {number}" for number in range(len(read[1]))]
        parts[target_split], lost = _sound(*read, kind, called)
        unreadable += [(called[number], reason) for number, reason in lost.items()]
    note = f"Not used, for want of a place or of labels: {', '.join(sorted(skipped))}." if skipped else ""
    licence = str(builder.info.redistribution_info.license or "")
    info = About(kind, f"tfds:{name}", note, tuple(unreadable), licence=licence)
    return assemble(parts, info, splitting, labels=names, strict=strict)


def _keys(library: Any, info: Any, name: str) -> tuple[str, str, str]:
    """Return the names of the example feature and the label feature, and the kind of data."""
    features = library.features
    keys = info.supervised_keys
    if keys and len(keys) == 2 and all(isinstance(key, str) for key in keys):
        item, label = (info.features[key] for key in keys)
        labelled = isinstance(label, features.ClassLabel) or np.dtype(label.np_dtype).kind in "iuO"
        for form, kind in ((features.Image, "image"), (features.Text, "text")):
            if isinstance(item, form) and labelled and label.shape == ():
                return keys[0], keys[1], kind
    raise errors.DataError(
        f"{name} is not made of pictures or texts with one label each "
        f"(features: {', '.join(sorted(info.features))}); choose a "
        f"data set for classification"
    )


def _splits(builder: Any) -> list[str]:
    return list(builder.info.splits)


def _examples(builder: Any, split: str, keys: tuple[str, str], decoders: Mapping[str, Any] | None) -> tuple[list, list]:
    """Return items and labels of a split, without the examples that have no label (tfds writes -1)."""
    dataset = builder.as_dataset(split=split, decoders=decoders, shuffle_files=False)
    pairs = dataset.map(lambda example: (example[keys[0]], example[keys[1]])).as_numpy_iterator()
    labelled = [(item, label) for item, label in pairs if isinstance(label, bytes) or label >= 0]
    labels = [label.decode() if isinstance(label, bytes) else int(label) for _, label in labelled]
    return [item for item, _ in labelled], labels


def _sound(items: list[bytes], labels: list, kind: str, called: Sequence[str]) -> tuple[Part, dict[int, str]]:
    """Return the examples that can be read, texts as strings, and number -> reason for the others."""
    if kind == "text":
        texts = [item.decode("utf-8", "replace") for item in items]
        return Part(texts, labels, example_info.look(texts, kind, called)), {}
    readable, traits, reasons = image_folder.pictures(items, called)
    return Part(readable, [label for number, label in enumerate(labels) if number not in reasons], traits), reasons
