"""Private parts of other libraries are named in two modules alone, which say what they rely on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "tlkit"
PLACES = ("models/keras_graph.py", "models/kerashub.py")
# what is no part of graphs, layers or backbones: the random states that are global to a process
RANDOM_STATES = "models/seeding.py"
PUBLIC = {"_replace", "_exit"}  # documented, in spite of the underscore, by named tuples and `os`
# what Keras, KerasHub and keras-cv neither document nor mark with an underscore
UNDOCUMENTED = {
    *("fill_in", "seed_generator", "adapt_mean", "adapt_variance", "lora_enabled"),
    *("byte2unicode", "unicode2byte", "token_to_id_map", "id_to_token_map", "merge_ranks", "no_convert_scope"),
    *("bucket_size", "pyramid_outputs", "pyramid_level_inputs", "input_resolution", "check_backbone_class"),
}
BY_NAME = ("getattr", "hasattr", "setattr", "delattr")
PRIVATE_MODULE = re.compile(r"^(keras|keras_hub|keras_nlp|keras_cv)\.src\b")


def private(source: str) -> Iterator[str]:
    """Yield what a module names of other objects that they do not promise to keep, as "line: name"."""
    for node in ast.walk(ast.parse(source)):
        found = []
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            hidden = re.match(r"_[^_]", node.attr) and not own and node.attr not in PUBLIC
            found = [node.attr] if hidden or node.attr in UNDOCUMENTED else []
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in BY_NAME:
            names = [each.value for each in node.args[1:2] if isinstance(each, ast.Constant)]
            found = [name for name in names if re.match(r"_[^_]", str(name)) or name in UNDOCUMENTED]
        elif isinstance(node, ast.Import):
            found = [alias.name for alias in node.names if PRIVATE_MODULE.match(alias.name)]
        elif isinstance(node, ast.ImportFrom):
            found = [node.module] if PRIVATE_MODULE.match(node.module or "") else []
        yield from (f"{node.lineno}: {name}" for name in found)


MODULES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {*PLACES, RANDOM_STATES}))
def test_no_other_module_names_private_parts(name: str) -> None:
    assert list(private(MODULES[name].read_text("utf-8"))) == [], f"put a function that does this into one of {PLACES}"


def test_the_two_modules_name_all_of_them() -> None:
    found = {name for place in PLACES for name in private((PACKAGE / place).read_text("utf-8"))}
    named = {name.partition(" ")[2] for name in found}
    text = "".join((PACKAGE / place).read_text("utf-8") for place in PLACES)
    assert {"_nodes_by_depth", "_keras_history", "_inbound_nodes", "_flatten_layers", "_bpe_merge_tf"} <= named
    assert {name for name in UNDOCUMENTED if not re.search(rf"\b{name}\b", text)} == set(), "these are no longer used"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("self._nodes; cls._made; x.__dict__; type(x).__name__; row._replace(a=1); os._exit(1); _local()", []),
        ("model._nodes_by_depth", ["1: _nodes_by_depth"]),
        ("self.layer._kernel.assign(0)", ["1: _kernel"]),
        ("getattr(model, '_nodes_by_depth', None)", ["1: _nodes_by_depth"]),
        ("getattr(layer, 'seed_generator', None)", ["1: seed_generator"]),
        ("node.arguments.fill_in({})", ["1: fill_in"]),
        ("def f():\n    from keras_hub.src.utils import x", ["2: keras_hub.src.utils"]),
        ("import keras.src.ops", ["1: keras.src.ops"]),
        ("import keras_hub, srcs\nfrom keras import layers\nNAME = 'keras.src.ops.core'", []),
    ],
)
def test_private_sees(source: str, expected: list[str]) -> None:
    assert list(private(source)) == expected
