"""Report of a model that writes text: perplexity, a few samples, and ROUGE of its summaries."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tlkit.data import text_pairs
from tlkit.evaluation import significance
from tlkit.evaluation.report_base import Measured
from tlkit.models.generation import decoding

if TYPE_CHECKING:
    import keras

SHOWN, LETTERS = 4, 300  # texts in a report, and letters of each
MOST = 200  # documents that are summarized for ROUGE
ROUGE = ("rouge1", "rouge2", "rougeL")
SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, eq=False, kw_only=True)
class ReplyReport(Measured):
    """Hold what was measured on one split of a model that replies to prompts or continues texts.

    Besides the fields of `Measured`, where `loss` is the mean cross-entropy of a token in nats, all tokens of the
    replies counting alike:

    Args:
        perplexity: e to the loss.
        token_accuracy: the share of the tokens that the model finds the likeliest, 0..1.
        tokens: how many were measured.
        cut: how many examples were too long and not read as a whole.
        written: of a few examples the prompt, the truth and what the model writes.
        sums: of each example loss, right tokens and tokens (n, 3); None after loading.
    """

    target: ClassVar[str] = "reply"
    tested: ClassVar[str] = "loss"
    hidden: ClassVar[tuple[str, ...]] = ("sums", "samples")
    perplexity: float
    token_accuracy: float
    tokens: int
    cut: int = 0
    written: Sequence[Mapping[str, str]] = ()
    sums: np.ndarray | None = None

    @classmethod
    def kept(cls, target: Any, truth: np.ndarray, answer: Any) -> np.ndarray:
        """Sum up loss, right tokens and tokens of each example: float32 (batch, 3); logits would fill the memory."""
        return np.stack([part.numpy().sum(-1) for part in target.tokens(truth, answer)], -1)

    @classmethod
    def beyond(cls, clf: keras.Model, split: Any) -> dict[str, Any]:
        """Let the model write to a few prompts, and count what was too long."""
        chosen = _spread(len(split.items), SHOWN)
        cut = int((clf.spec.input.tokens(clf.get_layer("pre"), split.items) > clf.spec.input.size).sum())
        return {"cut": cut, "written": _written(clf, [split.items[number] for number in chosen])}

    @classmethod
    def of(cls, target: Any, truth: np.ndarray, answers: Sequence[np.ndarray], facts: Mapping[str, Any]) -> ReplyReport:
        """Put the sums that `kept` gave together; `facts` holds `cut` and `written` too."""
        sums = np.concatenate(answers).astype(np.float64)
        own, tokens, count = _of_tokens(sums.sum(0)), sums[:, 2].sum(), len(truth)
        notes, cut = list(facts["notes"]), facts.get("cut", 0)
        if cut:
            notes.append(f"{cut} of {count} examples are longer than the model reads and were cut; a larger size helps")
        how = {**facts, "notes": tuple(notes)}
        return cls(labels=target.labels, n=count, tokens=int(tokens), sums=sums, **own, **how)

    @property
    def figures(self) -> dict[str, float]:
        """Perplexity, token accuracy and loss."""
        return {"perplexity": self.perplexity, "token_accuracy": self.token_accuracy, "loss": self.loss}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the intervals, over examples, of perplexity, token accuracy and loss; nothing after loading."""
        return {} if self.sums is None else significance.of_sums(self.sums, _of_tokens)

    @property
    def each(self) -> Mapping[str, np.ndarray]:
        """The loss of each text as a whole, so that tokens of other lengths compare; nothing after loading."""
        return {} if self.sums is None else {"loss": self.sums[:, 0]}

    def lines(self) -> list[str]:
        """Write the figures and the texts."""
        told = f"perplexity {self.perplexity:.2f}   token accuracy {self.token_accuracy:.3f}   loss {self.loss:.3f}"
        texts = [f"{name:>7}: {one[name]}" for one in self.written for name in ("prompt", "truth", "model")]
        return [told, *([""] if texts else []), *texts]

    def _about(self) -> str:
        return f"{self.tokens} tokens"


@dataclass(frozen=True, eq=False, kw_only=True)
class SummaryReport(ReplyReport):
    """Hold what was measured on one split of a model that summarizes; besides the fields of `ReplyReport`:

    Args:
        rouge: the mean F-measures of ROUGE-1, ROUGE-2 and ROUGE-L, 0..1, with stemming, by the package rouge-score.
        lead: the same of the first sentence of each document.
        summarized: how many documents that was measured on.
        scores: the F-measures of each (summarized, 3); None after loading.
    """

    target: ClassVar[str] = "summary"
    hidden: ClassVar[tuple[str, ...]] = ("scores", "sums", "samples")
    rouge: Mapping[str, float]
    lead: Mapping[str, float]
    summarized: int
    scores: np.ndarray | None = None

    @classmethod
    def beyond(cls, clf: keras.Model, split: Any) -> dict[str, Any]:
        """Summarize the documents, or 200 of many, spread over the split, and compare."""
        found = super().beyond(clf, split)
        chosen = [text_pairs.parts(split.items[number]) for number in _spread(len(split.items), MOST)]
        documents, truths = zip(*chosen, strict=True)
        written = decoding.generate(clf, documents)
        lead = [SENTENCE.split(document.strip())[0] for document in documents]
        scores = rouge_each(truths, written)
        means = dict(zip(ROUGE, map(float, scores.mean(0)), strict=True))
        return found | {"rouge": means, "lead": rouge(truths, lead), "summarized": len(chosen), "scores": scores}

    @property
    def figures(self) -> dict[str, float]:
        """ROUGE, perplexity and loss."""
        first = {name: self.rouge[name] for name in ("rougeL", "rouge1", "rouge2")}
        return first | {"perplexity": self.perplexity, "loss": self.loss}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the intervals of ROUGE, over documents, and those of a `ReplyReport`; nothing after loading."""
        if self.scores is None:
            return super().intervals()
        n = len(self.scores)
        found = significance.of_sums(self.scores, lambda total: dict(zip(ROUGE, map(float, total / n), strict=True)))
        return found | super().intervals()

    def lines(self) -> list[str]:
        """Write the figures beside those of the first sentences, and the texts."""
        head, *texts = super().lines()
        rows = [("the model", self.rouge), ("first sentence", self.lead)]
        table = [f"{name:<14}  " + "   ".join(f"{each:.3f}" for each in row.values()) for name, row in rows]
        return [head, f"{'':<14}  ROUGE-1 ROUGE-2 ROUGE-L ({self.summarized} documents)", *table, *texts]


def rouge(truths: Sequence[str], written: Sequence[str]) -> dict[str, float]:
    """Return the mean F-measures of texts against the truth, 0..1."""
    return dict(zip(ROUGE, map(float, rouge_each(truths, written).mean(0)), strict=True))


def rouge_each(truths: Sequence[str], written: Sequence[str]) -> np.ndarray:
    """Return the F-measures of each text against the truth (n, 3), in the order of ROUGE."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    scores = [scorer.score(truth, text) for truth, text in zip(truths, written, strict=True)]
    return np.array([[score[name].fmeasure for name in ROUGE] for score in scores]).reshape(-1, len(ROUGE))


def _of_tokens(total: np.ndarray) -> dict[str, float]:
    """Return the figures from sums of loss, right tokens and tokens."""
    loss, right, tokens = (float(each) for each in total)
    loss /= max(tokens, 1)
    # beyond 700 no float holds the perplexity
    return {"perplexity": math.exp(min(loss, 700)), "token_accuracy": right / max(tokens, 1), "loss": loss}


def _spread(count: int, most: int) -> list[int]:
    return np.linspace(0, count - 1, min(most, count)).astype(int).tolist() if count else []


def _written(clf: keras.Model, items: Sequence[Any]) -> list[dict[str, str]]:
    """Let the model write beside the truth; a text without a prompt is begun with its first words."""
    named = {output: raw for _, output, raw in clf.spec.input.asked(items)} if items else {"text": []}
    prompts = [prompt.decode() for prompt in named["text"]]
    texts = decoding.generate(clf, prompts) if prompts else []
    truths = [text_pairs.parts(item)[1] if text_pairs.is_pair(item) else str(item) for item in items]
    rows = zip(prompts, truths, texts, strict=True)
    return [{"prompt": _short(p), "truth": _short(t), "model": _short(w)} for p, t, w in rows]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 3]}..."
