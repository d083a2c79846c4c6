"""Rows of a small table with numbers and categories."""

from __future__ import annotations

import numpy as np

from tlkit.data.table_columns import Column

COLUMNS = (Column("amount"), Column("city", ("Oslo", "Rome")), Column("still"))
ROWS = np.array([[0, 0, 5], [2, 1, 5], [4, np.nan, 5], [np.nan, 0, 5]], np.float32)
