"""The decoder in the graph: every format it reads, orientation, scaling, and what it refuses."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tests.helpers.encoded_pictures import encoded, enlarged, exif, noise, on_white, partial_gif, transparent_gif
from tlkit.data import image_decoding, images

DECODE = tf.function(image_decoding.decode, input_signature=[tf.TensorSpec((), tf.string)])


def decoded(data: bytes) -> np.ndarray:
    return DECODE(tf.constant(data)).numpy()


# === What it reads ===


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_give_every_pixel(form: str, options: dict) -> None:
    np.testing.assert_array_equal(decoded(encoded(noise(), form, **options)), noise())


@pytest.mark.parametrize("form", ["JPEG", "GIF"])
def test_lossy_formats_agree_with_pillow(form: str) -> None:
    data = encoded(noise(), form)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_allclose(decoded(data), expected, atol=1)


def test_lossy_webp_agrees_with_pillow() -> None:
    data = encoded(noise(), "WEBP")
    np.testing.assert_array_equal(decoded(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP"])
def test_grey_becomes_three_channels(form: str) -> None:
    grey = np.full((8, 8), 77, np.uint8)
    np.testing.assert_array_equal(decoded(encoded(grey, form)), np.full((8, 8, 3), 77))


def test_palette_bmp_gives_colours() -> None:
    picture = Image.fromarray(noise()).quantize(16)
    np.testing.assert_array_equal(decoded(encoded(picture, "BMP")), np.asarray(picture.convert("RGB")))


def test_fourth_channel_of_bmp_is_ignored() -> None:
    pixels = noise(channels=4)
    pixels[..., 3] = 0
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(pixels).convert("RGB"), "BMP")), pixels[..., :3])
    header = b"BM" + struct.pack("<IHHI", 54 + pixels.size, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, 20, -12, 1, 32, 0, pixels.size, 0, 0, 0, 0)
    np.testing.assert_array_equal(decoded(header + pixels[..., [2, 1, 0, 3]].tobytes()), pixels[..., :3])


def test_cmyk_jpeg_becomes_rgb() -> None:
    picture = Image.new("RGB", (16, 16), (200, 30, 60)).convert("CMYK")
    np.testing.assert_allclose(decoded(encoded(picture, "JPEG")).mean((0, 1)), (200, 30, 60), atol=4)


def test_16_bit_png_is_scaled() -> None:
    grey = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    np.testing.assert_allclose(decoded(encoded(grey, "PNG"))[0, :, 0], [0, 1, 128, 255], atol=1)


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True})])
def test_transparency_is_laid_over_white(form: str, options: dict) -> None:
    pixels = noise(channels=4)
    data = encoded(pixels, form, **options)
    np.testing.assert_allclose(decoded(data), on_white(Image.fromarray(pixels)), atol=1)
    assert np.abs(decoded(data).astype(int) - pixels[..., :3]).mean() > 10


def test_palette_transparency_is_laid_over_white() -> None:
    picture = Image.fromarray(noise()).quantize(8)
    data = encoded(picture, "PNG", transparency=3)
    where = np.asarray(picture) == 3
    assert where.any() and (decoded(data)[where] == 255).all()
    np.testing.assert_array_equal(decoded(data)[~where], np.asarray(picture.convert("RGB"))[~where])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_honoured(form: str, orientation: int) -> None:
    smooth = np.zeros((24, 40, 3), np.uint8)
    smooth[:12, :20], smooth[12:, :20], smooth[:12, 20:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    data = encoded(smooth, form, exif=exif(orientation))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    np.testing.assert_allclose(decoded(data), expected, atol=1)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_read_in_both_byte_orders(order: str) -> None:
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, 3, 0)
    tiff = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4)
    data = encoded(noise(), "PNG", exif=b"Exif\0\0" + tiff)
    np.testing.assert_array_equal(decoded(data), noise()[::-1, ::-1])


@pytest.mark.parametrize("tail", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff\x01\x12"])
def test_broken_exif_means_upright(tail: bytes) -> None:
    plain = encoded(noise(), "JPEG")
    body = b"Exif\0\0" + tail
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    np.testing.assert_array_equal(decoded(data), decoded(plain))


@pytest.mark.parametrize(("form", "options"), [("GIF", {}), ("WEBP", {"lossless": True})])
def test_animation_is_its_first_frame(form: str, options: dict) -> None:
    first, second = Image.new("RGB", (9, 7), (10, 200, 30)), Image.new("RGB", (9, 7), (250, 0, 0))
    data = encoded(first, form, save_all=True, append_images=[second], **options)
    # WebP without declared transparency: TensorFlow alone would write over foreign memory.
    np.testing.assert_array_equal(decoded(data), np.broadcast_to((10, 200, 30), (7, 9, 3)))


# === What it refuses ===


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8X", b"BM", b"GIF89a"]
)
def test_decode_refuses_bare_beginnings(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded(data)


@pytest.mark.parametrize("data", [b"", b"\xff", b"no picture at all", encoded(noise(), "TIFF")])
def test_decode_refuses_other_formats(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a JPEG, PNG, WebP, BMP or GIF"):
        decoded(data)


def test_decode_refuses_what_would_come_out_wrong() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="transparent first frame"):
        decoded(transparent_gif())
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not fill its canvas"):
        decoded(partial_gif())
    packed = bytearray(encoded(noise(channels=1), "BMP"))
    packed[30] = 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="compressed or OS/2 BMP"):
        decoded(bytes(packed))


def oversized(form: str) -> bytes:
    data = bytearray(encoded(noise(), form, **({"lossless": True} if form == "WEBP" else {})))
    if form == "PNG":
        data[16:24] = struct.pack(">II", 10_000, 10_000)
    elif form == "BMP":
        data[18:26] = struct.pack("<ii", 10_000, -10_000)
    elif form == "GIF":
        data[6:10] = struct.pack("<HH", 10_000, 10_000)
    elif form == "WEBP":
        data[21:25] = struct.pack("<I", 9_999 | 9_999 << 14)
    else:
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", 10_000, 10_000)
    return bytes(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_decompression_bombs_are_refused_by_their_header(form: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 89,478,485 pixels"):
        decoded(oversized(form))


@pytest.mark.parametrize("at", [26, 24])
def test_other_webp_headers_are_bounded(at: int) -> None:
    if at == 26:
        data = bytearray(encoded(noise(), "WEBP"))
        data[26:30] = struct.pack("<HH", 10_000, 10_000)
    else:
        data = bytearray(encoded(noise(), "WEBP", exif=exif(6)))
        data[24:30] = b"\xff\xff\x00" * 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 89,478,485 pixels"):
        decoded(bytes(data))


def test_decode_adds_few_operations_to_a_graph() -> None:
    # Each one is paid for by every picture: with all formats spread out in it, decoding was as slow again.
    assert len(DECODE.get_concrete_function().graph.get_operations()) < 60


# === Scaled ===


QUARTERS = np.kron(
    np.array([[[250, 0, 0], [0, 0, 250]], [[0, 250, 0], [0, 0, 0]]], np.uint8), np.ones((96, 160, 1), "u1")
)


@pytest.mark.parametrize(
    ("shape", "size", "how", "expected"),
    [
        ((64, 160), None, "crop", (64, 160)),
        ((64, 160), 17, "crop", (64, 160)),
        ((64, 160), 16, "crop", (32, 80)),
        ((64, 160), 9, "stretch", (32, 80)),
        ((64, 160), 8, "stretch", (16, 40)),
        ((64, 160), 4, "crop", (8, 20)),
        ((64, 160), 1, "crop", (8, 20)),
        ((64, 160), 16, "pad", (16, 40)),
        ((160, 64), 16, "pad", (40, 16)),
        ((64, 162), 4, "crop", (32, 81)),
        ((65, 160), 4, "crop", (65, 160)),
    ],
)
def test_scale_leaves_twice_the_size_of_the_deciding_side(
    shape: tuple[int, int], size: int | None, how: str, expected: tuple[int, int]
) -> None:
    data = tf.constant(encoded(noise(*shape), "JPEG"))
    assert image_decoding.decode(data, size, how).shape == (*expected, 3)
    if size is not None:
        assert image_decoding.decode(data, tf.constant(size), how).shape == (*expected, 3)


def test_other_formats_are_not_scaled() -> None:
    np.testing.assert_array_equal(image_decoding.decode(tf.constant(encoded(noise(64, 160), "PNG")), 4), noise(64, 160))


@pytest.mark.parametrize("how", images.RESIZES)
@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_scaled_decoding_agrees_with_full_decoding(photos: dict[str, Any], name: str, how: str) -> None:
    data = tf.constant(enlarged(photos[name], 1200, 800, quality=90))
    small = image_decoding.decode(data, 100, how)
    assert small.shape == (200, 300, 3)
    scaled, full = (images.resize(pixels, 100, how).numpy() for pixels in (small, image_decoding.decode(data)))
    assert 0 < np.abs(scaled - full).mean() < 1 and np.abs(scaled - full).max() < 20
    assert np.abs(scaled[:, ::-1] - full).mean() > 10


@pytest.mark.parametrize("how", ["crop", "pad"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_scaled_decoding_is_upright(orientation: int, how: str) -> None:
    data = encoded(QUARTERS, "JPEG", exif=exif(orientation))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    np.testing.assert_allclose(image_decoding.decode(tf.constant(data), 24, how), expected[2::4, 2::4], atol=2)
