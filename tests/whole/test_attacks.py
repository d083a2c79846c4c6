"""SavedModels that hide an operation in a place of their own are refused, and answering for long takes no more memory.

Each attack is a real program, saved by TensorFlow; its control loads it without the scan and shows that it works.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_models
from tlkit.artifacts import export, graph_scan
from tlkit.errors import ArtifactError

ROUNDS, PICTURES, THREADS, GROWTH_MB = 500, 5_000, 8, 60


# === SavedModels ===


def nested_functions(write: Callable, x: Any) -> Any:
    import tensorflow as tf

    inner = tf.function(lambda y: write(y))
    return tf.function(lambda y: inner(y) + 1)(x)


def loop(write: Callable, x: Any) -> Any:
    import tensorflow as tf

    return tf.while_loop(lambda i, _: i < 1, lambda i, y: (i + 1, write(y)), (0, x))[1]


def branch(write: Callable, x: Any) -> Any:
    import tensorflow as tf

    return tf.cond(tf.reduce_sum(x) > 1e30, lambda: x, lambda: write(x))


def mapped(write: Callable, x: Any) -> Any:
    import tensorflow as tf

    return tf.map_fn(write, x)


def gradient(write: Callable, x: Any) -> Any:
    import tensorflow as tf

    @tf.custom_gradient
    def identity(y: Any) -> Any:
        return tf.identity(y), lambda upstream: write(upstream)

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = identity(x)
    return tape.gradient(y, x)


def by_python(write: Callable, x: Any) -> Any:
    import tensorflow as tf

    return tf.ensure_shape(tf.py_function(write, [x], tf.float32), x.shape)


@pytest.mark.parametrize("hide", [nested_functions, loop, branch, mapped, gradient, by_python])
def test_an_operation_is_found_wherever_it_is_hidden(hide: Callable, tmp_path: Path) -> None:
    import tensorflow as tf

    marker = tmp_path / "marker"

    def write(x: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(str(marker), "written")]):
            return tf.identity(x)

    model = tf.Module()
    model.serve = tf.function(lambda x: {"out": hide(write, x)}, input_signature=[tf.TensorSpec((2,), tf.float32)])
    tf.saved_model.save(model, str(tmp_path / "1"), signatures=model.serve)
    with pytest.raises(ArtifactError, match=r"holds the operation '(WriteFile|EagerPyFunc)'.*Nothing was loaded"):
        graph_scan.scan(tmp_path / "1")
    assert not marker.exists()
    tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"](tf.ones(2))
    assert marker.read_bytes() == b"written"  # the control


def test_a_gradient_that_waits_for_a_call_is_found(tmp_path: Path) -> None:
    import tensorflow as tf

    @tf.custom_gradient
    def identity(x: Any) -> Any:
        def backward(upstream: Any) -> Any:
            with tf.control_dependencies([tf.io.write_file(str(tmp_path / "marker"), "written")]):
                return tf.identity(upstream)

        return tf.identity(x), backward

    model = tf.Module()
    model.serve = tf.function(lambda x: {"out": identity(x)}, input_signature=[tf.TensorSpec((2,), tf.float32)])
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    tf.saved_model.save(model, str(tmp_path / "1"), signatures=model.serve, options=options)
    with pytest.raises(ArtifactError, match="'WriteFile'"):
        graph_scan.scan(tmp_path / "1")


def test_what_restores_reads_no_other_file(tmp_path: Path) -> None:
    import tensorflow as tf
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    model = tf.Module()
    model.weight = tf.Variable(1.0)
    model.serve = tf.function(lambda x: {"out": x * model.weight}, input_signature=[tf.TensorSpec((2,), tf.float32)])
    tf.saved_model.save(model, str(tmp_path / "1"), signatures=model.serve)
    graph_scan.scan(tmp_path / "1")
    path = tmp_path / "1" / "saved_model.pb"
    saved = SavedModel.FromString(path.read_bytes())
    (meta,) = saved.meta_graphs
    restorer = next(node for node in meta.graph_def.node if node.name == meta.saver_def.restore_op_name)
    name = restorer.attr["f"].func.name
    next(f for f in meta.graph_def.library.function if f.signature.name == name).node_def.add(
        op="ReadFile", name="more"
    )
    path.write_bytes(saved.SerializeToString())
    with pytest.raises(ArtifactError, match="'ReadFile'"):
        graph_scan.scan(tmp_path / "1")


# === Long use ===


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> tlkit.Artifact:
    clf = tiny_models.spread(tiny_models.tiny_classifier(3), tiny_models.pictures(16, 16))
    proof = {"samples": 0, "real": False, "max_difference": 0.0, "spread": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_prove", lambda *_: proof)
        return tlkit.export(clf, tmp_path_factory.mktemp("long") / "out")


def anonymous_mb() -> float:
    """Return the anonymous resident memory of this process in MB; skip where the system does not say."""
    status = Path(f"/proc/{os.getpid()}/status")
    if not status.exists():
        pytest.skip("needs /proc, which Linux has")
    line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def test_threads_get_the_answers_that_one_gets(artifact: tlkit.Artifact) -> None:
    pixels = tiny_models.pictures(THREADS * 4, 16, seed=5)
    alone = artifact.predict(pixels)
    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(artifact.predict, np.split(pixels, THREADS)))
    together = [answer for part in parts for answer in part]
    assert [answer.label for answer in together] == [answer.label for answer in alone]
    assert np.allclose([a.probability for a in together], [a.probability for a in alone], atol=1e-6)
    assert len({answer.label for answer in alone}) > 1


@pytest.mark.all
def test_long_use_takes_no_more_memory(artifact: tlkit.Artifact) -> None:
    """500 predictions and 5,000 pictures, in eight threads, leave the memory where a first round brought it."""
    pixels = tiny_models.pictures(10, 16, seed=6)
    batch = np.concatenate([pixels] * (PICTURES // 100))

    def work(rounds: int) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda _: artifact.predict(pixels[:1]), range(rounds)))
        for _ in range(10):
            artifact.predict(batch)

    work(ROUNDS // 5)
    before = anonymous_mb()
    work(ROUNDS)
    grown = anonymous_mb() - before
    assert grown < GROWTH_MB, f"{grown:.0f} MB more"
