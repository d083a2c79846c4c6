"""Data sets made of tf.data.Dataset pipelines."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tlkit
from tlkit.config import Splitting
from tlkit.data.readers.tf_dataset import dataset
from tlkit.errors import DataError, InputError

COUNT = 12
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 5, 6, 3)).astype(np.uint8)
NUMBERS = np.arange(COUNT, dtype=np.int32) % 2
TEXTS = [f"text {number}" for number in range(COUNT)]
slices = tf.data.Dataset.from_tensor_slices


def everything(read: tlkit.Data) -> list[tuple[Any, str, str]]:
    """Return item, class and name of each example, in the order of the names."""
    found = []
    for split in read.splits().values():
        labels = [read.labels[label] for label in split.labels]
        found += zip(split.items, labels, split.traits.names, strict=True)
    return sorted(found, key=lambda one: [int(part) if part.isdigit() else part for part in one[2].split()])


def generated(pairs: list[tuple[Any, Any]], x: tf.TensorSpec, y: tf.TensorSpec) -> tf.data.Dataset:
    return tf.data.Dataset.from_generator(lambda: iter(pairs), output_signature=(x, y))


def encoded(pixels: np.ndarray, form: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form)
    return out.getvalue()


# === Pictures ===


@pytest.mark.parametrize(
    "cut", [lambda x: x, lambda x: x[..., :1], lambda x: x[..., 0]], ids=["colour", "grey", "flat"]
)
@pytest.mark.parametrize("batch", [0, 1, 5])
@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (NUMBERS, "01"),
        (NUMBERS.astype(np.float32)[:, None], "01"),
        (np.eye(3, dtype=np.float32)[NUMBERS], "01"),
        (np.array(["b", "a"])[NUMBERS], "ba"),
    ],
    ids=["numbers", "column", "one-hot", "names"],
)
def test_arrays_of_one_size(cut: Callable, batch: int, y: np.ndarray, labels: str) -> None:
    ds = slices((cut(PIXELS), y))
    read = dataset(ds.batch(batch) if batch else ds, seed=4)
    assert isinstance(read.train.items, np.ndarray) and read.train.items.dtype == np.uint8
    found = everything(read)
    assert [name for _, _, name in found] == [str(number) for number in range(COUNT)]
    assert np.array_equal([item for item, _, _ in found], cut(PIXELS))
    assert [label for _, label, _ in found] == [labels[number] for number in NUMBERS]
    assert (read.kind, read.source, read.unreadable) == ("image", "a tf.data.Dataset", ())
    assert "(seed 4)" in read.splitting


def test_one_hot_labels_as_long_as_a_picture_is_high() -> None:
    ds = slices((PIXELS[..., 0], np.eye(PIXELS.shape[1])[NUMBERS]))
    for one in (ds, ds.batch(PIXELS.shape[1])):
        assert np.array_equal([item for item, _, _ in everything(dataset(one))], PIXELS[..., 0])


def test_floats_keep_their_fractions() -> None:
    read = dataset(slices((PIXELS / np.float32(2), NUMBERS)))
    assert read.train.items.dtype == np.float32
    assert np.array_equal([item for item, _, _ in everything(read)], PIXELS / np.float32(2))


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_arrays_of_several_sizes_become_files(channels: int) -> None:
    shape = (None, None, channels)[: 3 if channels else 2]
    pictures = [np.full([4 + n, 5, channels][: len(shape)], 9.6 + n, np.float32) for n in range(COUNT)]
    read = dataset(
        generated(list(zip(pictures, NUMBERS, strict=True)), tf.TensorSpec(shape), tf.TensorSpec((), tf.int64))
    )
    for (item, _, name), picture in zip(everything(read), pictures, strict=True):
        with Image.open(io.BytesIO(item)) as opened:
            assert opened.format == "PNG" and opened.mode == ("RGB" if channels == 3 else "L")
            assert np.array_equal(np.asarray(opened), np.round(picture).reshape(np.asarray(opened).shape)), name
    assert read.train.traits.looks["format"].tolist() == [b"PNG"] * len(read.train)


def test_pictures_of_a_shape_that_is_not_known_beforehand() -> None:
    files = [encoded(picture, "PNG") for picture in PIXELS]
    ds = slices((files, NUMBERS)).map(lambda x, y: (tf.io.decode_image(x), tf.one_hot(y, 2)))
    assert ds.element_spec[0].shape.rank is None
    assert np.array_equal([item for item, _, _ in everything(dataset(ds))], PIXELS)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF"])
def test_contents_of_picture_files(form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path))
    files = [encoded(picture, form) for picture in PIXELS]
    ds = slices(([*files, files[0][:20]], [*NUMBERS, 1]))
    read = dataset(ds.batch(4))
    assert read.kind == "image" and [name for name, _ in read.unreadable] == [str(COUNT)]
    if form not in {"TIFF", "AVIF"}:  # which are converted
        assert [item for item, _, _ in everything(read)] == files
    assert [label for _, label, _ in everything(read)] == [str(number) for number in NUMBERS]


def test_a_tfrecord(tmp_path: Path) -> None:
    path = str(tmp_path / "photos.tfrecord")
    with tf.io.TFRecordWriter(path) as file:
        for picture, number in zip(PIXELS, NUMBERS, strict=True):
            features = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded(picture, "PNG")])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
            }
            file.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    form = {"image": tf.io.FixedLenFeature((), tf.string), "label": tf.io.FixedLenFeature((), tf.int64)}

    def parsed(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_single_example(record, form)
        return example["image"], example["label"]

    ds = tf.data.TFRecordDataset(path).map(parsed)
    assert [(item, label) for item, label, _ in everything(dataset(ds))] == [
        (encoded(picture, "PNG"), str(number)) for picture, number in zip(PIXELS, NUMBERS, strict=True)
    ]
    pixels = dataset(ds.map(lambda x, y: (tf.io.decode_png(x), y)).batch(5))
    assert np.array_equal([item for item, _, _ in everything(pixels)], PIXELS)
    with pytest.raises(InputError, match=r"ds has no end; leave out its repeat\(\), or cut it with take\(n\)"):
        dataset(ds.repeat())
    Path(path).write_bytes(Path(path).read_bytes()[:-9])
    with pytest.raises(DataError, match=r"ds fails after 11 examples: .*; mend the pipeline"):
        dataset(ds)


def test_a_folder_as_keras_reads_it(tmp_path: Path) -> None:
    import keras

    for number, picture in enumerate(PIXELS):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    for mode in ("int", "binary", "categorical"):
        options = {"label_mode": mode, "image_size": (4, 4), "batch_size": 5, "verbose": False}
        ds = keras.utils.image_dataset_from_directory(tmp_path, **options)
        read = dataset(ds)
        assert read.labels == ("a", "b") and sum(map(len, read.splits().values())) == COUNT
        assert read.counts()["test"] == {"a": 1, "b": 1}


# === Texts ===


@pytest.mark.parametrize("batch", [0, 5])
def test_texts(batch: int) -> None:
    texts = [*TEXTS[:-2], "BMW or GIF", "naïve", b"\xff\xfe", " "]
    ds = slices((texts, [*NUMBERS, 0, 0]))
    read = dataset(ds.batch(batch) if batch else ds)
    assert read.kind == "text" and [item for item, _, _ in everything(read)] == texts[:COUNT]
    assert read.unreadable == (("12", "not UTF-8 text: invalid start byte"), ("13", "an empty text"))


@pytest.mark.parametrize("start", ["BMW is a car", "GIF or PNG?", "RIFF is a format", "II* and MM*", "PNG"])
def test_texts_that_begin_like_pictures(start: str) -> None:
    texts = [f"{start} {number}" for number in range(COUNT)]
    assert dataset(slices((texts, NUMBERS))).kind == "text"


def test_texts_with_one_hot_labels() -> None:
    for ds in (slices((TEXTS, np.eye(2)[NUMBERS])), slices((TEXTS, np.eye(2)[NUMBERS])).batch(5)):
        assert [(item, label) for item, label, _ in everything(dataset(ds))] == [
            (text, str(number)) for text, number in zip(TEXTS, NUMBERS, strict=True)
        ]


# === Labels and splits ===


def test_names_of_classes() -> None:
    ds = slices((TEXTS, NUMBERS))
    assert dataset(ds, labels=["no", "yes"]).labels == ("no", "yes")
    ds.class_names = ["left", "right"]
    assert dataset(ds).labels == ("left", "right") and dataset(ds, labels=["no", "yes"]).labels == ("no", "yes")
    assert dataset({"train": ds}).labels == ("left", "right")
    assert dataset(slices((TEXTS, NUMBERS == 1))).labels == ("False", "True")
    with pytest.raises(DataError, match="has the label 1, which is not among the 1 in labels="):
        dataset(ds, labels=["no"])


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (np.array([[1.0, 1.0, 0.0]] * COUNT), r"\[1. 1. 0.\]"),
        (np.array([[0.9, 0.1]] * COUNT), r"\[0.9 0.1\]"),
        (np.array([0.5] * COUNT), "0.5"),
        (np.array([np.nan] * COUNT), "nan"),
    ],
)
def test_labels_that_no_classifier_learns(y: np.ndarray, told: str) -> None:
    with pytest.raises(
        DataError, match=rf"ds has the label {told}; give the number .* or say task='tags' or task='value'"
    ):
        dataset(slices((TEXTS, y)))


def test_given_splits() -> None:
    parts = {"train": slice(0, 6), "validation": slice(6, 8), "test": slice(8, 12)}
    read = dataset({name: slices((PIXELS[part], NUMBERS[part])) for name, part in parts.items()})
    assert read.splitting == "The train, val and test splits were given."
    assert np.array_equal(read.val.items, PIXELS[6:8]) and np.array_equal(read.test.items, PIXELS[8:])
    assert read.val.traits.names.tolist() == ["val 0", "val 1"]
    drawn = dataset({"train": slices((PIXELS, NUMBERS))}, splitting=Splitting(3))
    assert "(seed 3)" in drawn.splitting and "train 0" in {name for _, _, name in everything(drawn)}


def test_a_splits_file_finds_every_example(tmp_path: Path) -> None:
    parts = {"train": slice(0, 8), "test": slice(8, 12)}
    ds = {name: slices((PIXELS[part], NUMBERS[part])) for name, part in parts.items()}
    read = dataset(ds)
    read.write_splits(tmp_path / "splits.csv")
    again = dataset(ds, splitting=Splitting(5, file=str(tmp_path / "splits.csv")))
    assert again.fingerprint() == read.fingerprint()


def test_splits_of_several_sizes_are_all_files() -> None:
    ds = {"train": slices((PIXELS, NUMBERS)), "test": slices((PIXELS[:, :4], NUMBERS))}
    assert {type(item) for item, _, _ in everything(dataset(ds))} == {bytes}


# === What cannot be read ===


@pytest.mark.parametrize(
    ("ds", "message"),
    [
        (PIXELS, "ds is a ndarray; give a tf.data.Dataset, or arrays to tlkit.arrays"),
        ({"train": None}, r"ds\['train'\] is a NoneType"),
        ({"trian": None}, "unknown split 'trian'; did you mean train"),
        ({"test": None}, "ds has the splits test; give train, and val and test at most once"),
        ({"train": None, "dev": 1, "val": 2}, "ds has the splits train, dev, val; give train"),
        (slices(TEXTS), "no pairs .x, y. of tensors but one Tensor each, without labels; map them to pairs, as in"),
        (slices({"image": PIXELS, "label": NUMBERS}), "but dictionaries of image, label; map them"),
        (slices((TEXTS, NUMBERS, NUMBERS)), r"but \(Tensor, Tensor, Tensor\); map them"),
        (slices((tf.ragged.constant([[1], [2, 3]]), [0, 1])), r"but \(RaggedTensor, Tensor\); .* ragged batches"),
        (slices((TEXTS, NUMBERS)).repeat(), "ds has no end"),
        (slices((PIXELS.astype(np.float32) * 2, NUMBERS)), "the pictures hold values from .* to .*; scale them"),
        (slices((PIXELS * np.float32(np.nan), NUMBERS)), "the pictures hold NaN"),
        (slices((np.zeros((4, 5, 5, 4)), [0, 1] * 2)), "pictures must have the shape"),
        (slices((np.zeros((4, 9)), [0, 1] * 2)), "pictures must have the shape"),
        (slices((np.zeros((4, 9)), [0, 1] * 2)).batch(4), "pictures must have the shape"),
        (slices((np.zeros((4, 0, 5), np.uint8), [0, 1] * 2)), r"a picture of the shape \(0, 5\) has no pixels"),
        (slices(([TEXTS], [NUMBERS[:5]])), "a batch of ds has 12 examples and 5 labels; make them match"),
    ],
)
def test_datasets_that_cannot_be_used(ds: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataset(ds)


def test_nothing_to_learn_from() -> None:
    ds = slices((TEXTS, NUMBERS))
    with pytest.raises(DataError, match="ds holds no example; give one that does, or leave it out"):
        dataset(ds.take(0))
    with pytest.raises(DataError, match=r"ds\['val'\] holds no example"):
        dataset({"train": ds, "val": ds.filter(lambda x, y: y > 5)})
    with pytest.raises(DataError, match="has a single class"):
        dataset(ds.filter(lambda x, y: y == 0))


def test_a_pipeline_that_fails() -> None:
    def fails() -> Any:
        yield "a", 0
        raise RuntimeError("the disk is gone")

    ds = tf.data.Dataset.from_generator(
        fails, output_signature=(tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.int32))
    )
    with pytest.raises(DataError, match=r"(?s)ds fails after 1 examples: .*the disk is gone.*; mend the pipeline"):
        dataset(ds)


def test_splits_of_different_forms() -> None:
    ds = {"train": slices((PIXELS, NUMBERS)), "test": slices((TEXTS, NUMBERS))}
    with pytest.raises(InputError, match="one split holds strings and another arrays; give the examples of all splits"):
        dataset(ds)


def test_pictures_on_the_scale_of_one_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="the pictures seem to be on the scale 0..1"):
        dataset(slices((PIXELS / 255, NUMBERS)))
