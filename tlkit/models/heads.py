"""Heads, which turn a backbone's features into predictions: one function and one row of HEADS for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlkit.errors import InputError, unknown
from tlkit.tasks.targets import WORD_SCORES, Target

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Head:
    """A head.

    Args:
        name: its name in the table and on the command line.
        build: called as `build(features, target, hidden=..., dropout=...)` with a mapping of the symbolic features it
            takes; returns `target.output(x)`, the answers to a vector x (batch, channels): probabilities (batch,
            classes) of labels, for example. With `words=True` the mapping has "words", too, scores (batch, labels), for
            `target.output(x, words)`.
        takes: the features it reads: "map" (batch, height, width, channels) of a picture; "sequence" (batch, tokens,
            channels), "mask" (batch, tokens) and "pooled" (batch, channels) of a text; "vector" (batch, channels) of a
            row of a table.
        hidden: the default width of a hidden layer; 0 for none.
        dropout: the default dropout rate before each dense layer.
        tokens: whether it answers every token of a text, as entities need it; else the picture or text as a whole.
    """

    name: str
    build: Callable[..., keras.KerasTensor]
    takes: tuple[str, ...]
    hidden: int = 0
    dropout: float = 0.0
    tokens: bool = False


Features = Mapping[str, "keras.KerasTensor"]


def with_word_scores(features: Features, outputs: int) -> Features:
    """Return the features of a text with the scores "words" (batch, outputs) for the ids and counts of its words."""
    from tlkit.models.text.hashed_words import COUNTS, IDS, WordScores

    if IDS not in features:
        return features
    # float32 whatever the policy, as the scores that they are added to
    layer = WordScores(outputs, dtype="float32", name=WORD_SCORES)
    return {**features, WORD_SCORES: layer(features[IDS], features[COUNTS])}


def _dense(
    x: keras.KerasTensor, target: Target, hidden: int, dropout: float, words: keras.KerasTensor | None = None
) -> keras.KerasTensor:
    """Close a head: [Dropout, Dense(hidden, relu)], [Dropout,] and the target's output, Dense(classes, softmax)."""
    from keras import layers

    if hidden:
        x = layers.Dropout(dropout, name="hidden_dropout")(x) if dropout else x
        x = layers.Dense(hidden, activation="relu", name="hidden")(x)
    x = layers.Dropout(dropout, name="dropout")(x) if dropout else x
    return target.output(x) if words is None else target.output(x, words)


def flatten_dense(features: Features, target: Target, *, hidden: int, dropout: float) -> keras.KerasTensor:
    """Build Flatten -> Dense(hidden, relu) -> Dense(classes, softmax), the classic VGG recipe."""
    from keras import layers

    return _dense(layers.Flatten(name="flatten")(features["map"]), target, hidden, dropout)


def pool_dense(features: Features, target: Target, *, hidden: int, dropout: float) -> keras.KerasTensor:
    """Build GlobalAveragePooling2D -> Dropout -> Dense(classes, softmax)."""
    from keras import layers

    return _dense(layers.GlobalAveragePooling2D(name="pool")(features["map"]), target, hidden, dropout)


def cls_dense(features: Features, target: Target, *, hidden: int, dropout: float) -> keras.KerasTensor:
    """Build the pooled [CLS] vector -> Dropout -> Dense(classes, softmax), as BERT's authors fine-tune it."""
    return _dense(features["pooled"], target, hidden, dropout, features.get(WORD_SCORES))


def mean_dense(features: Features, target: Target, *, hidden: int, dropout: float) -> keras.KerasTensor:
    """Build the mean over the real (unpadded) tokens -> Dropout -> Dense(classes, softmax)."""
    from keras import layers

    pool = layers.GlobalAveragePooling1D(name="pool")
    x = pool(features["sequence"], mask=features["mask"])
    return _dense(x, target, hidden, dropout, features.get(WORD_SCORES))


def token_dense(features: Features, target: Target, *, hidden: int, dropout: float) -> keras.KerasTensor:
    """Build every token's vector (zeros for padding) -> Dropout -> Dense(tags, softmax), for entities."""
    from keras import ops

    real = ops.cast(features["mask"], features["sequence"].dtype)
    return _dense(features["sequence"] * ops.expand_dims(real, -1), target, hidden, dropout)


def vector_dense(features: Features, target: Target, *, hidden: int, dropout: float) -> keras.KerasTensor:
    """Build the vector of a row -> Dropout -> Dense(classes, softmax)."""
    return _dense(features["vector"], target, hidden, dropout)


HEADS: dict[str, Head] = {
    head.name: head
    for head in (
        Head("flatten_dense", flatten_dense, takes=("map",), hidden=256),
        Head("pool_dense", pool_dense, takes=("map",), dropout=0.2),
        Head("cls_dense", cls_dense, takes=("pooled",), dropout=0.1),
        Head("mean_dense", mean_dense, takes=("sequence", "mask"), dropout=0.1),
        Head("token_dense", token_dense, takes=("sequence", "mask"), dropout=0.1, tokens=True),
        Head("vector_dense", vector_dense, takes=("vector",), dropout=0.1),
    )
}


def get(head: str | Head) -> Head:
    """Return a head by name; a head that is passed in is returned unchanged.

    Raises:
        InputError: no such name; the nearest ones are named.
    """
    if isinstance(head, Head):
        return head
    if head not in HEADS:
        raise unknown("head", head, HEADS)
    return HEADS[head]


def check_fit(head: Head, features: tuple[str, ...], backbone: str, task: str | None = None) -> None:
    """Raise InputError if a head needs features that the backbone does not give, or does not suit the task.

    Args:
        head: the head.
        features: what the backbone gives.
        backbone: its name.
        task: the name of the target, such as "entities"; None where it is not known yet.

    Raises:
        InputError: naming the heads that do fit.
    """
    if task is not None and head.tokens != (task == "entities"):
        answered = "each token" if head.tokens else "each picture or text as a whole"
        fitting = sorted(name for name, other in HEADS.items() if other.tokens != head.tokens)
        raise InputError(
            f"head {head.name!r} answers {answered}, which does not suit the target {task}; choose one of: "
            f"{', '.join(fitting)}"
        )
    if set(head.takes) <= set(features):
        return
    fitting = sorted(name for name, other in HEADS.items() if set(other.takes) <= set(features))
    raise InputError(
        f"head {head.name!r} takes {', '.join(head.takes)}, but backbone {backbone!r} gives {', '.join(features)}; "
        f"choose one of: {', '.join(fitting)}"
    )
