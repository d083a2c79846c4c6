"""Loading, resizing, augmentation and batches of pictures."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.helpers.encoded_pictures import encoded, enlarged, exif, noise, on_white, partial_gif, transparent_gif
from tlkit import errors
from tlkit.config import LIGHT, STRONG, Augment, Reading
from tlkit.data import image_decoding, images
from tlkit.models.vision.image_input import ImageInput

RNG = np.random.default_rng(0)
DECODE = tf.function(image_decoding.decode, input_signature=[tf.TensorSpec((), tf.string)])


def decoded(data: bytes) -> np.ndarray:
    return DECODE(tf.constant(data)).numpy()


# === scaled decoding ===


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
