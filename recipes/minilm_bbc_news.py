"""MiniLM on BBC News: 2,225 articles, five topics.

Run:    python recipes/minilm_bbc_news.py --out runs/bbc_news
Smoke:  python recipes/minilm_bbc_news.py --smoke
Expect: EXPECT_BBC
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
