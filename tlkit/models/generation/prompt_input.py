"""Prompt input: pairs of texts to learn from, prompts to answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np

from tlkit.config import Reading
from tlkit.data import text_pairs
from tlkit.errors import InputError
from tlkit.models.backbone import Backbone
from tlkit.models.generation.decoding import Sampling, writer
from tlkit.models.generation.prompt_tokenizer import ReplyTokens, SummaryTokens
from tlkit.models.text import text_input, text_presets
from tlkit.models.text.families import SEQ2SEQ
from tlkit.models.text.text_presets import Lexicon
from tlkit.utils.lazy import resolve

if TYPE_CHECKING:
    import tensorflow as tf

    from tlkit.data.splits import Split
    from tlkit.models.weights import Found

MIN_TOKENS = 8
MAX_OPENING_WORDS = 5  # of a text without a prompt, which serve as its prompt


@dataclass(frozen=True)
class PromptInput:
    """The input of a generator: pairs of strings (batch, 2) to learn from, prompts (batch,) to answer.

    Args:
        size: tokens of prompt and reply together, or of a document.
        limit: the most tokens the architecture has positions for.
        length: the most tokens of a reply or a summary.
        separator: what stands between a prompt and its reply; empty for a model that continues texts.
        family: the kind of backbone, a key of `tlkit.models.text.families.KINDS`.
        sampling: how the exported model chooses tokens.
        vocabulary: what the tokenizer knows, when the weights do not bring it.
    """

    size: int = 128
    limit: int = 1024
    length: int = 64
    separator: str = "\n"
    family: str = "gpt2"
    sampling: Sampling = field(default_factory=Sampling)
    vocabulary: Lexicon | None = None
    kind: Literal["text"] = "text"  # of the data it takes
    features: tuple[str, ...] = ("scores",)
    ops: tuple[str, ...] = ("tensorflow_text",)
    segments: int = 2

    def __post_init__(self) -> None:
        if isinstance(self.sampling, Mapping):  # as an artifact has it
            object.__setattr__(self, "sampling", Sampling(**self.sampling))

    @property
    def summarizes(self) -> bool:
        """True if an encoder reads the prompt."""
        return self.family in SEQ2SEQ

    def sized(self, size: int | None, length: int | None = None) -> PromptInput:
        """Return this input for other numbers of tokens.

        Raises:
            InputError: more than the architecture has positions for, or no room for prompt and reply.
        """
        size = self.size if size is None else size
        if not (isinstance(size, int) and MIN_TOKENS <= size <= self.limit):
            raise InputError(f"size {size!r} does not suit this backbone; give {MIN_TOKENS} to {self.limit} tokens")
        length = (self.length if self.summarizes else size // 2) if length is None else length
        max_length = self.limit if self.summarizes else size - MIN_TOKENS // 2
        if not (isinstance(length, int) and MIN_TOKENS // 2 <= length <= max_length):
            raise InputError(
                f"length {length!r} does not suit size={size}; give {MIN_TOKENS // 2} to {max_length} tokens"
            )
        return dataclasses.replace(self, size=size, length=length)

    def paired(self) -> PromptInput:
        """Return this input, which is one for pairs."""
        return self

    def tensor(self) -> keras.KerasTensor:
        """Build the symbolic pairs (batch, 2)."""
        return keras.Input((2,), dtype="string", name="text")

    def assemble(self, row: Backbone, found: Found | None) -> tuple[keras.layers.Layer, keras.Model]:
        """Build the tokenizing `pre` and the backbone (ids -> {"scores"}), whose layers are KerasHub's own.

        The token embedding is passed twice, the second time to compare with each token. It is so in one graph, as Keras
        does not load a layer that two models share.
        """
        if found is not None and found.path.is_dir():
            bare, known = text_presets.read(found.path, self.family, row.name)
        else:
            bare = resolve(row.builder)(**row.arguments)
            known = self.vocabulary or text_presets.made_up(self.family, False)
            if found is not None:
                text_input.load_file(bare, row, found.path)
        if (positions := bare.max_sequence_length if hasattr(bare, "max_sequence_length") else self.limit) < self.size:
            raise InputError(f"size={self.size} is more than the {positions} tokens these weights have positions for")
        kind = SummaryTokens if self.summarizes else ReplyTokens
        options = {"family": self.family, "separator": "" if self.summarizes else self.separator, "name": "pre"}
        pre = kind(known.words, known.merges, self.size, self.length, **options)
        output = bare.output["decoder_sequence_output"] if self.summarizes else bare.output
        logits = bare.token_embedding(output, reverse=True)
        return pre, keras.Model(bare.input, {"scores": logits}, name=row.name)

    def texts(self, items: Sequence[Any]) -> tf.data.Dataset:
        """Return a data set of pairs, as strings (2,).

        Raises:
            InputError: an example that is no pair; a text alone is a reply to no prompt.
        """
        import tensorflow as tf

        for number, item in enumerate(items):
            if not isinstance(item, str) and not text_pairs.is_pair(item):
                raise InputError(f"item {number} is a {type(item).__name__}, not a text or a pair of texts")
        raw = [list(text_pairs.parts(item)) if text_pairs.is_pair(item) else ["", str(item)] for item in items]
        return tf.data.Dataset.from_tensor_slices(tf.constant(raw, tf.string, (len(raw), 2)))

    def batches(self, split: Split, reading: Reading, view: int = 0, rows: Any = None) -> tf.data.Dataset:
        """Read a split, or the examples of `rows`, as batches of pairs; texts have no augmented views."""
        items = list(split.items) if rows is None else [split.items[row] for row in rows]
        return self.texts(items).batch(reading.batch_size).prefetch(2)

    def lengths(self, pre: keras.layers.Layer, items: Any) -> np.ndarray:
        """Return the number of tokens of each pair (of a summary's, its document), as far as it is read: int64 (n,)."""
        return np.minimum(self.tokens(pre, items), self.size)

    def tokens(self, pre: keras.layers.Layer, items: Any) -> np.ndarray:
        """Return the number of tokens of each pair, or document, read or not: int64 (n,)."""
        counts = [pre.lengths(batch) for batch in self.texts(list(items)).batch(1024)]
        return np.concatenate([np.zeros(0, np.int64), *counts])

    def endpoints(self, lm: keras.Model) -> tuple[dict[str, tuple[Callable, list]], list[Any]]:
        """Describe the exported endpoints, and the variables beyond the model's own that they use.

        `generate`, the default one, takes prompts (batch,) and gives `text` and `dropped` (batch,); `logits` takes
        pairs (batch, 2) and gives the logits (batch, tokens, vocabulary) of each next token.
        """
        import tensorflow as tf

        prompts = [tf.TensorSpec((None,), tf.string, name="text")]
        write, drawn = writer(lm, self.sampling)
        write = tf.function(write, input_signature=prompts)  # token by token in Python would take long
        pairs = [tf.TensorSpec((None, 2), tf.string, name="text")]
        return {
            "serving_default": (write, prompts),
            "generate": (write, prompts),
            "logits": (lambda text: {"logits": lm(text, training=False)}, pairs),
        }, drawn

    def encode(self, items: Any) -> tuple[str, tf.Tensor]:
        """Check that the examples are prompts: texts that are not empty.

        Raises:
            InputError: naming the first that is none.
        """
        import tensorflow as tf

        for number, item in enumerate(items):
            if not isinstance(item, str):
                raise InputError(f"item {number} is a {type(item).__name__}, not a text; give strings")
            if not item.strip():
                raise InputError(f"item {number} is an empty prompt; give it at least a word to answer to")
        return "serving_default", tf.constant(list(items))

    def asked(self, samples: Sequence[Any]) -> list[tuple[str, str, list[Any]]]:
        """List what an exported model is proved by: the logits of pairs, and the texts it writes to their prompts."""
        raw = [[part.encode() for part in text_pairs.parts(item)] if text_pairs.is_pair(item) else [b"", item.encode()]
               for item in samples]  # fmt: skip
        prompts = [prompt.strip() or b" ".join(text.split()[:MAX_OPENING_WORDS]) or b"a" for prompt, text in raw]
        return [("logits", "logits", raw), ("serving_default", "text", prompts)]

    def made_up(self) -> list[Any]:
        """Return a few pairs that differ in length and words."""
        texts = ["A short text.", "Another one, about the price of fish in the north.", "word " * self.size]
        return list(zip(texts, texts[1:] + texts[:1], strict=True))

    def facts(self) -> dict[str, Any]:
        """Return the arguments that build this input again."""
        arguments = {"kind": "prompt", "size": self.size, "limit": self.limit, "length": self.length}
        arguments |= {"separator": self.separator, "family": self.family}
        return arguments | {"sampling": dataclasses.asdict(self.sampling)}
