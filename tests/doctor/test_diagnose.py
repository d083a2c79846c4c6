"""The doctor: what hurts, told before a step is trained."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import tlkit
from tests.helpers import tiny_models
from tlkit.data import splitting
from tlkit.data.splits import joined
from tlkit.doctor import diagnose
from tlkit.errors import OfflineError


@pytest.fixture
def colours() -> tlkit.Data:
    """Red and blue pictures, three of them under the wrong label."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    pixels = rng.integers(0, 120, (120, 32, 32, 3)).astype(np.uint8)
    pixels[labels == 0, ..., 0] += 120
    pixels[labels == 1, ..., 2] += 120
    names = labels.copy()
    names[[5, 40, 77]] = 1 - names[[5, 40, 77]]
    return tlkit.arrays(pixels, names, labels=["red", "blue"])


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge by a small network of random weights in place of a pretrained one."""
    clf = tiny_models.spread(tiny_models.tiny_classifier(2), tiny_models.pictures(16, 16))
    monkeypatch.setattr(diagnose, "classifier", lambda *_, **__: clf)


@pytest.fixture
def telling(untrained: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take for features what tells the classes apart: a few pixels in colour."""

    def pixels(_: object, split: tlkit.Split, __: None, ___: bool) -> np.ndarray:
        return split.items[:, ::8, ::8].reshape(len(split), -1).astype(np.float32)

    monkeypatch.setattr(diagnose, "_vectors", pixels)


def test_wrong_labels_are_found_by_what_the_frozen_part_says(colours: tlkit.Data, telling: None) -> None:
    found = [finding for finding in diagnose.diagnose(colours).findings if finding.code == "suspect_label"]
    assert len(found) == 1 and {"5", "40", "77"} <= {name for (name,) in found[0].examples}
    assert found[0].count <= 6 and "labels of 120 examples are probably wrong" in found[0].title
    said = dict(zip([name for (name,) in found[0].examples], found[0].said, strict=True))
    assert said["5"] == "labelled red, looks like blue"


@pytest.mark.parametrize("task", ["tags", "value"])
def test_tags_and_values_are_not_judged(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnose, "classifier", lambda *_, **__: pytest.fail("the backbone was built"))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)
    truths = np.eye(2)[np.arange(40) % 2] if task == "tags" else np.arange(40.0)
    found = diagnose.diagnose(tlkit.arrays(pixels, truths, task=task))
    assert [finding.code for finding in found.findings] == ["not_checked"] and found.task == task
    assert f"that is done for one label each, not for {task}" in found.findings[0].title
    assert diagnose.diagnose(tlkit.arrays(pixels, truths, task=task), labels=False).findings == ()


def test_labels_are_judged_only_where_asked_for(colours: tlkit.Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the backbone was built")

    monkeypatch.setattr(diagnose, "classifier", fail)
    assert all(finding.code != "suspect_label" for finding in diagnose.diagnose(colours, labels=False).findings)


def test_without_weights_the_rest_is_examined_and_that_is_said(
    colours: tlkit.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OfflineError("no weights here")

    monkeypatch.setattr(diagnose, "classifier", offline)
    (finding,) = [finding for finding in diagnose.diagnose(colours).findings if finding.code == "not_checked"]
    assert finding.title == "labels were not judged: no weights here" and finding.severity == "note"


def test_classes_too_small_to_judge(untrained: None) -> None:
    pixels = tiny_models.pictures(6, 32).astype(np.uint8)
    data = tlkit.arrays(pixels, [0, 0, 0, 1, 1, 1])
    few = dataclasses.replace(data, val=data.val.take(np.array([], int)), test=data.test.take(np.array([], int)))
    (finding,) = [finding for finding in diagnose.diagnose(few).findings if finding.code == "not_checked"]
    assert "wrong labels are found only among two or more classes" in finding.title


def test_features_come_in_the_order_of_the_examples(untrained: None) -> None:
    pixels = tiny_models.pictures(70, 16, seed=3).astype(np.uint8)
    clf = diagnose.classifier()
    split = tlkit.Split(pixels, np.zeros(70, int))
    backwards = tlkit.Split(pixels[::-1].copy(), np.zeros(70, int))
    straight = diagnose._vectors(clf, split, None, False)
    assert straight.shape[0] == 70 and np.ptp(straight, axis=0).max() > 0
    assert np.allclose(diagnose._vectors(clf, backwards, None, False)[::-1], straight, atol=1e-5)
    assert not np.allclose(straight[::-1], straight, atol=1e-5)


def test_more_examples_than_are_judged(colours: tlkit.Data, telling: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnose, "MAX_EXAMPLES_JUDGED", 112)
    (finding,) = [finding for finding in diagnose.diagnose(colours).findings if finding.code == "suspect_label"]
    assert "labels of 112 examples, drawn from 120 are probably wrong" in finding.title


@pytest.mark.slow
def test_trashnet_and_sms_spam(shared: Path) -> None:
    photos = diagnose.diagnose(tlkit.image_folder(shared / "trashnet"), labels=False)
    (conflict,) = [finding for finding in photos.findings if finding.code == "conflict"]
    assert conflict.count == 3
    spam = diagnose.diagnose(tlkit.text_table(shared / "text" / "sms_spam.csv"), labels=False)
    (repeats,) = [finding for finding in spam.findings if finding.code == "duplicate_text"]
    assert "403" in repeats.title


def made_folder(photos: Path, root: Path) -> dict[str, str]:
    """Copy photographs into train, val and test, and 60 of train's once more into val; return what was made of them."""
    made: dict[str, str] = {}
    for label in ("cardboard", "glass", "metal"):
        files = sorted((photos / label).iterdir())
        for split, chosen in (("train", files[:120]), ("val", files[120:170]), ("test", files[170:220])):
            (root / split / label).mkdir(parents=True)
            for file in chosen:
                shutil.copy(file, root / split / label)
        for number, file in enumerate(files[:60:3]):
            kind = ("encoded", "resized", "mirrored")[number % 3]
            with Image.open(file) as picture:
                changed = {
                    "encoded": lambda p: p,
                    "resized": lambda p: p.resize((p.width * 3 // 5, p.height * 3 // 5)),
                    "mirrored": ImageOps.mirror,
                }[kind](picture)
                name = f"{kind}-{file.stem}.jpg"
                changed.save(root / "val" / label / name, quality=70)
            made[f"val/{label}/{name}"] = f"train/{label}/{file.name}"
    return made


@pytest.mark.slow
def test_changed_copies_across_train_and_val_are_found_and_little_else(shared: Path, tmp_path: Path) -> None:
    made = made_folder(shared / "trashnet", tmp_path / "photos")
    data = tlkit.image_folder(tmp_path / "photos")
    seen = joined(list(data.splits().values())).traits
    pairs = {frozenset((seen.names[a], seen.names[b])) for a, b in splitting.near(seen)}
    wanted = {frozenset(pair) for pair in made.items()}
    assert len(wanted) == 60 and len(wanted - pairs) <= 1
    assert len(pairs - wanted) <= 0.01 * len(seen.names)
    (leak,) = [finding for finding in diagnose.diagnose(data, labels=False).findings if finding.code == "leak"]
    assert leak.severity == "error" and 59 <= leak.count <= 62 and "val examples" in leak.title
