"""BERT base + a classifier head on a table of texts.

Run:    python recipes/bert_classifier.py --data reviews.csv --out runs/bert
        reviews.csv has a text and a label column; --weights names a KerasHub preset or Hugging Face folder where
        KerasHub's download site cannot be reached
Smoke:  python recipes/bert_classifier.py --smoke
Expect: not measured: where this was written KerasHub's download site could not be reached. For orientation, BERT's
        authors report 0.935 on SST-2 for BERT base (https://arxiv.org/abs/1810.04805, table 1).
"""

from __future__ import annotations

import argparse

import _smoke

import tlkit


def main() -> None:
    """Train, measure and export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="reviews.csv", help="a CSV, TSV or JSONL table")
    parser.add_argument("--weights", default="pretrained")
    parser.add_argument("--out", default="runs/bert_classifier")
    parser.add_argument("--smoke", action="store_true", help="made-up data, random weights, seconds")
    options = parser.parse_args()

    if options.smoke:
        data = tlkit.arrays(*_smoke.texts())
        clf = tlkit.bert_classifier(data.labels, size=16, weights=_smoke.bert(layers=12))
        phases = (tlkit.Phase("head", 1, 1e-3, 0), tlkit.Phase("top", 1, 5e-5, 2))
    else:
        data = tlkit.text_table(options.data)
        clf = tlkit.bert_classifier(data.labels, weights=options.weights)
        phases = None  # BERT's own: the head, then the top two of twelve layers

    print(data)
    history = tlkit.fit(clf, data, phases=phases)
    report = tlkit.evaluate(clf, data.test, history=history)
    print(report)
    tlkit.export(clf, options.out, report=report, overwrite=True)
    print(f"SavedModel: {options.out}/saved_model/1")


if __name__ == "__main__":
    main()
