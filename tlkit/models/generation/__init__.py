"""Models that write: prompts, their tokenizer and decoding."""
