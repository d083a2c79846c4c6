"""The benchmarks: figures from made records, what is run and what is skipped; slowly, some steps on few examples."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
MODULES = ("bench", "figures", "measure", "table", "workloads")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Import scripts of the benchmarks, which find each other by their folder, and forget them afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


def epoch(phase: int, number: int, seconds: float, startup: float = 0.0) -> dict[str, Any]:
    return {"phase": phase, "epoch": number, "seconds": seconds, "startup": startup, "loss": 1.0, "val_accuracy": 0.5}


def record(phases: list[list[tuple[float, float]]], planned: list[int], **more: Any) -> dict[str, Any]:
    """Make a step's record of each epoch's seconds and start-up; each phase took a second besides its epochs."""
    epochs = [epoch(i, n, *each) for i, phase in enumerate(phases) for n, each in enumerate(phase, 1)]
    spans = [sum(seconds for seconds, _ in phase) + 1 for phase in phases]
    machine = {"processor": "P", "cores": 2, "flags": ["avx2"], "memory_gb": 8, "others": 0.01, "python": "3.11"}
    made = {"epochs": epochs, "phase_seconds": spans, "seconds": sum(spans), "ran": [len(phase) for phase in phases]}
    made |= {"planned": planned, "machine": machine, "versions": {"keras": "3"}, "memory_mb": {"before": 1, "peak": 2}}
    made |= {"examples": {"train": 70, "val": 15, "test": 15}, "accuracy": None, "extra": {"passed": 85}, "limit": None}
    return made | more


def tlkit(**more: Any) -> dict[str, Any]:
    """Make a run of tlkit: phase 1 takes 3 s, phase 2 takes 6 s."""
    kinds = {"0": "float32", "2": "float16"}
    choices = {"precision": "bfloat16", "tails": {"0": "float32", "2": "bfloat16"}, "stores": kinds}
    settings = {"passed": 85, "settings": {"choices": choices, "views": 4}}
    return record([[(1.0, 0.0)] * 2, [(2.5, 0.0)] * 2], [2, 2], **{"extra": settings} | more)


def bar(figures: Any, records: dict[str, Any], start: str) -> Any:
    (found,) = [bar for bar in figures.bars(records) if bar.what.startswith(start)]
    return found


# === Figures ===


def test_scaling_leaves_out_what_only_a_first_epoch_takes(use: Callable) -> None:
    figures = use("figures")
    made = record([[(10.0, 4.0), (6.0, 0.0)], [(9.0, 3.0)]], [10, 5])
    assert figures.is_scaled(made)
    assert figures.phase_seconds(made, 0).mid == 17 + 8 * 6
    assert figures.phase_seconds(made, 1).mid == 10 + 4 * (9 - 3)
    assert not figures.is_scaled(tlkit()) and figures.phase_seconds(tlkit(), 1).mid == 6


def test_spread_is_of_epochs_and_runs(use: Callable) -> None:
    figures = use("figures")
    made = record([[(10.0, 0.0), (6.0, 0.0), (8.0, 0.0)], [(1.0, 0.0)]], [5, 1])
    assert figures.phase_seconds(made, 0) == figures.Estimate(25 + 2 * 6, 25 + 2 * 7, 25 + 2 * 8)
    runs = [tlkit(), tlkit(phase_seconds=[3, 8]), tlkit(phase_seconds=[4, 8])]
    mine = figures.seconds(runs)
    assert mine == figures.Estimate(9, 11, 12)
    assert figures.ratio(figures.Estimate(30, 33, 36), mine) == figures.Estimate(30 / 12, 3, 36 / 9)
    assert figures.seconds([]) is None and figures.ratio(None, mine) is None


def test_speed_bars(use: Callable) -> None:
    figures = use("figures")
    plain = record([[(19.0, 0.0)] * 2, [(14.0, 0.0)] * 2], [2, 2])  # 39 + 29 s over 3 + 6
    records = {"pictures-tlkit-0": tlkit(), "pictures-keras": plain, "pictures-torch": plain}
    both = bar(figures, records, "pictures: plain Keras / tlkit, both")
    assert both.value.mid == pytest.approx(68 / 9) and both.bound == 5 and both.met is True
    first = bar(figures, records, "pictures: plain Keras / tlkit, phase 1")
    assert first.value.mid == 13 and first.bound == 12 and first.met is True
    torch = bar(figures, records, "pictures: PyTorch")
    assert torch.bound == 7 and torch.met is True
    assert bar(figures, records | {"pictures-torch": tlkit()}, "pictures: PyTorch").met is False
    assert bar(figures, records, "texts: plain Keras / tlkit, both").met is None


def test_vgg_bar_is_higher_with_matrix_units(use: Callable) -> None:
    figures = use("figures")
    slow = record([[(45.0, 0.0)] * 2, [(0.0, 0.0)]], [2, 1])  # 91 + 1 s, 10.2 times as long
    units = tlkit()["machine"] | {"flags": ["avx512f", "amx_bf16"]}
    assert bar(figures, {"vgg-tlkit": tlkit(), "vgg-keras": slow}, "vgg").met is True
    held = bar(figures, {"vgg-tlkit": tlkit(machine=units), "vgg-keras": slow}, "vgg")
    assert held.bound == 15 and held.met is False


def test_overhead_bars(use: Callable) -> None:
    figures = use("figures")
    floor = tlkit(phase_seconds=[3, 5], extra={"forward_seconds": {"bfloat16": 1.5, "float32": 2.0}})
    records = {"pictures-tlkit-0": tlkit(), "pictures-floor": floor, "texts-tlkit-0": tlkit(), "texts-floor": floor}
    bare = "pictures: tlkit phase 1 / one bare forward pass over decoded pictures, both in "
    assert bar(figures, records, f"{bare}bfloat16").value.mid == 2
    assert bar(figures, records, f"{bare}bfloat16").met is False
    assert bar(figures, records, f"{bare}float32").value is None
    assert bar(figures, records | {"pictures-float32": tlkit()}, f"{bare}float32").met is True
    assert bar(figures, records, "texts: tlkit / floor").value.mid == 9 / 8
    assert bar(figures, records, "texts: tlkit / floor").met is True


def test_second_run(use: Callable) -> None:
    figures = use("figures")
    first = tlkit(extra={"passed": 85})
    second = tlkit(phase_seconds=[0.6, 6], extra={"passed": 0})
    records = {"pictures-tlkit-0": first, "pictures-second": second}
    assert bar(figures, records, "pictures: phase 1 of a second").value.mid == pytest.approx(0.2)
    assert bar(figures, records, "pictures: examples that passed").met is True
    again = records | {"pictures-second": tlkit(extra={"passed": 85})}
    assert bar(figures, again, "pictures: examples that passed").met is False
    blind = bar(figures, records | {"pictures-tlkit-0": tlkit(extra={"passed": 0})}, "pictures: examples that passed")
    assert blind.met is None and "broken" in blind.note


def test_accuracy_is_compared_in_pairs(use: Callable) -> None:
    figures = use("figures")
    records = {f"pictures-tlkit-{seed}": tlkit(accuracy=value) for seed, value in enumerate((0.90, 0.91, 0.92))}
    steps = ("pictures-keras-full-0", "pictures-keras-once-1", "pictures-keras-once-2")
    records |= {step: tlkit(accuracy=value) for step, value in zip(steps, (0.91, 0.91, 0.93), strict=True)}
    mean, error = figures.paired(records, "pictures")
    assert mean == pytest.approx(-2 / 3) and error == pytest.approx(1 / 3)
    assert bar(figures, records, "pictures: test accuracy").met is True  # within one standard error of -0.5
    records["pictures-keras-once-1"]["accuracy"] = 0.92
    assert bar(figures, records, "pictures: test accuracy").met is False
    del records["pictures-tlkit-2"]
    assert figures.paired(records, "pictures") is None


def test_scale_bars(use: Callable) -> None:
    figures = use("figures")
    small = tlkit(seconds=8.5, memory_mb={"before": 1, "peak": 500})
    large = tlkit(seconds=10.2, memory_mb={"before": 1, "peak": 650})
    records = {"scale-2000": small, "scale-60000": large}
    assert bar(figures, records, "seconds per image").value.mid == pytest.approx(1.2)
    assert bar(figures, records, "seconds per image").met is False
    assert bar(figures, records, "RssAnon").value.mid == 150 and bar(figures, records, "RssAnon").met is True


# === The table ===


def test_nothing_run(use: Callable) -> None:
    figures, text = use("figures"), use("table").compose({})
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) > 40 and "Nothing was measured yet" in text
    for bar in figures.bars({}):
        assert any(row.startswith(f"| {bar.what} | not run |") and row.endswith("| not run |") for row in rows)


def test_composed(use: Callable) -> None:
    plain = record([[(20.0, 1.0), (19.0, 0.0)], [(15.0, 1.0)]], [10, 5])
    full = record([[(19.0, 0.0)] * 10, [(14.0, 0.0)] * 5], [10, 5], accuracy=0.875)
    mine = {f"pictures-tlkit-{seed}": tlkit(accuracy=0.9) for seed in range(3)}
    text = use("table").compose(mine | {"pictures-keras": plain, "pictures-keras-full-0": full})
    assert "| **tlkit** | 3.0 | 6.0 | 9.0 | 1.0 1.0 / 2.5 2.5 | 2 | 90.00 % | 1 | 1 |" in text
    row = "| 192.0* | 72.0* | 264.0* | 20.0 19.0 / 15.0 | 2 | 87.50 % (1 of 3 seeds) | 64.00 | 29.33 |"
    assert f"| plain Keras, as the guide writes it {row}" in text
    assert "| pictures: plain Keras / tlkit, both phases | 29.33 | >= 5.00 | yes |" in text
    assert "pictures: 262.0 s; scaled it was 264.0 s. Over tlkit with the same seed: 29.11." in text
    assert "phase 2  epoch  5     14.0 s" in text
    assert "| pictures, auto | bfloat16; bfloat16; float32, float16 | 90.00 % | 9.0 |" in text
    assert "| pictures, bfloat16 | not run | not run | not run |" in text
    assert "| KerasHub task | not run |" in text and "| pictures, seed 0 | 90.00 % | 87.50 % | +2.50 |" in text
    assert "smoke" not in text and "different machines" not in text


def test_what_must_not_be_compared_is_marked(use: Callable) -> None:
    other = tlkit()["machine"] | {"cores": 64}
    text = use("table").compose({"pictures-tlkit-0": tlkit(limit=8), "pictures-keras": tlkit(machine=other)})
    assert "the figures mean nothing" in text and "on different machines: do not compare" in text


def test_every_step_is_shown(use: Callable) -> None:
    asked: set[str] = set()

    class Asked(dict):
        def __contains__(self, name: object) -> bool:
            asked.add(str(name))
            return False

        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return default

    use("table").compose(Asked())
    assert set(use("bench").STEPS) - {"splits"} <= asked


# === Measuring ===


def test_startup_is_what_the_first_step_took_longer(use: Callable) -> None:
    measure = use("measure")
    assert measure.Steps([0.0, 5.0, 6.0, 7.0, 9.0]).startup() == 4.0
    assert measure.Steps([0.0, 5.0]).startup() == 0.0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_sees_the_peak(use: Callable) -> None:
    with use("measure").Memory() as memory:
        block = bytearray(b"1") * 60_000_000
        time.sleep(0.3)
        del block
    assert 50 < memory.peak - memory.before < 200


# === Running ===


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(BENCHMARKS / "bench.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_steps_are_well_formed(use: Callable) -> None:
    steps, known = use("bench").STEPS, use("workloads").WORKLOADS
    for name, step in steps.items():
        assert (BENCHMARKS / step.script).exists() and step.workload in known, name
        assert not step.warm or step.home in {other.home for other in steps.values() if not other.warm}, name
    assert next(iter(steps)) == "splits"


def test_only_the_table(tmp_path: Path) -> None:
    (tmp_path / "pictures-tlkit-0.json").write_text(json.dumps(tlkit()))
    done = run("--results", str(tmp_path), "--data", str(tmp_path / "none"), "table")
    assert done.returncode == 0, done.stderr
    assert "| **tlkit** | 3.0 |" in done.stdout and "| **tlkit** | 3.0 |" in (tmp_path / "RESULTS.md").read_text()


def test_missing_data_and_unknown_steps_are_named(tmp_path: Path) -> None:
    done = run("--results", str(tmp_path), "--data", str(tmp_path / "none"), "pictures-keras")
    assert done.returncode == 1
    assert "lacks trashnet, text/banking77_train.csv" in done.stderr and "--data or TLKIT_BENCH_DATA" in done.stderr
    done = run("--results", str(tmp_path), "pictures-kers")
    assert done.returncode == 1 and "there is no step 'pictures-kers'" in done.stderr and "splits" in done.stderr


@pytest.fixture
def bench(use: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return bench.py with three made steps, each of which counts its runs in a file; `bad` fails."""
    bench = use("bench")
    script = "import sys, pathlib\ngiven = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
    script += "place, step = pathlib.Path(given['--results']), given['--step']\n"
    script += "with open(place / f'{step}.count', 'a') as file: file.write('x')\n"
    script += "print('options', given.get('--run'))\n"
    script += "(place / f'{step}.json').write_text('{}') if step != 'bad' else sys.exit('broken')\n"
    (tmp_path / "step.py").write_text(script)
    made = {name: bench.Step("step.py", "pictures", short=name == "good") for name in ("splits", "good", "bad")}
    monkeypatch.setattr(bench, "HERE", tmp_path)
    monkeypatch.setattr(bench, "PARTS", ())
    monkeypatch.setattr(bench, "STEPS", made)
    return bench


def go(bench: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.py", *arguments])
    bench.main()


def count(folder: Path, step: str) -> int:
    path = folder / "results" / f"{step}.count"
    return len(path.read_text()) if path.exists() else 0


def test_resumes(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):  # what failed is run again, what is done is not
        with pytest.raises(SystemExit, match="failed: bad; the logs are in"):
            go(bench, monkeypatch)
    assert [count(tmp_path, name) for name in ("splits", "good", "bad")] == [1, 1, 2]
    go(bench, monkeypatch, "g*")
    assert [count(tmp_path, name) for name in ("splits", "good", "bad")] == [1, 2, 2]
    assert (tmp_path / "results" / "bad.log").read_text().splitlines() == ["options None", "broken"]
    assert (tmp_path / "results" / "good.log").read_text() == "options 2,1\n"
    assert (tmp_path / "RESULTS.md").exists()


def test_splits_come_first(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(bench, monkeypatch, "good")
    assert count(tmp_path, "splits") == 1 and count(tmp_path, "good") == 1


def test_a_first_run_has_an_empty_cache(use: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = use("bench")
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "real"))
    (tmp_path / "real" / "weights").mkdir(parents=True)
    with pytest.raises(OSError, match="pictures-tlkit-0 are gone; run that step again"):
        bench._environment(bench.STEPS["pictures-second"], tmp_path)
    home = tmp_path / "homes" / "pictures"
    (home / "features").mkdir(parents=True)
    environment = bench._environment(bench.STEPS["pictures-tlkit-0"], tmp_path)
    assert environment["TLKIT_HOME"] == str(home) and not (home / "features").exists()
    assert (home / "weights").resolve() == tmp_path / "real" / "weights"
    (home / "features").mkdir()
    bench._environment(bench.STEPS["pictures-second"], tmp_path)
    assert (home / "features").exists()


def test_peers_live_in_their_own_environment(use: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, calls = use("bench"), []
    monkeypatch.delenv("BENCH_PEERS_PYTHON", raising=False)
    monkeypatch.setattr(bench, "PEERS", tmp_path)
    monkeypatch.setattr(bench.subprocess, "run", lambda command, check: calls.append(command))
    python = bench._peers()
    assert python == str(tmp_path / "bin" / "python") and len(calls) == 2
    assert calls[0][1:] == ["-m", "venv", str(tmp_path)] and calls[1][-1].endswith("peers.txt")
    assert bench._peers() == python and len(calls) == 2  # it stands
    (tmp_path / "installed.txt").write_text("torch==1")
    bench._peers()
    assert len(calls) == 4
    monkeypatch.setenv("BENCH_PEERS_PYTHON", "/some/python")
    assert bench._peers() == "/some/python"


@pytest.mark.all
def test_steps_on_few_examples(shared: Path, tmp_path: Path) -> None:
    steps = ("pictures-tlkit-0", "pictures-second", "pictures-keras", "pictures-floor")
    done = run("--data", str(shared), "--limit", "24", "--results", str(tmp_path), *steps)
    assert done.returncode == 0, done.stdout[-3000:]
    found = {step: json.loads((tmp_path / "limit-24" / f"{step}.json").read_text()) for step in steps}
    for made in found.values():
        assert made["ran"] == [1, 1] and made["examples"]["train"] == 17
        assert sum(made["phase_seconds"]) == pytest.approx(made["seconds"], rel=0.05)
        assert made["memory_mb"]["peak"] >= made["memory_mb"]["before"] > 0
    # a batch of them passes twice where the precision is measured on it
    assert found["pictures-tlkit-0"]["extra"]["passed"] in (17 + 4, 17 + 4 + 17)
    assert found["pictures-second"]["extra"]["passed"] == 0
    assert found["pictures-floor"]["extra"]["forward_seconds"]["float32"] > 0
    assert "the figures mean nothing" in (tmp_path / "limit-24" / "RESULTS.md").read_text()
    assert not os.listdir(tmp_path / "limit-24" / "homes")
