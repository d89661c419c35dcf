"""What a client sends becomes digits to ask about, the way files do on the command line.

A body is a picture, an `.npy` file or JSON: one digit of 28 x 28 or several, as the Python API
takes them, or one picture of any other size. Whole numbers are 0 to 255; fractions are 0 to 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from itertools import islice
from typing import Any, NoReturn

import numpy as np

from data.convention import SIDE
from data.errors import PictureError
from data.normalise import already_normal
from data.picture import Picture, read_picture
from search.queries import STDIN, AnyQuery, Reader
from search.web.access import Refusal
from search.web.limits import MOST_DIGITS

JSON = "application/json"
# What curl says of --data-binary unless told otherwise, or of any bytes, or says nothing.
UNNAMED = {"", "application/x-www-form-urlencoded", "application/octet-stream"}
LARGEST = 255
SMALL = 4096  # bytes
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"  # and then width and height, of four bytes each
UNFOLDING = (b"zTXt", b"iTXt", b"iCCP", b"eXIf")  # parts that may hold far more than they seem to


@dataclass(frozen=True)
class Sent:
    """A body, not yet read.

    Attributes:
        content: its bytes.
        kind: what its Content-Type says it is, without parameters.
        name: what to call it in answers.
    """

    content: bytes
    kind: str
    name: str = STDIN

    def check_kind(self) -> None:
        """Refuse what says of itself that it is neither a picture nor an array.

        Raises:
            Refusal: it does.
        """
        if self.kind not in UNNAMED | {JSON} and not self.kind.startswith("image/"):
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"expected a picture (image/...) or {JSON}, received {self.kind!r}",
            )

    def queries(self, reader: Reader) -> Iterator[AnyQuery]:
        """The digits in it.

        Raises:
            Refusal: JSON that is no array of pixels.
        """
        if self.digit is not None:
            return reader.picture(self.name, self.digit)
        if self.kind == JSON or self.content.lstrip()[:1] == b"[":
            pixels = parse_pixels(self.content)
            return reader.array(self.name, pixels[None] if pixels.shape == (SIDE, SIDE) else pixels)
        return reader.content(self.name, self.content)

    @cached_property
    def digit(self) -> Picture | None:
        """The picture that it is, if that plainly is a digit: nothing has to be found on it.

        That is a small PNG file in the MNIST convention. To find out, a file as small is read,
        which takes no time; of anything else only a few bytes are looked at.
        """
        if self.kind == JSON or not self._is_small_png:
            return None
        try:
            picture = read_picture(self.content)
        except PictureError:
            return None
        return None if already_normal(picture.grey) is None else picture

    @property
    def _is_small_png(self) -> bool:
        content = self.content
        if len(content) > SMALL or not content.startswith(PNG) or content.count(PNG[-4:]) > 1:
            return False
        sides = (content[len(PNG) + at :][:4] for at in (0, 4))
        is_small = all(int.from_bytes(side) <= SIDE for side in sides)
        return is_small and not any(part in content for part in UNFOLDING)


def read_all(reader: Reader, sent: Sent, ids: Sequence[str] | None = None) -> list[AnyQuery]:
    """The digits that were sent, then the stored ones called `ids`, which is None where a
    route takes none.

    Raises:
        Refusal: there is nothing to ask about, or too much.
    """
    if not ids and not sent.content:
        place = "the body" if sent.name == STDIN else sent.name
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            f"expected a picture or a JSON array as {place}{'' if ids is None else ', or ?id='},"
            " received nothing",
        )

    def read() -> Iterator[AnyQuery]:
        if sent.content:
            yield from sent.queries(reader)
        yield from reader.read((), ids or ())

    queries = list(islice(read(), MOST_DIGITS + 1))
    if len(queries) > MOST_DIGITS:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"expected at most {MOST_DIGITS} digits in one request, received more; send several",
        )
    return queries


def parse_pixels(content: bytes) -> np.ndarray:
    """The array that a JSON text is.

    Returns:
        uint8, or float64 where there are fractions; of any shape.

    Raises:
        Refusal: no JSON, no array, or whole numbers that are no bytes.
    """
    try:
        values = json.loads(content, parse_constant=_refuse_constant)
        array = np.array(values) if isinstance(values, list) else None
    except (ValueError, RecursionError, OverflowError) as exc:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, f"expected a JSON array of pixels, but {_reason(exc)}"
        ) from exc
    if array is None:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, f"expected a JSON array of pixels, received {_called(values)}"
        )
    # Among numbers NumPy takes true for 1.
    if array.dtype.kind not in "iuf" or any(word in content for word in (b"true", b"false")):
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            f"expected a JSON array of numbers from 0 to {LARGEST}, received one of other values",
        )
    if array.dtype.kind == "f":
        return array
    if array.size and not 0 <= array.min() <= array.max() <= LARGEST:
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            f"expected whole numbers from 0 to {LARGEST}, received {array.min()} to {array.max()}",
        )
    if array.size and array.max() == 1:
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            f"expected whole numbers from 0 to {LARGEST} or fractions from 0 to 1, received only 0"
            f" and 1, which may mean either; write ink as {LARGEST}",
        )
    return array.astype(np.uint8)


def _called(value: object) -> str:
    """What a JSON text is that is no array."""
    return "an object" if isinstance(value, dict) else "a single value"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


def _reason(exc: Exception) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"it is no JSON ({exc.msg} at character {exc.pos:,})"
    if isinstance(exc, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(exc, RecursionError):
        return "it is nested too deeply"
    if "integer string" in str(exc):
        return "it holds a number of too many digits"
    return "its rows differ in length" if "inhomogeneous" in str(exc) else str(exc)


def media_type(header: str) -> str:
    """What a Content-Type says, without parameters."""
    return header.partition(";")[0].strip().lower()


def as_rows(image: np.ndarray) -> list[list[int]]:
    """A digit (28, 28) float32 in [0, 1] as JSON takes it: rows of whole numbers."""
    rows: Any = np.round(image * LARGEST).astype(int).tolist()
    return list(rows)
