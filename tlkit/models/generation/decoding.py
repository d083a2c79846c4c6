"""Decode generated text: KerasHub's cached decoding on the layers of a generator or summarizer of tlkit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tlkit.errors import InputError, unknown
from tlkit.models import kerashub

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tlkit.tasks.predictions import TextPrediction

SAMPLERS = ("greedy", "top_k", "top_p")
AT_ONCE = 16  # prompts that are answered together
# the class in keras_hub.models whose methods decode, by the family of the backbone
TASKS = {"gpt2": "GPT2CausalLM", "bloom": "BloomCausalLM", "bart": "BartSeq2SeqLM"}


@dataclass(frozen=True)
class Sampling:
    """The choice of the next token.

    Args:
        sampler: "greedy" takes the likeliest, always the same; "top_k" draws among the `k` likeliest; "top_p" among
            the likeliest that have a probability of `p` together.
        k: of "top_k", 1 or more.
        p: of "top_p", 0 < p <= 1.
        temperature: above 1 it draws more evenly, below 1 less; greedy does not depend on it.
        seed: of the draw. An exported model draws other texts in each call, and the same ones again when it is loaded
            anew.
    """

    sampler: Literal["greedy", "top_k", "top_p"] = "greedy"
    k: int = 40
    p: float = 0.9
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise unknown("sampler", self.sampler, SAMPLERS)
        if self.k < 1 or not 0 < self.p <= 1 or not 0 < self.temperature < math.inf:
            raise InputError(
                f"k={self.k}, p={self.p}, temperature={self.temperature}: give k of 1 or more, 0 < p <= 1 and a "
                f"temperature above 0"
            )

    def build(self) -> Any:
        """Build KerasHub's sampler."""
        from keras_hub import samplers

        if self.sampler == "greedy":
            return samplers.GreedySampler()
        how = {"temperature": self.temperature, "seed": self.seed}
        if self.sampler == "top_k":
            return samplers.TopKSampler(k=self.k, **how)
        return samplers.TopPSampler(p=self.p, **how)


def writer(lm: keras.Model, sampling: Sampling) -> tuple[Callable[[tf.Tensor], dict[str, tf.Tensor]], list[Any]]:
    """Return the function that answers prompts, and the variables it draws with.

    Each token is computed from the kept keys and values of those before it, by KerasHub's own `generate_step`, on the
    layers of the model itself.

    Returns:
        A function of strings (batch,) that gives `text`, strings (batch,), and `dropped`, int64 (batch,), the number of
        tokens of each prompt that were not read; and the state of the sampler.
    """
    pre = lm.get_layer("pre")
    task = kerashub.Task(TASKS[lm.spec.input.family], lm.layers[-2], sampling.build())

    def write(prompts: tf.Tensor) -> dict[str, tf.Tensor]:
        given, wanted, dropped = pre.prompts(prompts)
        found = task.generate_step(given, [pre.end])
        ids, real = (found[name] for name in _names(found))
        return {"text": pre.texts(ids, wanted & real), "dropped": dropped}

    return write, list(task.sampler.variables)


def generate(lm: keras.Model, prompts: str | Sequence[str], *, sampling: Sampling | None = None) -> list[str]:
    """Write a reply to each prompt, or a summary of each document.

    Args:
        lm: a model of `tlkit.generator` or `tlkit.summarizer`.
        prompts: one or several; of a prompt that is too long the beginning is not read, of a document the end.
        sampling: how tokens are chosen; the model's own way by default.

    Returns:
        The texts, without the prompts, each of at most the model's own `length` in tokens.

    Raises:
        InputError: a prompt that is empty or no text.

    Examples:
        With a model `lm` of `tlkit.generator`:

        >>> replies = tlkit.generate(lm, ["the cat sat", "who is the dog?"])
        >>> [type(reply) for reply in replies]
        [<class 'str'>, <class 'str'>]
    """
    return [found.text for found in answered(lm, [prompts] if isinstance(prompts, str) else prompts, sampling)]


def answered(lm: keras.Model, prompts: Sequence[str], sampling: Sampling | None = None) -> list[TextPrediction]:
    """Generate as `generate` does; also return the number of tokens of every prompt that were not read."""
    given = lm.spec.input.encode(prompts)[1]
    compiled, drawn = _compiled(lm, sampling or lm.spec.input.sampling)
    for variable, value in drawn:  # each call draws anew
        variable.assign(value)
    found: list[TextPrediction] = []
    for start in range(0, len(prompts), AT_ONCE):
        part = compiled(given[start : start + AT_ONCE])
        found += lm.spec.target.predictions({name: tensor.numpy() for name, tensor in part.items()})
    return found


def _compiled(lm: keras.Model, sampling: Sampling) -> tuple[Callable, list[tuple[Any, Any]]]:
    """Return the compiled writer of a model, and its sampler's variables with their first values. To build it takes
    seconds, so it is kept with the model, where Keras does not look, as long as that has the same weights."""
    import tensorflow as tf

    kept, key = lm.__dict__.setdefault("_writers", {}), (sampling, len(lm.weights))
    if key not in kept:
        write, variables = writer(lm, sampling)
        compiled = tf.function(write, input_signature=[tf.TensorSpec((None,), tf.string)])
        kept[key] = compiled, [(variable, variable.numpy()) for variable in variables]
    return kept[key]


def _names(found: dict[str, Any]) -> tuple[str, str]:
    return ("token_ids", "padding_mask") if "token_ids" in found else ("decoder_token_ids", "decoder_padding_mask")
