"""What every page is made of: its frame, tables, findings and thumbnails."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from tests.helpers.page_structure import Structure
from tlkit.reporting import html_page
from tlkit.reporting.findings import Finding


def opened(thumb: bytes) -> Image.Image:
    return Image.open(io.BytesIO(thumb)).convert("RGB")


def saved(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


# === Thumbnails ===


def test_a_thumbnail_keeps_the_proportions() -> None:
    assert opened(html_page.thumbnail(saved(Image.new("RGB", (400, 100))))).size == (96, 24)
    assert opened(html_page.thumbnail(np.zeros((8, 8), np.uint8))).size == (96, 96)


def test_a_few_pixels_are_drawn_as_such() -> None:
    board = np.indices((8, 8)).sum(axis=0) % 2 * 255
    drawn = np.asarray(opened(html_page.thumbnail(board)))[..., 0]
    assert ((drawn < 30) | (drawn > 225)).mean() > 0.95


def test_arrays_of_any_form_are_drawn() -> None:
    ramp = np.linspace(0, 255, 64).reshape(8, 8)
    for array in (ramp, ramp[..., None], np.repeat(ramp[..., None], 3, axis=2), ramp.astype(np.uint8), ramp + 0.4):
        drawn = np.asarray(opened(html_page.thumbnail(array)))
        assert drawn[5, 5, 0] < 20 and drawn[-5, -5, 0] > 235


def test_a_photo_is_drawn_upright(tmp_path: Path) -> None:
    sideways = Image.new("RGB", (200, 100), "black")
    sideways.paste("white", (0, 0, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    (tmp_path / "a.jpg").write_bytes(saved(sideways, "JPEG", exif=exif))
    drawn = opened(html_page.thumbnail(str(tmp_path / "a.jpg")))
    assert drawn.size == (48, 96) and drawn.getpixel((24, 10))[0] > 240 and drawn.getpixel((24, 85))[0] < 15


def test_transparency_lies_over_white_and_16_bits_are_scaled() -> None:
    clear = opened(html_page.thumbnail(saved(Image.new("RGBA", (50, 50), (0, 0, 0, 0)))))
    assert clear.getpixel((10, 10))[0] > 250
    deep = Image.fromarray(np.full((50, 50), 128 * 256, np.uint16))
    assert abs(opened(html_page.thumbnail(saved(deep))).getpixel((10, 10))[0] - 128) < 4


@pytest.mark.parametrize("item", [b"", b"no picture", "/nowhere/a.jpg", b"\xff\xd8\xff\xe0 half"])
def test_what_is_no_picture(item: str | bytes) -> None:
    assert html_page.thumbnail(item) is None


# === Frame and tables ===


def test_a_page_opens_with_its_title_as_text_and_loads_nothing() -> None:
    found = Structure("".join([*html_page.opening("a <b>title</b>"), "</body>", "</html>"]))
    assert found.text.count("a <b>title</b>") == 2 and found.count("b") == found.count("script") == 0
    policies = [about["content"] for tag, about in found.tags if tag == "meta" and "http-equiv" in about]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_a_page_with_a_line_of_plain_text_is_not_written(tmp_path: Path) -> None:
    html_page.write(tmp_path / "x.html", [Markup("<p>"), Markup("</p>")])
    assert (tmp_path / "x.html").read_text("utf-8") == "<p>\n</p>\n"
    with pytest.raises(TypeError, match=r"'<b>x</b>' is plain text, not HTML"):
        html_page.write(tmp_path / "y.html", [Markup("<p>"), "<b>x</b>", Markup("</p>")])
    assert not (tmp_path / "y.html").exists()


def test_a_table_of_counts_has_a_row_for_each_class_and_one_of_sums() -> None:
    counts = {"train": {"a": 1200, "b": 3}, "test": {"a": 4, "b": 0}}
    found = Structure("".join(html_page.counts_table(counts, ("a", "b"), "class", {"train": 1203, "test": 4})))
    assert found.count("tr") == 4 and "1,200" in found.text and "1,203" in found.text and "all 2 classes" in found.text


def test_a_finding_without_data_shows_names() -> None:
    finding = Finding("leak", "error", "2 <leak>", "split anew", 2, (("a.png", "b.png"),), ("copies",))
    found = Structure("".join(html_page.finding_lines(finding, html_page.Album(None))))
    assert [about.get("class") for tag, about in found.tags if tag == "section"] == ["error"]
    assert all(word in found.text for word in ("2 <leak>", "split anew", "a.png", "b.png", "copies"))
