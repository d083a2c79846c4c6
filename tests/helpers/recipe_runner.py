"""Run several recipes in one process, each by its own entry point: TensorFlow's import costs more than most of them.

    python recipe_runner.py OUT RECIPE.py ...

OUT/NAME becomes the `--out` of each, OUT/NAME.txt what it printed and, where it failed, the traceback. Exits 0 whatever
fails; OUT/NAME.ok says what did not. What an export asks a fresh process is asked here, for the same reason, and of the
recipes with the same backbone and head only the first is exported; the tests of `export`, and of recipes/demo.py, start
real processes.
"""

from __future__ import annotations

import contextlib
import gc
import runpy
import subprocess
import sys
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any


def here(command: list[str], **_: Any) -> subprocess.CompletedProcess:
    """Run what `export` would have run in a process of its own: python -I PROGRAM ARGUMENTS."""
    with arguments(command[2:]):
        runpy.run_path(command[2], run_name="__main__")
    return subprocess.CompletedProcess(command, 0)


def once(export: Callable) -> Callable:
    """Return an `export` that does nothing where the same backbone and head have been exported before."""
    seen = set()

    def chosen(clf: Any, out: str, **options: Any) -> Any:
        known, made = len(seen), (clf.spec.backbone.name, clf.spec.head)
        seen.add(made)
        return export(clf, out, **options) if len(seen) > known else None

    return chosen


@contextlib.contextmanager
def arguments(argv: list[str]) -> Any:
    """Put other arguments in the place of this program's."""
    before, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = before


def run(recipe: Path, out: Path) -> None:
    """Run one recipe, and keep what it says."""
    started, busy = time.perf_counter(), time.process_time()
    with (out / f"{recipe.stem}.txt").open("w") as file, contextlib.redirect_stdout(file):
        try:
            with arguments([str(recipe), "--smoke", "--out", str(out / recipe.stem)]):
                runpy.run_path(str(recipe), run_name="__main__")
        except BaseException:  # also SystemExit, as argparse raises it
            traceback.print_exc(file=file)
            return
    told = f"{time.perf_counter() - started:.1f} s, of the processor {time.process_time() - busy:.1f} s\n"
    (out / f"{recipe.stem}.ok").write_text(told)


def main(out: str, *recipes: str) -> None:
    """Run the recipes one after another."""
    import keras

    import tlkit
    from tlkit.artifacts import export

    tlkit.export = once(tlkit.export)
    export.subprocess = types.SimpleNamespace(run=here)
    for recipe in map(Path, recipes):
        sys.path.insert(0, str(recipe.parent))
        run(recipe, Path(out))
        sys.path.remove(str(recipe.parent))
        keras.backend.clear_session()
        gc.collect()


if __name__ == "__main__":
    main(*sys.argv[1:])
