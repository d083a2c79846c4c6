"""The former place of the image input and table: use `tlkit.ImageInput` instead."""

from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import NORMALISATION, ImageInput

__all__ = ["NORMALISATION", "VISION", "ImageInput"]
