"""Light pages on a desk: whatever it is made of, in whatever light, and however many.

A page is smooth but for its ink, has an edge all around, and is lighter than what is beyond that.
So neither the grain of wood nor a shadow across page and desk hides it, nor fingers that hold it.
It may go on beyond the picture; but then what is beyond its edge may also lie in a shadow.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from data.components import Box, Mask, components
from data.grey import Plane
from data.outlines import Outline, page_outline
from data.page import SMALLEST, Page, page_within
from data.reduce import reduced
from data.segment import lines_of

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
# It fills at least the first share of the picture, and less than the second, which takes time;
# fingers leave this share of it, or of a part this, and of that ink this.
_LEAST, _MOST, _HELD, _HELD_PART, _PAPER = 0.015, 0.98, 0.85, 0.9, 0.7
# Beside a whole page the table shows at most of the rim, beside a part at one in so many pixels.
_TABLE = 10
# A table has a grain of more than this share of the light, and so many times the paper's.
_GRAIN, _ROUGHER = 0.012, 3
# What is written has strokes narrower than this share of the thumbnail's length, and takes this
# share of the paper's light.
_BROAD_STROKE, _INK = 0.12, 0.15


def find_light_pages(grey: Plane) -> list[Page]:
    """Find pages that are lighter than a table of any shades.

    Args:
        grey: (h, w) float32 in [0, 1].

    Returns:
        Pages as they are read: from the left, line by line.
    """
    small = reduced(grey, _THUMB)
    if min(small.shape) < SMALLEST:
        return []
    found = _apart(_candidates(small))
    lines = lines_of([Box(*cv2.boundingRect(one.corners)) for one in found])
    scale = np.array(grey.shape[::-1], np.float32) / small.shape[::-1]
    ordered = [found[i]._replace(corners=found[i].corners * scale) for line in lines for i in line]
    pages = [page_within(one, grey.shape) for one in ordered]
    return [page for page in pages if page is not None]


def _candidates(small: Plane) -> list[Outline]:
    """Outlines of what may be pages on a thumbnail; of one perhaps several times."""
    paper = _without_strokes(small, _STROKE)
    rim = np.sort(np.concatenate([paper[0], paper[-1], paper[:, 0], paper[:, -1]]))
    lighter = paper.max() - rim[[rim.size // 2, rim.size // _TABLE]] >= _LIGHTER
    if not lighter.any():
        return []
    shades = np.maximum(paper, _DARKEST)
    logs = np.log(shades)
    # By what share a pixel's surroundings differ, for a shadow is as deep on all it falls on.
    edges = cv2.dilate(shades, _square(1)) / cv2.erode(shades, _square(1))
    found = []
    for faintest in np.exp(np.geomspace(*_EDGES)):
        smooth = (edges < faintest).astype(np.uint8)
        if smooth.size - np.count_nonzero(smooth) < 2 * (_LEAST * smooth.size) ** 0.5:
            break  # there is not edge enough for half of the smallest page, nor will there be
        found += [one for one in _regions(smooth) if _is_light(logs, one)]
    return [one for one in found if (lighter[0] if one.is_whole else not _may_be_lit(one, small))]


def _without_strokes(small: Plane, widest: float) -> Plane:
    """A thumbnail (h, w) where dark strokes narrower than this share of its length are filled."""
    side = round(widest * max(small.shape)) | 1
    return np.asarray(cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)))


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
        if np.mean(smooth[_within(found, smooth.shape)]) >= _PAPER:
            yield found


def _within(outline: Outline, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) bool, whether a pixel lies within an outline."""
    corners = np.rint(outline.corners).astype(np.int32)
    return cv2.fillConvexPoly(np.zeros(shape, np.uint8), corners, 1) > 0


def _is_light(logs: Plane, outline: Outline) -> bool:
    """Whether by the logarithms of shades an outline is lighter at its rim than what is around."""
    page = _within(outline, logs.shape).astype(np.uint8)
    rim = page - cv2.erode(page, _square(4))
    around = cv2.dilate(page, _square(5)) - cv2.dilate(page, _square(2))
    return bool(cv2.mean(logs, rim)[0] - cv2.mean(logs, around)[0] > _LIGHTER)


def _may_be_lit(outline: Outline, small: Plane) -> bool:
    """Whether an outline may be that of light on paper, which goes on beyond it in a shadow.

    Then it is as smooth there, and something may be written on it. A table has a grain, or it is
    bare.

    Args:
        outline: on the thumbnail.
        small: the thumbnail (h, w).
    """
    page = _within(outline, small.shape).astype(np.uint8)
    within, beyond = cv2.erode(page, _square(4)) > 0, cv2.erode(1 - page, _square(4)) > 0
    if not within.any() or not beyond.any():
        return False
    shades = np.log(np.maximum(small, _DARKEST))
    grain = np.abs(shades - cv2.blur(shades, (5, 5)))
    if np.median(grain[beyond]) > max(_GRAIN, _ROUGHER * np.median(grain[within])):
        return False
    paper = _without_strokes(small, _BROAD_STROKE)
    labels = components((paper - small > _INK * paper).astype(np.uint8)).labels
    on_rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    written = np.setdiff1d(labels[beyond], on_rim)  # narrow strips of table look like strokes
    return bool((written > 0).any())


def _square(reach: int) -> Mask:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _apart(outlines: list[Outline]) -> list[Outline]:
    """The largest of these, and each that lies beside all larger ones.

    Whole pages come first, for what they lie on is a table, even if it goes on beyond the picture.
    """
    kept: list[Outline] = []
    for outline in sorted(outlines, key=lambda one: (one.is_whole, one.area), reverse=True):
        if not any(_centre_within(outline, one) or _centre_within(one, outline) for one in kept):
            kept.append(outline)
    return kept


def _centre_within(inner: Outline, outer: Outline) -> bool:
    x, y = inner.corners.mean(axis=0).tolist()
    return cv2.pointPolygonTest(outer.corners, (x, y), measureDist=False) >= 0
