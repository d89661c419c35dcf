"""What people ask about becomes digits: files, folders, stdin, arrays and stored items.

A picture that cannot be used becomes a :class:`FailedQuery`, one without a digit a
:class:`RefusedQuery`: nothing ever stops the others.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np

from data.convention import SIDE
from data.errors import (
    PictureBlank,
    PictureError,
    PictureNotDigits,
    PictureTooLarge,
    PictureUnreadable,
    UsageError,
)
from data.listing import find_pictures, tell_unread
from data.normalise import find_digits, scale_to_unit
from data.npy import MAX_HEADER, BadArray, read_header, read_npy
from data.picture import (
    MAX_PIXELS,
    SUFFIXES,
    Picture,
    check_shape,
    picture_from_array,
    read_picture,
)
from indexer.verdicts import BLANK, NOT_A_DIGIT
from search.index import DigitIndex
from search.text import named

STDIN = "-"
NPY_MAGIC = b"\x93NUMPY"
QUERY_SUFFIXES = SUFFIXES | {".npy"}
MAX_BYTES = 1 << 30
UNDRAWN = "expected a digit, but nothing is drawn"


class Query(NamedTuple):
    """One digit to ask about.

    Attributes:
        name: what to call it: a path, `file.npy[3]`, or an id.
        image: (28, 28) float32 in [0, 1]: the digit as the model sees it.
        original: (h, w) float32 in [0, 1]: the greys it was found in, bright as they were.
        position: of the stored digit it is, or -1.
        box: x, y, width, height of the digit in pixels of the picture; None where the digit is all.
        scale: pixels of the picture per pixel of `original`.
        file: what it was found in, if that was a file.
    """

    name: str
    image: np.ndarray
    original: np.ndarray
    position: int = -1
    box: tuple[int, int, int, int] | None = None
    scale: float = 1.0
    file: str | None = None


class RefusedQuery(NamedTuple):
    """A picture without a digit to ask about: `reason` in a word, `detail` in one line.

    Its greys, as a :class:`Query` has them, are `original`.
    """

    name: str
    reason: str
    detail: str
    original: np.ndarray


class FailedQuery(NamedTuple):
    """Something that could not be asked about, and the one line that says why."""

    name: str
    error: str


AnyQuery = Query | RefusedQuery | FailedQuery


def without_picture(query: AnyQuery) -> AnyQuery:
    """The same without the greys it was found in, of which thousands would not fit in memory."""
    if isinstance(query, FailedQuery):
        return query
    return query._replace(original=np.empty((0, 0), np.float32))


@dataclass(frozen=True)
class Reader:
    """How pictures become digits.

    Attributes:
        index: that holds stored digits, and knows how strange a piece of ink looks.
        max_pixels: a picture with more is refused before it is decoded.
        single: take all ink on a picture as one digit.
    """

    index: DigitIndex
    max_pixels: int = MAX_PIXELS
    single: bool = False

    def read(self, images: Iterable[str], ids: Iterable[str]) -> Iterator[AnyQuery]:
        """Turn what a person named into digits, one at a time.

        Args:
            images: paths of pictures, `.npy` arrays or folders; `-` is stdin.
            ids: of stored digits, for example `mnist/train/123`.
        """
        for image in images:
            yield from self._named(image)
        for name in ids:
            yield self._stored(name)

    def content(self, name: str, content: bytes) -> Iterator[AnyQuery]:
        """Turn the bytes of a picture or of an `.npy` file, called `name`, into digits."""
        queries = self._content(name, io.BytesIO(content), len(content))
        yield from queries if name == STDIN else _of_file(name, queries)

    def array(self, name: str, array: np.ndarray) -> Iterator[AnyQuery]:
        """Turn an array called `name` into digits: a picture, or a stack (n, 28, 28) of digits."""
        if not _is_stack(array.shape):
            yield from self._digits(name, lambda: self._picture(array))
            return
        if not len(array):
            yield FailedQuery(name, f"{name}: expected a stack of digits, received an empty one")
        for number, image in enumerate(array):
            yield _stacked(f"{name}[{number}]", image, self.max_pixels)

    def _picture(self, array: np.ndarray) -> Picture:
        _refuse_flat(array.shape)
        return picture_from_array(array, max_pixels=self.max_pixels)

    def picture(self, name: str, picture: Picture) -> Iterator[AnyQuery]:
        """Turn a picture that is already read, called `name`, into digits."""
        yield from self._digits(name, lambda: picture)

    def _named(self, image: str) -> Iterator[AnyQuery]:
        if image == STDIN:
            yield from self._stdin()
        elif os.path.isdir(image):  # noqa: PTH112, Path's own raises for names that are too long
            yield from self._folder(image)
        else:
            yield from self._file(image)

    def _stdin(self) -> Iterator[AnyQuery]:
        try:
            content = sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
        except OSError as exc:
            yield FailedQuery(STDIN, f"{STDIN}: stdin cannot be read ({exc.strerror})")
            return
        if content:
            yield from self._content(STDIN, io.BytesIO(content), len(content))
        else:
            expected = "expected a picture or an array from stdin, received nothing"
            yield FailedQuery(STDIN, f"{STDIN}: {expected}")

    def _folder(self, folder: str) -> Iterator[AnyQuery]:
        found = find_pictures(folder, QUERY_SUFFIXES)
        for exc in found.refusals:
            name = named(exc.filename)
            yield FailedQuery(name, f"{name}: cannot be read ({exc.strerror})")
        name = named(folder)
        if found.unread:
            yield FailedQuery(name, f"{name}: {tell_unread(found.unread)}")
        if not any(found):
            yield FailedQuery(name, f"{name}: expected images in this folder, found none")
        for file in found.pictures:
            yield from self._file(file)

    def _file(self, path: str) -> Iterator[AnyQuery]:
        name = named(path) or "''"
        try:
            # Without waiting: a pipe that nobody writes to is no picture either.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                status = os.fstat(file.fileno())
                if stat.S_ISREG(status.st_mode):
                    yield from _of_file(name, self._content(name, file, status.st_size))
                else:
                    what = "a pipe" if stat.S_ISFIFO(status.st_mode) else "a device"
                    yield FailedQuery(
                        name, f"{name}: expected a regular file, or - for stdin, received {what}"
                    )
        except FileNotFoundError:
            expected = "expected a picture, an .npy array or a folder"
            yield FailedQuery(name, f"{name}: {expected}, received {_nothing_named(path)}")
        except OSError as exc:
            yield FailedQuery(name, f"{name}: cannot be read ({exc.strerror})")

    def _content(self, name: str, file: BinaryIO, size: int) -> Iterator[AnyQuery]:
        if size > MAX_BYTES:
            yield FailedQuery(name, f"{name}: expected at most {MAX_BYTES:,} bytes, received more")
        elif not size:
            yield FailedQuery(
                name, f"{name}: expected a picture or an array, received an empty file"
            )
        elif file.read(len(NPY_MAGIC)) == NPY_MAGIC:
            yield from self._array(name, file)
        else:
            file.seek(0)
            yield from self._digits(name, lambda: read_picture(file, max_pixels=self.max_pixels))

    def _array(self, name: str, file: BinaryIO) -> Iterator[AnyQuery]:
        file.seek(0)
        try:
            shape, _, _ = read_header(io.BytesIO(file.read(MAX_HEADER)))
            if not _is_stack(shape):
                _refuse_flat(shape)
                check_shape(shape, self.max_pixels)  # before the pixels are read
            file.seek(0)
            array = read_npy(file.read())
        except BadArray as exc:
            yield FailedQuery(name, f"{name}: expected an array of pixels, but {exc}")
            return
        except PictureUnreadable as exc:
            yield _failed(name, exc)
            return
        yield from self.array(name, array)

    def _digits(self, name: str, read: Callable[[], Picture]) -> Iterator[AnyQuery]:
        try:
            picture = read()
        except PictureError as exc:
            yield _failed(name, exc)
            return
        try:
            strangeness = self.index.strangeness
            for digit in find_digits(picture, single=self.single, strangeness=strangeness):
                yield Query(name, digit.image, picture.grey, box=digit.box, scale=picture.scale)
        except PictureBlank as exc:
            yield RefusedQuery(name, BLANK, str(exc), picture.grey)
        except PictureNotDigits as exc:
            yield RefusedQuery(name, NOT_A_DIGIT, str(exc), picture.grey)

    def _stored(self, name: str) -> AnyQuery:
        try:
            position = self.index.position(name)
        except UsageError as exc:
            return FailedQuery(named(name), str(exc))
        image = scale_to_unit(self.index.images[position])
        return Query(name, image, image, position)


def _nothing_named(path: str) -> str:
    """What the name of no file is, and what to do."""
    if os.path.islink(path):  # noqa: PTH114, as above
        return "a link to nothing"
    if "://" in path:
        return "an address; save what is there as a file"
    if set(path) & set("*?["):
        return "a pattern that no file matches"
    return "the name of no file; look for a slip in it"


def _failed(name: str, exc: PictureError) -> FailedQuery:
    remedy = ", or raise --max-pixels" if isinstance(exc, PictureTooLarge) else ""
    return FailedQuery(name, f"{name}: {exc}{remedy}")


def _of_file(name: str, queries: Iterable[AnyQuery]) -> Iterator[AnyQuery]:
    return (one._replace(file=name) if isinstance(one, Query) else one for one in queries)


def _stacked(name: str, image: np.ndarray, max_pixels: int) -> AnyQuery:
    """One of an array of digits that already are in the MNIST convention."""
    try:
        grey = picture_from_array(image, max_pixels=max_pixels).grey
    except PictureUnreadable as exc:
        return _failed(name, exc)
    if not grey.any():
        return RefusedQuery(name, BLANK, UNDRAWN, grey)
    return Query(name, grey, grey)


def _refuse_flat(shape: tuple[int, ...]) -> None:
    """Refuse digits of MNIST as many copies have them, which are no picture.

    Raises:
        PictureUnreadable: the array has a row of 784 pixels for each digit.
    """
    if len(shape) == 2 and shape[1] == SIDE * SIDE:
        raise PictureUnreadable(
            f"expected a picture, or digits (n, {SIDE}, {SIDE}), received {shape}, which looks like"
            f" digits laid flat; reshape them to ({shape[0]}, {SIDE}, {SIDE})"
        )


def _is_stack(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[1:] == (SIDE, SIDE)
