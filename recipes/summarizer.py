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

import _common
import _smoke

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "tfds:cnn_dailymail", _common.WRITERS, size=512)
    data = _common.read(options, "summary")
    backbone, length = (_smoke.writer("bart"), 8) if options.smoke else ("bart_base_en", 64)
    lm = tlkit.summarizer(backbone, size=options.size, length=length, weights=options.weights)
    _common.finish(lm, data, options, batch_size=8)  # the decoder's top block, then its top three of six


if __name__ == "__main__":
    main()
