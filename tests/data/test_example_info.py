"""What is seen of examples besides their content."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit.data import example_info, images, near_duplicates
from tlkit.data.splits import Split, joined


def png(pixels: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, options.pop("format", "PNG"), **options)
    return out.getvalue()


def test_a_picture_file(tmp_path: Path, photos: dict[str, np.ndarray]) -> None:
    photo = next(iter(photos.values()))
    (tmp_path / "a.jpg").write_bytes(png(photo, format="JPEG"))
    seen = example_info.look([str(tmp_path / "a.jpg"), png(photo[..., 0])], "image")
    assert seen.names.tolist() == [str(tmp_path / "a.jpg"), "1"]
    content = (tmp_path / "a.jpg").read_bytes()
    assert seen.hexdigest(0) == hashlib.sha256(content).hexdigest()[:32]
    first, second = seen.looks
    assert (first["width"], first["height"]) == photo.shape[1::-1] and first["bytes"] == len(content)
    assert (first["format"], first["mode"], second["format"], second["mode"]) == (b"JPEG", b"RGB", b"PNG", b"L")
    wanted = np.asarray(Image.fromarray(photo).convert("L").resize((16, 16), Image.Resampling.BILINEAR), int)
    assert abs(first["thumb"].astype(int) - wanted).mean() < 2
    assert abs(first["thumb"].astype(int) - wanted[:, ::-1]).mean() > 10  # the control


def test_arrays_and_files_look_alike(photos: dict[str, np.ndarray]) -> None:
    photo = next(iter(photos.values()))
    (array,), (file,) = example_info.look(photo[None], "image").looks, example_info.look([png(photo)], "image").looks
    assert abs(array["thumb"].astype(int) - file["thumb"]).max() <= 12
    assert (array["width"], array["height"], array["format"]) == (photo.shape[1], photo.shape[0], b"")


def test_the_thumbnails_are_those_that_are_compared() -> None:
    assert images.THUMB == near_duplicates.SIDE


def test_texts_have_the_digest_of_what_is_compared() -> None:
    seen = example_info.look(["Good  morning", "good morning", "good evening"], "text", ["line 2", "line 3", "line 4"])
    assert seen.digests[0] == seen.digests[1] != seen.digests[2] and seen.looks is None
    assert seen.names.tolist() == ["line 2", "line 3", "line 4"]


def test_a_digest_that_ends_in_zeros_keeps_its_length() -> None:
    seen = example_info.Traits(example_info.strings(["a"]), example_info.digests([b"\x01" * 14 + b"\x00\x00"]))
    assert seen.hexdigest(0) == "01" * 14 + "0000"


def test_taken_and_joined() -> None:
    left = Split(["a", "b"], np.array([0, 1]), example_info.look(["a", "b"], "text"))
    right = Split(["c"], np.array([1]), example_info.look(["c"], "text", ["other"]))
    whole = joined([left, right])
    assert whole.items == ["a", "b", "c"] and whole.traits.names.tolist() == ["0", "1", "other"]
    assert whole.take(np.array([2, 0])).traits.names.tolist() == ["other", "0"]
    assert joined([left, Split(["d"], np.array([0]))]).traits is None
    arrays = [Split(np.zeros((n, 4, 4)), np.zeros(n, int)) for n in (2, 3)]
    assert joined(arrays).items.shape == (5, 4, 4)


def test_blocks_keep_their_order_and_do_not_run_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example_info, "POOL_BLOCK", 4)
    started: list[int] = []
    results = example_info.in_blocks(lambda n: started.append(n) or n * 2, range(20))
    assert next(results) == 0 and len(started) <= 4
    assert list(results) == [n * 2 for n in range(1, 20)]


def test_unreadable_content_of_pillow_says_nothing() -> None:
    _, width, height, size, form, mode = example_info.of_file(b"nothing", np.zeros((16, 16), np.uint8))
    assert (width, height, size, form, mode) == (0, 0, 7, b"", b"")
