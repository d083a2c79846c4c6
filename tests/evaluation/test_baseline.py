"""The linear baseline on real digits, real texts, and data it has to refuse."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

import tlkit
from tlkit.errors import DataError, InputError
from tlkit.evaluation.baseline import STEPS, _pixels, baseline
from tlkit.tasks import targets

CITY = ["the train leaves the station", "a bus stops at the station", "the tram and the bus", "a train and a tram"]
FARM = ["the cow eats green grass", "a sheep eats the hay", "the cow and the sheep", "hay and grass for a cow"]


def split(items: object, labels: object) -> SimpleNamespace:
    return SimpleNamespace(items=items, labels=np.asarray(labels, dtype=np.int64))


def dataset(train: SimpleNamespace, test: SimpleNamespace, labels: tuple[str, ...], kind: str) -> SimpleNamespace:
    about = {"labels": labels, "kind": kind, "task": "label", "target": targets.of(labels)}
    return SimpleNamespace(train=train, val=split([], []), test=test, **about)


def texts(train: list[str], labels: list[int], names: tuple[str, ...] = ("city", "farm")) -> SimpleNamespace:
    return dataset(split(train, labels), split(["a tram stops", "green hay"], [0, 1]), names, "text")


def test_texts() -> None:
    report = baseline(texts(CITY + FARM, [0] * 4 + [1] * 4))
    assert (report.accuracy, report.n, report.split, report.labels) == (1.0, 2, "test", ("city", "farm"))
    assert report.notes == ("baseline: logistic regression on TF-IDF of words and pairs of words",)
    assert report.seconds > 0


def test_it_is_fitted_on_train_alone() -> None:
    swapped = texts(CITY + FARM, [1] * 4 + [0] * 4)
    assert baseline(swapped).accuracy == 0.0


def test_digits() -> None:
    digits = load_digits()
    pictures, labels = (digits.images * 255 / 16).astype(np.uint8), digits.target
    names = tuple(map(str, range(10)))
    data = dataset(split(pictures[:1400], labels[:1400]), split(pictures[1400:], labels[1400:]), names, "image")
    report = baseline(data)
    assert 0.88 < report.accuracy < 1.0
    assert report.notes[0] == "baseline: logistic regression on raw pixels"


def test_a_baseline_that_has_not_settled_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STEPS, "text", 1)
    notes = baseline(texts(CITY + FARM, [0] * 4 + [1] * 4)).notes
    assert notes[1:] == ("the baseline was stopped after 1 steps, before it had settled",)


@pytest.mark.parametrize(
    ("shape", "columns"),
    [((3, 8, 8), 64), ((3, 8, 8, 1), 64), ((3, 8, 8, 3), 192), ((3, 40, 64, 3), 32 * 32 * 3), ((3, 20, 64), 400)],
)
def test_pixels_are_shrunk_and_grey_stays_one_channel(shape: tuple[int, ...], columns: int) -> None:
    rows = _pixels(split(np.full(shape, 200, np.uint8), [0, 1, 0]))
    assert rows.shape == (3, columns)
    assert np.allclose(rows, 200)


def test_picture_files(tmp_path: Path, photos: dict[str, np.ndarray]) -> None:
    from PIL import Image

    paths = []
    for name, photo in photos.items():
        paths.append(str(tmp_path / f"{name}.png"))
        Image.fromarray(photo).save(paths[-1])
    files = split(paths, [0, 1, 2])
    report = baseline(dataset(files, files, tuple(photos), "image"))
    assert report.accuracy == 1.0
    assert _pixels(files).shape == (3, 32 * 32 * 3)


def test_a_class_without_training_examples_is_never_answered() -> None:
    report = baseline(texts(CITY + FARM, [0] * 4 + [2] * 4, ("city", "sea", "farm")))
    assert report.probabilities.shape == (2, 3)
    assert report.probabilities[:, 1].tolist() == [0, 0]
    assert report.probabilities[:, 2].min() > 0


# === Tags and values ===


def test_tags() -> None:
    tags = [["city", "all"]] * 4 + [["farm", "all"]] * 4
    made = tlkit.arrays(CITY + FARM, tags, task="tags")
    whole = dataclasses.replace(made, test=made.train)
    report = baseline(whole)
    assert report.target == "tags" and report.micro_f1 == report.mean_average_precision == 1.0
    assert report.notes == ("baseline: logistic regression on TF-IDF of words and pairs of words, one for each tag",)
    # a tag that all have is answered for all
    assert report.probabilities[:, whole.labels.index("all")].tolist() == [1.0] * len(whole.test)
    bare = dataclasses.replace(made.train, labels=np.zeros_like(made.train.labels))
    with pytest.raises(DataError, match="no training example has a tag; a baseline needs some"):
        baseline(dataclasses.replace(made, train=bare))


@pytest.mark.parametrize("kind", ["image", "text"])
def test_values(kind: str) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.uniform(10, 20, 120)
    pixels = (rng.integers(0, 50, (120, 4, 4)) + 10 * numbers[:, None, None]).astype(np.uint8)
    over = [[f"over{step} " * rng.integers(1, 9) for step in range(10, int(number) + 1)] for number in numbers]
    texts = ["".join(words) for words in over]
    report = baseline(tlkit.arrays(pixels if kind == "image" else texts, numbers, task="value"))
    assert report.target == "value" and report.mae < report.trivial["mae"] / 2 and report.r2 > 0.7
    assert report.notes[0].startswith("baseline: ridge regression on ")


def test_refuses_one_class() -> None:
    with pytest.raises(DataError, match="training split has fewer than two classes; a baseline needs"):
        baseline(texts(CITY, [0] * 4))


def test_refuses_an_empty_test_split() -> None:
    data = texts(CITY + FARM, [0] * 4 + [1] * 4)
    data.test = split([], [])
    with pytest.raises(DataError, match="test split has no examples; set some aside"):
        baseline(data)


def test_refuses_texts_without_words() -> None:
    with pytest.raises(DataError, match="no word in any training text; check that the right column"):
        baseline(texts(["...", "!", "", "?"], [0, 1, 0, 1]))


def test_other_errors_are_not_taken_for_missing_words() -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        baseline(texts([*CITY, *FARM, "one more"], [0] * 4 + [1] * 4))


def test_refuses_another_kind() -> None:
    data = texts(CITY + FARM, [0] * 4 + [1] * 4)
    data.kind = "sound"
    with pytest.raises(InputError, match="unknown kind of data 'sound'; choose one of: image, text"):
        baseline(data)


def test_spam_reaches_the_known_figure(shared: Path) -> None:
    with (shared / "text" / "sms_spam.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], int(row["label"] == "spam")) for row in csv.DictReader(file)]
    order = np.random.default_rng(0).permutation(len(rows))
    found, truth = [rows[i][0] for i in order], [rows[i][1] for i in order]
    data = dataset(split(found[1000:], truth[1000:]), split(found[:1000], truth[:1000]), ("ham", "spam"), "text")
    assert 0.97 < baseline(data).accuracy < 1.0
