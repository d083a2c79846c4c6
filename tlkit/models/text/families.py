"""Text model families (BERT, RoBERTa, ...): their KerasHub classes, and the packing and pooling of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Family:
    """The properties that all text backbones of one kind share.

    Args:
        backbone: its class in `keras_hub.models`.
        tokenizer: its tokenizer's class there.
        splits: what a text is split into: WordPieces ("words"), byte pairs ("bytes") or sentencepieces ("pieces").
        block: what the names of the transformer layers begin with.
        stem: the last layer below the first of them.
        pooled: where the vector of a text comes from: the backbone's own "pooler", its "first" token ([CLS] or <s>) or,
            in a decoder, where only the last one has seen all others, its "last".
        separators: how many end tokens stand between the two texts of a pair.
        model_type: what Hugging Face calls it.
        source: the paper.
    """

    backbone: str
    tokenizer: str
    splits: Literal["words", "bytes", "pieces"]
    block: str
    stem: str
    pooled: Literal["pooler", "first", "last"]
    separators: int
    model_type: str
    source: str

    @property
    def outputs(self) -> dict[str, str]:
        """The names and types of the tokenizer's outputs: ids, mask, and segment ids if the backbone takes them."""
        segments = {"segment_ids": "int32"} if self.pooled == "pooler" else {}
        return {"token_ids": "int32", "padding_mask": "bool", **segments}


LAYER, DROPOUT = "transformer_layer_", "embeddings_dropout"
# transformer layers of ALBERT share their weights: they are one block, however often it is passed
SHARED, PROJECTION = "group_", "embedding_projection"
DISENTANGLED = "disentangled_attention_encoder_layer_"

FAMILIES = {
    "bert": Family(
        "BertBackbone", "BertTokenizer", "words", LAYER, DROPOUT, "pooler", 1,
        "bert", "https://arxiv.org/abs/1810.04805",
    ),
    "distil_bert": Family(
        "DistilBertBackbone", "DistilBertTokenizer", "words", LAYER, DROPOUT, "first", 1,
        "distilbert", "https://arxiv.org/abs/1910.01108",
    ),
    "electra": Family(
        "ElectraBackbone", "ElectraTokenizer", "words", LAYER, DROPOUT, "pooler", 1,
        "electra", "https://arxiv.org/abs/2003.10555",
    ),
    "roberta": Family(
        "RobertaBackbone", "RobertaTokenizer", "bytes", LAYER, DROPOUT, "first", 2,
        "roberta", "https://arxiv.org/abs/1907.11692",
    ),
    "xlm_roberta": Family(
        "XLMRobertaBackbone", "XLMRobertaTokenizer", "pieces", LAYER, DROPOUT, "first", 2,
        "xlm-roberta", "https://arxiv.org/abs/1911.02116",
    ),
    "albert": Family(
        "AlbertBackbone", "AlbertTokenizer", "pieces", SHARED, PROJECTION, "pooler", 1,
        "albert", "https://arxiv.org/abs/1909.11942",
    ),
    "deberta_v3": Family(
        "DebertaV3Backbone", "DebertaV3Tokenizer", "pieces", DISENTANGLED, DROPOUT, "first", 1,
        "deberta-v2", "https://arxiv.org/abs/2111.09543",
    ),
    "gpt2": Family(
        "GPT2Backbone", "GPT2Tokenizer", "bytes", LAYER, DROPOUT, "last", 1,
        "gpt2", "https://openai.com/index/better-language-models/",
    ),
    "opt": Family(
        "OPTBackbone", "OPTTokenizer", "bytes", LAYER, "embeddings", "last", 1,
        "opt", "https://arxiv.org/abs/2205.01068",
    ),
    "bloom": Family(
        "BloomBackbone", "BloomTokenizer", "bytes", LAYER, "embedding_layernorm", "last", 1,
        "bloom", "https://arxiv.org/abs/2211.05100",
    ),
}  # fmt: skip
# read by `tlkit.models.generation.prompt_input` alone: they write texts, and are no encoders for a head
SEQ2SEQ = {
    "bart": Family(
        "BartBackbone", "BartTokenizer", "bytes", "transformer_", "encoder_embeddings_dropout", "last", 1,
        "bart", "https://arxiv.org/abs/1910.13461",
    ),
}  # fmt: skip
KINDS = FAMILIES | SEQ2SEQ


def of_class(name: str) -> str | None:
    """Return the family whose backbone is the KerasHub class of this name."""
    return next((key for key, family in FAMILIES.items() if family.backbone == name), None)


def of_model_type(name: str) -> str | None:
    """Return the family that Hugging Face calls by this name."""
    return next((key for key, family in FAMILIES.items() if family.model_type == name), None)
