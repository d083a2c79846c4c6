"""What is passed on says nothing of the machine it was made on, and others may read it."""

from __future__ import annotations

import getpass
import os
import socket
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlkit
from tests.helpers import tiny_models
from tlkit.artifacts import export
from tlkit.models.backbone import Backbone
from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import ImageInput
from tlkit.runs import run
from tlkit.utils import files

pytestmark = pytest.mark.slow  # a whole training, however small

OWN = {"run.json", "splits.csv", "quarantine.csv", "answers.csv"}  # what a run keeps for whoever trained it


def table(folder: Path) -> Path:
    """Write pictures of two colours, one of them broken, and a table that names them by absolute paths."""
    rng, lines = np.random.default_rng(0), ["image,label"]
    for number in range(24):
        pixels = rng.integers(0, 60, (20, 20, 3))
        pixels[:, :, 0] += 190 * (number % 2)
        path = folder / f"{number}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        lines.append(f"{path},{('dark', 'red')[number % 2]}")
    (folder / "7.png").write_bytes(b"broken")
    (folder / "photos.csv").write_text("\n".join(lines))
    return folder / "photos.csv"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train with everything given by absolute paths, under the usual umask."""
    home = tmp_path_factory.mktemp("somebodys-home")
    row = Backbone("tiny", tiny_models.tiny_backbone, ImageInput("tf", 16, 8), ("end1", "end2", "end3"), stem="stem")
    tiny_models.tiny_backbone(16).save_weights(home / "secret.weights.h5")
    tlkit.read(str(table(home))).write_splits(home / "splits.csv")
    given = {"data": "photos.csv", "weights": "secret.weights.h5", "splits": "splits.csv", "out": "out"}
    given = {name: str(home / file) for name, file in given.items()}
    proof = {"samples": 0, "real": False, "max_difference": 0.0, "spread": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_HOME", str(home / "cache"))
        patch.setitem(VISION, "tiny", row)
        patch.setattr(export, "_prove", lambda *_: proof)
        old = os.umask(0o022)
        try:
            run.run_job(run.Job(**given, backbone="tiny", head="pool_dense", epochs=(1, 1)), progress=False)
        finally:
            os.umask(old)
    return home / "out"


def contents(out: Path) -> dict[str, bytes]:
    """Return every file that is passed on, and what is inside the archives."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with zipfile.ZipFile(out / "model.keras") as archive:
        found |= {f"model.keras/{name}": archive.read(name) for name in archive.namelist()}
    return {name: data for name, data in found.items() if name not in OWN and not name.startswith(".")}


def test_no_path_or_name_of_the_machine_is_passed_on(out: Path) -> None:
    given = contents(out)
    assert len(given) > 10 and b"secret.weights.h5" in given["tlkit.json"]
    assert b"7.png" in given["report.json"] and b"splits.csv" in given["report.json"]
    names = [str(out.parent), out.parent.name, os.path.expanduser("~") + "/", str(Path(files.__file__).parent)]
    # a short name, or one such as "root", stands everywhere by chance
    names += [name for name in (socket.gethostname(), getpass.getuser()) if len(name) > 5]
    for name in names:
        assert [path for path, data in given.items() if name.encode() in data] == [], f"{name} is passed on"
    assert str(out.parent) in (out / "run.json").read_text()  # the control


def test_others_may_read_what_is_passed_on(out: Path) -> None:
    for path in (out, *out.rglob("*")):
        if not path.name.startswith("."):
            wanted = 0o755 if path.is_dir() else 0o644
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path
