"""The stranger's process: it answers samples of every form and knows nothing of tlkit."""

from __future__ import annotations

import ast
import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tlkit.artifacts import isolated_worker, reload_check


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a model that counts the bytes of texts and joins pairs."""

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
        def length(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"length": tf.cast(tf.strings.length(text), tf.float32), "other": text}

        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.string)])
        def join(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"text": tf.strings.reduce_join(text, 1, separator=" ")}

    model, folder = Model(), tmp_path_factory.mktemp("saved") / "model"
    tf.saved_model.save(model, str(folder), signatures={"length": model.length, "join": model.join})
    return folder


def encoded(sample: Any) -> Any:
    return base64.b64encode(sample).decode() if isinstance(sample, bytes) else [encoded(part) for part in sample]


def answered(saved: Path, folder: Path, **changes: Any) -> np.ndarray:
    samples = [encoded(sample) for sample in changes.pop("samples")]
    request = {"ops": [], "endpoint": "length", "output": "length", "samples": samples, **changes}
    (folder / "request.json").write_text(json.dumps(request))
    reload_check.main(str(saved), str(folder / "request.json"), str(folder / "answers.npy"))
    return np.load(folder / "answers.npy")


def test_numbers_are_kept_as_they_are(saved: Path, tmp_path: Path) -> None:
    given = answered(saved, tmp_path, samples=[b"abc", b"", b"\xff\x00"])
    assert given.dtype == np.float32 and given.tolist() == [3, 0, 2]


def test_texts_of_pairs_are_kept_as_bytes(saved: Path, tmp_path: Path) -> None:
    samples = [[b"a", b"b"], ["é".encode(), b"long " * 9]]
    given = answered(saved, tmp_path, samples=samples, endpoint="join", output="text")
    assert given.dtype.kind == "S" and given.tolist() == [b"a b", "é ".encode() + b"long " * 9]


def test_the_modules_of_its_ops_are_imported_first(saved: Path, tmp_path: Path) -> None:
    assert answered(saved, tmp_path, samples=[b"a"], ops=["json"]).tolist() == [1]
    with pytest.raises(ModuleNotFoundError, match="no_such_ops"):
        answered(saved, tmp_path, samples=[b"a"], ops=["no_such_ops"])


@pytest.mark.parametrize("wrong", [{"endpoint": "none"}, {"output": "none"}])
def test_what_the_model_does_not_have_is_no_answer(wrong: dict, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="none"):
        answered(saved, tmp_path, samples=[b"a"], **wrong)


def imports(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[0] for name in found | {n.module for n in nodes if isinstance(n, ast.ImportFrom)}}


@pytest.mark.parametrize("module", [reload_check, isolated_worker])
def test_a_program_for_a_process_of_its_own_imports_nothing_of_tlkit(module: Any) -> None:
    assert "tlkit" not in imports(Path(module.__file__).read_text("utf-8"))
    assert imports("def f():\n    from tlkit.utils import files") == {"tlkit"}, "the control"
