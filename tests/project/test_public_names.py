"""The package: light to import, and every public name is there and says what it is."""

from __future__ import annotations

import importlib.util
import inspect
import json
import pkgutil
import subprocess
import sys

import pytest

import tlkit

IMPORT = "import json, sys, tlkit; print(json.dumps(sorted(sys.modules)))"


def test_import_is_light() -> None:
    run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    imported = json.loads(run.stdout)
    assert not {"tensorflow", "keras", "keras_hub", "numpy", "sklearn", "matplotlib"} & set(imported)
    assert "tlkit" in imported


@pytest.mark.parametrize("name", [name for name in tlkit.__all__ if name != "__version__"])
def test_public_names_are_there_and_documented(name: str) -> None:
    value = getattr(tlkit, name)
    assert not inspect.ismodule(value)
    assert name in dir(tlkit)
    if not isinstance(value, tlkit.Augment | tuple):  # LIGHT, STRONG and TWO_PHASE are values
        assert value.__module__.startswith("tlkit.")
        assert (value.__doc__ or "").strip() and not value.__doc__.startswith(f"{name}(")


def test_no_public_name_is_a_module() -> None:
    # `import tlkit.data` would put the module in the place of a function of that name
    modules = {module.name for module in pkgutil.iter_modules(tlkit.__path__)}
    assert "runs" in modules
    assert modules & set(tlkit.__all__) == set()


def test_all_is_sound() -> None:
    assert len(set(tlkit.__all__)) == len(tlkit.__all__)
    for verb in ("fit", "evaluate", "export", "load", "classifier", "image_folder", "read", "run_job"):
        assert verb in tlkit.__all__
    assert all(part.isdecimal() for part in tlkit.__version__.split("."))


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'tlkit' has no attribute 'fitt'"):
        _ = tlkit.fitt


def test_every_home_is_a_module() -> None:
    assert all(importlib.util.find_spec(f"tlkit.{home}") for home in tlkit._HOMES)
