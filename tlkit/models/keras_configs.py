"""Check configs of Keras and KerasHub models from outside before Keras reads them.

Keras makes of a config whatever class or function of its whole public API the config names, and calls what stands in
the arguments of a graph's nodes. Its safe mode refuses lambdas and a few names only. So a config may name nothing but
the classes of `allowed_layers`, and what the program that loads it has registered with `keras.saving` itself.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from tlkit.models import allowed_layers as allowed
from tlkit.models import hdf5
from tlkit.utils import archives

MAX_BYTES = 200_000_000  # of a config: a vocabulary of 250,000 words with its merges has 10 million
MAX_DEPTH = 100  # the rows' configs have 14
MAX_OBJECTS = 200_000  # dictionaries and lists: the largest row's has 20,000
MAX_PLACE_LETTERS = 300  # of a place in a config that a message names
CONFIG = "config.json"
PLAIN = frozenset((str, int, float, bool, type(None)))
# what is no class: a tensor of the graph, an array, text as bytes, a slice
TENSORS = frozenset(("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"))
LIBRARIES = frozenset(
    ("keras", "keras_hub", "keras_nlp", "keras_cv", "tensorflow", "tensorflow_text", "tlkit", "builtins")
)
# what describes a function; the last where several layers share it
FUNCTION = {"module", "class_name", "config", "registered_name", "shared_object_id"}
NAMES = ("module", "class_name", "registered_name")
# where a string of a layer's settings is the path of a file that would be read
PATHS = {
    "StringLookup": ("vocabulary",),
    "IntegerLookup": ("vocabulary",),
    "TextVectorization": ("vocabulary",),
} | dict.fromkeys(allowed.TOKENIZERS, ("vocabulary", "merges", "proto"))
KINDS = {
    "config.json": allowed.BACKBONES,
    "image_converter.json": allowed.CONVERTERS,
    "tokenizer.json": allowed.TOKENIZERS,
}
INDICES = ("model.weights.json", "model.safetensors.index.json")


class RefusedError(ValueError):
    """A config that is not passed to Keras; the message names the place, the reason and a remedy."""


def reason(error: Exception) -> str:
    """Return the first line of a library's error, cut to fit; the full text of a RefusedError."""
    return str(error) if isinstance(error, RefusedError) else hdf5.reason(error)[:200]


# === Doors ===


def check_archive(path: Path) -> None:
    """Check the config in a `.keras` file.

    Raises:
        archives.UnsafeError: the archive must not be unpacked.
        RefusedError: the config names what is not on the list, or is too large.
        OSError, or one of archives.DAMAGE_ERRORS: the archive cannot be read.
    """
    archives.check(path)
    with zipfile.ZipFile(path) as archive:
        try:
            member = archive.getinfo(CONFIG)
        except KeyError:
            raise RefusedError(f"it holds no {CONFIG}; save the model again with Keras 3") from None
        if member.file_size > MAX_BYTES:
            raise RefusedError(f"its {CONFIG} has {member.file_size:,} bytes; at most {MAX_BYTES:,} are read")
        data = archive.read(member)
    config = parse(data, f"its {CONFIG}")
    if isinstance(config, dict):
        config.pop("compile_config", None)  # Keras leaves it out with compile=False, here alone
    check(config)


def check_folder(folder: Path, *names: str) -> None:
    """Check the files in a preset's folder from which Keras or KerasHub would build objects or follow paths.

    Args:
        folder: of KerasHub, keras-cv, Hugging Face or timm.
        names: "config.json", "image_converter.json", "tokenizer.json"; one that is not there is passed over.

    Raises:
        RefusedError: one names what is not on the list, leads out of the folder, or is too large.
        OSError: one cannot be read.
    """
    for name in names:
        config = _read(folder / name)
        # configs of Hugging Face and timm name no classes of Keras; KerasHub decides by this key
        if isinstance(config, dict) and ("registered_name" in config or "class_name" in config):
            _check_preset(config, name)
    for name in INDICES:
        index = _read(folder / name)
        shards = index.get("weight_map") if isinstance(index, dict) else None
        for key, value in shards.items() if isinstance(shards, dict) else ():
            for shard in value if isinstance(value, list) else [value]:
                if not isinstance(shard, str) or archives.is_unsafe_name(shard):
                    raise _refused(
                        f"{name}: weight_map.{key[:80]}", f"names {str(shard)[:80]!r}, which is no file beside it"
                    )


def _check_preset(config: dict[str, Any], name: str) -> None:
    """Check one file of a preset, whose outermost object must be of the kind of the file."""
    cv = str(config.get("registered_name")).startswith("keras_cv")
    kinds = allowed.CV_BACKBONES if cv else KINDS[name]
    if config.get("class_name") not in kinds:
        raise _refused(name, f"names {_named(config)}, which is none of what this file may hold")
    shards = config.get("weights")  # keras-cv names a file there
    if shards is not None and (not isinstance(shards, str) or archives.is_unsafe_name(shards)):
        raise _refused(f"{name}: weights", f"names {str(shards)[:80]!r}, which is no file beside it")
    check(config, f"{name}: ", extra=kinds)


def _read(path: Path) -> Any:
    if not path.is_file():
        return None
    if path.stat().st_size > MAX_BYTES:
        raise RefusedError(f"{path.name} has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read")
    return parse(path.read_bytes(), path.name)


def parse(data: bytes, name: str) -> Any:
    """Parse the JSON of a config.

    Raises:
        RefusedError: it is none, or is nested too deeply.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
        raise RefusedError(f"{name} is no JSON that can be read: {reason}; fetch it again") from error


# === The check ===


def check(config: Any, place: str = "", *, extra: frozenset[str] = frozenset()) -> None:
    """Check a config, as `keras.saving.serialize_keras_object` writes it.

    Args:
        config: of a model or layer, as JSON gives it.
        place: what stands before the places that a message names.
        extra: classes of KerasHub and keras-cv that it may name besides.

    Raises:
        RefusedError: it names a class or function that is not on the list, or a function, class or path where only
            plain values may stand, or is too deep or too large.
    """
    if not isinstance(config, dict) or "class_name" not in config:
        raise RefusedError(f"{place}the config describes no model; save the model again with Keras 3")
    _Check(extra).value(config, place, 0)


class _Check:
    """The state of one check of a config."""

    def __init__(self, extra: frozenset[str]) -> None:
        import keras

        self.registered = keras.saving.get_registered_object
        # a string in a config may stand for one of these, which Keras then calls
        self.others = {name for name, found in keras.saving.get_custom_objects().items() if not _is_own(found)}
        self.extra, self.left = extra, MAX_OBJECTS

    def value(self, value: Any, place: str, depth: int, node: bool = False) -> None:
        """Check a value; within the arguments of a node, `node`, only tensors and plain values may stand."""
        kind = type(value)
        if kind in PLAIN:
            self._plain(value, place, node)
            return
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            limit = f"more than {MAX_OBJECTS:,} parts" if self.left < 0 else f"more than {MAX_DEPTH} levels"
            raise _refused(place, f"is one too many: the config has {limit}")
        if kind is list:
            self._list(value, place, depth, node)
        elif "class_name" in value:
            self._object(value, place, depth, node)
        else:
            self._inner(value, place, depth, node)

    def _inner(self, value: dict[str, Any], place: str, depth: int, node: bool) -> None:
        for key, inner in value.items():
            self.value(inner, _within(place, key), depth + 1, node or key == "inbound_nodes")

    def _list(self, value: list[Any], place: str, depth: int, node: bool) -> None:
        if not node and PLAIN.issuperset(map(type, value)) and self.others.isdisjoint(value):
            return  # at once, as a vocabulary has a quarter of a million words
        for number, inner in enumerate(value):
            self.value(inner, f"{place}[{number}]", depth + 1, node)

    def _plain(self, value: Any, place: str, node: bool) -> None:
        if isinstance(value, str) and (value in self.others or (node and self.registered(value) is not None)):
            raise _refused(place, f"names {value[:100]!r}, a class or function; only plain values may stand there")

    def _object(self, value: dict[str, Any], place: str, depth: int, node: bool) -> None:
        """Check what describes an object by its class."""
        name = value["class_name"]
        if not all(isinstance(item, str | None) for item in (name, value.get("module"), value.get("registered_name"))):
            raise _refused(place, "describes an object by what is no name")
        if name is None or ("module" not in value and name not in TENSORS):
            raise _refused(
                place, "describes an object as older versions of Keras did; save the model again with Keras 3"
            )
        if name in TENSORS:
            self._inner({"config": value.get("config")}, place, depth, node)
            return
        if node:
            raise _refused(
                place, f"names {_named(value)}; the arguments of a node may only hold tensors and plain values"
            )
        if name == "function":
            self._function(value, place)
            return
        if name.startswith("__"):
            raise _refused(place, f"is a {name}, which is code or stands for it")
        self._class(value, place)
        if value.get("compile_config"):
            raise _refused(
                _within(place, "compile_config"), "describes a training; save the model before it is compiled"
            )
        config = value.get("config")
        for key in PATHS.get(name, ()) if isinstance(config, dict) else ():
            if isinstance(config.get(key), str):
                raise _refused(_within(place, f"config.{key}"), "is the path of a file; give a list of words")
        self._inner({key: inner for key, inner in value.items() if key not in NAMES}, place, depth, node)

    def _function(self, value: dict[str, Any], place: str) -> None:
        name = value.get("config")
        known = isinstance(name, str) and not set(value) - FUNCTION
        if known and _is_own(self.registered(name)):
            return
        builtin = known and name in allowed.ACTIVATIONS and value.get("module") in ("builtins", "keras.activations")
        if not _activation(place) or not known or not (builtin or name in allowed.FUNCTIONS):
            raise _refused(place, f"names {_named(value)}; only activations may be named, by name")

    def _class(self, value: dict[str, Any], place: str) -> None:
        name, module, registered = (
            value["class_name"],
            value["module"] or "",
            value.get("registered_name", value["class_name"]),
        )
        if _is_own(self.registered(registered)):
            return
        package, _, registered_class = (registered or "").rpartition(">")
        if registered_class in ("", name) and self._listed(package, module, name):
            return
        if module == "keras.layers" and name in allowed.REFUSED:
            raise _refused(place, f"is a `{name}` layer: {allowed.REFUSED[name]}")
        raise _refused(
            place,
            f"names {_named(value)}, which is not on the list of what only computes; where it is your own, register "
            f"it with keras.saving.register_keras_serializable before you load the model",
        )

    def _listed(self, package: str, module: str, name: str) -> bool:
        """Return whether a class is on the list, by all three of its names."""
        library = module.partition(".")[0]
        hub = ("keras_hub", "keras_nlp")  # the later and the earlier name of one library
        if package.partition(".")[0] not in ("", library, *(hub if library in hub else ())):
            return False
        if library in hub:
            return name in allowed.HUB_LAYERS | allowed.BACKBONES | self.extra
        if library == "keras_cv":
            return name in allowed.CV_LAYERS | allowed.CV_BACKBONES
        return name in (allowed.OWN if library == "tlkit" else allowed.KERAS).get(module, ())


def _is_own(custom: Any) -> bool:
    """Return whether a class or function was registered or passed in by the program that loads the model."""
    return custom is not None and str(getattr(custom, "__module__", "builtins")).partition(".")[0] not in LIBRARIES


def _within(place: str, key: str) -> str:
    """Return the place of a key within an object."""
    return f"{place}{'' if place[-1:] in ('', ' ') else '.'}{key[:80]}"


def _activation(place: str) -> bool:
    return place.rpartition(".")[2].endswith("activation")


def _named(value: dict[str, Any]) -> str:
    """Return the name of an object in a config, for a message."""
    name = value.get("config") if value.get("class_name") == "function" else value.get("class_name")
    shown = f"{value.get('module')}.{name}"[:120]
    return f"the function {shown!r}" if value.get("class_name") == "function" else repr(shown)


def _refused(place: str, problem: str) -> RefusedError:
    place = place if len(place) <= MAX_PLACE_LETTERS else f"...{place[-MAX_PLACE_LETTERS:]}"
    return RefusedError(f"{place.strip(' ') or 'the config'} {problem}")
