"""Validate JSON values against a schema.

A schema is a type or an annotation (`int`, `str | None`, `Literal["a", "b"]`, `Sequence[int]`), [the schema of every
item], (the schema of the first item, of the second, ...), or {key: schema}, where "*" stands for any key. Additional
keys are allowed. An integer is valid as a float. No number may be infinite, NaN or of more than 63 bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

MAX_INTEGER = 2**63 - 1  # the largest that fits into an array


def mismatches(value: Any, form: Any, where: str = "") -> Iterator[str]:
    """Yield the points in which a value does not match a schema.

    Args:
        value: the JSON value.
        form: the schema, as described above.
        where: the name of the value, for the sentences.

    Returns:
        Sentences such as "labels[1] is of type int, not str". Rely on the first only: the others may follow from it.
    """
    kind = type(form) if isinstance(form, list | tuple | dict) else form
    if not _fits(value, list if kind is tuple else kind):
        description = (
            repr(value[:100]) if isinstance(value, str) and get_origin(kind) else f"of type {type(value).__name__}"
        )
        yield f"{where or 'it'} is {description}, not {_name(kind)}"
    elif type(value) is int and not -MAX_INTEGER <= value <= MAX_INTEGER:
        yield f"{where or 'it'} is a number of more than 63 bits"
    elif type(value) is float and not math.isfinite(value):
        yield f"{where or 'it'} is not a finite number"
    elif kind is tuple and len(value) != len(form):
        yield f"{where or 'it'} has {len(value):,} items, not {len(form)}"
    elif isinstance(form, list | tuple):
        for number, (item, inner) in enumerate(zip(value, form if kind is tuple else repeat(form[0]), strict=False)):
            yield from mismatches(item, inner, f"{where}[{number}]")
    elif isinstance(form, dict):
        for key in form:
            if key != "*" and key not in value:
                yield f"{where}.{key} is missing".lstrip(".")
        for key in value:
            if (inner := form.get(key, form.get("*"))) is not None:
                yield from mismatches(value[key], inner, f"{where}.{key[:100]}".lstrip("."))


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value is of a type or matches an annotation."""
    inner = get_args(kind)
    if (origin := get_origin(kind)) is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Sequence:
        return type(value) is list and all(_fits(item, inner[0]) for item in value)
    return type(value) is kind or (kind is float and type(value) is int)


def _name(kind: Any) -> str:
    """Return a readable name of a type or an annotation."""
    inner = get_args(kind)
    if (origin := get_origin(kind)) is Literal:
        return " or ".join(map(repr, inner))
    if origin in (Union, UnionType):
        return " or ".join(map(_name, inner))
    if origin is Sequence:
        return f"list of {_name(inner[0])}"
    return "list" if kind is tuple else {type(None): "null"}.get(kind, kind.__name__)
