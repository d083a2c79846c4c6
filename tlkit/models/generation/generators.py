"""Build chat and summarization models: a decoder that replies to prompts, an encoder and decoder that summarize."""

from __future__ import annotations

import dataclasses
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tlkit.config import Phase
from tlkit.errors import InputError, unknown
from tlkit.models import classifier, lora
from tlkit.models.backbone import Backbone, Preset
from tlkit.models.classifier import Spec
from tlkit.models.generation.decoding import TASKS, Sampling
from tlkit.models.generation.prompt_input import PromptInput
from tlkit.models.text.families import SEQ2SEQ
from tlkit.models.text.text_presets import Lexicon
from tlkit.tasks import next_token

if TYPE_CHECKING:
    import keras

PHASES = (Phase("top", 3, 3e-4, 1), Phase("deeper", 2, 1e-4, 3))
LORA_PHASES = (Phase("lora", 5, 1e-3, 4),)

# === Rows ===


def blocks(backbone: keras.Model) -> tuple[str, ...]:
    """Name the blocks of a model that writes, from the bottom to the top; a decoder's come after its encoder's."""
    kinds = ("transformer_layer_", "transformer_encoder_layer_", "transformer_decoder_layer_")
    names = [layer.name for layer in backbone.layers]
    return tuple(name for kind in kinds for name in names if name.startswith(kind))


def _bart(
    name: str, layers: int, heads: int, width: int, params: int, version: int, *, licence: str = "Apache-2.0"
) -> Backbone:
    shape = {"num_layers": layers, "num_heads": heads, "hidden_dim": width, "intermediate_dim": 4 * width}
    return Backbone(
        name,
        "keras_hub.models:BartBackbone",
        PromptInput(size=512, family="bart"),
        blocks,
        stem=SEQ2SEQ["bart"].stem,
        arguments=MappingProxyType({"vocabulary_size": 50_265 if "cnn" not in name else 50_264, **shape}),
        weights=Preset(f"kaggle://keras/bart/keras/{name}/{version}", size=4 * params),
        phases=PHASES,
        licence=licence,
        params=params,
        source=SEQ2SEQ["bart"].source,
    )


USUAL = {"reply": "gpt2_base_en", "summary": "bart_base_en"}  # by the task, the backbone where none is named
SUMMARIZERS = {
    row.name: row
    for row in (
        _bart("bart_base_en", 6, 12, 768, 139_417_344, 3),
        _bart("bart_large_en", 12, 16, 1024, 406_287_360, 3),
        _bart("bart_large_en_cnn", 12, 16, 1024, 406_286_336, 3, licence="MIT"),
    )
}


def rows() -> dict[str, Backbone]:
    """Return every known backbone by name, those that only summarize too."""
    return classifier.table() | SUMMARIZERS


def find(task: str, backbone: str | os.PathLike | Backbone | None = None, *, lora: int | None = None) -> Backbone:
    """Return the row of a model that writes, with its schedule.

    Args:
        task: "reply" or "summary".
        backbone: as for `generator` or `summarizer`; a usual one by default.
        lora: the rank of low-rank additions, which have a schedule of their own.

    Raises:
        InputError: a backbone that does not write, or does not summarize. WeightsError: a folder that cannot be read.
    """
    row = (_replying if task == "reply" else _summarizing)(USUAL[task] if backbone is None else backbone)
    if lora and row.phases in ((), PHASES):
        row = dataclasses.replace(row, phases=LORA_PHASES)
    return row


def _replying(backbone: str | os.PathLike | Backbone) -> Backbone:
    row = classifier.find_backbone(backbone)
    family = getattr(row.input, "family", "")
    if family not in TASKS or family in SEQ2SEQ:
        kinds = ", ".join(sorted(set(TASKS) - set(SEQ2SEQ)))
        raise InputError(f"{row.name} writes no texts; generators are made of the families {kinds}: gpt2_base_en, ...")
    if isinstance(row.input, PromptInput):
        return row
    known = row.input.vocabulary if isinstance(row.input.vocabulary, Lexicon) else None
    prompt_input = PromptInput(limit=row.input.limit, family=family, vocabulary=known)
    return dataclasses.replace(row, input=prompt_input, phases=PHASES)


def _summarizing(backbone: str | os.PathLike | Backbone) -> Backbone:
    if isinstance(backbone, os.PathLike) or (isinstance(backbone, str) and os.sep in backbone):
        raise InputError(
            f"a summarizer's folder, here {backbone}, is given as its weights: backbone=NAME, one of "
            f"{', '.join(SUMMARIZERS)}, and weights=FOLDER"
        )
    if not isinstance(backbone, Backbone) and str(backbone) not in SUMMARIZERS:
        raise unknown("summarizer", str(backbone), SUMMARIZERS)
    row = backbone if isinstance(backbone, Backbone) else SUMMARIZERS[str(backbone)]
    if getattr(row.input, "family", "") not in SEQ2SEQ:
        raise InputError(f"{row.name} does not summarize; summarizers are made of: {', '.join(SUMMARIZERS)}")
    return row


# === Factories ===


def generator(
    backbone: str | Backbone,
    *,
    size: int | None = None,
    length: int | None = None,
    separator: str = "\n",
    sampling: Sampling | None = None,
    lora: int | None = None,
    weights: str | os.PathLike | None = "pretrained",
    name: str | None = None,
) -> keras.Model:
    """Build a language model that replies to prompts, or continues texts, as one plain functional Keras model.

    Pairs of prompt and reply go in as strings (batch, 2); logits (batch, tokens, vocabulary), float32, of the token
    after each come out. Only the reply is learned. Logits come from the token embedding once more, which trains with
    the stem alone (`Phase(unfreeze="all")`), so a phase opens at least one block. `tlkit.generate` and the exported
    model write.

    With `lora`, opened blocks train nothing but low-rank additions to their query and value projections. What lies
    below the opened blocks is computed once, as ever: with additions in all blocks (unfreeze = their number) nothing
    but the embedding is left to save. `tlkit.export` merges them into the kernels.

    A step holds logits of batch x tokens x vocabulary several times: GPT-2 with 128 tokens and batches of 8 takes about
    1 GB for them.

    Args:
        backbone: a name such as "gpt2_base_en", "keras_hub:PRESET", the path of a folder, or your own `Backbone`.
        size: tokens of prompt and reply together; 128 by default.
        length: the most tokens of a reply; a half of `size` by default. A prompt keeps the rest: its end.
        separator: stands between prompt and reply; empty for a model that continues texts.
        sampling: how the exported model chooses tokens; greedily by default.
        lora: the rank of low-rank additions; None to train whole blocks.
        weights, name: as for `tlkit.classifier`.

    Raises:
        InputError: a backbone that does not write, or a number that does not suit it. WeightsError: as `classifier`.
    """
    row = find("reply", backbone, lora=lora)
    prompt_input = dataclasses.replace(row.input, separator=separator, sampling=sampling or row.input.sampling)
    prompt_input = prompt_input.sized(size, length)
    return _build(row, prompt_input, next_token.Reply(size=prompt_input.size), weights, lora, name)


def summarizer(
    backbone: str | Backbone,
    *,
    size: int | None = None,
    length: int | None = None,
    sampling: Sampling | None = None,
    lora: int | None = None,
    weights: str | os.PathLike | None = "pretrained",
    name: str | None = None,
) -> keras.Model:
    """Build a summarizer, an encoder that reads a document and a decoder that writes, as one plain functional model.

    Pairs of document and summary go in as strings (batch, 2); logits (batch, tokens of the summary, vocabulary) come
    out. Blocks count from the decoder's top: the encoder's follow when all of the decoder's are opened. See
    `generator`.

    Args:
        backbone: "bart_base_en", "bart_large_en", "bart_large_en_cnn", or your own `Backbone`.
        size: tokens of a document, whose end is not read where it is longer; 512 by default.
        length: the most tokens of a summary; 64 by default.
        sampling, lora, weights, name: as for `generator`.

    Raises:
        InputError: a backbone that does not summarize, or a number that does not suit it. WeightsError: as there.
    """
    row = find("summary", backbone, lora=lora)
    prompt_input = dataclasses.replace(row.input, sampling=sampling or row.input.sampling).sized(size, length)
    return _build(row, prompt_input, next_token.Summary(size=prompt_input.length), weights, lora, name)


def _build(
    row: Backbone,
    prompt_input: PromptInput,
    target: next_token.NextToken,
    weights: Any,
    rank: int | None,
    name: str | None,
) -> keras.Model:
    """Build the model from `pre`, the backbone and a head without weights."""
    import keras

    pre, body, origin = classifier.base(row, prompt_input, weights, prompt_input.features)
    if rank is not None:
        lora.enable(body, rank)
    scores = keras.Input(body.output["scores"].shape[1:], dtype=body.output["scores"].dtype, name="scores")
    head = keras.Model({"scores": scores}, target.output(scores), name="head")
    raw = prompt_input.tensor()
    lm = keras.Model(raw, head(body(pre(raw))), name=name or f"{row.name}_{target.name}")
    ends = row.blocks(body) if callable(row.blocks) else row.blocks
    row = dataclasses.replace(row, blocks=tuple(ends), params=row.params or body.count_params())
    body.trainable = False  # additions too, until a phase opens them
    return classifier.attach(lm, Spec(row, "tied", target, prompt_input, "crop", origin))
