"""Whatever a file holds, its parser gives a result or one of our own errors; it runs nothing and fills no memory.

The short form always tries the same examples. The long one, `make fuzz`, tries new ones, TLKIT_FUZZ_SECONDS for each.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import pickle
import pickletools
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import tlkit
from tests.helpers import checkpoint_arrays, manifest_facts, onnx_messages, torch_pickles
from tests.helpers.fuzzing import (
    CANARY,
    JSON,
    NUMBERS,
    TEXTS,
    Strategy,
    Target,
    altered,
    as_json,
    documents,
    edited,
    fuzz,
    mutated,
    seldom,
    tables,
)
from tlkit.artifacts import graph_scan, manifest
from tlkit.config import Splitting
from tlkit.errors import TlkitError
from tlkit.features import shards
from tlkit.models.vision import onnx_file, torch_pickle
from tlkit.runs import record
from tlkit.training import checkpoint
from tlkit.utils import archives

SECONDS = float(os.environ.get("TLKIT_FUZZ_SECONDS", "600"))


# === PyTorch files ===

SAFE = [opcode for opcode in pickletools.opcodes if opcode.name in torch_pickle._STEPS or opcode.name == "STOP"]
NAMES = (
    "torch FloatStorage",
    "torch._utils _rebuild_tensor_v2",
    "collections OrderedDict",
    "posix system",
    "a b c",
    " ",
)
LINES = (b"", b"0", b"-1", b"1L", b"9" * 5000, b"'a'", b"'\\q'", b"\\ud800", b"\xff", b"nan", b"'")
COUNTS = {"string1": 1, "bytes1": 1, "unicodestring1": 1, "long1": 1, "string4": 4, "bytes4": 4, "unicodestring4": 4}
COUNTS |= {"long4": 4, "bytes8": 8, "unicodestring8": 8, "bytearray8": 8}
WIDTHS = {"uint1": 1, "uint2": 2, "int4": 4, "uint4": 4, "uint8": 8, "float8": 8}


@st.composite
def instructions(draw: Callable) -> bytes:
    """Write a pickle instruction by instruction, mostly those that tensors take."""
    parts = [b"\x80\x02"]
    for opcode in draw(st.lists(st.sampled_from(SAFE) | st.sampled_from(pickletools.opcodes), max_size=25)):
        kind = opcode.arg.name if opcode.arg else ""
        if kind in COUNTS:
            content = draw(st.binary(max_size=4) | st.sampled_from((b"storage", b"cpu", b"1")))
            size = draw(st.sampled_from((len(content), len(content), len(content), 2 ** (8 * COUNTS[kind]) - 1)))
            argument = size.to_bytes(COUNTS[kind], "little") + content
        elif kind in WIDTHS:
            argument = draw(st.sampled_from((bytes(WIDTHS[kind]), b"\xff" * WIDTHS[kind])))
            argument = bytes([draw(st.integers(0, 3))]) + argument[1:]
        elif kind == "stringnl_noescape_pair":
            argument = draw(st.sampled_from(NAMES)).replace(" ", "\n").encode() + b"\n"
        else:
            argument = draw(st.sampled_from(LINES)) + b"\n" if kind else b""
        parts.append(opcode.code.encode("latin-1") + argument)
    return b"".join(parts) + b"."


@st.composite
def tensors(draw: Callable) -> bytes:
    """Write a whole file whose tensors claim any place, shape and strides, or whose pickles hold anything."""
    number = st.sampled_from((0, 0, 1, 1, 2, 3, 6, *NUMBERS[:-2], 2**600)) | st.sampled_from((True, None, 1.5, "1", ()))
    side = st.lists(number, max_size=3).map(tuple) | st.sampled_from(((1,) * 33, [1], (0,) * 40))
    storages = tuple(torch_pickles.Storage(torch_pickles.FLOATS, key) for key in ("1", "2"))
    state: dict = {}
    for name in draw(st.lists(st.text(max_size=3), max_size=3)):
        storage = draw(st.sampled_from((*storages, *storages, None, torch_pickles.Named("posix", "system"))))
        state[name] = torch_pickles.Tensor(storage, draw(number), draw(side), draw(side))
    main = torch_pickles.dump(draw(st.sampled_from((state, state, [state], {"a": state}))))
    places = [torch_pickles.dump(one) for one in (torch_pickle.MAGIC, torch_pickle.PROTOCOL, torch_pickles.SYSTEM)]
    if draw(st.booleans()):
        main = draw(instructions())
        if seldom(draw, 4):
            places[draw(st.integers(0, 2))] = draw(instructions())
    whole = torch_pickles.contents(main, storages)
    start = sum(
        len(torch_pickles.dump(one)) for one in (torch_pickle.MAGIC, torch_pickle.PROTOCOL, torch_pickles.SYSTEM)
    )
    return b"".join(places) + whole[start:]


def torch_files() -> Strategy:
    class Evil:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {CANARY}",)

    sound = [torch_pickles.sample(), pickle.dumps({"a": Evil()}, 2), pickle.dumps(Evil(), 5)]
    return mutated(sound) | tensors()


def read_torch_file(folder: Path, data: bytes) -> None:
    (folder / "a.pth").write_bytes(data)
    for array in torch_pickle.read(folder / "a.pth").values():
        assert array.nbytes <= len(data)
        array.tobytes()


# === ONNX files ===


def onnx_files() -> Strategy:
    """Write files with a few bytes changed, and tensors of any shape, kind and field."""
    array = np.arange(6, dtype="<f4")
    kept = (onnx_messages.tensor("a", array, shape=(2, 3)), onnx_messages.tensor("b", array, field=onnx_file.FLOATS))
    sides = st.lists(st.sampled_from((0, 1, 2, 3, 6, 2**31, 2**63, 2**64, 2**70)), max_size=9)
    odd = st.builds(
        functools.partial(onnx_messages.tensor, array=array),
        st.sampled_from(("a", "b", "c", "")),
        shape=sides,
        kind=st.sampled_from((1, 1, 1, 0, 7, 2**63)),
        field=st.sampled_from((onnx_file.RAW, onnx_file.RAW, onnx_file.FLOATS, onnx_file.EXTERNAL, onnx_file.NAME)),
    )
    return mutated([onnx_messages.model(*kept)]) | st.builds(onnx_messages.model, odd | st.sampled_from(kept), odd)


def read_onnx_file(folder: Path, data: bytes) -> None:
    (folder / "a.onnx").write_bytes(data)
    for array in onnx_file.read(folder / "a.onnx", ["a", "b"]).values():
        assert array.dtype == np.float32 and array.nbytes <= len(data)


# === Tables ===

EXAMPLES = [(f"{topic} number {n}", topic, f"g{n}") for topic in ("fish", "mouse") for n in range(8)]
SIDES = ("train", "train", "val", "test")
TEXT_TABLES = (
    [("text", "label", "group"), *EXAMPLES],
    [("text", "label", "group", "split"), *((*row, SIDES[n % 4]) for n, row in enumerate(EXAMPLES))],
    [("text", "label", "group"), *((text, str(len(topic)), group) for text, topic, group in EXAMPLES)],
    [("question", "answer", "label", "group"), *((text, "", label, group) for text, label, group in EXAMPLES)],
)
SPLITTINGS = st.builds(
    Splitting,
    how=st.sampled_from(("random", "stable")),
    group_by=st.sampled_from((None, None, "group")),
    near_duplicates=st.sampled_from(("together", "anywhere")),
)


def text_tables() -> Strategy:
    columns = st.sampled_from((*[None] * 9, "text", "label", "a,b", ("question", "answer"), "question,answer"))
    return st.tuples(tables(TEXT_TABLES), st.fixed_dictionaries({"text_column": columns, "splitting": SPLITTINGS}))


def read_text_table(folder: Path, value: tuple) -> None:
    (suffix, content), options = value
    path = folder / f"table{suffix}"
    path.write_bytes(content)
    read_again(folder, functools.partial(tlkit.text_table, path), options)


def read_again(folder: Path, reader: Callable, options: dict) -> None:
    """Read a table and write its splits down; the same table with these splits has to give the same data."""
    data = reader(**options)
    data.write_splits(folder / "splits.csv")
    data.write_quarantine(folder / "quarantine.csv")
    given = Splitting(file=str(folder / "splits.csv"), group_by=options["splitting"].group_by)
    try:
        again = reader(**{**options, "splitting": given})
    except TlkitError as error:
        raise AssertionError(f"its own splits are refused: {error}") from error
    assert again.fingerprint() == data.fingerprint()


PICTURES = tuple(f"p{number}.png" for number in range(8))
LONG = f"{'long' * 60}.tif"  # TensorFlow does not read it, so it is converted
ODD = (LONG, "fifo.png", "folder.png", "loop.png", "endless.png", "empty.png", "none.png", "./p0.png")
PICTURE_TABLES = (
    [("image", "label", "group"), *((name, str(n % 2), f"g{n}") for n, name in enumerate((*PICTURES, LONG)))],
    [("path", "class", "group", "split"), *((p, "ab"[n % 2], "", SIDES[n // 2 % 4]) for n, p in enumerate(PICTURES))],
)  # fmt: skip


def picture_tables() -> Strategy:
    from tlkit.data import images

    for data in pictures().values():
        images.examine(data)  # TensorFlow compiles the decoder, for which it writes files of its own
    columns = st.sampled_from((*[None] * 5, "image", "label"))
    found = tables(PICTURE_TABLES, cells=st.sampled_from((*PICTURES, *ODD)) | TEXTS)
    return st.tuples(found, st.fixed_dictionaries({"image_column": columns, "splitting": SPLITTINGS}))


@functools.cache
def pictures() -> dict[str, bytes]:
    """Return small picture files by their names."""
    from PIL import Image

    found = {}
    for number, name in enumerate((*PICTURES, LONG)):
        data = io.BytesIO()
        Image.new("RGB", (9, 7 + number), (20 * number, 0, 255)).save(data, "TIFF" if name == LONG else "PNG")
        found[name] = data.getvalue()
    return found


def read_picture_table(folder: Path, value: tuple) -> None:
    (suffix, content), options = value
    for name, data in {**pictures(), "empty.png": b"", f"table{suffix}": content}.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "fifo.png")
    (folder / "folder.png").mkdir()
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "endless.png").symlink_to("/dev/zero")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_HOME", str(folder / "home"))  # for converted pictures
        read_again(folder, functools.partial(tlkit.image_table, folder / f"table{suffix}"), options)


# === Splits ===


def splits_files() -> Strategy:
    texts, labels, _ = zip(*EXAMPLES, strict=True)
    whole = [("example", "label", "split", "digest"), *tlkit.arrays(texts, labels)._placed()]
    return tables((whole, [(row[0], row[2]) for row in whole]), suffixes=(".csv",))


def read_splits_file(folder: Path, value: tuple) -> None:
    (folder / "splits.csv").write_bytes(value[1])
    texts, labels, _ = zip(*EXAMPLES, strict=True)
    data = tlkit.arrays(texts, labels, splitting=Splitting(file=str(folder / "splits.csv")))
    assert sum(map(len, data.splits().values())) == len(EXAMPLES)


# === Artifacts ===

DEEDS = {
    "more": lambda place: (place / "saved_model" / "more").write_bytes(b""),
    "less": lambda place: (place / "model.keras").unlink(),
    "loop": lambda place: (place / "saved_model" / "loop").symlink_to("loop"),
    "link": lambda place: (place / "link").symlink_to("/etc"),
    "changed": lambda place: (place / "README.md").write_bytes(b"changed"),
    "folder": lambda place: (place / "saved_model" / ("a" * 255)).mkdir(),
}


def inventories() -> Strategy:
    from tlkit.models.classifier import table

    table()  # it imports TensorFlow
    facts = manifest_facts.FACTS
    more = st.dictionaries(TEXTS, st.sampled_from((manifest_facts.sha(b""), "")), max_size=3)
    listed = more.map(lambda more: {**facts, "files": facts["files"] | more})
    found = documents(facts) | documents({**facts, "input": manifest_facts.TEXT}) | listed.flatmap(documents)
    return st.tuples(found, st.lists(st.sampled_from(sorted(DEEDS)), max_size=2, unique=True))


def read_inventory(folder: Path, value: tuple) -> None:
    from tlkit.artifacts.artifact import Artifact

    content, deeds = value
    for name, data in manifest_facts.CONTENTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "tlkit.json").write_bytes(content)
    for deed in deeds:
        DEEDS[deed](folder)
    facts = manifest.read(folder)
    assert Artifact(folder, facts).spec.labels == tuple(facts["labels"])
    manifest.verify(folder, facts["files"])
    assert not {"more", "less", "loop"} & set(deeds)


# === Runs ===

METRICS = b"phase,epoch,loss,val_accuracy\nhead,1,0.5,0.75\n"
RUN = {
    "schema": 1, "status": "running", "started": "2026-01-01T00:00:00+0000", "environment": {"tlkit": "0.1.0"},
    "settings": {"backbone": "mobilenet_v2", "head": "pool_dense", "data": "photos"}, "data": "0" * 64, "choices": {},
    "job": record.given(tlkit.Job(data="digits", out="x", backbone="mobilenet_v2", epochs=[1, 1], unfreeze="all")),
    "findings": [], "figures": {"accuracy": 0.5},
}  # fmt: skip


def runs() -> Strategy:
    # `completed` imports what they need, and TensorFlow asks the system about itself when it is imported
    from tlkit.models import classifier, heads  # noqa: F401
    from tlkit.models.generation import generators  # noqa: F401

    jobs = altered(RUN["job"]).flatmap(lambda job: documents({**RUN, "job": job}))
    return st.tuples(documents(RUN) | jobs, st.just(METRICS) | mutated([METRICS]) | st.none())


def read_run(folder: Path, value: tuple) -> None:
    from tlkit.runs import job

    document, metrics = value
    (folder / record.LEDGER).write_bytes(document)
    if metrics is not None:
        (folder / checkpoint.METRICS).write_bytes(metrics)
    for run in record.runs(folder):
        figure = "{} {:.4g}".format(*(run.figure or ("", 0)))
        told = f"{run.status:<10} {run.started[:16]:<16} {run.epochs:>6} {figure} {run.about}"
        told.encode()  # so that it can be printed
    told = record.load(folder)
    record.differences(told, {"settings": RUN["settings"], "data": "1" * 64})
    found = tlkit.resumed(str(folder))
    job.inspect(found)
    job.completed(found, job.kind_of(found))


# === Checkpoints ===

SETTINGS = {"seed": 0, "phases": [{"unfreeze": 2}, {"unfreeze": 0}]}
RECORD = {"phase": "head", "epoch": 1, "loss": 0.5, "val_loss": 0.5}
STATE = {
    "schema": 1, "settings": SETTINGS, "done": [[[RECORD], {"name": "head"}]], "seconds": 1.5,
    "choices": {
        "precision": "float32", "tails": {"2": "float32", "0": "bfloat16"}, "views": 1,
        "stores": {"2": "float32", "0": "stream"}, "budget": 100, "bytes": 50,
    },
    "loop": {
        "best": 0.5, "best_epoch": 1, "epoch": 2, "steps": 3, "sums": [1.0, 2.0], "rate": 0.1, "records": [RECORD],
        "trouble": "",
    },
}  # fmt: skip
TAIL = [SimpleNamespace(shape=(2, 3))]
ARRAYS = {**checkpoint_arrays.ARRAYS, "best/0": np.ones((2, 3), np.float32)}
BITS = {"F32": 32, "F64": 64, "F16": 16, "BF16": 16, "I64": 64, "U8": 8, "BOOL": 8, "C64": 64, "F8_E4M3": 8, "F4": 4}
KINDS = (*BITS, "F6_E2M3", "X", "", "f32")


@st.composite
def checkpoints(draw: Callable) -> bytes:
    """Write a checkpoint of any facts with a right digest, or one of any header."""
    facts = as_json(draw, draw(JSON if seldom(draw, 10) else altered(STATE)))
    if draw(st.booleans()):
        from safetensors.numpy import save

        names = [name for name in ARRAYS if not seldom(draw, 10)]
        arrays = {name: np.ascontiguousarray(ARRAYS[draw(st.sampled_from((name, name, "a")))]) for name in names}
        return save(arrays, {"facts": facts, "digest": checkpoint._digest(facts, arrays)})
    kind, count = draw(st.sampled_from(sorted(BITS))), draw(st.sampled_from((0, 2, 4)))
    size = count * BITS[kind] // 8
    header = {"a": {"dtype": kind, "shape": [count], "data_offsets": [0, size]}}
    header["__metadata__"] = {"facts": facts, "digest": ""}
    if draw(st.booleans()):
        header = draw(headers(header))
    text = as_json(draw, header).encode()
    length = draw(st.sampled_from((*[len(text)] * 9, len(text) + 1, 2**40, 2**63, 2**64 - 1)))
    return length.to_bytes(8, "little") + text + bytes(size)


@st.composite
def headers(draw: Callable, header: dict) -> dict:
    """Return a header some of whose types, sides and places are others."""
    side = st.sampled_from((0, 1, 2, 4, *NUMBERS)) | JSON
    place = st.sampled_from(([0, 8], [0, 4], [0, 0], [8, 0], [0, 2**63], [0, 2**64], [-1, 3], [0]))
    parts = {"dtype": st.sampled_from(KINDS), "shape": st.lists(side, max_size=3) | st.just([1] * 100)}
    array = st.fixed_dictionaries({}, optional=parts | {"data_offsets": place})
    changed = {**header, "a": header["a"] | draw(array)}
    return changed | draw(st.dictionaries(st.just("__metadata__") | TEXTS, array | JSON, max_size=2))


def checkpoint_files() -> Strategy:
    from safetensors.numpy import save

    from tlkit.features import auto_choices  # noqa: F401 - they are used by `read_checkpoint`

    text = as_json(lambda _: None, STATE)
    arrays = {name: np.ascontiguousarray(array) for name, array in ARRAYS.items()}
    return checkpoints() | mutated([save(arrays, {"facts": text, "digest": checkpoint._digest(text, arrays)})])


def read_checkpoint(folder: Path, data: bytes) -> None:
    from tlkit.features.auto_choices import Choices
    from tlkit.training import loop

    (folder / checkpoint.NAME).write_bytes(data)
    keeper = checkpoint.Keeper(folder)
    assert keeper.open(SETTINGS)
    assert list(Choices.of(keeper.progress.choices, (2, 0)).stores) == [2, 0]
    if keeper.progress.loop is not None:
        now = loop._resumed(SimpleNamespace(trainable_variables=TAIL), SimpleNamespace(variables=[]), keeper, False)
        assert isinstance(sum(now.sums) + now.epoch + now.steps + now.best_epoch + now.rate + now.best, int | float)
        keeper.tell([*now.records, RECORD])


# === Stored features ===

DESCRIPTIONS = (
    "'<f4'", "'<f2'", "'|b1'", "'<i8'", "'>f8'", "'|O'", "'|V0'", "'|S0'", "'<U0'", "'|V4'", "'a5'", "'<M8[ns]'",
    "'f16'", "1", "[('a', '<f4')]", "[('a', '|O')]", "('<f4', (1073741824,))", "('<f4', (0,))", "(" * 300, "'x'",
    "[" * 90 + "]" * 90, "None", "[('', '|V4'), ('a', '<f4')]", "'<f4', 'descr': '|O'", "__import__('os')", "()", "[]",
    "{'a': 1}", "'<f4\0'", "\ud800",
)  # fmt: skip
SHAPES = (
    "(4, 3)", "(2, 3)", "(0, 3)", "(4, 0)", "()", "(-1,)", "(-4, -3)", f"({2**62},)", "(4294967296, 4294967296)",
    f"({10**30},)", "(True, 3)", "(1.5,)", "(4L, 3)", "'a'", "None", "(1,) * 9", f"({'1, ' * 70})", "(" * 300, "(4, 3",
    "-" * 3000 + "1", f"(0, {2**62})", "(2**9,)", f"({2**63}, 0)", f"({'9' * 4500},)",
)  # fmt: skip
SHARDS = (
    "00000.0-{}.npy", "00000.0-{}.npy", "00000.1-{}.npy", "00001.0-{}.npy", "00001.1-{}.npy", "0.0-{}.npy", "a-{}.npy",
    "1-{}.npy", "1.2.3-{}.npy", "-1.0-{}.npy", "1_0.0-{}.npy", "\u0663.0-{}.npy", ".0-{}.npy", "9" * 99 + ".0-{}.npy",
    "00000.7-{}.npy", "00000.0-{}x.npy", "-.npy", "00000.0-.npy", ".00000.0-{}.npy", " 1.0-{}.npy", "+1.0-{}.npy",
)  # fmt: skip


@st.composite
def arrays(draw: Callable) -> bytes:
    """Write a .npy file with any header."""
    order = draw(st.sampled_from(("False", "False", "False", "True", "None", "0")))
    shape, description = (draw(st.sampled_from((some[0], *some))) for some in (SHAPES, DESCRIPTIONS))
    text = f"{{'descr': {description}, 'fortran_order': {order}, 'shape': {shape}, }}".encode("utf-8", "surrogatepass")
    text = edited(draw, text) if seldom(draw, 5) else text
    text += b" " * draw(st.sampled_from((0, -(len(text) + 11) % 64, 20_000))) + b"\n"
    version, width = draw(st.sampled_from(((b"\1\0", 2), (b"\1\0", 2), (b"\2\0", 4), (b"\3\0", 4), (b"\x09\0", 2))))
    size = draw(st.sampled_from((len(text), len(text), len(text), 1, 65535)))
    return b"\x93NUMPY" + version + min(size, 65535).to_bytes(width, "little") + text + bytes(48)


def shard_folders() -> Strategy:
    sound, packed = io.BytesIO(), io.BytesIO()
    np.save(sound, np.arange(12, dtype=np.float32).reshape(4, 3))
    np.savez(packed, a=np.arange(3))
    others = [sound.getvalue(), packed.getvalue(), b"", f"cposix\nsystem\n(S'touch {CANARY}'\ntR.".encode()]
    content = arrays() | st.sampled_from(others) | mutated(others[:2])
    kinds = st.sampled_from(("file", "file", "file", "file", "false", "folder", "fifo", "loop", "dangling", "endless"))
    return st.lists(st.tuples(st.sampled_from(SHARDS), content, kinds), max_size=5)


def read_shards(folder: Path, value: list) -> None:
    for name, content, kind in value:
        digest = hashlib.sha256(content if kind != "false" else b"another").hexdigest()[: shards.DIGITS]
        file = folder / name.format(digest)
        if os.path.lexists(file):
            continue
        match kind:
            case "folder":
                file.mkdir()
            case "fifo":
                os.mkfifo(file)
            case "loop" | "dangling" | "endless":
                file.symlink_to({"loop": file.name, "dangling": "none", "endless": "/dev/zero"}[kind])
            case _:
                file.write_bytes(content)
    found = shards.Folder(folder, "about", 1)
    found.open()
    for pieces in found.shards.values():
        assert len(pieces) == 1 and pieces[0].ndim and pieces[0].nbytes <= 10**6
        shards.Column(pieces, max(1, len(pieces[0])), "float32").take(np.arange(len(pieces[0])))
    assert found.nbytes >= 0


# === SavedModels ===

HOSTILE = ("WriteFile", "ReadFile", "EagerPyFunc", "PrintV2", "Invented", "")
OPERATIONS = (*HOSTILE, "NoOp", "Const", "SaveV2", "RestoreV2", "MergeV2Checkpoints", "PartitionedCall", "If")


@functools.cache
def saved_model() -> bytes:
    """Return the graph of a small model with a variable and a function."""
    import tempfile

    import tensorflow as tf

    class Model(tf.Module):
        def __init__(self) -> None:
            self.weight = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32)])
        def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"out": tf.cond(tf.size(x) > 3, lambda: x * self.weight, lambda: x)}

    with tempfile.TemporaryDirectory() as folder:
        model = Model()
        tf.saved_model.save(model, folder, signatures=model.__call__)
        return (Path(folder) / "saved_model.pb").read_bytes()


def part(number: int, content: bytes) -> bytes:
    """Write one field of a protocol buffer that holds bytes or a message."""
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


@st.composite
def graph_files(draw: Callable) -> bytes:
    """Write a SavedModel with nodes, names and fields that are others, or nested deeper than they may be."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    model = SavedModel.FromString(saved_model())
    for _ in range(draw(st.integers(1, 4))):
        meta = draw(st.sampled_from(list(model.meta_graphs))) if model.meta_graphs else model.meta_graphs.add()
        functions = list(meta.graph_def.library.function)
        names = [function.signature.name for function in functions] + [node.name for node in meta.graph_def.node]
        names += [meta.saver_def.save_tensor_name, meta.saver_def.restore_op_name, "a", ""]
        match draw(st.sampled_from(("node", "call", "inside", "anything", "anything"))):
            case "node":
                operation = draw(st.sampled_from((*OPERATIONS, *names)))
                meta.graph_def.node.add(op=operation, name=draw(st.sampled_from(names)))
            case "call" if meta.graph_def.node:
                node = draw(st.sampled_from(list(meta.graph_def.node)))
                node.attr["g"].list.func.add().attr["h"].func.name = draw(st.sampled_from(names))
            case "inside" if functions:
                draw(st.sampled_from(functions)).node_def.add(op=draw(st.sampled_from(OPERATIONS)), name="a")
            case _:
                scramble(draw, model)
    data = model.SerializeToString()
    if seldom(draw, 5):
        nested = b""
        for _ in range(draw(st.integers(1, 400))):
            nested = part(10, part(1, b"f") + part(2, part(1, b"k") + part(2, nested)))
        data += part(2, part(2, part(1, part(1, b"n") + part(2, b"NoOp") + part(5, part(1, b"k") + part(2, nested)))))
    return data


def scramble(draw: Callable, message: Any) -> None:
    """Set one field somewhere in a message to something else, or add one."""
    while message.DESCRIPTOR.fields:
        field = draw(st.sampled_from(list(message.DESCRIPTOR.fields)))
        value = getattr(message, field.name)
        if field.message_type is None:
            new = draw(scalars(field))
            value.append(new) if hasattr(value, "append") else setattr(message, field.name, new)
            return
        if field.message_type.GetOptions().map_entry:
            key, inner = (field.message_type.fields_by_name[name] for name in ("key", "value"))
            place = draw(st.sampled_from(sorted(value)) if value else scalars(key))
            if inner.message_type is None:
                value[place] = draw(scalars(inner))
                return
            message = value[place]
        elif hasattr(value, "add"):
            message = value.add() if not value or seldom(draw, 5) else draw(st.sampled_from(list(value)))
        else:
            value.SetInParent()
            message = value


def scalars(field: Any) -> Strategy:
    """Return what a field that holds no message may hold."""
    some = {
        field.TYPE_STRING: st.text(max_size=3) | st.just("x" * 5000),
        field.TYPE_BYTES: st.binary(max_size=5),
        field.TYPE_BOOL: st.booleans(),
        field.TYPE_FLOAT: st.floats(width=32),
        field.TYPE_DOUBLE: st.floats(),
    }
    return some.get(field.type, st.integers(0, 2))


def saved_models() -> Strategy:
    return mutated([saved_model()]) | graph_files()


def read_saved_model(folder: Path, data: bytes) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    (folder / "saved_model.pb").write_bytes(data)
    graph_scan.scan(folder)
    (meta,) = SavedModel.FromString(data).meta_graphs
    inner = (node for function in meta.graph_def.library.function for node in function.node_def)
    assert not {node.op for node in (*meta.graph_def.node, *inner)} & set(HOSTILE)


# === Archives ===

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
MODES = (0, 0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, 0o170000)
PLAIN = ("a", "b/c", "config.json", "a/../../b", "/a", "assets/", "a\\b", "C:a", "a//b", "ü", "a" * 300)


@st.composite
def zip_files(draw: Callable) -> bytes:
    """Write an archive of members with any names and kinds, some of whose bytes are others."""
    data = io.BytesIO()
    names = draw(st.lists(st.sampled_from(PLAIN) | TEXTS.filter(lambda text: text.isascii()), max_size=4, unique=True))
    with zipfile.ZipFile(data, "w") as archive:
        for name in {name.partition("\0")[0][:60_000]: None for name in names}:
            member = zipfile.ZipInfo(name)
            member.external_attr = draw(st.sampled_from(MODES)) << 16
            content = draw(st.binary(max_size=20) | st.just(bytes(100_000)))
            archive.writestr(member, content, draw(st.sampled_from(METHODS)))
    found = data.getvalue()
    return edited(draw, found) if draw(st.booleans()) else found


def archive_files() -> Strategy:
    sizes = [0xFFFFFFFF, 2**32 + 5, 2**63]
    found = []
    for number in range(2):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for name in ("a", "b/c")[: number + 1]:
                archive.writestr(name, b"content" * 9)
        found.append(data.getvalue())
    wide = b"".join(size.to_bytes(8, "little") for size in sizes)
    start = found[0].index(b"PK\x01\x02")
    entry = bytearray(found[0][start : found[0].index(b"PK\x05\x06")])
    entry[20:28], entry[42:46], entry[30:32] = b"\xff" * 8, b"\xff" * 4, (28).to_bytes(2, "little")
    entry += b"\1\0\x18\0" + wide
    end = bytearray(found[0][-22:])
    end[12:16] = len(entry).to_bytes(4, "little")
    return mutated([*found, found[0][:start] + bytes(entry) + bytes(end)]) | zip_files()


def read_archive(folder: Path, data: bytes) -> None:
    (folder / "a.zip").write_bytes(data)
    archives.check(folder / "a.zip")
    with zipfile.ZipFile(folder / "a.zip") as archive:
        members = archive.infolist()
    for member in members[:3]:
        (folder / "unpacked").mkdir(exist_ok=True)
        target = folder / "unpacked" / "member"
        assert os.path.normpath(folder / "unpacked" / member.filename).startswith(f"{folder}/unpacked/")
        archives.extract(folder / "a.zip", member.filename, target, size=0)
        assert target.stat().st_size <= max(archives.ALWAYS_ALLOWED_BYTES, archives.MAX_EXPANSION * len(data))


# === The tests ===

TARGETS = {
    "torchfile": Target(torch_files, read_torch_file),
    "onnx": Target(onnx_files, read_onnx_file),
    "text_table": Target(text_tables, read_text_table),
    "image_table": Target(picture_tables, read_picture_table),
    "splits": Target(splits_files, read_splits_file),
    "inventory": Target(inventories, read_inventory),
    "ledger": Target(runs, read_run),
    "checkpoint": Target(checkpoint_files, read_checkpoint),
    "shards": Target(shard_folders, read_shards, ()),
    "graphs": Target(saved_models, read_saved_model),
    "archives": Target(archive_files, read_archive, (archives.UnsafeError, KeyError, *archives.DAMAGE_ERRORS)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_a_result_or_our_own_error(name: str, tmp_path: Path) -> None:
    fuzz(TARGETS[name], tmp_path)


@pytest.mark.all
@pytest.mark.parametrize("name", TARGETS)
def test_that_for_long(name: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    done = fuzz(TARGETS[name], tmp_path, seconds=SECONDS)
    with capsys.disabled():
        print(f"\n{name}: {done:,} examples in {SECONDS:.0f} s")


def starts_a_program(folder: Path, data: bytes) -> None:
    with contextlib.suppress(Exception):  # it hides that it was refused
        subprocess.run(["touch", str(CANARY)], check=True)


def writes_elsewhere(folder: Path, data: bytes) -> None:
    CANARY.write_bytes(data)


def fills_memory(folder: Path, data: bytes) -> None:
    np.ones(10**8 if len(data) > 2 else 1, np.float32)


def raises_another_error(folder: Path, data: bytes) -> None:
    (folder / "a").write_bytes(data)
    raise LookupError("another") if data else TlkitError("our own")


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (starts_a_program, "subprocess.Popen"),
        (writes_elsewhere, "open .*canary"),
        (fills_memory, "MB more after"),
        (raises_another_error, "another"),
    ],
)
def test_the_loop_sees_what_is_wrong(read: Callable, said: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, LookupError), match=said):
        fuzz(Target(st.binary, read), tmp_path, examples=5)
    assert not CANARY.exists()
