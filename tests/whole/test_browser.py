"""Reports of trained models in a browser: nothing is fetched, nothing complains, all chapters are there."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.evaluation import evaluate
from tlkit.reporting import report_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--hide-scrollbars", "--no-first-run",
    "--disable-sync", "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
]  # fmt: skip
COMPLAINT = re.compile(r":CONSOLE[:(]\d+|Refused to|net::ERR_", re.IGNORECASE)
HOSTILE = '<script>document.title="taken"</script>'
OWN = ("google", "gstatic", "gvt1")  # a browser's own affairs
LEADING, ENDING = ["result", "verdicts", "data", "training"], ["calibration", "making"]
# by what is learned, the chapters
KINDS = {
    "picture": [
        *LEADING[:3],
        "amount-of-data",
        "training",
        "classes",
        "confusions",
        "mistakes",
        "calibration",
        "making",
    ],
    "text": [*LEADING, "classes", "confusions", "mistakes", *ENDING],
    "tags": [*LEADING, "tags", "mistakes", "making"],
    "value": [*LEADING, "mistakes", "making"],
}


@dataclass
class Browser:
    """Open pages, and keep what was asked of the network and what the browser said."""

    folder: Path
    port: int
    asked: list[str]

    def open(self, page: Path, *options: str) -> subprocess.CompletedProcess:
        """Open a page and let the browser do what the options say."""
        proxy = [f"--proxy-server=http://127.0.0.1:{self.port}", f"--user-data-dir={self.folder}"]
        command = [CHROMIUM, *FLAGS, *proxy, *options, page.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)

    def outside(self) -> list[str]:
        """Return what was asked of the network since the last call, but for the browser's own affairs."""
        found, self.asked[:] = [url for url in self.asked if not any(name in url for name in OWN)], []
        return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Stand between a browser and the network, and refuse everything."""
    asked: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(502)

        do_CONNECT = do_POST = do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Browser(tmp_path_factory.mktemp("browser"), server.server_address[1], asked)
    server.shutdown()
    server.server_close()


def test_the_browser_would_notice(browser: Browser, tmp_path: Path) -> None:
    """Show what the tests below rely on: a request and an error are seen."""
    page = tmp_path / "bad.html"
    page.write_text("<title>x</title><img src='http://outside.example/a.png'><script>nothing()</script>")
    done = browser.open(page, "--dump-dom")
    assert any("outside.example" in url for url in browser.outside()) and COMPLAINT.search(done.stderr)


# === Runs ===


def picture_data(task: str) -> tlkit.Data:
    """Return noisy pictures of 32 pixels whose brightness or redness tells what is learned, labels hostile."""
    rng = np.random.default_rng(0)
    numbers = np.arange(240) % 2
    items = rng.integers(0, 200, (240, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    items[..., 0] = np.minimum(items[..., 0] * 0.7 + 60 * numbers[:, None, None], 255)
    labels = [HOSTILE, "red"]
    if task == "tags":
        given = np.stack([numbers, rng.integers(0, 2, 240), numbers ^ (rng.random(240) < 0.2)], 1).astype(np.float32)
        return made(items, given, (*labels, "odd"), task)
    if task == "value":
        return made(items, (1000 + 20 * items[..., 0].mean((1, 2))).astype(np.float32), ("price",), task)
    return made(items, numbers, labels, task)


def made(items: np.ndarray, given: np.ndarray, labels: tuple[str, ...], task: str) -> tlkit.Data:
    """Part examples into splits."""
    whole = tlkit.Split(items.astype(np.uint8), given)
    parts = [whole.take(np.arange(start, stop)) for start, stop in ((0, 160), (160, 200), (200, 240))]
    return tlkit.Data(*parts, tuple(labels), "image", "/home/me/photos", "Drawn at random.", task=task)


def text_data() -> tlkit.Data:
    data = tiny_models.topics(each=40, labels=(HOSTILE, "money"))
    texts = [[f"{HOSTILE} {text}" for text in split.items] for split in data.splits().values()]
    splits = [tlkit.Split(own, split.labels) for own, split in zip(texts, data.splits().values(), strict=True)]
    return tlkit.Data(*splits, data.labels, "text", "mails.csv", "Drawn at random.")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Train a model of each kind, a little, and write its page."""
    place = tmp_path_factory.mktemp("pages")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_HOME", str(place / "home"))
        for kind in KINDS:
            data = text_data() if kind == "text" else picture_data({"picture": "label"}.get(kind, kind))
            if kind == "text":
                weights = str(tiny_models.tiny_bert(place / "bert"))
                clf = tlkit.classifier("minilm_l6", "mean_dense", data.target, size=32, weights=weights)
            else:
                clf = tiny_models.tiny_classifier(data.target, size=32)
            curve = tlkit.learning_curve(clf, data) if kind == "picture" else ()
            phases = [tlkit.Phase("head", 3, 1e-2), tlkit.Phase("top", 2, 1e-4, unfreeze=1)]
            history = tlkit.fit(clf, data, phases=phases, augment="none", progress=False)
            if kind in ("picture", "text"):
                tlkit.calibrate(clf, data.val)
            measured = evaluate.evaluate(clf, data.test, history=history)
            found[kind] = place / f"{kind}.html"
            report_page.write(report_page.Story(measured, clf, data, history, amounts=curve), found[kind])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_in_a_browser(kind: str, pages: dict[str, Path], browser: Browser) -> None:
    browser.outside()
    done = browser.open(pages[kind], "--dump-dom")
    assert not COMPLAINT.findall(done.stderr), done.stderr[-2000:]
    assert browser.outside() == []
    assert re.findall(r'<h2 id="([^"]*)"', done.stdout) == KINDS[kind]
    assert "<script" not in done.stdout and "<title>taken" not in done.stdout
    assert kind == "value" or "&lt;script&gt;" in done.stdout
    assert pages[kind].stat().st_size < 3_000_000 and "/home/me" not in done.stdout


@pytest.mark.parametrize("width", [1100, 500])
@pytest.mark.parametrize("kind", KINDS)
def test_a_screenshot_of_it(kind: str, width: int, pages: dict[str, Path], browser: Browser, tmp_path: Path) -> None:
    from PIL import Image

    shot = tmp_path / "shot.png"
    browser.open(pages[kind], f"--window-size={width},2000", f"--screenshot={shot}")
    with Image.open(shot) as picture:
        assert picture.size == (width, 2000) and len(picture.convert("RGB").getcolors(1 << 24)) > 200
