"""Open a picture that a stranger made, and make of it one plane of grey floats.

A picture file is hostile until proven otherwise: it may be damaged, be no image at all, or
promise a billion pixels in ten kilobytes. So only formats that people really draw and photograph
in are let in, the size is read from the header before a pixel is decoded, only the first frame is
ever looked at, and every way to fail becomes one PictureUnreadable that says what to do.

What comes out has forgotten how it was stored: bits per channel, palette, colour model, alpha and
EXIF orientation are all resolved here, with data.grey, and nothing after asks for them.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from data.errors import PictureTooLarge, PictureUnreadable
from data.grey import LUMA, Plane, composite, scaled_by_depth, stretched, unit_floats
from data.reduce import reduced, reduced_size
from data.scans import is_endless

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
# Of pictures in formats that are not let in, which nobody should miss without being told.
OTHER_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".svgz", ".psd", ".xcf", ".pdf", ".eps"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".exr", ".hdr", ".tga", ".ico"}
)
MAX_PIXELS = 25_000_000

# Pictures are reduced to this length: more says nothing of a digit and costs time at every step.
_MAX_SIDE = 1280

# A progressive JPEG has about ten scans; with a profile and long notes, some hundred segments.
_MOST_SCANS, _MOST_SEGMENTS = 100, 10_000

# What Pillow's readers raise on damaged files; SyntaxError is how its PNG reader says "broken".
_DECODE_ERRORS = (
    *(OSError, ValueError, SyntaxError, EOFError, struct.error, LookupError, TypeError),
    *(AssertionError, OverflowError),
)

# Pillow warns of odd metadata and of sizes; what matters of that is an error here. Once for the
# process, because what silences a block silences other threads, and may do so for good.
warnings.filterwarnings("ignore", module=r"PIL\.")

# What takes back each orientation that EXIF knows, but for the upright one.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Picture(NamedTuple):
    """One picture as grey values, the right way up.

    Attributes:
        grey: (h, w) float32 in [0, 1], 0 black, 1 white; :func:`~data.reduce.reduced` to a length
            of 1280 pixels.
        scale: pixels of the original per pixel of `grey`, at least 1.
        size: (width, height) of the original in pixels, after EXIF orientation.
    """

    grey: Plane
    scale: float
    size: tuple[int, int]


def read_picture(source: Path | bytes | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture file, or the bytes of one.

    Args:
        source: path of the file, its content, or the open file; no more of it is read than needed.
        max_pixels: refuse pictures with more pixels than this, before decoding them.

    Returns:
        The first frame, upright, in grey.

    Raises:
        PictureUnreadable: the file is missing, empty, of no allowed format, too large or damaged.
    """
    name = repr(str(source)) if isinstance(source, Path) else "the picture"
    with _opened(source, name) as file, _image(file, name, max_pixels) as image:
        _check_size(image, name, max_pixels)
        if any(tile.codec_name == "jpeg" for tile in image.tile):
            _check_scans(file, name)
        return _decoded(image, name)


def picture_from_array(array: np.ndarray, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Take a picture that is already an array.

    Args:
        array: (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA; bool, uint8 in [0, 255], uint16 by
            the bits that it uses, or floats in [0, 1], of any byte order.
        max_pixels: refuse a picture with more.

    Returns:
        The picture in grey.

    Raises:
        PictureUnreadable: another shape or dtype, no pixels or too many, or values not finite or
            out of range.
    """
    array = _as_array(array)
    check_shape(array.shape, max_pixels)
    planes = unit_floats(array)
    size = (array.shape[1], array.shape[0])
    if planes.ndim == 2:
        return _picture(planes, size)
    luma = planes[..., :3] @ LUMA  # (h, w)
    return _picture(luma if planes.shape[2] == 3 else composite(luma, planes[..., 3]), size)


def check_shape(shape: tuple[int, ...], max_pixels: int) -> None:
    """Refuse what is no picture by the shape of its array.

    Raises:
        PictureUnreadable: not (h, w), (h, w, 3) or (h, w, 4), or no pixels.
        PictureTooLarge: more than `max_pixels`.
    """
    if len(shape) not in (2, 3) or 0 in shape or shape[2:] not in ((), (3,), (4,)):
        raise PictureUnreadable(
            "expected an array of shape (h, w), (h, w, 3) or (h, w, 4) with h, w >= 1, "
            f"received {shape}; pass one picture, channels last"
        )
    if shape[0] * shape[1] > max_pixels:
        raise PictureTooLarge(
            f"expected at most {max_pixels:,} pixels, received {shape[1]} x {shape[0]}; "
            "make the picture smaller"
        )


def _as_array(values: np.ndarray) -> np.ndarray:
    """What was passed, as an array in the machine's byte order."""
    masked = getattr(values, "mask", None)
    if isinstance(masked, np.ndarray) and masked.any():
        raise PictureUnreadable(
            "expected a picture without masked pixels; fill them with the paper's shade"
        )
    try:
        array = np.asarray(values)
    except ValueError as exc:
        raise PictureUnreadable(f"expected a picture as an array; {exc}") from exc
    return array.astype(array.dtype.newbyteorder("="), copy=False)


@contextlib.contextmanager
def _opened(source: Path | bytes | BinaryIO, name: str) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif not isinstance(source, Path):
        yield source
    else:
        try:
            if not source.is_file():
                what = "is not a regular file" if source.exists() else "does not exist"
                raise PictureUnreadable(
                    f"expected a picture file, but {name} {what}; check the path"
                )
            file = source.open("rb")
        except (OSError, ValueError) as exc:
            raise PictureUnreadable(f"cannot read {name}: {exc}; check the path") from exc
        with file:
            yield file


def _image(file: BinaryIO, name: str, max_pixels: int) -> ImageFile.ImageFile:
    """Read no more than the header.

    Pillow gets a file and no path: it would map some formats into memory, and a mapped file that
    somebody cuts short meanwhile kills the process.
    """
    try:
        return Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as exc:
        most = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))  # Pillow's own limit
        raise PictureUnreadable(
            f"expected at most {most:,} pixels, but {name} has far more; make it smaller"
        ) from exc
    except UnidentifiedImageError as exc:
        if not file.seek(0, os.SEEK_END):
            raise PictureUnreadable(f"expected a picture, but {name} is empty") from exc
        raise PictureUnreadable(
            f"expected one of {', '.join(FORMATS)}, but {name} is none of them or has a damaged "
            "header; save it as PNG"
        ) from exc
    except _DECODE_ERRORS as exc:
        raise _damaged(name, exc) from exc


def _damaged(name: str, exc: Exception) -> PictureUnreadable:
    why = f" ({exc})" if str(exc) else ""
    return PictureUnreadable(
        f"expected a whole image, but {name} is damaged or cut short{why}; save or copy it again"
    )


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise PictureTooLarge(
            f"expected at most {max_pixels:,} pixels, but {name} has {width} x {height}; "
            "make it smaller"
        )


def _check_scans(file: BinaryIO, name: str) -> None:
    """Refuse a JPEG that would be decoded thousands of times over: each scan refines all pixels."""
    place = file.tell()
    refused = is_endless(file, _MOST_SCANS, _MOST_SEGMENTS)
    file.seek(place)
    if refused:
        raise PictureUnreadable(
            f"expected a JPEG of at most {_MOST_SCANS} scans and {_MOST_SEGMENTS:,} segments, but "
            f"{name} has more; save it again"
        )


def _decoded(image: ImageFile.ImageFile, name: str) -> Picture:
    width, height = image.size
    # JPEG decodes itself at 1/2, 1/4 or 1/8: a phone photo in a fraction of the time.
    image.draft(None, (_MAX_SIDE, _MAX_SIDE))
    drafted = image.size
    is_deep = any(";16" in str(tile.args) for tile in image.tile)
    try:
        image.load()
        if is_deep and image.mode in ("RGB", "RGBA") and not np.asarray(image).any():
            raise ValueError("its colours use the lower 8 of 16 bits, which are read as black")
        upright = _upright(image)
        grey = _grey(upright)
    except _DECODE_ERRORS as exc:
        raise _damaged(name, exc) from exc
    return _picture(grey, (width, height) if upright.size == drafted else (height, width))


def _upright(image: Image.Image) -> Image.Image:
    """Turn the picture as its EXIF orientation says; a damaged EXIF block says nothing.

    Pillow's `exif_transpose` would also write all of EXIF anew, which can take half a minute.
    """
    turn = None
    with contextlib.suppress(*_DECODE_ERRORS):
        turn = _TURNS.get(int(image.getexif().get(ExifTags.Base.Orientation, 1)))
    return image.transpose(turn) if turn is not None else image


def _grey(image: Image.Image) -> Plane:
    """Any Pillow mode to (h, w) float32 in [0, 1], reduced."""
    if image.has_transparency_data:
        # Pillow weighs colour by alpha when it resizes RGBA, so hidden colours do not leak.
        fitting = reduced_size(image.size, _MAX_SIDE)
        small = image.convert("RGBA").resize(fitting, Image.Resampling.BOX)
        planes = np.asarray(small, np.float32) / np.float32(255)  # (h, w, 4)
        luma = np.asarray(planes[..., :3] @ LUMA, np.float32)
        return composite(luma, planes[..., 3])
    if image.mode.startswith("I"):
        return reduced(scaled_by_depth(np.asarray(image)), _MAX_SIDE)
    if image.mode == "F":
        return reduced(stretched(np.asarray(image, np.float32)), _MAX_SIDE)
    colour = image if image.mode in ("1", "L", "P", "RGB") else image.convert("RGB")
    grey = reduced(np.asarray(colour.convert("L")), _MAX_SIDE)
    return np.asarray(grey, np.float32) / np.float32(255)


def _picture(grey: Plane, size: tuple[int, int]) -> Picture:
    small = np.ascontiguousarray(reduced(grey, _MAX_SIDE), np.float32)
    return Picture(small, max(size) / max(small.shape), size)
