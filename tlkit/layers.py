"""Register every Keras layer of tlkit, for `keras.models.load_model` on a `model.keras` that holds one.

import keras
import tlkit.layers

model = keras.models.load_model("out/model.keras")
"""

from tlkit.models.generation.prompt_tokenizer import ReplyTokens, SummaryTokens
from tlkit.models.text.hashed_words import HashedWords, WordScores
from tlkit.models.text.text_input import RelativePositions
from tlkit.models.text.tokenizer import Tokens

__all__ = ["HashedWords", "RelativePositions", "ReplyTokens", "SummaryTokens", "Tokens", "WordScores"]
