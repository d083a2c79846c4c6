"""A summarizer: BART learns to summarize as a table of documents and summaries, or CNN/DailyMail, does.

Run:    python recipes/summarizer.py --out runs/summarizer
        --data articles.csv for a table of your own, with columns such as article and summary, or a folder with such
        tables called train, val and test. By default CNN/DailyMail, whose 287,113 articles take days without a GPU.
Smoke:  python recipes/summarizer.py --smoke
Expect: not measured: neither BART's weights nor the articles could be fetched where this was written; its authors'
        figures on these articles are in https://arxiv.org/abs/1910.13461. `python benchmarks/summarization.py` measures
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
    parser.add_argument("--data", default="tfds:cnn_dailymail")
    parser.add_argument("--out", default="runs/summarizer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="made-up data, random weights, seconds")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)

    if options.smoke:
        data = _smoke.written(options.data, "summary")
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
