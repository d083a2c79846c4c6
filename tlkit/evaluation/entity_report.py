"""Report of an entity tagger: F1, exact in span and type, from the tags of the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tlkit.errors import InputError
from tlkit.evaluation import significance
from tlkit.evaluation.report_base import WORST, Measured
from tlkit.tasks import bio_tags
from tlkit.tasks.entities import NO_TOKEN, WORD
from tlkit.utils import text_format

SMALLEST = 1e-7  # the probability below which Keras, too, clips before it takes the logarithm
ROWS = 20  # types and pairs of types that a terminal shows


@dataclass(frozen=True, eq=False, kw_only=True)
class EntityReport(Measured):
    """Hold what was measured on one split of a model that finds entities.

    An entity counts as found where its first and last word and its type are right. An I- tag without a B- begins an
    entity, as the CoNLL shared tasks score it. Besides the fields of `Measured`, where `loss` is the mean over the
    texts of the mean cross-entropy of their words in nats:

    Args:
        precision, recall, f1: of all entities together, 0..1; 0 where nothing can be counted.
        accuracy: the share of words whose tag is right, O included, 0..1.
        per_type: for each type its label, precision, recall, f1 and support (the number of its entities).
        confused: for each pair of types that was mixed up, the words being right, its `true`, `answered` and `count`,
            the most frequent first.
        words: the number of words, without those the tokenizer makes nothing of.
        unread_words, unread_entities: how many lie wholly or in part beyond the tokens that the model reads; it answers
            O there, so that they count as missed.
        tags: of each text the true BIO tags of its words, and those that were answered; None after loading.
    """

    target: ClassVar[str] = "entities"
    tested: ClassVar[str] = "missed"
    chosen: ClassVar[str] = "The texts with the most entities that were missed or made up."
    hidden: ClassVar[tuple[str, ...]] = ("tags", "samples")
    precision: float
    recall: float
    f1: float
    accuracy: float
    per_type: Sequence[Mapping[str, Any]]
    confused: Sequence[Mapping[str, Any]] = ()
    words: int = 0
    unread_words: int = 0
    unread_entities: int = 0
    tags: Sequence[tuple[Sequence[str], Sequence[str]]] | None = None

    @classmethod
    def of(
        cls, target: Any, truth: np.ndarray, answers: Sequence[np.ndarray], facts: Mapping[str, Any]
    ) -> EntityReport:
        """Compare probabilities (batch, tokens, tags) with the truths (n, columns) that `Entities.truths` gives."""
        read = [row for batch in answers for row in np.asarray(batch)]
        if len(read) != len(truth):
            raise InputError(f"{len(truth)} texts have {len(read)} answers; evaluate the split the answers are of")
        texts = [_text(own, given) for own, given in zip(truth, read, strict=True)]
        true = [[target.labels[tag] for tag in text[0]] for text in texts]
        said = [[target.labels[tag] for tag in text[1]] for text in texts]
        beyond = [len(tags) - text[2] for tags, text in zip(true, texts, strict=True)]
        cut = sum(
            end > len(tags) - unread
            for tags, unread in zip(true, beyond, strict=True)
            for _, _, end in bio_tags.spans(tags)
        )
        words = sum(map(len, true))
        right = sum(a == b for pair in zip(true, said, strict=True) for a, b in zip(*pair, strict=True))
        facts = {**facts, "notes": (*facts["notes"], *_notes(sum(beyond), cut, int((truth == NO_TOKEN).sum())))}
        return cls(
            labels=target.labels,
            n=len(truth),
            loss=float(np.mean([text[3] for text in texts])),
            accuracy=right / words if words else 0.0,
            words=words,
            unread_words=sum(beyond),
            unread_entities=cut,
            tags=tuple(zip(true, said, strict=True)),
            **counted(true, said, target.types),
            **facts,
        )

    @property
    def figures(self) -> dict[str, float]:
        """F1, precision and recall of the entities, accuracy of the words, loss."""
        names = ("f1", "precision", "recall", "accuracy", "loss")
        return {name: getattr(self, name) for name in names}

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The figures of each type."""
        return self.per_type

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the intervals, over texts, of all headline figures but the loss; nothing after loading."""
        if self.tags is None:
            return {}
        sums = []
        for true, said in self.tags:
            here, there = set(bio_tags.spans(true)), set(bio_tags.spans(said))
            right = sum(a == b for a, b in zip(true, said, strict=True))
            sums.append((len(here & there), len(there), len(here), right, len(true)))

        def figures(total: np.ndarray) -> dict[str, float]:
            return _figures(*total[:3]) | {"accuracy": total[3] / max(total[4], 1)}

        return significance.of_sums(np.array(sums), figures)

    @property
    def each(self) -> Mapping[str, np.ndarray]:
        """How many entities of each text were missed or made up; nothing after loading."""
        if self.tags is None:
            return {}
        return {
            "missed": np.array([len(set(bio_tags.spans(a)) ^ set(bio_tags.spans(b))) for a, b in self.tags], np.float64)
        }

    def worst(self, items: Sequence[Any] = ()) -> list[tuple[int, str, str, str]]:
        """Return the texts with the most entities that were missed or made up."""
        told = []
        for number, (true, said) in enumerate(self.tags or ()):
            here, there = set(bio_tags.spans(true)), set(bio_tags.spans(said))
            if off := len(here ^ there):
                own = WORD.findall(items[number]) if len(items) else []
                told.append((number, _named(true, own), _named(said, own), f"{off} missed or made up"))
        return sorted(told, key=lambda row: -int(row[3].split()[0]))[:WORST]

    def lines(self) -> list[str]:
        """Write the figures by type; of many types the most frequent; and what is mixed up most."""
        rows = sorted(self.per_type, key=lambda row: -row["support"])[:ROWS]
        width = max(len("type"), *(len(text_format.short(row["label"])) for row in rows))
        lines = [
            f"entity F1 {self.f1:.3f}   precision {self.precision:.3f}   recall {self.recall:.3f}   "
            f"word accuracy {self.accuracy:.3f}   loss {self.loss:.3f}",
            "",
            f"{'type':<{width}}  precision  recall     f1  entities",
        ]
        for row in rows:
            name = f"{text_format.short(row['label']):<{width}}"
            figures = f"{row['precision']:>9.3f}  {row['recall']:>6.3f}  {row['f1']:>5.3f}  {row['support']:>8}"
            lines.append(f"{name}  {figures}")
        pairs = ", ".join(f"{row['true']} as {row['answered']} {row['count']}" for row in self.confused[:5])
        return [*lines, f"most confused: {pairs}"] if pairs else lines

    def _about(self) -> str:
        return f"{self.words:,} words, {len(self.per_type)} types of entities"

    @classmethod
    def restored(cls, found: dict[str, Any]) -> EntityReport:
        """Build the report from its JSON values."""
        return super().restored(found | {name: tuple(found[name]) for name in ("per_type", "confused")})


def counted(true: Sequence[Sequence[str]], said: Sequence[Sequence[str]], types: Sequence[str]) -> dict[str, Any]:
    """Count entities in texts whose words were tagged: the fields precision, recall, f1, per_type and confused.

    Args:
        true, said: for each text the true BIO tags of its words, and those that were answered.
        types: of the entities, in the order of the rows.
    """
    own, given, both, mixed = Counter(), Counter(), Counter(), Counter()
    for truth, answer in zip(true, said, strict=True):
        here, there = ({(start, end): kind for kind, start, end in bio_tags.spans(tags)} for tags in (truth, answer))
        own.update(here.values())
        given.update(there.values())
        for place in here.keys() & there.keys():
            if here[place] == there[place]:
                both[here[place]] += 1
            else:
                mixed[here[place], there[place]] += 1
    rows = [{"label": kind, **_figures(both[kind], given[kind], own[kind]), "support": own[kind]} for kind in types]
    confused = [{"true": a, "answered": b, "count": count} for (a, b), count in mixed.most_common()]
    return {**_figures(both.total(), given.total(), own.total()), "per_type": rows, "confused": confused}


def _figures(both: int, given: int, own: int) -> dict[str, float]:
    precision, recall = both / given if given else 0.0, both / own if own else 0.0
    return {"precision": precision, "recall": recall, "f1": 2 * both / (given + own) if given + own else 0.0}


def _named(tags: Sequence[str], words: Sequence[str]) -> str:
    """Name the entities of a text: the type, and its words where these are as many as the tags."""
    found = [(kind, " ".join(words[start:end])) for kind, start, end in bio_tags.spans(tags)]
    if len(words) != len(tags):
        return ", ".join(kind for kind, _ in found) or "no entities"
    return ", ".join(f"{kind} {text}" for kind, text in found) or "no entities"


def _text(truth: np.ndarray, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Return the true and the answered tags of a text's words, how many were read, and the loss of those."""
    (places,) = np.nonzero(truth >= 0)
    tags = truth[places]
    read = places[places < len(answer)]
    said = np.zeros_like(tags)  # O, where nothing was read
    said[: len(read)] = answer[read].argmax(-1)
    chances = np.clip(answer[read, tags[: len(read)]], SMALLEST, 1)
    return tags, said, len(read), float(-np.log(chances).mean()) if len(read) else 0.0


def _notes(words: int, entities: int, lost: int) -> list[str]:
    notes = []
    if words:
        notes.append(
            f"{words:,} words, with {entities:,} entities wholly or in part, lie beyond the tokens that are read and "
            f"count as answered O; a larger size reads more"
        )
    if lost:
        notes.append(f"{lost:,} words of which the tokenizer makes nothing are left out of the figures")
    return notes
