"""Whatever a Keras config names, loading it calls nothing but what computes: no file, program, socket or setting.

Configs are made of all public names of Keras and KerasHub. The long form is part of `make fuzz`.
"""

from __future__ import annotations

import functools
import inspect
import io
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.helpers.fuzzing import CANARY, Strategy, Target, fuzz, seldom
from tlkit.models.keras_configs import RefusedError
from tlkit.models.vision import architectures

SECONDS = float(os.environ.get("TLKIT_FUZZ_SECONDS", "600"))
SECRET = Path(tempfile.gettempdir()) / f"tlkit-secret-{os.getpid()}"
OPENED: list[str] = []


@functools.cache
def public() -> list[tuple[str, str, str]]:
    """Return (module, name, registered name) of all that a config can name in Keras and KerasHub."""
    import keras
    import keras_hub

    found, seen, waiting = [], set(), [keras, keras_hub]
    while waiting:
        module = waiting.pop()
        for name, value in vars(module).items():
            if inspect.ismodule(value) and value.__name__.split(".")[0] in ("keras", "keras_hub"):
                place = f"{module.__name__}.{name}".replace("._tf_keras", "")
                if value.__name__ not in seen and ".src" not in value.__name__ + place:
                    seen.add(value.__name__)
                    waiting.append(value)
            elif callable(value) and not name.startswith("_"):
                found.append((module.__name__.replace("keras.api", "keras"), name, name))
    from keras.src.ops import core, image, linalg, math, nn, numpy

    for module in (core, image, linalg, math, nn, numpy):
        found += [(module.__name__, name, name) for name, kind in vars(module).items() if inspect.isclass(kind)]
    for name, value in keras.saving.get_custom_objects().items():
        found.append((value.__module__, name.rpartition(">")[2], name))
    return sorted(set(found))


@functools.cache
def base() -> tuple[dict[str, Any], bytes]:
    """Return the config of a small model and the whole file that it is in."""
    import keras

    pixels = keras.Input((4, 4, 3), name="pixels")
    x = keras.layers.Conv2D(2, 1, activation="relu", name="conv")(pixels)
    x = keras.layers.TimeDistributed(keras.layers.Dense(2), name="each")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(keras.ops.multiply(x, 2.0))
    with tempfile.TemporaryDirectory() as folder:
        keras.Model(pixels, keras.layers.Dense(2, name="dense")(x)).save(f"{folder}/m.keras")
        data = Path(folder, "m.keras").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return json.loads(archive.read("config.json")), data


TENSOR = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4, 4, 3], "dtype": "float32"}}
TENSOR["config"]["keras_history"] = ["pixels", 0, 0]
PLAIN = (0, 1, 2, -1, 0.5, True, None, "relu", "float16", "channels_first", "glorot_uniform", str(CANARY), str(SECRET))
KEYS = (
    "units", "filters", "kernel_size", "activation", "kernel_initializer", "layer", "layers", "cell", "dtype",
    "function", "vocabulary", "filepath", "proto", "merges", "standardize", "backbone", "preprocessor", "tokenizer",
    "scale", "name", "pool_size", "target_shape", "rate", "size", "fn", "path",
)  # fmt: skip


@st.composite
def objects(draw: Callable, depth: int = 0) -> dict[str, Any]:
    """Describe an object or a function of any public name, with any settings."""
    module, name, registered = draw(st.sampled_from(public()))
    if draw(st.booleans()):
        return {"module": module, "class_name": "function", "config": name, "registered_name": registered}
    if seldom(draw, 4):
        module = draw(st.sampled_from(("keras", "keras.layers", "keras_hub", "builtins", None)))
    settings = draw(st.dictionaries(st.sampled_from(KEYS), values(depth + 1), max_size=3))
    found = {"module": module, "class_name": name, "config": settings, "registered_name": registered}
    return found | ({"registered_name": None} if draw(st.booleans()) else {})


def values(depth: int = 0) -> Strategy:
    plain = st.sampled_from(PLAIN) | st.sampled_from([registered for *_, registered in public()])
    if depth > 2:
        return plain
    return plain | objects(depth) | st.just(TENSOR) | st.lists(st.just(TENSOR) | plain | objects(depth), max_size=3)


@st.composite
def configs(draw: Callable) -> bytes:
    """Change a few places of a model's config, and write the `.keras` file."""
    known, data = base()
    config = json.loads(json.dumps(known))
    layers = config["config"]["layers"]
    for number in range(draw(st.integers(1, 3))):
        what = draw(st.sampled_from(("node", "node", "setting", "argument", "build", "root")))
        layer = layers[draw(st.integers(1, len(layers) - 1))]
        if what == "node":
            arguments = {"args": draw(st.lists(values(), max_size=4)), "kwargs": {}}
            layers.append({**draw(objects()), "name": f"new{number}", "inbound_nodes": [arguments]})
        elif what == "setting" and isinstance(layer.get("config"), dict):
            layer["config"][draw(st.sampled_from([*layer["config"], *KEYS]))] = draw(values())
        elif what == "argument":
            layer["inbound_nodes"] = [{"args": draw(st.lists(values(), max_size=3)), "kwargs": {}}]
        elif what == "build":
            layer[draw(st.sampled_from(("build_config", "compile_config")))] = draw(values())
        elif seldom(draw, 5):
            config = draw(objects())
            break
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, json.dumps(config) if name == "config.json" else old.read(name))
    return made.getvalue()


def hear(event: str, arguments: tuple) -> None:
    if event == "open" and str(arguments[0]) == str(SECRET):
        OPENED.append(str(SECRET))


@functools.cache
def listening() -> None:
    sys.addaudithook(hear)


def strategy() -> Strategy:
    import keras

    SECRET.write_text("a\nb\n")
    listening()
    OPENED.clear()
    keras.ops.sum(keras.ops.ones(2))
    read(Path(tempfile.mkdtemp()), base()[1])  # what is imported at the first time
    return configs()


def settings() -> tuple:
    import keras

    return keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format(), keras.config.backend()


def read(folder: Path, data: bytes) -> None:
    before = settings()
    (folder / "m.keras").write_bytes(data)
    try:
        architectures.read_keras(folder / "m.keras")
    finally:
        assert settings() == before, "a setting was changed"
        assert not OPENED, "a file elsewhere was read"


TARGET = Target(strategy, read, (ValueError,))


@pytest.mark.filterwarnings("ignore")  # graphs that make no sense
def test_a_config_calls_nothing(tmp_path: Path) -> None:
    fuzz(TARGET, tmp_path, examples=10)


@pytest.mark.all
@pytest.mark.filterwarnings("ignore")
def test_that_for_long(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    done = fuzz(TARGET, tmp_path, seconds=SECONDS)
    with capsys.disabled():
        print(f"\nconfigs: {done:,} examples in {SECONDS:.0f} s")


@pytest.mark.filterwarnings("ignore")
def test_the_loop_sees_what_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without the check, a config of the same making changes a setting."""
    import keras

    called = {
        "module": "keras.config",
        "class_name": "function",
        "config": "set_floatx",
        "registered_name": "set_floatx",
    }
    payload = {"module": "keras.src.ops.core", "class_name": "Switch", "config": {}, "registered_name": "Switch"}
    payload |= {"name": "new", "inbound_nodes": [{"args": [0, [called, called], "float16"], "kwargs": {}}]}
    config, data = base()
    config = json.loads(json.dumps(config))
    config["config"]["layers"].append(payload)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, json.dumps(config) if name == "config.json" else old.read(name))
    with pytest.raises(RefusedError):
        read(tmp_path, made.getvalue())
    monkeypatch.setattr("tlkit.models.keras_configs.check", lambda *_, **__: None)
    try:
        with pytest.raises(AssertionError, match="a setting was changed"):
            read(tmp_path, made.getvalue())
    finally:
        keras.config.set_floatx("float32")
