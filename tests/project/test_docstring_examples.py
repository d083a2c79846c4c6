"""The examples in the docstrings of the functions that people call most run as they stand there."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_generators, tiny_models
from tlkit.artifacts import export

# each in one namespace, one after the other, as the later ones say that they go on from the earlier ones
WALKS = (
    ("arrays", "classifier"),
    ("fit", "evaluate", "calibrate", "explain", "export", "load"),
    ("learning_curve",),
    ("diagnose",),
    ("image_folder", "read"),
    ("text_table",),
    ("table",),
    ("generate",),
)


def examples(name: str, names: dict[str, Any]) -> doctest.DocTest:
    """Return what the docstring of a public function shows, to be run where some names are known."""
    found = doctest.DocTestParser().get_doctest(getattr(tlkit, name).__doc__, names, f"tlkit.{name}", None, None)
    assert [one for one in found.examples if doctest.SKIP not in one.options], f"tlkit.{name} has no examples"
    return found


def run(name: str, names: dict[str, Any]) -> None:
    """Run the examples of a public function, and put what they define into the names."""
    told: list[str] = []
    test = examples(name, names)
    results = doctest.DocTestRunner().run(test, out=told.append, clear_globs=False)
    assert not results.failed, "".join(told)
    names.update(test.globs)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the examples take for granted, and run them in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        export, "_prove", lambda *_: {"samples": 0, "real": False, "max_difference": 0.0, "spread": 0.0}
    )
    return {"tlkit": tlkit, "np": np, "Path": Path}


@pytest.mark.parametrize("walk", WALKS, ids="-".join)
def test_examples(walk: tuple[str, ...], names: dict[str, Any]) -> None:
    if walk[0] in ("fit", "learning_curve", "image_folder"):
        run("arrays", names)
    if walk[0] in ("fit", "learning_curve"):  # in place of the network of the example, which takes longer
        names["clf"] = tiny_models.tiny_classifier(names["data"].target, size=32)
    if walk == ("generate",):
        names["lm"] = tiny_generators.decoder(layers=1)
    for name in walk:
        run(name, names)


@pytest.mark.slow
def test_examples_of_run_job(names: dict[str, Any]) -> None:
    for name in ("arrays", "image_folder", "run_job"):
        run(name, names)


def test_most_called_functions_have_examples() -> None:
    assert len({name for walk in WALKS for name in walk} | {"run_job"}) >= 15


def test_an_example_that_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlkit.read, "__doc__", "Read.\n\n>>> 1 + 1\n3\n")
    with pytest.raises(AssertionError, match=r"Expected:\s+3\s+Got:\s+2"):
        run("read", {})
    monkeypatch.setattr(tlkit.read, "__doc__", "Read.")
    with pytest.raises(AssertionError, match=r"tlkit\.read has no examples"):
        run("read", {})
