"""A page on a table: lay it flat and upright, and leave the table out.

Where the table is of another shade, all of the page is taken for ink at first: one solid rectangle,
or what a camera makes of one. Light pages on any other table are found by
:mod:`data.document.desk`.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from data.document.components import Box, Components, Mask, components
from data.document.outlines import Outline, whole_page
from data.document.perspective import SAME, Homography, clockwise, laid_flat
from data.grey import Plane

# A page fills at least this share of the picture, ...
_AREA = 0.08
# ... and, if its outline is not clean, this share of the tightest rectangle around it; a digit's
# rarely fills half.
_SOLID = 0.85
# This share of it at least was taken for ink; of a comb of boxes a quarter is.
_INKED = 0.33
# Without its edges it is at least so many pixels wide and tall.
SMALLEST = 48
# What shows at its edges is cut off by this share of its sides.
_EDGE = 0.04


class Page(NamedTuple):
    """A page that lies on a darker or lighter table.

    Attributes:
        flatten: takes the picture to one where the page is an upright rectangle; or `SAME`.
        size: columns and rows of that.
        box: around the page there, without its edges.
        surface: (box.height, box.width) uint8, 1 on the page.
    """

    flatten: Homography
    size: tuple[int, int]
    box: Box
    surface: Mask

    def to_picture(self) -> Homography:
        """From pixels of the box to those of the picture."""
        from_box = np.array([[1, 0, self.box.x], [0, 1, self.box.y], [0, 0, 1]], np.float64)
        return np.asarray(np.linalg.inv(self.flatten) @ from_box)


def find_page(strokes: Components) -> Page | None:
    """Find a page that was taken for ink because of its table.

    Args:
        strokes: on a mask (h, w), perhaps none.

    Returns:
        The page, if the largest component is a solid rectangle, perhaps seen at a slant, with
        something on it.
    """
    mask = strokes.mask
    widths, heights = strokes.boxes[:, 2], strokes.boxes[:, 3]
    large = np.flatnonzero(widths * heights >= _AREA * mask.size)
    if not len(large):
        return None  # as of most texture, of which there would be outlines for seconds
    outlines, _ = cv2.findContours(strokes.only(large), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = max(outlines, key=cv2.contourArea)
    if cv2.contourArea(outline) < _AREA * mask.size:
        return None
    whole = cv2.drawContours(np.zeros(mask.shape, np.uint8), [outline], -1, 1, cv2.FILLED)
    if cv2.countNonZero(whole & mask) < _INKED * cv2.countNonZero(whole):
        return None  # a frame, or a form's boxes side by side
    corners = _corners(outline, mask.shape)
    if corners is None:
        return None
    page = _page(cv2.convexHull(outline), mask.shape, *laid_flat(corners, mask.shape), _EDGE)
    if page is None:
        return None
    box = page.box
    marks = _flattened(mask, page.flatten, page.size, cv2.INTER_NEAREST)
    marks = marks[box.y : box.bottom, box.x : box.right] * page.surface
    # Nothing is on it, or it is nothing but what is on it.
    return page if 0 < np.count_nonzero(marks) < np.count_nonzero(page.surface) else None


def page_within(outline: Outline, shape: tuple[int, ...]) -> Page | None:
    """The page with this outline on a picture (h, w), if large enough, and all of it.

    What goes on beyond the picture stays as it lies, for nobody knows where its corners are.
    """
    size = (shape[1], shape[0])
    laid = laid_flat(outline.corners, shape) if outline.is_whole else (SAME, size)
    return _page(np.rint(outline.corners).astype(np.int32), shape, *laid, edge=0)


def _page(
    hull: np.ndarray,
    shape: tuple[int, ...],
    flatten: Homography,
    size: tuple[int, int],
    edge: float,
) -> Page | None:
    """A page with this hull (n, 2) on a picture (h, w), without this share of its longer side."""
    whole = cv2.fillConvexPoly(np.zeros(shape, np.uint8), hull, 1)
    surface = _without_edges(_flattened(whole, flatten, size, cv2.INTER_NEAREST), edge)
    box = Box(*cv2.boundingRect(surface))
    if min(box.width, box.height) < SMALLEST:
        return None
    return Page(flatten, size, box, surface[box.y : box.bottom, box.x : box.right])


def _corners(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The corners (4, 2) of a page with this outline on a picture (h, w); none of what is none."""
    corners = whole_page(outline, shape)
    if corners is not None:
        return corners
    rectangle = cv2.boxPoints(cv2.minAreaRect(outline))
    is_solid = cv2.contourArea(outline) >= _SOLID * cv2.contourArea(rectangle)
    return clockwise(rectangle) if is_solid else None


def _without_edges(whole: Mask, edge: float) -> Mask:
    away = cv2.distanceTransform(np.pad(whole, 1), cv2.DIST_L2, cv2.DIST_MASK_3)[1:-1, 1:-1]
    *_, width, height = cv2.boundingRect(whole)
    return (away > 1 + round(edge * max(width, height))).astype(np.uint8)


def _flattened(
    plane: np.ndarray, flatten: Homography, size: tuple[int, int], interpolation: int
) -> np.ndarray:
    """A plane (h, w) as `flatten` has it, beyond its edges as at them, and of no other values."""
    if flatten is SAME:
        return plane
    flat = cv2.warpPerspective(
        plane, flatten, size, flags=interpolation, borderMode=cv2.BORDER_REPLICATE
    )
    return np.clip(flat, plane.min(), plane.max(), out=flat)


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
    flat = _flattened(grey, page.flatten, page.size, cv2.INTER_LANCZOS4)  # which keeps grain even
    inner = flat[box.y : box.bottom, box.x : box.right]
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


def within_edges(strokes: Components, page: Page) -> Components:
    """Strokes on a page but for those that reach its edges, as fingers do that hold it.

    Args:
        strokes: on a mask of the page's box.
        page: on which something else may lie.

    Returns:
        All of them, if all reach its edges.
    """
    inner = cv2.erode(
        page.surface, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    reaching = strokes.under(page.surface > inner)
    rest = strokes.mask * (strokes.only(reaching) == 0)
    return components(rest) if rest.any() else strokes
