"""From ink to digits: strokes grouped, cut, joined and brought to the MNIST convention.

One picture may be read in several ways; what they are worth tells how much its digits look like
digits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import chain
from typing import NamedTuple

import cv2
import numpy as np

from data.document.clutter import is_block, is_dash, is_part_of_ground, without_clutter
from data.document.components import Box, Components, components
from data.document.finer_ink import with_pale
from data.document.ink import Ink
from data.document.perspective import SAME, Homography
from data.document.printed import Printed, by_cell, find_printed
from data.document.render import render
from data.document.segment import Glyph, find_glyphs, in_lines
from data.document.strings import reread
from data.document.touching import stroke_width
from data.errors import PictureBlank, PictureNotDigits
from data.grey import Plane
from data.picture import Picture

Strangeness = Callable[[Plane], np.ndarray]

# A mark less tall and wide than this many pixels holds no digit's shape.
_SMALLEST = 5
# From this size on a shape is told from a blot, ...
_SHAPED = 8
# ... whose strokes are wider than this share of its length. Of 260 real digits none exceeds 0.4.
_SOLID = 0.5
# A digit less strange than this speaks for how a picture is read, a stranger one against it.
STRANGE = 0.4
# What is at least so strange does not look like any digit.
_NONE = 0.75
# Another digit is at least this long beside most, ...
_SMALLER = 0.5
# ... and at most this.
_LARGER = 2.0


class Digit(NamedTuple):
    """One digit found on a picture.

    Attributes:
        image: (28, 28) float32 in [0, 1], ink bright, in the MNIST convention.
        box: x, y, width, height in pixels of the original, upright picture.
    """

    image: Plane
    box: tuple[int, int, int, int]


class Reading(NamedTuple):
    """How a picture, or a page on it, was read.

    Attributes:
        digits: those found.
        strange: (n,) how strange each is.
    """

    digits: list[Digit]
    strange: np.ndarray

    def joined(self, other: Reading) -> Reading:
        """This and what was read elsewhere on the picture."""
        return Reading(self.digits + other.digits, np.append(self.strange, other.strange))

    @property
    def worth(self) -> float:
        """How much the digits look like digits: less strange ones count for, others against."""
        return float((STRANGE - self.strange).sum())

    def keeps(self, other: Reading) -> bool:
        """Whether all digits of another reading are among these, each just where it is there."""
        return {digit.box for digit in other.digits} <= {digit.box for digit in self.digits}

    @property
    def is_none(self) -> bool:
        """Whether none of the digits looks like one."""
        return bool((self.strange >= _NONE).all())


NOTHING = Reading([], np.empty(0))


class Reader(NamedTuple):
    """How ink on a picture is read.

    Attributes:
        picture: what data.picture read.
        single: take all ink as one digit, whatever it looks like.
        strangeness: as :func:`data.normalise.find_digits` has it.
    """

    picture: Picture
    single: bool
    strangeness: Strangeness | None

    def read_all(self, ink: Ink, to_picture: Homography = SAME) -> Reading:
        """As :meth:`read`, and what is written in strokes that are paler than most, beside."""
        reading = self.read(ink, to_picture)
        pale = None if self.strangeness is None or self.single else with_pale(ink)
        if pale is not None and self.is_more(pale, reading, to_picture):
            with contextlib.suppress(PictureBlank, PictureNotDigits):
                more = self.read(pale, to_picture)
                if more.worth > reading.worth and more.keeps(reading):
                    return more
        return reading

    def read(self, ink: Ink, to_picture: Homography = SAME) -> Reading:
        """What is written in some ink, by cell, or across lines where that looks like digits.

        Args:
            ink: on the picture or a page of it.
            to_picture: takes it to where it is on the picture.

        Raises:
            PictureBlank, PictureNotDigits: there are no digits.
        """
        printed = find_printed(ink.strokes, ink.density)
        if len(printed) > 1 and self.strangeness is not None:
            by_cell, across = (self._tried(ink, one, to_picture) for one in printed)
            least = by_cell.worth - STRANGE if by_cell.digits else 0
            if across.digits and across.worth > least:
                return across
            if by_cell.digits:
                return by_cell
        return self._judged(self._digits(ink, printed[0] if printed else None, to_picture))

    def _tried(self, ink: Ink, printed: Printed, to_picture: Homography) -> Reading:
        with contextlib.suppress(PictureBlank, PictureNotDigits):
            return self._judged(self._digits(ink, printed, to_picture))
        return NOTHING

    def _digits(self, ink: Ink, printed: Printed | None, to_picture: Homography) -> list[Digit]:
        groups = _groups(ink, printed, single=self.single)
        if self.strangeness is not None and not self.single:
            groups = _reread(groups, ink, self.strangeness)
        glyphs = [glyph for line in in_lines(list(chain(*groups))) for glyph in line]
        large = [glyph for glyph in glyphs if max(glyph.box.width, glyph.box.height) >= _SMALLEST]
        if not large:
            raise PictureBlank(
                f"expected a digit at least {_SMALLEST} pixels tall, but the largest mark is"
                " smaller; use a larger picture or crop closer"
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
            Digit(render(_own_ink(ink.density, g)), _box_in_original(g, to_picture, self.picture))
            for g in large
        ]

    def _judged(self, digits: list[Digit]) -> Reading:
        """How strange each of some digits is; without a judge, neither strange nor ordinary."""
        if self.strangeness is None or not digits:
            return Reading(digits, np.full(len(digits), STRANGE))
        return Reading(digits, self.strangeness(np.stack([digit.image for digit in digits])))

    def is_more(self, ink: Ink, reading: Reading, to_picture: Homography = SAME) -> bool:
        """Whether ink may be worth more than how the same picture was read.

        That is if a digit speaks against this, or if strokes as large as a digit lie beside them.
        """
        if not len(ink.strokes.boxes):
            return False
        if not reading.digits or reading.strange.max() > STRANGE:
            return True
        boxes = np.array([digit.box for digit in reading.digits])
        usual = float(np.median(boxes[:, 2:].max(axis=1)))
        strokes = _boxes_on(self.picture, ink.strokes.boxes, to_picture)
        longest = strokes[:, 2:].max(axis=1)
        as_large = (longest >= _SMALLER * usual) & (longest <= _LARGER * usual)
        return not _have_centre_in(strokes[as_large], boxes).all()


def _groups(ink: Ink, printed: Printed | None, *, single: bool) -> list[list[Glyph]]:
    """Strokes grouped into digits: those of each cell by themselves, where there are cells."""
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


def _boxes_on(picture: Picture, boxes: np.ndarray, to_picture: Homography) -> np.ndarray:
    """Boxes (n, 4) of strokes in pixels of the original, (n, 4) floats."""
    corners = boxes[:, None, :2] + boxes[:, None, 2:] * [(0, 0), (1, 0), (0, 1), (1, 1)]
    places = cv2.perspectiveTransform(corners.astype(float), to_picture) * picture.scale
    least = places.min(axis=1)
    return np.concatenate([least, places.max(axis=1) - least], axis=1)


def _have_centre_in(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of boxes (n, 4) have their centre in one of others (m, 4): (n,) bool."""
    centres = boxes[:, None, :2] + boxes[:, None, 2:] / 2
    after, before = centres >= others[:, :2], centres < others[:, :2] + others[:, 2:]
    return np.asarray((after & before).all(axis=2).any(axis=1))
