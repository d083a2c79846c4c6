"""The report's page: every chapter is there, it is well-formed and self-contained, and nothing in it is run."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import stories

from tlkit import story
from tlkit.report import score
from tlkit.story import Story

VOID = {"meta", "img", "br"}
CHAPTERS = [
    "Result", "Verdicts", "Data", "Training", "Classes", "Confusions", "Mistakes", "Calibration", "Making",
]  # fmt: skip


class Structure(HTMLParser):
    """Read a page strictly: every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def chapters(self) -> list[str]:
        return [attrs["href"][1:].capitalize() for tag, attrs in self.tags if tag == "a"]


def read(told: Story, tmp_path: Path) -> tuple[Structure, str]:
    story.write(told, tmp_path / "report.html")
    written = (tmp_path / "report.html").read_text("utf-8")
    return Structure(written), written


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Structure, str]:
    return read(stories.story(3), tmp_path_factory.mktemp("page"))


def test_every_chapter_is_there(pictures: tuple[Structure, str]) -> None:
    page, _ = pictures
    assert page.chapters() == CHAPTERS
    told = stories.story(3)
    low, high = told.report.intervals()["accuracy"]
    assert f"{told.report.accuracy:.3f}accuracy{low:.3f} to {high:.3f}" in page.text
    for words in (
        "3 pictures stand twice", "head and 2 blocks", "1,202,562", "was computed once, for 1,200 examples",
        "temperature of 1.300", "tlkit train photos --out RUN", "it overfits", "95% sure", "Drawn at random.",
    ):  # fmt: skip
        assert words in page.text, words
    assert sum(tag == "svg" for tag, _ in page.tags) == 4
    assert sum(tag == "figure" for tag, _ in page.tags) == len(told.report.mistakes) == 12


def test_the_page_stands_alone_and_runs_nothing(pictures: tuple[Structure, str]) -> None:
    page, written = pictures
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    for _, attrs in page.tags:
        for name in ("src", "href", "xlink:href"):
            assert re.match(r"data:image/|#", attrs.get(name) or "#"), attrs
        assert not any(name.startswith("on") for name in attrs)
    assert "default-src 'none'" in written and stories.HOSTILE not in written and stories.HOSTILE in page.text
    assert "/home/me" not in written


def test_texts_are_shown_as_text(tmp_path: Path) -> None:
    page, written = read(stories.story(2, "text"), tmp_path)
    assert "<b>bold</b>" in page.text and "<b>bold" not in written
    assert sum(tag == "blockquote" for tag, _ in page.tags) > 12


def test_of_a_report_alone_there_are_fewer_chapters(tmp_path: Path) -> None:
    bare = score([0, 1, 1], np.eye(2)[[0, 1, 0]], ["a", "b"])
    page, _ = read(Story(bare), tmp_path)
    assert page.chapters() == ["Result", "Verdicts", "Classes", "Confusions", "Calibration"]
    loaded = dataclasses.replace(bare, y_true=None, probabilities=None)
    assert "bootstrap" in page.text and "bootstrap" not in read(Story(loaded), tmp_path)[0].text


def test_a_page_of_many_classes_stays_small(tmp_path: Path) -> None:
    page, written = read(stories.story(120), tmp_path)
    assert len(written) < 3_000_000 and "class 119" in page.text and "and 60 more classes" in page.text


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROBE = re.compile(r"CONSOLE|Refused|ERR_", re.IGNORECASE)


@pytest.mark.all
@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")
@pytest.mark.parametrize("kind", ["image", "text"])
@pytest.mark.parametrize("width", [1100, 390])
def test_a_browser_shows_it(tmp_path: Path, kind: str, width: int) -> None:
    from PIL import Image

    story.write(stories.story(12, kind), tmp_path / "report.html")
    shot = tmp_path / "shot.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--hide-scrollbars"]
    asked = [f"--user-data-dir={tmp_path}", f"--window-size={width},2000", f"--screenshot={shot}"]
    command = [CHROMIUM, *options, *asked, f"file://{tmp_path / 'report.html'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580)
    assert not PROBE.findall(done.stderr), done.stderr[-2000:]
    with Image.open(shot) as picture:
        assert picture.size == (width, 2000) and len(picture.convert("RGB").getcolors(1 << 24)) > 200
