"""Measure tlkit side by side with plain Keras, KerasHub, PyTorch and the floor, and write RESULTS.md.

    make bench                                    every step whose figures are missing, then the table
    make bench STEP="pictures-keras texts-*"      these steps, again where they were run before
    make bench STEP=table                         only the table

Each step runs in a fresh process and leaves results/STEP.json and results/STEP.log; an interrupted benchmark goes on
where it stopped. Keep the machine quiet: the table says how much other processes took.
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import workloads

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
PEERS = HERE / ".peers"
GIVEN = dict(os.environ)  # as it was handed to us: importing tlkit sets TF_ENABLE_ONEDNN_OPTS for what follows
FULL, SHORT = (10, 5), (2, 1)
HALF = {"pictures": 150_000_000, "texts": 180_000_000}  # bytes: float16 features fit, float32 ones do not
EPOCHS = {"pictures": FULL, "texts": (10, 3), "vgg": FULL, "scale-2000": (1, 1), "scale-60000": (1, 1)}


@dataclasses.dataclass(frozen=True)
class Step:
    """State one step.

    Args:
        script: the file beside this one.
        workload: a key of WORKLOADS.
        options: further arguments.
        seed: of splits, first weights and order.
        short: run 2 + 1 epochs only, which the table scales to the whole.
        peers: run in the peers' environment.
        onednn: turn TensorFlow's oneDNN kernels on for a peer, which otherwise runs as TensorFlow ships.
        home: which tlkit cache folder it has to itself; emptied first unless `warm`.
        warm: it takes the cache folder as another step left it.
    """

    script: str
    workload: str
    options: tuple[str, ...] = ()
    seed: int = 0
    short: bool = False
    peers: bool = False
    onednn: bool = False
    home: str = ""
    warm: bool = False


def _steps() -> dict[str, Step]:
    steps = {"splits": Step("workloads.py", "pictures")}
    for name in ("pictures", "texts"):
        steps[f"{name}-tlkit-0"] = Step("with_tlkit.py", name, home=name)
        steps[f"{name}-second"] = Step("with_tlkit.py", name, home=name, warm=True)
        steps[f"{name}-floor"] = Step("floor.py", name)
        steps[f"{name}-keras"] = Step("with_keras.py", name, short=True)
        steps[f"{name}-keras-onednn"] = Step("with_keras.py", name, short=True, onednn=True)
        steps[f"{name}-kerashub"] = Step("with_kerashub.py", name, short=True)
        steps[f"{name}-torch"] = Step("with_torch.py", name, short=True, peers=True)
    steps["texts-torch-trim"] = Step("with_torch.py", "texts", ("--trim",), short=True, peers=True)
    light = ("--augment", "light")
    steps["light-tlkit"] = Step("with_tlkit.py", "pictures", light, home="light")
    steps["light-keras"] = Step("with_keras.py", "pictures", light, short=True)
    for name in ("scale-2000", "scale-60000"):
        steps[name] = Step("with_tlkit.py", name, home=name)
    steps["vgg-tlkit"] = Step("with_tlkit.py", "vgg", home="vgg")
    steps["vgg-keras"] = Step("with_keras.py", "vgg", short=True)
    for name, budget in HALF.items():
        steps[f"{name}-float16"] = Step("with_tlkit.py", name, ("--cache-budget", str(budget)), home=f"{name}-float16")
        steps[f"{name}-float32"] = Step("with_tlkit.py", name, ("--precision", "float32"), home=f"{name}-float32")
        steps[f"{name}-bfloat16"] = Step("with_tlkit.py", name, ("--precision", "bfloat16"), home=f"{name}-bfloat16")
    for name in ("pictures", "texts"):
        for seed in workloads.SEEDS[1:]:
            steps[f"{name}-tlkit-{seed}"] = Step("with_tlkit.py", name, seed=seed, home=f"{name}-{seed}")
    steps["pictures-keras-full-0"] = Step("with_keras.py", "pictures")
    for name in ("pictures", "texts"):  # the same result where the frozen base is computed once, in half the time
        for seed in workloads.SEEDS[name == "pictures" :]:
            steps[f"{name}-keras-once-{seed}"] = Step("with_keras.py", name, ("--once",), seed=seed)
    return steps


STEPS = _steps()  # in the order in which they are run: the dearest last


PARTS = ("trashnet", "text/banking77_train.csv", "text/banking77_test.csv")  # of the data folder


def main() -> None:
    """Run the steps that were named, or are missing, and write the table; exit 1 where one failed."""
    options = _options()
    results = options.results.resolve() / (f"limit-{options.limit}" if options.limit else "")
    results.mkdir(parents=True, exist_ok=True)
    named = _named(options.steps)
    wanted = _wanted(named, results)
    if wanted and (missing := [part for part in PARTS if not (options.data / part).exists()]):
        sys.exit(f"{options.data} lacks {', '.join(missing)}; name the data folder by --data or TLKIT_BENCH_DATA")
    failed = []
    for name in wanted:
        if (results / f"{name}.json").exists() and name not in named:
            print(f"{name}: done before")
        elif not _run(name, results, options):
            failed.append(name)
    _compose(results, HERE / "RESULTS.md" if results == HERE / "results" else results / "RESULTS.md")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; the logs are in {results}")


def _wanted(named: set[str], results: Path) -> list[str]:
    """List what to run, in its order; every step needs the splits."""
    names = [name for name in STEPS if name in named] if named else list(STEPS)
    if names and "splits" not in names and not (results / "splits.json").exists():
        return ["splits", *names]
    return names


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"{', '.join(STEPS)}; patterns such as 'texts-*'")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TLKIT_BENCH_DATA") or DATA))
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where figures and logs are kept")
    parser.add_argument("--limit", type=int, help=argparse.SUPPRESS)  # smoke: so many examples, 1 + 1 epochs
    return parser.parse_args()


def _named(patterns: Sequence[str]) -> set[str]:
    named: set[str] = set()
    for pattern in patterns:
        found = fnmatch.filter([*STEPS, "table"], pattern)
        if not found:
            sys.exit(f"there is no step {pattern!r}; choose of: {', '.join(STEPS)}, table")
        named |= set(found)
    return named


def _compose(results: Path, target: Path) -> None:
    import table

    text = table.compose(table.load(results))
    target.write_text(text, "utf-8")
    print(f"\n{text}\nwritten to {target}")


# === One step ===


def _run(name: str, results: Path, options: argparse.Namespace) -> bool:
    """Run one step in a process of its own; say whether it went well."""
    step = STEPS[name]
    try:
        python = _peers() if step.peers else sys.executable
        environment = _environment(step, results)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{name}: not run: {error}", flush=True)
        return False
    print(f"== {name}", flush=True)
    (results / f"{name}.json").unlink(missing_ok=True)
    command = _command(name, python, results, options)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with (
        (results / f"{name}.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, env=environment, **pipes) as process,
    ):
        for line in process.stdout:
            sys.stdout.write(line)
            log.write(line)
    if step.home and (step.warm or f"{step.home}-second" not in STEPS):
        shutil.rmtree(_home(step, results), ignore_errors=True)  # stored features are large
    return process.returncode == 0


def _command(name: str, python: str, results: Path, options: argparse.Namespace) -> list[str]:
    step = STEPS[name]
    epochs = (1, 1) if options.limit else EPOCHS[step.workload]
    given = {"step": name, "workload": step.workload, "results": results, "data": options.data, "seed": step.seed}
    given |= {"epochs": _comma(epochs)}
    if step.short:
        given["run"] = _comma(min(pair) for pair in zip(epochs, SHORT, strict=True))
    if options.limit:
        given["limit"] = options.limit
    pairs = [text for key, value in given.items() for text in (f"--{key}", str(value))]
    return [python, str(HERE / step.script), *pairs, *step.options]


def _comma(values: Sequence[int]) -> str:
    return ",".join(map(str, values))


def _environment(step: Step, results: Path) -> dict[str, str]:
    """Return the step's environment, with a tlkit cache folder of its own where it wants one."""
    shown = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "PYTHONUNBUFFERED": "1", "TLKIT_QUIET": "1"}
    environment = {**GIVEN, **shown, **({"TF_ENABLE_ONEDNN_OPTS": "1"} if step.onednn else {})}
    if not step.home:
        return environment
    from tlkit.utils import files

    home = _home(step, results)
    if step.warm and not home.is_dir():
        raise OSError(f"the stored features of {step.home}-tlkit-0 are gone; run that step again, then this one")
    if not step.warm:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for kept in ("weights", "samples"):  # what was fetched is not fetched again
            (home / kept).symlink_to(files.cache_home().resolve() / kept)
    return {**environment, "TLKIT_HOME": str(home)}


def _home(step: Step, results: Path) -> Path:
    return results / "homes" / step.home


def _peers() -> str:
    """Return the peers' Python; make their environment where there is none."""
    if given := os.environ.get("BENCH_PEERS_PYTHON"):
        return given
    python, stamp, wanted = PEERS / "bin" / "python", PEERS / "installed.txt", HERE / "peers.txt"
    if not stamp.exists() or stamp.read_bytes() != wanted.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(wanted)], check=True)
        shutil.copyfile(wanted, stamp)
    return str(python)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on with the step that was running")
