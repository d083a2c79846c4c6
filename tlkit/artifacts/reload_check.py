"""Answer samples with a SavedModel in a fresh process; this file is run as a program and imports nothing of tlkit.

    python reload_check.py SAVED_MODEL REQUEST ANSWERS

REQUEST is JSON: {"ops": modules to import for their ops, "endpoint": name of a signature, "output": name of an answer,
"samples": [base64, ...]}, where a pair of texts or a row of cells is a list of them; ANSWERS gets that answer, such as
probabilities (samples, classes) or bytes (samples,), as .npy.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys


def main(saved_model: str, request: str, answers: str) -> None:
    """Load the model without tlkit and save its answers."""
    import numpy as np
    import tensorflow as tf

    with open(request, encoding="utf-8") as file:
        options = json.load(file)
    for module in options["ops"]:
        importlib.import_module(module)
    loaded = tf.saved_model.load(saved_model)
    samples = tf.constant(_decoded(options["samples"]))
    outputs = loaded.signatures[options["endpoint"]](samples)[options["output"]].numpy()
    np.save(answers, outputs.astype("S") if outputs.dtype.kind == "O" else outputs)


def _decoded(sample: str | list) -> bytes | list:
    return base64.b64decode(sample) if isinstance(sample, str) else [_decoded(part) for part in sample]


if __name__ == "__main__":
    main(*sys.argv[1:])
