"""Import what "module:name" names when it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable


def resolve(reference: str | Callable) -> Callable:
    """Return what "module:attribute" names, or a callable as it is."""
    if callable(reference):
        return reference
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)
