"""The former place of the text layers, input and table: use `tlkit.layers` and `tlkit.TextInput` instead."""

from tlkit.layers import Tokens
from tlkit.models.text.text_backbones import TEXT
from tlkit.models.text.text_input import TextInput

__all__ = ["TEXT", "TextInput", "Tokens"]
