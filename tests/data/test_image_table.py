"""Manifests: tables that list pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

import tlkit
from tlkit.config import Splitting
from tlkit.data.readers.image_table import IMAGE_COLUMNS, image_table, kind_of
from tlkit.errors import DataError, InputError

FILES = [(f"photos/{label}{number}.png", label) for label in ("cat", "dog") for number in range(4)]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with the pictures of FILES."""
    (tmp_path / "photos").mkdir()
    for number, (name, _) in enumerate(FILES):
        Image.new("RGB", (6, 6), (20 * number, 0, 0)).save(tmp_path / name)
    return tmp_path


def manifest(path: Path, lines: list[tuple[str, str]], header: str = "image,label") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, line)) for line in lines)]))
    return path


def named(dataset: tlkit.Data) -> dict[str, tuple[str, str]]:
    """Return path and class of each example by its name."""
    parts = dataset.splits().values()
    found = [
        (name, item, label)
        for part in parts
        for name, item, label in zip(part.traits.names, part.items, part.labels, strict=True)
    ]
    assert len({name for name, _, _ in found}) == len(found)
    return {name: (item, dataset.labels[label]) for name, item, label in found}


# === Pictures ===


def test_paths_relative_to_the_manifest(root: Path) -> None:
    dataset = image_table(manifest(root / "m.csv", FILES), seed=7)
    assert named(dataset) == {name: (str(root / name), label) for name, label in FILES}
    assert (dataset.kind, dataset.labels, dataset.source) == ("image", ("cat", "dog"), str(root / "m.csv"))
    assert dataset.unreadable == () and "(seed 7)" in dataset.splitting
    assert dataset.train.traits.looks["width"].tolist() == [6] * len(dataset.train)


def test_paths_relative_to_a_root_elsewhere(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = manifest(tmp_path_factory.mktemp("lists") / "m.csv", FILES)
    for place in (root, str(root)):
        assert named(image_table(path, root=place)) == {name: (str(root / name), label) for name, label in FILES}
    assert named(image_table(path, root=f"file://{root}"))[FILES[0][0]] == (f"file://{root}/{FILES[0][0]}", "cat")


def test_absolute_paths_addresses_and_paths_that_lead_upward(root: Path) -> None:
    (root / "lists").mkdir()
    written = [f"../{FILES[0][0]}", str(root / FILES[1][0]), f"file://{root}/{FILES[2][0]}"]
    written += [f" ../{name} " for name, _ in FILES[3:]]
    lines = [(one, label) for one, (_, label) in zip(written, FILES, strict=True)]
    found = named(image_table(manifest(root / "lists" / "m.csv", lines)))
    assert set(found) == {one.strip() for one in written}
    assert found[written[0]] == (str(root / "lists" / written[0]), "cat")
    assert found[written[1]] == (written[1], "cat") and found[written[2]] == (written[2], "cat")


def test_a_manifest_in_the_current_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    manifest(root / "m.csv", FILES)
    assert named(image_table("m.csv")) == {name: (name, label) for name, label in FILES}


@pytest.mark.parametrize("column", [*IMAGE_COLUMNS, "File_Name"])
def test_columns_that_are_known(root: Path, column: str) -> None:
    lines = [{column: name, "class": number // 4} for number, (name, _) in enumerate(FILES)]
    path = root / "m.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    dataset = image_table(path)
    assert dataset.labels == ("0", "1") and {item for item, _ in named(dataset).values()} == {
        str(root / name) for name, _ in FILES
    }


def test_columns_that_are_named(root: Path) -> None:
    lines = [("x", name, "y", label) for name, label in FILES]
    path = manifest(root / "m.csv", lines, "image,where,label,what")
    assert set(named(image_table(path, image_column="where", label_column="what"))) == {name for name, _ in FILES}
    with pytest.raises(DataError, match=r"has no column 'who'; it has image, where, label, what"):
        image_table(path, image_column="who")
    path = manifest(root / "n.csv", FILES, "where,label")
    with pytest.raises(
        DataError, match=r"no column called image, image_path, ...; it has .*; name one with image_colu"
    ):
        image_table(path)
    with pytest.raises(DataError, match=r"no column called label, category, .*; name one with label_column="):
        image_table(manifest(root / "o.csv", FILES, "image,breed"))


def test_splits_and_groups(root: Path) -> None:
    sides = ["train", "train", "val", "test"] * 2
    lines = [(*line, side) for line, side in zip(FILES, sides, strict=True)]
    dataset = image_table(manifest(root / "m.csv", lines, "image,label,split"))
    assert dataset.test.traits.names.tolist() == [FILES[3][0], FILES[7][0]]
    assert [len(split) for split in dataset.splits().values()] == [4, 2, 2]
    lines = [(*line, number // 2) for number, line in enumerate(FILES)]
    path = manifest(root / "g.csv", lines, "image,label,animal")
    with pytest.raises(DataError, match="has no column 'beast'; it has image, label, animal"):
        image_table(path, splitting=Splitting(group_by="beast"))
    lines = [(*line, number // 2, side) for number, (line, side) in enumerate(zip(FILES, sides, strict=True))]
    dataset = image_table(
        manifest(root / "h.csv", lines, "image,label,animal,split"), splitting=Splitting(group_by="animal")
    )
    assert dataset.test.traits.groups.tolist() == ["1", "3"]


def test_a_splits_file_finds_every_path(root: Path) -> None:
    path = manifest(root / "m.csv", FILES)
    dataset = image_table(path)
    dataset.write_splits(root / "splits.csv")
    again = image_table(path, splitting=Splitting(5, file=str(root / "splits.csv")))
    assert again.fingerprint() == dataset.fingerprint()


# === Repeated and lost rows ===


def test_a_picture_listed_again(root: Path) -> None:
    again = [FILES[0], (f"photos/../{FILES[1][0]}", "cat"), (FILES[2][0], "dog"), (FILES[2][0], "dog")]
    dataset = image_table(manifest(root / "m.csv", FILES + again))
    expected = {name: (str(root / name), label) for name, label in FILES}
    expected[f"{FILES[2][0]} (line 12)"] = (str(root / FILES[2][0]), "dog")
    assert named(dataset) == expected
    said = "3 rows list a picture again, with the same label, and were left out."
    assert dataset.splitting.endswith(said)
    assert "again" not in image_table(manifest(root / "m.csv", FILES)).splitting


def test_a_picture_in_two_splits_is_kept_in_both(root: Path) -> None:
    lines = [(*line, side) for line in FILES for side in ("train", "test")]
    dataset = image_table(manifest(root / "m.csv", lines, "image,label,split"))
    assert dataset.counts()["test"] == {"cat": 4, "dog": 4} and len(named(dataset)) == 16


def test_rows_and_files_that_are_left_out(root: Path) -> None:
    (root / "photos" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    more = [("photos/none.png", "cat"), ("photos/cut.jpg", "dog"), ("", "cat"), ("photos", "dog"), (FILES[0][0], "")]
    path = manifest(root / "m.csv", [*FILES, *more])
    reasons = dict(image_table(path).unreadable)
    assert reasons.pop("photos/cut.jpg") and reasons == {
        "line 12": "no path in the column 'image'",
        "line 14": "no label in the column 'label'",
        "photos/none.png": f"there is no file {root / 'photos/none.png'}",
        "photos": "it is a folder, not a file; check the path and its permissions",
    }
    with pytest.raises(DataError, match=r"5 could not be read; line 12: no path .*; repair or remove them"):
        image_table(path, strict=True)


def test_pipes_and_devices_are_left_out(root: Path) -> None:
    os.mkfifo(root / "pipe.png")
    (root / "zero.png").symlink_to("/dev/zero")
    dataset = image_table(manifest(root / "m.csv", [*FILES, ("pipe.png", "cat"), ("zero.png", "dog")]))
    assert len(named(dataset)) == len(FILES)
    assert {name: reason.partition(";")[0] for name, reason in dataset.unreadable} == {
        "pipe.png": "it is not a regular file but a pipe",
        "zero.png": "it is not a regular file but a device",
    }


def test_most_pictures_are_missing(root: Path) -> None:
    (root / "lists").mkdir()
    path = manifest(root / "lists" / "m.csv", FILES)
    shown = ", ".join(str(root / "lists" / name) for name, _ in FILES[:5])
    with pytest.raises(DataError) as caught:
        image_table(path)
    assert str(caught.value) == (
        f"8 of the 8 pictures that {path} lists are not there: {shown}, ...; relative paths start from "
        f"{root / 'lists'}, unless root= names another folder"
    )
    gone = [(f"none{number}.png", "cat") for number in range(8)]
    assert len(image_table(manifest(root / "m.csv", FILES + gone)).unreadable) == 8
    with pytest.raises(
        DataError, match=r"9 of the 17 pictures that .* are not there: .*none0.png, .*none4.png, \.\.\.;"
    ):
        image_table(manifest(root / "m.csv", [*FILES, *gone, ("none8.png", "dog")]))


def test_the_current_folder_is_called_a_dot(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    manifest(root / "m.csv", [("none.png", "cat")])
    with pytest.raises(DataError, match=r"1 of the 1 .*: none.png; relative paths start from \., unless"):
        image_table("m.csv")


def test_a_class_without_a_readable_picture(root: Path) -> None:
    path = manifest(root / "m.csv", [*FILES, ("photos/none.png", "emu")])
    with pytest.raises(
        DataError, match=r"no picture of the class 'emu' in .* \(photos/none.png: there is no file .*remove"
    ):
        image_table(path)


def test_addresses_that_nothing_reads(root: Path) -> None:
    lines = [(f"https://example.org/{name}", label) for name, label in FILES]
    with pytest.raises(
        DataError, match=r"TensorFlow cannot reach https://example.org/.*copy the folder to this machine"
    ):
        image_table(manifest(root / "m.csv", lines))


@pytest.mark.parametrize(
    ("cell", "message"), [("cat|dog", "several labels in one cell"), ("0.5", "fractional numbers")]
)
def test_targets_that_no_classifier_learns(root: Path, cell: str, message: str) -> None:
    lines = [(name, cell if number else {"0.5": 1}.get(cell, "cat")) for number, (name, _) in enumerate(FILES)]
    with pytest.raises(DataError, match=message):
        image_table(manifest(root / "m.csv", lines))


# === Pictures or texts ===


def test_kind_by_columns_and_values(root: Path) -> None:
    assert kind_of(manifest(root / "m.csv", [("none/a.JPG", "x"), ("b", "y"), ("c.png", "x")])) == "image"
    assert kind_of(manifest(root / "m.csv", FILES, "image,text")) == "text"
    (root / "plain").write_text("")
    assert kind_of(manifest(root / "m.csv", [("plain", "x")], "path,label")) == "image"
    (root / "lists").mkdir()
    path = manifest(root / "lists" / "m.csv", [("plain", "x")], "path,label")
    assert kind_of(path, root=root) == "image"
    with pytest.raises(
        DataError, match=r"no column called text, .*; name one with kind='table' for numbers and categories, image_"
    ):
        kind_of(path)
    assert kind_of(manifest(root / "t.csv", [("a.png", "x")], "text,label")) == "text"
    assert kind_of(root) == kind_of(str(root)) == "image"


def test_kind_by_options(root: Path) -> None:
    path = manifest(root / "m.csv", FILES, "where,what")
    assert kind_of(path, image_column="where") == "image" and kind_of(path, text_column="where") == "text"
    with pytest.raises(InputError, match="text_column='a' and image_column='b' are both given; leave out one"):
        kind_of(path, text_column="a", image_column="b")


def test_kind_looks_at_the_first_rows_only(root: Path) -> None:
    path = root / "m.jsonl"
    path.write_text("\n".join([*(json.dumps({"image": "a.png"}) for _ in range(20)), json.dumps({"text": "a"})]))
    assert kind_of(path) == "image"
