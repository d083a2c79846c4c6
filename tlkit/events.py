"""What TensorBoard reads: the figures of every epoch, as scalars in an event file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tlkit.errors import RunError

Log = Callable[[int, Mapping[str, Any]], None]
LEFT_OUT = {"phase", "epoch", "seconds"}  # of the record of an epoch; all else are scalars


@contextlib.contextmanager
def opened(directory: str | os.PathLike | None) -> Iterator[Log]:
    """Open a directory for TensorBoard and yield what writes an epoch: its number over all phases, and its record.

    Args:
        directory: made when missing; None writes nothing.

    Raises:
        RunError: it cannot be written.
    """
    if directory is None:
        yield lambda number, record: None
        return
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        told = f"cannot write TensorBoard's files to {directory} ({error.strerror}); choose another directory for them"
        raise RunError(told) from error
    import tensorflow as tf

    writer = tf.summary.create_file_writer(os.fspath(directory))
    # what `tf.summary.scalar` writes, which would need TensorBoard itself
    kind = tf.compat.v1.SummaryMetadata(data_class="DATA_CLASS_SCALAR")
    kind.plugin_data.plugin_name = "scalars"

    def log(number: int, record: Mapping[str, Any]) -> None:
        with writer.as_default(step=number):
            for name, value in record.items():
                if name not in LEFT_OUT:
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=kind)
        writer.flush()  # who looks on sees it, and a killed process leaves it

    try:
        yield log
    finally:
        writer.close()
