"""Outlines that may be a page's: of a whole one at whatever slant, or of what a picture shows.

Of a page that goes on beyond the picture there are one side, two corners or what lies between, and
straight sides from there to the rim.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from data.document.components import Mask
from data.document.perspective import clockwise, is_rectangle

# A page fills this share of the tightest quadrilateral around it.
_FLAT = 0.95
# What a picture shows of a page fills at least this share of it.
_LEAST_PART = 0.12
# Straight sides depart from straight by less than this share of the longer side of the picture, ...
_STRAIGHT = 0.02
# ... are at least as long as this share of the shorter one, ...
_SIDE = 0.1
# ... meet at an angle whose cosine is smaller than this, ...
_SQUARE = 0.5
# ... and are turned by an angle whose sine is smaller than this.
_ASKEW = 0.5


class Outline(NamedTuple):
    """The outline of a page.

    Attributes:
        corners: (n, 2) float32, columns and rows; those of a whole page :func:`clockwise`.
        is_whole: whether all of the page is seen.
    """

    corners: np.ndarray
    is_whole: bool

    @property
    def area(self) -> float:
        """In pixels."""
        return float(cv2.contourArea(self.corners))

    def mask(self, shape: tuple[int, ...]) -> Mask:
        """Which pixels of a picture (h, w) lie within."""
        corners = np.rint(self.corners).astype(np.int32)
        return np.asarray(cv2.fillConvexPoly(np.zeros(shape, np.uint8), corners, 1))


def page_outline(points: np.ndarray, shape: tuple[int, ...]) -> Outline | None:
    """The outline of a page, or of a part, from points (n, 1, 2) around it on a picture (h, w)."""
    corners = whole_page(points, shape)
    if corners is not None:
        return Outline(corners.astype(np.float32), is_whole=True)
    corners = _part_of_page(points, shape)
    return None if corners is None else Outline(corners.astype(np.float32), is_whole=False)


def whole_page(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The corners (4, 2) of a whole page with these points (n, 1, 2) around it."""
    hull = cv2.convexHull(points)
    if len(hull) < 4:
        return None
    around = cv2.approxPolyN(hull, 4, ensure_convex=True).reshape(4, 2)
    corners = clockwise(around)
    is_clean = cv2.contourArea(points) >= _FLAT * cv2.contourArea(around)
    is_whole = not _along_rim(corners, shape).any()
    return corners if is_clean and is_whole and is_rectangle(corners, shape) else None


def _part_of_page(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The corners (n, 2) of a page that goes on beyond the picture, with these points around it."""
    hull = cv2.convexHull(points)
    if cv2.contourArea(hull) < _LEAST_PART * shape[0] * shape[1]:
        return None
    corners = cv2.approxPolyDP(hull, _STRAIGHT * max(shape), closed=True).reshape(-1, 2)
    cut_off = _along_rim(corners, shape)  # of the sides from each corner to the next
    own = ~(cut_off | np.roll(cut_off, 1)) & ~_on_rim(corners, shape).any(axis=1)
    if not cut_off.any() or cut_off.all() or np.count_nonzero(own) > 2:
        return None
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    ahead = sides / lengths[:, None]
    cosines = np.abs((ahead * np.roll(ahead, 1, axis=0)).sum(axis=1))
    is_long = lengths[~cut_off] >= _SIDE * min(shape)
    is_upright = np.abs(ahead[~cut_off]).min(axis=1) < _ASKEW
    is_page = is_long.all() and is_upright.all() and (cosines[own] < _SQUARE).all()
    return corners if is_page else None


def _on_rim(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Whether each corner (n, 2) lies on the picture's left, upper, right, lower side: (n, 4)."""
    return np.hstack([corners < 2, corners > np.array(shape[::-1]) - 3])


def _along_rim(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Whether the side from each corner (n, 2) to the next is the picture's, no page's: (n,)."""
    on_rim = _on_rim(corners, shape)
    return np.asarray((on_rim & np.roll(on_rim, -1, axis=0)).any(axis=1))
