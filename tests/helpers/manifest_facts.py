"""Facts as tlkit.json holds them."""

from __future__ import annotations

import hashlib

from tlkit.artifacts import manifest

SHARD = f"{manifest.ROOT}/variables/variables.data-00000-of-00001"
FINGERPRINT = f"{manifest.ROOT}/fingerprint.pb"
CONTENTS = {name: name.encode() for name in (*manifest.REQUIRED_FILES, SHARD, FINGERPRINT, "README.md")}


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


FACTS = {
    "schema": 2,
    "labels": ["a", "b"],
    "target": {"name": "label", "temperature": 1.0},
    "input": {"kind": "image", "resize": "crop", "normalise": "tf", "size": 16, "minimum": 8},
    "backbone": {"name": "own", "blocks": ["low", "high"], "stem": "", "params": 0},
    "head": "own",
    "weights": {"origin": "random", "licence": "", "source": ""},
    "metrics": {"split": "test", "examples": 6, "accuracy": 1, "macro_f1": 1.0, "loss": 0.0},
    "parity": {"samples": 4, "real": False, "max_difference": 0.0, "spread": 0.5},
    "versions": {"tlkit": "0.1.0", "keras": "3.15.1"},
    "files": {name: sha(data) for name, data in CONTENTS.items()},
}
OLD_TEXT = {"kind": "text", "resize": "crop", "size": 16, "limit": 512, "lowercase": True}
TEXT = OLD_TEXT | {"family": "roberta", "segments": 2}
