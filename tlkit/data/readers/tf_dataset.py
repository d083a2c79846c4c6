"""Read examples from a tf.data.Dataset, batched or not."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit import errors
from tlkit.config import Splitting
from tlkit.data import example_info, label_parsing
from tlkit.data.assemble import About, Part, assemble
from tlkit.data.readers import image_folder
from tlkit.data.splits import SPLIT_NAMES, Data
from tlkit.data.splitting import settled
from tlkit.errors import DataError, InputError

if TYPE_CHECKING:
    import tensorflow as tf

# How files of pictures begin. Two letters are not enough for a BMP: a text may begin with "BMW".
_PICTURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF.{4}WEBP|BM.{4}\0{4}|II\*\0|MM\0\*|.{4}ftyp(avi|hei|hev|mif|msf)",
    re.DOTALL,
)


def dataset(
    ds: tf.data.Dataset | Mapping[str, tf.data.Dataset],
    *,
    labels: Sequence[str] | None = None,
    seed: int = 0,
    splitting: Splitting | None = None,
    task: str = "label",
) -> Data:
    """Build a data set from a finite tf.data.Dataset of pairs (x, y), batched or not, by running through it once.

    All examples are held in memory: pictures of one size as one array of the pixels' own type, pictures of several
    sizes as PNG files, whose pixels are whole numbers. Where splits are drawn, a pipeline that shuffles anew each time
    gives other splits each time, unless `Splitting(how="stable")` draws them.

    Args:
        ds: the examples, or {"train": ..., "val": ..., "test": ...} with at least the first. x is a picture
            (height, width[, 1 or 3]), 0..255, of any size; the content of a picture file; or a text in UTF-8. y is a
            number, a name, or a one-hot row; of tags a row of 0 and 1, or of names, where an empty one is none.
        labels: the names of the classes: for numbers and one-hot rows, those of 0, 1, ...; for names, their order. By
            default `ds.class_names`, which Keras sets, where it is there.
        seed, splitting: as for `image_folder`.
        task: what y is: "label", "tags" or "value".

    Returns:
        The data set, whose examples are called by their numbers, "train 0" where splits are given; files and texts that
        cannot be read are in `unreadable`, with the reason.

    Raises:
        InputError: no tf.data.Dataset, one without end, elements that are no pairs (x, y), or pixels outside 0..255.
        DataError: nothing to learn from, labels that no classifier learns, or a pipeline that fails.
    """
    sources = _given(ds)
    read = {split: _read(one, where, label_parsing.known(task)) for split, (one, where) in sources.items()}
    items = [item for split_items, _ in read.values() for item in split_items]
    kind, prepare = _form(items)
    parts, lost = {}, []
    for split, (split_items, names) in read.items():
        called = [f"{split} {number}" if isinstance(ds, Mapping) else str(number) for number in range(len(split_items))]
        readable, traits, reasons = prepare(split_items, called)
        lost += [(called[number], reason) for number, reason in reasons.items()]
        parts[split] = Part(readable, [name for number, name in enumerate(names) if number not in reasons], traits)
    labels = getattr(sources["train"][0], "class_names", None) if labels is None else labels
    if task != "label":
        parts, labels = _held(task, parts, labels)
    info = About(kind, "a tf.data.Dataset", unreadable=tuple(lost), task=task)
    return assemble(parts, info, settled(seed, splitting), labels=labels)


def _given(ds: Any) -> dict[str, tuple[tf.data.Dataset, str]]:
    """Return the data set of every split and its name in messages; check what can be checked before reading."""
    import tensorflow as tf

    named = {"train": (ds, "ds")}
    if isinstance(ds, Mapping):
        if strange := [name for name in ds if str(name).lower() not in SPLIT_NAMES]:
            raise errors.unknown("split", strange[0], SPLIT_NAMES)
        named = {SPLIT_NAMES[str(name).lower()]: (one, f"ds[{name!r}]") for name, one in ds.items()}
        if "train" not in named or len(named) < len(ds):
            raise InputError(f"ds has the splits {', '.join(map(str, ds))}; give train, and val and test at most once")
    for one, where in named.values():
        if not isinstance(one, tf.data.Dataset):
            raise InputError(f"{where} is a {type(one).__name__}; give a tf.data.Dataset, or arrays to tlkit.arrays")
        if one.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise InputError(f"{where} has no end; leave out its repeat(), or cut it with take(n)")
        spec = one.element_spec
        if not (isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(part, tf.TensorSpec) for part in spec)):
            raise InputError(
                f"the elements of {where} are no pairs (x, y) of tensors but {_type_names(spec)}; map them to pairs, "
                f"as in ds.map(lambda element: (element['image'], element['label'])), and unbatch() ragged batches"
            )
    return named


def _type_names(spec: Any) -> str:
    if isinstance(spec, Mapping):
        return f"dictionaries of {', '.join(map(str, spec))}"
    if isinstance(spec, tuple):
        return f"({', '.join(type(part).__name__.removesuffix('Spec') for part in spec)})"
    return f"one {type(spec).__name__.removesuffix('Spec')} each, without labels"


# === Elements ===


def _read(ds: tf.data.Dataset, where: str, task: str) -> tuple[list[Any], list[Any]]:
    """Return all examples (bytes or arrays) and their labels, one by one."""
    import tensorflow as tf

    items, labels, batched = [], [], None
    try:
        for x, y in ds.as_numpy_iterator():
            batched = _is_batched(x, y, task) if batched is None else batched
            if batched and len(x) != len(y):
                raise InputError(f"a batch of {where} has {len(x)} examples and {len(y)} labels; make them match")
            items += list(x) if batched else [x]
            labels += [_label(label, where) if task == "label" else label for label in (y if batched else [y])]
    except tf.errors.OpError as error:
        raise DataError(f"{where} fails after {len(items):,} examples: {error.message}; mend the pipeline") from error
    if not items:
        raise DataError(f"{where} holds no example; give one that does, or leave it out")
    return items, labels


def _held(task: str, parts: dict[str, Part], labels: Sequence[str] | None) -> tuple[dict[str, Part], Any]:
    """Turn rows of 0 and 1 or of names into tags, and numbers into values."""
    made = {}
    for split, part in parts.items():
        rows = [np.asarray(row) for row in part.labels]
        if task == "tags" and rows and rows[0].dtype.kind in "OSU":
            rows = [[name.decode("utf-8", "replace") for name in row.tolist() if name] for row in rows]
        truths, names = label_parsing.held(
            task, [row.tolist() if isinstance(row, np.ndarray) else row for row in rows], labels
        )
        made[split] = Part(part.items, truths, part.traits)
    return made, names


def _is_batched(x: Any, y: Any, task: str) -> bool:
    if np.ndim(y) != 1 or task == "tags":
        return np.ndim(y) == 2
    # A row of labels is that of a batch, or the one-hot label of one example.
    if np.ndim(x) in {0, 2}:
        return np.ndim(x) == 2 and len(x) == len(y) and not _is_one_hot(y)
    return not (np.ndim(x) == 3 and x.shape[-1] in {1, 3})


def _is_one_hot(row: np.ndarray) -> bool:
    return row.dtype.kind in "biuf" and np.count_nonzero(row) == 1 and row.max() == 1


def _label(label: Any, where: str) -> str | int | bool:
    if np.shape(label) == (1,):  # Keras gives two classes as a column of 0 and 1
        label = label[0]
    if isinstance(label, bytes):
        return label.decode("utf-8", "replace")
    if np.ndim(label) == 1 and _is_one_hot(label):
        return int(label.argmax())
    if np.ndim(label) or label.dtype.kind not in "biuf" or not float(label).is_integer():
        raise DataError(
            f"{where} has the label {np.array2string(np.asarray(label), threshold=8)}; give the number of the class, "
            f"its name or a one-hot row, or say task='tags' or task='value'"
        )
    return bool(label) if label.dtype.kind == "b" else int(label)


# === Forms ===


def _form(items: Sequence[Any]) -> tuple[str, Any]:
    """Return the kind of data, and the function that turns a split's examples into items, traits and reasons."""
    encoded = [isinstance(item, bytes) for item in items]
    if any(encoded) and not all(encoded):
        raise InputError("one split holds strings and another arrays; give the examples of all splits in one form")
    if not any(encoded):
        return "image", _pixels(items)
    if 2 * sum(_PICTURE.match(item) is not None for item in items) > len(items):
        return "image", image_folder.pictures
    return "text", _texts


def _pixels(items: Sequence[np.ndarray]) -> Any:
    """Check all pictures; return the function that turns a split's into one array, or into files if sizes differ."""
    from tlkit.data import images

    for one in {(item.shape, item.dtype): item for item in items}.values():
        images.check_rank(one[None])
        if not one.size:
            raise InputError(f"a picture of the shape {one.shape} has no pixels; filter it out")
    extremes = np.array([[item.min() for item in items], [item.max() for item in items]])
    images.check_pixels(extremes[None])
    form = np.stack if len({item.shape for item in items}) == 1 else lambda arrays: [_png(item) for item in arrays]

    def prepare(arrays: list[np.ndarray], called: list[str]) -> tuple[Any, example_info.Traits, dict[int, str]]:
        made = form(arrays)
        return made, example_info.look(made, "image", called), {}

    return prepare


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    pixels = np.round(picture).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _texts(items: Sequence[bytes], called: Sequence[str]) -> tuple[list[str], example_info.Traits, dict[int, str]]:
    texts, reasons = [], {}
    for number, item in enumerate(items):
        try:
            text = item.decode("utf-8")
        except UnicodeDecodeError as error:
            reasons[number] = f"not UTF-8 text: {error.reason}"
            continue
        if text.strip():
            texts.append(text)
        else:
            reasons[number] = "an empty text"
    names = [name for number, name in enumerate(called) if number not in reasons]
    return texts, example_info.look(texts, "text", names), reasons
