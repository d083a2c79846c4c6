"""The command line. Hands on `main`, the entry point, and `hush`, which recipes use; imports every room."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {"main": "commands", "hush": "arguments"}

__all__ = ["hush", "main"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tlkit.cli' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tlkit.cli.{_HOMES[name]}"), name)
