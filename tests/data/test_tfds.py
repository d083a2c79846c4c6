"""Data sets of TensorFlow Datasets."""

from __future__ import annotations

import builtins
import io
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tlkit
from tests.helpers.tiny_data import everything
from tlkit import errors
from tlkit.data import reader_factory
from tlkit.data.readers import tfds

library = pytest.importorskip("tensorflow_datasets", reason="needs tensorflow-datasets")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path_factory.mktemp("cache")))


# === TensorFlow Datasets ===


def picture(value: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (5 + value % 3, 6), (value, 0, 0)).save(out, "PNG")
    return out.getvalue()


def builder(
    folder: Path, features: dict[str, Any], splits: dict[str, list[dict]], keys: tuple | None = ("x", "label")
) -> Any:
    """Make and prepare a real data set."""
    core = library.core

    class Tiny(core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = core.Version("1.0.0")
        pkg_dir_path = folder

        def _info(self) -> Any:
            facts = library.features.FeaturesDict(features)
            return core.DatasetInfo(builder=self, features=facts, supervised_keys=keys)

        def _split_generators(self, manager: Any) -> dict[str, Iterator]:
            return {name: enumerate(examples) for name, examples in splits.items()}

        def _generate_examples(self) -> None: ...

    made = Tiny(data_dir=str(folder))
    made.download_and_prepare()
    return made


def pictures(count: int, label: int | None = None) -> list[dict]:
    return [{"x": io.BytesIO(picture(i * 20)), "label": i % 2 if label is None else label} for i in range(count)]


def image_features() -> dict[str, Any]:
    return {"x": library.features.Image(), "label": library.features.ClassLabel(names=["even", "odd"])}


def text_features() -> dict[str, Any]:
    return {"x": library.features.Text(), "label": library.features.ClassLabel(num_classes=2)}


def test_a_prepared_folder_gives_the_original_files(tmp_path: Path) -> None:
    made = builder(tmp_path, image_features(), {"train": pictures(10), "validation": pictures(4), "test": pictures(4)})
    dataset = tlkit.tfds(str(made.data_dir))
    assert (dataset.labels, dataset.kind) == (("even", "odd"), "image")
    assert [len(split) for split in (dataset.train, dataset.val, dataset.test)] == [10, 4, 4]
    assert sorted(everything(dataset)[:10]) == sorted((picture(i * 20), ["even", "odd"][i % 2]) for i in range(10))
    assert dataset.splitting == "The train, val and test splits were given."


def test_unlabelled_and_other_splits_are_not_used(tmp_path: Path) -> None:
    given = {"train": pictures(12), "test": pictures(4, -1), "extra": pictures(4)}
    dataset = tlkit.tfds(str(builder(tmp_path, image_features(), given).data_dir))
    assert [len(split) for split in (dataset.train, dataset.val, dataset.test)] == [8, 2, 2]
    assert "Not used, for want of a place or of labels: extra, test." in dataset.splitting


def test_texts_of_a_builder(tmp_path: Path) -> None:
    rows = [{"x": f"text {i} é", "label": i % 2} for i in range(10)]
    dataset = tlkit.tfds(str(builder(tmp_path, text_features(), {"train": rows}).data_dir))
    assert sorted(everything(dataset)) == [(f"text {i} é", str(i % 2)) for i in range(10)]
    assert dataset.kind == "text"


def test_unreadable_pictures_of_a_builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = builder(tmp_path, image_features(), {"train": pictures(10)})
    check = tfds.image_folder.pictures

    def broken(items: list[bytes], called: list[str]) -> tuple:
        return check([b"" if item == picture(0) else item for item in items], called)

    monkeypatch.setattr(tfds.image_folder, "pictures", broken)
    dataset = tlkit.tfds(str(made.data_dir))
    assert [reason for _, reason in dataset.unreadable] == ["the file is empty"]
    assert all(
        label == ["even", "odd"][[picture(i * 20) for i in range(10)].index(x) % 2] for x, label in everything(dataset)
    )
    assert len(everything(dataset)) == 9


def test_class_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("a", "b"):
            for number in range(3):
                path = tmp_path / split / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(number))
    assert [info.num_examples for info in library.folder_dataset.ImageFolder(tmp_path).info.splits.values()] == [6, 6]
    dataset = tlkit.tfds(str(tmp_path))
    assert dataset.labels == ("a", "b") and len(dataset.test) == 6


def test_a_registered_name_with_mock_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TLKIT_OFFLINE")
    monkeypatch.setattr(tfds.download, "reachable", lambda address: True)
    with library.testing.mock_data(num_examples=30):
        monkeypatch.setattr(tfds, "_splits", lambda made: ["train", "test"])
        dataset = reader_factory.read("tfds:mnist", seed=1)
        texts = tlkit.tfds("imdb_reviews:plain_text", data_dir=tmp_path)
    assert dataset.kind == "image" and dataset.source == "tfds:mnist" and len(everything(dataset)) == 60
    assert all(isinstance(item, bytes) for item, _ in everything(dataset))
    assert texts.labels == ("neg", "pos") and isinstance(texts.train.items[0], str)


def test_a_label_that_is_a_plain_number() -> None:
    features = library.features.FeaturesDict({"text": library.features.Text(), "intent": np.int32})
    info = types.SimpleNamespace(features=features, supervised_keys=("text", "intent"))
    assert tfds._keys(library, info, "clinc_oos") == ("text", "intent", "text")
    features = library.features.FeaturesDict({"text": library.features.Text(), "intent": np.float32})
    info = types.SimpleNamespace(features=features, supervised_keys=("text", "intent"))
    with pytest.raises(errors.DataError, match="stars is not made of pictures or texts with one label each"):
        tfds._keys(library, info, "stars")


def test_an_unknown_name() -> None:
    with pytest.raises(errors.InputError, match=r"unknown TensorFlow Datasets name 'mnits'; did you mean .*mnist"):
        tlkit.tfds("mnits")
    with pytest.raises(errors.InputError, match=r"TensorFlow Datasets refuses 'glue:nonsense': .*; check its config"):
        tlkit.tfds("glue:nonsense")


def test_a_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.OfflineError, match=r"TLKIT_OFFLINE is set, so the data set tf_flowers is not fetched"):
        tlkit.tfds("tf_flowers", data_dir=tmp_path)
    monkeypatch.delenv("TLKIT_OFFLINE")
    monkeypatch.setattr(tfds.download, "reachable", lambda address: False)
    with pytest.raises(errors.DataError, match=r"tf_flowers has to be downloaded, and http.* does not answer; prepare"):
        tlkit.tfds("tf_flowers", data_dir=tmp_path)


def test_a_download_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, **options: Any) -> None:
        raise OSError("no more disk\nmore")

    monkeypatch.delenv("TLKIT_OFFLINE")
    monkeypatch.setattr(tfds.download, "reachable", lambda address: True)
    monkeypatch.setattr(library.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(
        errors.DataError, match="cannot prepare tf_flowers: no more disk; prepare it on another machine"
    ):
        tlkit.tfds("tf_flowers", data_dir=tmp_path)


@pytest.mark.parametrize("keys", [None, ("label", "x")])
def test_other_features_are_refused(tmp_path: Path, keys: tuple | None) -> None:
    made = builder(tmp_path, text_features(), {"train": [{"x": "a", "label": 1}]}, keys)
    with pytest.raises(
        errors.DataError, match=r"is not made of pictures or texts .* \(features: .*label.*x.*\); choose"
    ):
        tlkit.tfds(str(made.data_dir))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **options: Any) -> Any:
        if name == "tensorflow_datasets":
            raise ImportError("none here")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(errors.DataError, match=r"cannot be imported \(none here\); pip install tensorflow-datasets"):
        tlkit.tfds("mnist")


def test_texts_to_write_from(tmp_path: Path) -> None:
    features = {
        "article": library.features.Text(),
        "highlights": library.features.Tensor(shape=(), dtype=np.str_),
        "turn": library.features.Tensor(shape=(), dtype=np.int32),
        "notes": library.features.Sequence(library.features.Text()),
    }
    rows = [{"article": f"the {n}th", "highlights": f"\u00e9 {n}", "turn": n, "notes": ["x"]} for n in range(9)]
    made = builder(tmp_path, features, {"train": rows, "validation": rows[:2], "extra": rows[:1]}, None)
    dataset = reader_factory.read(f"tfds:{made.data_dir}", task="summary")
    assert dataset.source == f"tfds:{made.data_dir}" and "another as val" in dataset.splitting
    assert dataset.train.traits.names[0].startswith("train line ")
    found = {item.parts for split in (dataset.train, dataset.val) for item in split.items}
    assert found == {(f"the {n}th", f"\u00e9 {n}") for n in range(9)}
    with pytest.raises(errors.DataError, match=r"has no column 'turn'; it has article, highlights"):
        reader_factory.read(f"tfds:{made.data_dir}", task="summary", label_column="turn")
