"""Reading texts with tagged words: forms of files, splits, repairs, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.data.readers import conll
from tlkit.errors import DataError, InputError
from tlkit.runs.job import Job, completed, kind_of

SMALL = "the O\ncat B-PET\n\nbank B-FIRM\nloan I-FIRM\nrose O\n\na O\nmat O\n\n"


def tags(split: tlkit.Split, labels: tuple[str, ...]) -> list[str]:
    return [" ".join(labels[tag] for tag in row if tag >= 0) for row in split.labels]


def folder(place: Path, **texts: str) -> Path:
    place.mkdir(exist_ok=True)
    for name, text in texts.items():
        (place / f"{name}.conll").write_text(text)
    return place


def test_a_folder_of_conll_files(tmp_path: Path) -> None:
    data = tlkit.tagged_texts(folder(tmp_path, train=SMALL, dev="dog B-PET\n", test="the O\nbank B-FIRM\n"))
    assert (data.task, data.kind, data.labels) == ("entities", "text", ("O", "B-FIRM", "I-FIRM", "B-PET", "I-PET"))
    assert data.train.items == ["the cat", "bank loan rose", "a mat"]
    assert tags(data.train, data.labels) == ["O B-PET", "B-FIRM I-FIRM O", "O O"]
    assert data.train.labels.dtype == np.int16 and data.train.labels.shape == (3, 3)
    assert (len(data.val), len(data.test), data.unreadable) == (1, 1, ())
    assert data.splitting == "The train, val and test splits were given."
    assert data.counts() == {
        "train": {"FIRM": 1, "PET": 1}, "val": {"FIRM": 0, "PET": 1}, "test": {"FIRM": 1, "PET": 0}
    }  # fmt: skip
    assert "2 types of entities; train 3, val 1, test 1" in repr(data)
    assert isinstance(data.target, tlkit.Entities) and data.target.types == ("FIRM", "PET")


def test_columns_comments_and_documents(tmp_path: Path) -> None:
    text = (
        "-DOCSTART- -X- -X- O\n\n# sent_id = 1\nU.N.\tNNP\tI-NP\tB-ORG\r\n#\tO\n# O\nNew York\tB-LOC\n-DOCSTART- O\nx O"
    )
    found = list(conll._sentences(text, "a "))
    assert [(one.name, one.words, one.tags) for one in found] == [
        ("a line 4", ["U.N.", "#", "#", "New\N{NO-BREAK SPACE}York"], ["B-ORG", "O", "O", "B-LOC"]),
        ("a line 9", ["x"], ["O"]),
    ]


def test_splits_are_drawn_so_that_each_has_every_type(tmp_path: Path) -> None:
    data = tiny_models.tagged(tmp_path, each=20)
    assert "70 % train, 15 % val and 15 % test were drawn from each type of entity" in data.splitting
    assert all(all(each.values()) for each in data.counts().values())
    again = tlkit.tagged_texts(tmp_path / "tagged.conll")
    other = tlkit.tagged_texts(tmp_path / "tagged.conll", seed=1)
    assert data.fingerprint() == again.fingerprint() != other.fingerprint()
    sides = [set(split.items) for split in data.splits().values()]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])  # copies stay together


def test_splits_can_be_written_and_read_again(tmp_path: Path) -> None:
    data = tiny_models.tagged(tmp_path)
    data.write_splits(tmp_path / "splits.csv")
    assert " B-PET" in (tmp_path / "splits.csv").read_text()
    splitting = tlkit.Splitting(file=str(tmp_path / "splits.csv"))
    assert tlkit.tagged_texts(tmp_path / "tagged.conll", splitting=splitting).fingerprint() == data.fingerprint()
    by_line = tlkit.tagged_texts(tmp_path / "tagged.conll", splitting=tlkit.Splitting(group_by="line \\d"))
    assert "Grouped by line \\d: 9 groups" in by_line.splitting


def test_an_i_without_a_b_is_repaired_and_counted(tmp_path: Path) -> None:
    train = "the O\ncat I-PET\n\ndog B-PET\nbank I-FIRM\nloan I-FIRM\n"
    data = tlkit.tagged_texts(folder(tmp_path, train=train, val=SMALL, test=SMALL))
    assert tags(data.train, data.labels) == ["O B-PET", "B-PET B-FIRM I-FIRM"]
    assert "Entities that began with an I- after no tag of their type, which was made a B-: 2." in data.splitting


def test_other_schemes_are_converted_and_said(tmp_path: Path) -> None:
    data = tlkit.tagged_texts(
        folder(tmp_path, train="cat S-PET\nbank B-FIRM\nloan E-FIRM\n", dev="cat S-PET\n", test="cat S-PET\n")
    )
    assert tags(data.train, data.labels) == ["B-PET B-FIRM I-FIRM"]
    assert "The tags were converted from IOBES to BIO." in data.splitting


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"tokens": ["the", "cat"], "ner_tags": ["O", "B-PET"]}, {"tokens": ["dog mat"], "ner_tags": ["B-PET"]}]
    bad = [
        {"tokens": ["cat"], "ner_tags": [1]}, {"tokens": ["a", "b"], "ner_tags": ["O"]},
        {"tokens": "cat", "ner_tags": []}, {"tokens": [" "], "ner_tags": ["O"]}, {"tokens": ["\0"], "ner_tags": ["O"]},
    ]  # fmt: skip
    for name in ("train", "valid", "test"):
        path = tmp_path / f"{name}.jsonl.gz"
        given = rows + bad if name == "train" else rows
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, given)).encode() + b"\n{"))
    data = tlkit.tagged_texts(tmp_path)
    assert data.train.items == ["the cat", "dog\N{NO-BREAK SPACE}mat"]
    reasons = [reason for name, reason in data.unreadable if name.startswith("train")]
    assert [reason.split(";")[0] for reason in reasons[:4]] == [
        "its tags are no list of strings", "2 tokens and 1 tags", "its tokens are no list of strings",
        "no tokens, or an empty one",
    ]  # fmt: skip
    assert reasons[4] == "a NUL character" and reasons[5].startswith("not JSON")
    with pytest.raises(DataError, match="8 could not be read"):
        tlkit.tagged_texts(tmp_path, strict=True)


def test_types_that_train_lacks_are_said(tmp_path: Path) -> None:
    data = tlkit.tagged_texts(folder(tmp_path, train="cat B-PET\n", dev=SMALL, test=SMALL))
    assert data.splitting.endswith("Train has no entity of: FIRM.")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"train": "cat B-PET\n", "my-train": "cat B-PET\n"},
            "has two files for train, my-train.conll and train.conll",
        ),
        ({"dev": SMALL}, "has no file for train; call one train.conll"),
        ({"train": "\n\n"}, "holds no text to train on; give lines of word and tag"),
        ({"train": "cat\nB-PET\n", "dev": SMALL}, "\\(train.conll line 1: no word and tag in line 1\\)"),
        ({"train": "cat O\n", "dev": SMALL, "test": SMALL}, "has no entity; add texts with some"),
        ({"train": "cat NN\n"}, "has the tag 'NN', which is of no scheme"),
        ({"train": "".join(f"a B-{n}\n" for n in range(1001))}, "has 1,001 types of entities, such as '0'"),
    ],
)
def test_what_cannot_be_learned_is_refused(tmp_path: Path, files: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tlkit.tagged_texts(folder(tmp_path, **files))


def test_files_of_other_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.doc").write_text(SMALL)
    with pytest.raises(DataError, match=r"a.doc is no file of tagged words; call it by one of .conll"):
        tlkit.tagged_texts(tmp_path / "a.doc")
    with pytest.raises(DataError, match="there is no file"):
        tlkit.tagged_texts(tmp_path / "none.conll")


def test_read_and_jobs_know_tagged_files(tmp_path: Path) -> None:
    tiny_models.tagged(tmp_path / "one")
    source = tmp_path / "one" / "tagged.conll"
    assert tlkit.read(str(source)).task == "entities"
    many = folder(tmp_path / "many", train=SMALL, dev=SMALL, test=SMALL)
    assert tlkit.read(str(many)).task == "entities"
    with pytest.raises(InputError, match="holds tagged words, no tags; leave the target out"):
        tlkit.read(str(source), task="tags")
    (tmp_path / "train.txt").write_text(SMALL * 9)
    splitting = tlkit.Splitting(near_duplicates="anywhere")
    assert tlkit.read(str(tmp_path / "train.txt"), task="entities", splitting=splitting).task == "entities"
    with pytest.raises(InputError, match="holds tagged words; leave out text_column"):
        tlkit.read(str(source), text_column="a")
    job = Job(data=str(many), out=str(tmp_path / "out"))
    done = completed(job, kind_of(job))
    assert (done.backbone, done.head) == ("minilm_l6", "token_dense")
    asked = completed(Job(data=str(tmp_path / "train.txt"), out="out", target="entities"), "text")
    assert asked.head == "token_dense"
    with pytest.raises(InputError, match="head 'mean_dense' answers each picture or text as a whole"):
        completed(Job(data=str(many), out="out", head="mean_dense"), "text")


def test_the_doctor_looks_at_types(tmp_path: Path) -> None:
    data = tlkit.tagged_texts(folder(tmp_path, train=SMALL, dev=SMALL, test="the O\ncat B-PET\n"))
    found = {finding.code: finding.title for finding in tlkit.diagnose(data, labels=False).findings}
    assert found["tiny_class"] == "2 of 2 types of entities occur fewer than 10 times in train: FIRM 1, PET 1"
    assert found["missing_class"] == "test has no entity of FIRM" and "leak" in found
    tlkit.diagnose(data, labels=False).save(tmp_path / "page", data)
    assert "the cat" in (tmp_path / "page" / "doctor.html").read_text()
    with pytest.raises(InputError, match="for entities there is none"):
        tlkit.baseline(data)
