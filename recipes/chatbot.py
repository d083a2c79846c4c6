"""A chatbot: GPT-2 learns to reply as a table of prompts and replies, or a public set of dialogues, does.

Run:    python recipes/chatbot.py --out runs/chatbot
        --data dialogues.csv for a table of your own, with columns such as prompt and response; a .txt file or a folder
        of them makes a model that continues texts. By default those of Schema-Guided Dialogue, as GEM has them.
Smoke:  python recipes/chatbot.py --smoke
Expect: not measured: neither GPT-2's weights nor the data (https://arxiv.org/abs/1909.05855) could be fetched where
        this was written. `python benchmarks/generation.py` measures the same code on a small GPT-2 that it pretrains
        itself.
"""

from __future__ import annotations

import _common
import _smoke

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "tfds:gem/schema_guided_dialog", _common.WRITERS, size=128)
    data = _common.read(options, "reply")
    sampling = tlkit.Sampling("top_p", p=0.9, temperature=0.8, seed=options.seed)
    backbone = _smoke.writer("gpt2") if options.smoke else "gpt2_base_en"
    lm = tlkit.generator(backbone, size=options.size, sampling=sampling, weights=options.weights)
    _common.finish(lm, data, options, batch_size=8)  # the top block, then the top three of twelve


if __name__ == "__main__":
    main()
