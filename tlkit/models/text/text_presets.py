"""Read text backbones and vocabularies from KerasHub preset folders and Hugging Face folders."""

from __future__ import annotations

import base64
import string
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from tlkit.errors import WeightsError
from tlkit.models import hdf5, keras_configs, kerashub
from tlkit.models.text import families
from tlkit.models.text.families import KINDS
from tlkit.models.text.tokenizer import HOLE
from tlkit.utils import files, regular_files

if TYPE_CHECKING:
    import keras

MAX_UNUSED_IDS = 10_000  # ids below the highest that no token has
PRINTABLE = string.printable[:95]


@dataclass(frozen=True)
class Lexicon:
    """The vocabulary of a tokenizer.

    Args:
        words: WordPieces or byte pairs, in the order of their ids.
        merges: of byte pairs, the first one first.
        proto: a sentencepiece model, its bytes in base64.
        lowercase: whether texts are lower-cased before they are split into WordPieces.
    """

    words: tuple[str, ...] = ()
    merges: tuple[str, ...] = ()
    proto: str = ""
    lowercase: bool = False


# === Folders ===


def family_of(folder: Path) -> str | None:
    """Return the family of the text backbone in a folder, by its config.json; None if there is none.

    Raises:
        WeightsError: the config.json cannot be read.
    """
    config = _config(folder)
    class_name = config.get("class_name")
    return families.of_class(str(class_name)) if class_name else families.of_model_type(str(config.get("model_type")))


def arguments(folder: Path) -> dict[str, Any]:
    """Return the arguments that build the bare backbone of a KerasHub folder; of a Hugging Face folder, none."""
    arguments_ = _config(folder).get("config", {})
    return {key: value for key, value in arguments_.items() if key not in ("name", "trainable", "dtype")}


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = regular_files.read_json(folder / "config.json")
        if not isinstance(config, dict) or not isinstance(config.get("config", {}), dict):
            raise ValueError("it holds no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        reason = regular_files.why(error)[:200]
        raise WeightsError(f"{folder / 'config.json'} cannot be read: {reason}; fetch it again") from error
    return config


def read(folder: Path, family: str, row: str) -> tuple[keras.Model, Lexicon]:
    """Read the backbone and the vocabulary of a folder.

    Args:
        folder: a KerasHub preset folder or a Hugging Face folder.
        family: what it has to be.
        row: the backbone it is for, for messages.

    Raises:
        WeightsError: it cannot be read, or holds another kind of backbone.
    """
    import keras_hub

    try:
        if (actual := family_of(folder)) not in (family, None):
            raise WeightsError(
                f"{folder} holds a {KINDS[actual].backbone}, but {row} is a {KINDS[family].backbone}; give the "
                f"folder as backbone="
            )
        keras_configs.check_folder(folder, "config.json")
        hdf5.check_folder(folder)
        bare = keras_hub.models.Backbone.from_preset(files.absolute_path(folder))
    except (*hdf5.FAULTS, SafetensorError) as error:
        raise _unreadable(folder, error) from error
    if type(bare).__name__ != KINDS[family].backbone:
        raise WeightsError(f"{folder} holds a {type(bare).__name__}, but {row} is a {KINDS[family].backbone}")
    return bare, lexicon(folder, family)


def lexicon(folder: Path, family: str) -> Lexicon:
    """Read the vocabulary of a folder.

    Raises:
        WeightsError: it cannot be read, or is of another kind.
    """
    import keras_hub

    try:
        keras_configs.check_folder(folder, "config.json", "tokenizer.json")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # KerasHub leaves the file of sentencepieces to be closed
            tokenizer = keras_hub.models.Tokenizer.from_preset(files.absolute_path(folder))
    except hdf5.FAULTS as error:
        raise _unreadable(folder, error) from error
    return _lexicon(tokenizer, family, folder)


def _unreadable(folder: Path, error: Exception) -> WeightsError:
    reason = keras_configs.reason(error)
    return WeightsError(f"{folder} cannot be read as a KerasHub preset or Hugging Face folder: {reason}")


def _lexicon(tokenizer: Any, family: str, folder: Path) -> Lexicon:
    """Return the vocabulary of a tokenizer."""
    if type(tokenizer).__name__ != KINDS[family].tokenizer or getattr(tokenizer, "add_prefix_space", False):
        raise WeightsError(
            f"{folder} brings a {type(tokenizer).__name__} that this version does not read; it reads a "
            f"{KINDS[family].tokenizer} without a prefix space"
        )
    if KINDS[family].splits == "pieces":
        return Lexicon(proto=base64.b64encode(tokenizer.proto).decode())
    if KINDS[family].splits == "words":
        return Lexicon(tuple(tokenizer.get_vocabulary()), lowercase=bool(tokenizer.lowercase))
    ids = {number: word for word, number in tokenizer.vocabulary.items()}
    if (holes := max(ids) + 1 - len(ids)) > MAX_UNUSED_IDS:
        raise WeightsError(
            f"{folder} has a vocabulary with {holes:,} ids that no token has; at most {MAX_UNUSED_IDS:,}"
        )
    words = tuple(ids.get(number, HOLE.format(number)) for number in range(max(ids) + 1))
    return Lexicon(words, tuple(merge for merge in tokenizer.merges if not merge.startswith("#version:")))


# === Made up ===


def made_up(family: str, lowercase: bool) -> Lexicon:
    """Return a vocabulary of letters or bytes for random weights, which have no knowledge of words."""
    splits = KINDS[family].splits
    if splits == "words":
        letters = PRINTABLE.replace(" ", "")
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        return Lexicon((*special, *letters, *(f"##{letter}" for letter in letters)), lowercase=lowercase)
    if splits == "bytes":
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]
        # KerasHub's tables cannot be empty
        return Lexicon((*special, *kerashub.byte_letters(), "\u0120t"), ("\u0120 t",))
    return Lexicon(proto=base64.b64encode(_letters()).decode())


def _letters() -> bytes:
    """Return a sentencepiece model in which every letter is a piece."""
    from sentencepiece import sentencepiece_model_pb2 as form

    model = form.ModelProto()
    kinds = form.ModelProto.SentencePiece
    special = [("[CLS]", kinds.CONTROL), ("[SEP]", kinds.CONTROL), ("[MASK]", kinds.USER_DEFINED)]
    special = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL), *special]
    special += [("<pad>", kinds.CONTROL), ("[PAD]", kinds.CONTROL)]
    for piece, kind in [*special, *((letter, kinds.NORMAL) for letter in "\u2581" + PRINTABLE.replace(" ", ""))]:
        model.pieces.add(piece=piece, score=0.0 if kind != kinds.NORMAL else -1.0, type=kind)
    model.trainer_spec.model_type = form.TrainerSpec.CHAR
    model.normalizer_spec.name = "identity"
    return model.SerializeToString()
