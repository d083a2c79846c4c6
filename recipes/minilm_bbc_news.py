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

import argparse

import _smoke
import keras

import tlkit


def main() -> None:
    """Train, measure and export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="runs/bbc_news")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="made-up data, random weights, seconds")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)

    if options.smoke:
        data = tlkit.arrays(*_smoke.texts())
        clf = tlkit.minilm_classifier(data.labels, size=16, weights=_smoke.bert(layers=6))
        phases = (tlkit.Phase("head", 1, 1e-3, 0), tlkit.Phase("top", 1, 1e-4, 3))
    else:
        data = tlkit.bbc_news(seed=options.seed)
        clf = tlkit.minilm_classifier(data.labels)
        phases = None  # MiniLM's own: the head, then two of its six layers

    print(data)
    history = tlkit.fit(clf, data, phases=phases, seed=options.seed)
    report = tlkit.evaluate(clf, data.test, history=history)
    print(report)
    tlkit.export(clf, options.out, report=report, overwrite=True)
    print(f"SavedModel: {options.out}/saved_model/1")


if __name__ == "__main__":
    main()
