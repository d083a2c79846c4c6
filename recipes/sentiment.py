"""Sentiment: 50,000 film reviews, liked or not, imdb_reviews, with MiniLM.

Run:    python recipes/sentiment.py --out runs/sentiment
        --data reviews.csv takes a table of your own with a text and a label column
Smoke:  python recipes/sentiment.py --smoke
Expect: not measured: where this was written the data could not be downloaded. For orientation, their authors reach an
        accuracy of 0.889 (https://aclanthology.org/P11-1015/), ULMFiT, a pretrained network fine-tuned on them, 0.954
        (https://arxiv.org/abs/1801.06146). MiniLM reads the first 256 tokens; most reviews are longer or near that.
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "tfds:imdb_reviews", _common.TEXTS, size=256)
    data = _common.read(options)
    clf = tlkit.minilm_classifier(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
