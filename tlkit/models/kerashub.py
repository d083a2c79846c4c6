"""The only module that uses private parts of KerasHub and keras-cv: their tokenizers, presets, backbones and tasks.

Both may rename these in any minor version, so setup.cfg sets upper bounds. When you raise one, run
tests/models/test_kerashub.py first: it checks what each function here relies on. What the documentation of these
libraries promises is used wherever it is needed.
"""

from __future__ import annotations

import inspect
import operator
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tlkit.models import keras_graph

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# === Tokenizers ===

# builds a tokenizer or a packer in the form that runs in a TensorFlow graph, eagerly too
IN_GRAPH = {"_allow_python_workflow": False}
SPLITTING_TABLES = ("byte2unicode", "token_to_id_map", "merge_ranks", "_sentence_piece")
JOINING_TABLES = ("unicode2byte", "id_to_token_map")


def ragged(tokenizer: Any) -> Callable:
    """Return a function that splits texts into a ragged tensor of ids (batch, tokens).

    Where no graph is built, the tokenizer itself would turn the ids into lists.
    """
    from keras_hub.src.utils.tensor_utils import no_convert_scope

    def split(texts: tf.Tensor) -> tf.RaggedTensor:
        with no_convert_scope():
            return tokenizer(texts)

    return split


def byte_pairs(tokenizer: Any) -> Callable:
    """Return a function that splits texts into byte pairs, a ragged tensor of ids (batch, tokens).

    KerasHub's own keeps every word it has seen, which would put words of the training texts into exported models and
    let a server's memory grow without end. This one uses the same parts and keeps nothing.
    """
    import tensorflow as tf
    from keras_hub.src.tokenizers.byte_pair_tokenizer import split_strings_for_bpe

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])  # what it calls would be traced at every call
    def split(texts: tf.Tensor) -> tf.RaggedTensor:
        words = split_strings_for_bpe(texts)
        different, places = tf.unique(words.flat_values)
        letters = tf.strings.bytes_split(different)
        merged = tokenizer._bpe_merge_tf(letters.with_flat_values(tokenizer.byte2unicode.lookup(letters.flat_values)))
        ids = merged.with_flat_values(tokenizer.token_to_id_map.lookup(merged.flat_values))
        of_words = tf.RaggedTensor.from_row_splits(tf.gather(ids, places), words.row_splits)
        return of_words.merge_dims(1, 2)

    return split


def join_byte_pairs(tokenizer: Any, ids: tf.RaggedTensor) -> tf.Tensor:
    """Join the ids of byte pairs to texts, strings (batch,); an id that no token has is left out."""
    import tensorflow as tf

    words = ids.with_flat_values(tokenizer.id_to_token_map.lookup(ids.flat_values))
    letters = tf.strings.unicode_split(tf.strings.reduce_join(words, axis=-1), "UTF-8")
    return tf.strings.reduce_join(letters.with_flat_values(tokenizer.unicode2byte.lookup(letters.flat_values)), axis=-1)


def splitting_tables(tokenizer: Any) -> list[Any]:
    """List the tables and models in which a tokenizer looks up what it splits; an exported model must track them."""
    return [found for name in SPLITTING_TABLES if (found := getattr(tokenizer, name, None)) is not None]


def joining_tables(tokenizer: Any) -> list[Any]:
    """List the tables in which `join_byte_pairs` looks things up; an exported model must track them."""
    return [getattr(tokenizer, name) for name in JOINING_TABLES]


def byte_letters() -> list[str]:
    """Return the letter that stands for each of the 256 bytes in byte pairs."""
    from keras_hub.src.tokenizers.byte_pair_tokenizer import bytes_to_unicode

    return bytes_to_unicode()[1]


# === Presets ===


def backbone_class(folder: str) -> type:
    """Return the class of the backbone that a folder of KerasHub, Hugging Face or timm holds, by its config.json."""
    from keras_hub.src.utils.preset_utils import get_preset_loader

    return get_preset_loader(folder).check_backbone_class()


# === Backbones ===

RELATIVE_EMBEDDING = "rel_embedding"  # the name of a DeBERTa's layer of relative positions
CHAINS = {  # layers that call others one after another, and the attributes that hold those
    "ViTEncoder": "encoder_layers",
    "DeiTEncoder": "encoder_layers",
    "DINOV2Encoder": "layers",
    "SwinTransformerStage": "blocks",
}
# settings that get_config of a layer forgets, and the attributes that hold them
FORGOTTEN = {"HierarchicalTransformerEncoder": {"sr_ratio": "attn.sr_ratio", "drop_prob": "drop_prop"}}
LIBRARIES = ("keras_hub.", "keras_cv.")


def relative_embedding_shape(layer: Any) -> tuple[int, int]:
    """Return how many relative positions a DeBERTa's RelativeEmbedding has, and the width of their vectors."""
    return 2 * layer.bucket_size, layer.hidden_dim


def stage_ends(bare: keras.Model) -> list[str]:
    """Name the last operations of the stages of an image backbone as it states them for detectors, if it does."""
    tensors = getattr(bare, "pyramid_outputs", None)
    if tensors:
        return [keras_graph.producer(tensor).name for tensor in tensors.values()]
    return list((getattr(bare, "pyramid_level_inputs", None) or {}).values())


def is_chain(layer: Any) -> bool:
    """Tell whether a layer does nothing but call others one after another, which `unrolled` can call in its place."""
    return type(layer).__name__ in CHAINS


def unrolled(chain: Any, value: Any, marked: Callable[[Any], Any]) -> Any:
    """Call what a chain calls, one by one, so that the graph shows them.

    Args:
        chain: a layer for which `is_chain` is true.
        value: its input.
        marked: a function that is applied to the output of each layer of the chain.
    """
    # without the scores it gives a None beside its output, which no graph can hold
    options = {"return_attention_scores": True} if type(chain).__name__ == "DeiTEncoder" else {}
    dropout, norm, downsample = (getattr(chain, name, None) for name in ("dropout", "layer_norm", "downsample"))
    value = _part(chain, dropout)(value) if dropout is not None else value
    for layer in getattr(chain, CHAINS[type(chain).__name__]):
        given = _part(chain, layer)(value, **options)
        value = marked(given[0] if isinstance(given, list | tuple) else given)
    if downsample is not None:
        height, width = chain.input_resolution
        value = _part(chain, downsample)(value, H=height, W=width)
    return _part(chain, norm)(value) if norm is not None else value


def is_patch_embedding(layer: Any) -> bool:
    """Tell whether a layer is the first one of a Swin transformer, which `embedded` can call in its place."""
    return type(layer).__name__ == "PatchEmbedding"


def embedded(layer: Any, value: Any) -> Any:
    """Call what Swin's first layer calls: its settings hold a class, which Keras cannot write."""
    import keras

    value = _part(layer, layer.proj)(value)
    value = keras.layers.Reshape((-1, layer.embed_dim), name=f"{layer.name}_tokens")(value)
    return value if layer.norm is None else _part(layer, layer.norm)(value)


def _part(owner: Any, layer: Any) -> Any:
    """Give a part of a layer a name that no other layer of the graph has."""
    layer.name = f"{owner.name}_{layer.name}"
    return mended(layer)


def mended(layer: Any) -> Any:
    """Let a layer write what its class takes, and nothing else: Keras could not load the saved model otherwise."""
    import keras

    kind = type(layer)
    if not kind.__module__.startswith(LIBRARIES) or not isinstance(layer, keras.layers.Layer):
        return layer
    taken = {name for each in kind.__mro__ for name in inspect.signature(each.__init__).parameters}
    found, forgotten = layer.get_config(), FORGOTTEN.get(kind.__name__, {})
    settings = {key: value for key, value in found.items() if key in taken}
    settings |= {key: operator.attrgetter(path)(layer) for key, path in forgotten.items()}
    if settings.keys() != found.keys():
        layer.get_config = lambda: dict(settings)
    if kind.build is keras.layers.Layer.build:
        layer.get_build_config = lambda: None  # it is built by being called
    return layer


# === Tasks ===

# layers of a BLOOM whose names differ from the attributes of its class
ATTRIBUTES = {"embedding_layernorm": "embeddings_layer_norm", "final_layernorm": "layer_norm"}


class Task:
    """Stand for a task of KerasHub, with its methods, over the layers of a plain functional model.

    The task itself would build a graph of its own. Its `generate_step` reads nothing but `backbone`, `sampler` and
    `compute_dtype`, and calls other methods of its class.

    Args:
        name: the class of the task in `keras_hub.models`.
        body: a functional model on the layers of the task's backbone.
        sampler: a sampler of KerasHub.
    """

    def __init__(self, name: str, body: keras.Model, sampler: Any) -> None:
        import keras_hub

        self._kind = getattr(keras_hub.models, name)
        self.backbone, self.sampler = _backbone(body), sampler
        self.compute_dtype = "float32"

    def __getattr__(self, name: str) -> Any:
        return types.MethodType(getattr(self._kind, name), self)


def _backbone(body: keras.Model) -> types.SimpleNamespace:
    """Name the layers of a backbone as its class in KerasHub does."""
    layers = {ATTRIBUTES.get(layer.name, layer.name): layer for layer in body.layers}
    for kind in ("", "encoder_", "decoder_"):
        layers[f"{kind}transformer_layers"] = [
            layer for layer in body.layers if layer.name.startswith(f"transformer_{kind}layer_")
        ]
    stack = layers["transformer_layers"] or layers["decoder_transformer_layers"]
    width = layers["token_embedding"].output_dim
    return types.SimpleNamespace(**layers, num_layers=len(stack), num_heads=stack[0].num_heads, hidden_dim=width)
