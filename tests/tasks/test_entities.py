"""Entities as a target: alignment with tokens, losses, two phases, resuming, and the artifact that takes strings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tests.helpers.compared_runs import two_runs
from tlkit.artifacts import export
from tlkit.config import Phase
from tlkit.data.splits import Split
from tlkit.errors import ArtifactError, InputError
from tlkit.features import frontier
from tlkit.models import freezing, heads
from tlkit.models.classifier import pieces
from tlkit.tasks import entities
from tlkit.training import checkpoint

TAGS = ("O", "B-FIRM", "I-FIRM", "B-PET", "I-PET")
TEXTS = ["the cat  sat\ton bank loan", "", "\N{ZERO WIDTH SPACE} dog catdog!! mat", "cat " * 40]
PHASES = (Phase("head", 8, 5e-2, 0), Phase("top", 10, 1e-2, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tagging")


@pytest.fixture(scope="module")
def data(folder: Path) -> tlkit.Data:
    return tiny_models.tagged(folder)


@pytest.fixture(scope="module")
def bert(folder: Path) -> Path:
    return tiny_models.tiny_bert(folder / "bert")


@pytest.fixture(scope="module")
def make(bert: Path) -> Callable[[], Any]:
    """Build a tagger of 12 tokens over a tiny BERT that tells words apart."""
    import keras

    def made() -> Any:
        keras.utils.set_random_seed(0)
        clf = tlkit.minilm_entities(TAGS, size=12, weights=bert)
        (words,) = (layer for layer in clf._flatten_layers() if layer.name == "token_embedding")
        words.embeddings.assign(np.random.default_rng(0).normal(0, 0.4, words.embeddings.shape))
        return clf

    return made


@pytest.fixture(scope="module")
def clf(make: Callable[[], Any]) -> Any:
    clf = make()
    kernel = clf.head.get_layer("probabilities").kernel
    kernel.assign(np.random.default_rng(1).normal(0, 0.7, kernel.shape))
    return clf


def split(*texts: tuple[str, str]) -> Split:
    wide = max(len(tags) for _, tags in texts)
    labels = np.full((len(texts), wide), -1, np.int16)
    for row, (_, tags) in zip(labels, texts, strict=True):
        row[: len(tags)] = [int(tag) for tag in tags]
    return Split([text for text, _ in texts], labels)


# === Alignment ===


def test_truths_stand_at_the_first_token_of_each_word(clf: Any) -> None:
    given = split(("the cat rose", "031"), ("cat!!dog the", "34"), ("", ""), ("\N{ZERO WIDTH SPACE} cat", "12"))
    found = clf.spec.target.truths(clf, given)
    assert found.dtype == np.int16 and found.shape == (4, 13)
    assert found[0].tolist() == [-1, 0, 3, 1] + 9 * [-1]  # after [CLS]
    assert found[1].tolist() == [-1, 3, -1, -1, -1, 4] + 7 * [-1]  # cat ! ! dog
    assert found[2].tolist() == 13 * [-1]
    assert found[3].tolist() == [-1, 2] + 10 * [-1] + [-2]  # the space alone is no token


def test_words_beyond_the_size_stand_after_it(clf: Any) -> None:
    (found,) = clf.spec.target.truths(clf, split(("cat " * 9 + "a!! dog mat", "000000000" + "123")))
    assert found.tolist() == [-1, *9 * [0], 1, -1, 2, 3]  # the word that is cut in two is read, the others are not


def test_texts_and_tags_that_do_not_fit_are_refused(clf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="text 0 has 2 words but 3 tags: 'the cat'"):
        clf.spec.target.truths(clf, split(("the cat", "000")))
    monkeypatch.setattr(entities, "_counted", lambda pre, texts: {"the": 2, " cat": 1})
    with pytest.raises(InputError, match="the tokenizer of minilm_l6 cuts words by what stands beside them"):
        clf.spec.target.truths(clf, split(("the cat", "00")))


def test_the_loss_is_the_mean_over_the_words_of_a_text() -> None:
    target = entities.Entities(TAGS)
    answer = np.full((2, 4, 5), 0.1, np.float32)
    answer[..., 0] = 0.6
    truth = np.array([[-1, 0, 3, -1, 1, -2], 6 * [-1]], np.int16)  # two columns lie beyond the answer
    ones = np.ones(5, np.float32)
    loss = np.asarray(target.losses(truth, answer, 0.0, ones))
    assert loss == pytest.approx([-(np.log(0.6) + np.log(0.1)) / 2, 0.0], rel=1e-4)
    heavy = np.asarray(target.losses(truth, answer, 0.0, np.array([1, 1, 1, 3, 1], np.float32)))
    assert heavy[0] == pytest.approx(-(np.log(0.6) + 3 * np.log(0.1)) / 2, rel=1e-4)
    smooth = np.asarray(target.losses(truth[:1, :2], answer[:1, :2], 0.5, ones))
    assert smooth[0] == pytest.approx(-(0.6 * np.log(0.6) + 4 * 0.1 * np.log(0.1)), rel=1e-4)
    assert float(target.hits(truth, answer)) == 0.5 + 1.0  # a text without words has nothing wrong


# === What is refused ===


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("B-A", "O"), "the first tag must be O"),
        (("O",), "there is no tag but O"),
        (("O", "B-A", "B-A"), "tags must differ"),
    ],
)
def test_tags_that_cannot_be(given: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        entities.Entities(given)


def test_heads_answer_tokens_or_the_whole(bert: Path) -> None:
    with pytest.raises(
        InputError, match=r"'mean_dense' answers each picture or text as a whole, .* choose one of: token_dense"
    ):
        tlkit.classifier("minilm_l6", "mean_dense", entities.Entities(TAGS), weights=bert)
    with pytest.raises(
        InputError, match=r"'token_dense' answers each token, which does not suit the target label; .*cls_dense"
    ):
        tlkit.classifier("minilm_l6", "token_dense", 3, weights=bert)
    with pytest.raises(InputError, match="'token_dense' takes sequence, mask, but backbone 'mobilenet_v2' gives map"):
        tlkit.classifier("mobilenet_v2", "token_dense", TAGS, weights=None)
    with pytest.raises(InputError, match="'token_dense' answers the tokens of single texts, not of pairs"):
        tlkit.classifier("minilm_l6", "token_dense", TAGS, weights=bert, pairs=True)
    assert heads.HEADS["token_dense"].tokens


def test_options_for_whole_texts_are_refused(clf: Any, data: tlkit.Data) -> None:
    with pytest.raises(InputError, match="sampling='balanced' is for one label each; leave it out for entities"):
        tlkit.fit(clf, data, sampling="balanced", progress=False)
    with pytest.raises(InputError, match="class_weight='balanced' is not for entities"):
        tlkit.fit(clf, data, class_weight="balanced", progress=False)
    with pytest.raises(InputError, match="the classifier learns entities, but the data hold one label"):
        tlkit.fit(clf, tiny_models.topics(), progress=False)


# === Phases ===


@pytest.mark.parametrize("unfreeze", [0, 1, 2, "all"])
def test_the_frontier_is_exact(clf: Any, unfreeze: int | str) -> None:
    import tensorflow as tf

    freezing.unfreeze(clf, unfreeze)
    cut = frontier.find(clf)
    reached = frontier.segment(clf, None, cut, folded=True)(tf.constant(TEXTS), training=False)
    answer = frontier.segment(clf, cut, None)(reached, training=False).numpy()
    whole = clf(tf.constant(TEXTS), training=False).numpy()
    freezing.unfreeze(clf, 0)
    assert np.abs(answer - whole).max() < 1e-6 and np.ptp(whole, axis=(0, 1)).max() > 0.2
    assert np.abs(answer[::-1] - whole).max() > 1e-2  # the control
    if unfreeze == 0:
        assert cut.piece == 2 and len(cut.tensors) == 1  # the head alone, without the mask


@pytest.fixture(scope="module")
def trained(make: Callable[[], Any], data: tlkit.Data, folder: Path) -> tuple[Any, tlkit.History, tlkit.EntityReport]:
    clf = make()
    history = tlkit.fit(clf, data, phases=PHASES, batch_size=8, patience=8, progress=False)
    return clf, history, tlkit.evaluate(clf, data.test, history=history, notes=(data.splitting,))


def test_two_phases_learn_to_find_entities(trained: tuple, make: Callable[[], Any]) -> None:
    clf, history, report = trained
    assert report.f1 > 0.9 and history.epochs[-1]["val_accuracy"] > 0.9
    assert [phase["unfreeze"] for phase in history.phases] == [0, 2] and history.phases[1]["trainable"] > 4000
    moved = [
        not np.array_equal(new, old)
        for new, old in zip(pieces(clf)[1].get_weights(), pieces(make())[1].get_weights(), strict=True)
    ]
    assert any(moved) and not all(moved)  # the upper layers alone


class Killed(BaseException):
    """Stands for the end of a process."""


def test_a_killed_training_ends_with_the_same_bits(
    make: Callable[[], Any], data: tlkit.Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"phases": (Phase("head", 2, 1e-2, 0), Phase("top", 2, 1e-3, 1)), "batch_size": 16, "progress": False}
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 0)
    whole = make()
    tlkit.fit(whole, data, run_dir=tmp_path / "whole", **options)
    pause, seen = checkpoint.Keeper.pause, []

    def dying(keeper: Any, *given: Any) -> None:
        pause(keeper, *given)
        seen.append(1)
        if len(seen) == 11:  # in the second phase
            raise Killed

    monkeypatch.setattr(checkpoint.Keeper, "pause", dying)
    with pytest.raises(Killed):
        tlkit.fit(make(), data, run_dir=tmp_path / "cut", **options)
    monkeypatch.setattr(checkpoint.Keeper, "pause", pause)
    again = make()
    tlkit.fit(again, data, run_dir=tmp_path / "cut", **options)
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), again.get_weights(), strict=True))


# === The artifact ===


@pytest.fixture(scope="module")
def artifact(trained: tuple, folder: Path) -> Iterator[tlkit.Artifact]:
    clf, _, report = trained
    yield export.export(clf, folder / "out", report=report)


def by_hand(clf: Any, text: str) -> list[str]:
    """Tag the words of a text with the Keras model and the alignment of the truths."""
    import tensorflow as tf

    words = entities.words(text)
    (row,) = clf.spec.target.truths(clf, Split([text], np.arange(len(words), dtype=np.int16)[None]))
    (answer,) = clf(tf.constant([" ".join(words)]), training=False).numpy()
    tags = ["O"] * len(words)
    for place, word in enumerate(row[: len(answer)]):
        if word >= 0:
            tags[word] = TAGS[answer[place].argmax()]
    return tags


def test_the_artifact_tags_strings_as_the_model_does(artifact: tlkit.Artifact, trained: tuple) -> None:
    found = artifact.predict(TEXTS)
    for text, one in zip(TEXTS, found, strict=True):
        assert one.tokens == tuple(text.split()) and one.tags == tuple(by_hand(trained[0], text))
    assert "B-PET" in found[0].tags and "B-FIRM" in found[0].tags
    assert found[2].probabilities[0] == 0.0 and found[2].tags[0] == "O"  # no token
    assert [share > 0 for share in found[3].probabilities] == 10 * [True] + 30 * [False]  # beyond the 12 tokens
    alone = [artifact.predict(text)[0].tags for text in TEXTS]
    assert alone == [one.tags for one in found]


def test_predictions_name_the_entities(artifact: tlkit.Artifact) -> None:
    (found,) = artifact.predict("the cat sat on bank loan")
    pet, firm = found.spans
    assert (pet.text, pet.type, pet.start, pet.end) == ("cat", "PET", 1, 2)
    assert (firm.text, firm.type, firm.start, firm.end) == ("bank loan", "FIRM", 4, 6)
    assert firm.probability == min(found.probabilities[4:6]) > 0.4
    assert str(found).startswith("PET=cat 0.") and "\tFIRM=bank loan 0." in str(found)
    assert str(artifact.predict("")[0]) == "no entities"


def test_the_signature_gives_words_tags_and_probabilities(artifact: tlkit.Artifact) -> None:
    import tensorflow as tf

    given = artifact.served.signatures["serving_default"](tf.constant(["the cat", "", " dog\n"]))
    assert given["tokens"].numpy().tolist() == [[b"the", b"cat"], [b"", b""], [b"dog", b""]]
    assert given["tags"].numpy()[1].tolist() == [b"", b""] and given["tags"].shape == (3, 2)
    assert given["probabilities"].numpy()[1].tolist() == [0, 0] and given["token_probabilities"].shape == (3, 4, 5)
    assert artifact.served.signatures["serving_default"](tf.constant([""]))["tokens"].shape == (1, 0)
    assert artifact.served.signatures["embed"](tf.constant(["the cat"]))["embedding"].shape == (1, 16)


def test_the_artifact_says_what_it_is(artifact: tlkit.Artifact, trained: tuple) -> None:
    import tensorflow as tf

    facts = json.loads((artifact.path / "tlkit.json").read_text())
    assert facts["target"] == {"name": "entities"} and facts["labels"] == list(TAGS) and facts["head"] == "token_dense"
    assert (
        facts["metrics"]["f1"] == trained[2].f1 and facts["parity"]["max_difference"] < 1e-5 < facts["parity"]["spread"]
    )
    assert "entity F1, micro" in (artifact.path / "README.md").read_text()
    assert artifact.report.figures == trained[2].figures and isinstance(artifact.target, tlkit.Entities)
    text = tf.constant(["the cat sat"])
    assert np.array_equal(artifact.model(text).numpy(), trained[0](text).numpy())


def test_an_artifact_whose_labels_are_no_tags_is_refused(artifact: tlkit.Artifact) -> None:
    path = artifact.path / "tlkit.json"
    kept = path.read_text()
    path.write_text(kept.replace('"I-PET"', '"I-DOG"'))
    with pytest.raises(ArtifactError, match="its labels are no tags of entities: 'I-DOG' stands without B-DOG"):
        tlkit.load(artifact.path)
    path.write_text(kept)
    assert dataclasses.is_dataclass(tlkit.load(artifact.path).target)


# === The command line ===


def test_two_runs_are_tested_against_each_other(
    data: tlkit.Data, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tlkit.Job(data=data.source, out=str(tmp_path / "run"), weights=str(bert), size=12)
    found = two_runs(job, monkeypatch)
    (one,) = found.tests
    assert found.of == "missed" and found.notes == () and one.mean >= found.mean > 0
    assert "Wilcoxon's signed-rank test of the entities missed or made up" in str(found)


@pytest.mark.slow
def test_a_conll_file_becomes_an_artifact(
    data: tlkit.Data, folder: Path, bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from tlkit.cli import commands

    out = str(tmp_path / "run")
    options = ["--weights", str(bert), "--size", "12", "--epochs", "1,1", "--precision", "float32"]
    assert commands.main(["train", data.source, "--out", out, *options]) == 0
    assert "entity F1" in capsys.readouterr().out
    assert commands.main(["predict", out, "the cat sat", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["tokens"] == ["the", "cat", "sat"] and len(found["tags"]) == 3 and "spans" in found
    assert (
        commands.main(["evaluate", out, data.source]) == 0
        and commands.main(["doctor", data.source, "--no-labels"]) == 0
    )
    assert "2 types of entities" in capsys.readouterr().out
    assert commands.main(["train", data.source, "--out", out, *options]) == 0
    assert "this run is finished" in capsys.readouterr().out
