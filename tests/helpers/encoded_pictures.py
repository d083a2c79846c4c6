"""Pictures as the bytes of files: noise in any format, with orientation, transparency or a header that does not fit."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image, ImageOps


def noise(height: int = 12, width: int = 20, channels: int = 3) -> np.ndarray:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels if channels > 1 else pixels[..., 0]


def encoded(image: Image.Image | np.ndarray, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(out, form, **options)
    return out.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def on_white(picture: Image.Image) -> np.ndarray:
    rgba = ImageOps.exif_transpose(picture).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))


def transparent_gif() -> bytes:
    picture = Image.new("P", (8, 6), 1)
    picture.putpalette([0, 0, 0, 200, 0, 0])
    picture.paste(0, (0, 0, 4, 6))
    return encoded(picture, "GIF", transparency=0)


def partial_gif() -> bytes:
    data = bytearray(encoded(Image.new("RGB", (8, 6), (10, 200, 30)), "GIF"))
    data[6:10] = struct.pack("<HH", 16, 6)  # a wider canvas around the same frame
    return bytes(data)


def enlarged(photo: np.ndarray, width: int, height: int, **options: Any) -> bytes:
    return encoded(Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC), "JPEG", **options)
