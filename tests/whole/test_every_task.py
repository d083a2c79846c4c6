"""Tags and a value from a table to the artifact, by the command line; and the readers that give them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.artifacts import artifact
from tlkit.cli import commands
from tlkit.config import Phase, Splitting
from tlkit.errors import DataError, InputError
from tlkit.models.backbone import Backbone
from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import ImageInput
from tlkit.tasks import targets
from tlkit.tasks.predictions import TagsPrediction, ValuePrediction

TINY = ("--backbone", "tiny", "--head", "pool_dense", "--weights", "random", "--epochs", "12,1", "--batch-size", "8")
TASKS = {"tags": ("red", "dark", "left"), "value": ("price",)}
TEXTS = [f"text {number}" for number in range(40)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write pictures and two tables of them: of their colour and side as tags, and of their redness as a price."""
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    rows = {"tags": [("photo", "tags")], "value": [("photo", "price")]}
    for number in range(48):
        red, left = int(rng.integers(0, 200)), number % 3 == 0
        pixels = rng.integers(0, 40, (16, 16, 3))
        pixels[:, :, 0] += red
        pixels[:, : 8 * left, 1] += 200
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        tags = ["red"] * (red > 100) + ["dark"] * (red < 60) + ["left"] * left
        rows["tags"].append((f"{number}.png", "|".join(tags)))
        rows["value"].append((f"{number}.png", "unknown" if number == 5 else red / 2 + 1000))
    for name, table in rows.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(table)
    return folder


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Train both by the command line, once."""
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_HOME", str(place / "home"))
        row = Backbone("tiny", tiny_models.tiny_backbone, ImageInput("tf", 16, 8), ("end1", "end2", "end3"), "stem")
        patch.setitem(VISION, "tiny", row)
        for name in TASKS:
            given = ["train", str(photos / f"{name}.csv"), "--target", name, *TINY, "--out", str(place / name)]
            assert commands.main([*given, "--quiet"]) == 0
        yield {name: place / name for name in TASKS}


@pytest.mark.parametrize("task", TASKS)
def test_what_a_run_leaves(task: str, trained: dict[str, Path]) -> None:
    out = trained[task]
    told, facts = json.loads((out / "run.json").read_text()), json.loads((out / "tlkit.json").read_text())
    first = {"tags": "micro_f1", "value": "mae"}[task]
    assert told["settings"]["target"] == task and next(iter(told["figures"])) == first
    assert facts["target"]["name"] == task and set(facts["labels"]) == set(TASKS[task])
    assert facts["metrics"][first] == told["figures"][first] and facts["parity"]["real"]
    assert (out / {"tags": "tags.png", "value": "values.png"}[task]).exists() and not (out / "confusion.png").exists()
    column = {"tags": "val_accuracy", "value": "val_mae"}[task]
    assert column in (out / "metrics.csv").read_text().splitlines()[0]
    with (out / "splits.csv").open(newline="") as file:
        labels = {row["example"]: row["label"] for row in csv.DictReader(file)}
    if task == "tags":
        assert {part for label in labels.values() for part in label.split("|")} == {*TASKS["tags"], ""}
    else:
        assert all(1000 <= float(label) < 1100 for label in labels.values()) and "5.png" not in labels
        assert "no number but 'unknown' in the column 'price'" in (out / "quarantine.csv").read_text()


@pytest.mark.parametrize("task", TASKS)
def test_the_artifact_answers_as_the_model(task: str, trained: dict[str, Path], photos: Path) -> None:
    loaded = tlkit.load(trained[task])
    files = [photos / f"{number}.png" for number in range(12)]
    pixels = np.stack([np.asarray(_picture(path)) for path in files]).astype(np.float32)
    expected = loaded.model(pixels, training=False).numpy()
    found = loaded.predict(files)
    assert np.ptp(expected, axis=0).max() > 1e-3, "the answers do not differ: the comparison would be empty"
    if task == "value":
        assert isinstance(loaded.target, targets.Value) and 1000 < loaded.target.mean < 1100
        assert all(isinstance(one, ValuePrediction) and one.name == "price" for one in found)
        assert np.allclose([one.value for one in found], expected[:, 0], rtol=1e-5)
        return
    assert all(isinstance(one, TagsPrediction) for one in found)
    for one, row in zip(found, expected, strict=True):
        shares = dict(zip(loaded.labels, row, strict=True))
        assert set(one.tags) == {name for name, share in shares.items() if share >= 0.5}
        assert dict(one.top_k) == pytest.approx(shares, abs=1e-5)


def _picture(path: Path) -> object:
    from PIL import Image

    return Image.open(path)


@pytest.mark.parametrize("task", TASKS)
def test_the_card_says_what_the_answer_is(task: str, trained: dict[str, Path]) -> None:
    card = (trained[task] / "README.md").read_text()
    if task == "tags":
        assert "tags: [image-classification, tlkit]" in card
        assert "tiny + pool\\_dense, 3 tags" in card and "- Answer: any number of tags" in card
        assert "- Tags: dark, left, red" in card and 'print(answer["chosen"], answer["probabilities"])' in card
        assert "| micro-F1 | " in card and "| loss \\(binary cross-entropy, nats\\) | " in card
    else:
        assert "tags: [image-regression, tlkit]" in card and "tiny + pool\\_dense, value price" in card
        assert "- Answer: a number, in the unit of the training data" in card
        assert 'print(answer["value"])' in card and "| mean absolute error | " in card


@pytest.mark.parametrize("task", TASKS)
def test_predict(task: str, trained: dict[str, Path], photos: Path, capsys: pytest.CaptureFixture) -> None:
    files = [str(photos / "0.png"), str(photos / "1.png")]
    capsys.readouterr()
    assert commands.main(["predict", str(trained[task]), *files]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert commands.main(["predict", str(trained[task]), *files, "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in lines] == files == [one["item"] for one in told]
    if task == "tags":
        assert [line[0] for line in lines] == ["|".join(one["tags"]) for one in told]
        assert set(told[0]) == {"item", "tags", "top_k"}
    else:
        assert [float(line[0]) for line in lines] == pytest.approx([one["value"] for one in told], rel=1e-4)
        assert told[0] == {"item": files[0], "name": "price", "value": told[0]["value"]} and lines[0][1] == "price"


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_takes_the_target_of_the_model(
    task: str, trained: dict[str, Path], photos: Path, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    capsys.readouterr()
    out = trained[task]
    given = ["evaluate", str(out), str(photos / f"{task}.csv"), "--out", str(tmp_path / "report")]
    assert commands.main(given) == 0
    report, kept = json.loads((tmp_path / "report" / "report.json").read_text()), artifact.load(out).report
    assert report["target"] == task and report["loss"] == pytest.approx(kept.loss, rel=1e-3)
    capsys.readouterr()
    assert commands.main([*given[:3], "--target", "label"]) == 2
    assert f"the model answers --target {task}, not label; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize("task", TASKS)
def test_doctor(task: str, photos: Path, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    capsys.readouterr()
    given = ["doctor", str(photos / f"{task}.csv"), "--target", task, "--no-labels", "--out", str(tmp_path)]
    assert commands.main(given) == 0
    out = capsys.readouterr().out
    page = (tmp_path / "doctor.html").read_text()
    if task == "tags":
        assert "image, 48 examples" in out and "3 tags" in out and "<th>tag</th>" in page
    else:
        assert "image, 47 examples" in out and "value price" in out and "<th>value</th>" in page
        assert "no number but &#39;unknown&#39;" in page


def test_runs_tell_the_figure(trained: dict[str, Path], capsys: pytest.CaptureFixture) -> None:
    capsys.readouterr()
    assert commands.main(["runs", str(trained["tags"].parent)]) == 0
    out = capsys.readouterr().out
    assert "micro_f1 " in out and "mae " in out


# === Readers ===


def test_tags_of_a_table_of_texts(tmp_path: Path) -> None:
    rows = [{"text": text, "tags": ["odd"] * (n % 2) + ["third"] * (n % 3 == 0)} for n, text in enumerate(TEXTS)]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    data = tlkit.read(str(path), task="tags")
    assert data.labels == ("odd", "third") and data.target == targets.Tags(("odd", "third")) and data.task == "tags"
    assert repr(data).startswith(f"Data({path}: text, 2 tags; train 2") and data.train.labels.dtype == np.float32
    total = {name: sum(counts[name] for counts in data.counts().values()) for name in data.labels}
    assert total == {"odd": 20, "third": 14} and "drawn evenly over the tags (seed 0)" in data.splitting
    text, row = data.train.items[0], data.train.labels[0]
    number = TEXTS.index(text)
    assert row.tolist() == [number % 2, number % 3 == 0] and data.described(row) == "|".join(rows[number]["tags"])


def test_a_value_of_a_table_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,score\n" + "".join(f"{text},{n / 4}\n" for n, text in enumerate(TEXTS)))
    data = tlkit.text_table(path, task="value")
    assert data.labels == ("score",) and data.target.mean == pytest.approx(np.mean(data.train.labels), rel=1e-6)
    assert data.counts()["train"] == {"score": len(data.train)} and "text, value score; train" in repr(data)
    assert "drawn evenly over the range of the values" in data.splitting
    data.write_splits(tmp_path / "splits.csv")
    same = tlkit.text_table(path, task="value", splitting=Splitting(file=str(tmp_path / "splits.csv")))
    assert same.fingerprint() == data.fingerprint() and same.test.labels.tolist() == data.test.labels.tolist()


def test_fingerprints_tell_tasks_apart() -> None:
    numbers = [float(n % 2) for n in range(40)]
    value = tlkit.arrays(TEXTS, numbers, task="value").fingerprint()
    tags = tlkit.arrays(TEXTS, np.array(numbers)[:, None], task="tags", labels=["value"]).fingerprint()
    other = tlkit.arrays(TEXTS, [*numbers[:-1], 3.0], task="value").fingerprint()
    assert len({value, tags, other}) == 3


def test_tags_in_memory_and_what_no_example_has() -> None:
    table = np.random.default_rng(0).integers(0, 2, (40, 3))
    table[:, 1] = 0
    data = tlkit.arrays(TEXTS, table, labels=["a", "b", "c"], task="tags")
    assert data.labels == ("a", "c") and data.splitting.endswith("Left out for want of examples: b.")
    with pytest.raises(InputError, match="give task='tags' where an example has several"):
        tlkit.arrays(TEXTS, table)


def test_given_splits_lack_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{text},{'a' if n < 30 else 'a|b'},{'train' if n < 30 else 'test'}" for n, text in enumerate(TEXTS)]
    path.write_text("text,label,split\n" + "\n".join(rows))
    with pytest.raises(DataError, match=r"the test split of .* has the tag 'b', which the train split lacks"):
        tlkit.text_table(path, task="tags")


def test_tags_that_groups_keep_from_train(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{text},{'a' if n % 2 else 'b'},{n % 2}" for n, text in enumerate(TEXTS)]
    path.write_text("text,label,who\n" + "\n".join(rows))
    with pytest.raises(DataError, match=r"no example (of the tag|is left for)"):
        tlkit.text_table(path, task="tags", splitting=Splitting(group_by="who"))


def test_all_else_has_labels(photos: Path) -> None:
    for source in ("digits", str(photos), "tfds:mnist"):
        with pytest.raises(InputError, match="has one label for each example; only tables hold tags: give a"):
            tlkit.read(source, task="tags")
    with pytest.raises(InputError, match="unknown task 'number'; choose one of: label, tags, value"):
        tlkit.read(str(photos / "value.csv"), task="number")


def test_a_tag_whose_pictures_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    pixels = io.BytesIO()
    from PIL import Image

    Image.new("RGB", (6, 6)).save(pixels, "PNG")
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(pixels.getvalue() + bytes([number]))
    (tmp_path / "t.csv").write_text("image,tags\nbad.png,x|y\n" + "".join(f"{n}.png,x\n" for n in range(4)))
    with pytest.raises(DataError, match=r"no picture of the tag 'y' in .* can be read \(bad\.png: "):
        tlkit.image_table(tmp_path / "t.csv", task="tags")


def test_pipelines_of_tags_and_values() -> None:
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, (40, 5, 6, 3)).astype(np.uint8)
    table = np.random.default_rng(1).integers(0, 2, (40, 2))
    slices = tf.data.Dataset.from_tensor_slices
    for ds in (slices((pixels, table)), slices((pixels, table)).batch(7)):
        data = tlkit.dataset(ds, task="tags", labels=["a", "b"])
        rows = {}
        for split in data.splits().values():
            rows |= dict(zip(map(int, split.traits.names), split.labels.tolist(), strict=True))
        assert [rows[number] for number in range(40)] == table.tolist() and data.labels == ("a", "b")
    names = [[b"a", b"b"] if n % 2 else [b"b", b""] for n in range(40)]
    assert tlkit.dataset(slices((TEXTS, names)), task="tags").labels == ("a", "b")
    numbers = np.linspace(0, 1, 40, dtype=np.float32)
    for y in (numbers, numbers[:, None]):
        for ds in (slices((TEXTS, y)), slices((TEXTS, y)).batch(7)):
            data = tlkit.dataset(ds, task="value")
            assert sorted(np.concatenate([s.labels for s in data.splits().values()])) == sorted(numbers.tolist())
    with pytest.raises(InputError, match="y holds no finite number but nan at 0; give one finite number for each"):
        tlkit.dataset(slices((TEXTS, numbers * np.nan)), task="value")


@pytest.mark.all
def test_a_pretrained_backbone_beats_words_on_a_real_value(shared: Path, tmp_path: Path) -> None:
    import keras

    path = str(shared / "text" / "amazon_snippets.csv")
    data = tlkit.read(path, label_column="mean_valence", task="value")
    keras.utils.set_random_seed(0)
    clf = tlkit.minilm_classifier(data.target)
    tlkit.fit(clf, data, phases=(Phase("head", 15, 1e-3, 0),), progress=False)
    found, words = tlkit.evaluate(clf, data.test), tlkit.baseline(data)
    assert found.r2 > words.r2 > 0.4 and found.mae < words.mae < found.trivial["mae"]
    texts = list(data.test.items[:20])
    told = tlkit.export(clf, tmp_path / "out", report=found).predict(texts)
    assert np.allclose([one.value for one in told], found.values[:20], atol=1e-4)
