"""BERT base + a classifier head on a table of texts.

Run:    python recipes/bert_classifier.py --data reviews.csv --out runs/bert
        reviews.csv has a text and a label column; --weights names a KerasHub preset or Hugging Face folder where
        KerasHub's download site cannot be reached
Smoke:  python recipes/bert_classifier.py --smoke
Expect: not measured: where this was written KerasHub's download site could not be reached. For orientation, BERT's
        authors report 0.935 on SST-2 for BERT base (https://arxiv.org/abs/1810.04805, table 1).
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "reviews.csv", _common.TEXTS)
    data = _common.read(options)
    clf = tlkit.bert_classifier(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
