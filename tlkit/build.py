"""Build: `pre`, a backbone and a head become one plain functional Keras model."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tlkit import heads, targets
from tlkit.errors import InputError, unknown
from tlkit.spec import Backbone, Input

if TYPE_CHECKING:
    import keras


DEFAULTS = {"image": ("efficientnet_lite0", "pool_dense"), "text": ("minilm_l6", "mean_dense")}  # backbone and head


@dataclass(frozen=True)
class Spec:
    """State what a classifier was made of; carried as `clf.spec` and written to the artifact.

    Args:
        backbone: the row, its block ends resolved to layer names.
        head: the head's name.
        target: what it answers, with the names of its classes in the order of the outputs.
        input: the row's input at the size that was chosen.
        resize: how pictures are brought to that size: "crop", "pad" or "stretch".
        weights: one line on where the pretrained weights came from, or "random".
    """

    backbone: Backbone
    head: str
    target: targets.Target
    input: Input
    resize: Literal["crop", "pad", "stretch"] = "crop"
    weights: str = "random"

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes or tags, or of the number."""
        return self.target.labels


def table() -> dict[str, Backbone]:
    """Return every known backbone by name."""
    from tlkit.text import TEXT
    from tlkit.vision import VISION

    return {**VISION, **TEXT}


def find_backbone(backbone: str | Backbone) -> Backbone:
    """Return a row by name, or the user's own as it is.

    Args:
        backbone: a name of the tables; "keras_hub:PRESET"; the path of a KerasHub or Hugging Face folder; or a row.

    Raises:
        InputError: no such name; the nearest ones are named.
        WeightsError: a folder that cannot be read.
    """
    if isinstance(backbone, Backbone):
        return backbone
    if backbone.startswith("keras_hub:") or os.path.isfile(os.path.join(os.path.expanduser(backbone), "config.json")):
        return _described(backbone)
    from tlkit.vision import VISION

    rows = VISION if backbone in VISION else table()  # the texts' table imports TensorFlow, which takes seconds
    if backbone not in rows:
        raise unknown("backbone", backbone, rows)
    return rows[backbone]


def _described(name: str) -> Backbone:
    """Return the row of what a folder or a preset of KerasHub holds."""
    from tlkit import text

    if row := text.find(name):
        return row
    raise InputError(
        f"{name} holds no backbone that tlkit reads; it reads texts' of {', '.join(text.FAMILIES)}, or give a row"
    )


def classifier(
    backbone: str | Backbone,
    head: str | heads.Head,
    labels: int | Iterable[str] | targets.Target,
    *,
    size: int | None = None,
    weights: str | os.PathLike | None = "pretrained",
    dropout: float | None = None,
    hidden: int | None = None,
    resize: Literal["crop", "pad", "stretch"] = "crop",
    pairs: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Build a classifier, a pretrained backbone under a new head, as one plain functional Keras model.

    Pictures go in as float32 pixels (batch, size, size, 3), 0..255, RGB; texts as strings (batch,), pairs of texts as
    strings (batch, 2). Probabilities (batch, classes), float32, come out, or a value (batch, 1). Normalisation and
    tokenization are inside. The backbone is frozen, ready for a `fit`. `clf.base` gives features, `clf.head` takes
    them, `clf.spec` tells all.

    Args:
        backbone: a name from `tlkit backbones`, "keras_hub:PRESET", the path of a folder, or your own `Backbone`.
        head: a name from `tlkit heads`, or your own `Head`.
        labels: the class names, or their number; or a target, such as `data.target`, which may also be tags or a value.
        size: pixels of a side, or tokens of a text; the backbone's own by default.
        weights: "pretrained"; None for random ones; or a path to a weights file or preset folder.
        dropout: rate before the dense layers, 0 <= dropout < 1; the head's own by default.
        hidden: width of the head's hidden layer, 0 for none; the head's own by default.
        resize: how pictures of other shapes are brought to `size` by the readers and the exported model.
        pairs: each example is two texts, such as a question and an answer.
        name: of the model; "<backbone>_<head>" by default.

    Raises:
        InputError: a name that is not known, a head that does not fit, a size the backbone cannot take.
        WeightsError: weights that are missing, damaged or do not fit.
    """
    import keras

    row, top, target = find_backbone(backbone), heads.get(head), targets.of(labels)
    heads.check_fit(top, row.input.features, row.name)
    _check_options(dropout, hidden, resize)
    given = (row.input.paired() if pairs else row.input).sized(size)
    pre, body, origin = base(row, given, weights, top.takes)
    crown = _head(top, body, target, dropout, hidden)
    raw = given.tensor()
    clf = keras.Model(raw, crown(body(pre(raw))), name=name or f"{row.name}_{top.name}")
    blocks = row.blocks(body) if callable(row.blocks) else row.blocks
    row = dataclasses.replace(row, blocks=tuple(blocks), params=row.params or body.count_params())
    return attach(clf, Spec(row, top.name, target, given, resize, origin))


def base(row: Backbone, given: Input, weights: Any, takes: tuple[str, ...]) -> tuple[Any, keras.Model, str]:
    """Build `pre` and the frozen backbone with its weights, giving only the features that the head takes."""
    import keras

    from tlkit.weights import find

    found = find(row, weights, rows=table().values())
    pre, body = given.assemble(row, found)
    body = keras.Model(body.input, {key: body.output[key] for key in takes}, name=row.name)
    body.trainable = False
    # the file's name, not its path: the note travels in artifacts
    return pre, body, f"{found.path.name}, {found.origin}, {found.digest}" if found else "random"


def _check_options(dropout: float | None, hidden: int | None, resize: str) -> None:
    if dropout is not None and not 0 <= dropout < 1:
        raise InputError(f"dropout {dropout!r} is not a rate; give 0 <= dropout < 1")
    if hidden is not None and hidden < 0:
        raise InputError(f"hidden {hidden!r} is not a width; give 0 (none) or more")
    if resize not in ("crop", "pad", "stretch"):
        raise unknown("resize", resize, ("crop", "pad", "stretch"))


def _head(
    head: heads.Head, backbone: keras.Model, target: targets.Target, dropout: float | None, hidden: int | None
) -> keras.Model:
    """Build the head as a model of its own over the features it takes."""
    import keras

    inputs = {
        key: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=key) for key, tensor in backbone.output.items()
    }
    hidden = head.hidden if hidden is None else hidden
    dropout = head.dropout if dropout is None else dropout
    return keras.Model(inputs, head.build(inputs, target, hidden=hidden, dropout=dropout), name="head")


def attach(clf: keras.Model, spec: Spec) -> keras.Model:
    """Set `clf.spec`, `clf.base` and `clf.head` on a classifier, new or loaded."""
    import keras

    pre, body, crown = pieces(clf)
    clf.spec = spec
    clf.base = keras.Model(clf.inputs[0], body(pre(clf.inputs[0])), name="base")
    clf.head = crown
    return clf


def pieces(clf: keras.Model) -> tuple[Any, keras.Model, keras.Model]:
    """Return the three parts of a classifier: `pre`, the backbone, the head.

    Raises:
        InputError: the model was not built by tlkit.
    """
    layers = [layer for layer in clf.layers if type(layer).__name__ != "InputLayer"]
    if len(layers) != 3 or layers[0].name != "pre" or layers[2].name != "head":
        raise InputError(f"model {clf.name!r} is not a tlkit classifier; build it with tlkit.classifier or a factory")
    return tuple(layers)
