"""Intents: what a customer wants, in one of 150 ways, clinc_oos, with MiniLM.

Run:    python recipes/intents.py --out runs/intents
        --data questions.csv takes a table of your own with a text and a label column, such as banking77
Smoke:  python recipes/intents.py --smoke
Expect: TBD
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "tfds:clinc_oos", _common.TEXTS, size=32)
    data = _common.read(options)
    clf = tlkit.minilm_classifier(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
