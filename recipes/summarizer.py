"""A summarizer: BART learns to summarize documents as a table of them does.

Run:    python recipes/summarizer.py --data articles.csv --out runs/summarizer
        with columns such as article and summary, or a folder with such tables called train, val and test.
Smoke:  python recipes/summarizer.py --smoke
Expect: not measured: BART's weights could not be fetched where this was written. `benchmarks/summarization.py` measures
        the same code on a small BART that it pretrains itself.
"""

from __future__ import annotations

import argparse

import _smoke
import keras

import tlkit


def main() -> None:
    """Train, measure and export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="articles.csv")
    parser.add_argument("--out", default="runs/summarizer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="made-up data, random weights, seconds")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)

    if options.smoke:
        data = tlkit.summaries(_smoke.table("article,summary"))
        lm = tlkit.summarizer(_smoke.writer("bart"), size=32, length=8, weights=None)
        phases = (tlkit.Phase("top", 1, 1e-3, 1),)
    else:
        data = tlkit.summaries(options.data, seed=options.seed)
        lm = tlkit.summarizer("bart_base_en", size=512, length=64)
        phases = None  # the decoder's top block, then its top three of six

    print(data)
    history = tlkit.fit(lm, data, phases=phases, batch_size=8, seed=options.seed)
    report = tlkit.evaluate(lm, data.test, history=history, batch_size=8)
    print(report)
    tlkit.export(lm, options.out, report=report, overwrite=True)
    print(f"SavedModel: {options.out}/saved_model/1")


if __name__ == "__main__":
    main()
