"""What tlkit relies on in the private parts of KerasHub and keras-cv: whatever an upgrade has changed fails here."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import image_preset_folders, text_vocabularies
from tlkit.models import keras_graph, kerashub
from tlkit.models.generation.decoding import TASKS
from tlkit.models.text.families import KINDS
from tlkit.models.text.tokenizer import build_tokenizer

TEXTS = ["the cat sat on the mat", "", " two  blanks\tand ä 1,234.5 ", "don't we'll \u4e2d\U0001f600", "the cat"]
TABLES = {"words": [], "pieces": ["_sentence_piece"], "bytes": ["byte2unicode", "token_to_id_map", "merge_ranks"]}


def tokenizer(family: str) -> Any:
    """Build a tokenizer of KerasHub in the form that runs in a graph."""
    known = text_vocabularies.lexicon(family)
    asked = {"vocabulary": known.words, "merges": known.merges, "proto": known.proto, "lowercase": known.lowercase}
    return build_tokenizer(SimpleNamespace(family=family, **asked))


# === Tokenizers ===


@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_a_tokenizer_in_graph_gives_a_ragged_tensor_and_has_its_tables(family: str) -> None:
    made = tokenizer(family)
    assert made._allow_python_workflow is False  # it was taken as an option, and is read under this name
    ids = kerashub.ragged(made)(tf.constant(TEXTS))
    assert isinstance(ids, tf.RaggedTensor) and ids.shape[0] == len(TEXTS)
    names = TABLES[KINDS[family].splits]
    found = kerashub.splitting_tables(made)
    assert len(found) == len(names) and all(one is getattr(made, name) for one, name in zip(found, names, strict=True))


def test_a_packer_takes_the_option_too() -> None:
    packer = keras_hub.layers.MultiSegmentPacker(6, 1, 2, pad_value=-1, **kerashub.IN_GRAPH)
    packed = tf.function(packer)((tf.ragged.constant([[5, 6], [7]]),))
    assert packer._allow_python_workflow is False
    assert packed[0].numpy().tolist() == [[1, 5, 6, 2, -1, -1], [1, 7, 2, -1, -1, -1]]


def test_byte_pairs_split_as_kerashub_does_and_keep_nothing() -> None:
    made = tokenizer("gpt2")
    before = made.cache.lookup(tf.constant(["cat"])).numpy().tolist()
    ids = kerashub.byte_pairs(made)(tf.constant(TEXTS))
    assert made.cache.lookup(tf.constant(["cat"])).numpy().tolist() == before
    assert ids.to_list() == kerashub.ragged(made)(tf.constant(TEXTS)).to_list()
    assert made.cache.lookup(tf.constant(["the"])).numpy().tolist() != before, "KerasHub's own has kept a word"
    assert [len(row) for row in ids.to_list()][1] == 0 < ids.row_lengths().numpy()[4] < len("the cat")


def test_byte_pairs_are_joined_to_the_texts_they_come_from() -> None:
    made = tokenizer("gpt2")
    ids = kerashub.byte_pairs(made)(tf.constant(TEXTS))
    assert [text.decode() for text in kerashub.join_byte_pairs(made, ids).numpy()] == TEXTS
    assert [
        one is getattr(made, name)
        for one, name in zip(kerashub.joining_tables(made), kerashub.JOINING_TABLES, strict=True)
    ]
    unknown = ids.with_flat_values(tf.fill(tf.shape(ids.flat_values), 10**6))
    assert kerashub.join_byte_pairs(made, unknown).numpy().tolist() == [b""] * len(TEXTS)


def test_each_byte_has_a_letter() -> None:
    letters = kerashub.byte_letters()
    assert len(letters) == len(set(letters)) == 256 and all(len(letter) == 1 for letter in letters)
    assert {"a", "~", "\u0120"} <= set(letters)  # the last is the blank


# === Presets ===


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"registered_name": "keras_hub>ViTBackbone", "config": {}}, "ViTBackbone"),
        ({"registered_name": "keras_hub>BertBackbone", "config": {}}, "BertBackbone"),
        ({"model_type": "vit"}, "ViTBackbone"),
        ({"architecture": "resnet18.a1_in1k"}, "ResNetBackbone"),
    ],
    ids=["keras", "text", "hugging face", "timm"],
)
def test_the_class_of_a_backbone_stands_in_config_json(config: dict, expected: str, tmp_path: Path) -> None:
    written = {"module": "keras_hub", "class_name": expected, **config}
    (tmp_path / "config.json").write_text(json.dumps(written))
    assert kerashub.backbone_class(str(tmp_path)) is getattr(keras_hub.models, expected)


# === Backbones ===


def first(network: str, kind: str) -> tuple[Any, np.ndarray]:
    """Return the first layer of a class in a tiny image backbone, and an input for it."""
    nodes = keras_graph.nodes(image_preset_folders.network(network))
    node = next(node for node in nodes if type(node.operation).__name__ == kind)
    shape = [2, *node.input_tensors[0].shape[1:]]
    return node.operation, np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("network", "kind", "parts"),
    [
        ("vit", "ViTEncoder", 3),
        ("deit", "DeiTEncoder", 3),
        ("dinov2", "DINOV2Encoder", 3),
        ("swin", "SwinTransformerStage", 1),  # and a layer that halves the map
    ],
)
def test_a_chain_computes_what_its_parts_compute_one_by_one(network: str, kind: str, parts: int) -> None:
    chain, value = first(network, kind)
    assert kerashub.is_chain(chain) and set(kerashub.CHAINS) >= {kind}
    whole = keras.tree.flatten(chain(value, training=False))[0]
    marks: list[Any] = []

    def marked(given: Any) -> Any:
        marks.append(given)
        return given

    answer = kerashub.unrolled(chain, value, marked)
    assert np.allclose(answer, whole, atol=1e-5) and len(marks) == parts
    assert not np.allclose(marks[0], marks[-1] if parts > 1 else value, atol=0.01)


def test_every_chain_is_checked() -> None:
    (mark,) = test_a_chain_computes_what_its_parts_compute_one_by_one.pytestmark
    assert {kind for _, kind, _ in mark.args[1]} == set(kerashub.CHAINS)


def test_embedded_computes_what_swins_first_layer_does() -> None:
    layer, value = first("swin", "PatchEmbedding")
    assert kerashub.is_patch_embedding(layer) and not kerashub.is_chain(layer)
    whole = layer(value)
    assert np.allclose(kerashub.embedded(layer, value), whole[0] if isinstance(whole, tuple) else whole, atol=1e-6)


def test_a_mended_layer_writes_all_that_its_class_takes() -> None:
    (kind, forgotten), *others = kerashub.FORGOTTEN.items()
    assert others == []
    layer, value = first("mit", kind)
    assert not set(forgotten) & set(layer.get_config()), "KerasHub writes it now: the entry in FORGOTTEN can go"
    settings = kerashub.mended(layer).get_config()
    assert settings["sr_ratio"] == 2 and set(forgotten) <= set(settings)
    again = type(layer).from_config(settings)
    again(value)
    assert [weight.shape for weight in again.weights] == [weight.shape for weight in layer.weights]


def test_layers_of_keras_itself_are_not_mended() -> None:
    layer = keras.layers.Dense(2)
    assert kerashub.mended(layer) is layer and "get_config" not in vars(layer)


def test_backbones_state_the_ends_of_their_stages() -> None:
    import keras_cv

    hub = image_preset_folders.network("resnet_vd")
    stages = {"stackwise_filters": [16, 32], "stackwise_blocks": [2, 2], "stackwise_strides": [1, 2]}
    cv = keras_cv.models.ResNetV2Backbone(**stages, include_rescaling=True, input_shape=(32, 32, 3))
    for model, count in ((hub, 3), (cv, 2)):
        ends = kerashub.stage_ends(model)
        assert len(ends) == len({model.get_layer(name) for name in ends}) == count
    assert model.get_layer(ends[-1]).output.shape[-1] == 4 * 32  # of the last stage
    tensors = list(hub.pyramid_outputs.values())
    assert [hub.get_layer(name).output for name in kerashub.stage_ends(hub)] == tensors
    assert kerashub.stage_ends(image_preset_folders.network("vit")) == []


def test_a_deberta_has_its_relative_positions_in_a_layer_of_this_name() -> None:
    shape = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8, "bucket_size": 4}
    bare = keras_hub.models.DebertaV3Backbone(vocabulary_size=9, **shape)
    layer = bare.get_layer(kerashub.RELATIVE_EMBEDDING)
    assert kerashub.relative_embedding_shape(layer) == (8, 8) == tuple(layer.weights[0].shape)
    assert [tuple(weight.shape) for weight in layer.weights] == [(8, 8), (8,), (8,)]  # and scale and shift of a norm
    assert layer.layer_norm.epsilon == 1e-7  # as RelativePositions has it


# === Tasks ===


@pytest.mark.parametrize("family", TASKS)
def test_a_task_decodes_as_kerashubs_own_does(family: str) -> None:
    keras.utils.set_random_seed(1)
    shape = {"vocabulary_size": 11, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8}
    name = TASKS[family]
    backbone = getattr(keras_hub.models, f"{name.removesuffix('CausalLM').removesuffix('Seq2SeqLM')}Backbone")(**shape)
    for variable in backbone.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    theirs = getattr(keras_hub.models, name)(backbone=backbone, preprocessor=None)
    theirs.compile(sampler="greedy")
    ids = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 0, 0, 0, 0]], np.int32)
    given = {"token_ids": ids, "padding_mask": ids > 0}
    if family == "bart":
        given = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in given.items()}
    expected = theirs.generate_step(given, [10])
    ours = kerashub.Task(name, keras.Model(backbone.input, backbone.output), keras_hub.samplers.GreedySampler())
    found = ours.generate_step(given, [10])
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)
    written = next(np.array(value) for key, value in found.items() if key.endswith("token_ids"))
    assert len({tuple(row) for row in written}) == 2 and (written[:, 3:] > 0).any()
