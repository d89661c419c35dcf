"""What people ask about becomes digits: files, folders, stdin, arrays and stored items.

A picture that cannot be used becomes a :class:`FailedQuery`, so that one bad file never stops the
others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.convention import SIDE
from data.errors import PictureError, PictureUnreadable, UsageError
from data.normalise import find_digits, scale_to_unit
from data.npy import BadArray, read_npy
from data.picture import SUFFIXES, Picture, picture_from_array, read_picture
from search.index import DigitIndex

STDIN = "-"
NPY_MAGIC = b"\x93NUMPY"
QUERY_SUFFIXES = SUFFIXES | {".npy"}


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
    images: Iterable[str], ids: Iterable[str], index: DigitIndex
) -> Iterator[Query | FailedQuery]:
    """Turn what a person named into digits, one at a time.

    Args:
        images: paths of pictures, `.npy` arrays or folders; `-` is stdin.
        ids: of stored digits, for example `mnist/train/123`.
        index: that holds them.
    """
    for image in images:
        yield from _read_named(image)
    for name in ids:
        yield _stored(name, index)


def _read_named(image: str) -> Iterator[Query | FailedQuery]:
    if image == STDIN:
        yield from _read_content(STDIN, sys.stdin.buffer.read())
        return
    path = Path(image)
    if not path.is_dir():
        yield from _read_file(path)
        return
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in QUERY_SUFFIXES)
    if not files:
        yield FailedQuery(image, f"{image}: expected images in this folder, found none")
    for file in files:
        yield from _read_file(file)


def _read_file(path: Path) -> Iterator[Query | FailedQuery]:
    if path.suffix.lower() != ".npy":
        yield from _digits(str(path), path)
        return
    try:
        content = path.read_bytes()
    except OSError as exc:
        yield FailedQuery(str(path), f"{path}: cannot be read ({exc.strerror})")
        return
    yield from _read_content(str(path), content)


def _read_content(name: str, content: bytes) -> Iterator[Query | FailedQuery]:
    if not content.startswith(NPY_MAGIC):
        yield from _digits(name, content)
        return
    try:
        array = read_npy(content)
    except BadArray as exc:
        yield FailedQuery(name, f"{name}: expected an array of pixels, but {exc}")
        return
    stack = array if array.ndim == 3 and array.shape[1:] == (SIDE, SIDE) else None
    if stack is None:
        yield from _digits(name, array)
        return
    for number, image in enumerate(stack):
        yield from _stacked(f"{name}[{number}]", image)


def _stacked(name: str, image: np.ndarray) -> Iterator[Query | FailedQuery]:
    """One of an array of digits that already are in the MNIST convention."""
    try:
        grey = picture_from_array(image).grey
    except PictureUnreadable as exc:
        yield FailedQuery(name, f"{name}: {exc}")
        return
    yield Query(name, grey, grey)


def _digits(name: str, source: Path | bytes | np.ndarray) -> Iterator[Query | FailedQuery]:
    try:
        picture = _picture(source)
        for digit in find_digits(picture):
            yield Query(name, digit.image, picture.grey, box=digit.box)
    except PictureError as exc:
        text = str(exc)
        yield FailedQuery(name, text if repr(name) in text else f"{name}: {text}")


def _picture(source: Path | bytes | np.ndarray) -> Picture:
    return picture_from_array(source) if isinstance(source, np.ndarray) else read_picture(source)


def _stored(name: str, index: DigitIndex) -> Query | FailedQuery:
    try:
        position = index.position(name)
    except UsageError as exc:
        return FailedQuery(name, str(exc))
    image = scale_to_unit(index.images[position])
    return Query(name, image, image, position)
