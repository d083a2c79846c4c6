"""Read examples from arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tlkit import errors
from tlkit.config import Splitting
from tlkit.data import example_info, label_parsing, text_pairs
from tlkit.data.assemble import About, Part, assemble
from tlkit.data.splits import Data
from tlkit.data.splitting import settled


def arrays(
    x: Any,
    y: Any,
    *,
    labels: Sequence[str] | None = None,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
    splitting: Splitting | None = None,
    task: str = "label",
) -> Data:
    """Build a data set from arrays in memory.

    Args:
        x: pictures, (n, height, width), (n, height, width, 1) or (n, height, width, 3), 0..255; or n texts; or n pairs
            of texts, for a model that was built with pairs=True.
        y: n labels, names or whole numbers; n lists of tags, or an array (n, tags) of 0 and 1; n numbers.
        labels: the names of the classes: for numbers, those of 0, 1, ...; for names, their order. Likewise
            of the tags; of a value, its own, as a list of one.
        groups: n values; examples that agree in theirs stay on one side: the patient, the scene, the author.
        seed, splitting: as for `image_folder`.
        task: what y holds: "label", "tags" or "value".

    Raises:
        InputError: x, y and groups differ in length, y does not hold what the task says, or x holds neither pictures
            nor texts.
        DataError: labels of mixed type or too few examples, as from every reader.

    Examples:
        >>> pixels = np.random.default_rng(0).integers(0, 60, (48, 32, 32, 3), dtype=np.uint8)
        >>> pixels[1::2, :, :, 0] += 190  # every second picture is red
        >>> data = tlkit.arrays(pixels, ["dark", "red"] * 24)
        >>> data.labels, len(data.train), len(data.val), len(data.test)
        (('dark', 'red'), 32, 8, 8)
    """
    if label_parsing.known(task) == "label":
        values = y.tolist() if hasattr(y, "tolist") else list(y)
    else:
        values, labels = label_parsing.held(task, y, labels)
    if task == "label" and any(isinstance(value, list | tuple) for value in values):
        raise errors.InputError(
            "y must hold one label for each example; turn one-hot rows into numbers with argmax, and give task='tags' "
            "where an example has several"
        )
    items, kind = _examples(x)
    if len(items) != len(values):
        raise errors.InputError(f"x has {len(items)} examples and y has {len(values)} labels; make them match")
    traits, splitting = example_info.look(items, kind), settled(seed, splitting)
    if groups is not None:
        if len(groups) != len(items):
            raise errors.InputError(f"x has {len(items)} examples and groups has {len(groups)} values; make them match")
        traits = replace(traits, groups=example_info.strings([str(group) for group in groups]))
        splitting = replace(splitting, group_by="groups")
    return assemble({"train": Part(items, values, traits)}, About(kind, "arrays", task=task), splitting, labels=labels)


def _examples(x: Any) -> tuple[list[str] | np.ndarray, str]:
    if isinstance(x, np.ndarray) and x.dtype.kind in "uif" and x.ndim > 1:
        from tlkit.data import images

        images.check_pixels(x)
        return x, "image"
    texts = x.tolist() if hasattr(x, "tolist") else list(x)
    if texts and all(map(text_pairs.is_pair, texts)):
        return [text_pairs.Pair(*text_pairs.parts(text)) for text in texts], "text"
    if strange := next((repr(text)[:60] for text in texts if not isinstance(text, str)), ""):
        raise errors.InputError(
            f"x holds {strange}; give texts, or pairs of them, as a list of strings, or pictures as one array (n, "
            f"height, width, channels)"
        )
    return texts, "text"
