"""The only normaliser: from a picture to digits in the MNIST convention.

Whatever is embedded, at training, at building an index or at asking it, has passed through here or
is MNIST itself, which passes through unchanged. Embedders and indexes therefore carry
NORMALISER_VERSION, which changes whenever the result of any picture that has one may.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from itertools import chain
from typing import NamedTuple

import cv2
import numpy as np

from data.clutter import is_block, is_dash, is_part_of_ground, without_clutter
from data.components import Box, Components, components
from data.convention import SIDE
from data.desk import find_lighter
from data.errors import PictureBlank, PictureNotDigits
from data.grey import Plane
from data.halftone import without_dots
from data.ink import Ink, find_ink
from data.page import Page, find_page, within_edges, without_table
from data.paper import is_evenly_lit
from data.perspective import SAME, Homography
from data.picture import Picture
from data.printed import by_cell, find_printed
from data.render import LONGEST, render
from data.segment import Glyph, find_glyphs, in_lines
from data.strings import reread
from data.touching import stroke_width

NORMALISER_VERSION = 9

Strangeness = Callable[[Plane], np.ndarray]

# A mark less tall and wide than this many pixels holds no digit's shape.
_SMALLEST = 5
# From this size on a shape is told from a blot, ...
_SHAPED = 8
# ... whose strokes are wider than this share of its length. Of 260 real digits none exceeds 0.4.
_SOLID = 0.5


class Digit(NamedTuple):
    """One digit found on a picture.

    Attributes:
        image: (28, 28) float32 in [0, 1], ink bright, in the MNIST convention.
        box: x, y, width, height in pixels of the original, upright picture.
    """

    image: Plane
    box: tuple[int, int, int, int]


Read = Callable[[Homography, Ink], list[Digit]]  # ink, after the map from it to the picture


def find_digits(
    picture: Picture, *, single: bool = False, strangeness: Strangeness | None = None
) -> list[Digit]:
    """Find every digit on a picture and bring each to the MNIST convention.

    Args:
        picture: what data.picture read.
        single: take all ink as one digit, whatever it looks like.
        strangeness: how far from any known digit some images, (n, 28, 28) float32, are: (n,), at
            least 0, say their mean distance to their nearest neighbours. Digits that touch are only
            cut, and broken ones only judged by their looks, where this is given.

    Returns:
        At least one digit, left to right, line by line.

    Raises:
        PictureBlank: nothing is drawn, or nothing large enough to be a digit.
        PictureNotDigits: the picture is noise or texture, or full of marks.
    """
    grey, conventional = picture.grey, already_normal(picture.grey)
    if conventional is not None:
        return [Digit(conventional, (0, 0, *picture.size))]
    read = partial(_digits, picture, single, strangeness)
    lighter = find_lighter(grey)
    on_pages = _on_light_pages(grey, lighter.pages, read, single=single)
    if on_pages:
        return on_pages
    if lighter.is_lit:
        with contextlib.suppress(PictureBlank, PictureNotDigits):
            return read(SAME, find_ink(grey, shaded=True, is_dark=True, is_drawn=True))
    if not is_evenly_lit(grey):  # then a shade that much of the rim has is not all paper's
        with contextlib.suppress(PictureBlank, PictureNotDigits):
            return read(*_ink_on_page(grey, shaded=True))
    try:
        return read(*_ink_on_page(grey))
    except PictureNotDigits:
        greys = without_dots(grey)
        if greys is not None:
            with contextlib.suppress(PictureBlank, PictureNotDigits):
                return read(*_ink_on_page(greys))
        raise


def _on_light_pages(grey: Plane, pages: Sequence[Page], read: Read, *, single: bool) -> list[Digit]:
    """The digits on pages that lie on a darker table, page by page.

    None where all ink is one digit, and there are several pages.
    """
    digits: list[Digit] = []
    for page in pages if not single or len(pages) == 1 else []:
        paper = without_table(grey, page, is_light=True)
        for shaded in (False,) if is_evenly_lit(paper) else (True, False):
            with contextlib.suppress(PictureBlank, PictureNotDigits):
                ink = find_ink(paper, shaded=shaded, is_dark=True)
                held = ink._replace(strokes=within_edges(ink.strokes, page))
                digits += read(page.to_picture(), held)
                break
    return digits


def _digits(
    picture: Picture,
    single: bool,
    strangeness: Strangeness | None,
    to_picture: Homography,
    ink: Ink,
) -> list[Digit]:
    """The digits among ink; `to_picture` takes it to where it is on the picture.

    Raises:
        PictureBlank, PictureNotDigits: there are none.
    """
    groups = _groups(ink, single=single)
    if strangeness is not None and not single:
        groups = _reread(groups, ink, strangeness)
    glyphs = [glyph for line in in_lines(list(chain(*groups))) for glyph in line]
    large = [glyph for glyph in glyphs if max(glyph.box.width, glyph.box.height) >= _SMALLEST]
    if not large:
        raise PictureBlank(
            f"expected a digit at least {_SMALLEST} pixels tall, but the largest mark is smaller; "
            "use a larger picture or crop closer"
        )
    shape = ink.density.shape
    large = [
        glyph
        for glyph in large
        if not (is_dash(glyph.mask) or _is_solid(glyph) or is_part_of_ground(glyph.mask, shape))
    ]
    if not large:
        raise PictureNotDigits(
            "expected digits, but the picture shows a line or a solid shape; crop to the digits"
        )
    return [
        Digit(render(_own_ink(ink.density, g)), _box_in_original(g, to_picture, picture))
        for g in large
    ]


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


def _ink_on_page(grey: Plane, *, shaded: bool = False) -> tuple[Homography, Ink]:
    """Find ink; when the picture shows a page on a table, only that on the page, turned upright."""
    ink = find_ink(grey, shaded=shaded)
    page = find_page(ink.strokes)
    if page is None:
        return SAME, ink
    try:
        inner = find_ink(without_table(grey, page, is_light=not ink.is_dark), shaded=shaded)
    except PictureBlank:
        if shaded:
            raise  # ink of wide areas is none
        return SAME, ink  # a solid shape, not a page
    # A page lighter than its table bears darker ink; else the "page" is a drawn outline.
    return (page.to_picture(), inner) if inner.is_dark != ink.is_dark else (SAME, ink)


def _groups(ink: Ink, *, single: bool) -> list[list[Glyph]]:
    """Strokes grouped into digits: those of each cell by themselves, where there are cells."""
    printed = find_printed(ink.strokes, ink.density)
    if printed is None:
        return [find_glyphs(without_clutter(ink.strokes), single=single)]
    rest = components(ink.strokes.mask - printed.marks)
    rest = without_clutter(rest) if len(rest.boxes) else rest
    parts = by_cell(rest, printed)
    if not parts:
        raise PictureBlank(
            "expected digits, but there are only printed cells; fill some of them in"
        )
    if single:
        return [find_glyphs(rest, single=True)]
    return list(_groups_of(rest, parts))


def _groups_of(strokes: Components, parts: list[list[int]]) -> Iterator[list[Glyph]]:
    """The digits of each part of the components, without parts that are too full for digits.

    Raises:
        PictureNotDigits: all are.
    """
    refused = 0
    for part in parts:
        box = reduce(Box.union, map(strokes.box, part))
        try:
            found = find_glyphs(components(strokes.only(part, box)))
        except PictureNotDigits:
            refused += 1
            if refused == len(parts):
                raise
        else:
            yield [glyph.moved(box.x, box.y) for glyph in found]


def _reread(groups: list[list[Glyph]], ink: Ink, strangeness: Strangeness) -> list[list[Glyph]]:
    """Take touching digits apart and join broken ones where that makes them less strange."""

    def judged(candidates: list[Glyph]) -> list[float]:
        images = np.stack([render(_own_ink(ink.density, glyph)) for glyph in candidates])
        return [float(value) for value in strangeness(images)]

    return reread(groups, judged)


def _is_solid(glyph: Glyph) -> bool:
    """Whether a glyph is a spot, a disc or a block: far wider than any pen for its length."""
    longest = max(glyph.box.width, glyph.box.height)
    return longest >= _SHAPED and (
        stroke_width(glyph.mask) > _SOLID * longest or is_block(glyph.mask)
    )


def _own_ink(density: Plane, glyph: Glyph) -> Plane:
    """The ink of one glyph, (box.height, box.width), with its soft edges but without neighbours."""
    box = glyph.box
    near = cv2.dilate(glyph.mask, np.ones((3, 3), np.uint8))
    return density[box.y : box.bottom, box.x : box.right] * near


def _box_in_original(
    glyph: Glyph, to_picture: Homography, picture: Picture
) -> tuple[int, int, int, int]:
    """The box around a glyph in pixels of the original, rounded outwards and kept inside it."""
    box = glyph.box
    outline = np.array([(box.x, box.y), (box.right - 1, box.bottom - 1)])
    if to_picture is not SAME:  # the box would be turned too, and be larger than what is in it
        outlines, _ = cv2.findContours(glyph.mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        outline = np.concatenate(outlines).reshape(-1, 2) + box[:2]
    corners = (outline[:, None] + [(0, 0), (1, 0), (0, 1), (1, 1)]).reshape(-1, 2)
    places = cv2.perspectiveTransform(corners[None].astype(float), to_picture)[0] * picture.scale
    left, top = np.maximum(0, places.min(axis=0)).astype(int).tolist()
    right, bottom = np.minimum(picture.size, np.ceil(places.max(axis=0))).astype(int).tolist()
    return left, top, right - left, bottom - top
