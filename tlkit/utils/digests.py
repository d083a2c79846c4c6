"""Digests of arrays and of JSON values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def combined(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a mapping of JSON values, in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=repr).encode()).hexdigest()


def array(values: np.ndarray) -> str:
    """Return the SHA-256 of an array, its type and shape included, in hexadecimal."""
    digest = hashlib.sha256(f"{values.dtype} {values.shape}".encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
