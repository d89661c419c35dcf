"""What people ask about becomes digits: files, folders, stdin, arrays and stored items.

A picture that cannot be used becomes a :class:`FailedQuery`, so that one bad file never stops the
others.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.convention import SIDE
from data.errors import PictureError, PictureUnreadable, UsageError
from data.normalise import find_digits, scale_to_unit
from data.npy import BadArray, read_npy
from data.picture import MAX_PIXELS, SUFFIXES, Picture, picture_from_array, read_picture
from search.index import DigitIndex
from search.text import named

STDIN = "-"
NPY_MAGIC = b"\x93NUMPY"
QUERY_SUFFIXES = SUFFIXES | {".npy"}
MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Query:
    """One digit to ask about.

    Attributes:
        name: what to call it: a path, `file.npy[3]`, or an id.
        image: (28, 28) float32 in [0, 1]: the digit as the model sees it.
        original: (h, w) float32 in [0, 1]: the greys it was found in, bright as they were.
        position: of the stored digit it is, or -1.
        box: x, y, width, height of the digit in pixels of the picture; None where the digit is all.
    """

    name: str
    image: np.ndarray
    original: np.ndarray
    position: int = -1
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class FailedQuery:
    """Something that could not be asked about, and the one line that says why."""

    name: str
    error: str


def read_queries(
    images: Iterable[str], ids: Iterable[str], index: DigitIndex, max_pixels: int = MAX_PIXELS
) -> Iterator[Query | FailedQuery]:
    """Turn what a person named into digits, one at a time.

    Args:
        images: paths of pictures, `.npy` arrays or folders; `-` is stdin.
        ids: of stored digits, for example `mnist/train/123`.
        index: that holds them.
        max_pixels: a picture with more is refused before it is decoded.
    """
    for image in images:
        yield from _read_named(image, max_pixels)
    for name in ids:
        yield _stored(name, index)


def _read_named(image: str, max_pixels: int) -> Iterator[Query | FailedQuery]:
    if image == STDIN:
        content = sys.stdin.buffer.read() if sys.stdin else b""
        yield from _read_content(STDIN, content, max_pixels)
    elif os.path.isdir(image):  # noqa: PTH112, Path's own raises for names that are too long
        yield from _read_folder(image, max_pixels)
    else:
        yield from _read_file(image, max_pixels)


def _read_folder(folder: str, max_pixels: int) -> Iterator[Query | FailedQuery]:
    unreadable: list[OSError] = []
    files = [
        os.path.join(place, name)  # noqa: PTH118
        for place, _, names in os.walk(folder, onerror=unreadable.append)
        for name in names
        if Path(name).suffix.lower() in QUERY_SUFFIXES
    ]
    for exc in unreadable:
        name = named(exc.filename)
        yield FailedQuery(name, f"{name}: cannot be read ({exc.strerror})")
    if not files and not unreadable:
        name = named(folder)
        yield FailedQuery(name, f"{name}: expected images in this folder, found none")
    for file in sorted(files):
        yield from _read_file(file, max_pixels)


def _read_file(path: str, max_pixels: int) -> Iterator[Query | FailedQuery]:
    name = named(path)
    try:
        status = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            yield FailedQuery(
                name, f"{name}: expected a regular file of at most {MAX_BYTES:,} bytes"
            )
            return
        content = Path(path).read_bytes()
    except OSError as exc:
        yield FailedQuery(name, f"{name}: cannot be read ({exc.strerror})")
        return
    yield from _read_content(name, content, max_pixels)


def _read_content(name: str, content: bytes, max_pixels: int) -> Iterator[Query | FailedQuery]:
    if not content:
        yield FailedQuery(name, f"{name}: expected a picture or an array, received an empty file")
        return
    if not content.startswith(NPY_MAGIC):
        yield from _digits(name, lambda: read_picture(content, max_pixels=max_pixels))
        return
    try:
        array = read_npy(content)
    except BadArray as exc:
        yield FailedQuery(name, f"{name}: expected an array of pixels, but {exc}")
        return
    if array.ndim != 3 or array.shape[1:] != (SIDE, SIDE):
        yield from _digits(name, lambda: picture_from_array(array))
        return
    if not len(array):
        yield FailedQuery(name, f"{name}: expected a stack of digits, received an empty one")
    for number, image in enumerate(array):
        yield _stacked(f"{name}[{number}]", image)


def _stacked(name: str, image: np.ndarray) -> Query | FailedQuery:
    """One of an array of digits that already are in the MNIST convention."""
    try:
        grey = picture_from_array(image).grey
    except PictureUnreadable as exc:
        return FailedQuery(name, f"{name}: {exc}")
    if not grey.any():
        return FailedQuery(name, f"{name}: expected a digit, but nothing is drawn on it")
    return Query(name, grey, grey)


def _digits(name: str, read: Callable[[], Picture]) -> Iterator[Query | FailedQuery]:
    try:
        picture = read()
        for digit in find_digits(picture):
            yield Query(name, digit.image, picture.grey, box=digit.box)
    except PictureError as exc:
        yield FailedQuery(name, f"{name}: {exc}")


def _stored(name: str, index: DigitIndex) -> Query | FailedQuery:
    try:
        position = index.position(name)
    except UsageError as exc:
        return FailedQuery(name, str(exc))
    image = scale_to_unit(index.images[position])
    return Query(name, image, image, position)
