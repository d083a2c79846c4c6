"""Decode a picture inside a TensorFlow graph: the same ops read the training files and serve the exported model.

How pictures are read, in training and serving alike:

orientation    EXIF is honoured: JPEG APP1, the WebP EXIF chunk, PNG eXIf (XMP and PNG text profiles are not)
transparency   laid over white (PNG with its palette transparency, WebP); a fourth BMP channel is ignored
16-bit PNG     scaled to 8 bits
grey, CMYK     become three channels of red, green and blue
animation      its first frame

Refused with InvalidArgumentError: anything else, pictures that declare more than `MAX_PIXELS`, a PNG or WebP whose
header is not the first chunk, a BMP that is compressed or has an OS/2 header, and a GIF whose first frame is
transparent or of another size than its canvas, because TensorFlow would paint what is missing black or cut it off.
`images.load` converts those first.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf

# The limit from which Pillow, too, suspects a decompression bomb.
MAX_PIXELS = 89_478_485
# The first bytes of the formats, "?" for any byte; the last fits everything else. `_readers` has the same order.
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n????IHDR", b"RIFF????WEBPVP8?", b"BM", b"GIF8?a", b"")
# Bounds the time that a GIF of many tiny blocks takes; a row of blocks of one length is one step.
GIF_STEPS = 1000


def decode(data: tf.Tensor, size: tf.Tensor | int | None = None, how: str = "crop") -> tf.Tensor:
    """Decode the bytes of one JPEG, PNG, WebP, BMP or GIF, told apart by their first bytes.

    A JPEG that is much too large is decoded by libjpeg's scaled DCT to 1/2, 1/4 or 1/8, whichever is the smallest that
    divides both sides without remainder and leaves the side that decides at twice `size` or more. A photograph of 12
    megapixels (2 MB) then takes 37 ms of processor time to become 224 x 224 by `images.resize`, instead of 95 at full
    resolution. Four photographs enlarged to 3,000 x 2,000 differ by 0.07 to 0.30 of 255 levels on average, by 5 at
    most; where no more than twice `size` remains, by 0.1 to 0.5 on average, by 12 at most.

    Args:
        data: a string scalar.
        size: pixels of the side that `images.resize` will make of it; None for full resolution.
        how: the way of resizing; "crop" and "stretch" scale by the short side, "pad" by the long one.

    Returns:
        Pixels, uint8, (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: the bytes are none of the five, are damaged, or are refused (see the module).
    """
    data = tf.convert_to_tensor(data)
    # The padding lets every field be read without asking first whether the file is that long.
    raw = tf.io.decode_raw(tf.strings.join([tf.strings.substr(data, 0, 64), "\0" * 64]), tf.uint8)
    starts = np.stack([np.frombuffer(start.ljust(16, b"?"), np.uint8) for start in SIGNATURES])
    fits = tf.reduce_all((raw[:16] == starts) | (starts == ord("?")), axis=1)
    # No side is longer than MAX_PIXELS, so nothing is scaled where that is asked for.
    twice = tf.cast(MAX_PIXELS if size is None else 2 * size, tf.int64)
    least = twice * ([0, 1] if how == "pad" else [1, 0])
    # TensorFlow spreads a tf.switch_case out into the graph around it, where each of the several hundred operations of
    # the formats not taken costs time for every picture; it leaves the bare op alone.
    image = tf.raw_ops.Case(
        branch_index=tf.argmax(fits, output_type=tf.int32),
        input=[data, raw, least],
        Tout=[tf.uint8],
        branches=_readers(),
        output_shapes=[tf.TensorShape((None, None, 3))],
    )[0]
    return tf.ensure_shape(image, (None, None, 3))


@functools.cache
def _readers() -> list[Any]:
    """Trace each reader, once for all graphs.

    A reader takes the file, its first bytes as numbers, and the short and the long side that must remain.
    """
    takes = [tf.TensorSpec((), tf.string), tf.TensorSpec((None,), tf.uint8), tf.TensorSpec((2,), tf.int64)]
    readers = (_jpeg, _png, _webp, _bmp, _gif, _none)
    with tf.init_scope():
        return [tf.function(reader, takes).get_concrete_function() for reader in readers]


# === Formats ===


def _jpeg(data: tf.Tensor, raw: tf.Tensor, least: tf.Tensor) -> tf.Tensor:
    shape = tf.image.extract_jpeg_shape(data, output_type=tf.int64)
    data = _bounded(data, shape[0], shape[1])
    sides, ratios = tf.sort(shape[:2]), [[2], [4], [8]]
    # libjpeg fills up a last pixel that is not whole. That shifts the picture, by as much as 3 levels on average.
    fits = tf.reduce_all((sides // ratios >= least) & (sides % ratios == 0), axis=1)

    def scaled(ratio: int) -> tf.Tensor:
        return tf.io.decode_jpeg(data, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    level = tf.reduce_sum(tf.cast(fits, tf.int32))
    image = tf.switch_case(level, [lambda ratio=ratio: scaled(ratio) for ratio in (1, 2, 4, 8)])
    return _upright(image, data, b"Exif\0\0")


def _png(data: tf.Tensor, raw: tf.Tensor, least: tf.Tensor) -> tf.Tensor:
    data = _bounded(data, _number(raw, 20, 4, big=True), _number(raw, 16, 4, big=True))
    return _upright(_over_white(tf.io.decode_png(data, channels=4)), data, b"eXIf")


def _webp(data: tf.Tensor, raw: tf.Tensor, least: tf.Tensor) -> tf.Tensor:
    kind = raw[15]  # the last letter of "VP8 ", "VP8L", "VP8X"; after any other TensorFlow looks for bare pixels
    known = tf.reduce_any(kind == list(b" LX"))
    lossy = [_number(raw, 28, 2) % 2**14, _number(raw, 26, 2) % 2**14]
    bits = _number(raw, 21, 4)
    lossless = [bits // 2**14 % 2**14 + 1, bits % 2**14 + 1]
    extended = [_number(raw, 27, 3) + 1, _number(raw, 24, 3) + 1]
    size = tf.where(kind == ord("X"), extended, tf.where(kind == ord("L"), lossless, lossy))
    # TensorFlow 2.21 writes four channels over the memory of three, and may crash, where an animation declares no
    # transparency. Byte 20 says whether it does: 2 for an animation, 16 for transparency.
    moving = (kind == ord("X")) & (raw[20] // 2 % 2 == 1)
    parts = [tf.strings.substr(data, 0, 20), tf.where(moving, b"\x12", tf.strings.substr(data, 20, 1))]
    safe = tf.strings.join([*parts, tf.strings.substr(data, 21, tf.strings.length(data))])
    with tf.control_dependencies([_insist(known, "a WebP whose first chunk is unknown")]):
        safe = _bounded(safe, size[0], size[1])
    image = tf.io.decode_image(safe, expand_animations=False)
    image = tf.cond(tf.shape(image)[-1] == 4, lambda: _over_white(image), lambda: image[..., :3])
    return _upright(image, data, b"EXIF", 4)


def _bmp(data: tf.Tensor, raw: tf.Tensor, least: tf.Tensor) -> tf.Tensor:
    plain = (_number(raw, 14, 4) >= 40) & (_number(raw, 30, 4) == 0)
    with tf.control_dependencies([_insist(plain, "a compressed or OS/2 BMP")]):
        # A negative height means that the rows run from top to bottom.
        height = tf.abs(tf.cast(tf.bitcast(tf.cast(_number(raw, 22, 4), tf.uint32), tf.int32), tf.int64))
        data = _bounded(data, height, _number(raw, 18, 4))
    image = tf.io.decode_bmp(data)

    def coloured() -> tf.Tensor:
        # decode_bmp returns the bare palette numbers of an 8-bit file.
        table = tf.io.decode_raw(data, tf.uint8)[14 + _number(raw, 14, 4) : _number(raw, 10, 4)]
        table = tf.reshape(table[: tf.size(table) // 4 * 4], (-1, 4))[:, 2::-1]
        return tf.gather(table, tf.cast(image[..., 0], tf.int32))

    return tf.cond(_number(raw, 28, 2) == 8, coloured, lambda: image[..., :3])


def _gif(data: tf.Tensor, raw: tf.Tensor, least: tf.Tensor) -> tf.Tensor:
    data = _bounded(data, _number(raw, 8, 2), _number(raw, 6, 2))
    head, start, end, clear = _gif_frame(data, raw)
    # TensorFlow unpacks all frames, of whatever size, to give the first.
    parts = [tf.strings.substr(data, 0, head), tf.strings.substr(data, start, end - start), ";"]
    with tf.control_dependencies([_insist(~clear, "a GIF with a transparent first frame")]):
        return tf.io.decode_gif(tf.strings.join(parts))[0]


def _none(data: tf.Tensor, raw: tf.Tensor, least: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([_insist(tf.constant(False), "not a JPEG, PNG, WebP, BMP or GIF")]):
        return tf.zeros((0, 0, 3), tf.uint8)


def _gif_frame(data: tf.Tensor, raw: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the end of the header, the first frame's start and end, and whether a transparent colour is declared."""
    every = tf.io.decode_raw(tf.strings.join([data, "\0" * 16]), tf.uint8)

    def table(flags: tf.Tensor) -> tf.Tensor:
        return tf.where(flags >= 128, 3 * 2 ** (tf.cast(flags % 8, tf.int32) + 1), 0)

    head = 13 + table(raw[10])
    start, inside, clear = _gif_blocks(every, head)
    # Left and top are 0, width and height are the canvas's.
    full = tf.reduce_all(every[start : start + 9] == tf.concat([[ord(","), 0, 0, 0, 0], raw[6:10]], 0))
    with tf.control_dependencies(
        [_insist(full & ~inside, "a GIF whose first frame is late or does not fill its canvas")]
    ):
        end, inside, _ = _gif_blocks(every, start + 11 + table(every[start + 9]), True)
    with tf.control_dependencies([_insist(~inside, "a GIF whose first frame is cut short or in too many pieces")]):
        return head, start, tf.identity(end), clear


def _gif_blocks(raw: tf.Tensor, at: tf.Tensor, frame: bool = False) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Skip extensions, or the blocks of a frame; return their end, whether it is inside, and if one is transparent."""

    def more(at: tf.Tensor, inside: tf.Tensor, clear: tf.Tensor) -> tf.Tensor:
        return (at < tf.size(raw) - 4) & (inside if frame else inside | (raw[at] == ord("!")))

    def step(at: tf.Tensor, inside: tf.Tensor, clear: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # Inside, blocks follow one another, each led by its length, up to an empty one. Most are equally long.
        length = tf.cast(raw[at], tf.int32)
        same = tf.argmax(tf.concat([raw[at :: length + 1] != raw[at], [True]], 0), output_type=tf.int32)
        ahead = tf.where(length > 0, same * (length + 1), 1)
        control = ~inside & (raw[at + 1] == 0xF9) & (raw[at + 3] % 2 == 1)
        return at + tf.where(inside, ahead, 2), ~inside | (length > 0), clear | control

    return tf.while_loop(more, step, (at, tf.constant(frame), tf.constant(False)), maximum_iterations=GIF_STEPS)


# === Pixels ===


def _over_white(image: tf.Tensor) -> tf.Tensor:
    colour, alpha = image[..., :3], image[..., 3:]

    def blended() -> tf.Tensor:
        share = tf.cast(alpha, tf.float32) / 255.0
        return tf.cast(tf.round(tf.cast(colour, tf.float32) * share + 255.0 * (1.0 - share)), tf.uint8)

    # Most pictures are opaque: one of 12 megapixels then takes 0.4 s of processor time instead of 0.8, and half the
    # memory.
    return tf.cond(tf.reduce_all(alpha == 255), lambda: colour, blended)


def _upright(image: tf.Tensor, data: tf.Tensor, mark: bytes, skip: int = 0) -> tf.Tensor:
    """Undo the EXIF orientation in the TIFF block `skip` bytes after the first `mark`, if there is one."""
    parts = tf.raw_ops.StringSplitV2(input=[data], sep=mark, maxsplit=1).values
    # Many files have none, and reading it costs more than decoding a small picture.
    return tf.cond(tf.size(parts) > 1, lambda: _turned(image, _orientation(parts[1], skip)), lambda: image)


def _turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undo an EXIF orientation: 5 to 8 are transposed, and each is mirrored along the axes it names."""

    def has(*values: int) -> tf.Tensor:
        return tf.reduce_any(orientation == values)

    image = tf.transpose(image, tf.where(has(5, 6, 7, 8), [1, 0, 2], [0, 1, 2]))
    return image[:: tf.where(has(3, 4, 7, 8), -1, 1), :: tf.where(has(2, 3, 6, 7), -1, 1)]


# === Bytes ===


def _insist(truth: tf.Tensor, otherwise: str) -> tf.Operation | None:
    return tf.debugging.Assert(truth, [otherwise])


def _bounded(data: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Return `data` if the header declares a size that may be decoded; else raise InvalidArgumentError."""
    small = tf.cast(height, tf.float64) * tf.cast(width, tf.float64) <= MAX_PIXELS
    with tf.control_dependencies([_insist(small, f"a picture of more than {MAX_PIXELS:,} pixels")]):
        return tf.identity(data)


def _number(raw: tf.Tensor, at: tf.Tensor | int, size: int, big: tf.Tensor | bool = False) -> tf.Tensor:
    """Read an unsigned number of `size` bytes, which must be there; as few operations as can be, for they add up."""
    field = tf.cast(tf.gather(raw, at + np.arange(size)), tf.int64)
    powers = 256 ** np.arange(size)
    return tf.reduce_sum(field * tf.where(big, powers[::-1], powers))


def _orientation(data: tf.Tensor, skip: int) -> tf.Tensor:
    """Find the EXIF orientation, 1 to 8, in the TIFF block at `skip`; 1 where there is none or the block is broken."""
    raw = tf.io.decode_raw(tf.strings.join([tf.strings.substr(data, 0, 1 << 16), "\0" * 32]), tf.uint8)[skip:]
    # Some writers put JPEG's "Exif\0\0" in front of the block in other formats too.
    raw = raw[6 * tf.cast(raw[0] == ord("E"), tf.int32) :]
    big = raw[0] == ord("M")
    tiff = (raw[0] == raw[1]) & (big | (raw[0] == ord("I")))
    start = tf.minimum(_number(raw, 4, 4, big), tf.size(raw, tf.int64) - 2)
    count = _number(raw, start, 2, big)
    body = raw[start + 2 : start + 2 + 12 * count]
    entries = tf.cast(tf.reshape(body[: tf.size(body) // 12 * 12], (-1, 12)), tf.int32)
    low, high = tf.where(big, 1, 0), tf.where(big, 0, 1)
    tagged = (tf.gather(entries, low, axis=1) == 0x12) & (tf.gather(entries, high, axis=1) == 0x01)
    values = tf.gather(entries, 8 + low, axis=1) + 256 * tf.gather(entries, 8 + high, axis=1)
    found = tf.reduce_max(tf.where(tagged, values, 1))
    return tf.where(tiff & (found <= 8), tf.maximum(found, 1), 1)
