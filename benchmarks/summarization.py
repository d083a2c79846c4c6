"""Does pretraining help a summarizer? A small BART, pretrained here by denoising real text, learns SciTLDR.

Run:    python benchmarks/summarization.py --data ../shared/data/summaries [--out summarization.json] [--smoke]

The network (2 + 2 layers, 128 wide, 2,048 byte pairs) is pretrained once, by tlkit itself: a third of the words of a
piece of an abstract of SciTLDR's training split, or of an article of BBC News, are masked, and it writes the piece
again. Then 300 abstracts and their summaries are learned, other ones with each of three seeds, by the pretrained
network and by the same network from scratch, with all weights and the same budget. ROUGE is of the same 60 abstracts of
the test split, beside that of their first sentences. No summary was seen in pretraining.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from generation import data, lexicon, pieces, row, weights

import tlkit
from tlkit.data.text_pairs import Pair

RATE = 5e-4  # of learning: normalised after each layer, the network stalls where a GPT-2 can take 2e-3
SIZE, LENGTH, MASKED = 112, 48, 1 / 3  # tokens of a document and of a summary; share of the words
TAUGHT, TOLD = 300, 60  # examples that are learned, and that are summarized


def noisy(piece: str, rng: np.random.Generator) -> Pair:
    """Mask words of a text, neighbours by one mask, and ask for the text."""
    words: list[str] = []
    for word in piece.split():
        hidden = rng.random() < MASKED
        if not (hidden and words and words[-1] == "_"):
            words.append("_" if hidden else word)
    return Pair(" ".join(words), piece)


def main() -> None:
    """Pretrain, fine-tune with three seeds, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="../shared/data/summaries")
    parser.add_argument("--out", default="summarization.json")
    parser.add_argument("--smoke", action="store_true", help="seconds; the figures mean nothing")
    options = parser.parse_args()
    most, begun, epochs, seeds = (300, 1, 1, 1) if options.smoke else (4000, 5, 3, 3)
    papers, rng = tlkit.summaries(options.data), np.random.default_rng(0)
    abstracts = [item.parts[0] for item in papers.train.items]
    texts = [piece for text in (*abstracts, *tlkit.bbc_news().train.items) for piece in pieces(text)]
    texts = [texts[number] for number in rng.permutation(len(texts))[:most]]
    small = row("bart", lexicon(texts), size=SIZE, length=LENGTH)

    lm = tlkit.summarizer(small, weights=None)

    def network(path: Path | None, seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        lm.set_weights(tlkit.summarizer(small, weights=None).get_weights())
        if path is not None:
            lm.layers[-2].load_weights(path)
        return lm

    folder, started = Path(tempfile.mkdtemp()), time.process_time()
    pretrained, pairs = network(None, 0), [noisy(text, rng) for text in texts]
    first = tlkit.Phase("denoising", begun, RATE, "all")
    tlkit.fit(pretrained, data(pairs[200:], pairs[:200], [], "summary"), phases=[first], batch_size=16, seed=0)
    path = weights(pretrained, folder / "pretrained.weights.h5")
    told: dict[str, object] = {"pretraining_cpu_s": time.process_time() - started}
    test, val = papers.test.items[: min(TOLD, most)], papers.val.items[: min(100, most)]
    for seed in range(seeds):
        chosen = np.random.default_rng(seed).permutation(len(papers.train))[: min(TAUGHT, most)]
        given = data([papers.train.items[number] for number in chosen], val, test, "summary")
        for name, start in (("pretrained", path), ("from scratch", None)):
            network(start, seed)
            phases = [tlkit.Phase("all", 2 * epochs, RATE, "all")]
            tlkit.fit(lm, given, phases=phases, batch_size=16, seed=seed, progress=False)
            report = tlkit.evaluate(lm, given.test)
            told.setdefault(name, []).append(report.figures)
            told["first sentence"] = report.lead
            print(f"seed {seed}  {name:<13} {report.figures}", flush=True)
    told["cpu_s"] = time.process_time() - started
    Path(options.out).write_text(json.dumps(told, indent=1))
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
