"""Open a picture file that nobody vouches for, and hand out plain greys.

First version: the formats people have, one frame, upright, composited on white.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from data.errors import PictureUnreadable

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
)
MAX_PIXELS = 25_000_000


@dataclass(frozen=True)
class Picture:
    """A picture as greys.

    Attributes:
        grey: (h, w) float32 in [0, 1], as bright as the original.
        scale: pixels of the original per pixel of `grey`.
        size: (width, height) of the original, upright.
    """

    grey: np.ndarray
    scale: float
    size: tuple[int, int]


def read_picture(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Open an image file, given by path or by content.

    Raises:
        PictureUnreadable: missing, empty, not an allowed image, truncated or over `max_pixels`.
    """
    name = str(source) if isinstance(source, Path) else "picture"
    try:
        content = source.read_bytes() if isinstance(source, Path) else source
    except OSError as exc:
        raise PictureUnreadable(f"{name}: cannot be read ({exc.strerror})") from exc
    if not content:
        raise PictureUnreadable(f"{name}: expected an image, received an empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > max_pixels:
                    raise PictureUnreadable(
                        f"{name}: expected at most {max_pixels:,} pixels, received"
                        f" {image.width}x{image.height}"
                    )
                upright = ImageOps.exif_transpose(image).convert("RGBA")
    except PictureUnreadable:
        raise
    except Exception as exc:  # Pillow's decoders raise almost anything on hostile bytes
        raise PictureUnreadable(
            f"{name}: expected an image ({', '.join(FORMATS)}), but it cannot be decoded"
        ) from exc
    page = Image.new("RGBA", upright.size, "white")
    page.alpha_composite(upright)
    return picture_from_array(np.asarray(page.convert("L")))


def picture_from_array(array: np.ndarray) -> Picture:
    """Check and wrap a grey array, (h, w) uint8, or float in [0, 1].

    Raises:
        PictureUnreadable: another shape or dtype, empty, or not finite.
    """
    if array.ndim != 2 or 0 in array.shape:
        raise PictureUnreadable(f"expected a picture of shape (h, w), received {array.shape}")
    if array.dtype == np.uint8:
        grey = array.astype(np.float32) / 255
    elif np.issubdtype(array.dtype, np.floating):
        grey = array.astype(np.float32)
        if not np.isfinite(grey).all() or grey.min() < 0 or grey.max() > 1:
            raise PictureUnreadable("expected finite floats in [0, 1] as a picture")
    else:
        raise PictureUnreadable(f"expected uint8 or float pixels, received {array.dtype}")
    return Picture(grey, 1.0, (array.shape[1], array.shape[0]))
