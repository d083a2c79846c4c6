"""Models that write: built, frozen and opened, trained in phases, saved, exported and asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tlkit
from tests.helpers import tiny_generators
from tlkit.config import Phase
from tlkit.errors import ArtifactError, FreezeError, InputError
from tlkit.features import frontier
from tlkit.models import classifier, freezing, lora
from tlkit.models.vision import architectures

PAIRS = [[prompt, "dog cat dog"] for prompt in tiny_generators.PROMPTS]
MAKE = {"reply": tiny_generators.decoder, "summary": tiny_generators.seq2seq}


@pytest.fixture(scope="module", params=["reply", "summary"])
def lm(request: pytest.FixtureRequest) -> Any:
    return MAKE[request.param]()


def logits(model: Any, pairs: Any = PAIRS) -> np.ndarray:
    return model(tf.constant(pairs), training=False).numpy()


def embedding(model: Any) -> np.ndarray:
    return classifier.pieces(model)[1].get_layer("token_embedding").embeddings.numpy()


# === Built and saved ===


def test_a_saved_model_is_the_same_and_has_one_embedding(lm: Any, tmp_path: Path) -> None:
    lm.save(tmp_path / "model.keras")
    loaded = classifier.attach(architectures.read_keras(tmp_path / "model.keras"), lm.spec)
    assert np.abs(logits(loaded) - logits(lm)).max() == 0.0
    table = classifier.pieces(loaded)[1].get_layer("token_embedding").embeddings
    table.assign(np.array(table)[:, ::-1])  # a control: both ends of the model must notice
    assert len(loaded.weights) == len(lm.weights) and np.abs(logits(loaded) - logits(lm)).max() > 1


def test_blocks_open_from_the_top_and_the_embedding_with_all(lm: Any) -> None:
    counts = []
    for blocks in range(len(lm.spec.backbone.blocks) + 1):
        freezing.unfreeze(lm, blocks)
        counts.append(len(lm.trainable_variables))
        assert not any("token_embedding" in variable.path for variable in lm.trainable_variables)
    freezing.unfreeze(lm, "all")
    assert counts[0] == 0 and counts == sorted(set(counts)) and len(lm.trainable_variables) == len(lm.weights)
    freezing.unfreeze(lm, 0)


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_frontier_composes_exactly(lm: Any, blocks: int) -> None:
    freezing.unfreeze(lm, blocks)
    cut = frontier.find(lm)
    trunk, tail = frontier.segment(lm, None, cut), frontier.segment(lm, cut, None)
    middle = trunk(tf.constant(PAIRS), training=False)
    middle = list(middle) if isinstance(middle, list | tuple) else [middle]
    assert np.abs(np.asarray(tail(middle, training=False)) - logits(lm)).max() == 0.0
    shuffled = [tensor[::-1] for tensor in middle]  # a control: rows of others
    assert np.abs(np.asarray(tail(shuffled, training=False)) - logits(lm)).max() > 1
    assert not trunk.trainable_variables and len(tail.trainable_variables) == len(lm.trainable_variables)
    assert len(cut.tensors) == (2 if "reply" in lm.name else 4)  # of a BART the document and the summary cross
    freezing.unfreeze(lm, 0)


def test_a_phase_without_anything_to_train_is_refused(lm: Any) -> None:
    data = tiny_generators.talks(1, lm.spec.target.name)
    with pytest.raises(InputError, match="a phase with unfreeze=0 leaves nothing to train"):
        tlkit.fit(lm, data, phases=[Phase("head", 1, 1e-3, 0)], progress=False)


# === Training ===


@pytest.mark.slow
@pytest.mark.parametrize("task", ["reply", pytest.param("summary", marks=pytest.mark.all)])
def test_two_phases_learn_and_compute_the_lower_layers_once(task: str, stored: Path) -> None:
    lm, data = MAKE[task](), tiny_generators.talks(16, task)
    blocks = lm.spec.backbone.blocks
    before, table = logits(lm), embedding(lm)
    lowest = classifier.pieces(lm)[1].get_layer(blocks[0]).get_weights()
    phases = (Phase("top", 2, 3e-3, 1), Phase("deeper", 3, 3e-3, 2))
    history = tlkit.fit(lm, data, phases=phases, progress=False)
    first, last = history.epochs[0], history.epochs[-1]
    assert last["val_loss"] < first["val_loss"] and 0 <= last["val_token_accuracy"] <= 1
    assert history.trunk_examples == len(data.train) + len(data.val)
    assert np.array_equal(embedding(lm), table) and np.abs(logits(lm) - before).max() > 0.1
    after = classifier.pieces(lm)[1].get_layer(blocks[0]).get_weights()
    assert all(np.array_equal(*both) for both in zip(lowest, after, strict=True))
    again = tlkit.fit(MAKE[task](), data, phases=[Phase("top", 1, 3e-3, 1)], progress=False)
    assert again.trunk_examples == 0  # what an earlier training stored is found again


def test_data_of_labels_are_refused() -> None:
    data = dataclasses.replace(tiny_generators.talks(1), labels=("a", "b"), task="label")
    with pytest.raises(InputError, match="the classifier learns replies, but the data hold one label"):
        tlkit.fit(tiny_generators.decoder(), data, progress=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"class_weight": "balanced"}, "class_weight='balanced' is not for replies"),
        ({"label_smoothing": 0.1}, "leave it out for replies"),
        ({"sampling": "balanced"}, "leave it out for replies"),
    ],
)
def test_options_that_do_not_suit(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tlkit.fit(tiny_generators.decoder(1), tiny_generators.talks(1), progress=False, **given)


# === Folders ===


@pytest.mark.parametrize("kind", ["GPT2", "Bart"])
def test_a_preset_folder_gives_what_kerashub_gives(kind: str, tmp_path: Path) -> None:
    import keras_hub

    made = (tiny_generators.decoder if kind == "GPT2" else tiny_generators.seq2seq)(2)
    shape = dict(made.spec.backbone.arguments)
    bare = getattr(keras_hub.models, f"{kind}Backbone")(**shape)
    bare.set_weights([weight * 20 for weight in bare.get_weights()])
    bare.save_to_preset(str(tmp_path))
    words = {word: number for number, word in enumerate(tiny_generators.LEXICON.words)}
    tokenizer = getattr(keras_hub.models, f"{kind}Tokenizer")(vocabulary=words, merges=list(tiny_generators.MERGES))
    tokenizer.save_to_preset(str(tmp_path))
    task = getattr(keras_hub.models, "GPT2CausalLM" if kind == "GPT2" else "BartSeq2SeqLM")(bare)
    if kind == "GPT2":
        lm = tlkit.generator(str(tmp_path), size=32)
    else:
        lm = tlkit.summarizer(made.spec.backbone, weights=tmp_path)
    expected = task({name: np.asarray(value) for name, value in lm.get_layer("pre")(tf.constant(PAIRS)).items()})
    assert np.abs(logits(lm) - np.asarray(expected)).max() <= 1e-5 < np.ptp(np.asarray(expected))
    with pytest.raises(InputError, match="size 65 does not suit this backbone"):
        tlkit.generator(str(tmp_path), size=65) if kind == "GPT2" else tiny_generators.seq2seq(1, size=65)


# === Low-rank additions ===


@pytest.mark.slow
def test_additions_change_nothing_train_alone_and_are_merged() -> None:
    plain, lm = tiny_generators.decoder(), tiny_generators.decoder(lora=2)
    assert np.abs(logits(lm) - logits(plain)).max() == 0.0
    data = tiny_generators.talks()
    freezing.unfreeze(lm, 2)
    assert {variable.name for variable in lm.trainable_variables} == set(lora.FACTORS)
    assert len(lm.trainable_variables) == 2 * 2 * 2 and "transformer_layer_0" in frontier.find(lm).after
    kernels = {v.path: v.numpy() for v in lm.weights if "lora" not in v.name}
    tlkit.fit(lm, data, phases=[Phase("lora", 3, 1e-2, 2)], progress=False)
    assert all(np.array_equal(v.numpy(), kernels[v.path]) for v in lm.weights if v.path in kernels)
    learned = logits(lm)
    assert np.abs(learned - logits(plain)).max() > 1e-2
    lora.merge(lm)
    assert len(lm.weights) == len(plain.weights) and np.abs(logits(lm) - learned).max() < 1e-4
    freezing.unfreeze(lm, 1)
    assert len(lm.trainable_variables) == 18  # whole blocks again: one, and the last normalisation


def test_a_kernel_that_moves_under_additions_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from tlkit.training import loop

    lm, original = tiny_generators.decoder(lora=2), loop.train

    def meddling(tail: Any, *args: Any) -> Any:
        layer = next(layer for layer in tail._flatten_layers() if layer.name == "query")
        layer._kernel.assign(layer._kernel + 1)
        return original(tail, *args)

    monkeypatch.setattr(loop, "train", meddling)
    with pytest.raises(FreezeError, match=r"changed 1 frozen weights of tiny_gpt2, the first is .*query/kernel"):
        tlkit.fit(lm, tiny_generators.talks(4), phases=[Phase("lora", 1, 1e-2, 1)], progress=False)


# === Refused ===


def test_backbones_and_sizes_that_do_not_suit() -> None:
    with pytest.raises(InputError, match="minilm_l6 writes no texts; generators are made of the families bloom, gpt2"):
        tlkit.generator("minilm_l6", weights=None)
    with pytest.raises(InputError, match="bart_base_en"):
        tlkit.summarizer("bart_base")
    with pytest.raises(InputError, match="tiny_gpt2 does not summarize"):
        tlkit.summarizer(tiny_generators.decoder(1).spec.backbone, weights=None)
    with pytest.raises(InputError, match="size 65 does not suit this backbone; give 8 to 64 tokens"):
        tiny_generators.decoder(1, size=65)
    with pytest.raises(InputError, match="length 30 does not suit size=32; give 4 to 28 tokens"):
        tiny_generators.decoder(1, length=30)


# === Exported ===


@pytest.mark.parametrize(
    "task",
    [
        pytest.param("reply", marks=pytest.mark.all),  # `make test-slow` has it by the command line
        pytest.param("summary", marks=pytest.mark.slow),
    ],
)
def test_an_exported_model_writes_the_same_in_a_fresh_process(task: str, tmp_path: Path) -> None:
    lm, data = MAKE[task](lora=2), tiny_generators.talks(4, task)
    tlkit.fit(lm, data, phases=[Phase("lora", 1, 1e-2, 2)], progress=False)
    report = tlkit.evaluate(lm, data.test)
    assert report.perplexity == pytest.approx(np.exp(report.loss)) and report.tokens > len(data.test)
    assert report.written[0]["truth"] == data.test.items[0].parts[1]
    assert f"perplexity {report.perplexity:.2f}" in str(report) and "token accuracy" in str(report)
    artifact = tlkit.export(lm, tmp_path / "out", report=report)
    assert artifact.facts["parity"]["max_difference"] <= 1e-5 < artifact.facts["parity"]["spread"]
    (found, long) = artifact.predict(["the cat", "the " * 40])
    assert found.text == tlkit.generate(lm, "the cat")[0] and found.dropped == 0 and long.dropped > 0
    assert np.abs(logits(artifact.model) - logits(lm)).max() == 0.0
    assert artifact.report.perplexity == pytest.approx(report.perplexity)
    assert artifact.input.facts() == lm.spec.input.facts()
    assert "generate" in artifact.served.signatures and f"write a {task}" in (tmp_path / "out/README.md").read_text()
    with pytest.raises(InputError, match="item 1 is an empty prompt"):
        artifact.predict(["a", " "])
    text = (tmp_path / "out/tlkit.json").read_text()
    (tmp_path / "out/tlkit.json").write_text(text.replace('"temperature": 1.0', '"temperature": -1.0'))
    with pytest.raises(ArtifactError, match=r"input\.sampling: k=40, p=0\.9, temperature=-1\.0"):
        tlkit.load(tmp_path / "out")
