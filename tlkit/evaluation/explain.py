"""Explain a classifier's score: show which parts of an example it comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.errors import InputError, unknown
from tlkit.models.attribution import Asked, Heat, Words
from tlkit.tasks.targets import WORD_SCORES

if TYPE_CHECKING:
    import keras


def explain(clf: keras.Model, items: Any, label: str | None = None, *, batch_size: int = 16) -> list[Heat | Words]:
    """Show where in raw examples the score of a label comes from.

    For pictures by Grad-CAM on the backbone's last map; for texts by leaving out each word in turn (of a text of more
    than 32 words, several at a time); for rows of a table by leaving out each cell. All explain the score before
    softmax or sigmoid; of a value, the value in standard deviations. It is what the model looks at, not whether that is
    right. There is no explanation of entities, nor of what a model writes.

    Args:
        clf: a classifier of tlkit, such as `tlkit.load(out).model`.
        items: one or several, as for `Artifact.predict`: paths, encoded bytes or pixel arrays of pictures; strings;
            rows of a table.
        label: whose score; by default the highest of each example.
        batch_size: pictures computed at a time.

    Returns:
        For each item, in order, a `Heat` (`heat` (height, width), 0..1, and `overlay()`) or a `Words`.

    Raises:
        InputError: no classifier of tlkit, one whose answers are not explained, a label it does not have, items of the
            wrong kind, or a head whose scores cannot be found.
        DataError: a picture that cannot be read.

    Examples:
        With `data` and `clf` as in the example of `tlkit.fit`:

        >>> (heat,) = tlkit.explain(clf, data.test.items[:1], label="red")
        >>> heat.label, heat.heat.shape, heat.overlay().shape
        ('red', (32, 32), (32, 32, 3))
    """
    about = getattr(clf, "spec", None)
    if about is None:
        raise InputError("this model carries no `spec`; build it by a tlkit factory or get it from tlkit.load")
    if about.target.unexplained:
        raise InputError(
            f"there is no explanation of what this model answers, {about.target.unexplained}; only labels, tags and "
            f"values are explained"
        )
    if label is not None and label not in about.labels:
        raise unknown("label", label, about.labels)
    number = None if label is None else about.labels.index(label)
    asked = Asked(clf.base, _scores(clf), about.labels, number, about.resize)
    items = listed(items, about.input)
    found: list[Heat | Words] = []
    for start in range(0, len(items), batch_size):
        found += about.input.explain(asked, items[start : start + batch_size])
    return found


def _scores(clf: keras.Model) -> keras.Model:
    """Build the head without its last activation: features -> scores (batch, labels)."""
    import keras

    name = clf.spec.target.output_name
    layer = next((layer for layer in clf.head.layers if layer.name == name), None)
    if not isinstance(layer, keras.layers.Dense):
        raise InputError(f"head {clf.spec.head!r} has no dense layer {name!r}; close it with `target.output(x)`")
    before = keras.ops.cast(layer.input, "float32")
    scores = keras.ops.matmul(before, layer.kernel) + layer.bias
    for words in (part for part in clf.head.layers if part.name == WORD_SCORES):
        scores = scores + words.output
    return keras.Model(clf.head.input, scores)


def listed(items: Any, given: Any = None) -> list[Any]:
    """Return raw examples as a list; a single one becomes a list of one, an array (n, height, width) n grey pictures.

    Args:
        items: one or several paths, encoded bytes, strings, or pixel arrays (height, width[, 1 or 3]).
        given: the input of the model, which may tell one from several by itself.
    """
    if hasattr(given, "alone"):
        alone = given.alone(items)
    elif isinstance(items, np.ndarray):
        alone = items.ndim == 2 or (items.ndim == 3 and items.shape[-1] in (1, 3))
    else:
        alone = isinstance(items, str | bytes | os.PathLike)
    return [items] if alone else list(items)
