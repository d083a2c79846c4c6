"""Freezing: which layers a block has, what unfreezing opens, and what the audit sees."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tests.helpers.page_structure import Structure
from tlkit.errors import FreezeError, InputError
from tlkit.models import classifier, freezing


@pytest.fixture(scope="module")
def clf() -> object:
    return tiny_models.image_classifier("efficientnet_b0")


def trainable(clf: object) -> set[str]:
    return {variable.path.split("/")[0] for variable in classifier.pieces(clf)[1].trainable_variables}


def test_blocks_open_from_the_top(clf: object) -> None:
    count = len(clf.spec.backbone.blocks)
    opened = []
    for blocks in [*range(count + 1), "all"]:
        tlkit.unfreeze(clf, blocks)
        opened.append(trainable(clf))
    assert opened[0] == set()
    assert all(low < high for low, high in pairwise(opened))
    assert "top_conv" in opened[1] and "block7a_project_conv" in opened[1]
    assert not any(name.startswith("block6") for name in opened[1])
    assert {name for name in opened[2] if name.startswith("block6")} and "stem_conv" not in opened[count]
    assert "stem_conv" in opened[-1]


def test_batch_normalization_never_trains(clf: object) -> None:
    tlkit.unfreeze(clf, "all")
    assert not any("bn" in name or name == "normalization" for name in trainable(clf))


def test_training_moves_no_batch_statistics(clf: object) -> None:
    tlkit.unfreeze(clf, "all")
    before = {v.path: v.numpy() for v in clf.weights if "moving" in v.path}
    clf(tiny_models.pictures(8, 32, seed=9), training=True)
    assert before and all(np.array_equal(v.numpy(), before[v.path]) for v in clf.weights if "moving" in v.path)


@pytest.mark.parametrize("blocks", [-1, 8, 1.5, "top"])
def test_blocks_that_are_not_there(clf: object, blocks: object) -> None:
    with pytest.raises(InputError, match="efficientnet_b0 has 7 blocks; give 0 to 7, or 'all'"):
        tlkit.unfreeze(clf, blocks)


def test_a_bert_keeps_its_embeddings_as_the_stem(tmp_path: Path) -> None:
    clf = tiny_models.text_classifier(tmp_path)
    assert clf.spec.backbone.blocks == ("transformer_layer_0", "transformer_layer_1", "transformer_layer_2")
    tlkit.unfreeze(clf, 3)
    assert trainable(clf) == {"transformer_layer_0", "transformer_layer_1", "transformer_layer_2"}
    tlkit.unfreeze(clf, "all")
    assert "token_embedding" in trainable(clf)


def test_the_pooler_belongs_to_the_last_block(tmp_path: Path) -> None:
    clf = tiny_models.text_classifier(tmp_path, head="cls_dense")
    tlkit.unfreeze(clf, 1)
    assert trainable(clf) == {"transformer_layer_2", "pooled_dense"}


def test_a_row_with_a_wrong_name_is_refused(clf: object) -> None:
    import dataclasses

    row = dataclasses.replace(clf.spec.backbone, blocks=("block9_add",))
    with pytest.raises(InputError, match="names layers it does not have: block9_add"):
        freezing.layer_blocks(classifier.pieces(clf)[1], row)


def test_the_audit_sees_a_single_weight(clf: object) -> None:
    tlkit.unfreeze(clf, 1)
    backbone = classifier.pieces(clf)[1]
    before = freezing.fingerprints(backbone)
    freezing.audit(backbone, before, "top")
    kernel = backbone.get_layer("stem_conv").kernel
    kept = kernel.numpy()
    kernel.assign(kept + np.eye(1, kept.size).reshape(kept.shape) * 1e-3)
    with pytest.raises(FreezeError, match="phase 'top' changed 1 frozen weights of efficientnet_b0, the first is stem"):
        freezing.audit(backbone, before, "top")
    kernel.assign(kept)


def test_the_audit_sees_batch_statistics(clf: object) -> None:
    tlkit.unfreeze(clf, "all")
    backbone = classifier.pieces(clf)[1]
    before = freezing.fingerprints(backbone)
    backbone.get_layer("top_bn").trainable = True
    try:
        clf(tiny_models.pictures(8, 32), training=True)
        with pytest.raises(FreezeError, match="top_bn/moving"):
            freezing.audit(backbone, before, "top")
    finally:
        backbone.get_layer("top_bn").trainable = False


# === The table ===


def test_the_table_counts_what_trains(clf: object) -> None:
    head = classifier.pieces(clf)[2]
    for blocks in (0, 2, "all"):
        tlkit.unfreeze(clf, blocks)
        parts = tlkit.freeze_table(clf).parts
        assert sum(part.parameters for part in parts) == clf.count_params()
        assert sum(part.trainable for part in parts) == sum(int(np.prod(v.shape)) for v in clf.trainable_variables)
        assert parts[-1].trainable == parts[-1].parameters == head.count_params()
        opened = {part.opened for part in parts[:-1] if part.trainable}
        assert opened == ({"all", *range(1, len(parts) - 1)} if blocks == "all" else set(range(1, blocks + 1)))
    assert [part.name for part in parts] == ["stem", *clf.spec.backbone.blocks, "head"]


def test_the_table_shows_itself(clf: object) -> None:
    tlkit.unfreeze(clf, 0)
    found = tlkit.freeze_table(clf)
    lines = str(found).splitlines()
    assert lines[0].split() == ["part", "opened", "by", "unfreeze", "parameters", "trainable"]
    assert lines[-1].split() == ["all", f"{clf.count_params():,}", f"{found.parts[-1].trainable:,}"]
    hostile = freezing.FreezeTable((freezing.Part("<script>x</script>", 0, 5, 5), *found.parts))
    page = Structure(hostile._repr_html_())
    assert page.count("script") == 0 and "<script>x</script>" in page.text and page.count("tr") == len(found.parts) + 3
