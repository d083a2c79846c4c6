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

import argparse

import _smoke
import keras

import tlkit


def main() -> None:
    """Train, measure and export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="tfds:gem/schema_guided_dialog")
    parser.add_argument("--out", default="runs/chatbot")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="made-up data, random weights, seconds")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)

    if options.smoke:
        data = _smoke.written(options.data, "reply")
        lm = tlkit.generator(_smoke.writer("gpt2"), size=32, lora=2, weights=None)
        phases = (tlkit.Phase("lora", 1, 1e-3, 1),)
    else:
        data = tlkit.dialogues(options.data, seed=options.seed)
        sampling = tlkit.Sampling("top_p", p=0.9, temperature=0.8, seed=options.seed)
        lm = tlkit.generator("gpt2_base_en", size=128, sampling=sampling)
        phases = None  # the top block, then the top three of twelve

    print(data)
    history = tlkit.fit(lm, data, phases=phases, batch_size=8, seed=options.seed)
    report = tlkit.evaluate(lm, data.test, history=history, batch_size=8)
    print(report)
    tlkit.export(lm, options.out, report=report, overwrite=True)
    print(f"SavedModel: {options.out}/saved_model/1")


if __name__ == "__main__":
    main()
