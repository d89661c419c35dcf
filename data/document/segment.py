"""Group the strokes of a mask into digits, in reading order.

A component of strokes is a digit, a fragment of one (the bar of a 5, a broken loop) or dirt. Sizes
decide: digits written together are about as tall as each other, fragments lie over or close to the
digit they belong to, dirt is small. Digits that touch are one component;
:mod:`data.document.touching` cuts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

import cv2
import numpy as np

from data.document.components import Box, Components, Mask, components, holes
from data.errors import PictureNotDigits

# Of the height of the tallest component: smaller parts are dirt, ...
_DIRT = 0.2
# ... taller ones can be digits by themselves, those between are fragments, ...
_BODY = 0.5
# ... which join a digit no further away than this.
_NEAR = 0.5
# The tallest alone says nothing if the second is less than a body and more than this share of it:
# a digit may be written across a fold; ...
_ODD = 0.35
# ... and if so many are about as tall as the second: ...
_MANY = 8
# ... taller than this share of it.
_ALIKE = 0.75
# More parts than this are a texture.
MOST_PARTS = 200
# Where digits are less than this share of what stands out, it is noise, or another thing's picture.
_OF_DIGITS = 0.15
# A digit has two holes at most; grain adds some, seven in the worst of real photos, but no more
# than this for each height of a mark's width.
_MOST_HOLES = 25
# Of at least so many digits it is asked how their lines slope; ...
_SLOPED = 4
# ... the next in a line is at most so many heights away, ...
_NEXT = 3.0
# ... and so many radians up or down.
_STEEPEST = 0.55
# Within so many radians lines are level, or agree.
_LEVEL = 0.09
# One lies beside another, not under it, from this share of their mean width on.
_BESIDE = 0.8
# Parts above each other belong together when the gap is less than this.
_STACKED = 0.12


class Glyph(NamedTuple):
    """The strokes of one digit.

    Attributes:
        box: where it is.
        mask: (box.height, box.width) uint8, 1 on its strokes, 0 on all others'.
    """

    box: Box
    mask: Mask

    def moved(self, x: int, y: int) -> Glyph:
        """The same strokes, x columns further right and y rows further down."""
        return Glyph(self.box.moved(x, y), self.mask)


def find_glyphs(strokes: Components, *, single: bool = False) -> list[Glyph]:
    """Group strokes into digits.

    Args:
        strokes: on a mask (h, w), at least one.
        single: take everything but dirt as one digit.

    Returns:
        The digits, lines from top to bottom, each from left to right.

    Raises:
        PictureNotDigits: there are far too many marks for digits, or holes for a digit.
    """
    tall = _height(strokes)
    parts = np.flatnonzero(strokes.longest >= _DIRT * tall).tolist()
    if len(parts) > MOST_PARTS:
        raise PictureNotDigits(
            f"expected at most {MOST_PARTS} strokes, but {len(parts):,} marks stand out, like "
            "texture or noise; crop to the digits"
        )
    boxes = {i: strokes.box(i) for i in parts}
    groups = [parts] if single else _grouped(boxes, parts, tall)
    glyphs = [_glyph(strokes, boxes, group) for group in groups]
    _refuse_specks(glyphs, strokes.mask)
    _refuse_texture(max(glyphs, key=lambda glyph: glyph.box.width * glyph.box.height))
    return [glyph for line in in_lines(glyphs) for glyph in line]


def _refuse_specks(glyphs: list[Glyph], mask: Mask) -> None:
    """Raise PictureNotDigits if nearly all strokes are dirt beside the digits."""
    share = sum(cv2.countNonZero(glyph.mask) for glyph in glyphs) / cv2.countNonZero(mask)
    if share < _OF_DIGITS:
        raise PictureNotDigits(
            f"expected digits, but all but {share:.0%} of what stands out are specks beside them,"
            " like noise or small print; crop to the digits"
        )


def _refuse_texture(glyph: Glyph) -> None:
    """Raise PictureNotDigits if paper is enclosed by strokes more often than digits do."""
    found = holes(glyph.mask)
    most = _MOST_HOLES * max(1, glyph.box.width // glyph.box.height)
    if found > most:
        raise PictureNotDigits(
            f"expected strokes with at most {most} holes, but the largest mark has {found:,}, like "
            "texture or noise; crop to the digits"
        )


def _height(strokes: Components) -> int:
    """How tall digits are here: the tallest component, unless all are flat or it is an odd one."""
    heights = np.sort(strokes.boxes[:, 3])
    longest, tallest = int(strokes.longest.max()), int(heights[-1])
    if tallest < 0.3 * longest:
        return longest
    second = int(heights[-2:][0])
    is_odd = _ODD * tallest < second < _BODY * tallest
    is_usual = np.count_nonzero(heights > _ALIKE * second) >= _MANY
    return second if is_odd and is_usual else tallest


def _grouped(boxes: dict[int, Box], parts: list[int], tall: int) -> list[list[int]]:
    """Indices of the parts of each digit; fragments without a digit nearby are dropped."""
    bodies = [i for i in parts if max(boxes[i].height, boxes[i].width / 2) >= _BODY * tall]
    groups = _stacks(boxes, sorted(bodies, key=lambda i: boxes[i].x), tall)
    for i in set(parts) - set(bodies):
        home = min(groups, key=lambda group: _around(boxes, group).gap(boxes[i]))
        if _around(boxes, home).gap(boxes[i]) <= _NEAR * tall:
            home.append(i)
    return groups


def _stacks(boxes: dict[int, Box], parts: Iterable[int], tall: int) -> list[list[int]]:
    """Parts that lie over or under each other, each with the first group that it belongs to."""
    groups: list[list[int]] = []
    for i in parts:
        home = next((group for group in groups if _stacked(boxes, group, i, tall)), None)
        if home is None:
            groups.append([i])
        else:
            home.append(i)
    return groups


def _stacked(boxes: dict[int, Box], group: list[int], i: int, tall: int) -> bool:
    """Whether part i lies over or just above or below the group: one digit in two pieces."""
    around, box = _around(boxes, group), boxes[i]
    over = around.shared_width(box) > 0.5 * min(around.width, box.width)
    return over and around.shared_height(box) > -_STACKED * tall


def _around(boxes: dict[int, Box], group: list[int]) -> Box:
    return reduce(Box.union, (boxes[i] for i in group))


def _glyph(strokes: Components, boxes: dict[int, Box], group: list[int]) -> Glyph:
    box = _around(boxes, group)
    return Glyph(box, strokes.only(group, box))


def split_up(glyph: Glyph) -> list[Glyph]:
    """The components of a glyph, except that what lies over or under another stays with it."""
    strokes = components(glyph.mask)
    boxes = {i: strokes.box(i) for i in range(len(strokes.boxes))}
    groups = _stacks(boxes, sorted(boxes, key=lambda i: -boxes[i].width), _height(strokes))
    return [_glyph(strokes, boxes, group).moved(glyph.box.x, glyph.box.y) for group in groups]


def merged(glyphs: list[Glyph]) -> Glyph:
    """All strokes of some glyphs as one."""
    box = reduce(Box.union, (glyph.box for glyph in glyphs))
    mask = np.zeros((box.height, box.width), np.uint8)
    for glyph in glyphs:
        x, y = glyph.box.x - box.x, glyph.box.y - box.y
        mask[y : y + glyph.box.height, x : x + glyph.box.width] |= glyph.mask
    return Glyph(box, mask)


def in_lines(glyphs: list[Glyph]) -> list[list[Glyph]]:
    """Lines from top to bottom; in a line, where digits share height, from left to right.

    Lines may slope, if all slope alike and level ones do not explain where digits lie.
    """
    return [[glyphs[i] for i in line] for line in lines_of([glyph.box for glyph in glyphs])]


def lines_of(boxes: list[Box]) -> list[list[int]]:
    """As :func:`in_lines`, of boxes, each by its position in the list."""
    if len(boxes) < 2:
        return [[0]] if boxes else []
    centres = np.array([(box.x + box.width / 2, box.y + box.height / 2) for box in boxes])
    sizes = np.array([(box.width, box.height) for box in boxes])
    lines = _lines(centres, sizes, 0.0)
    if not _are_level(lines, centres[:, 1], sizes[:, 1]):
        lines = _lines(centres, sizes, _slope(centres, float(np.median(sizes[:, 1]))))
    return lines


def _lines(centres: np.ndarray, sizes: np.ndarray, slope: float) -> list[list[int]]:
    """Digits by line, where lines slope down by so many radians.

    Args:
        centres: (n, 2), column and row of each.
        sizes: (n, 2), width and height.
        slope: of all lines.
    """
    widths, heights = sizes.T
    along = centres @ (np.cos(slope), np.sin(slope))
    down = centres @ (-np.sin(slope), np.cos(slope))
    tops, bottoms = down - heights / 2, down + heights / 2
    lines: list[list[int]] = []
    for i in np.argsort(down, kind="stable").tolist():
        last = lines[-1][-1] if lines else i
        shared = min(bottoms[i], bottoms[last]) - max(tops[i], tops[last])
        if lines and shared > 0.4 * min(heights[i], heights[last]):
            lines[-1].append(i)
        else:
            lines.append([i])
    whole = lines[:1]
    for line in lines[1:]:
        is_same = _are_beside(whole[-1], line, along, widths)
        if is_same and bottoms[whole[-1]].max() > tops[line].min():
            whole[-1] += line
        else:
            whole.append(line)
    return [sorted(line, key=along.__getitem__) for line in whole]


def _are_beside(line: list[int], lower: list[int], along: np.ndarray, widths: np.ndarray) -> bool:
    """Whether no digit of a line lies over one of a lower line.

    Args:
        line, lower: of n digits.
        along: (n,) where their centres lie along the lines.
        widths: (n,).
    """
    apart = np.abs(along[line][:, None] - along[lower])
    return bool((2 * apart >= _BESIDE * (widths[line][:, None] + widths[lower])).all())


def _are_level(lines: list[list[int]], rows: np.ndarray, heights: np.ndarray) -> bool:
    """Whether digits of a line all share some height, and none with another line's; one has two.

    Args:
        lines: of n digits, from top to bottom.
        rows: (n,) of their centres.
        heights: (n,).
    """
    tops = [rows[line] - heights[line] / 2 for line in lines]
    bottoms = [rows[line] + heights[line] / 2 for line in lines]
    share = all(top.max() < bottom.min() for top, bottom in zip(tops, bottoms, strict=True))
    apart = all(bottom.max() <= top.min() for bottom, top in zip(bottoms, tops[1:], strict=False))
    return share and apart and max(map(len, lines)) > 1


def _slope(centres: np.ndarray, height: float) -> float:
    """Radians by which lines slope down: the direction from most digits to the next on the right.

    Args:
        centres: (n, 2), column and row of each.
        height: of most.

    Returns:
        0 where they are few, do not agree, or lie nearly level.
    """
    if len(centres) < _SLOPED:
        return 0.0
    right, down = np.moveaxis(centres[None] - centres[:, None], 2, 0)  # (n, n) each, to column j
    angles, apart = np.arctan2(down, right), np.hypot(right, down)
    apart[(np.abs(angles) > _STEEPEST) | (apart == 0) | (apart > _NEXT * height)] = np.inf
    nearest = np.arange(len(centres)), apart.argmin(axis=1)
    votes = angles[nearest][np.isfinite(apart[nearest])]
    if len(votes) < _SLOPED - 1:
        return 0.0
    slope = float(np.median(votes))
    spread = float(np.median(np.abs(votes - slope)))
    return slope if abs(slope) > _LEVEL and spread < _LEVEL else 0.0
