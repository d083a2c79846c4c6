"""What counts as the same example: identical ones, near copies of pictures, texts as they are compared."""

from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tlkit.data import near_duplicates
from tlkit.errors import InputError

COUNT = 60


def picture(seed: int, contrast: float = 1.0) -> Image.Image:
    """Make up a picture: patches of grey with soft borders, and finer ones on them."""
    rng = np.random.default_rng(seed)
    layers = [Image.fromarray(rng.uniform(0, 1, shape)).resize((128, 96), 3) for shape in ((4, 5), (10, 13))]
    grey = 120 + contrast * (140 * (np.asarray(layers[0]) - 0.5) + 80 * (np.asarray(layers[1]) - 0.5))
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))


def thumbs(pictures: list[Image.Image]) -> np.ndarray:
    small = [picture.convert("L").resize((16, 16), Image.Resampling.BILINEAR) for picture in pictures]
    return np.stack([np.asarray(picture) for picture in small])


def encoded(image: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out)


def shrunk(image: Image.Image, share: float) -> Image.Image:
    return image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.BICUBIC)


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "unchanged": lambda image: image,
    "encoded": lambda image: encoded(image, 60),
    "shrunk": lambda image: shrunk(image, 0.5),
    "enlarged": lambda image: shrunk(image, 3),
    "stretched": lambda image: image.resize((200, 90), Image.Resampling.BICUBIC),
    "brighter": lambda image: image.point([min(value + 8, 255) for value in range(256)]),
    "mirrored": ImageOps.mirror,
    "mirrored, encoded and shrunk": lambda image: shrunk(encoded(ImageOps.mirror(image), 60), 0.7),
}


def copied(pictures: list[Image.Image], kind: str) -> list[list[int]]:
    """Return the pairs found among pictures and copies of them behind these."""
    return near_duplicates.near(thumbs(pictures + [KINDS[kind](image) for image in pictures])).tolist()


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [picture(seed) for seed in range(COUNT)]


# === near ===


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_found_and_nothing_else(pictures: list[Image.Image], kind: str) -> None:
    assert copied(pictures, kind) == [[number, COUNT + number] for number in range(COUNT)]


@pytest.mark.parametrize("kind", ["encoded", "shrunk", "mirrored", "mirrored, encoded and shrunk"])
def test_copies_of_photographs_are_found(shared: Path, kind: str) -> None:
    files = sorted((shared / "trashnet").rglob("*.jpg"))[::21]
    photos = [ImageOps.exif_transpose(Image.open(file)).convert("RGB") for file in files]
    assert len(photos) > 100
    assert copied(photos, kind) == [[number, len(photos) + number] for number in range(len(photos))]


@pytest.mark.parametrize("turn", [ImageOps.flip, lambda image: image.rotate(180), ImageOps.invert])
def test_other_changes_are_not_copies(pictures: list[Image.Image], turn: Callable) -> None:
    assert near_duplicates.near(thumbs(pictures + [turn(image) for image in pictures])).tolist() == []


def test_a_symmetric_picture_is_no_copy_of_itself() -> None:
    half = thumbs([picture(0)])
    symmetric = np.maximum(half, half[:, :, ::-1])
    assert len(near_duplicates.near(symmetric)) == 0
    assert near_duplicates.near(np.concatenate([symmetric, symmetric ^ 1])).tolist() == [[0, 1]]


def test_pictures_without_structure_match_none() -> None:
    rng, ramp = np.random.default_rng(0), np.linspace(0, 40, 16)
    noise = 120 + rng.normal(0, 1, (10, 16, 16))
    blank = np.concatenate([noise, noise, noise + ramp, noise + ramp[:, None], np.full((5, 16, 16), 255)])
    assert near_duplicates.near(blank.round().astype(np.uint8)).tolist() == []


@pytest.mark.parametrize(("contrast", "expected"), [(0.04, []), (0.15, [[0, 1]])])
def test_faint_pictures_match_as_far_as_they_hold_something(contrast: float, expected: list) -> None:
    faint = picture(0, contrast)
    assert near_duplicates.near(thumbs([faint, encoded(ImageOps.mirror(faint), 60)])).tolist() == expected


def test_a_common_shade_does_not_make_copies() -> None:
    shade = 60 * np.hypot(*np.mgrid[-1:1:16j, -1:1:16j])
    objects = np.random.default_rng(0).normal(0, 3, (20, 16, 16))
    pictures = (60 + shade + objects).round().astype(np.uint8)
    left, right = np.triu_indices(20, 1)
    assert np.corrcoef(pictures.reshape(20, -1))[left, right].min() > 0.9
    assert near_duplicates.near(pictures).tolist() == []


def test_none_is_missed_that_comparing_all_with_all_would_find() -> None:
    rng = np.random.default_rng(0)
    sources = thumbs([picture(seed) for seed in range(100)])
    noise = rng.normal(0, 1, (100, 16, 16)) * rng.uniform(0, 6, (100, 1, 1))
    many = np.concatenate([sources, np.clip(sources[:, :, ::-1] + noise, 0, 255).round().astype(np.uint8)])
    waves, mirrored = near_duplicates._waves(many)[0], near_duplicates._waves(many[:, :, ::-1])[0]
    left, right = np.triu_indices(len(many), 1)
    apart = [np.sqrt(((which[left] - waves[right]) ** 2).sum((1, 2))) for which in (waves, mirrored)]
    close = np.minimum(*apart) <= near_duplicates.LIMIT
    assert 30 < close.sum() < 90  # the noise is too much for some
    np.testing.assert_array_equal(near_duplicates.near(many), np.stack([left, right], axis=1)[close])


def crowd(seed: int, count: int, noise: float) -> np.ndarray:
    rough = thumbs([picture(seed)]) + np.random.default_rng(seed).normal(0, noise, (count, 16, 16))
    return np.clip(rough, 0, 255).round().astype(np.uint8)


def test_crowds_are_linked_without_all_their_pairs() -> None:
    many = np.concatenate([crowd(0, 700, 1), crowd(1, 600, 1), crowd(0, 200, 1)[:, :, ::-1]])
    pairs = near_duplicates.near(many)
    assert len(pairs) < 40 * len(many)  # of 600,000
    expected = np.repeat([0, 700, 0], [700, 600, 200])
    np.testing.assert_array_equal(near_duplicates.clusters(len(many), pairs), expected)


def test_crowds_are_linked_with_one_another() -> None:
    still = crowd(0, 1, 0).astype(float)
    moved = still + np.linspace(-6, 6, 16)
    rng = np.random.default_rng(0)
    many = np.concatenate([part + rng.normal(0, 0.3, (100, 16, 16)) for part in (still, moved)]).round()
    many = many.clip(0, 255).astype(np.uint8)
    assert not near_duplicates.clusters(len(many), near_duplicates.near(many)).any()


def test_a_crowd_hides_no_copy() -> None:
    many = np.concatenate([crowd(0, 600, 1), thumbs([picture(2), ImageOps.mirror(picture(2))])])
    pairs = near_duplicates.near(many)
    assert pairs[-1].tolist() == [600, 601] and pairs[-2, 1] < 600


def test_identical_thumbnails_are_paired_with_the_first() -> None:
    many = thumbs([picture(0), *[picture(1)] * 50])
    assert near_duplicates.near(many).tolist() == [[1, number] for number in range(2, 51)]


def test_pairs_do_not_depend_on_the_blocks(pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch) -> None:
    many = thumbs(pictures + pictures[::-1])[:, :, ::-1]
    whole = near_duplicates.near(many)
    monkeypatch.setattr(near_duplicates, "BLOCK", 7)
    assert not many.flags.c_contiguous
    np.testing.assert_array_equal(near_duplicates.near(many), whole)


@pytest.mark.parametrize("count", [0, 1])
def test_few_pictures_have_no_pairs(count: int) -> None:
    pairs = near_duplicates.near(thumbs([picture(0)])[:count])
    assert pairs.shape == (0, 2) and pairs.dtype == np.int64


@pytest.mark.parametrize(
    ("shape", "dtype"), [((2, 16, 16), "float32"), ((2, 16, 16), "int8"), ((2, 16, 15), "uint8"), ((16, 16), "uint8")]
)
def test_other_thumbnails_are_named(shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(InputError, match=rf"must be uint8 of the shape \(n, 16, 16\), not {dtype} \({shape[0]}, .*;"):
        near_duplicates.near(np.zeros(shape, dtype))


# === exact ===


@pytest.mark.parametrize("dtype", ["S16", object])
def test_exact_names_the_first_of_each_digest(dtype: type) -> None:
    digests = np.array([b"b", b"a", b"b", b"c", b"a", b"b"], dtype)
    first = near_duplicates.exact(digests)
    assert first.tolist() == [0, 1, 0, 3, 1, 0] and first.dtype == np.int64
    assert near_duplicates.exact(digests[:0]).shape == (0,)


def test_exact_refuses_other_shapes() -> None:
    with pytest.raises(InputError, match=r"digests must have the shape \(n,\), not \(2, 1\); give one for each"):
        near_duplicates.exact(np.array([[b"a"], [b"b"]]))


# === clusters ===


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([[0, 1]], [0, 0, 2, 3, 4, 5]),
        ([[4, 5], [2, 4], [5, 1]], [0, 1, 1, 3, 1, 1]),
        ([[0, 0], [3, 2], [2, 3]], [0, 1, 2, 2, 4, 5]),
    ],
)
def test_clusters_follow_chains(pairs: list, expected: list) -> None:
    found = near_duplicates.clusters(6, np.array(pairs))
    assert found.tolist() == expected and found.dtype == np.int64


def test_clusters_of_no_pairs() -> None:
    none = np.zeros((0, 2), np.int64)
    assert near_duplicates.clusters(3, none).tolist() == [0, 1, 2]
    assert near_duplicates.clusters(0, none).shape == (0,)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (np.zeros((2, 3), int), r"integers of the shape \(m, 2\), not int64 \(2, 3\); reshape"),
        (np.zeros(2, int), r"not int64 \(2,\); reshape"),
        (np.zeros((0, 2)), r"not float64 \(0, 2\); reshape"),
        (np.array([[1, 3]]), "name examples from 1 to 3, but there are 3; number them from 0"),
        (np.array([[-1, 2]]), "name examples from -1 to 2, but there are 3"),
    ],
)
def test_clusters_refuse_other_pairs(pairs: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        near_duplicates.clusters(3, pairs)


# === normalised ===


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Hello \t\n World ", "hello world"),
        ("Cafe\u0301", "café"),
        ("Stra\u00dfe STRASSE", "strasse strasse"),
        ("\uff21\uff22\u3000\ufb01ne\u00a0x\u00b2", "ab fine x2"),
        ("don't", "don't"),
        (" \n", ""),
    ],
)
def test_texts_are_normalised(text: str, expected: str) -> None:
    assert near_duplicates.normalised(text) == expected


def test_normalising_twice_changes_nothing() -> None:
    letters = [chr(code) for code in range(sys.maxunicode) if unicodedata.category(chr(code))[0] in "LMNPSZ"]
    once = [near_duplicates.normalised(letter) for letter in letters]
    assert [near_duplicates.normalised(letter) for letter in once] == once
