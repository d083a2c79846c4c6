"""Every recipe runs in its smoke form, by its own entry point, and says how it is run and what to expect."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
RECIPES = sorted(path for path in (TOP / "recipes").glob("*.py") if not path.name.startswith("_"))


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_smoke(path: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, str(path), "--smoke", "--out", str(tmp_path / "out")]
    command += ["--scratch"] if path.stem == "demo" else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "accuracy" in done.stdout
    assert list((tmp_path / "out").rglob("saved_model.pb")) and list((tmp_path / "out").rglob("tlkit.json"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_docstring(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.search(r"^Run: ", text, re.M) and re.search(r"^Smoke: .*--smoke$", text, re.M)
    expect = re.search(r"^Expect: +(.*)", text, re.M)
    assert expect and "EXPECT" not in expect[1], "Expect holds measured figures, or says why it does not"
