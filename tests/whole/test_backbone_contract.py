"""What every backbone promises, whatever it is: one set of checks over the rows of the tables."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tests.helpers import text_vocabularies, tiny_models
from tests.helpers.backbone_contract import FAMILIES, rows, run_backbone_test, run_blocks_test, side
from tlkit.artifacts import export
from tlkit.features import batchnorm_folding
from tlkit.models import classifier
from tlkit.models.text import families
from tlkit.models.text.text_backbones import TEXT
from tlkit.models.vision.image_backbones import VISION

# BatchNormalization layers of a backbone, and how many of them directly follow a convolution that nothing else reads
NORMS = {
    "vgg16": (0, 0),
    "resnet50": (53, 53),
    "resnet50_v2": (49, 32),
    "inception_v3": (94, 94),
    "xception": (40, 40),
    "mobilenet_v2": (52, 52),
    "densenet121": (121, 59),
    "efficientnet_b0": (49, 49),
    "convnext_tiny": (0, 0),
    "efficientnet_lite0": (49, 49),
}
# how far back a cell of NASNet reads; the large one's first after a reduction leaves out the map before that
CROSSING = {"nasnet_mobile": 2, "nasnet_large": 3}


def text_rows() -> list:
    """Return the rows of texts with a head; made narrow, with all their layers."""
    slow = [pytest.param(name, "cls_dense", marks=pytest.mark.slow) for name in text_vocabularies.FIRST.values()]
    slow += [pytest.param("bert_tiny_en_uncased", "mean_dense", marks=pytest.mark.slow)]
    others = [name for name in TEXT if name not in text_vocabularies.FIRST.values()]
    return slow + [pytest.param(name, "mean_dense", marks=pytest.mark.all) for name in others]


def run_exact_folding_test(clf: object, name: str, pixels: np.ndarray) -> None:
    """Check in float64, where nothing hides in rounding, that folding is exact, and how much of it there is."""
    import keras

    backbone = classifier.pieces(clf)[1]
    if not any(isinstance(layer, keras.layers.BatchNormalization) for layer in backbone.layers):
        assert NORMS.get(name, (0, 0)) == (0, 0) and batchnorm_folding.fold(backbone) is backbone
        return
    folded, plain = tiny_models.folded_in_float64(clf)
    norms = [sum(isinstance(layer, keras.layers.BatchNormalization) for layer in m.layers) for m in (plain, folded)]
    assert (norms[0], norms[0] - norms[1]) == NORMS.get(name, (norms[0], norms[0] - norms[1]))
    if folded is plain:
        return
    given = classifier.pieces(clf)[0](pixels).numpy().astype(np.float64)
    theirs, ours = (model(given, training=False)["map"].numpy() for model in (plain, folded))
    largest = np.abs(theirs).max()
    assert ours.dtype == np.float64 and np.abs(ours - theirs).max() < 1e-10 * largest
    assert np.abs(np.roll(ours, 1, axis=0) - theirs).max() > 1e-2 * largest


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the classifiers are kept that one process reloads in the end."""
    return tmp_path_factory.mktemp("exported")


def built(name: str, exported: Path) -> object:
    """Build a row's classifier a second time, as Keras names some layers anew then; keep a SavedModel of it."""
    import tensorflow as tf

    size = side(name)
    clf = tlkit.classifier(name, "pool_dense", 3, size=size, weights=None)
    tlkit.unfreeze(clf, 1)
    clf = tiny_models.image_classifier(name, size=size)
    if name in FAMILIES:
        export._write_saved_model(clf, exported / name)
        raw = clf.spec.input.served(list(tiny_models.pictures(4, size, seed=9)))
        (exported / f"{name}.json").write_text(json.dumps([base64.b64encode(each).decode() for each in raw]))
        served = clf.spec.input.signatures(*export.answers(clf), "crop")["serving_default"][0]
        np.save(exported / f"{name}.npy", served(tf.constant(raw))["probabilities"])
    return clf


@pytest.mark.parametrize("name", rows())
def test_pictures(name: str, exported: Path) -> None:
    size = side(name)
    clf = built(name, exported)
    pixels = tiny_models.pictures(12, size, seed=4)
    data = tlkit.arrays(pixels.astype(np.uint8), [clf.spec.labels[number % 3] for number in range(12)])
    assert classifier.pieces(clf)[1].count_params() == VISION[name].params
    run_blocks_test(clf, CROSSING.get(name, 1))
    if name in NORMS or name not in FAMILIES:  # it takes long; what folds is looked at in one row of each kind
        run_exact_folding_test(clf, name, pixels[:5])
    run_backbone_test(clf, pixels[:5], data)


RELOAD = """
import base64, json, pathlib, sys
import numpy as np, tensorflow as tf
tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    loaded = tf.saved_model.load(str(path.with_suffix("")))
    raw = tf.constant([base64.b64decode(each) for each in json.loads(path.read_text())])
    np.save(path.with_suffix(".reloaded.npy"), loaded.signatures["serving_default"](raw)["probabilities"])
"""


@pytest.mark.slow
def test_one_process_reloads_them_all(exported: Path) -> None:
    for name in FAMILIES:
        if not (exported / f"{name}.npy").exists():  # where this test is run alone
            built(name, exported)
    command = [sys.executable, "-I", "-c", RELOAD, str(exported)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    assert done.returncode == 0, done.stderr[-2000:]
    for name in FAMILIES:
        expected, given = (np.load(exported / f"{name}{kind}.npy") for kind in ("", ".reloaded"))
        # to the bit but for three networks, where TensorFlow does not rearrange what it loads; where it does, a deep
        # network with random weights turns one bit of rounding into 1.2e-4, as the last bit of its input does, too
        assert np.abs(given - expected).max() <= 1e-5, name
        assert np.abs(np.roll(given, 1, axis=0) - expected).max() > 1e-2, name


@pytest.mark.parametrize(("name", "head"), text_rows())
def test_texts(name: str, head: str) -> None:
    import tensorflow as tf

    text_vocabularies.classifier(name, head)
    clf = text_vocabularies.classifier(name, head)  # a second build in one process
    texts = [f"the {word} {other}" for word in tiny_models.WORDS[:6] for other in tiny_models.WORDS[6:8]]
    data = tlkit.arrays(texts, [clf.spec.labels[number % 3] for number in range(12)])
    blocks = 1 if TEXT[name].input.family == "albert" else TEXT[name].arguments["num_layers"]
    assert len(clf.spec.backbone.blocks) == blocks
    run_backbone_test(clf, tf.constant(tiny_models.TEXTS), data)


def test_every_row_has_a_contract() -> None:
    assert {row.values[0] for row in rows()} == set(VISION) > set(NORMS)
    assert {VISION[name].source for name in FAMILIES} == {row.source for row in VISION.values()}
    assert len(FAMILIES) == len({VISION[name].source for name in FAMILIES})
    assert {row.values[0] for row in text_rows()} == set(TEXT) > set(text_vocabularies.FIRST.values())
    assert {row.input.family for row in TEXT.values()} == set(families.FAMILIES)
