"""Keys: equal functions have equal digests, whatever their names; what changes an answer changes the digest."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import tiny_models
from tlkit.errors import RunError
from tlkit.models import cache_keys, classifier
from tlkit.utils import digests


def network(
    change: Callable | None = None, strides: int = 1, swapped: bool = False, axis: int = -1, skip: bool = True
) -> object:
    """Build a small network, its layers named by Keras, with the same weights each time."""
    import keras
    from keras import layers

    pixels = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, strides=strides, padding="same")(keras.ops.flip(pixels, axis=axis))
    y = layers.BatchNormalization()(x)
    pair = [y, x if skip else pixels]
    model = keras.Model(pixels, layers.Subtract()(pair[::-1] if swapped else pair))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1, weight.shape) for weight in model.weights])
    if change is not None:
        change(model)
    return model


def test_a_second_build_has_other_names_and_the_same_key() -> None:
    first, second = network(), network()
    assert [layer.name for layer in first.layers[1:]] != [layer.name for layer in second.layers[1:]]
    assert cache_keys.functions([first]) == cache_keys.functions([second])


def test_training_flags_do_not_matter() -> None:
    def freeze(model: object) -> None:
        model.trainable = False

    assert cache_keys.functions([network(freeze)]) == cache_keys.functions([network()])


def one_weight(model: object) -> None:
    kernel = model.weights[0]
    value = kernel.numpy()
    value[0, 0, 0, 0] = np.nextafter(value[0, 0, 0, 0], np.float32(9))
    kernel.assign(value)


def one_statistic(model: object) -> None:
    model.weights[-1].assign(model.weights[-1] * 1.01)


def _norm(model: object) -> object:
    return next(layer for layer in model.layers if "batch_normalization" in layer.name)


def other_epsilon(model: object) -> None:
    _norm(model).epsilon = 0.5


def half(model: object) -> None:
    _norm(model).dtype_policy = "mixed_bfloat16"


@pytest.mark.parametrize("change", [one_weight, one_statistic, other_epsilon, half])
def test_what_a_layer_holds_changes_the_key(change: Callable) -> None:
    assert cache_keys.functions([network(change)]) != cache_keys.functions([network()])


@pytest.mark.parametrize(
    "given", [{"strides": 2, "skip": True}, {"swapped": True}, {"axis": 1}, {"skip": False}], ids=str
)
def test_how_layers_are_called_and_joined_changes_the_key(given: dict) -> None:
    assert cache_keys.functions([network(**given)]) != cache_keys.functions([network()])


def test_the_order_and_number_of_parts_change_the_key() -> None:
    one, other = network(), network(one_weight)
    digests = [cache_keys.functions(parts) for parts in ([one], [one, other], [other, one], [one, one])]
    assert len(set(digests)) == 4


def test_the_output_that_is_read_changes_the_key() -> None:
    import keras

    model = network()
    inner = keras.Model(model.input, [model.layers[1].output, _norm(model).output])
    outer = keras.Model(model.input, [_norm(model).output, model.layers[1].output])
    assert cache_keys.functions([inner]) != cache_keys.functions([outer])


def test_a_tokenizers_settings_change_the_key() -> None:
    from tlkit.models.text.tokenizer import Tokens

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tiny_models.WORDS]
    layers = [Tokens(words, True, 8), Tokens(words, True, 8), Tokens(words, False, 8), Tokens(words[:-1], True, 8)]
    one, same, cased, fewer = (cache_keys.functions([layer]) for layer in layers)
    assert one == same and len({one, cased, fewer}) == 3


def test_how_words_are_counted_changes_the_key() -> None:
    from tlkit.models.text.hashed_words import HashedWords

    layers = [HashedWords(), HashedWords(), HashedWords(2**14), HashedWords(most=8), HashedWords(segments=2)]
    one, same, *others = (cache_keys.functions([layer]) for layer in layers)
    assert one == same and len({one, *others}) == 4


# === The source ===

PACKAGE = Path(cache_keys.__file__).resolve().parents[1]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Copy the source of tlkit."""
    copied = tmp_path / "tlkit"
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


def edited(package: Path, name: str) -> str:
    """Return the digest after another line in a module."""
    with (package / name).open("a") as file:
        file.write("EDITED = 1\n")
    return cache_keys.source(package)


def test_the_digest_is_that_of_the_package_itself(package: Path) -> None:
    assert cache_keys.code() == cache_keys.source(PACKAGE) == cache_keys.source(package)


@pytest.mark.parametrize(
    "name",
    [
        "data/images.py",
        "models/keras_graph.py",
        "models/kerashub.py",
        "models/text/tokenizer.py",
        "models/text/hashed_words.py",
        "models/vision/architectures.py",
        "features/batchnorm_folding.py",
        "features/shards.py",
        "models/cache_keys.py",
    ],
)
def test_what_features_depend_on_changes_the_digest(package: Path, name: str) -> None:
    assert edited(package, name) != cache_keys.code()


@pytest.mark.parametrize(
    "name",
    [
        "cli/commands.py",
        "evaluation/classification_report.py",
        "training/fit.py",
        "training/loop.py",
        "doctor/diagnose.py",
        "models/heads.py",
        "__init__.py",
    ],
)
def test_what_features_do_not_depend_on_leaves_the_digest_alone(package: Path, name: str) -> None:
    assert edited(package, name) == cache_keys.code()


def test_modules_in_nested_folders_count(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_keys, "FEATURE_SOURCES", (*cache_keys.FEATURE_SOURCES, "models/**/*.py"))
    nested = package / "models" / "audio" / "more"
    nested.mkdir(parents=True)
    (nested / "nets.py").write_text("DEPTH = 1\n")
    before = cache_keys.source(package)
    changed = edited(package, "models/audio/more/nets.py")
    assert changed != before
    (nested / "nets.py").rename(nested / "other.py")
    assert cache_keys.source(package) not in (before, changed)


def test_a_file_that_two_patterns_match_counts_once(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_keys, "FEATURE_SOURCES", ("data/image*.py", *cache_keys.FEATURE_SOURCES))
    assert cache_keys.source(package) == cache_keys.code()


def test_a_pattern_that_matches_nothing_is_refused(package: Path) -> None:
    (package / "features" / "batchnorm_folding.py").rename(package / "folded.py")
    with pytest.raises(
        RunError,
        match=r"no file .* matches 'features/batchnorm_folding.py', .*; install tlkit .*SOURCES",
    ):
        cache_keys.source(package)


# where the pass over the data begins: itself, and what it reaches by a name, an input or a row of a table of backbones
STARTS = (
    *(
        "features.extraction",
        "features.mixed_precision",
        "models.vision.image_backbones",
        "models.vision.image_presets",
    ),
    *("models.text.text_backbones", "models.tabular.table_input", "models.tabular.autoencoder"),
    *("models.generation.prompt_input", "models.generation.generators"),
)
EXCEPTIONS = {
    "only refuse what is wrong, or say something": (
        *("models.allowed_layers", "utils.environment", "errors", "utils.escaping", "utils.schema", "utils.progress"),
    ),
    "bring files as they are": (
        "utils.paths",
        *("utils.archives", "utils.download", "utils.files", "utils.network", "utils.regular_files", "utils.lazy"),
    ),
    "digest plain values": ("utils.digests",),
    "where features lie, and room for them": ("features.disk_cache",),
    "name and digest the examples, and that digest is part of the key": (
        *("data.near_duplicates", "data.splits", "data.example_info"),
    ),
    "above every cut: what is learned and answered": (
        *("models.heads", "tasks.answers", "tasks.bio_tags", "tasks.entities", "tasks.next_token", "tasks.predictions"),
        *("tasks.registry", "tasks.targets"),
    ),
    "additions to what trains; the weights are part of the key": ("models.lora",),
    "ask a model that is trained": ("models.attribution", "models.generation.decoding"),
    "seed a block of code, and the seed is part of the key": ("models.seeding",),
}


def imported(module: str) -> set[str]:
    """Return the modules of tlkit that one of them imports, also within its functions, by their dotted names."""
    file = PACKAGE.joinpath(*module.split("."))
    file = file.with_suffix(".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    names = {name.removeprefix("tlkit.") for name in found if name.startswith("tlkit.")}
    return {name for name in names if is_module(name)}


def is_module(name: str) -> bool:
    return PACKAGE.joinpath(*name.split(".")).with_suffix(".py").is_file()


def test_every_module_that_the_pass_imports_is_a_source_or_an_exception() -> None:
    reached, waiting = set(), list(STARTS)
    while waiting:
        if (module := waiting.pop()) not in reached:
            reached.add(module)
            waiting += imported(module)
    files = {file.relative_to(PACKAGE) for pattern in cache_keys.FEATURE_SOURCES for file in PACKAGE.glob(pattern)}
    sources = {".".join(file.with_suffix("").parts) for file in files if file.name != "__init__.py"}
    exceptions = {name for names in EXCEPTIONS.values() for name in names}
    assert reached - sources - exceptions == set(), "give these a pattern in FEATURE_SOURCES, or a reason here"
    assert exceptions & sources == set() and exceptions <= reached, "these are no exceptions"
    assert sources <= reached, "features do not depend on these"


def test_facts_are_combined_whatever_their_order() -> None:
    assert digests.combined({"a": 1, "b": [2]}) == digests.combined({"b": [2], "a": 1})
    assert digests.combined({"a": 1}) != digests.combined({"a": 2})


@pytest.mark.slow
def test_another_process_has_the_same_key(tmp_path: Path) -> None:
    tiny_models.tiny_bert(tmp_path / "bert")
    code = (
        "import keras, tlkit; from tests.helpers import tiny_models; from tlkit.models import cache_keys, classifier;"
        "clf = tiny_models.tiny_classifier();"
        f"bert = tlkit.classifier('minilm_l6', 'cls_dense', 2, size=8, weights={str(tmp_path / 'bert')!r});"
        "print(*(cache_keys.functions(classifier.pieces(one)[:2]) for one in (clf, bert)))"
    )
    tests = str(PACKAGE.parent)
    told = [
        subprocess.run([sys.executable, "-c", code], cwd=tests, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert told[0] == told[1] and len(set(told[0].split())) == 2
    assert told[0].split()[0] == cache_keys.functions(classifier.pieces(tiny_models.tiny_classifier())[:2])
