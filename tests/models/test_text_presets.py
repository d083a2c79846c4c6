"""Folders of text backbones, as weights and as backbones of their own, and KerasHub's presets by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import text_vocabularies, tiny_models
from tlkit.errors import InputError, WeightsError
from tlkit.models import classifier
from tlkit.models.backbone import Local
from tlkit.models.text import text_backbones, text_presets
from tlkit.models.text.families import FAMILIES
from tlkit.models.text.text_backbones import TEXT


def features(clf: object) -> np.ndarray:
    import tensorflow as tf

    return clf.base(tf.constant(tiny_models.TEXTS))["pooled"].numpy()


@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_a_folder_is_weights_and_a_backbone(family: str, tmp_path: Path) -> None:
    folder = text_vocabularies.save_preset(family, tmp_path / "my own.model")
    clf = tlkit.classifier(str(folder), "cls_dense", 2, size=16)
    spec = clf.spec
    assert spec.backbone.name == "my_own.model" and spec.input.family == family and spec.backbone.params > 1000
    assert spec.input.limit == (2048 if family == "bloom" else 32)
    assert len(spec.backbone.blocks) == (1 if family == "albert" else 2)
    row = text_vocabularies.FIRST[family]
    again = tlkit.classifier(row, "cls_dense", 2, size=16, weights=folder)
    assert np.array_equal(features(clf), features(again)) and np.ptp(features(clf), axis=0).max() > 0
    random = tlkit.classifier(str(folder), "cls_dense", 2, size=16, weights=None)
    assert random.spec.weights == "random" and features(random).shape == features(clf).shape


def test_a_hugging_face_folder_is_a_backbone(tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "distilbert"}))
    row = classifier.find_backbone(str(folder))
    assert row.input.family == "distil_bert" and row.weights == Local(folder)
    with pytest.raises(WeightsError, match="nobody knows the architecture of this backbone without its weights"):
        tlkit.classifier(row, "cls_dense", 2, weights=None)


def test_a_folder_of_another_family(tmp_path: Path) -> None:
    folder = text_vocabularies.save_preset("distil_bert", tmp_path / "own")
    with pytest.raises(
        WeightsError, match="holds a DistilBertBackbone, but roberta_base_en is a RobertaBackbone; give"
    ):
        tlkit.classifier("roberta_base_en", "cls_dense", 2, weights=folder)


@pytest.mark.parametrize("form", ["./{}", "{}", Path])
def test_a_folder_named_as_a_preset_is_the_folder(
    form: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kagglehub

    def ask(handle: str, *_: object) -> None:
        raise AssertionError(f"Kaggle was asked for {handle}")

    monkeypatch.setattr(kagglehub, "model_download", ask)
    monkeypatch.chdir(tmp_path)
    given = text_vocabularies.save_preset("bert", tmp_path / "bert_large_en")
    folder = form(given.name) if form is Path else form.format(given.name)
    expected = features(tlkit.classifier(given, "cls_dense", 2, size=16))
    named = tlkit.classifier("bert_tiny_en_uncased", "cls_dense", 2, size=16, weights=folder)
    assert np.array_equal(features(named), expected) and named.spec.weights.startswith("bert_large_en, path, sha256:")
    if form != "{}":  # alone, a name that stands in the table means the row
        clf = tlkit.classifier(folder, "cls_dense", 2, size=16)
        assert clf.spec.backbone.weights == Local(given) and np.array_equal(features(clf), expected)
        random = tlkit.classifier(folder, "cls_dense", 2, size=16, weights=None)
        assert random.spec.weights == "random"


def test_a_writer_in_a_folder_named_as_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import kagglehub

    def ask(handle: str, *_: object) -> None:
        raise AssertionError(f"Kaggle was asked for {handle}")

    monkeypatch.setattr(kagglehub, "model_download", ask)
    monkeypatch.chdir(tmp_path)
    text_vocabularies.save_preset("gpt2", tmp_path / "gpt2_medium_en")
    for given in ({"backbone": "./gpt2_medium_en"}, {"backbone": "gpt2_base_en", "weights": "gpt2_medium_en"}):
        lm = tlkit.generator(size=16, length=8, **given)
        assert lm.spec.weights.startswith("gpt2_medium_en, path, sha256:")
    for folder in ("./bart_large_en", Path("bart_large_en")):
        with pytest.raises(InputError, match=r"a summarizer's folder, here .*bart_large_en, is given as its weights:"):
            tlkit.summarizer(folder)


def test_a_folder_with_fewer_positions(tmp_path: Path) -> None:
    folder = text_vocabularies.save_preset("bert", tmp_path / "own")
    with pytest.raises(InputError, match=r"size 128 does not suit .*own; it has positions for 32 tokens"):
        tlkit.classifier("bert_tiny_en_uncased", "cls_dense", 2, weights=folder)
    assert tlkit.classifier(str(folder), "cls_dense", 2).spec.input.size == 32


@pytest.mark.parametrize("config", [{"model_type": "whisper"}, {"class_name": "WhisperBackbone", "config": {}}, {}])
def test_a_folder_that_holds_no_backbone_of_texts(config: dict, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=r"cannot be read as an image backbone: .*; give a folder that"):
        tlkit.classifier(str(tmp_path), "cls_dense", 2)


@pytest.mark.parametrize("content", ["", "[]", '{"config": 3}', "[" * 100_000])
def test_a_config_that_cannot_be_read(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(WeightsError, match=r"config\.json cannot be read: .*; fetch it again"):
        classifier.find_backbone(str(tmp_path))


def test_a_tokenizer_of_another_kind(tmp_path: Path) -> None:
    folder = text_vocabularies.save_preset("roberta", tmp_path / "own")
    config = json.loads((folder / "tokenizer.json").read_text())
    config["config"]["add_prefix_space"] = True
    (folder / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="brings a RobertaTokenizer that this version does not read"):
        tlkit.classifier(str(folder), "cls_dense", 2, size=16)


def test_holes_between_ids_are_kept() -> None:
    own = type("RobertaTokenizer", (), {"vocabulary": {"a": 0, "b": 3}, "merges": ["#version: 0.2", "a b"]})()
    known = text_presets._lexicon(own, "roberta", Path("own"))
    assert known.words == ("a", "[hole 1]", "[hole 2]", "b") and known.merges == ("a b",)
    own.vocabulary = {"a": 10**9}
    with pytest.raises(WeightsError, match="own has a vocabulary with 1,000,000,000 ids that no token has; at most 10"):
        text_presets._lexicon(own, "roberta", Path("own"))


# === Names ===


def test_every_preset_of_keras_hub_is_a_row_or_has_one() -> None:
    import keras_hub

    kinds = {family: getattr(keras_hub.models, about.backbone) for family, about in FAMILIES.items()}
    count = 0
    for family, kind in kinds.items():
        below = [other.presets for other in kinds.values() if other is not kind and issubclass(other, kind)]
        for name, told in kind.presets.items():
            if any(name in presets for presets in below):  # a class has the presets of its subclasses too
                continue
            row = classifier.find_backbone(f"keras_hub:{name}")
            assert (row.name, row.input.family) == (name, family)
            assert row.weights.handle == told["kaggle_handle"] and row.params == told["metadata"]["params"]
            count += 1
    assert count > len(TEXT)


def test_a_preset_that_keras_hub_lacks() -> None:
    with pytest.raises(InputError, match="unknown keras_hub preset 'bert_tiny_en'; did you mean bert_tiny_en_uncased"):
        classifier.find_backbone("keras_hub:bert_tiny_en")
    with pytest.raises(InputError, match="keras_hub:whisper_tiny_en holds no backbone of pictures or texts that"):
        classifier.find_backbone("keras_hub:whisper_tiny_en")


def test_a_folder_that_went_away(tmp_path: Path) -> None:
    row = text_backbones._derived("own", "bert", {}, Local(tmp_path / "own"))
    with pytest.raises(WeightsError, match=r"no weights at .*own; give a"):
        tlkit.classifier(row, "cls_dense", 2)


@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_random_weights_read_letters(family: str) -> None:
    import tensorflow as tf

    from tlkit.models.text.tokenizer import Tokens

    known = text_presets.made_up(family, True)
    layer = Tokens(known.words, known.lowercase, 16, family=family, merges=known.merges, proto=known.proto)
    given = layer(tf.constant(["ab", "ba", ""]))["token_ids"].numpy().tolist()
    assert len({tuple(row) for row in given}) == 3
    assert max(map(max, given)) < min(TEXT[name].arguments.get("vocabulary_size", 30_522) for name in TEXT)
