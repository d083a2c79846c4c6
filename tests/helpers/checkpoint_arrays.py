"""Arrays as a checkpoint holds them."""

from __future__ import annotations

import numpy as np

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "count": np.array(5, np.int64),
    "seed": np.array([1, 2], np.uint32),
    "none": np.zeros((0, 3), np.float32),
    "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
}
