"""Configs of Keras that name functions to call, or classes that load, are refused by every door; all others load."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import tlkit
from tests.helpers import backbone_contract, image_preset_folders, text_vocabularies, tiny_generators, tiny_models
from tests.helpers.forged_artifacts import forge
from tests.helpers.table_rows import COLUMNS, ROWS
from tlkit.artifacts import export
from tlkit.cli import main
from tlkit.errors import ArtifactError, WeightsError
from tlkit.models import keras_configs
from tlkit.models.backbone import Backbone
from tlkit.models.keras_configs import RefusedError
from tlkit.models.tabular import autoencoder
from tlkit.models.tabular.table_input import TableInput
from tlkit.models.text import text_presets
from tlkit.models.vision import architectures
from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import ImageInput

# === Payloads ===


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def node(name: str, *arguments: Any) -> dict[str, Any]:
    """Describe an operation as a node of a graph."""
    return {
        "module": "keras.src.ops.core",
        "class_name": name,
        "config": {"name": "payload"},
        "registered_name": name,
        "name": "payload",
        "inbound_nodes": [{"args": list(arguments), "kwargs": {}}],
    }


def calling(module: str, name: str, *arguments: Any) -> dict[str, Any]:
    """Describe a node that calls a function of Keras while the graph is built."""
    called = function(module, name)
    return node("Switch", 0, [called, called], *arguments)


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """Return the picture that a payload would write; what one changes besides is put back."""
    keras.config.set_floatx("float32")
    yield tmp_path / "marker.png"
    keras.config.set_floatx("float32")


def picture(marker: Path) -> dict[str, Any]:
    """Describe a node that writes a picture."""
    pixels = {"class_name": "__numpy__", "config": {"value": np.zeros((1, 2, 2, 3)).tolist(), "dtype": "float32"}}
    more = [None, None, None, 1, 1, [0, 255], 1, str(marker), False]
    return calling("keras.visualization", "plot_image_gallery", pixels, *more)


def harmless(marker: Path) -> bool:
    """Tell whether nothing of a payload has run."""
    return not marker.exists() and keras.config.floatx() == "float32"


FLOATX = calling("keras.config", "set_floatx", "float16")


def graph(payload: dict[str, Any]) -> dict[str, Any]:
    """Describe a model with a payload, as `keras.saving.serialize_keras_object` does."""
    pixels = keras.Input((4,), name="pixels")
    model = keras.Model(pixels, keras.layers.Dense(2, name="dense")(pixels))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    config["config"]["layers"].append(payload)
    return config


def poison(path: Path, payload: dict[str, Any]) -> None:
    """Add a payload to the graph that a `.keras` file describes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"].append(payload)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


# === Artifacts ===


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "out"
    proof = {"samples": 0, "real": False, "max_difference": 0.0, "spread": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_prove", lambda *_: proof)
        tlkit.export(tiny_models.tiny_classifier(["dark", "red"]), out)
    return out


@pytest.fixture
def artifact(exported: Path, tmp_path: Path, marker: Path) -> Path:
    """Copy an artifact whose `.keras` file writes a picture while it is loaded, its digests made to fit."""
    copied = Path(shutil.copytree(exported, tmp_path / "artifact"))
    poison(copied / "model.keras", picture(marker))
    forge(copied)
    return copied


SAID = r"config\.layers\[\d+\] names 'keras\.src\.ops\.core\.Switch', which is not on the list"


def test_an_artifact_that_calls_a_function(artifact: Path, marker: Path) -> None:
    with pytest.raises(ArtifactError, match=rf"model\.keras is not loaded: {SAID}.*; export the model again"):
        _ = tlkit.load(artifact).model
    assert harmless(marker)


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_the_commands_that_load_an_artifact(
    command: str, artifact: Path, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for number in range(12):
        folder = tmp_path / "pictures" / ("dark", "red")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (200 * (number % 2), number, 0)).save(folder / f"{number}.png")
    data = [str(tmp_path / "pictures")] if command == "evaluate" else []
    assert main([command, str(artifact), *data, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err.strip()
    assert "model.keras is not loaded: config.layers[" in told and "\n" not in told
    assert harmless(marker)


def test_what_the_doors_keep_out_does_harm_elsewhere(
    artifact: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: Keras alone, in its safe mode, runs the payloads."""
    fetched = []
    monkeypatch.setattr("keras.src.datasets.mnist.get_file", lambda *_, **given: fetched.append(given["origin"]))
    for payload in (picture(marker), FLOATX, calling("keras.datasets.mnist", "load_data", str(marker.with_suffix("")))):
        poisoned = shutil.copy(artifact / "model.keras", marker.parent / "w.keras")
        poison(Path(poisoned), payload)
        with pytest.raises(Exception, match=r"\w"):  # after it has run, for want of a tensor
            keras.saving.load_model(poisoned, compile=False, safe_mode=True)
    assert marker.exists() and keras.config.floatx() == "float16" and len(fetched) == 1


# === Weights ===


def tiny_row() -> Backbone:
    return Backbone("tiny", tiny_models.tiny_backbone, ImageInput("tf", 16, 8), ("end1",))


def test_weights_are_taken_from_a_file_whose_graph_is_not_built(artifact: Path, marker: Path) -> None:
    clf = tlkit.classifier(tiny_row(), "pool_dense", 2, weights=artifact / "model.keras")
    assert harmless(marker)
    whole = tlkit.load(artifact)
    shutil.copy(whole.path / "model.keras", marker.parent / "again.keras")
    other = tlkit.classifier(tiny_row(), "pool_dense", 2, weights=None)
    assert not np.array_equal(clf.get_layer("tiny").get_weights()[0], other.get_layer("tiny").get_weights()[0])


def test_the_command_that_takes_weights(
    artifact: Path, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for number in range(20):
        folder = tmp_path / "pictures" / ("dark", "red")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (200 * (number % 2), number, 0)).save(folder / f"{number}.png")
    command = ["train", str(tmp_path / "pictures"), "--out", str(tmp_path / "out"), "--size", "32", "--quiet"]
    command += ["--backbone", "mobilenet_v2", "--head", "pool_dense", "--weights", str(artifact / "model.keras")]
    assert main(command) == 2
    assert "no part of the saved model has this architecture's weights" in capsys.readouterr().err
    assert harmless(marker)


def test_an_autoencoder(tmp_path: Path, marker: Path) -> None:
    (model := keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])).save(tmp_path / "autoencoder.keras")
    poison(tmp_path / "autoencoder.keras", FLOATX)
    with pytest.raises(
        WeightsError, match=r"no autoencoder that can be read: config\.layers\[2\] names .*; pretrain again"
    ):
        autoencoder.load_encoder(model, tmp_path / "autoencoder.keras")
    assert harmless(marker)


# === Preset folders ===


@pytest.fixture(scope="module")
def presets_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("presets")
    return {
        "image": image_preset_folders.keras_hub_folder(root / "vgg", "vgg")[0],
        "text": tiny_models.tiny_bert(root / "bert"),
    }


def with_files(folder: Path, target: Path, **files: Any) -> Path:
    shutil.copytree(folder, target)
    for name, config in files.items():
        (target / f"{name}.json").write_text(json.dumps(config))
    return target


def nested(folder: Path) -> dict[str, Any]:
    """Return the config of a preset whose type is a model with a payload."""
    config = json.loads((folder / "config.json").read_text())
    config["config"]["dtype"] = graph(FLOATX)
    return config


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("image", "image_converter", r"image_converter\.json names 'keras\.src\.models\.functional\.Functional'"),
        ("image", "config", r"config\.json: config\.dtype\.config\.layers\[2\] names 'keras\.src\.ops\.core\.Switch'"),
        ("text", "tokenizer", r"tokenizer\.json names 'keras\.src\.models\.functional\.Functional'"),
        ("text", "config", r"config\.json: config\.dtype\.config\.layers\[2\] names 'keras\.src\.ops\.core\.Switch'"),
    ],
)
def test_a_preset_that_calls_a_function(
    kind: str, name: str, said: str, presets_of: dict, tmp_path: Path, marker: Path, capsys: pytest.CaptureFixture
) -> None:
    payload = nested(presets_of[kind]) if name == "config" else graph(FLOATX)
    folder = with_files(presets_of[kind], tmp_path / "preset", **{name: payload})
    head = "pool_dense" if kind == "image" else "mean_dense"
    with pytest.raises(WeightsError, match=rf"preset cannot be read as .*: {said}"):
        tlkit.classifier(str(folder), head, 2)
    assert harmless(marker)
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"the cat {n},{'ab'[n % 2]}\n" for n in range(20)))
    for number in range(20):
        inside = tmp_path / "pictures" / ("dark", "red")[number % 2]
        inside.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (200 * (number % 2), number, 0)).save(inside / f"{number}.png")
    data = tmp_path / ("pictures" if kind == "image" else "t.csv")
    command = ["train", str(data), "--out", str(tmp_path / "out"), "--backbone", str(folder), "--head", head, "--quiet"]
    assert main(command) == 2
    assert "preset cannot be read as" in capsys.readouterr().err
    assert harmless(marker)


@pytest.mark.parametrize("name", ["preprocessor", "task"])
@pytest.mark.parametrize("kind", ["image", "text"])
def test_what_of_a_preset_is_not_read_does_nothing(
    name: str, kind: str, presets_of: dict, tmp_path: Path, marker: Path
) -> None:
    folder = with_files(presets_of[kind], tmp_path / "preset", **{name: graph(FLOATX)})
    tlkit.classifier(str(folder), "pool_dense" if kind == "image" else "mean_dense", 2)
    assert harmless(marker)


def test_a_tokenizer_reads_no_file_elsewhere(presets_of: dict, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsecret\n")
    config = json.loads((presets_of["text"] / "tokenizer.json").read_text())
    config["config"]["vocabulary"] = str(tmp_path / "secret.txt")
    folder = with_files(presets_of["text"], tmp_path / "preset", tokenizer=config)
    said = r"tokenizer\.json: config\.vocabulary is the path of a file; give a list of words"
    with pytest.raises(WeightsError, match=said):
        text_presets.lexicon(folder, "bert")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "model.weights",
            {"weight_map": {"a": "../secret.h5"}},
            r"model\.weights\.json: weight_map\.a names '\.\./secret",
        ),
        ("model.safetensors.index", {"weight_map": {"a": "/etc/secret"}}, r"weight_map\.a names '/etc/secret'"),
    ],
)
def test_shards_lie_in_the_folder(name: str, content: Any, said: str, presets_of: dict, tmp_path: Path) -> None:
    folder = with_files(presets_of["text"], tmp_path / "preset", **{name: content})
    with pytest.raises(WeightsError, match=said):
        text_presets.read(folder, "bert", "row")


def test_keras_cv_names_weights_in_its_folder() -> None:
    config = {"module": "keras_cv.a", "class_name": "ResNetV2Backbone", "registered_name": "keras_cv>ResNetV2Backbone"}
    keras_configs._check_preset({**config, "config": {}, "weights": "model.weights.h5"}, "config.json")
    with pytest.raises(RefusedError, match=r"config\.json: weights names '\.\./w\.h5', which is no file beside it"):
        keras_configs._check_preset({**config, "config": {}, "weights": "../w.h5"}, "config.json")


# === What is refused ===


def layer(name: str, module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    given = {"module": module, "class_name": name, "config": config, "registered_name": None, "name": "payload"}
    return {**given, "inbound_nodes": []}


UPLOAD = "keras_hub>upload_preset"
DENSE = layer("Dense", units=2)
CUSTOM = (
    "'a.b.Mine', which is not on the list of what only computes; where it is your own, register it with keras.saving"
)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (layer("Lambda", function={}), r"is a `Lambda` layer: it may run code of its own"),
        (layer("TFSMLayer", filepath="a"), r"is a `TFSMLayer` layer: it loads a SavedModel, which is a program"),
        (layer("TorchModuleWrapper"), r"is a `TorchModuleWrapper` layer: it unpickles a program"),
        (layer("JaxLayer"), r"is a `JaxLayer` layer: it calls functions"),
        (layer("Mine", "a.b"), f"names {CUSTOM}"),
        (layer("Dense", "keras.src.layers.core.dense"), "which is not on the list"),
        (layer("get_file", "keras.utils"), "names 'keras.utils.get_file', which is not on the list"),
        (layer("RemoteMonitor", "keras.callbacks"), "which is not on the list"),
        ({**DENSE, "registered_name": UPLOAD}, "names 'keras.layers.Dense', which is not on the list"),
        (layer("BertTokenizer", "keras_hub.src.models.bert.bert_tokenizer"), "which is not on the list"),
        (layer("upload_preset", "keras_hub.src.utils.preset_utils"), "which is not on the list"),
        (layer("Activation", activation=function("keras.utils", "save_img")),
         r"\.config\.activation names the function 'keras\.utils\.save_img'; only activations may be named, by name"),
        (layer("Activation", activation={**function("builtins", "relu"), "more": 1}), "only activations may be named"),
        (layer("Dense", kernel_initializer=function("builtins", "relu")), "only activations may be named"),
        (layer("Dense", kernel_initializer=UPLOAD), r"kernel_initializer names 'keras_hub>upload_preset'"),
        (layer("Pipeline", layers=["keras_hub>get"]), r"\.config\.layers\[0\] names 'keras_hub>get'"),
        (layer("TimeDistributed", layer=layer("Lambda")), r"\.config\.layer is a `Lambda` layer"),
        (layer("RNN", cell=[layer("GRUCell"), layer("Mine", "a.b")]), r"\.config\.cell\[1\] names 'a\.b\.Mine'"),
        (layer("StringLookup", vocabulary="/etc/passwd"), r"\.config\.vocabulary is the path of a file; give a list"),
        (layer("TextVectorization", vocabulary="/etc/passwd"), r"\.config\.vocabulary is the path of a file"),
        (layer("TextVectorization", standardize=function("keras.utils", "save_img")), "only activations may be named"),
        (layer("__lambda__", "builtins", value="a"), "is a __lambda__, which is code or stands for it"),
        (layer("__typespec__", "tensorflow"), "is a __typespec__, which is code or stands for it"),
        ({"class_name": "Dense", "config": {}, "name": "payload"}, "as older versions of Keras did; save the model"),
        ({**DENSE, "class_name": 3}, "describes an object by what is no name"),
        ({**DENSE, "module": ["keras"]}, "describes an object by what is no name"),
        ({**DENSE, "compile_config": {"optimizer": "adam"}}, r"\.compile_config describes a training; save"),
        (node("StopGradient", function("keras.config", "set_floatx")),
         r"\.inbound_nodes\[0\]\.args\[0\] names the function 'keras\.config\.set_floatx'; the arguments of a "
         "node may only hold tensors and plain values"),
        (node("StopGradient", [[layer("Dense")]]), r"args\[0\]\[0\]\[0\] names 'keras\.layers\.Dense'; the arguments"),
        (node("StopGradient", "keras_hub>get"), r"args\[0\] names 'keras_hub>get', a class or function"),
        (node("StopGradient", layer("__lambda__")), "may only hold tensors and plain values"),
        *[(node(name), f"names 'keras.src.ops.core.{name}', which is not on the list") for name in (
            "Switch", "Cond", "Map", "Scan", "WhileLoop", "VectorizedMap", "ForiLoop", "AssociativeScan")],
        (layer("Function", "keras.src.ops.function"), "which is not on the list"),
        (layer("JVP", "keras.src.ops.linalg"), "which is not on the list"),
    ],
)  # fmt: skip
def test_what_is_refused(payload: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError, match=f"^config.layers.2.*{said}"):
        keras_configs.check(graph(payload))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ([], "the config describes no model; save the model again with Keras 3"),
        ({"a": 1}, "the config describes no model"),
        (
            {**DENSE, "config": {"a": [[]] * 300_000}},
            r"config\.a.* is one too many: the config has more than 200,000 parts",
        ),
    ],
)
def test_what_is_no_config(config: Any, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        keras_configs.check(config)


def test_a_deep_config() -> None:
    deep: Any = 1
    for _ in range(120):
        deep = {"a": deep}
    with pytest.raises(RefusedError, match="is one too many: the config has more than 100 levels") as told:
        keras_configs.check({**DENSE, "config": deep})
    assert len(str(told.value)) < 500
    with pytest.raises(RefusedError, match="its config is no JSON that can be read: it is nested too deeply; fetch it"):
        keras_configs.parse(b"[" * 100_000, "its config")


def test_a_large_config(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_configs, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"its config\.json has [\d,]+ bytes; at most 1,000 are read"):
        architectures.read_keras(exported / "model.keras")
    (tmp_path / "config.json").write_text("[" * 1001)
    with pytest.raises(RefusedError, match=r"config\.json has 1,001 bytes; at most 1,000 are read"):
        keras_configs.check_folder(tmp_path, "config.json")


def test_an_archive_without_a_config(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    with pytest.raises(ValueError, match=r"it holds no config\.json; save the model again with Keras 3"):
        architectures.read_keras(tmp_path / "m.keras")


def test_an_archive_with_something_else(exported: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(exported / "model.keras", tmp_path / "m.keras"))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps(layer("Ones", "keras.initializers")).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=r"\w"):
        architectures.read_keras(path)


# === What is read ===


def saved(model: Any) -> dict[str, Any]:
    return json.loads(json.dumps(keras.saving.serialize_keras_object(model)))


def test_a_head_of_ones_own(tmp_path: Path) -> None:
    from keras import layers, ops

    given = keras.Input((4, 4, 3))
    x = layers.Conv2DTranspose(4, 2, strides=2, activation="gelu", kernel_regularizer="l2")(given)
    x = layers.TimeDistributed(layers.Dense(3, kernel_constraint=keras.constraints.MaxNorm(2)))(x)
    x = layers.Bidirectional(layers.GRU(5, return_sequences=True))(layers.Reshape((64, 3))(x))
    x = layers.RNN([layers.GRUCell(4), layers.LSTMCell(3)])(ops.concatenate([x[:, :10], 2 * x[:, 10:20]], axis=-1))
    x = layers.Activation(keras.activations.silu)(layers.SpectralNormalization(layers.Dense(4))(x))
    model = keras.Model(given, layers.Dense(2, activation="softmax")(x))
    model.compile("adam", "mse")
    model.save(tmp_path / "own.keras")
    pixels = tiny_models.pictures(3, 4)
    again = architectures.read_keras(tmp_path / "own.keras")
    assert np.array_equal(again(pixels), model(pixels)) and np.ptp(again(pixels), axis=0).max() > 0


def test_a_vocabulary_of_its_own(tmp_path: Path) -> None:
    words = keras.layers.StringLookup(vocabulary=["a", "b"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), words, keras.layers.Embedding(4, 2)])
    model.save(tmp_path / "words.keras")
    assert architectures.read_keras(tmp_path / "words.keras").layers[0].get_vocabulary() == ["[UNK]", "a", "b"]


def test_what_the_caller_registered(tmp_path: Path) -> None:
    class Twice(keras.layers.Layer):
        def call(self, given: Any) -> Any:
            return 2 * given

    def thrice(given: Any) -> Any:
        return 3 * given

    given = keras.Input((2,))
    keras.Model(given, keras.layers.Activation(thrice)(Twice()(given))).save(tmp_path / "own.keras")
    with pytest.raises(ValueError, match=r"\.Twice', which is not on the list .*register it with keras\.saving"):
        architectures.read_keras(tmp_path / "own.keras")
    with keras.saving.custom_object_scope({"Twice": Twice, "thrice": thrice}):
        assert architectures.read_keras(tmp_path / "own.keras")(np.ones((1, 2), np.float32)).numpy().tolist() == [
            [6, 6]
        ]


def test_a_registered_function_is_no_argument_of_a_node() -> None:
    with (
        keras.saving.custom_object_scope({"thrice": lambda given: given}),
        pytest.raises(RefusedError, match=r"args\[0\] names 'thrice', a class or function; only plain values"),
    ):
        keras_configs.check(graph(node("StopGradient", "thrice")))


def test_older_names_of_kerashub() -> None:
    own = {"class_name": "BertBackbone", "config": {}, "module": "keras_nlp.src.models.bert.bert_backbone"}
    keras_configs.check({**own, "registered_name": "keras_nlp>BertBackbone"})


@pytest.mark.parametrize("make", [tiny_generators.decoder, tiny_generators.seq2seq])
def test_models_that_write(make: Any) -> None:
    keras_configs.check(saved(make()))


def test_a_table() -> None:
    keras_configs.check(saved(TableInput.of(COLUMNS, ROWS).pre()))


@pytest.mark.parametrize("family", text_vocabularies.EACH)
def test_families_of_texts(family: str) -> None:
    for head in ("cls_dense", "mean_dense"):
        keras_configs.check(saved(text_vocabularies.classifier(text_vocabularies.FIRST[family], head)))


def pictures() -> list[Any]:
    """Return the rows of pictures; one in the fast tests, one of each family in the slow ones."""
    slow = dict.fromkeys(backbone_contract.FAMILIES, pytest.mark.slow) | {"mobilenet_v2": ()}
    return [pytest.param(name, marks=slow.get(name, pytest.mark.all)) for name in VISION]


@pytest.mark.parametrize("name", pictures())
def test_rows_of_pictures(name: str) -> None:
    keras_configs.check(saved(tlkit.classifier(name, "pool_dense", 3, size=backbone_contract.side(name), weights=None)))


@pytest.mark.parametrize("target", [tlkit.Tags(("a", "b")), tlkit.Value(("price",), mean=1.0, scale=2.0)])
def test_targets_and_heads(target: Any) -> None:
    keras_configs.check(saved(tlkit.classifier(tiny_row(), "flatten_dense", target, weights=None)))


@pytest.mark.slow
@pytest.mark.parametrize("name", image_preset_folders.NETWORKS)
def test_networks_of_kerashub(name: str, tmp_path: Path) -> None:
    folder, _ = image_preset_folders.keras_hub_folder(tmp_path / name, name)
    keras_configs.check(saved(tlkit.classifier(folder, "pool_dense", 3)))
