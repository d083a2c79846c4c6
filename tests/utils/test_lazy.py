"""References as text: imported when they are first used, and not before."""

from __future__ import annotations

import os.path
import sys
from pathlib import Path

import pytest

from tlkit.utils.lazy import resolve


def test_a_reference_is_what_it_names() -> None:
    assert resolve("os.path:join") is os.path.join
    assert resolve("tlkit.utils.lazy:resolve") is resolve


def test_a_callable_is_handed_on() -> None:
    assert resolve(len) is len and resolve(str) is str


def test_nothing_is_imported_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_lately.py").write_text("def answer():\n    return 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    reference = "imported_lately:answer"
    assert "imported_lately" not in sys.modules
    try:
        assert resolve(reference)() == 42 and "imported_lately" in sys.modules
    finally:
        sys.modules.pop("imported_lately", None)


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("nowhere_at_all:x", ModuleNotFoundError, "No module named 'nowhere_at_all'"),
        ("os.path:no_such_name", AttributeError, "no_such_name"),
        ("os.path", AttributeError, "has no attribute ''"),
    ],
)
def test_references_that_lead_nowhere(reference: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        resolve(reference)
