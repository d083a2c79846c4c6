"""The checkpoint of a training: one file that appears whole, is checked when it is read, and is enough to go on from.

It holds arrays in the safetensors format, of which nothing is ever run, and in its header all else that is known, as
JSON, with the SHA-256 of both.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.errors import RunError
from tlkit.utils import escaping, files, regular_files, schema
from tlkit.utils.interrupts import Stop, listening

NAME, METRICS, SCHEMA = "checkpoint.safetensors", "metrics.csv", 1
# of the facts, as `schema.mismatches` takes it
FORM = {"settings": {}, "choices": {}, "done": [([{}], {})], "loop": dict | None, "seconds": float}
MOST = 64 << 30  # bytes: of the largest network that anything here trains, several times over
EVERY = 10.0  # seconds of training that a killed process may lose
SHARE = 10  # times as long as a checkpoint takes to write has to pass before the next
Arrays = Mapping[str, np.ndarray]
State = tuple[dict[str, Any], Arrays]


# === The file ===


def write(path: Path, facts: Mapping[str, Any], arrays: Arrays) -> None:
    """Write a checkpoint in one step.

    Args:
        path: the file.
        facts: JSON values; floats come back to the bit.
        arrays: by name.

    Raises:
        RunError: the disk is full or may not be written; the checkpoint that was there stays.
    """
    from safetensors.numpy import save

    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(facts)
    content = save(arrays, {"facts": text, "digest": _digest(text, arrays)})
    with files.atomic(path) as temporary:
        temporary.write_bytes(content)


def read(path: Path) -> State | None:
    """Return the facts and the arrays of a checkpoint, or None where there is none.

    Raises:
        RunError: it is damaged, or of another version of tlkit.
    """
    from safetensors import SafetensorError, safe_open

    if not os.path.lexists(path):
        return None
    try:
        with regular_files.regular(path, most=MOST, within=path.parent):
            pass  # what opens it by name next would wait for a pipe
        with safe_open(path, framework="np") as file:
            about = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        if about["digest"] != _digest(about["facts"], arrays):
            raise ValueError("its digest is another")
        facts = json.loads(about["facts"])
        number = facts["schema"]
        if number == SCHEMA and (fault := next(schema.mismatches(facts, FORM), None)):
            raise ValueError(fault)
    # AttributeError: a type of numbers that NumPy lacks
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged ({regular_files.why(error)}); delete it, or start anew in another directory"
        ) from error
    if number != SCHEMA:
        raise RunError(f"{path} has schema {number}, this tlkit reads {SCHEMA}; go on with the tlkit that wrote it")
    return facts, arrays


def _digest(text: str, arrays: Arrays) -> str:
    total = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return total.hexdigest()


# === Who keeps it ===


@dataclass
class Progress:
    """Hold how far a training has come.

    Args:
        settings: what was asked for, by which another training is told from this one.
        choices: what was chosen by measurement or free space.
        done: for each phase that is over its epochs' records and its summary.
        loop: where the loop of the next phase stands; None before its first step.
        arrays: variables of the tail of the phase that runs, or of the last that ran, and what `loop` needs besides.
        seconds: spent on it by earlier processes.
    """

    settings: dict[str, Any]
    choices: dict[str, Any]
    done: list[tuple[list[dict], dict]]
    loop: dict[str, Any] | None
    arrays: Arrays
    seconds: float


class Keeper:
    """Keep a training's progress in a directory, and hear Ctrl-C.

    Args:
        directory: where the checkpoint and `metrics.csv` go; None keeps nothing.
        anew: pass over a checkpoint that is there.
        began: called with the choices before the first step of a training that starts, not of one that goes on.
    """

    def __init__(
        self,
        directory: str | os.PathLike | None,
        *,
        anew: bool = False,
        began: Callable[[dict], None] | None = None,
    ) -> None:
        self.directory = None if directory is None else Path(directory)
        self.anew, self.began, self.stop = anew, began, Stop()
        self.progress = Progress({}, {}, [], None, {}, 0.0)
        self._started = self._kept = time.perf_counter()
        self._cost = 0.0

    def open(self, settings: Mapping[str, Any]) -> bool:
        """Read what an earlier process kept of the same training; return whether there was anything.

        Raises:
            RunError: the checkpoint is damaged or of another training, each difference named.
        """
        settings = json.loads(json.dumps(settings, default=str))
        self.progress.settings = settings
        found = None if self.directory is None or self.anew else read(self.directory / NAME)
        if found is None:
            return False
        facts, arrays = found
        if changed := differences(facts["settings"], settings):
            raise RunError(
                f"{self.directory} holds another training: {'; '.join(changed)}. Choose another directory, or remove "
                f"{NAME} there"
            )
        kept = {name: facts[name] for name in ("choices", "done", "loop", "seconds")}
        self.progress = Progress(settings, **kept, arrays=arrays)
        return True

    def begin(self, choices: Mapping[str, Any]) -> None:
        """Write down what was chosen, before the first step."""
        if self.began is not None:
            self.began(dict(choices))
        self.progress.choices = dict(choices)
        self._write()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear Ctrl-C in the block, where there is a directory to keep the state in."""
        if self.directory is None:
            yield
            return
        with listening(self.stop):
            yield

    def pause(self, state: Callable[[], State]) -> None:
        """Keep the state of a loop between two steps, where it is time to; then stop, where that was asked for."""
        if self.directory is None:
            return
        now = time.perf_counter()
        if self.stop.asked or now - self._kept >= max(EVERY, SHARE * self._cost):
            self.progress.loop, self.progress.arrays = state()
            self._write()
        self.stop.check()

    def finish(self, records: list[dict], summary: dict, tail: Any) -> None:
        """Keep the state at the end of a phase: its records, its summary and the variables of its tail."""
        self.progress.done.append((records, summary))
        self.progress.loop = None
        self.progress.arrays = {} if self.directory is None else variables("tail", tail.variables)
        self._write()
        self.stop.check()

    def tell(self, records: Sequence[dict]) -> None:
        """Write `metrics.csv`: a row for each epoch of the phases that are over and of the one that runs."""
        if self.directory is not None:
            rows = [*(record for earlier, _ in self.progress.done for record in earlier), *records]
            text = io.StringIO()
            names = dict.fromkeys(name for row in rows for name in row)
            table = csv.DictWriter(text, list(names), lineterminator="\n")
            table.writeheader()
            table.writerows(
                {name: escaping.cell(value) if isinstance(value, str) else value for name, value in row.items()}
                for row in rows
            )
            files.write_text(self.directory / METRICS, text.getvalue())

    @property
    def over(self) -> int:
        """How many epochs the phases had that are over."""
        return sum(len(records) for records, _ in self.progress.done)

    @property
    def seconds(self) -> float:
        """What was spent on the training, by earlier processes too."""
        return self.progress.seconds + time.perf_counter() - self._started

    def _write(self) -> None:
        if self.directory is None:
            return
        began, now = time.perf_counter(), self.progress
        facts = {"schema": SCHEMA, "settings": now.settings, "choices": now.choices, "done": now.done}
        facts |= {"loop": now.loop, "seconds": self.seconds}
        write(self.directory / NAME, facts, now.arrays)
        self._kept = time.perf_counter()
        self._cost = self._kept - began


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name the settings that differ, with both values."""
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return [f"{name} was {old.get(name)}, now {new.get(name)}" for name in names]


# === Variables ===


def variables(part: str, found: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return the values of variables, named by part and place."""
    return {f"{part}/{place}": variable.numpy() for place, variable in enumerate(found)}


def values(part: str, found: Sequence[Any], arrays: Arrays) -> list[np.ndarray]:
    """Return what `variables` returned, in the order of these variables.

    Raises:
        RunError: it is of other variables.
    """
    kept = [arrays.get(f"{part}/{place}") for place in range(len(found))]
    if any(value is None or value.shape != tuple(variable.shape) for value, variable in zip(kept, found, strict=True)):
        raise RunError(f"the checkpoint's {part} does not fit this classifier; start anew in another directory")
    return kept


def restore(part: str, found: Sequence[Any], arrays: Arrays) -> None:
    """Assign what `variables` returned; raise RunError where it is of other variables."""
    for variable, value in zip(found, values(part, found, arrays), strict=True):
        variable.assign(value)
