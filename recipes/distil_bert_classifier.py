"""DistilBERT + a classifier head on a table of texts.

Run:    python recipes/distil_bert_classifier.py --data reviews.csv --out runs/distil_bert_classifier
        reviews.csv has a text and a label column; --weights names a KerasHub preset or Hugging Face folder where
        KerasHub's download site cannot be reached
Smoke:  python recipes/distil_bert_classifier.py --smoke
Expect: not measured: where this was written KerasHub's download site could not be reached.
        For orientation, its authors report 0.913 on SST-2 (https://arxiv.org/abs/1910.01108).
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "reviews.csv", _common.RANDOM_TEXTS)
    data = _common.read(options)
    clf = tlkit.distil_bert_classifier(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
