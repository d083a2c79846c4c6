"""Spam: 5,574 short messages, the SMS Spam Collection, with MiniLM.

Run:    python recipes/spam.py --data spam.csv --out runs/spam
        spam.csv has a text and a label column; the collection is at https://doi.org/10.24432/C5CC84
Smoke:  python recipes/spam.py --smoke
Expect: not measured: TBD. For orientation, the best of the methods that the collection's authors tried, a linear
        support vector machine, reached an accuracy of 0.976 (https://doi.org/10.1145/2034691.2034742).
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "spam.csv", _common.TEXTS, size=64)
    data = _common.read(options)
    clf = tlkit.minilm_classifier(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
