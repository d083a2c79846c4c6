"""Predictions: the results of `predict`, for every task."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tlkit.utils.escaping import line


@dataclass(frozen=True)
class Prediction:
    """The predicted label of one example.

    Args:
        label: the most probable label; None if it is less probable than the requested threshold.
        probability: of the most probable label.
        top_k: the most probable labels with their probabilities, best first.
    """

    label: str | None
    probability: float
    top_k: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return f"{'?' if self.label is None else line(self.label)}\t{self.probability:.4f}"

    def unless_below(self, threshold: float) -> Prediction:
        """Return the prediction, with label None if it is less probable than `threshold`."""
        return self if self.probability >= threshold else replace(self, label=None)


@dataclass(frozen=True)
class TagsPrediction:
    """The predicted tags of one example.

    Args:
        tags: those with a probability of at least a half, the most probable first; often none.
        top_k: the most probable tags with their probabilities, best first.
    """

    tags: tuple[str, ...]
    top_k: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        shares = " ".join(f"{name}={share:.4f}" for name, share in self.top_k)
        return f"{line('|'.join(self.tags))}\t{line(shares)}"


@dataclass(frozen=True)
class ValuePrediction:
    """The predicted number of one example.

    Args:
        name: the name of the quantity.
        value: in the unit of the training data.
    """

    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.value:.6g}\t{line(self.name)}"


@dataclass(frozen=True)
class Span:
    """One predicted entity in a text.

    Args:
        text: its words, joined by spaces.
        type: such as "PER".
        start, end: the numbers of its first word and of the one after its last.
        probability: the lowest probability among the tags of its words.
    """

    text: str
    type: str
    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class EntitiesPrediction:
    """The predicted entities of one text.

    Args:
        tokens: the words of the text.
        tags: a BIO tag for each; O for those the model does not read.
        probabilities: those of the tags; 0 for a word the model does not read.
        spans: the entities, in the order of the text.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    probabilities: tuple[float, ...]
    spans: tuple[Span, ...]

    def __str__(self) -> str:
        return (
            "\t".join(line(f"{span.type}={span.text} {span.probability:.4f}") for span in self.spans) or "no entities"
        )


@dataclass(frozen=True)
class TextPrediction:
    """One generated text.

    Args:
        text: the reply to a prompt, or the summary of a document.
        dropped: how many tokens of the prompt or document were not read, as it was too long: the first ones of a
            prompt, the last ones of a document.
    """

    text: str
    dropped: int = 0

    def __str__(self) -> str:
        return line(" ".join(self.text.split()))
