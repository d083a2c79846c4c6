"""The decoder and resizer, what it converts and refuses, augmentation and batches."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tlkit import errors
from tlkit.config import LIGHT, STRONG, Augment, Reading
from tlkit.data import image_decoding, images
from tlkit.models.vision.image_input import ImageInput

RNG = np.random.default_rng(0)
DECODE = tf.function(image_decoding.decode, input_signature=[tf.TensorSpec((), tf.string)])


def noise(height: int = 12, width: int = 20, channels: int = 3) -> np.ndarray:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels if channels > 1 else pixels[..., 0]


def encoded(image: Image.Image | np.ndarray, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(out, form, **options)
    return out.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return DECODE(tf.constant(data)).numpy()


def on_white(picture: Image.Image) -> np.ndarray:
    rgba = ImageOps.exif_transpose(picture).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


# === decode ===


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


def transparent_gif() -> bytes:
    picture = Image.new("P", (8, 6), 1)
    picture.putpalette([0, 0, 0, 200, 0, 0])
    picture.paste(0, (0, 0, 4, 6))
    return encoded(picture, "GIF", transparency=0)


def partial_gif() -> bytes:
    data = bytearray(encoded(Image.new("RGB", (8, 6), (10, 200, 30)), "GIF"))
    data[6:10] = struct.pack("<HH", 16, 6)  # a wider canvas around the same frame
    return bytes(data)


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


# === scaled decoding ===

QUARTERS = np.kron(
    np.array([[[250, 0, 0], [0, 0, 250]], [[0, 250, 0], [0, 0, 0]]], np.uint8), np.ones((96, 160, 1), "u1")
)


def enlarged(photo: np.ndarray, width: int, height: int, **options: Any) -> bytes:
    return encoded(Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC), "JPEG", **options)


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


@pytest.mark.parametrize("how", images.RESIZES)
def test_training_and_serving_scale_alike(photos: dict[str, Any], how: str) -> None:
    data = enlarged(photos["chelsea"], 1200, 800, exif=exif(6))
    read, takes = ImageInput("caffe", size=64).signatures(tf.identity, tf.identity, how)["serving_default"]
    served = tf.function(read, takes)(tf.constant([data])).numpy()
    trained = next(iter(images.batches([data], 64, Reading(resize=how)))).numpy()
    np.testing.assert_array_equal(served, trained)
    full = images.resize(image_decoding.decode(tf.constant(data)), 64, how).numpy()
    assert not np.array_equal(full, trained[0]) and np.abs(full - trained[0]).mean() < 1


def test_load_reads_large_files_to_their_end(photos: dict[str, Any]) -> None:
    data = enlarged(photos["chelsea"], 1200, 800)
    assert images.load(data) is data
    with pytest.raises(errors.DataError, match="truncated"):
        images.load(data[:-100])


# === resize ===


def test_crop_keeps_the_centre() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    square = images.resize(tf.constant(wide), 10)
    np.testing.assert_allclose(square, np.full((10, 10, 3), 200.0))
    assert square.dtype == tf.float32


def test_pad_keeps_everything_on_black() -> None:
    wide = np.full((10, 20, 3), 200, np.uint8)
    square = images.resize(tf.constant(wide), 20, "pad").numpy()
    assert (square[:5] == 0).all() and (square[15:] == 0).all()
    np.testing.assert_allclose(square[5:15], 200.0, atol=1e-3)


def test_stretch_uses_the_whole_square() -> None:
    wide = np.zeros((10, 20, 3), np.uint8)
    wide[:, 10:] = 200
    square = images.resize(tf.constant(wide), 10, "stretch").numpy()
    assert (square[:, :4] == 0).all() and np.allclose(square[:, 6:], 200.0, atol=1e-3)


@pytest.mark.parametrize("size", [7, 50])
def test_resize_is_antialiased_bilinear(size: int) -> None:
    pixels = noise(30, 30)
    expected = tf.image.resize(pixels, (size, size), antialias=True)
    np.testing.assert_allclose(images.resize(tf.constant(pixels), size), expected, atol=1e-2)


def test_resize_of_the_same_size_changes_nothing() -> None:
    np.testing.assert_allclose(images.resize(tf.constant(noise(12, 12)), 12), noise(12, 12), atol=1e-3)


def test_extreme_shapes_are_never_blown_up() -> None:
    assert images.resize(tf.ones((1, 200_000, 3), tf.uint8), 64).shape == (64, 64, 3)


def test_resize_stays_within_the_scale() -> None:
    square = images.resize(tf.fill((37, 53, 3), 255), 64).numpy()
    assert square.max() <= 255.0


@pytest.mark.parametrize("how", images.RESIZES)
def test_resize_of_bytes_equals_that_of_floats(how: str) -> None:
    pixels = tf.constant(noise(33, 50))
    np.testing.assert_array_equal(images.resize(pixels, 13, how), images.resize(tf.cast(pixels, tf.float32), 13, how))


def test_unknown_resize() -> None:
    with pytest.raises(errors.InputError, match="unknown resize 'corp'; did you mean crop"):
        images.resize(tf.zeros((4, 4, 3)), 2, "corp")


def test_decode_batch_in_a_saved_graph_equals_batches(tmp_path: Path) -> None:
    data = [encoded(noise(40, 30), "PNG"), encoded(noise(30, 50), "JPEG"), encoded(noise(9, 9, 4), "PNG")]
    module = tf.Module()
    module.run = tf.function(
        lambda strings: images.decode_batch(strings, 16, "pad"), input_signature=[tf.TensorSpec((None,), tf.string)]
    )
    tf.saved_model.save(module, str(tmp_path))
    served = tf.saved_model.load(str(tmp_path)).run(tf.constant(data))
    assert module.run.get_concrete_function().output_shapes == (None, 16, 16, 3)
    np.testing.assert_array_equal(served, next(iter(images.batches(data, 16, Reading(resize="pad")))))


def test_the_graph_has_no_python_callback() -> None:
    graph = tf.function(lambda s: images.decode_batch(s, 8)).get_concrete_function(tf.TensorSpec((None,), tf.string))
    held = graph.graph.as_graph_def()
    ops = {node.op for node in held.node} | {node.op for f in held.library.function for node in f.node_def}
    assert "DecodePng" in ops and not {op for op in ops if "PyFunc" in op}


# === load ===


def test_load_passes_on_what_the_graph_decodes(tmp_path: Path) -> None:
    data = encoded(noise(), "JPEG")
    (tmp_path / "a.jpg").write_bytes(data)
    assert images.load(data) is data
    assert images.load(tmp_path / "a.jpg") == data


@pytest.mark.parametrize("data", [encoded(noise(), "TIFF"), partial_gif()], ids=["tiff", "gif"])
def test_load_converts_what_pillow_reads(data: bytes) -> None:
    ready = images.load(data)
    assert ready.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decoded(ready)[:, :8], on_white(Image.open(io.BytesIO(data)))[:, :8])


def test_load_lays_a_transparent_gif_over_white() -> None:
    pixels = decoded(images.load(transparent_gif()))
    assert (pixels[:, :4] == 255).all() and (pixels[:, 4:] == (200, 0, 0)).all()


def test_load_turns_what_it_converts() -> None:
    data = encoded(noise(), "TIFF", exif=exif(6))
    np.testing.assert_array_equal(decoded(images.load(data)), np.rot90(noise(), -1))


def test_load_scales_16_bits() -> None:
    data = encoded(np.array([[0, 128 * 257, 65535]], np.uint16), "TIFF")
    np.testing.assert_array_equal(decoded(images.load(data))[0, :, 0], [0, 128, 255])


REASONS = {
    b"": "the file is empty",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0": "a Git LFS pointer, .* `git lfs pull`",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic": "HEIC/HEIF, which Pillow cannot read; convert it to JPEG",
    b"<?xml version='1.0'?><svg></svg>": "an SVG drawing; convert it to PNG",
    b"<!DOCTYPE html><p>404": "an HTML page, not a picture",
    b"hello": "no picture in a format that TensorFlow or Pillow knows",
    encoded(noise(), "JPEG")[:-200]: "truncated",
    encoded(Image.new("1", (10_000, 10_000)), "PNG"): "declares more than 89,478,485 pixels; scale it down",
    encoded(np.ones((3, 3), np.float32), "TIFF"): "mode F, on no known scale; convert it to 8 bits",
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("data", REASONS, ids=range(len(REASONS)))
def test_load_says_why_not(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(data)
    with pytest.raises(errors.DataError, match=f"cannot read .*x.jpg: .*{REASONS[data]}"):
        images.load(path)


def test_programs_are_not_run_as_pictures() -> None:
    with pytest.raises(errors.DataError, match="no picture in a format that TensorFlow or Pillow knows"):
        images.load(encoded(noise(), "EPS"))


def test_load_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match=r"cannot read .*none\.jpg: No such file.*; check the path"):
        images.load(tmp_path / "none.jpg")


# === augment ===


def augmented(how: Augment, seed: int, pixels: np.ndarray | None = None) -> np.ndarray:
    image = tf.constant(noise(16, 16) if pixels is None else pixels, tf.float32)
    return images.augment(image, how, tf.constant([seed, 0])).numpy()


def test_augment_repeats_by_seed() -> None:
    np.testing.assert_array_equal(augmented(STRONG, 3), augmented(STRONG, 3))
    assert not np.array_equal(augmented(STRONG, 3), augmented(STRONG, 4))


def test_augment_of_nothing_changes_nothing() -> None:
    nothing = Augment(flip=False, crop=0, brightness=0, contrast=0)
    np.testing.assert_array_equal(augmented(nothing, 1), noise(16, 16))


def test_flip_mirrors_about_half() -> None:
    flip = Augment(flip=True, crop=0, brightness=0, contrast=0)
    straight = [np.array_equal(augmented(flip, seed), noise(16, 16)) for seed in range(40)]
    mirrored = [np.array_equal(augmented(flip, seed), noise(16, 16)[:, ::-1]) for seed in range(40)]
    assert sum(straight) + sum(mirrored) == 40 and 10 < sum(mirrored) < 30


def test_crop_shows_a_part_only() -> None:
    ramp = np.broadcast_to(np.arange(16, dtype=np.float32)[None, :, None] * 10, (16, 16, 3))
    spans = [np.ptp(augmented(Augment(False, 0.5, 0, 0), seed, ramp)) for seed in range(20)]
    assert min(spans) < 110 and all(74 < span <= 150 for span in spans)


def test_brightness_shifts_and_contrast_spreads() -> None:
    pixels = noise(16, 16) / 4 + 100
    shifts = [augmented(Augment(False, 0, 0.1, 0), seed, pixels) - pixels for seed in range(20)]
    assert all(np.ptp(shift) < 1e-3 for shift in shifts) and 15 < max(abs(shift.mean()) for shift in shifts) < 25.6
    spread = [augmented(Augment(False, 0, 0, 0.5), seed, pixels) for seed in range(20)]
    assert all(abs(image.mean() - pixels.mean()) < 0.1 for image in spread)
    assert min(image.std() for image in spread) < 0.7 * pixels.std() < 1.3 * pixels.std() < max(map(np.std, spread))


def test_augment_is_clipped() -> None:
    bright = [augmented(Augment(False, 0, 0.9, 0.9), seed) for seed in range(10)]
    assert min(image.min() for image in bright) == 0 and max(image.max() for image in bright) == 255


# === batches ===


def read(items: Any, reading: Reading, view: int = 0, size: int = 8) -> np.ndarray:
    return np.concatenate([batch.numpy() for batch in images.batches(items, size, reading, view)])


def test_batches_read_paths_and_contents_in_order(tmp_path: Path) -> None:
    colours = [(value, 0, 255 - value) for value in range(0, 250, 25)]
    contents = [encoded(Image.new("RGB", (9, 9), colour), "PNG") for colour in colours]
    (tmp_path / "a.png").write_bytes(contents[0])
    items = [str(tmp_path / "a.png"), *contents[1:]]
    sizes = [len(batch) for batch in images.batches(items, 8, Reading(batch_size=4))]
    assert sizes == [4, 4, 2]
    np.testing.assert_allclose(read(items, Reading(batch_size=4))[:, 0, 0], colours, atol=1e-3)
    assert images.batches(items, 8, Reading()).element_spec.shape == (None, 8, 8, 3)


@pytest.mark.parametrize("shape", [(5, 12, 12), (5, 12, 12, 1), (5, 12, 12, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_batches_read_arrays(shape: tuple[int, ...], dtype: str) -> None:
    pixels = RNG.integers(0, 256, shape).astype(dtype)
    expected = np.broadcast_to(pixels.reshape(5, 12, 12, -1), (5, 12, 12, 3))
    np.testing.assert_allclose(read(pixels, Reading(2), size=12), expected, atol=1e-3)


def test_batches_of_nothing() -> None:
    assert list(images.batches([], 8, Reading())) == []


def test_augmented_batches_depend_on_seed_number_and_view_only() -> None:
    pixels = np.broadcast_to(noise(8, 8), (6, 8, 8, 3))
    first = read(pixels, Reading(4, augment=LIGHT, seed=1))
    np.testing.assert_array_equal(first, read(pixels, Reading(3, augment=LIGHT, seed=1)))
    others = [read(pixels, Reading(4, augment=LIGHT, seed=2)), read(pixels, Reading(4, augment=LIGHT, seed=1), view=1)]
    assert not any(np.array_equal(first, other) for other in others)
    assert len({image.tobytes() for image in first}) == 6


def test_a_callable_augments_whole_batches() -> None:
    pixels = noise(8, 8)[None].repeat(3, 0)
    half = read(pixels, Reading(2, augment=lambda batch: batch / 2))
    np.testing.assert_allclose(half, pixels / 2, atol=1e-3)


@pytest.mark.parametrize("batch", [np.zeros((2, 4, 4, 2)), np.zeros((4, 4)), np.zeros((2, 3, 4, 4, 3))])
def test_wrong_shapes_are_named(batch: np.ndarray) -> None:
    with pytest.raises(errors.InputError, match=r"pictures must have the shape .* not \("):
        images.check_pixels(batch)
    with pytest.raises(errors.InputError, match="pictures must have the shape"):
        images.batches(batch, 8, Reading())


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "hold NaN"), (np.inf, "infinite"), (-3, "from -3 to 9"), (300, "from 9 to 300")]
)
def test_wrong_values_are_named(value: float, message: str) -> None:
    batch = np.full((2, 4, 4, 3), 9.0)
    images.check_pixels(batch)
    batch[1, 0, 0, 0] = value
    with pytest.raises(errors.InputError, match=message):
        images.check_pixels(batch)


def test_other_types_are_named() -> None:
    with pytest.raises(errors.InputError, match="must be numbers from 0 to 255, not <U1"):
        images.check_pixels(np.full((2, 4, 4), "a"))


def test_the_scale_0_to_1_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"on the scale 0..1; multiply them by 255"):
        images.check_pixels(np.full((2, 4, 4, 3), 0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.check_pixels(np.full((2, 4, 4, 3), 1.5))
        images.check_pixels(np.zeros((0, 4, 4, 3)))
