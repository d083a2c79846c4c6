"""Spam: 5,574 short messages, the SMS Spam Collection, with MiniLM.

Run:    python recipes/spam.py --data spam.csv --out runs/spam
        spam.csv has a text and a label column; the collection is at https://doi.org/10.24432/C5CC84
Smoke:  python recipes/spam.py --smoke
Expect: test accuracy 0.9904 and macro-F1 0.9789 (836 messages) with seed 0, by the command above; two cores of an AMD
        EPYC, some three minutes of the processor. Logistic regression on TF-IDF reaches 0.9797 and 0.9535 on the same
        split. The best of the methods that the collection's authors tried, a linear support vector machine, reached an
        accuracy of 0.976 on splits of their own (https://doi.org/10.1145/2034691.2034742).
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
