"""The only normaliser: from a picture to digits in the MNIST convention.

Whatever is embedded, at training, at building an index or at asking it, has passed through here or
is MNIST itself, which passes through unchanged. Embedders and indexes therefore carry
NORMALISER_VERSION, which changes whenever the result of any picture that has one may.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np

from data.convention import SIDE
from data.document.desk import find_lighter
from data.document.finer_ink import FINE, find_fine_ink
from data.document.halftone import without_dots
from data.document.ink import Ink, find_ink, is_dark_on_light
from data.document.page import Page, find_page, within_edges, without_table
from data.document.paper import is_evenly_lit
from data.document.perspective import SAME, Homography
from data.document.reading import NOTHING, STRANGE, Digit, Reader, Reading, Strangeness
from data.document.render import LONGEST
from data.errors import PictureBlank, PictureError, PictureNotDigits
from data.grey import Plane
from data.picture import Picture

NORMALISER_VERSION = 13

Way = Callable[[], Reading]  # to read a picture; where it finds no digits, it raises that


def find_digits(
    picture: Picture, *, single: bool = False, strangeness: Strangeness | None = None
) -> list[Digit]:
    """Find every digit on a picture and bring each to the MNIST convention.

    Args:
        picture: what data.picture read.
        single: take all ink as one digit, whatever it looks like.
        strangeness: how far from any known digit some images, (n, 28, 28) float32, are: (n,), at
            least 0, in units of what is too far for a name. Digits that touch are only cut, broken
            ones only judged by their looks, and fine or pale ink is only read, where this is given.

    Returns:
        At least one digit, left to right, line by line.

    Raises:
        PictureBlank: nothing is drawn, or nothing large enough to be a digit.
        PictureNotDigits: the picture is noise or texture, or full of marks.
    """
    grey, conventional = picture.grey, already_normal(picture.grey)
    if conventional is not None:
        return [Digit(conventional, (0, 0, *picture.size))]
    reader = Reader(picture, single, strangeness)
    lighter = find_lighter(grey)
    is_even = is_evenly_lit(grey)
    ways: list[Way] = []
    if lighter.pages and not (single and len(lighter.pages) > 1):
        ways.append(lambda: _on_light_pages(grey, lighter.pages, reader))
    if lighter.is_lit:
        lit = partial(find_ink, grey, shaded=True, is_dark=True, is_drawn=True)
        ways.append(lambda: reader.read_all(lit()))
    if not is_even:  # then a shade that much of the rim has is not all paper's
        ways.append(lambda: reader.read_all(*_ink_on_page(grey, shaded=True)))
    reading, failure = _first([*ways, lambda: _on_even_paper(grey, reader)])
    reading = _or_finer(reading, grey, reader, is_even=not ways)
    if failure is not None and not reading.digits:
        raise failure
    return reading.digits


def _first(ways: Sequence[Way]) -> tuple[Reading, PictureError | None]:
    """The first of some ways that finds digits; or nothing, and what the last one says."""
    failure: PictureError | None = None
    for way in ways:
        try:
            return way(), None
        except (PictureBlank, PictureNotDigits) as exc:
            failure = exc
    return NOTHING, failure


def _or_finer(
    reading: Reading,
    grey: Plane,
    reader: Reader,
    *,
    is_even: bool,
    is_dark: bool | None = None,
    to_picture: Homography = SAME,
) -> Reading:
    """How paper (h, w) was read, or its fine ink, where that is worth a digit more.

    Where the light is even, that is asked only if no digit looks like one; and for a broad pen
    only if a narrow one may have been overlooked.
    """
    if reader.strangeness is None or (is_even and not reading.is_none):
        return reading
    if is_dark is None:
        is_dark = is_dark_on_light(grey)
    least = reading.worth + STRANGE
    for width in FINE:
        with contextlib.suppress(PictureBlank, PictureNotDigits):
            ink = find_fine_ink(grey, width, is_dark=is_dark)
            if not reader.is_more(ink, reading, to_picture):
                break
            finer = reader.read(ink, to_picture)
            if finer.worth > least:
                reading, least = finer, finer.worth
    return reading


def _on_light_pages(grey: Plane, pages: Sequence[Page], reader: Reader) -> Reading:
    """How pages that lie on a darker table are read, page by page.

    Raises:
        PictureBlank: there are no digits.
    """
    reading = NOTHING
    for page in pages:
        paper = without_table(grey, page, is_light=True)
        reading = reading.joined(_on_light_page(paper, page, reader))
    if not reading.digits:
        raise PictureBlank("expected digits on the pages, but all are bare; write on them")
    return reading


def _on_light_page(paper: Plane, page: Page, reader: Reader) -> Reading:
    """How the paper (h, w) of a page is read; perhaps it is bare."""
    is_even, to_picture = is_evenly_lit(paper), page.to_picture()

    def read(*, shaded: bool) -> Reading:
        ink = find_ink(paper, shaded=shaded, is_dark=True)
        held = ink._replace(strokes=within_edges(ink.strokes, page))
        return reader.read_all(held, to_picture)

    ways = [partial(read, shaded=shaded) for shaded in ([False] if is_even else [True, False])]
    reading, _ = _first(ways)
    return _or_finer(reading, paper, reader, is_even=is_even, is_dark=True, to_picture=to_picture)


def _on_even_paper(grey: Plane, reader: Reader) -> Reading:
    """How paper of a single shade is read, perhaps printed in dots.

    Raises:
        PictureBlank, PictureNotDigits: there are no digits.
    """
    try:
        return reader.read_all(*_ink_on_page(grey))
    except PictureNotDigits:
        greys = without_dots(grey)
        if greys is not None:
            with contextlib.suppress(PictureBlank, PictureNotDigits):
                return reader.read_all(*_ink_on_page(greys))
        raise


def scale_to_unit(images: np.ndarray) -> np.ndarray:
    """Scale stored images to what the tower takes.

    Args:
        images: (..., 28, 28) uint8.

    Returns:
        The same shape, float32 in [0, 1].
    """
    return images.astype(np.float32) / np.float32(255)


def scale_to_bytes(images: np.ndarray) -> np.ndarray:
    """Round digits (..., 28, 28) float32 in [0, 1] to the uint8 they are stored as."""
    return np.round(images * 255).astype(np.uint8)


def already_normal(grey: Plane) -> Plane | None:
    """The picture (h, w) itself, ink bright, if it is in the MNIST convention to the pixel.

    Resampling such an image could only blur it. All of MNIST's training images have bare black
    around a digit whose longest side is 19 or 20 px and whose centre of mass is within half a pixel
    of (14, 14).
    """
    if grey.shape != (SIDE, SIDE):
        return None
    for image in (grey, 1 - grey):
        *_, width, height = cv2.boundingRect((image > 0).astype(np.uint8))
        moments = cv2.moments(image)
        if moments["m00"] == 0 or max(width, height) not in (LONGEST - 1, LONGEST):
            continue
        centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
        if np.abs(centre - SIDE / 2).max() <= 0.55:
            return image
    return None


def _ink_on_page(grey: Plane, *, shaded: bool = False) -> tuple[Ink, Homography]:
    """Find ink; when the picture shows a page on a table, only that on the page, turned upright."""
    ink = find_ink(grey, shaded=shaded)
    page = find_page(ink.strokes)
    if page is None:
        return ink, SAME
    try:
        inner = find_ink(without_table(grey, page, is_light=not ink.is_dark), shaded=shaded)
    except (PictureBlank, PictureNotDigits):
        if shaded:
            raise  # ink of wide areas is none
        return ink, SAME  # a shape, solid or closed, not a page
    # A page lighter than its table bears darker ink; else the "page" is a drawn outline.
    return (inner, page.to_picture()) if inner.is_dark != ink.is_dark else (ink, SAME)
