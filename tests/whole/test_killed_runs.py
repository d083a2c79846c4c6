"""Real runs in processes of their own, killed at random moments: what is resumed ends as if nothing had happened."""

from __future__ import annotations

import io
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import staged_command, tiny_models

STAGES = ("trunk", "head", "between", "top", "amounts", "evaluation", "export")
LINES = 60  # of a failed process that an assertion shows
WAIT = 300  # seconds for a process to reach a stage


def _hear() -> None:
    """Let a process hear Ctrl-C even where the tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Process:
    """Run a command in a process of its own, and know when each of its stages began.

    Args:
        arguments: of tlkit.
        home: where its features are stored.
    """

    def __init__(self, arguments: list[str], home: Path) -> None:
        command = [sys.executable, staged_command.__file__, "0.2", *arguments]
        environment = {**os.environ, "TLKIT_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.began: dict[str, float] = {}
        self.lines: list[str] = []
        self._stages: queue.Queue[str | None] = queue.Queue()
        heard = {"start_new_session": True, "preexec_fn": _hear}
        self.process = subprocess.Popen(command, env=environment, **heard, **pipes)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("STAGE "):
                self.began[line.split()[1]] = time.perf_counter()
                self._stages.put(line.split()[1])
        self._stages.put(None)

    def reach(self, stage: str) -> bool:
        """Wait until a stage begins; return False where the process ended without it."""
        while (found := self._stages.get(timeout=WAIT)) is not None:
            if found == stage:
                return True
        return False

    def kill(self) -> None:
        """Kill the process and what it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Return the exit code."""
        code = self.process.wait(WAIT)
        self._reader.join(WAIT)
        self.process.stdout.close()
        return code

    def told(self) -> str:
        """Return the end of what it printed."""
        return "".join(self.lines[-LINES:])


@pytest.fixture(scope="module", params=["pictures", "texts"])
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the arguments of a small but real job, without its directory."""
    folder = tmp_path_factory.mktemp(request.param)
    common = ["--deterministic", "--epochs", "3,3", "--seed", "1", "--dropout", "0.3"]
    if request.param == "pictures":
        about = ["--backbone", "mobilenet_v2", "--size", "32", "--weights", "random", "--views", "2"]
        return ["train", "digits", *about, *common]
    rng = np.random.default_rng(0)
    rows = [f"{' '.join(rng.choice(tiny_models.WORDS[i % 2 :: 2], 3 + i % 9))},{'ab'[i % 2]}" for i in range(1500)]
    (folder / "texts.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    about = ["--backbone", "minilm_l6", "--size", "16", "--weights", str(tiny_models.tiny_bert(folder / "bert"))]
    return ["train", str(folder / "texts.csv"), *about, *common]


@pytest.fixture(scope="module")
def whole(job: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """Return the directory of a run that was never interrupted, and how long each stage took."""
    folder = tmp_path_factory.mktemp("whole")
    run = Process([*job, "--out", str(folder / "out")], folder / "home")
    assert run.wait() == 0, run.told()
    began = [*run.began.values(), time.perf_counter()]
    took = dict(zip(run.began, np.diff(began), strict=True))
    assert set(took) == {*STAGES, "end"}
    return folder / "out", took


def weights(out: Path) -> dict[str, np.ndarray]:
    """Return every array of the exported Keras model."""
    import h5py

    found = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with zipfile.ZipFile(out / "model.keras") as archive:
        inside = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(inside) as file:
        file.visititems(keep)
    return found


def figures(out: Path) -> dict:
    """Return the report without its times."""
    told = json.loads((out / "report.json").read_text())
    told["seconds"] = None
    for record in told["history"]:
        record["seconds"] = None
    return told


def assert_same(out: Path, reference: Path) -> None:
    """Assert that two runs ended with the same bits."""
    found, expected = weights(out), weights(reference)
    assert expected and found.keys() == expected.keys()
    assert [name for name in expected if not np.array_equal(found[name], expected[name])] == []
    assert figures(out) == figures(reference)
    assert json.loads((out / "run.json").read_text())["status"] == "finished"
    assert not list(out.glob(".tlkit-*")) and not (out / "checkpoint.safetensors").exists()


def kill_and_resume(job: list[str], took: dict[str, float], rng: random.Random, stages: list[str], out: Path) -> None:
    """Kill a run once in each of these stages, at a random moment within, and let it end."""
    arguments = [*job, "--out", str(out)]
    for stage in stages:
        run = Process(arguments, out.with_name("home"))
        if run.reach(stage):
            time.sleep(rng.random() * took[stage])
        run.kill()
    last = Process(arguments, out.with_name("home"))
    assert last.wait() == 0, last.told()


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bits(job: list[str], whole: tuple, tmp_path: Path) -> None:
    reference, took = whole
    kill_and_resume(job, took, random.Random(0), ["trunk", "head", "top"], tmp_path / "out")
    assert_same(tmp_path / "out", reference)
    # control: another seed gives other bits
    other = Process([*job, "--out", str(tmp_path / "other"), "--seed", "2"], tmp_path / "home")
    assert other.wait() == 0, other.told()
    with pytest.raises(AssertionError):
        assert_same(tmp_path / "other", reference)


@pytest.mark.all
@pytest.mark.parametrize("number", range(10))
def test_ten_runs_of_each_kind_killed_anywhere(job: list[str], whole: tuple, tmp_path: Path, number: int) -> None:
    reference, took = whole
    rng = random.Random(number)
    stages = [STAGES[number % len(STAGES)], *rng.sample(STAGES, rng.randrange(3))]
    kill_and_resume(job, took, rng, stages, tmp_path / "out")
    assert_same(tmp_path / "out", reference)


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on_and_twice_stops_at_once(
    job: list[str], whole: tuple, tmp_path: Path
) -> None:
    reference, _ = whole
    out = tmp_path / "out"
    run = Process([*job, "--out", str(out)], tmp_path / "home")
    assert run.reach("head")
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    assert "stopping after this step; press Ctrl-C again to stop at once" in run.told()
    assert f"interrupted; what was done is kept; go on with: tlkit train --resume {out}" in run.told()
    assert "Traceback" not in run.told()

    run = Process(["train", "--resume", str(out)], tmp_path / "home")
    assert run.reach("top")
    for _ in range(2):
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert run.wait() == 130 and "Traceback" not in run.told()

    run = Process(["train", "--resume", str(out)], tmp_path / "home")
    assert run.wait() == 0, run.told()
    assert_same(out, reference)


@pytest.mark.slow
def test_two_runs_at_once_share_a_cache_but_no_directory(job: list[str], whole: tuple, tmp_path: Path) -> None:
    reference, _ = whole
    runs = [Process([*job, "--out", str(tmp_path / name)], tmp_path / "home") for name in ("one", "two")]
    assert runs[0].reach("trunk")
    third = Process([*job, "--out", str(tmp_path / "one")], tmp_path / "home")
    assert third.wait() == 2
    assert "run.json is in use by another process; wait until it ends or stop it" in third.told()
    for run, name in zip(runs, ("one", "two"), strict=True):
        assert run.wait() == 0, run.told()
        assert_same(tmp_path / name, reference)


@pytest.mark.slow
def test_a_full_disk_in_the_middle_ends_in_one_message_and_the_run_goes_on(
    job: list[str], whole: tuple, disk: Path, tmp_path: Path
) -> None:
    """The disk holds the run directory, and is enlarged after it was full."""
    reference, _ = whole
    out = disk / "out"
    arguments = [*job, "--out", str(out)]
    run = Process(arguments, tmp_path / "home")
    assert run.wait() == 2, run.told()
    errors = [line for line in run.lines if line.startswith("tlkit: error: ")]
    assert len(errors) == 1 and "the disk is full; free some space" in errors[0] and "Traceback" not in run.told()
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
    run = Process(arguments, tmp_path / "home")
    assert run.wait() == 0, run.told()
    assert_same(out, reference)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    shutil.rmtree(tmp_path / "home")
    run = Process([*arguments, "--overwrite"], tmp_path / "home")
    assert run.wait() == 2 and "cannot write" in run.told() and "Traceback" not in run.told()
    assert_same(out, reference)
