"""GPT-2 base + a classifier head on a table of texts.

Run:    python recipes/gpt2_classifier.py --data reviews.csv --out runs/gpt2_classifier
        reviews.csv has a text and a label column; --weights names a KerasHub preset or Hugging Face folder where
        KerasHub's download site cannot be reached
Smoke:  python recipes/gpt2_classifier.py --smoke
Expect: not measured: where this was written KerasHub's download site could not be reached.
        Its authors publish no figure of it as a classifier: https://github.com/openai/gpt-2 describes what it
        was trained for.
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "reviews.csv", _common.RANDOM_TEXTS)
    data = _common.read(options)
    clf = tlkit.gpt2_classifier(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
