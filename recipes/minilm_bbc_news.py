"""MiniLM on BBC News: 2,225 articles, five topics.

Run:    python recipes/minilm_bbc_news.py --out runs/bbc_news
Smoke:  python recipes/minilm_bbc_news.py --smoke
Expect: test accuracy 0.9711, the mean of seeds 0, 1 and 2 (0.9820, 0.9671, 0.9641; 334 articles each), by
        `python recipes/demo.py --only texts --seed N`; two cores of an AMD EPYC, 515 to 691 s beside other work.
        Logistic regression on TF-IDF reaches 0.9790, 0.9731 and 0.9701 on the same splits: it reads the whole article,
        MiniLM the first 128 tokens. Measured while articles that occur twice could stand on both sides; since they
        stay on one, seed 0 gives 0.9820 in 246 s (TF-IDF 0.9910).
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "bbc_news", _common.TEXTS)
    data = _common.read(options)
    clf = tlkit.minilm_classifier(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
