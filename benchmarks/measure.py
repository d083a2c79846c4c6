"""What every measurement needs in either environment: its job, the clock, memory, the machine, the record."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import statistics
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

PACKAGES = ("tlkit", "tensorflow", "keras", "keras-hub", "numpy", "torch", "transformers", "efficientnet-lite-pytorch")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # of the processor, those that decide speed
SAMPLING = 0.05  # seconds between two looks at the memory in use

# === The job ===


def job(
    about: str, *, augment: bool = False, trim: bool = False, compute: bool = False, once: bool = False
) -> argparse.Namespace:
    """Read a step's command line, which bench.py writes.

    Args:
        about: the script's docstring.
        augment, trim, once: whether the script knows the option of this name.
        compute: whether it knows those of `tlkit.Compute`.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--step", required=True)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--epochs", type=numbers, default=(10, 5), help="what the figures are about")
    parser.add_argument("--run", type=numbers, help="what is run of them, to be scaled")
    if augment:
        parser.add_argument("--augment", choices=("none", "light"), default="none")
    if trim:
        parser.add_argument("--trim", action="store_true", help="pad texts to the longest of their batch only")
    if once:
        parser.add_argument(
            "--once", action="store_true", help="compute the frozen base once, where only accuracy counts"
        )
    if compute:
        parser.add_argument("--precision", default="auto")
        parser.add_argument("--cache-budget", type=int, help="bytes")
    given = parser.parse_args()
    given.run = given.run or given.epochs
    return given


def numbers(text: str) -> tuple[int, ...]:
    """Read "10,5"."""
    return tuple(int(part) for part in text.split(","))


# === Memory ===


def anonymous() -> float:
    """Return this process's anonymous resident memory in MB; NaN where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
    except OSError:
        return float("nan")
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), float("nan"))


class Memory:
    """Sample the anonymous memory in a thread while a block runs: `before` and `peak`, in MB."""

    def __init__(self) -> None:
        self.before = self.peak = anonymous()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._done.wait(SAMPLING):
            self.peak = max(self.peak, anonymous())

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()


# === Epochs ===


@dataclasses.dataclass
class Steps:
    """Collect when the steps of one loop ended, to tell its start-up (tracing, first use) from its work.

    Args:
        ends: clock readings; the first is the loop's beginning.
    """

    ends: list[float] = dataclasses.field(default_factory=lambda: [time.perf_counter()])

    def step(self) -> None:
        """Note that a step has ended."""
        self.ends.append(time.perf_counter())

    def startup(self) -> float:
        """Return by how many seconds the first step took longer than the median of the others."""
        spans = [end - start for start, end in zip(self.ends, self.ends[1:], strict=False)]
        return max(0.0, spans[0] - statistics.median(spans[1:])) if len(spans) > 1 else 0.0


# === The record ===


@dataclasses.dataclass
class Run:
    """Hold what one step measured.

    Args:
        who: what was run: "tlkit", "keras", "kerashub", "torch" or "floor".
        examples: split -> number.
        epochs: a record per epoch: phase (0 or 1), epoch from 1, seconds, startup (seconds of it that only a first
            epoch takes), and whatever else is known.
        phase_seconds: of each phase as it was run, the preparation (decoding, frozen pass) within the first.
        setup_seconds: of the preparation where it is not part of an epoch.
        seconds: in all, from call to return.
        memory: sampled while it ran.
        accuracy: on the test split, where all epochs were run.
        extra: anything else.
    """

    who: str
    examples: dict[str, int]
    epochs: Sequence[dict[str, Any]]
    phase_seconds: list[float]
    seconds: float
    memory: Memory
    setup_seconds: float = 0.0
    accuracy: float | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(job: argparse.Namespace, run: Run) -> None:
    """Write a step's JSON, whole or not at all."""
    record = {field.name: getattr(run, field.name) for field in dataclasses.fields(run) if field.name != "memory"}
    record |= {"step": job.step, "workload": job.workload, "seed": job.seed, "limit": job.limit}
    record |= {"planned": job.epochs, "ran": _ran(run.epochs), "machine": machine(), "versions": versions()}
    record |= {"memory_mb": {"before": round(run.memory.before), "peak": round(run.memory.peak)}}
    path = job.results / f"{job.step}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1, default=_plain) + "\n", "utf-8")
    partial.replace(path)
    print(f"{job.step}: {run.seconds:.1f} s, phases {', '.join(f'{s:.1f}' for s in run.phase_seconds)} s", flush=True)


def _ran(epochs: Sequence[dict[str, Any]]) -> list[int]:
    phases = sorted({record["phase"] for record in epochs})
    return [sum(record["phase"] == phase for record in epochs) for phase in phases]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def machine() -> dict[str, Any]:
    """Describe the machine: processor, cores for this process, flags that decide speed, memory, what others used."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", "").split()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": facts.get("model name", platform.processor()),
        "cores": cores(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "memory_gb": round(pages / 1e9, 1),
        "others": round(_others(), 3),
        "python": platform.python_version(),
    }


def _ticks() -> tuple[float, float, float]:
    """Return the CPU seconds of the whole machine, those of this process, and the clock; NaN where nobody tells."""
    try:
        fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
        used = sum(int(fields[place]) for place in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        used = float("nan")
    return used, time.process_time(), time.perf_counter()


_START = _ticks()


def _others() -> float:
    """Return the share of all cores that other processes used since this one began: near 0 on a quiet machine."""
    machine, mine, clock = (now - then for now, then in zip(_ticks(), _START, strict=True))
    return max(0.0, machine - mine) / (clock * (os.cpu_count() or 1))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Return the version of each package that matters and is here."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
