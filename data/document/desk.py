"""Light pages on a desk: whatever it is made of, in whatever light, and however many.

A page is smooth but for its ink, has an edge all around, and is lighter than what is beyond that.
So neither the grain of wood nor a shadow across page and desk hides it, nor fingers that hold it.
It may go on beyond the picture. But light on a part of a paper is all that too:
:mod:`data.document.beyond` tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from data.document.beyond import Beyond
from data.document.components import Box, Mask, square
from data.document.outlines import Outline, page_outline
from data.document.page import SMALLEST, Page, page_within
from data.document.paper import without_strokes
from data.document.segment import lines_of
from data.grey import Plane
from data.reduce import reduced

# Pages are looked for on a thumbnail of this length, ...
_THUMB = 256
# ... where strokes narrower than this share of it are filled, ...
_STROKE = 0.03
# ... and shades are at least this dark: shares of the light are not told apart in the dark.
_DARKEST = 0.03
# Each is lighter than what is around, by this much or by this share.
_LIGHTER = 0.08
# Shades within it differ, from one pixel to the next, by less than one of so many shares between
# the first two of these, and by more all along its edge.
_EDGES = (0.05, 0.4, 3)
# It fills at least this share of the picture, ...
_LEAST = 0.015
# ... and less than this, for a whole picture takes time; ...
_MOST = 0.98
# ... fingers leave this share of it, ...
_HELD = 0.85
# ... or this of a part of one, ...
_HELD_PART = 0.9
# ... and ink leaves this share of its paper.
_PAPER = 0.7
# Beside a whole page the table shows at most of the rim, beside a part at one in so many pixels.
_TABLE = 10


class Lighter(NamedTuple):
    """What is lighter than what is around it.

    Attributes:
        pages: on a table of any shades, as they are read: from the left, line by line.
        is_lit: whether some of it is light on a paper, which goes on around it in a shadow.
    """

    pages: list[Page]
    is_lit: bool


def find_lighter(grey: Plane) -> Lighter:
    """Find pages, and light on paper, on a picture (h, w), float32 in [0, 1]."""
    small = reduced(grey, _THUMB)
    if min(small.shape) < SMALLEST:
        return Lighter([], is_lit=False)
    found, is_lit = _pages(_candidates(small), Beyond(small))
    lines = lines_of([Box(*cv2.boundingRect(one.corners)) for one in found])
    scale = np.array(grey.shape[::-1], np.float32) / small.shape[::-1]
    ordered = [found[i]._replace(corners=found[i].corners * scale) for line in lines for i in line]
    pages = [page_within(one, grey.shape) for one in ordered]
    return Lighter([page for page in pages if page is not None], is_lit)


def _candidates(small: Plane) -> list[Outline]:
    """Outlines of what may be pages on a thumbnail; of one perhaps several times."""
    paper = without_strokes(small, round(_STROKE * max(small.shape)) | 1)
    rim = np.sort(np.concatenate([paper[0], paper[-1], paper[:, 0], paper[:, -1]]))
    lighter = paper.max() - rim[[rim.size // 2, rim.size // _TABLE]] >= _LIGHTER
    if not lighter.any():
        return []
    shades = np.maximum(paper, _DARKEST)
    logs = np.log(shades)
    # By what share a pixel's surroundings differ, for a shadow is as deep on all it falls on.
    edges = cv2.dilate(shades, square(1)) / cv2.erode(shades, square(1))
    found = []
    for faintest in np.exp(np.geomspace(*_EDGES)):
        smooth = (edges < faintest).astype(np.uint8)
        if smooth.size - np.count_nonzero(smooth) < 2 * (_LEAST * smooth.size) ** 0.5:
            break  # there is not edge enough for half of the smallest page, nor will there be
        found += [one for one in _regions(smooth) if _is_light(logs, one)]
    return [one for one in found if lighter[0] or not one.is_whole]


def _regions(smooth: Mask) -> Iterator[Outline]:
    """The outline of each smooth region that may be a page, but for ink."""
    outlines, tree = cv2.findContours(smooth, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for outline, (*_, around) in zip(outlines, () if tree is None else tree[0], strict=True):
        is_hole, area = around >= 0, cv2.contourArea(outline)
        if is_hole or not _LEAST * smooth.size <= area <= _MOST * smooth.size:
            continue
        found = page_outline(cv2.convexHull(outline), smooth.shape)
        if found is None or area < (_HELD if found.is_whole else _HELD_PART) * found.area:
            continue
        if np.mean(smooth[found.mask(smooth.shape) > 0]) >= _PAPER:
            yield found


def _is_light(logs: Plane, outline: Outline) -> bool:
    """Whether by the logarithms of shades an outline is lighter at its rim than what is around."""
    page = outline.mask(logs.shape)
    rim = page - cv2.erode(page, square(4))
    around = cv2.dilate(page, square(5)) - cv2.dilate(page, square(2))
    return bool(cv2.mean(logs, rim)[0] - cv2.mean(logs, around)[0] > _LIGHTER)


def _pages(outlines: list[Outline], beyond: Beyond) -> tuple[list[Outline], bool]:
    """Those that are pages: the largest, and each beside all larger ones; and whether some are lit.

    Whole pages come first, for what they lie on is a table, even if it goes on beyond the picture.
    """
    pages: list[Outline] = []
    is_lit = False
    for outline in sorted(outlines, key=lambda one: (one.is_whole, one.area), reverse=True):
        if any(_centre_within(outline, one) or _centre_within(one, outline) for one in pages):
            continue
        if beyond.is_table(outline):
            pages.append(outline)
        else:
            is_lit = is_lit or beyond.is_crossed(outline)
    return pages, is_lit


def _centre_within(inner: Outline, outer: Outline) -> bool:
    x, y = inner.corners.mean(axis=0).tolist()
    return cv2.pointPolygonTest(outer.corners, (x, y), measureDist=False) >= 0
