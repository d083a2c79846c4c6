"""Many small files: read, checked and split in bounded memory, in time that grows as they do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = 10
PROGRAM = """
import json, sys, threading, time
import scipy.fft, scipy.sparse, scipy.spatial
import tlkit
from tlkit.data import images
from tlkit.doctor import diagnose

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))

def watch():
    while True:
        seen.append(anonymous())
        time.sleep(0.02)

images.load(sys.argv[2])  # what is traced and loaded once is not of the files
seen = [anonymous()]
threading.Thread(target=watch, daemon=True).start()
started = time.perf_counter()
data = tlkit.image_folder(sys.argv[1])
found = diagnose.diagnose(data, labels=False)
seconds = time.perf_counter() - started
counts = sum(map(len, data.splits().values()))
print(json.dumps({"seconds": seconds, "grown": max(seen) - seen[0], "examples": counts, "found": len(found.findings)}))
"""


def make(folder: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"c{number % CLASSES}" / f"{number:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
        pixels.resize((40, 40), Image.Resampling.BICUBIC).save(place, quality=80)
    return folder


def measured(folder: Path) -> dict[str, float]:
    """Read, split and check a folder in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(folder / "c0" / "000000.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    ("few", "many"),
    [pytest.param(1500, 6000, marks=pytest.mark.slow), pytest.param(25_000, 100_000, marks=pytest.mark.all)],
)
def test_time_and_memory_grow_with_the_files(tmp_path: Path, few: int, many: int) -> None:
    small, large = (measured(make(tmp_path / str(count), count)) for count in (few, many))
    assert (small["examples"], large["examples"]) == (few, many)
    print(small, large)
    # a quadratic step would be four times as slow for each file
    assert large["seconds"] / many < 1.5 * small["seconds"] / few
    assert large["grown"] < 60 + 0.004 * many  # MB: a name, a digest and a thumbnail take 2 kB a file
