"""Every file of bad_images: who reads it and into which pixels, alike in training and serving; decompression bombs."""

from __future__ import annotations

import csv
import io
import shutil
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

import tlkit
from tests.helpers import tiny_models
from tlkit import errors
from tlkit.config import Phase, Reading
from tlkit.data import image_decoding, images
from tlkit.models.vision.image_input import ImageInput

SIZE = 64
DECODE = tf.function(image_decoding.decode, input_signature=[tf.TensorSpec((), tf.string)])

# === Table ===

# Read by the graph as it is; converted to PNG at reading time, because only Pillow reads it; else why it is refused.
GRAPH, PILLOW = "graph", "pillow"
EMPTY = "the file is empty"
DAMAGED = "it begins as a picture does, but is damaged; replace it"
UNKNOWN = "it is no picture in a format that TensorFlow or Pillow knows"
BOMB = "it declares more than 89,478,485 pixels; scale it down"

OUTCOMES = {
    "corrupt/truncated_jpeg.jpg": "truncated",
    "corrupt/truncated_image.png": "truncated",
    "corrupt/truncated_end_chunk.png": "Truncated File Read",
    "corrupt/truncated_app14.jpg": GRAPH,
    "corrupt/broken.png": DAMAGED,
    "corrupt/broken_data_stream.png": "unrecognized data stream",
    "corrupt/unknown_compression_method.png": GRAPH,
    "corrupt/junk_jpeg_header.jpg": GRAPH,
    "corrupt/jpeg_ff00_header.jpg": GRAPH,
    "corrupt/sugarshack_bad_mpo_header.jpg": GRAPH,
    "corrupt/hopper_idat_after_image_end.png": GRAPH,
    "corrupt/padded_idat.png": GRAPH,
    "corrupt/png_decompression_dos.png": GRAPH,
    "corrupt/hopper_rle8_row_overflow.bmp": PILLOW,
    "corrupt/mmap_error.bmp": PILLOW,
    "corrupt/zero_width.gif": DAMAGED,
    "corrupt/no_palette.gif": PILLOW,
    "corrupt/photoshop-200dpi-broken.jpg": GRAPH,
    "corrupt/badbitcount.bmp": "Unsupported BMP pixel depth",
    "corrupt/badfilesize.bmp": PILLOW,
    "corrupt/badheadersize.bmp": "Unsupported BMP header type",
    "corrupt/badpalettesize.bmp": GRAPH,
    "corrupt/badrle.bmp": PILLOW,
    "corrupt/badwidth.bmp": BOMB,
    "corrupt/shortfile.bmp": "truncated",
    "corrupt/reallybig.bmp": BOMB,
    "corrupt/chunk_actl_after_idat.png": GRAPH,
    "corrupt/chunk_no_actl.png": GRAPH,
    "corrupt/chunk_no_fdat.png": GRAPH,
    "corrupt/sequence_gap.png": GRAPH,
    "corrupt/sequence_reorder_chunk.png": GRAPH,
    "corrupt/syntax_num_frames_zero.png": "cannot load this image",
    "corrupt/syntax_num_frames_invalid.png": GRAPH,
    "corrupt/empty.jpg": EMPTY,
    "corrupt/empty.png": EMPTY,
    "corrupt/one_byte.jpg": UNKNOWN,
    "corrupt/zeros_4k.jpg": UNKNOWN,
    "corrupt/soi_only.jpg": DAMAGED,
    "corrupt/404_page.jpg": "HTML page",
    "corrupt/lfs_pointer.jpg": "Git LFS pointer",
    "corrupt/notes.jpg": UNKNOWN,
    "wrong_ext/png_named.jpg": GRAPH,
    "wrong_ext/webp_named.jpg": GRAPH,
    "wrong_ext/jpeg_named.png": GRAPH,
    "wrong_ext/bmp_named.jpg": GRAPH,
    "wrong_ext/tiff_named.jpg": PILLOW,
    "wrong_ext/avif_named.jpg": PILLOW,
    "wrong_ext/heif_named.jpg": "HEIC/HEIF, which Pillow cannot read",
    "wrong_ext/jpeg_no_extension": GRAPH,
    "wrong_ext/hopper.jfif": GRAPH,
    "wrong_ext/drawing.svg": "SVG drawing",
    "odd_mode/pil_sample_cmyk.jpg": GRAPH,
    "odd_mode/hopper_gray.jpg": GRAPH,
    "odd_mode/rgb.jpg": GRAPH,
    "odd_mode/hopper_16bit_qtables.jpg": GRAPH,
    "odd_mode/transparent.png": GRAPH,
    "odd_mode/l_trns.png": GRAPH,
    "odd_mode/rgb_trns.png": GRAPH,
    "odd_mode/i_trns.png": GRAPH,
    "odd_mode/1_trns.png": GRAPH,
    "odd_mode/p_trns_single.png": GRAPH,
    "odd_mode/p_16.png": GRAPH,
    "odd_mode/uncompressed_la.png": GRAPH,
    "odd_mode/bw_gradient.png": GRAPH,
    "odd_mode/hopper-XYZ.png": GRAPH,
    "odd_mode/icc_profile_big.jpg": GRAPH,
    "odd_mode/ultrahdr.jpg": "truncated",
    "odd_mode/transparent.webp": GRAPH,
    "odd_mode/transparent.gif": PILLOW,
    "odd_mode/tiff_16bit_RGB.tiff": PILLOW,
    "odd_mode/lab.tif": PILLOW,
    "odd_mode/16bit.cropped.tif": PILLOW,
    "odd_mode/tiff_strip_cmyk_jpeg.tif": PILLOW,
    "odd_mode/mode_16bit.png": GRAPH,
    "animated/iss634.gif": GRAPH,
    "animated/iss634.webp": GRAPH,
    "animated/dispose_bgnd_transparency.gif": PILLOW,
    "animated/different_durations.png": GRAPH,
    "animated/dispose_op_previous_region.png": GRAPH,
    "animated/frozenpond.mpo": GRAPH,
    "animated/sugarshack.mpo": GRAPH,
    "animated/multipage.tiff": PILLOW,
    "animated/star.avifs": PILLOW,
    "animated/first_frame_transparency.gif": PILLOW,
    "exif/Landscape_0.jpg": GRAPH,
    "exif/Landscape_1.jpg": GRAPH,
    "exif/Landscape_2.jpg": GRAPH,
    "exif/Landscape_3.jpg": GRAPH,
    "exif/Landscape_4.jpg": GRAPH,
    "exif/Landscape_5.jpg": GRAPH,
    "exif/Landscape_6.jpg": GRAPH,
    "exif/Landscape_7.jpg": GRAPH,
    "exif/Landscape_8.jpg": GRAPH,
    "exif/Portrait_0.jpg": GRAPH,
    "exif/Portrait_1.jpg": GRAPH,
    "exif/Portrait_2.jpg": GRAPH,
    "exif/Portrait_3.jpg": GRAPH,
    "exif/Portrait_4.jpg": GRAPH,
    "exif/Portrait_5.jpg": GRAPH,
    "exif/Portrait_6.jpg": GRAPH,
    "exif/Portrait_7.jpg": GRAPH,
    "exif/Portrait_8.jpg": GRAPH,
    "exif/hopper_orientation_6.jpg": GRAPH,
    "exif/hopper_orientation_6.webp": GRAPH,
    "exif/exif_imagemagick_orientation.png": GRAPH,
    "exif/hopper_bad_exif.jpg": GRAPH,
    "exif/invalid-exif.jpg": GRAPH,
    "exif/multiple_exif.jpg": GRAPH,
    "exif/exif_typeerror.jpg": GRAPH,
    "exif/empty_gps_ifd.jpg": GRAPH,
    "exif/rot3mir1.avif": PILLOW,
    "odd_size/tRNS_null_1x1.png": GRAPH,
    "odd_size/decompression_bomb.gif": BOMB,
    "odd_size/tiny.png": GRAPH,
}
READ = [name for name, outcome in OUTCOMES.items() if outcome in (GRAPH, PILLOW)]
REFUSED = [name for name in OUTCOMES if name not in READ]
pytestmark = [
    pytest.mark.filterwarnings("ignore:Invalid APNG"),  # syntax_num_frames_zero.png
    pytest.mark.filterwarnings("ignore:Corrupt EXIF data"),
    pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO file"),
]


def scaled(data: bytes) -> np.ndarray:
    """Return 16-bit grey as Pillow holds it, scaled to 8 bits; its transparent value white."""
    with Image.open(io.BytesIO(data)) as picture:
        grey = np.asarray(picture)
        white = grey == picture.info.get("transparency", -1)
    return np.where(white, 255, np.round(grey / 257))[..., None].repeat(3, -1)


def on_white(data: bytes, turn: bool = True) -> np.ndarray:
    """Return the first frame as Pillow reads it, upright and over white."""
    with Image.open(io.BytesIO(data)) as picture:
        rgba = (ImageOps.exif_transpose(picture) if turn else picture).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")).astype(int)


def as_stored(data: bytes) -> np.ndarray:
    return on_white(data, turn=False)


def without_text(data: bytes) -> np.ndarray:
    """Return what Pillow reads once the profile and text chunks of a PNG are cut out."""
    kept, at = data[:8], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kept += b"" if data[at + 4 : at + 8] in {b"iCCP", b"zTXt"} else data[at:end]
        at = end
    return on_white(kept)


def with_whole_palette(data: bytes) -> np.ndarray:
    return on_white(data[:46] + bytes(4) + data[50:])


# Where Pillow's own pixels are not what is meant: the reason, and what they are compared with instead.
EXCEPTIONS: dict[str, tuple[str, Callable[[bytes], np.ndarray]]] = {
    "odd_mode/i_trns.png": ("Pillow cuts 16 bits off at 255", scaled),
    "odd_mode/16bit.cropped.tif": ("Pillow cuts 16 bits off at 255", scaled),
    "exif/exif_imagemagick_orientation.png": ("only Pillow reads an orientation from a text profile", as_stored),
    "corrupt/unknown_compression_method.png": ("Pillow refuses it for its colour profile", without_text),
    "corrupt/png_decompression_dos.png": ("Pillow refuses it for its texts", without_text),
    "corrupt/badpalettesize.bmp": ("Pillow refuses the declared number of colours", with_whole_palette),
}
# Mean and largest difference in levels of 255; all others are equal, for the graph asks for libjpeg's accurate DCT, as
# Pillow does (index.csv has 0.3 to 1.4 for TensorFlow's fast one). TensorFlow turns CMYK into RGB by its own formula,
# and 16 bits lose their low byte instead of being rounded.
TOLERANCE = {
    "odd_mode/pil_sample_cmyk.jpg": (0.5, 1),
    "odd_mode/16bit.cropped.tif": (1, 1),
    "odd_mode/i_trns.png": (1, 1),
}


def file(shared: Path, name: str) -> Path:
    return shared / "bad_images" / name


def decoded(data: bytes) -> np.ndarray:
    return DECODE(tf.constant(data)).numpy()


def test_the_table_names_every_file(shared: Path) -> None:
    with open(file(shared, "index.csv"), encoding="utf-8") as rows:
        listed = {row["path"]: row for row in csv.DictReader(rows)}
    folder = shared / "bad_images"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"index.csv"}
    assert set(OUTCOMES) == set(listed) == found and len(OUTCOMES) == 114
    counts = Counter(outcome if outcome in (GRAPH, PILLOW) else "refused" for outcome in OUTCOMES.values())
    assert counts == {GRAPH: 73, PILLOW: 17, "refused": 24}
    pillow, tensorflow = "pillow_13.0", "tf_2.21_decode_image_channels3"
    readable = [name for name, row in listed.items() if "load=ok" in row[pillow] or row[tensorflow].startswith("ok")]
    assert readable == READ and set(EXCEPTIONS) | set(TOLERANCE) <= set(READ)


@pytest.mark.parametrize("name", OUTCOMES)
def test_who_reads_it(shared: Path, name: str) -> None:
    data = file(shared, name).read_bytes()
    if name in REFUSED:
        with pytest.raises(errors.DataError) as raised:
            images.load(data)
        assert str(raised.value).startswith("cannot read the picture: ") and OUTCOMES[name] in str(raised.value)
    else:
        ready = images.load(data)
        assert (ready is data) == (OUTCOMES[name] == GRAPH)
        assert ready is data or ready.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", READ)
def test_its_pixels(shared: Path, name: str) -> None:
    data = file(shared, name).read_bytes()
    _, reference = EXCEPTIONS.get(name, ("", on_white))
    pixels, expected = decoded(images.load(data)), reference(data)
    assert pixels.shape == expected.shape
    difference = np.abs(pixels - expected)
    mean, most = TOLERANCE.get(name, (0, 0))
    assert difference.mean() <= mean and difference.max() <= most


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exceptions_are_needed(shared: Path, name: str) -> None:
    data = file(shared, name).read_bytes()
    try:
        expected = on_white(data)
    except (OSError, ValueError):
        return
    assert np.abs(decoded(images.load(data)) - expected).mean() > 10


# === Training and serving ===


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the decoder of an exported model, loaded from disk: encoded pictures -> pixels."""
    out, module = str(tmp_path_factory.mktemp("served")), tf.Module()
    takes = [tf.TensorSpec((None,), tf.string)]
    module.run = tf.function(lambda strings: images.decode_batch(strings, SIZE), input_signature=takes)
    tf.saved_model.save(module, out)
    return tf.saved_model.load(out)


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Path], tlkit.Data]]:
    """Copy all files into two class folders, among good pictures; return name -> copy, and what the reader found."""
    root = tmp_path_factory.mktemp("folder")
    copies = {name: root / "ab"[n % 2] / f"{n:03} {Path(name).name}" for n, name in enumerate(OUTCOMES)}
    for label in "ab":
        (root / label).mkdir()
    for number, pixels in enumerate(tiny_models.pictures(8, SIZE)):
        Image.fromarray(pixels.astype(np.uint8)).save(root / "ab"[number % 2] / f"good {number}.png")
    for name, copy in copies.items():
        shutil.copyfile(file(shared, name), copy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_HOME", str(tmp_path_factory.mktemp("home")))
        yield copies, tlkit.image_folder(root)


@pytest.fixture(scope="module")
def trained(folder: tuple) -> dict[str, np.ndarray]:
    """Return what training sees of each file: name -> pixels."""
    names = list(OUTCOMES)
    found = {}
    for split in folder[1].splits().values():
        pixels = np.concatenate(list(images.batches(split.items, SIZE, Reading(8)).as_numpy_iterator()))
        stems = [Path(item).name.split(" ")[0] for item in split.items]
        found |= {names[int(stem)]: one for stem, one in zip(stems, pixels, strict=True) if stem != "good"}
    return found


@pytest.fixture(scope="module")
def artifact(folder: tuple, tmp_path_factory: pytest.TempPathFactory) -> tlkit.Artifact:
    """Train a small classifier on the folder and export it."""
    clf = tiny_models.spread(tiny_models.tiny_classifier(["a", "b"], SIZE), tiny_models.pictures(16, SIZE))
    tlkit.fit(clf, folder[1], phases=[Phase("head", 1, 1e-5, 0)], progress=False)
    return tlkit.export(clf, tmp_path_factory.mktemp("artifact") / "out")


def test_a_folder_of_them_loses_none(folder: tuple, trained: dict[str, np.ndarray]) -> None:
    copies, data = folder
    reasons = dict(data.unreadable)
    assert set(trained) == set(READ) and sum(map(len, data.splits().values())) == len(READ) + 8
    assert set(reasons) == {"/".join(copies[name].parts[-2:]) for name in REFUSED}


@pytest.mark.parametrize("name", READ)
def test_training_and_serving_see_the_same(folder: tuple, trained: dict, served: Any, name: str) -> None:
    endpoint, encoded = ImageInput("tf", SIZE).encode([folder[0][name]])
    assert endpoint == "serving_default"
    np.testing.assert_array_equal(served.run(encoded)[0], trained[name])


def test_an_artifact_answers_what_training_saw(folder: tuple, trained: dict, artifact: tlkit.Artifact) -> None:
    answers = artifact.predict([folder[0][name] for name in READ])
    asked = artifact.served.signatures["serve_array"]
    shares = np.concatenate([asked(tf.constant(trained[name][None]))["probabilities"].numpy() for name in READ])
    found = np.array([[dict(answer.top_k)[label] for label in artifact.labels] for answer in answers])
    assert np.ptp(shares[:, 0]) > 0.2
    np.testing.assert_allclose(found, shares, atol=1e-5)
    assert np.abs(found - shares[::-1]).max() > 0.2


@pytest.mark.parametrize("name", REFUSED)
def test_training_and_serving_refuse_for_the_same_reason(folder: tuple, artifact: tlkit.Artifact, name: str) -> None:
    copy = folder[0][name]
    reason = dict(folder[1].unreadable)["/".join(copy.parts[-2:])]
    assert OUTCOMES[name] in reason
    with pytest.raises(errors.DataError) as raised:
        artifact.predict([copy])
    assert str(raised.value) == f"cannot read {copy}: {reason}"


def test_the_bare_graph_refuses_what_it_does_not_read(shared: Path, served: Any) -> None:
    for name in (name for name, outcome in OUTCOMES.items() if outcome != GRAPH):
        with pytest.raises(tf.errors.InvalidArgumentError):
            served.run(tf.constant([file(shared, name).read_bytes()]))


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_all_orientations_look_like_the_upright_one(shared: Path, served: Any, kind: str) -> None:
    paths = [file(shared, f"exif/{kind}_{orientation}.jpg") for orientation in range(9)]
    # The same files with the mark of EXIF destroyed, so that they are taken as they lie: the control.
    lying = [path.read_bytes().replace(b"Exif\0\0", b"Exit\0\0") for path in paths]
    trained = next(images.batches([str(path) for path in paths], SIZE, Reading()).as_numpy_iterator())
    for pixels in (trained, served.run(tf.constant([path.read_bytes() for path in paths])).numpy()):
        assert all(np.abs(other - pixels[0]).mean() < 5 for other in pixels)
    unturned = next(images.batches(lying, SIZE, Reading()).as_numpy_iterator())
    for pixels in (unturned, served.run(tf.constant(lying)).numpy()):
        assert all(np.abs(other - trained[0]).mean() > 20 for other in pixels[2:])


# === Decompression bombs ===


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(side: int, before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes((-(-side // 8) + 1) * side)))
    return b"\x89PNG\r\n\x1a\n" + before + header + rows + chunk(b"IEND", b"")


def late_png(side: int) -> bytes:
    """Return a PNG with a private chunk in front of its header, and a small size where the header should be."""
    return png(side, chunk(b"prVt", struct.pack(">II", 1, 1) * 2))


def tiff(side: int) -> bytes:
    rows = zlib.compress(bytes(-(-side // 8) * side))
    tags = {256: side, 257: side, 258: 1, 259: 8, 262: 1, 273: 8, 277: 1, 278: side, 279: len(rows)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + struct.pack("<H", len(tags)) + entries + bytes(4)


def jpeg(side: int) -> bytes:
    data = bytearray(encoded(Image.new("L", (8, 8), 128), "JPEG"))
    size, start = data.index(b"\xff\xc0") + 5, data.index(b"\xff\xda") + 10
    data[size : size + 4] = struct.pack(">HH", side, side)
    # Four blocks, each without a change of brightness (00) and without detail (1010).
    return bytes(data[:start]) + b"\x28\xa2\x8a" * ((side // 8) ** 2 // 4) + b"\xff\xd9"


def webp(side: int) -> bytes:
    """Return one colour without loss, which takes no bits for a pixel."""
    side = min(side, 2**14)
    data = bytearray(encoded(Image.new("RGB", (16, 16), "red"), "WEBP", lossless=True))
    bits = int.from_bytes(data[21:25], "little") >> 28 << 28
    data[21:25] = struct.pack("<I", bits | (side - 1) << 14 | side - 1)
    return bytes(data)


def bmp(side: int) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (64, 64)), "BMP"))
    data[18:26] = struct.pack("<ii", side, -side)
    return bytes(data)


def gif(canvas: tuple[int, int], *frames: tuple[int, int]) -> bytes:
    """Return an animation of white frames of these sizes, in the corner of a black canvas."""
    packed = {size: b"," + struct.pack("<HHHHB", 0, 0, *size, 0) + packed_square(size) for size in {*frames}}
    head = b"GIF89a" + struct.pack("<HHBBB", *canvas, 128, 0, 0) + bytes(3) + b"\xff\xff\xff"
    return head + b"".join(packed[size] for size in frames) + b";"


def packed_square(size: tuple[int, int]) -> bytes:
    """Pack pixels of the number 1 as GIF does, up to 1000 pixels a side; of a larger frame only the beginning."""
    data = encoded(Image.new("P", tuple(min(side, 1000) for side in size), 1), "GIF", optimize=False)
    return data[data.index(b",", 13 + 3 * 2 ** (data[10] % 8 + 1)) + 10 : -1]


def gif_bomb(side: int) -> bytes:
    return gif((side, side), (side, side))


BOMBS = {"PNG": png, "late PNG": late_png, "TIFF": tiff, "JPEG": jpeg, "WebP": webp, "BMP": bmp, "GIF": gif_bomb}


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def peak(run: Callable[[], object]) -> float:
    """Return by how many MB the process grew at most while it ran something; skip where the kernel does not tell."""

    def resident(field: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.split(f"{field}:")[1].split()[0])

    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = resident("VmRSS")
    except (OSError, IndexError):
        pytest.skip("needs Linux, to measure the peak of memory")
    run()
    return (resident("VmHWM") - before) / 1024


def test_peak_sees_what_is_given_back() -> None:
    assert peak(lambda: np.ones(250 * 2**20, np.uint8)) > 240 > 50 > peak(lambda: None)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("form", BOMBS)
def test_bombs_are_refused_before_they_are_decoded(form: str) -> None:
    bomb = BOMBS[form](20_000)
    assert len(bomb) < 5_000_000
    assert decoded(images.load(BOMBS[form](64))).shape == (64, 64, 3)
    start = time.process_time()

    def by_graph() -> None:
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"more than 89,478,485 pixels|not a JPEG, PNG"):
            decoded(bomb)

    def by_reader() -> None:
        with pytest.raises(errors.DataError, match=BOMB):
            images.load(bomb)

    assert peak(by_graph) < 200 and peak(by_reader) < 200
    assert time.process_time() - start < 5


@pytest.mark.parametrize("side", [20, 1000])
def test_later_frames_are_never_unpacked(side: int) -> None:
    data = gif((side, side), (side, side), *[(1000, 1000)] * 1000)
    assert peak(lambda: decoded(data)) < 200
    assert images.load(data) is data
    np.testing.assert_array_equal(decoded(data), np.full((side, side, 3), 255))


def test_a_bare_bitstream_in_a_webp_is_refused() -> None:
    data = encoded(Image.new("RGB", (12, 9), "red"), "WEBP")
    bare = data[:4] + struct.pack("<I", len(data) - 16) + data[8:12] + data[20:]
    np.testing.assert_array_equal(tf.io.decode_image(bare)[0], decoded(data))  # its size stands where nobody looks
    for refused in (bare, data[:15] + b"?" + data[16:]):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"not a JPEG, PNG, WebP|first chunk is unknown"):
            decoded(refused)


# === Broken and unusual files ===


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_cut_short_is_no_picture(form: str, share: float) -> None:
    data = encoded(Image.fromarray(tiny_models.pictures(1, SIZE)[0].astype(np.uint8)), form)
    assert images.load(data)
    with pytest.raises(errors.DataError) as raised:
        images.load(data[: int(share * len(data))])
    assert UNKNOWN not in str(raised.value)


def reblocked(data: bytes, sizes: list[int]) -> bytes:
    """Cut the first frame of a GIF into blocks of these sizes, in turn, and put a comment of such blocks before it."""
    start = data.index(b",", 13 + 3 * 2 ** (data[10] % 8 + 1))
    at, packed, blocks = start + 11, b"", b""
    while data[at]:
        packed, at = packed + data[at + 1 : at + 1 + data[at]], at + 1 + data[at]
    turn = 0
    while packed:
        size = sizes[turn % len(sizes)]
        blocks += bytes([len(packed[:size])]) + packed[:size]
        packed, turn = packed[size:], turn + 1
    comment = b"!\xfe" + b"".join(bytes([size]) + b"," * size for size in sizes) + b"\0"
    return data[:start] + comment + data[start : start + 11] + blocks + b"\0;"


@pytest.mark.parametrize(
    ("sizes", "outcome"), [([255], GRAPH), ([254], GRAPH), ([7, 200, 1, 90], GRAPH), ([1, 2], PILLOW)]
)
def test_gif_blocks_may_have_any_length(sizes: list[int], outcome: str) -> None:
    plain = encoded(Image.effect_noise((70, 50), 90).convert("P"), "GIF")
    data = reblocked(plain, sizes)
    assert (images.load(data) is data) == (outcome == GRAPH)
    np.testing.assert_array_equal(decoded(images.load(data)), on_white(plain))


def test_a_first_frame_smaller_than_its_canvas_is_left_to_pillow() -> None:
    data = gif((30, 20), (20, 20), (30, 20))
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not fill its canvas"):
        decoded(data)
    np.testing.assert_array_equal(decoded(images.load(data)), on_white(data))
    assert (decoded(images.load(data))[:, :20] == 255).all()
