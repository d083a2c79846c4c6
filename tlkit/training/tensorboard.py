"""What TensorBoard reads: the figures of every epoch, as scalars in an event file."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tlkit.errors import RunError
from tlkit.utils import regular_files

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
    import tensorflow as tf

    if wrong := regular_files.fault(directory):
        raise RunError(f"cannot write TensorBoard's files to {directory} ({wrong}); choose another directory for them")
    with _written(directory):
        Path(directory).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
        writer = tf.summary.create_file_writer(os.fspath(directory))
    # what `tf.summary.scalar` writes, which would need TensorBoard itself
    kind = tf.compat.v1.SummaryMetadata(data_class="DATA_CLASS_SCALAR")
    kind.plugin_data.plugin_name = "scalars"

    def log(number: int, record: Mapping[str, Any]) -> None:
        with _written(directory), writer.as_default(step=number):
            for name, value in record.items():
                if name not in LEFT_OUT:
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=kind)
            writer.flush()  # who looks on sees it, and a killed process leaves it

    try:
        yield log
    finally:
        with contextlib.suppress(tf.errors.OpError):  # all has been written, or an error has said that it could not be
            writer.close()


@contextlib.contextmanager
def _written(directory: str | os.PathLike) -> Iterator[None]:
    """Turn what the system or TensorFlow say of a place that cannot be written into a RunError."""
    import tensorflow as tf

    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        said = getattr(error, "strerror", None) or str(getattr(error, "message", error)).splitlines()[0]
        said = re.sub(r"^\{\{.*?\}\} *", "", said)  # the name of TensorFlow's operation
        told = f"cannot write TensorBoard's files to {directory} ({said}); choose another directory for them"
        raise RunError(told) from error
