"""Data sets and splits, the readers of folders, tables and arrays, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlkit
from tlkit import errors
from tlkit.config import Splitting
from tlkit.data import reader_factory
from tlkit.data.readers import arrays
from tlkit.runs import job

TEXTS = ["good film", "bad film", "fine play", "poor play", "great book", "dull book"]
LABELS = ["pos", "neg"] * 3


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path_factory.mktemp("cache")))


def draw(path: Path, colour: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 6), (colour, 0, 0)).save(path)


def folder(root: Path, counts: dict[str, int], names: Sequence[str] = ("{}.png",)) -> Path:
    for place, count in counts.items():
        for number in range(count):
            draw(root / place / names[number % len(names)].format(number), number)
    return root


def table(path: Path, text: str = "", rows: Sequence[tuple[str, str]] = tuple(zip(TEXTS, LABELS, strict=True))) -> Path:
    path.write_text(text or "text,label\n" + "".join(f"{a},{b}\n" for a, b in rows), encoding="utf-8")
    return path


def of(dataset: tlkit.Data, split: str) -> list[tuple[str, str]]:
    part = getattr(dataset, split)
    return [(item, dataset.labels[label]) for item, label in zip(part.items, part.labels, strict=True)]


def everything(dataset: tlkit.Data) -> list[tuple[str, str]]:
    return sorted(of(dataset, "train") + of(dataset, "val") + of(dataset, "test"))


# === Splits ===


def test_repr_is_short(tmp_path: Path) -> None:
    (folder(tmp_path, {"a": 4, "b": 4}) / "a" / "bad.png").write_bytes(b"")
    assert repr(tlkit.image_folder(tmp_path)) == (
        f"Data({tmp_path}: image, 2 classes; train 4, val 2, test 2, 1 unreadable)"
    )


# === Fingerprint ===


def test_fingerprint_of_arrays_and_files(tmp_path: Path) -> None:
    pixels = np.arange(8 * 4 * 4 * 3, dtype=np.uint8).reshape(8, 4, 4, 3)
    first = arrays.arrays(pixels, [0, 1] * 4).fingerprint()
    pixels = pixels.copy()
    pixels[3, 0, 0, 0] += 1
    assert arrays.arrays(pixels, [0, 1] * 4).fingerprint() != first
    root = folder(tmp_path / "a", {"x": 3, "y": 3})
    other = folder(tmp_path / "b", {"x": 3, "y": 3})
    assert tlkit.image_folder(root).fingerprint() == tlkit.image_folder(other).fingerprint()
    draw(other / "x" / "1.png", 77)
    assert tlkit.image_folder(root).fingerprint() != tlkit.image_folder(other).fingerprint()


# === Folders ===


def test_folder_of_classes(tmp_path: Path) -> None:
    root = folder(tmp_path, {"dog": 5, "cat": 4, "cat/more": 1}, ["{}.PNG", "{}.jpeg", "{}.WEBP"])
    (root / ".hidden").mkdir()
    (root / "dog" / ".DS_Store").write_bytes(b"x")
    (root / "dog" / "Thumbs.db").write_bytes(b"x")
    (root / "README.md").write_text("about")
    dataset = tlkit.image_folder(root)
    assert (dataset.labels, dataset.kind, dataset.unreadable, dataset.flip) == (("cat", "dog"), "image", (), True)
    files = [(str(path), "dog" if "dog" in path.parts else "cat") for path in root.rglob("[0-9].*")]
    assert everything(dataset) == sorted(files)


def test_numbered_classes_are_in_order(tmp_path: Path) -> None:
    assert tlkit.image_folder(folder(tmp_path, {"10": 3, "9": 3})).labels == ("9", "10")


def test_given_splits_are_kept(tmp_path: Path) -> None:
    root = folder(tmp_path, {f"{s}/{c}": 2 for s in ("train", "Validation", "test") for c in "ab"})
    dataset = tlkit.image_folder(root)
    assert [Path(item).parts[-3] for item in dataset.val.items] == ["Validation"] * 4
    assert [len(split) for split in (dataset.train, dataset.val, dataset.test)] == [4, 4, 4]
    assert dataset.splitting == "The train, val and test splits were given."


@pytest.mark.parametrize(("other", "sentence"), [("test", "another as test"), ("val", "another as val; it is used as")])
def test_train_and_one_more_split(tmp_path: Path, other: str, sentence: str) -> None:
    dataset = tlkit.image_folder(folder(tmp_path, {"train/a": 20, "train/b": 20, f"{other}/a": 2, f"{other}/b": 2}))
    assert {Path(item).parts[-3] for item in dataset.test.items} == {other}
    assert {Path(item).parts[-3] for item in dataset.val.items} == {"train"}
    assert [len(split) for split in (dataset.train, dataset.val, dataset.test)] == [34, 6, 4]
    assert sentence in dataset.splitting and "15 % of each class of train was drawn as val" in dataset.splitting


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert tlkit.image_folder(folder(tmp_path, {"train": 3, "bus": 3})).labels == ("bus", "train")


def test_unreadable_files_are_named_and_left_out(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a": 4, "b": 4})
    (root / "a" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (root / "b" / "empty.png").write_bytes(b"")
    dataset = tlkit.image_folder(root)
    assert [name for name, _ in dataset.unreadable] == ["a/cut.jpg", "b/empty.png"]
    assert dataset.unreadable[1][1] == "the file is empty"
    assert len(everything(dataset)) == 8


def test_what_only_pillow_reads_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    root = folder(tmp_path / "data", {"a": 3, "b": 3}, ["{}.tiff"])
    found = tlkit.image_folder(root)
    for split in (found.train, found.val, found.test):
        for item in split.items:
            assert Path(item).parent == tmp_path / "home" / "pictures"
            with Image.open(item) as picture:
                assert picture.format == "PNG" and picture.getpixel((0, 0))[0] == int(Path(item).name[0])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "home" / "pictures").iterdir()}
    assert tlkit.image_folder(root).fingerprint() == found.fingerprint()
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "home" / "pictures").iterdir()}


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "holds nothing; put the pictures of each class into a subfolder"),
        ({".": 2}, "holds files but no subfolders; put the pictures of each class"),
        ({"a": 3}, "has a single class, 'a'; a classifier needs two"),
        ({"a": 3, "b": 1}, "has one example only of the class 'b'; add examples, or remove or merge"),
        ({"train/a": 3, "train/b": 3, "test/a": 2}, "the test split of .* lacks the class 'b', which train has; add"),
        ({"train/a": 3, "test/a": 3, "test/b": 2}, "the test split of .* has the class 'b', which train lacks; add"),
        ({"val/a": 3, "test/a": 3}, "has the splits test, val but no folder 'train'; add it"),
        ({"train/a": 3, "test/a": 3, "c": 2}, "has the folder 'c' beside its splits; move it"),
        ({"train": 3, "test": 3}, "test has no subfolders; put the pictures of each class"),
    ],
)
def test_folders_that_cannot_be_read(tmp_path: Path, counts: dict[str, int], message: str) -> None:
    with pytest.raises(errors.DataError, match=message):
        tlkit.image_folder(folder(tmp_path, counts))


def test_other_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match=r"there is no folder .*none; check the path"):
        tlkit.image_folder(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(errors.DataError, match="file is a file; give a folder"):
        tlkit.image_folder(tmp_path / "file")
    root = folder(tmp_path / "r", {"a": 3})
    (root / "b").mkdir()
    with pytest.raises(errors.DataError, match=r"the class folder 'b' in .* is empty; add pictures or remove it"):
        tlkit.image_folder(root)
    (root / "b" / "x.png").write_bytes(b"")
    with pytest.raises(errors.DataError, match=r"no file of the class 'b' .*\(b/x.png: the file is empty\); replace"):
        tlkit.image_folder(root)
    for path in (root / "a").iterdir():
        path.write_bytes(b"")
    with pytest.raises(errors.DataError, match=r"no readable example to train on \(4 could not be read; a/0.png: the"):
        tlkit.image_folder(root)


def test_trashnet(shared: Path) -> None:
    dataset = tlkit.image_folder(shared / "trashnet")
    assert [len(split) for split in (dataset.train, dataset.val, dataset.test)] == [1769, 379, 379]
    assert dataset.unreadable == () and len(dataset.labels) == 6


# === read ===


def test_read_chooses_by_what_is_there(tmp_path: Path) -> None:
    assert reader_factory.read(str(folder(tmp_path / "p", {"a": 3, "b": 3}))).kind == "image"
    path = table(tmp_path / "t.csv", "x,y\n" + "".join(f"{a},{b}\n" for a, b in zip(TEXTS, LABELS, strict=True)))
    dataset = reader_factory.read(str(path), text_column="x", label_column="y", seed=4)
    assert dataset.kind == "text" and "(seed 4)" in dataset.splitting
    assert reader_factory.read("digits", seed=4).source == "digits"


def test_a_path_wins_over_a_sample_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "digits", {"a": 3, "b": 3})
    dataset = reader_factory.read("digits")
    assert dataset.labels == ("a", "b")
    assert "The folder digits was read, not the packaged sample of the same name." in dataset.splitting
    folder(tmp_path / "other", {"a": 3, "b": 3})
    assert "packaged" not in reader_factory.read("other").splitting


def test_read_passes_names_to_tfds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_factory, "tfds", lambda name, *, splitting, strict: (name, splitting, strict))
    assert reader_factory.read("tfds:glue:sst2", seed=2, strict=True) == ("glue:sst2", Splitting(2), True)


def test_read_says_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="unknown data set 'digts'; did you mean digits"):
        reader_factory.read("digts")
    for missing in (str(tmp_path / "photos"), "photos/", "t.csv"):
        with pytest.raises(errors.DataError, match=r"there is no file or folder .*; check the path"):
            reader_factory.read(missing)
    with pytest.raises(errors.InputError, match=r"digits is not a table file; leave out text_column and root$"):
        reader_factory.read("digits", text_column="a", root="b")


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "a/" * 3000])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(errors.TlkitError, match=r"there is no file or folder a|unknown data set 'a"):
        reader_factory.read(name)
    assert job.kind_of(job.Job(data=name, out="x")) is None


def test_read_tells_pictures_from_texts(tmp_path: Path) -> None:
    folder(tmp_path / "p", {"a": 3, "b": 3})
    lines = [f"{label}/{number}.png,{label}" for label in "ab" for number in range(3)]
    manifest = table(tmp_path / "p" / "t.csv", "\n".join(["file,label", *lines]))
    assert reader_factory.read(str(manifest), seed=3).fingerprint() == tlkit.image_table(manifest, seed=3).fingerprint()
    moved = table(tmp_path / "t.csv", "\n".join(["where,label", *lines]))
    assert reader_factory.read(str(moved), image_column="where", root=str(tmp_path / "p")).kind == "image"
    texts = table(tmp_path / "u.csv", "\n".join(["file,text,label", *(f"x.png,{line}" for line in lines)]))
    assert reader_factory.read(str(texts)).kind == "text"
    with pytest.raises(errors.InputError, match=r"u.csv holds texts, which have no folder; leave out root, or name an"):
        reader_factory.read(str(texts), root="p")


def test_read_is_strict_where_it_is_asked_to(tmp_path: Path) -> None:
    rows = [*zip(TEXTS, LABELS, strict=True), ("", "pos")]
    path = table(tmp_path / "t.csv", rows=rows)
    assert len(reader_factory.read(str(path)).unreadable) == 1
    with pytest.raises(errors.DataError, match="1 could not be read; line 8: an empty text"):
        reader_factory.read(str(path), strict=True)


def test_a_table_at_an_address_is_read(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    address = f"file://{path}"
    assert everything(reader_factory.read(address)) == everything(tlkit.text_table(path))
    manifest = "\n".join(["image,label", *(f"p/{label}/{n}.png,{label}" for label in "ab" for n in range(3))])
    table(tmp_path / "m.csv", manifest)
    folder(tmp_path / "p", {"a": 3, "b": 3})
    assert (
        reader_factory.read(f"file://{tmp_path}/m.csv").fingerprint()
        == tlkit.image_table(tmp_path / "m.csv").fingerprint()
    )
    with pytest.raises(errors.DataError, match=r"there is no file file:///none/t.csv; check it"):
        reader_factory.read("file:///none/t.csv")
