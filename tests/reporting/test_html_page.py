"""The page: well-formed, self-contained, bounded, and nothing in it but text and pictures."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from tests.helpers import tiny_data
from tests.helpers.page_structure import Structure
from tlkit.data.splits import Data, Split
from tlkit.doctor import diagnosis_page
from tlkit.doctor.diagnosis import Diagnosis
from tlkit.reporting import html_page
from tlkit.reporting.findings import Finding

HOSTILE = '<script>alert("x")</script>&"\''


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Structure]:
    """Write the page of some findings and read it again."""

    def write(*findings: Finding, data: Data | None = None, of: Data | None = None) -> Structure:
        about = of or data or tiny_data.texts(["one", "two"], [0, 1], ["train", "train"])
        made = Diagnosis(about.source, about.kind, about.labels, about.counts(), findings)
        diagnosis_page.write(made, data, tmp_path / "doctor.html")
        found = Structure((tmp_path / "doctor.html").read_text("utf-8"))
        found.size = (tmp_path / "doctor.html").stat().st_size
        return found

    return write


def shown(*groups: tuple[str, ...], said: tuple[str, ...] = ()) -> Finding:
    return Finding("x", "warning", "a title", "a remedy", len(groups), groups, said)


def pixels(count: int, side: int = 32) -> Data:
    """Return arrays as data, named by their numbers, all in train but the last two."""
    items = np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype(np.uint8)
    whole = Split(items, np.arange(count) % 2)
    parts = [whole.take(np.array(numbers)) for numbers in (range(count - 2), [count - 2], [count - 1])]
    return Data(*parts, labels=("cat", "dog"), kind="image", source="arrays", splitting="")


def opened(thumb: bytes) -> Image.Image:
    return Image.open(io.BytesIO(thumb)).convert("RGB")


def saved(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


# === Structure ===


def test_the_page_stands_alone(written: Callable[..., Structure]) -> None:
    found = written(shown(("train 0", "val 0")), data=pixels(9))
    assert found.count("script") == found.count("link") == found.count("a") == 0
    sources = [attributes.get("src") for _, attributes in found.tags if attributes.get("src")]
    assert sources and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    metas = [attributes for tag, attributes in found.tags if tag == "meta"]
    assert any(meta.get("name") == "viewport" for meta in metas)
    (policy,) = [meta["content"] for meta in metas if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert "prefers-color-scheme: dark" in found.text and "url(" not in found.text


def test_findings_with_severity_title_and_remedy(written: Callable[..., Structure]) -> None:
    found = written(shown(), Finding("leak", "error", "2 leak", "split anew", 2))
    classes = [attributes.get("class") for tag, attributes in found.tags if tag == "section"]
    assert classes == ["error", "warning"]
    for text in ("2 leak", "split anew", "a title", "a remedy", "1 error, 1 warning"):
        assert text in found.text


def test_counts_of_each_class_and_split(written: Callable[..., Structure]) -> None:
    data = tiny_data.texts(["one", "two", "three", "four", "five"], [0, 1, 0, 1, 0])
    found = written(data=data)
    assert found.count("tr") == 4 and found.count("td") == 9
    assert "Drawn for a test." in found.text and "nothing found" in found.text


def test_the_table_is_bounded(written: Callable[..., Structure]) -> None:
    data = dataclasses.replace(pixels(9), labels=tuple(f"class {number}" for number in range(1000)))
    found = written(data=data)
    assert found.count("tr") == html_page.ROWS + 2 and "800 more classes are in doctor.json." in found.text
    assert "all 1,000 classes" in found.text


def test_hostile_words_are_shown_as_text(written: Callable[..., Structure]) -> None:
    data = tiny_data.texts([HOSTILE, "two"], [0, 1], ["train", "train"])
    names = data.train.traits.names
    names[0] = HOSTILE
    data = dataclasses.replace(data, labels=(HOSTILE, "b"), source=HOSTILE, splitting=HOSTILE)
    finding = Finding("x", "error", HOSTILE, HOSTILE, 1, ((HOSTILE, f"{HOSTILE} elsewhere"),), (HOSTILE,))
    found = written(finding, data=data)
    assert found.count("script") == 0
    # title and heading, title and remedy of the finding, splitting, table, snippet, label, two names, saying
    assert found.text.count(HOSTILE) == 11
    assert all(not name.startswith("on") for _, attributes in found.tags for name in attributes)


def test_half_a_surrogate_does_not_stop_it(written: Callable[..., Structure]) -> None:
    data = tiny_data.texts(["a\ud800b", "two"], [0, 1], ["train", "train"])
    assert "a?b" in written(shown(("line 0",)), data=data).text


def test_a_page_with_a_line_of_plain_text_is_not_written(tmp_path: Path) -> None:
    html_page.write(tmp_path / "x.html", [Markup("<p>"), Markup("</p>")])
    assert (tmp_path / "x.html").read_text("utf-8") == "<p>\n</p>\n"
    with pytest.raises(TypeError, match=r"'<b>x</b>' is plain text, not HTML"):
        html_page.write(tmp_path / "y.html", [Markup("<p>"), "<b>x</b>", Markup("</p>")])
    assert not (tmp_path / "y.html").exists()


# === Examples ===


def test_examples_of_a_group_stand_side_by_side(written: Callable[..., Structure]) -> None:
    found = written(shown(("train 0", "val 0"), ("test 0",), said=("alike", "alone")), data=pixels(9))
    assert found.count("img") == found.count("figure") == 3
    assert sum(attributes.get("class") == "group" for _, attributes in found.tags) == 2
    words = re.sub(r"\s+", " ", found.text)
    assert "cat, train" in words and "dog, val" in words and "cat, test" in words
    assert "alike" in words and "alone" in words


def test_each_name_gets_its_own_picture(tmp_path: Path) -> None:
    data = pixels(9, 8)
    made = Diagnosis("arrays", "image", data.labels, data.counts(), (shown(("val 0",)),))
    diagnosis_page.write(made, data, tmp_path / "x.html")
    source = re.search(r"base64,([^\"]+)", (tmp_path / "x.html").read_text("utf-8"))[1]
    assert (
        base64.b64decode(source) == html_page.thumbnail(data.val.items[0]) != html_page.thumbnail(data.train.items[0])
    )


def test_texts_are_shown_as_snippets(written: Callable[..., Structure]) -> None:
    data = tiny_data.texts(["short", "long " * 200], [0, 1], ["train", "test"])
    found = written(shown(("line 0", "line 1")), data=data)
    assert found.count("blockquote") == 2 and found.count("img") == 0 and "short" in found.text
    assert "b, test" in found.text and found.text.count("long ") < 60 and "…" in found.text


def test_what_cannot_be_drawn_is_named(written: Callable[..., Structure]) -> None:
    data = tiny_data.pictures([0, 1] * 5)  # files that are not there
    found = written(shown(("p0.jpg", "lost.jpg"), said=("the file is empty",)), data=data)
    assert found.count("img") == 0 and found.count("figure") == 2
    assert "p0.jpg" in found.text and "lost.jpg" in found.text and "the file is empty" in found.text


def test_without_the_data_there_are_names(written: Callable[..., Structure]) -> None:
    found = written(shown(("train 0", "val 0")), of=pixels(9))
    assert found.count("img") == 0 and "train 0" in found.text and "val 0" in found.text


def test_many_groups_are_folded_away(written: Callable[..., Structure]) -> None:
    groups = tuple((f"train {number}",) for number in range(html_page.OPEN + 3))
    found = written(shown(*groups), data=pixels(20))
    assert found.count("details") == 1 and "3 more" in found.text and found.count("img") == html_page.OPEN + 3
    assert written(shown(*groups[: html_page.OPEN]), data=pixels(20)).count("details") == 0


def test_the_page_is_bounded(written: Callable[..., Structure], monkeypatch: pytest.MonkeyPatch) -> None:
    thumb = html_page.thumbnail(pixels(9).train.items[0])
    calls: list[int] = []
    monkeypatch.setattr(html_page, "thumbnail", lambda _: calls.append(1) or thumb)
    groups = tuple(tuple(f"train {number}" for number in range(6)) for _ in range(20))
    found = written(*[shown(*groups)] * 12, data=pixels(9))
    assert found.count("figure") == 12 * 20 * 6 and 0 < found.count("img") < found.count("figure")
    assert found.size < 3_000_000 and len(calls) == found.count("img") + 1


def test_a_page_of_long_texts_is_bounded(written: Callable[..., Structure]) -> None:
    data = tiny_data.texts(["<&>" * 2000] * 9, [0] * 9, ["train"] * 9)
    groups = tuple(tuple(f"line {number}" for number in range(6)) for _ in range(20))
    assert written(*[shown(*groups)] * 12, data=data).size < 3_000_000


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
