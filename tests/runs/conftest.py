"""What the tests of runs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import tiny_models
from tlkit.models.backbone import Backbone
from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import ImageInput


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put a tiny backbone into the table, and what runs keep into a folder of the test's own."""
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    row = Backbone("tiny", tiny_models.tiny_backbone, ImageInput("tf", 16, 8), ("end1", "end2", "end3"), stem="stem")
    monkeypatch.setitem(VISION, "tiny", row)
