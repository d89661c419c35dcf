"""A page on a table: find it, lay it flat and upright, and leave the table out.

Where the table is of another shade, all of the page is taken for ink at first: one solid rectangle,
or what a camera makes of one. Where the table has many shades, as wood has, or shadows fall on it,
or the page is small, a page is what is smooth, lighter than what is around, and of that outline.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from data.components import Box, Components, Mask, components
from data.grey import Plane
from data.perspective import SAME, Homography, clockwise, is_rectangle, laid_flat
from data.reduce import reduced
from data.segment import lines_of

# A page fills at least this share of the picture, ...
_AREA = 0.08
# ... this share of the tightest quadrilateral around it, ...
_FLAT = 0.95
# ... or, if its outline is not as clean, of the tightest rectangle; a digit's rarely fills half.
_SOLID = 0.85
# Light pages are looked for on a thumbnail of this length, ...
_THUMB = 256
# ... where strokes narrower than this share of it are filled, ...
_STROKE = 0.03
# ... and shades are at least this dark: shares of the light are not told apart in the dark.
_DARKEST = 0.03
# Each is lighter than what is around, by this much or by this share.
_LIGHTER = 0.08
# Shades within it differ, from one pixel to the next, by less than one of so many shares between
# the first two of these, and by more all along its edge.
_EDGES = (0.03, 0.4, 6)
# It fills at least this share of the picture, and this share of it is paper, not ink or a finger.
_LEAST, _PAPER = 0.015, 0.7
# Without its edges it is at least so many pixels wide and tall.
_SMALLEST = 48
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
    corners = _corners(outline, mask.shape)
    if corners is None:
        return None
    page = _page(corners, cv2.convexHull(outline), mask.shape)
    if page is None:
        return None
    box = page.box
    marks = _flattened(mask, page.flatten, page.size, cv2.INTER_NEAREST)
    marks = marks[box.y : box.bottom, box.x : box.right] * page.surface
    # Nothing is on it, or it is nothing but what is on it.
    return page if 0 < np.count_nonzero(marks) < np.count_nonzero(page.surface) else None


def find_light_pages(grey: Plane) -> list[Page]:
    """Find pages that are lighter than a table of any shades.

    Args:
        grey: (h, w) float32 in [0, 1].

    Returns:
        Pages as they are read: from the left, line by line.
    """
    small = reduced(grey, _THUMB)
    if min(small.shape) < _SMALLEST:
        return []
    side = round(_STROKE * max(small.shape)) | 1
    paper = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    rim = np.concatenate([paper[0], paper[-1], paper[:, 0], paper[:, -1]])
    if paper.max() - np.partition(rim, rim.size // 2)[rim.size // 2] < _LIGHTER:
        return []
    shades = np.log(np.maximum(paper, _DARKEST))  # where a shadow is as deep on all it falls on
    edges = cv2.morphologyEx(shades, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    smooth = [(edges < faintest).astype(np.uint8) for faintest in np.geomspace(*_EDGES)]
    found = [corners for one in smooth for corners in _regions(one) if _is_light(shades, corners)]
    pages = _apart(found)
    lines = lines_of([Box(*cv2.boundingRect(corners)) for corners in pages])
    scale = (np.array(grey.shape) / small.shape)[::-1]
    ordered = [pages[i] * scale for line in lines for i in line]
    whole = [_page(one, np.rint(one).astype(np.int32), grey.shape) for one in ordered]
    return [page for page in whole if page is not None]


def _regions(smooth: Mask) -> Iterator[np.ndarray]:
    """The corners (4, 2) float32 of each smooth region that may be a page, but for ink."""
    outlines, tree = cv2.findContours(smooth, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for outline, (*_, around) in zip(outlines, () if tree is None else tree[0], strict=True):
        is_hole = around >= 0
        if not is_hole and cv2.contourArea(outline) >= _LEAST * smooth.size:
            corners = _quadrilateral(cv2.convexHull(outline), smooth.shape)
            if corners is not None and np.mean(smooth[_within(corners, smooth.shape)]) >= _PAPER:
                yield corners.astype(np.float32)


def _within(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) bool, whether a pixel lies within these corners (4, 2)."""
    return cv2.fillConvexPoly(np.zeros(shape, np.uint8), np.rint(corners).astype(np.int32), 1) > 0


def _is_light(shades: Plane, corners: np.ndarray) -> bool:
    """Whether what lies within these corners (4, 2) is lighter at its rim than what is around."""
    page = _within(corners, shades.shape).astype(np.uint8)
    rim = page - cv2.erode(page, _square(4))
    around = cv2.dilate(page, _square(5)) - cv2.dilate(page, _square(2))
    return bool(cv2.mean(shades, rim)[0] - cv2.mean(shades, around)[0] > _LIGHTER)


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


def _page(corners: np.ndarray, hull: np.ndarray, shape: tuple[int, ...]) -> Page | None:
    """The page with these corners (4, 2) and hull (n, 2) on a picture (h, w), if large enough."""
    flatten, size = laid_flat(corners, shape)
    whole = cv2.fillConvexPoly(np.zeros(shape, np.uint8), hull, 1)
    surface = _without_edges(_flattened(whole, flatten, size, cv2.INTER_NEAREST))
    box = Box(*cv2.boundingRect(surface))
    if min(box.width, box.height) < _SMALLEST:
        return None
    return Page(flatten, size, box, surface[box.y : box.bottom, box.x : box.right])


def _corners(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The corners (4, 2) of a page with this outline on a picture (h, w); none of what is none."""
    corners = _quadrilateral(outline, shape)
    if corners is not None:
        return corners
    rectangle = cv2.boxPoints(cv2.minAreaRect(outline))
    is_solid = cv2.contourArea(outline) >= _SOLID * cv2.contourArea(rectangle)
    return clockwise(rectangle) if is_solid else None


def _quadrilateral(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The corners (4, 2) of a whole page with this outline, seen at whatever slant."""
    hull = cv2.convexHull(outline)
    if len(hull) < 4:
        return None
    around = cv2.approxPolyN(hull, 4, ensure_convex=True).reshape(4, 2)
    corners = clockwise(around)
    is_clean = cv2.contourArea(outline) >= _FLAT * cv2.contourArea(around)
    is_whole = not _shares_a_rim(corners, shape)
    return corners if is_clean and is_whole and is_rectangle(corners, shape) else None


def _shares_a_rim(corners: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a side lies along one of the picture's, where the page goes on beyond it."""
    on_rim = np.hstack([corners < 2, corners > np.array(shape[::-1]) - 3])  # (4, 4)
    return bool((on_rim & np.roll(on_rim, -1, axis=0)).any())


def _without_edges(whole: Mask) -> Mask:
    away = cv2.distanceTransform(np.pad(whole, 1), cv2.DIST_L2, cv2.DIST_MASK_3)[1:-1, 1:-1]
    *_, width, height = cv2.boundingRect(whole)
    return (away > 1 + round(_EDGE * max(width, height))).astype(np.uint8)


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
    inner = cv2.erode(page.surface, _square(1), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    reaching = np.unique(strokes.labels[page.surface > inner])
    rest = strokes.mask * (strokes.only(reaching[reaching > 0] - 1) == 0)
    return components(rest) if rest.any() else strokes
