"""Light pages on a desk: whatever it is made of, in whatever light, and however many.

A page is smooth but for its ink, has an edge all around, and is lighter than what is beyond that.
So neither the grain of wood nor a shadow across page and desk hides it, nor fingers that hold it.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from data.components import Box, Mask
from data.grey import Plane
from data.page import SMALLEST, Page, page_within, quadrilateral
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
_EDGES = (0.05, 0.4, 5)
# It fills at least this share of the picture; fingers leave this share of it, and of that ink this.
_LEAST, _HELD, _PAPER = 0.015, 0.85, 0.7


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
    lines = lines_of([Box(*cv2.boundingRect(corners)) for corners in found])
    scale = (np.array(grey.shape) / small.shape)[::-1]
    ordered = [found[i] * scale for line in lines for i in line]
    # What is smooth ends before the edge, so nothing is to be cut off.
    pages = [page_within(one, np.rint(one).astype(np.int32), grey.shape, 0) for one in ordered]
    return [page for page in pages if page is not None]


def _candidates(small: Plane) -> list[np.ndarray]:
    """Corners (4, 2) float32 of what may be pages on a thumbnail; of one perhaps several times."""
    side = round(_STROKE * max(small.shape)) | 1
    paper = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    rim = np.concatenate([paper[0], paper[-1], paper[:, 0], paper[:, -1]])
    if paper.max() - np.partition(rim, rim.size // 2)[rim.size // 2] < _LIGHTER:
        return []
    shades = np.maximum(paper, _DARKEST)
    # By what share a pixel's surroundings differ, for a shadow is as deep on all it falls on.
    edges = cv2.dilate(shades, _square(1)) / cv2.erode(shades, _square(1))
    found = []
    for faintest in np.exp(np.geomspace(*_EDGES)):
        smooth = (edges < faintest).astype(np.uint8)
        if smooth.size - np.count_nonzero(smooth) < 2 * (_LEAST * smooth.size) ** 0.5:
            break  # there is not edge enough for half of the smallest page, nor will there be
        found += [corners for corners in _regions(smooth) if _is_light(shades, corners)]
    return found


def _regions(smooth: Mask) -> Iterator[np.ndarray]:
    """The corners (4, 2) float32 of each smooth region that may be a page, but for ink."""
    outlines, tree = cv2.findContours(smooth, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for outline, (*_, around) in zip(outlines, () if tree is None else tree[0], strict=True):
        is_hole, area = around >= 0, cv2.contourArea(outline)
        if is_hole or area < _LEAST * smooth.size:
            continue
        *_, width, height = cv2.boundingRect(outline)
        if (height, width) == smooth.shape:
            continue  # all of the picture, which would take time
        corners = quadrilateral(cv2.convexHull(outline), smooth.shape)
        if corners is None or area < _HELD * cv2.contourArea(corners.astype(np.float32)):
            continue
        if np.mean(smooth[_within(corners, smooth.shape)]) >= _PAPER:
            yield corners.astype(np.float32)


def _within(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) bool, whether a pixel lies within these corners (4, 2)."""
    return cv2.fillConvexPoly(np.zeros(shape, np.uint8), np.rint(corners).astype(np.int32), 1) > 0


def _is_light(shades: Plane, corners: np.ndarray) -> bool:
    """Whether what lies within these corners (4, 2) is lighter at its rim than what is around."""
    page = _within(corners, shades.shape).astype(np.uint8)
    rim = page - cv2.erode(page, _square(4))
    around = cv2.dilate(page, _square(5)) - cv2.dilate(page, _square(2))
    logs = np.log(shades)
    return bool(cv2.mean(logs, rim)[0] - cv2.mean(logs, around)[0] > _LIGHTER)


def _square(reach: int) -> Mask:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _apart(quadrilaterals: list[np.ndarray]) -> list[np.ndarray]:
    """The largest of these corners (4, 2), and each that lies beside all larger ones."""
    kept: list[np.ndarray] = []
    for corners in sorted(quadrilaterals, key=cv2.contourArea, reverse=True):
        x, y = corners.mean(axis=0).tolist()
        if all(cv2.pointPolygonTest(one, (x, y), measureDist=False) < 0 for one in kept):
            kept.append(corners)
    return kept
