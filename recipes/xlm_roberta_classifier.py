"""XLM-RoBERTa base + a classifier head on a table of texts.

Run:    python recipes/xlm_roberta_classifier.py --data reviews.csv --out runs/xlm_roberta_classifier
        reviews.csv has a text and a label column; --weights names a KerasHub preset or Hugging Face folder where
        KerasHub's download site cannot be reached
Smoke:  python recipes/xlm_roberta_classifier.py --smoke
Expect: not measured: where this was written KerasHub's download site could not be reached.
        For orientation, its authors report 0.762 on XNLI, the mean of 15 languages after training on
        English alone (https://arxiv.org/abs/1911.02116).
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "reviews.csv", _common.RANDOM_TEXTS)
    data = _common.read(options)
    clf = tlkit.xlm_roberta_classifier(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
