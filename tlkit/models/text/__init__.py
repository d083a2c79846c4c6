"""Text input, tokenizers, text backbones and their weights."""
