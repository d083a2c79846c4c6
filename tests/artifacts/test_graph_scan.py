"""A SavedModel is looked through before TensorFlow loads it; whatever could do more than compute is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlkit.artifacts import graph_scan
from tlkit.errors import ArtifactError


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a model with a variable, a table, a branch and a loop."""
    import tensorflow as tf

    class Model(tf.Module):
        def __init__(self) -> None:
            self.weight = tf.Variable(2.0)
            keys, values = tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64)
            self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), -1)

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
        def __call__(self, words: tf.Tensor) -> dict[str, tf.Tensor]:
            found = tf.cast(self.table.lookup(words), tf.float32)
            found = tf.cond(tf.size(words) > 3, lambda: found + 1, lambda: found)
            found = tf.while_loop(lambda x: tf.reduce_max(x) < 9, lambda x: [x * self.weight], [found])[0]
            return {"out": tf.map_fn(lambda x: x + 1, found)}

    model, folder = Model(), tmp_path_factory.mktemp("saved") / "1"
    tf.saved_model.save(model, str(folder), signatures=model.__call__)
    return folder


@pytest.fixture
def change(saved: Path, tmp_path: Path) -> Callable[[Callable[[Any], Any]], Path]:
    """Return a function that copies the model and changes the copy's graph."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    def rewrite(edit: Callable[[Any], Any]) -> Path:
        folder = Path(shutil.copytree(saved, tmp_path / "copy"))
        model = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        edit(model.meta_graphs[0])
        (folder / "saved_model.pb").write_bytes(model.SerializeToString())
        return folder

    return rewrite


def saver(meta: Any) -> dict[str, Any]:
    """Return the saver's two nodes of the main graph by what they do."""
    names = {"save": meta.saver_def.save_tensor_name.partition(":")[0], "restore": meta.saver_def.restore_op_name}
    return {kind: next(n for n in meta.graph_def.node if n.name == name) for kind, name in names.items()}


def function(meta: Any, kind: str) -> Any:
    """Return the function that saves or restores."""
    name = saver(meta)[kind].attr["f"].func.name
    return next(f for f in meta.graph_def.library.function if f.signature.name == name)


def another(meta: Any) -> Any:
    """Return a function that neither saves nor restores."""
    own = {function(meta, kind).signature.name for kind in ("save", "restore")}
    return next(f for f in meta.graph_def.library.function if f.signature.name not in own)


def test_a_model_that_only_computes_is_let_be(saved: Path) -> None:
    graph_scan.scan(saved)
    savers = graph_scan._savers(graph_scan._parse(saved / "saved_model.pb"))
    assert sorted(map(len, savers.values())) == [1, 3]  # the exception is made use of


# === Operations ===


@pytest.mark.parametrize("operation", ["WriteFile", "EagerPyFunc", "PrintV2", "Invented"])
def test_an_operation_of_the_main_graph_is_refused(change: Callable, operation: str) -> None:
    folder = change(lambda meta: meta.graph_def.node.add(op=operation, name="hidden"))
    with pytest.raises(ArtifactError, match=rf"holds the operation '{operation}' \(node 'hidden' in the main graph\)"):
        graph_scan.scan(folder)


def test_an_operation_of_a_function_is_refused_though_nothing_calls_it(change: Callable) -> None:
    def edit(meta: Any) -> None:
        new = meta.graph_def.library.function.add()
        new.signature.name = "Relu"  # also a name that is allowed is of no use
        new.node_def.add(op="ReadFile", name="hidden")

    message = r"'ReadFile' \(node 'hidden' in the function 'Relu'\).*Nothing was loaded; build the model without it"
    with pytest.raises(ArtifactError, match=message):
        graph_scan.scan(change(edit))


def test_a_function_called_by_its_name_is_no_operation(change: Callable) -> None:
    folder = change(lambda meta: meta.graph_def.node.add(op=another(meta).signature.name, name="hidden"))
    with pytest.raises(ArtifactError, match=r"\(node 'hidden' in the main graph\), which is not on the list"):
        graph_scan.scan(folder)


# === The saver ===


def signature(meta: Any) -> None:
    meta.signature_def["serving_default"].outputs["more"].name = meta.saver_def.save_tensor_name


def sparse_signature(meta: Any) -> None:
    tensor = meta.signature_def["serving_default"].outputs["more"]
    tensor.composite_tensor.components.add().coo_sparse.values_tensor_name = meta.saver_def.save_tensor_name


def control_input(meta: Any) -> None:
    meta.graph_def.node.add(op="NoOp", name="more").input.append("^" + saver(meta)["save"].name)


def main_operation(meta: Any) -> None:
    meta.collection_def["saved_model_main_op"].node_list.value.append(saver(meta)["save"].name)


def second_call(meta: Any) -> None:
    node = meta.graph_def.node.add(op="StatefulPartitionedCall", name="more")
    node.attr["f"].func.name = function(meta, "save").signature.name


def call_in_a_function(meta: Any) -> None:
    node = another(meta).node_def.add(op="Case", name="more")
    node.attr["branches"].list.func.add().name = function(meta, "save").signature.name


def call_by_a_namesake(meta: Any) -> None:
    node = another(meta).node_def.add(op="StatefulPartitionedCall", name=saver(meta)["save"].name)
    node.attr["f"].func.name = function(meta, "save").signature.name


def call_by_an_allowed_name(meta: Any) -> None:
    own, node = function(meta, "save"), saver(meta)["save"]
    own.signature.name = node.attr["f"].func.name = "Relu"
    another(meta).node_def.add(op="Relu", name="more")


def call_handed_on(meta: Any) -> None:
    node = another(meta).node_def.add(op="StatefulPartitionedCall", name="more")
    node.attr["f"].func.attr["inner"].func.name = function(meta, "save").signature.name


def call_by_operation(meta: Any) -> None:
    another(meta).node_def.add(op=function(meta, "save").signature.name, name="more")


def python_function(meta: Any) -> None:
    meta.object_graph_def.nodes.add().function.concrete_functions.append(function(meta, "save").signature.name)


def bare_function(meta: Any) -> None:
    node = meta.object_graph_def.nodes.add()
    node.bare_concrete_function.concrete_function_name = function(meta, "save").signature.name


def concrete_function(meta: Any) -> None:
    meta.object_graph_def.concrete_functions[function(meta, "save").signature.name].SetInParent()


def gradient(meta: Any) -> None:
    added = meta.graph_def.library.gradient.add()
    added.function_name, added.gradient_func = another(meta).signature.name, function(meta, "save").signature.name


def registered_gradient(meta: Any) -> None:
    meta.graph_def.library.registered_gradients.add().gradient_func = function(meta, "save").signature.name


def attribute_of_a_function(meta: Any) -> None:
    another(meta).attr["backward_function_name"].s = function(meta, "save").signature.name.encode()


def function_attribute_of_a_function(meta: Any) -> None:
    another(meta).attr["own"].func.name = function(meta, "save").signature.name


def exchange(meta: Any) -> None:
    function(meta, "save").attr["api_implements"].s = b"anything"


def renamed_saver(meta: Any) -> None:
    meta.saver_def.save_tensor_name = "absent:0"


@pytest.mark.parametrize(
    "edit",
    [
        signature, sparse_signature, control_input, main_operation, second_call, call_in_a_function, call_handed_on,
        call_by_a_namesake, call_by_an_allowed_name, call_by_operation, python_function, bare_function,
        concrete_function, gradient, registered_gradient, attribute_of_a_function, function_attribute_of_a_function,
        exchange, renamed_saver,
    ],
)  # fmt: skip
def test_a_saver_that_anything_else_can_call_is_refused(change: Callable, edit: Callable) -> None:
    with pytest.raises(ArtifactError, match=r"holds the operation '(SaveV2|ShardedFilename|__inference.*)'"):
        graph_scan.scan(change(edit))


def test_what_restores_does_not_save(change: Callable) -> None:
    folder = change(lambda meta: function(meta, "restore").node_def.add(op="SaveV2", name="hidden"))
    with pytest.raises(ArtifactError, match=r"'SaveV2' \(node 'hidden' in the function '__inference__traced_restore"):
        graph_scan.scan(folder)


# === Files ===


def test_an_asset_file_is_refused(change: Callable) -> None:
    folder = change(lambda meta: meta.asset_file_def.add(filename="../../secret"))
    with pytest.raises(
        ArtifactError, match=r"reads the asset file '../../secret' when it is loaded; export .* in the graph"
    ):
        graph_scan.scan(folder)


def test_an_asset_object_is_refused(change: Callable) -> None:
    folder = change(lambda meta: meta.object_graph_def.nodes.add().asset.SetInParent())
    with pytest.raises(ArtifactError, match=r"reads the asset file '\?'"):
        graph_scan.scan(folder)


def test_a_damaged_graph_is_refused(change: Callable, saved: Path) -> None:
    folder = change(lambda meta: None)
    path = folder / "saved_model.pb"
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"\xff" * 100, whole[:-1]):
        path.write_bytes(data)
        with pytest.raises(ArtifactError, match=r"saved_model\.pb is damaged.*; export the model again"):
            graph_scan.scan(folder)


def test_a_graph_of_tensorflow_1_or_several_are_refused(change: Callable, tmp_path: Path) -> None:
    folder = change(lambda meta: meta.ClearField("object_graph_def"))
    with pytest.raises(
        ArtifactError, match="is damaged or of TensorFlow 1: it holds 1 graphs and not one with its objects"
    ):
        graph_scan.scan(folder)
    twice = (folder / "saved_model.pb").read_bytes() * 2
    (folder / "saved_model.pb").write_bytes(twice)
    with pytest.raises(ArtifactError, match="holds 2 graphs"):
        graph_scan.scan(folder)


def test_a_huge_graph_is_not_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_scan, "MAX_GRAPH_BYTES", 1000)
    with pytest.raises(ArtifactError, match=r"has [\d,]+ bytes; at most 1,000 are read\. Export a smaller model"):
        graph_scan.scan(saved)


# === Layers of users ===


@pytest.mark.slow
def test_models_of_all_kinds_of_layers_are_let_be(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf
    from keras import layers

    class Own(layers.Layer):
        def call(self, x: Any) -> Any:
            y = keras.ops.slice_update(x, [0, 0], keras.ops.zeros((1, 1)))
            y = keras.ops.fori_loop(0, 3, lambda i, z: z + keras.ops.cumsum(keras.ops.sort(z), 0) * 0.01, y)
            y = tf.cond(
                tf.reduce_sum(y) > 0, lambda: tf.einsum("ij,kj->ik", y, y) @ y, lambda: y @ tf.linalg.pinv(y) @ y
            )
            y = tf.signal.irfft(tf.signal.rfft(y), fft_length=[tf.shape(y)[1]])
            return y + tf.random.stateless_normal(tf.shape(x), [1, 2]) * 0

    words = keras.Input((), dtype="string")
    vectors = layers.TextVectorization(output_sequence_length=8, ngrams=2, vocabulary=["a", "b", "c"])(words)
    embedded = layers.Embedding(10, 8, mask_zero=True)(vectors)
    rows = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(embedded)
    rows = layers.MultiHeadAttention(2, 8)(layers.GRU(8, return_sequences=True)(rows), embedded)
    codes = layers.CategoryEncoding(5)(layers.StringLookup(vocabulary=["a", "b"])(words)[:, None])
    hashed = layers.Embedding(7, 4)(layers.Hashing(7)(words))
    pixels = keras.Input((16, 16, 3))
    x = layers.RandomContrast(0.2)(layers.RandomRotation(0.1)(layers.RandomFlip()(layers.Resizing(12, 12)(pixels))))
    x = layers.SeparableConv2D(4, 3)(layers.Conv2DTranspose(4, 3)(layers.DepthwiseConv2D(3)(x)))
    x = layers.GlobalMaxPooling2D()(layers.GroupNormalization(2)(layers.BatchNormalization()(x)))
    merged = layers.Concatenate()([layers.GlobalAveragePooling1D()(rows), codes, hashed, x])
    out = Own()(layers.UnitNormalization()(layers.LayerNormalization()(layers.GaussianNoise(0.1)(merged))))
    model = keras.Model([words, pixels], layers.Discretization(bin_boundaries=[0.0, 1.0])(out))
    archive = keras.export.ExportArchive()
    archive.track(model)
    given = [tf.TensorSpec((None,), tf.string), tf.TensorSpec((None, 16, 16, 3), tf.float32)]
    for training in (False, True):
        archive.add_endpoint(f"t{training}", lambda a, b, t=training: model([a, b], training=t), input_signature=given)
    archive.write_out(str(tmp_path / "1"), verbose=False)
    graph_scan.scan(tmp_path / "1")
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    assert loaded.tTrue(tf.constant(["a b", "c"]), tf.zeros((2, 16, 16, 3))).shape[0] == 2
