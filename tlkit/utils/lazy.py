"""Import "module:name" on first use."""

from __future__ import annotations

import importlib
from collections.abc import Callable


def resolve(reference: str | Callable) -> Callable:
    """Return the function or class that "module:attribute" names; a callable is returned unchanged."""
    if callable(reference):
        return reference
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)
