"""Does pretraining help a model that writes? A small GPT-2, pretrained here on four topics of BBC News, learns a fifth.

Run:    python benchmarks/generation.py [--out generation.json] [--smoke]

The network (2 layers, 128 wide, 2,048 byte pairs learned from the four topics) is pretrained once, on real text, by
tlkit itself. Then 20 articles of the fifth topic, sport, are learned, other ones with each of three seeds: by the
pretrained network, by the same network from scratch, both with all weights and the same budget; and by the pretrained
network with its top block alone and then both blocks, whose embedding stays frozen. Perplexity is of the same 60 other
articles of sport. The tokens know nothing of sport either way.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import tlkit
from tlkit.models.generation.generators import blocks
from tlkit.models.generation.prompt_input import PromptInput
from tlkit.models.text.families import KINDS
from tlkit.models.text.text_presets import Lexicon

WORDS, TOKENS, WORDS_EACH = 2048, 64, 36  # byte pairs, tokens of an example, words of a piece of an article
BEGIN, FINE = 2e-3, 1e-3  # learning rates
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>")


def lexicon(texts: list[str]) -> Lexicon:
    """Learn byte pairs from texts."""
    from tokenizers import ByteLevelBPETokenizer

    made = ByteLevelBPETokenizer()
    made.train_from_iterator(texts, vocab_size=WORDS, special_tokens=list(SPECIAL), show_progress=False)
    found = json.loads(made._tokenizer.to_str())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in found["merges"]]
    return Lexicon(tuple(sorted(found["vocab"], key=found["vocab"].get)), tuple(merges))


def row(family: str, known: Lexicon, *, size: int, length: int, layers: int = 2, width: int = 128) -> tlkit.Backbone:
    """Describe a small network with these tokens."""
    given = PromptInput(size=size, limit=size, length=length, family=family, separator="", vocabulary=known)
    shape = {"num_layers": layers, "num_heads": 4, "hidden_dim": width, "intermediate_dim": 4 * width}
    shape |= {"vocabulary_size": len(known.words), "max_sequence_length": size, "dropout": 0.1}
    kind = KINDS[family]
    return tlkit.Backbone(f"small_{family}", f"keras_hub.models:{kind.backbone}", given, blocks, kind.stem, shape)


def pieces(article: str) -> list[str]:
    """Cut an article into pieces of some words."""
    words = article.split()
    return [" ".join(words[start : start + WORDS_EACH]) for start in range(0, len(words), WORDS_EACH)]


def data(train: list, val: list, test: list, task: str = "reply") -> tlkit.Data:
    """Put examples together."""
    parts = [tlkit.Split(list(items), np.zeros(len(items), np.int64)) for items in (train, val, test)]
    return tlkit.Data(*parts, labels=(task,), kind="text", source="benchmark", splitting="by hand", task=task)


def weights(lm: keras.Model, path: Path) -> Path:
    """Keep the weights of the bare backbone."""
    lm.layers[-2].save_weights(path)
    return path


def main() -> None:
    """Pretrain, fine-tune with three seeds, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="generation.json")
    parser.add_argument("--smoke", action="store_true", help="seconds; the figures mean nothing")
    options = parser.parse_args()
    most, begun, epochs, seeds = (300, 1, 1, 1) if options.smoke else (6000, 4, 3, 3)
    news = tlkit.bbc_news()
    topics: dict[str, list[str]] = {}
    for split in news.splits().values():
        for text, label in zip(split.items, split.labels, strict=True):
            topics.setdefault(news.labels[label], []).append(text)
    sport = topics.pop("sports")
    rng = np.random.default_rng(0)
    general = [piece for texts in topics.values() for text in texts for piece in pieces(text)]
    general = [general[number] for number in rng.permutation(len(general))[:most]]
    small = row("gpt2", lexicon(general), size=TOKENS, length=TOKENS // 2)

    lm = tlkit.generator(small, weights=None, separator="")

    def network(path: Path | None, seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        lm.set_weights(tlkit.generator(small, weights=None, separator="").get_weights())
        if path is not None:
            lm.layers[-2].load_weights(path)
        return lm

    folder, started = Path(tempfile.mkdtemp()), time.process_time()
    pretrained = network(None, 0)
    first = tlkit.Phase("pretraining", begun, BEGIN, "all")
    tlkit.fit(pretrained, data(general[200:], general[:200], []), phases=[first], seed=0)
    path = weights(pretrained, folder / "pretrained.weights.h5")
    told: dict[str, object] = {"pretraining_cpu_s": time.process_time() - started}
    held = [piece for text in sport[-60:] for piece in pieces(text)][:most]
    top = [tlkit.Phase("top", epochs, FINE, 1), tlkit.Phase("deeper", epochs, FINE, 2)]
    arms = {
        "pretrained, all weights": (path, [tlkit.Phase("all", 2 * epochs, FINE, "all")]),
        "pretrained, top blocks": (path, top),
        "from scratch": (None, [tlkit.Phase("all", 2 * epochs, FINE, "all")]),
    }
    told["pretrained, not fine-tuned"] = [tlkit.evaluate(pretrained, data([], [], held).test).perplexity]
    for seed in range(seeds):
        chosen = [sport[number] for number in np.random.default_rng(seed).permutation(len(sport) - 60)[:30]]
        train, val = ([piece for text in part for piece in pieces(text)] for part in (chosen[:20], chosen[20:]))
        for name, (start, phases) in arms.items():
            network(start, seed)
            tlkit.fit(lm, data(train, val, held), phases=phases, batch_size=16, seed=seed, progress=False)
            report = tlkit.evaluate(lm, data(train, val, held).test)
            told.setdefault(name, []).append(report.perplexity)
            print(f"seed {seed}  {name:<24} perplexity {report.perplexity:.1f}", flush=True)
    told["cpu_s"] = time.process_time() - started
    Path(options.out).write_text(json.dumps(told, indent=1))
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
