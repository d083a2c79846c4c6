"""The families of text backbones: names by which they are found, and how they pool."""

from __future__ import annotations

import pytest

from tlkit.models.text.families import FAMILIES, KINDS, SEQ2SEQ, of_class, of_model_type

DECODERS = {"gpt2", "opt", "bloom"}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_found_by_its_class_and_by_what_hugging_face_calls_it(name: str) -> None:
    family = FAMILIES[name]
    assert of_class(family.backbone) == name == of_model_type(family.model_type)
    assert family.source.startswith("https://") and family.tokenizer.endswith("Tokenizer")


@pytest.mark.parametrize("name", ["", "Bert", "bert", "T5Backbone", SEQ2SEQ["bart"].backbone])
def test_classes_of_no_family(name: str) -> None:
    assert of_class(name) is None


@pytest.mark.parametrize("name", ["", "BertBackbone", "t5", "bart"])
def test_types_of_no_family(name: str) -> None:
    assert of_model_type(name) is None


def test_no_two_families_share_a_name() -> None:
    for field in ("backbone", "tokenizer", "model_type", "source"):
        assert len({getattr(family, field) for family in KINDS.values()}) == len(KINDS)
    assert set(KINDS) == set(FAMILIES) | set(SEQ2SEQ) and not set(FAMILIES) & set(SEQ2SEQ)


def test_segments_are_given_to_those_with_a_pooler_alone() -> None:
    taken = {name: family.outputs for name, family in FAMILIES.items()}
    assert taken["bert"] == {"token_ids": "int32", "padding_mask": "bool", "segment_ids": "int32"}
    assert taken["roberta"] == taken["gpt2"] == {"token_ids": "int32", "padding_mask": "bool"}
    assert {name for name, given in taken.items() if "segment_ids" in given} == {"bert", "electra", "albert"}


def test_where_only_the_last_token_has_seen_all_others_it_stands_for_the_text() -> None:
    assert {name for name, family in KINDS.items() if family.pooled == "last"} == DECODERS | {"bart"}
