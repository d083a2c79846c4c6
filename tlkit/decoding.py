"""Decode a picture inside a TensorFlow graph: the same ops read the training files and serve the exported model.

What a picture means here, in training and serving alike:

orientation    EXIF is honoured: JPEG APP1, the WebP EXIF chunk, PNG eXIf (XMP and PNG text profiles are not)
transparency   laid over white (PNG with its palette transparency, WebP); a fourth BMP channel is ignored
16-bit PNG     scaled to 8 bits
grey, CMYK     become three channels of red, green and blue
animation      its first frame

Refused with InvalidArgumentError: anything else, pictures of more than `MAX_PIXELS`, a BMP that is compressed or has an
OS/2 header, and a GIF whose first frame is transparent or smaller than its canvas, because TensorFlow would
paint what is missing black or cut it off. `images.load` converts those first.
"""

from __future__ import annotations

import tensorflow as tf

# Where Pillow too begins to suspect a decompression bomb.
MAX_PIXELS = 89_478_485


def decode(data: tf.Tensor) -> tf.Tensor:
    """Decode the bytes of one JPEG, PNG, WebP, BMP or GIF, told apart by their first bytes.

    Args:
        data: a string scalar.

    Returns:
        Pixels, uint8, (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: the bytes are none of the five, are damaged, or are refused (see the module).
    """
    data = tf.convert_to_tensor(data)
    # The padding lets every field be read without asking first whether the file is that long.
    head = tf.strings.join([tf.strings.substr(data, 0, 64), "\0" * 64])
    starts = [_starts(head, b"\xff\xd8\xff"), _starts(head, b"\x89PNG\r\n\x1a\n")]
    starts += [_starts(head, b"RIFF") & _starts(head, b"WEBP", 8), _starts(head, b"BM")]
    starts += [_starts(head, b"GIF87a") | _starts(head, b"GIF89a")]
    with tf.control_dependencies([_insist(tf.reduce_any(starts), "not a JPEG, PNG, WebP, BMP or GIF")]):
        data = tf.identity(data)
    raw = tf.io.decode_raw(head, tf.uint8)
    readers = [_jpeg, _png, _webp, _bmp, _gif]
    branches = [lambda reader=reader: reader(data, raw) for reader in readers]
    image = tf.switch_case(tf.argmax(starts, output_type=tf.int32), branches)
    return tf.ensure_shape(image, (None, None, 3))


# === Formats ===


def _jpeg(data: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
    shape = tf.image.extract_jpeg_shape(data, output_type=tf.int64)
    image = tf.io.decode_jpeg(_bounded(data, shape[0], shape[1]), channels=3, dct_method="INTEGER_ACCURATE")
    return _upright(image, _orientation(data, b"Exif\0\0", 0))


def _png(data: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
    data = _bounded(data, _number(raw, 20, 4, big=True), _number(raw, 16, 4, big=True))
    return _upright(_over_white(tf.io.decode_png(data, channels=4)), _orientation(data, b"eXIf", 0))


def _webp(data: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
    kind = raw[15]  # the last letter of "VP8 ", "VP8L", "VP8X"
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
    image = tf.io.decode_image(_bounded(safe, size[0], size[1]), expand_animations=False)
    image = tf.cond(tf.shape(image)[-1] == 4, lambda: _over_white(image), lambda: image[..., :3])
    return _upright(image, _orientation(data, b"EXIF", 4))


def _bmp(data: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
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


def _gif(data: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
    height, width = _number(raw, 8, 2), _number(raw, 6, 2)
    with tf.control_dependencies([_insist(~_gif_transparent(data), "a GIF with a transparent first frame")]):
        image = tf.io.decode_image(_bounded(data, height, width), expand_animations=False)
    whole = tf.reduce_all(tf.shape(image, tf.int64)[:2] == [height, width])
    with tf.control_dependencies([_insist(whole, "a GIF whose frames do not fill its canvas")]):
        return tf.identity(image)


def _gif_transparent(data: tf.Tensor) -> tf.Tensor:
    """Walk over the extensions before the first frame, to see whether one declares a transparent colour."""
    raw = tf.cast(tf.io.decode_raw(tf.strings.join([data, "\0" * 16]), tf.uint8), tf.int32)
    start = 13 + tf.where(raw[10] >= 128, 3 * 2 ** (raw[10] % 8 + 1), 0)

    def more(at: tf.Tensor, inside: tf.Tensor, clear: tf.Tensor) -> tf.Tensor:
        return (at < tf.size(raw) - 4) & (inside | (raw[at] == ord("!")))

    def step(at: tf.Tensor, inside: tf.Tensor, clear: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # Inside an extension blocks follow one another, each led by its length, up to an empty one.
        control = ~inside & (raw[at + 1] == 0xF9) & (raw[at + 3] % 2 == 1)
        return at + tf.where(inside, raw[at] + 1, 2), ~inside | (raw[at] > 0), clear | control

    return tf.while_loop(more, step, (start, tf.constant(False), tf.constant(False)))[2]


# === Pixels ===


def _over_white(image: tf.Tensor) -> tf.Tensor:
    colour, alpha = tf.cast(image[..., :3], tf.float32), tf.cast(image[..., 3:], tf.float32) / 255.0
    return tf.cast(tf.round(colour * alpha + 255.0 * (1.0 - alpha)), tf.uint8)


def _upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undo an EXIF orientation: 5 to 8 are transposed, and each is mirrored along the axes it names."""

    def has(*values: int) -> tf.Tensor:
        return tf.reduce_any(orientation == values)

    image = tf.cond(has(5, 6, 7, 8), lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    mirrored = image
    image = tf.cond(has(2, 3, 6, 7), lambda: mirrored[:, ::-1], lambda: mirrored)
    upright = image
    return tf.cond(has(3, 4, 7, 8), lambda: upright[::-1], lambda: upright)


# === Bytes ===


def _starts(head: tf.Tensor, magic: bytes, at: int = 0) -> tf.Tensor:
    return tf.strings.substr(head, at, len(magic)) == magic


def _insist(truth: tf.Tensor, otherwise: str) -> tf.Operation | None:
    return tf.debugging.Assert(truth, [otherwise])


def _bounded(data: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Pass on `data` where the header declares a size that may be decoded."""
    small = tf.cast(height, tf.float64) * tf.cast(width, tf.float64) <= MAX_PIXELS
    with tf.control_dependencies([_insist(small, f"a picture of more than {MAX_PIXELS:,} pixels")]):
        return tf.identity(data)


def _number(raw: tf.Tensor, at: tf.Tensor | int, size: int, big: tf.Tensor | bool = False) -> tf.Tensor:
    """Read an unsigned number of `size` bytes; past the end it reads the last bytes there are."""
    at = tf.minimum(tf.cast(at, tf.int64), tf.size(raw, tf.int64) - size)
    field = tf.cast(raw[at : at + size], tf.int64)
    field = tf.where(big, field[::-1], field)
    return tf.reduce_sum(field * [256**power for power in range(size)])


def _orientation(data: tf.Tensor, mark: bytes, skip: int) -> tf.Tensor:
    """Find the EXIF orientation, 1 to 8, in the TIFF block that stands `skip` bytes after the first `mark`."""
    parts = tf.strings.split(data, mark, maxsplit=1)
    block = tf.strings.substr(tf.concat([parts, [""]], 0)[1], 0, 1 << 16)
    raw = tf.io.decode_raw(tf.strings.join([block, "\0" * 32]), tf.uint8)
    # Some writers put JPEG's "Exif\0\0" in front of the block in other formats too.
    raw = raw[skip + 6 * tf.cast(raw[skip] == ord("E"), tf.int32) :]
    big = raw[0] == ord("M")
    tiff = (raw[0] == raw[1]) & (big | (raw[0] == ord("I")))
    start = _number(raw, 4, 4, big)
    count = _number(raw, start, 2, big)
    body = raw[start + 2 : start + 2 + 12 * count]
    entries = tf.cast(tf.reshape(body[: tf.size(body) // 12 * 12], (-1, 12)), tf.int32)
    low, high = tf.where(big, 1, 0), tf.where(big, 0, 1)
    tagged = (tf.gather(entries, low, axis=1) == 0x12) & (tf.gather(entries, high, axis=1) == 0x01)
    values = tf.gather(entries, 8 + low, axis=1) + 256 * tf.gather(entries, 8 + high, axis=1)
    found = tf.reduce_max(tf.where(tagged, values, 1))
    return tf.where(tiff & (found <= 8), tf.maximum(found, 1), 1)
