"""Models that generate text: prompts, their tokenizer and decoding."""
