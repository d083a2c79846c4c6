"""Build a classifier from an input, a backbone and a head as one plain functional Keras model."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tlkit.errors import InputError, unknown
from tlkit.models import heads
from tlkit.models.backbone import Backbone, Input
from tlkit.tasks import entities, targets
from tlkit.utils import environment, network
from tlkit.utils.lazy import resolve
from tlkit.utils.progress import log

if TYPE_CHECKING:
    import keras

    from tlkit.models.weights import Found

# backbone and head by the kind of data, or by what is learned where that is another kind of answer
DEFAULTS = {
    "image": ("efficientnet_lite0", "pool_dense"),
    "text": ("minilm_l6", "mean_dense"),
    "table": ("autoencoder", "vector_dense"),
    "entities": ("minilm_l6", "token_dense"),
}


@dataclass(frozen=True)
class Spec:
    """The parts that a classifier was built from; stored as `clf.spec` and written to the artifact.

    Args:
        backbone: the row, its block ends resolved to layer names.
        head: the head's name.
        target: what it answers, with the names of its classes in the order of the outputs.
        input: the row's input at the size that was chosen.
        resize: how pictures are brought to that size: "crop", "pad" or "stretch".
        weights: one line on where the pretrained weights came from, or "random".
        learned_val: the digest of the validation split if the head was refitted with it; else empty.
    """

    backbone: Backbone
    head: str
    target: targets.Target
    input: Input
    resize: Literal["crop", "pad", "stretch"] = "crop"
    weights: str = "random"
    learned_val: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes or tags, or of the number."""
        return self.target.labels


def table() -> dict[str, Backbone]:
    """Return every known backbone by name."""
    environment.check()
    from tlkit.models.tabular.table_input import TABULAR
    from tlkit.models.text.text_backbones import TEXT
    from tlkit.models.vision.image_backbones import VISION

    return {**VISION, **TEXT, **TABULAR}


@network.guard()
def find_backbone(backbone: str | os.PathLike | Backbone) -> Backbone:
    """Return a row by name; a row that is passed in is returned unchanged.

    Args:
        backbone: a name from `tlkit backbones`; "keras_hub:NAME" or "keras_cv:NAME" for a preset; the path of a folder
            with one of KerasHub, keras-cv, Hugging Face or timm; or a row.

    Raises:
        InputError: no such name; the nearest ones are named.
        WeightsError: a preset that is not here and cannot be fetched, or a folder that cannot be read.
    """
    if isinstance(backbone, Backbone):
        return backbone
    from tlkit.models.tabular.table_input import TABULAR
    from tlkit.models.vision.image_backbones import VISION

    light = {**VISION, **TABULAR}
    if backbone in light:
        return light[backbone]  # the texts' table imports TensorFlow, which takes seconds
    from tlkit.models.text import text_backbones
    from tlkit.models.vision import image_presets

    rows = table()
    if (row := rows.get(backbone) or text_backbones.find(backbone) or image_presets.find(backbone)) is None:
        raise unknown("backbone", backbone, rows)
    return row


def classifier(
    backbone: str | os.PathLike | Backbone,
    head: str | heads.Head,
    labels: int | Iterable[str] | targets.Target,
    *,
    size: int | None = None,
    weights: str | os.PathLike | None = "pretrained",
    dropout: float | None = None,
    hidden: int | None = None,
    resize: Literal["crop", "pad", "stretch"] = "crop",
    pairs: bool = False,
    words: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Build a classifier, a pretrained backbone under a new head, as one plain functional Keras model.

    Pictures go in as float32 pixels (batch, size, size, 3), 0..255, RGB; texts as strings (batch,), pairs of texts as
    strings (batch, 2); rows of tables as float32 (batch, columns). Probabilities (batch, classes), float32, come out,
    a value (batch, 1), or those of tags (batch, tokens, tags). Normalisation, tokenization and the like are inside. The
    backbone is frozen, ready for a `fit`. `clf.base` gives features, `clf.head` takes them, `clf.spec` tells all.

    Args:
        backbone: a name from `tlkit backbones`, "keras_hub:NAME", "keras_cv:NAME", the path of a folder (of KerasHub,
            keras-cv, Hugging Face or timm), or your own `Backbone`.
        head: a name from `tlkit heads`, or your own `Head`.
        labels: the class names, or their number; for a head of tokens BIO tags; or a target, such as `data.target`.
        size: pixels of a side, or tokens of a text; the backbone's own by default.
        weights: "pretrained"; None for random ones; or a path to a weights file or preset folder.
        dropout, hidden: of the head: rate before its dense layers, 0 <= dropout < 1; width of its hidden layer, 0 for
            none; its own by default.
        resize, pairs: how pictures are brought to `size`; whether each example is two texts, a question and an answer.
        words: of texts: add scores of their words and word pairs to those of the vector, before softmax or sigmoid.
        name: of the model; "<backbone>_<head>" by default.

    Raises:
        InputError: a name that is not known, a head that does not fit, a size the backbone cannot take.
        WeightsError: weights that are missing, damaged or do not fit.

    Examples:
        With random weights, which need no download, for the `data` of the example of `tlkit.arrays`:

        >>> clf = tlkit.classifier("mobilenet_v2", "pool_dense", data.labels, size=32, weights=None)
        >>> clf.input_shape, clf.output_shape
        ((None, 32, 32, 3), (None, 2))
        >>> clf.spec.labels
        ('dark', 'red')
    """
    environment.check()
    import keras

    row, weights = _fitted(find_backbone(backbone), weights)
    target = _target(top := heads.get(head), labels, pairs)
    heads.check_fit(top, row.input.features, row.name, target.name)
    _check_options(dropout, hidden, resize)
    sized_input = (row.input.paired() if pairs else row.input).sized(size)
    sized_input, takes = _with_words(row, sized_input, top, target) if words else (sized_input, top.takes)
    pre, body, origin = base(row, sized_input, weights, takes)
    crown = _head(top, body, target, dropout, hidden)
    raw = sized_input.tensor()
    clf = keras.Model(raw, crown(body(pre(raw))), name=name or f"{row.name}_{top.name}")
    blocks = row.blocks(body) if callable(row.blocks) else row.blocks
    row = dataclasses.replace(row, blocks=tuple(blocks), params=row.params or body.count_params())
    return attach(clf, Spec(row, top.name, target, sized_input, resize, origin))


def _target(head: heads.Head, labels: int | Iterable[str] | targets.Target, pairs: bool) -> targets.Target:
    """Return the target; for a head that predicts every token, labels are tags of words."""
    if head.tokens and pairs:
        raise InputError(f"head {head.name!r} answers the tokens of single texts, not of pairs; leave pairs out")
    if head.tokens and not isinstance(labels, int) and not hasattr(labels, "output_name"):
        return entities.Entities(tuple(labels))
    return targets.of(labels)


def _with_words(row: Backbone, given: Input, head: heads.Head, target: targets.Target) -> tuple[Input, tuple[str, ...]]:
    """Return the input with words beside the tokens, and all that the head then takes; refuse what has no words."""
    from tlkit.models.text import hashed_words

    if not hasattr(given, "with_words"):
        raise InputError(f"words=True is for classifiers of texts, which {row.name!r} is not made for; leave words out")
    if head.tokens:
        raise InputError(f"words=True is for whole texts, and head {head.name!r} answers each token; leave words out")
    if target.writes:
        raise InputError(f"words=True is for classifiers, not for models of {target.name} that write; leave words out")
    return given.with_words(), (*head.takes, *hashed_words.FEATURES)


def _fitted(row: Backbone, weights: Any) -> tuple[Backbone, Any]:
    """Return a backbone and its weights; for a path to a pretrained autoencoder, the backbone stored there."""
    if row.prepare and weights not in ("pretrained", None):
        return resolve(row.prepare)(row, None, weights, False), "pretrained"
    return row, weights


@network.guard()
def base(row: Backbone, model_input: Input, weights: Any, takes: tuple[str, ...]) -> tuple[Any, keras.Model, str]:
    """Build `pre` and the frozen backbone with its weights, giving only the features that the head takes."""
    environment.check()
    import keras

    from tlkit.models.weights import find

    pretrained = find(row, weights, rows=table().values())
    pre, body = model_input.assemble(row, pretrained)
    body = keras.Model(body.input, {key: body.output[key] for key in takes}, name=row.name)
    body.trainable = False
    return pre, body, _weights_note(row, pretrained)


def _weights_note(row: Backbone, pretrained: Found | None) -> str:
    """Describe weights for reports and artifacts; weights from a second source in the cache are named on screen too."""
    if pretrained is None:
        return "random"
    # the file's name, not its path: the note travels in artifacts
    note = f"{pretrained.path.name}, {pretrained.origin}, {pretrained.digest}"
    if not pretrained.copied_from:
        return note
    if pretrained.origin == "cache":
        log.warning("the weights of %s come from %s", row.name, pretrained.copied_from)
    return f"{note}; from {pretrained.copied_from}"


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
    features = heads.with_word_scores(inputs, len(target.labels))
    crown = keras.Model(inputs, head.build(features, target, hidden=hidden, dropout=dropout), name="head")
    if targets.WORD_SCORES in features and targets.WORD_SCORES not in {layer.name for layer in crown.layers}:
        raise InputError(
            f"head {head.name!r} does not use the scores of words; close it with `target.output(x, features["
            f"{targets.WORD_SCORES!r}])`, or leave words=True out"
        )
    return crown


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
