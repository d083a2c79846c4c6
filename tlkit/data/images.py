"""Load, resize, batch and augment pictures, in the same way for training and for exported models.

Files that the graph of `decoding.decode` refuses but Pillow loads whole (TIFF, AVIF, transparent GIF, ...) are
converted once, by `load`; both the readers and the artifact call it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit import errors
from tlkit.config import Augment, Reading
from tlkit.data.image_decoding import MAX_PIXELS, decode
from tlkit.utils.paths import content

RESIZES = ("crop", "pad", "stretch")
# What Pillow may read for us: it hands EPS to Ghostscript, which is a program for programs.
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "TGA", "TIFF", "WEBP")
THUMB = 16  # pixels of a side of a thumbnail

# === Bytes to pixels ===


def resize(image: tf.Tensor, size: int, how: str = "crop") -> tf.Tensor:
    """Resize one picture to a square, bilinear and antialiased, without rounding.

    Args:
        image: pixels, (height, width, 3), 0..255, of any number type.
        size: pixels of a side.
        how: "crop" scales the short side to `size` and keeps the centre; "pad" scales the long side to `size` and puts
            the picture in the middle of a black square; "stretch" scales each side on its own.

    Returns:
        float32, (size, size, 3), 0..255.

    Raises:
        InputError: `how` is none of the three.
    """
    if how not in RESIZES:
        raise errors.unknown("resize", how, RESIZES)
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = size / sides
    if how != "stretch":
        scale = tf.repeat(tf.reduce_max(scale) if how == "crop" else tf.reduce_min(scale), 2)
    # One op scales and cuts, so that a picture of 1 x 10,000 is never blown up as a whole.
    square = tf.raw_ops.ScaleAndTranslate(
        # TensorFlow's own conversion of bytes saves a copy four times as large as the picture.
        images=(image if image.dtype == tf.uint8 else tf.cast(image, tf.float32))[None],
        size=[size, size],
        scale=scale,
        translation=(size - sides * scale) / 2,
        kernel_type="triangle",
        antialias=True,
    )[0]
    # The weights sum to 1 but for rounding, which may give 255.00002.
    return tf.ensure_shape(tf.clip_by_value(square, 0.0, 255.0), (size, size, 3))


def decode_batch(strings: tf.Tensor, size: int, how: str = "crop") -> tf.Tensor:
    """Decode and resize picture files: strings (batch,) -> float32 (batch, size, size, 3), 0..255."""
    square = tf.TensorSpec((size, size, 3), tf.float32)
    return tf.map_fn(lambda data: resize(decode(data, size, how), size, how), strings, fn_output_signature=square)


# === Files ===


def thumbnail(image: tf.Tensor) -> tf.Tensor:
    """Shrink a picture (height, width, 3), 0..255, to grey pixels, uint8 (THUMB, THUMB), whatever its shape."""
    small = resize(tf.ensure_shape(image, (None, None, 3)), THUMB, "stretch")
    return tf.cast(tf.round(tf.image.rgb_to_grayscale(small)[..., 0]), tf.uint8)


# Scaled as far as a thumbnail allows; it still reads the file to its end. Made here, not in one of several threads.
_decoded = tf.function(lambda data: thumbnail(decode(data, THUMB, "stretch")), [tf.TensorSpec((), tf.string)])


def load(source: str | Path | bytes) -> bytes:
    """Return a picture as bytes that `decode` can decode.

    Args:
        source: the path of a file, or its content.

    Returns:
        The content unchanged if `decode` accepts it (the same object, if bytes were passed); else, if Pillow can load
        the whole picture, its first frame as PNG: upright, transparency over white, 16 bits scaled to 8.

    Raises:
        DataError: neither can read it; the message gives the reason.
    """
    return examine(source)[0]


def examine(source: str | Path | bytes) -> tuple[bytes, np.ndarray]:
    """Return the result of `load` and the picture's `thumbnail`, which costs nothing extra."""
    data = source if isinstance(source, bytes) else content(source)
    name = "the picture" if isinstance(source, bytes) else str(source)
    try:
        return data, _decoded(tf.constant(data)).numpy()
    except tf.errors.OpError:
        pass  # Pillow has the next word, and the better messages
    try:
        ready = _converted(data)
        return ready, _decoded(tf.constant(ready)).numpy()
    except Exception as error:  # whatever a decoder trips over, the file is unreadable and the reader goes on
        raise errors.DataError(f"cannot read {name}: {_reason(data, error)}") from error


def flattened(picture: Any) -> Any:
    """Return a Pillow picture upright, in 8 bits, with transparency laid over white."""
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I;16"):
        # Pillow's own conversion cuts 16 bits off at 255 instead of scaling them.
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return upright.convert("RGB")


def _converted(data: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        picture.load()
        if picture.mode in {"I", "F"}:
            raise ValueError(f"its pixels are of Pillow's mode {picture.mode}, on no known scale; convert it to 8 bits")
        out = io.BytesIO()
        flattened(picture).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _reason(data: bytes, error: Exception) -> str:
    from PIL import Image

    start = data[:512].lstrip().lower()
    if not data:
        return "the file is empty"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it declares more than {MAX_PIXELS:,} pixels; scale it down"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the picture; run `git lfs pull`"
    if data[4:8] == b"ftyp" and data[8:11] in {b"hei", b"hev", b"mif", b"msf"}:
        return "it is HEIC/HEIF, which Pillow cannot read; convert it to JPEG"
    if b"<svg" in start:
        return "it is an SVG drawing; convert it to PNG"
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is an HTML page, not a picture; fetch the picture again"
    if isinstance(error, Image.UnidentifiedImageError):
        if data.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8")) or data[8:12] == b"WEBP":
            return "it begins as a picture does, but is damaged; replace it"
        return "it is no picture in a format that TensorFlow or Pillow knows"
    return f"{error}"


# === Augmentation ===


def augment(image: tf.Tensor, how: Augment, seed: tf.Tensor) -> tf.Tensor:
    """Change one resized picture at random; the same seed gives the same pixels.

    Args:
        image: float32, (size, size, 3), 0..255.
        how: the largest changes.
        seed: int32, (2,).

    Returns:
        float32, (size, size, 3), 0..255.
    """
    size = image.shape[0]
    flip, crop, top, left, shift, spread = tf.unstack(tf.random.stateless_uniform((6,), seed))
    if how.flip:
        image = tf.cond(flip < 0.5, lambda: image, lambda: image[:, ::-1])
    if how.crop:
        cut = crop * how.crop
        box = [top * cut, left * cut, top * cut + 1 - cut, left * cut + 1 - cut]
        image = tf.image.crop_and_resize(image[None], [box], [0], (size, size))[0]
    if how.contrast:
        mean = tf.reduce_mean(image)
        image = (image - mean) * (1 + how.contrast * (2 * spread - 1)) + mean
    if how.brightness:
        image = image + 255 * how.brightness * (2 * shift - 1)
    return tf.clip_by_value(image, 0.0, 255.0)


# === Batches ===


def batches(
    items: Sequence[str | bytes] | np.ndarray, size: int, reading: Reading, view: int = 0, rows: Any = None
) -> tf.data.Dataset:
    """Return batches of pictures in order, resized and, if requested, augmented; two passes give the same pixels.

    Args:
        items: paths or contents of files, or an array (n, height, width), (n, height, width, 1) or
            (n, height, width, 3), 0..255.
        size: pixels of a side.
        reading: batch size, way of resizing, augmentation and its seed.
        view: the number of the augmented version; with an `Augment`, every view gets other random numbers.
        rows: the numbers of the examples to read, in this order; all of them by default.

    Returns:
        Batches of float32, (batch, size, size, 3), 0..255; the last one may be smaller.

    Raises:
        InputError: an array that holds no pictures.
    """
    numbers = np.arange(len(items)) if rows is None else np.asarray(rows)
    if rows is not None:
        items = items[numbers] if isinstance(items, np.ndarray) else [items[number] for number in numbers]
    pixels, raw = _source(items, size, reading.resize)
    seed = tf.constant([reading.seed % 2**31, view], tf.int32)
    augmentation = reading.augment if isinstance(reading.augment, Augment) else None

    def picture(number: tf.Tensor, *item: tf.Tensor) -> tf.Tensor:
        square = resize(pixels(*item), size, reading.resize)
        if augmentation is None:
            return square
        return augment(square, augmentation, tf.random.experimental.stateless_fold_in(seed, number))

    dataset = tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(numbers), *raw)
    dataset = dataset.map(picture, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).batch(reading.batch_size)
    if callable(reading.augment):
        dataset = dataset.map(lambda batch: tf.ensure_shape(reading.augment(batch), (None, size, size, 3)))
    return dataset.prefetch(tf.data.AUTOTUNE)


def _source(
    items: Sequence[str | bytes] | np.ndarray, size: int, resize_mode: str
) -> tuple[Any, list[tf.data.Dataset]]:
    """Return a function that turns an item into pixels, and the datasets that the parts of an item come from."""
    slices = tf.data.Dataset.from_tensor_slices
    if isinstance(items, np.ndarray):
        check_rank(items)
        items = items[..., None] if items.ndim == 3 else items
        return (lambda array: tf.image.grayscale_to_rgb(array) if array.shape[-1] == 1 else array), [slices(items)]
    names = np.asarray([item if isinstance(item, str) else "" for item in items], dtype=object)
    contents = np.asarray([b"" if isinstance(item, str) else item for item in items], dtype=object)

    def pixels(name: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
        return decode(tf.cond(name == "", lambda: content, lambda: tf.io.read_file(name)), size, resize_mode)

    return pixels, [slices(tf.constant(names, tf.string)), slices(tf.constant(contents, tf.string))]


def check_rank(array: np.ndarray) -> None:
    """Raise InputError unless an array can hold pictures: numbers, (n, h, w) or (n, h, w, 1 or 3)."""
    if array.dtype.kind not in "uif":
        raise errors.InputError(f"pictures must be numbers from 0 to 255, not {array.dtype}; convert the array")
    if not (array.ndim == 3 or (array.ndim == 4 and array.shape[-1] in (1, 3))):
        raise errors.InputError(
            f"pictures must have the shape (n, height, width), (n, height, width, 1) or (n, height, width, 3), not "
            f"{array.shape}; add or move the axes"
        )


def check_pixels(batch: np.ndarray) -> None:
    """Check that an array holds pictures: numbers on the scale 0..255.

    Args:
        batch: (n, height, width), (n, height, width, 1) or (n, height, width, 3).

    Raises:
        InputError: it is not numeric, has another shape, or holds NaN, an infinity or values outside 0..255.

    Warns:
        UserWarning: nothing in it is above 1, so it is probably on the scale 0..1.
    """
    check_rank(batch)
    if not batch.size:
        return
    low, high = batch.min(), batch.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        unusable = "NaN" if np.isnan(low) or np.isnan(high) else "infinite values"
        raise errors.InputError(f"the pictures hold {unusable}; replace or remove those examples")
    if low < 0 or high > 255:
        raise errors.InputError(f"the pictures hold values from {low:g} to {high:g}; scale them to 0..255")
    if high <= 1:
        text = f"the largest pixel is {high:g}: the pictures seem to be on the scale 0..1; multiply them by 255"
        warnings.warn(text, stacklevel=2)
