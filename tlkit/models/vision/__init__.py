"""Image input, image backbones and their weights."""
