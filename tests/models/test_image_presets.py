"""Backbones that are no rows: presets by name, and folders of KerasHub, keras-cv, Hugging Face and timm."""

from __future__ import annotations

import builtins
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import tlkit
from tests.helpers import backbone_contract, image_preset_folders, tiny_models
from tlkit.errors import InputError, OfflineError, WeightsError
from tlkit.models import classifier
from tlkit.models.backbone import Local, Preset
from tlkit.models.vision import architectures, image_presets

SLOW = ("deit", "mit", "darknet", "efficientnet", "densenet")
MARKS = {"vit": (), "resnet_vd": (), **dict.fromkeys(SLOW, pytest.mark.slow)}
EACH = [pytest.param(name, marks=MARKS.get(name, pytest.mark.all)) for name in image_preset_folders.NETWORKS]
WHOLE = [
    pytest.param(name, marks=pytest.mark.slow if name == "vit" else pytest.mark.all)
    for name in image_preset_folders.NETWORKS
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, object]]:
    """Return presets with the backbones they were saved from, made when they are first asked for."""

    class Folders(dict):
        def __missing__(self, name: str) -> tuple[Path, object]:
            self[name] = image_preset_folders.keras_hub_folder(tmp_path_factory.mktemp("presets") / name, name)
            return self[name]

    return Folders()


# === Folders ===


@pytest.mark.parametrize("name", EACH)
def test_a_folder_of_kerashub(name: str, folders: dict, tmp_path: Path) -> None:
    folder, backbone = folders[name]
    _, _, blocks, token = image_preset_folders.NETWORKS[name]
    clf = tlkit.classifier(folder, "pool_dense", 3, size=image_preset_folders.SIZE)
    row = clf.spec.backbone
    assert row.name == f"folder_{name}" and len(row.blocks) == blocks
    assert row.input.features == (("map", "pooled") if token else ("map",))
    assert clf.spec.weights.startswith(f"{name}, path, sha256:")
    assert row.params == backbone.count_params() == classifier.pieces(clf)[1].count_params()

    pixels = tiny_models.pictures(6, image_preset_folders.SIZE, seed=4)
    expected, given = (
        image_preset_folders.answer(backbone, image_preset_folders.scaled(pixels)),
        clf.base(pixels, training=False)["map"].numpy(),
    )
    expected = expected if expected.ndim == 4 else expected[:, -given[0, ..., 0].size :].reshape(given.shape)
    largest = np.abs(expected).max()
    assert np.abs(given - expected).max() <= 1e-5 * largest
    assert np.abs(np.roll(given, 1, axis=0) - expected).max() > 1e-2 * largest
    backbone_contract.run_blocks_test(clf)

    clf.save(tmp_path / "model.keras")  # and loads in safe mode, as artifacts do
    again = architectures.read_keras(tmp_path / "model.keras")
    assert np.array_equal(again(pixels, training=False), clf(pixels, training=False))


@pytest.mark.parametrize("name", WHOLE)
def test_it_keeps_the_contract(name: str, folders: dict, tmp_path: Path) -> None:
    pixels = tiny_models.pictures(12, image_preset_folders.SIZE, seed=4)
    clf = tiny_models.spread(tlkit.classifier(folders[name][0], "pool_dense", 3), pixels)
    data = tlkit.arrays(pixels.astype(np.uint8), [clf.spec.labels[number % 3] for number in range(12)])
    backbone_contract.run_backbone_test(clf, pixels[:5], data)
    artifact = tlkit.export(clf, tmp_path / "out")  # proved in a process of its own
    assert artifact.facts["parity"]["spread"] > 0.01
    assert str(folders[name][0].parent) not in (tmp_path / "out" / "tlkit.json").read_text()
    tlkit.unfreeze(artifact.model, 1)
    assert artifact.model.spec.backbone.blocks == clf.spec.backbone.blocks


def test_a_class_token_is_for_cls_dense(folders: dict) -> None:
    folder, backbone = folders["vit"]
    clf = tlkit.classifier(str(folder), "cls_dense", 2)
    pixels = tiny_models.pictures(4, image_preset_folders.SIZE)
    expected = backbone(image_preset_folders.scaled(pixels), training=False)[:, 0].numpy()
    assert np.abs(clf.base(pixels)["pooled"].numpy() - expected).max() < 1e-5 * np.abs(expected).max()
    with pytest.raises(InputError, match="takes pooled, but backbone 'folder_resnet_vd' gives map"):
        tlkit.classifier(folders["resnet_vd"][0], "cls_dense", 2)


def test_random_weights_and_a_second_build(folders: dict) -> None:
    folder, _ = folders["vit"]
    first, second = (tlkit.classifier(folder, "pool_dense", 2, weights=None) for _ in range(2))
    assert first.spec.weights == "random" and first.spec.backbone.blocks == second.spec.backbone.blocks
    kernels = [
        classifier.pieces(clf)[1].get_layer("vit_encoder_transformer_block_1").weights[2].numpy()
        for clf in (first, second)
    ]
    assert not np.array_equal(*kernels)


@pytest.mark.slow
def test_weights_of_another_folder(folders: dict, tmp_path: Path) -> None:
    folder, _ = folders["vit"]
    other = shutil.copytree(folder, tmp_path / "other")
    doubled = image_preset_folders.network("vit")
    doubled.set_weights([2 * weight for weight in doubled.get_weights()])
    doubled.save_weights(other / "model.weights.h5")
    one, two = (tlkit.classifier(folder, "pool_dense", 2, weights=weights) for weights in ("pretrained", other))
    names = [[weight.numpy() for weight in classifier.pieces(clf)[1].weights] for clf in (one, two)]
    assert all(np.array_equal(2 * a, b) for a, b in zip(*names, strict=True))
    with pytest.raises(WeightsError, match=r"resnet_vd does not fit backbone 'folder_vit'"):
        tlkit.classifier(folder, "pool_dense", 2, weights=folders["resnet_vd"][0])


def test_a_size_of_ones_own(folders: dict) -> None:
    clf = tlkit.classifier(folders["resnet_vd"][0], "pool_dense", 2, size=48)
    assert clf.input_shape == (None, 48, 48, 3)
    with pytest.raises(InputError, match=r"size 31 is too small .* at least 32 pixels"):
        tlkit.classifier(folders["resnet_vd"][0], "pool_dense", 2, size=31)
    with pytest.raises(InputError, match=r"vit cannot take size 40: .*; its own size is 32"):
        tlkit.classifier(folders["vit"][0], "pool_dense", 2, size=40)
    with pytest.raises(InputError, match=r"cannot take size 35: .*divisible"):
        tlkit.classifier(folders["vit"][0], "pool_dense", 2, size=35, weights=None)


# === Other layouts ===


@pytest.mark.parametrize("layout", ["huggingface", pytest.param("timm", marks=pytest.mark.slow)])
def test_folders_of_others(layout: str, tmp_path: Path) -> None:
    folder, backbone = getattr(image_preset_folders, f"{layout}_folder")(tmp_path / layout)
    clf = tlkit.classifier(folder, "pool_dense", 2)
    assert clf.spec.input.size == image_preset_folders.SIZE
    pixels = tiny_models.pictures(4, image_preset_folders.SIZE)
    standardised = (pixels / 255 - np.array([0.4, 0.5, 0.6])) / np.array([0.5, 0.25, 0.2])
    expected = backbone(standardised.astype(np.float32), training=False).numpy()
    given = clf.base(pixels)["map"].numpy()
    expected = expected if layout == "timm" else expected[:, 1:].reshape(given.shape)
    assert np.abs(given - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(np.roll(given, 1, axis=0) - expected).max() > 1e-2 * np.abs(expected).max()
    assert len(clf.spec.backbone.blocks) == (4 if layout == "timm" else 3)


def keras_cv_network() -> object:
    import keras_cv

    keras.utils.set_random_seed(3)
    stages = {"stackwise_filters": [16, 32], "stackwise_blocks": [2, 2], "stackwise_strides": [1, 2]}
    return keras_cv.models.ResNetV2Backbone(**stages, include_rescaling=True)


@pytest.mark.slow
def test_a_folder_of_keras_cv(tmp_path: Path) -> None:
    from keras_cv.src.utils.preset_utils import save_to_preset

    backbone = keras_cv_network()
    save_to_preset(backbone, str(tmp_path / "resnet"))
    clf = tlkit.classifier(tmp_path / "resnet", "pool_dense", 3, size=image_preset_folders.SIZE)
    pixels = tiny_models.pictures(12, image_preset_folders.SIZE)
    expected = backbone(pixels, training=False).numpy()
    assert np.abs(clf.base(pixels)["map"].numpy() - expected).max() < 1e-5 * np.abs(expected).max()
    assert len(clf.spec.backbone.blocks) == 2 and clf.spec.input.size == image_preset_folders.SIZE
    backbone_contract.run_blocks_test(tiny_models.spread(clf, pixels))


# === What is no backbone ===


def broken(tmp_path: Path, folder: Path, **files: str | None) -> Path:
    """Copy a folder with some files replaced, or left out."""
    copy = shutil.copytree(folder, tmp_path / "broken")
    for name, text in files.items():
        path = copy / f"{name}.json"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
    return copy


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"config": None}, WeightsError, "broken cannot be read as an image backbone: .*config.json"),
        ({"config": "["}, WeightsError, "config.json cannot be read: "),
        ({"config": "[1]"}, WeightsError, "config.json cannot be read: it holds no JSON object; fetch it again"),
        ({"config": "{}"}, WeightsError, "broken cannot be read as an image backbone: "),
        ({"config": '{"model_type": "zebra"}'}, WeightsError, "no converter .*zebra"),
        ({"config": '{"architecture": "zebra"}'}, WeightsError, "no converter .*zebra"),
        ({"config": '{"model_type": "vit"}'}, InputError, "has no preprocessor_config.json, so it does not say how"),
        ({"config": '{"architecture": "resnet18"}'}, InputError, "its config.json has no pretrained_cfg"),
        ({"image_converter": None}, InputError, "has no image_converter.json, .*; save the KerasHub ImageConverter"),
    ],
)
def test_folders_that_cannot_be_used(files: dict, error: type, message: str, folders: dict, tmp_path: Path) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        classifier.find_backbone(broken(tmp_path, folders["vit"][0], **files))


def test_a_folder_of_another_kind(tmp_path: Path) -> None:
    facts = {"module": "keras_hub.src.models.t5.t5_backbone", "class_name": "T5Backbone", "config": {}}
    facts |= {"registered_name": "keras_hub>T5Backbone"}
    (tmp_path / "config.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="holds a T5Backbone, which is no image backbone; give the folder of one"):
        classifier.find_backbone(tmp_path)


def test_damaged_weights(folders: dict, tmp_path: Path) -> None:
    copy = broken(tmp_path, folders["vit"][0])
    (copy / "model.weights.h5").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="broken cannot be read as an image backbone"):
        tlkit.classifier(copy, "pool_dense", 2)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", str(tmp_path / "gone")):
        with pytest.raises(InputError, match=r"there is no folder .*gone to take a backbone from; give a folder that"):
            classifier.find_backbone(path)
    with pytest.raises(InputError, match="unknown backbone 'vgg61'"):
        classifier.find_backbone("vgg61")


def test_odd_names_of_folders(folders: dict, tmp_path: Path) -> None:
    folder = shutil.copytree(folders["vit"][0], tmp_path / "my ViT: (v2)")
    row = classifier.find_backbone(folder)
    assert row.name == "folder_my_ViT___v2" and row.weights == Local(folder)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let KerasHub ask Kaggle for nothing."""
    import kagglehub

    def ask(handle: str, *_: object) -> None:
        raise AssertionError(f"Kaggle was asked for {handle}")

    monkeypatch.setattr(kagglehub, "model_download", ask)
    monkeypatch.delenv("TLKIT_OFFLINE", raising=False)


def test_a_folder_named_as_a_preset_is_the_folder(
    folders: dict, tmp_path: Path, nobody: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "vgg_16_imagenet"
    shutil.copytree(folders["vit"][0], tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for form in (f"./{name}", name, Path(name)):
        row = classifier.find_backbone(form)
        assert row.weights == Local(tmp_path / name) and row.arguments["folder"] == str(tmp_path / name)
    clf = tlkit.classifier(f"./{name}", "pool_dense", 2)
    assert clf.spec.weights.startswith(f"{name}, path, sha256:")
    assert classifier.pieces(clf)[1].count_params() == folders["vit"][1].count_params()


def test_weights_in_a_folder_named_as_a_preset(
    folders: dict, tmp_path: Path, nobody: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folders["vit"][0], tmp_path / "vgg_16_imagenet")
    monkeypatch.chdir(tmp_path)
    clf = tlkit.classifier(folders["vit"][0], "pool_dense", 2, weights="vgg_16_imagenet")
    assert clf.spec.weights.startswith("vgg_16_imagenet, path, sha256:")


@pytest.mark.slow
def test_a_folder_of_keras_cv_named_as_a_preset(tmp_path: Path, nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from keras_cv.src.utils.preset_utils import save_to_preset

    save_to_preset(keras_cv_network(), str(tmp_path / "resnet50_v2"))
    monkeypatch.chdir(tmp_path)
    assert tlkit.classifier("./resnet50_v2", "pool_dense", 3, size=image_preset_folders.SIZE).spec.backbone.blocks


# === Presets ===


def test_the_presets_of_kerashub_are_those_of_pictures() -> None:
    known = image_presets.keras_hub_presets()
    wanted = ("vit_base_patch16_224_imagenet", "resnet_50_imagenet", "resnet_vd_18_imagenet", "mit_b0_ade20k_512")
    wanted += ("csp_darknet_53_ra_imagenet", "densenet_121_imagenet", "xception_41_imagenet", "vgg_16_imagenet")
    assert set(wanted) <= set(known) and len(known) > 60
    assert not [name for name in known if "bert" in name or "gpt" in name or "clip" in name]
    assert all(handle.startswith("kaggle://") for handle, _ in known.values())
    with pytest.raises(InputError, match="unknown keras_hub preset 'vit_base'; did you mean "):
        classifier.find_backbone("keras_hub:vit_base")


def test_a_preset_in_kagglehubs_cache_is_used(folders: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    name = "vit_base_patch16_224_imagenet"
    handle, params = image_presets.keras_hub_presets()[name]
    place = tmp_path / "models" / handle.removeprefix("kaggle://")
    shutil.copytree(folders["vit"][0], place)
    place.with_name(f"{place.name}.complete").touch()
    clf = tlkit.classifier(f"keras_hub:{name}", "pool_dense", 2)
    row = clf.spec.backbone
    assert row.name == f"keras_hub_{name}" and row.params == params and row.weights == Preset(handle, 4 * params)
    assert row.source == "https://www.kaggle.com/models/keras/vit" and "cache" in clf.spec.weights
    pixels = tiny_models.pictures(4, image_preset_folders.SIZE)
    expected = (
        folders["vit"][1](image_preset_folders.scaled(pixels), training=False)[:, 1:].numpy().reshape(4, 4, 4, 16)
    )
    assert np.abs(clf.base(pixels)["map"].numpy() - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    "name", ["keras_hub:vit_base_patch16_224_imagenet", pytest.param("keras_cv:resnet50_v2", marks=pytest.mark.slow)]
)
def test_offline_a_preset_says_what_to_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KAGGLEHUB_CACHE", "TLKIT_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(OfflineError, match="TLKIT_OFFLINE is set") as caught:
        classifier.find_backbone(name)
    told = str(caught.value)
    assert name.replace(":", "_") in told and " MB) from" in told and str(tmp_path) in told
    assert "A preset's folder that lies elsewhere can itself be given as the backbone" in told


def test_without_keras_cv(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def missing(name: str, *rest: object) -> object:
        if name == "keras_cv":
            raise ImportError("No module named 'keras_cv'")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"keras_cv: presets need the package keras-cv .*pip install keras-cv"):
        classifier.find_backbone("keras_cv:resnet50_v2")


def test_a_job_takes_a_folder(folders: dict, tmp_path: Path) -> None:
    from tlkit.runs import job

    given = job.Job(data="digits", out=str(tmp_path / "out"), backbone=str(folders["vit"][0]), head="pool_dense")
    assert job.completed(given, "image", fetch=True).backbone == str(folders["vit"][0])
    assert json.loads((folders["vit"][0] / "config.json").read_text())["class_name"] == "ViTBackbone"
