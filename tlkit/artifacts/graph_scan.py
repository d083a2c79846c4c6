"""Scan the graph of a SavedModel before TensorFlow loads it.

A SavedModel is a program: loading runs its initializers, asking it runs its signatures, and either may hold operations
that read and write files or call Python. So every operation of its graph and of all its functions, called or not, has
to be on a list of operations that only compute (`tlkit.artifacts.allowed_ops`).

One exception cannot be avoided: each SavedModel brings a function that saves its variables and one that restores them.
These may hold what saving and restoring take, provided that the saver's own two nodes call them and nothing else does:
neither another node or function, nor a signature, nor an object that Python gets to see.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.artifacts.allowed_ops import ALLOWED, RESTORING, SAVING
from tlkit.errors import ArtifactError

if TYPE_CHECKING:
    from tensorflow.core.framework.attr_value_pb2 import AttrValue
    from tensorflow.core.framework.node_def_pb2 import NodeDef
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, TensorInfo

MAX_GRAPH_BYTES = 512_000_000  # of saved_model.pb, which is held in memory; variables are not in it


def scan(folder: Path) -> None:
    """Refuse a SavedModel that could do more than compute. Nothing of it is run.

    Args:
        folder: the SavedModel, such as OUT/saved_model/1.

    Raises:
        ArtifactError: an operation that is not on the list, an asset file, a graph that is damaged or too large.
    """
    path = folder / "saved_model.pb"
    meta = _parse(path)
    assets = [asset.filename for asset in meta.asset_file_def]
    if assets or any(node.HasField("asset") for node in meta.object_graph_def.nodes):
        raise ArtifactError(
            f"{path} reads the asset file {(assets or ['?'])[0][:100]!r} when it is loaded; export the model again "
            f"with the file's contents in the graph"
        )
    savers = _savers(meta)
    for function, node in _nodes(meta):
        if node.op not in ALLOWED and node.op not in savers.get(function, ()):
            place = f"in the function {function[:100]!r}" if function else "in the main graph"
            raise ArtifactError(
                f"{path} holds the operation {node.op[:100]!r} (node {node.name[:100]!r} {place}), which is not on the "
                f"list of operations that only compute, tlkit.artifacts.allowed_ops.ALLOWED. Nothing was loaded; build "
                f"the model without it and export again, or use tf.saved_model.load if you trust its maker "
                f"with your files"
            )


def _parse(path: Path) -> MetaGraphDef:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    if (size := path.stat().st_size) > MAX_GRAPH_BYTES:
        raise ArtifactError(f"{path} has {size:,} bytes; at most {MAX_GRAPH_BYTES:,} are read. Export a smaller model")
    saved_model = SavedModel()
    try:
        saved_model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ArtifactError(f"{path} is damaged ({error}); export the model again") from error
    if len(saved_model.meta_graphs) != 1 or not saved_model.meta_graphs[0].HasField("object_graph_def"):
        raise ArtifactError(
            f"{path} is damaged or of TensorFlow 1: it holds {len(saved_model.meta_graphs)} graphs and not one with "
            f"its objects; export the model again"
        )
    return saved_model.meta_graphs[0]


def _nodes(meta: MetaGraphDef) -> Iterator[tuple[str, NodeDef]]:
    """Yield each node with the function it stands in, "" for the main graph."""
    for node in meta.graph_def.node:
        yield "", node
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            yield function.signature.name, node


# === The saver ===


def _savers(meta: MetaGraphDef) -> dict[str, frozenset[str]]:
    """Return the functions that may save or restore, with the operations each of them may hold."""
    saver_nodes = {_node(meta.saver_def.save_tensor_name): SAVING, _node(meta.saver_def.restore_op_name): RESTORING}
    named = set(_named_by_objects(meta))
    touched = set(_touched(meta))
    called: dict[str, frozenset[str]] = {}
    for function, node in _nodes(meta):
        names = [node.op, *_functions(node.attr)]
        if not function and node.name in saver_nodes and node.name not in touched:
            called |= dict.fromkeys(names, saver_nodes[node.name])
        else:
            named.update(names)
    return {name: operations for name, operations in called.items() if name not in named}


def _node(tensor: str) -> str:
    """Return the node of a tensor: "a:0" and "^a" are of "a"."""
    return tensor.removeprefix("^").partition(":")[0]


def _functions(attributes: dict[str, AttrValue]) -> Iterator[str]:
    """Yield the functions that the attributes of a node name, and those in the attributes of these functions."""
    for value in attributes.values():
        kind = value.WhichOneof("value")
        for function in (value.func,) if kind == "func" else value.list.func if kind == "list" else ():
            yield function.name
            yield from _functions(function.attr)


def _named_by_objects(meta: MetaGraphDef) -> Iterator[str]:
    """Yield the functions that Python objects, gradients and the attributes of other functions name."""
    yield from meta.object_graph_def.concrete_functions
    for node in meta.object_graph_def.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name
    library = meta.graph_def.library
    for gradient in library.gradient:
        yield from (gradient.function_name, gradient.gradient_func)
    yield from (gradient.gradient_func for gradient in library.registered_gradients)
    for function in library.function:
        yield from _functions(function.attr)
        # TensorFlow calls one for another that "implements" the same, and finds gradients by names that are plain text
        yield from (value.s.decode("utf-8", "replace") for value in function.attr.values())
        if "api_implements" in function.attr:
            yield function.signature.name


def _touched(meta: MetaGraphDef) -> Iterator[str]:
    """Yield the nodes of the main graph that another node, a signature or a collection refers to."""
    for node in meta.graph_def.node:
        yield from map(_node, node.input)
    for signature in meta.signature_def.values():
        for tensor in (*signature.inputs.values(), *signature.outputs.values()):
            yield from map(_node, _tensors(tensor))
    for collection in meta.collection_def.values():
        yield from map(_node, collection.node_list.value)


def _tensors(info: TensorInfo) -> Iterator[str]:
    yield info.name
    sparse = info.coo_sparse
    yield from (sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
    for part in info.composite_tensor.components:
        yield from _tensors(part)
