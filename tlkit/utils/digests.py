"""Digests of arrays and of plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def combined(facts: Mapping[str, Any]) -> str:
    """Digest plain facts: SHA-256 in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=repr).encode()).hexdigest()


def array(values: np.ndarray) -> str:
    """Digest an array: SHA-256 in hexadecimal."""
    total = hashlib.sha256(f"{values.dtype} {values.shape}".encode())
    total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()
