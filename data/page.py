"""A page on a table: find it, turn it upright, and leave the table out.

Where the table is of another shade, all of the page is taken for ink at first: one solid rectangle.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from data.grey import Plane
from data.ink import Mask
from data.segment import Box

# A page fills at least this share of the picture, ...
_AREA = 0.2
# ... and this share of the tightest rectangle around it; a digit's outline rarely half.
_SOLID = 0.85
# Without its edges it is at least so many pixels wide and tall.
_SMALLEST = 48
# A page from the first to the second of these degrees from upright is turned; beyond, nobody knows
# which of its sides is the upper one.
_ASKEW, _UNDECIDED = 3.0, 40.0
# What shows at its edges is cut off by this share of its sides.
_EDGE = 0.04

Affine = np.ndarray  # (2, 3) float64, from pixels to pixels
SAME: Affine = np.eye(2, 3)


class Page(NamedTuple):
    """A page that lies on a darker or lighter table.

    Attributes:
        turn: takes the picture to one in which the page is upright; `SAME` where it is.
        size: columns and rows of that.
        box: around the page there, without its edges.
        surface: (box.height, box.width) uint8, 1 on the page.
    """

    turn: Affine
    size: tuple[int, int]
    box: Box
    surface: Mask

    def to_picture(self) -> Affine:
        """From pixels of the box to those of the picture."""
        back = cv2.invertAffineTransform(self.turn)
        back[:, 2] += back[:, :2] @ self.box[:2]
        return back


def find_page(mask: Mask) -> Page | None:
    """Find a page that was taken for ink because of its table.

    Args:
        mask: (h, w) uint8, 1 on strokes.

    Returns:
        The page, if the largest component is a solid rectangle with something on it.
    """
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = max(outlines, key=cv2.contourArea, default=None)
    if outline is None:
        return None
    area = cv2.contourArea(outline)
    _, (width, height), angle = cv2.minAreaRect(outline)
    if area < _AREA * mask.size or area < _SOLID * width * height:
        return None
    whole = cv2.fillConvexPoly(np.zeros_like(mask), cv2.convexHull(outline), 1)
    away = cv2.distanceTransform(np.pad(whole, 1), cv2.DIST_L2, cv2.DIST_MASK_3)[1:-1, 1:-1]
    surface = (away > 1 + round(_EDGE * max(width, height))).astype(np.uint8)
    if not 0 < np.count_nonzero(mask * surface) < np.count_nonzero(surface):
        return None  # nothing is on it, or it is nothing but what is on it
    turn, size = _upright(angle, mask.shape)
    turned = _turned(surface, turn, size, cv2.INTER_NEAREST)
    box = Box(*cv2.boundingRect(turned))
    if min(box.width, box.height) < _SMALLEST:
        return None
    return Page(turn, size, box, turned[box.y : box.bottom, box.x : box.right])


def _upright(angle: float, shape: tuple[int, ...]) -> tuple[Affine, tuple[int, int]]:
    """How to turn a picture (h, w) on which a side of a page lies at an angle, and its size then.

    What is nearly upright, in degrees, stays as it is: turning blurs.
    """
    height, width = shape
    askew = (angle + 45) % 90 - 45
    if not _ASKEW <= abs(askew) <= _UNDECIDED:
        return SAME, (width, height)
    turn = cv2.getRotationMatrix2D((0, 0), askew, 1)
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ turn[:, :2].T
    turn[:, 2] = -corners.min(axis=0)
    return turn, tuple(np.ceil(np.ptp(corners, axis=0)).astype(int).tolist())


def _turned(
    plane: np.ndarray, turn: Affine, size: tuple[int, int], interpolation: int
) -> np.ndarray:
    """A plane (h, w) as `turn` has it, beyond its edges as at them, and of no other values."""
    if turn is SAME:
        return plane
    turned = cv2.warpAffine(plane, turn, size, flags=interpolation, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(turned, plane.min(), plane.max(), out=turned)


def without_table(grey: Plane, page: Page, *, is_light: bool) -> Plane:
    """What is in the box of a page, and where that is table, the shade of the nearest paper.

    Args:
        grey: (h, w) float32 in [0, 1], the picture.
        page: on it.
        is_light: whether the page is lighter than the table, and ink on it darker than paper.

    Returns:
        (page.box.height, page.box.width) float32.
    """
    box, surface = page.box, page.surface
    turned = _turned(grey, page.turn, page.size, cv2.INTER_LANCZOS4)  # which keeps grain even
    inner = turned[box.y : box.bottom, box.x : box.right]
    if surface.all():
        return inner
    light = inner if is_light else 1 - inner
    side = 1 + round(_EDGE * max(surface.shape))
    paper = cv2.dilate(light * surface, np.ones((side, side), np.uint8))  # wider than a stroke
    _, nearest = cv2.distanceTransformWithLabels(
        1 - surface, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    shades = np.zeros(nearest.max() + 1, np.float32)
    shades[nearest[surface > 0]] = paper[surface > 0]
    filled = np.where(surface > 0, light, shades[nearest])
    return filled if is_light else 1 - filled
