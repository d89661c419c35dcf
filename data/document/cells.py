"""Cells that digits are written in or across: a form's boxes, a comb, a table, squared paper.

A cell is a piece of paper with four straight sides that strokes enclose. One that holds something
shows that it is made for that; empty ones like it are no zeros then, nor are many that are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import NamedTuple

import cv2
import numpy as np

from data.document.components import Box, Components, Mask, components, square
from data.grey import Plane

# Walls have at least this share of full ink; ...
_FAINT = 0.2
# ... those that are fainter than strokes are narrower than so many pixels.
_BROAD = 11
# Gaps in walls are shorter than so many pixels; ...
_GAP = 5
# ... two cells with one between them are more than so many times as large as most.
_SEVERAL = 1.6
# A cell's sides are at least so many pixels long, ...
_SMALLEST = 16
# ... and so many times its walls' width.
_THIN = 6
# More cells than this are a texture, ...
_MOST = 1_000
# ... and so are such that lie around each other more than so deep; ...
_DEEPEST = 10
# ... so many that are empty are no digits.
_MANY = 6
# All cover more than this share of a picture; in the grain of stone some pieces look like cells.
_COVERED = 0.005
# It fills this share of the tightest quadrilateral around it, an ellipse fills 0.79, ...
_STRAIGHT = 0.92
# ... whose corners have cosines below this.
_SQUARE = 0.4
# What it holds is at least this large beside its shorter side, ...
_HELD = 0.2
# ... and this far from its walls.
_WITHIN = 0.06
# What is at least this share of a cell's width is as wide.
_WIDE = 0.8
# Cells that are alike are as wide and tall as each other, but for this share.
_ALIKE = 0.25

_NEXT = [1, 2, 3, 0]  # of four


class Cell(NamedTuple):
    """Paper within walls.

    Attributes:
        hull: (n, 1, 2) int32, pixels of the walls around it.
        box: around these.
        width: of the walls, in pixels.
        held: how long the longest stroke in it is, in pixels; 0 if there is none to speak of.
        is_certain: whether it is one even if no other is like it.
    """

    hull: np.ndarray
    box: Box
    width: float
    held: int
    is_certain: bool


def find_cells(strokes: Components, density: Plane) -> tuple[list[Cell], Mask]:
    """Find cells that hold something, with empty ones like them, or many alike.

    Args:
        strokes: on a mask (h, w).
        density: of ink (h, w), float32 in [0, 1]; walls may be fainter than strokes.

    Returns:
        The cells, perhaps none, and (h, w) their walls, with all that touches these, also where
        they are too faint for strokes.
    """
    nothing: tuple[list[Cell], Mask] = ([], np.zeros_like(strokes.mask))
    faint = np.asarray(density > _FAINT, np.uint8)
    broad = cv2.morphologyEx(faint, cv2.MORPH_OPEN, np.ones((_BROAD, _BROAD)))  # such as shadows
    thin = strokes.mask | faint * (1 - broad)
    mask = cv2.morphologyEx(thin, cv2.MORPH_CLOSE, np.ones((_GAP, _GAP)))
    if not _are_enclosed(strokes.boxes, mask):
        return nothing
    closed = components(mask)
    whole = list(_cells(strokes, strokes.mask))
    cells = _alike([*whole, *_broken(whole, closed, strokes.mask)])
    if sum(map(_area, cells)) <= _COVERED * mask.size:
        return nothing
    return cells, _around(closed, cells)


def numbered(cells: Sequence[Cell], shape: tuple[int, ...]) -> np.ndarray:
    """Which cell each pixel of a picture (h, w) lies in, from 1: (h, w) int32; 0 outside of all."""
    numbers = np.zeros(shape, np.int32)
    for number, cell in enumerate(sorted(cells, key=_area, reverse=True), start=1):
        cv2.fillConvexPoly(numbers, cell.hull, number)  # inner ones over those around them
    return numbers


def _large(boxes: np.ndarray) -> list[int]:
    """Which of n boxes (n, 4) are large enough for a cell; none if that are too many."""
    large = np.flatnonzero(boxes[:, 2:4].min(axis=1) >= _SMALLEST).tolist()
    return large if len(large) <= _MOST else []


def _are_enclosed(boxes: np.ndarray, mask: Mask) -> bool:
    """Whether a mask (h, w) encloses many pieces of paper, or one with any of some boxes (n, 4)."""
    x, y, width, height = cv2.boundingRect(mask)
    paper = 1 - np.pad(mask[y : y + height, x : x + width], 1)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(paper, connectivity=4)
    stats[[0, labels[0, 0]]] = 0  # the ink, and what is around it
    pieces = stats[_large(stats), :4] + np.array([x - 1, y - 1, 0, 0], np.int32)
    starts, stops = pieces[:, None, :2], pieces[:, None, :2] + pieces[:, None, 2:]
    after = (boxes[:, :2] >= starts).all(axis=2)
    before = (boxes[:, :2] + boxes[:, 2:] <= stops).all(axis=2)
    return bool(len(pieces) >= _MANY or (after & before).any())


def _cells(strokes: Components, mask: Mask, taken: Mask | None = None) -> Iterator[Cell]:
    """All cells that each component alone is around.

    Args:
        strokes: that may be walls.
        mask: (h, w), what may be in a cell.
        taken: (h, w), where no more cells are looked for; if given, the walls have gaps on `mask`.
    """
    walls = _large(strokes.boxes)
    if np.prod(strokes.boxes[walls, 2:], axis=1).sum() > _DEEPEST * mask.size:
        return
    for wall in walls:
        around = strokes.box(wall)
        ink = strokes.only([wall], around)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - np.pad(ink, 1), connectivity=4)
        stats[[0, labels[0, 0]]] = 0  # the ink, and what is around it
        large = _large(stats)
        if not large:
            continue
        # Half of a wall's width is at most so much.
        reach = round(float(np.median(stats[large, 2:4].min(axis=1))) / (2 * _THIN))
        widths = _widths(np.pad(ink, 1), reach)
        for i in large:
            x, y, columns, rows = stats[i, :4].tolist()
            piece = Box(around.x + x - 1, around.y + y - 1, columns, rows)
            if taken is not None and taken[_centre(piece)]:
                continue
            hull = _hull(labels[y : y + rows, x : x + columns] == i) + np.array((x, y), np.int32)
            middles = _middles(hull)
            if middles is None:
                continue
            # A digit that touches a wall looks like a wider one.
            width = sorted(widths[middles[:, 1], middles[:, 0]].tolist())[1]
            if min(columns, rows) >= _THIN * width:
                hull += np.array((around.x - 1, around.y - 1), np.int32)
                box = Box(*cv2.boundingRect(hull))
                held, is_wide = _held(mask, hull, box)
                yield Cell(hull, box, width, held, taken is None and not is_wide)


def _hull(paper: np.ndarray) -> np.ndarray:
    """The hull (n, 1, 2) int32 of the walls around some paper (h, w) bool."""
    walls = cv2.dilate(np.pad(paper.astype(np.uint8), 1), square(1))
    outline, _ = cv2.findContours(walls, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(cv2.convexHull(outline[0]) - 1)


def _widths(ink: Mask, reach: int) -> np.ndarray:
    """How wide the widest stroke is, so many pixels around each of a mask (h, w): float32."""
    away = cv2.distanceTransform(ink, cv2.DIST_L2, cv2.DIST_MASK_3)
    return np.asarray(2 * cv2.dilate(away, square(reach)) - 1)


def _middles(hull: np.ndarray) -> np.ndarray | None:
    """The middles (4, 2) of the four sides of a hull (n, 1, 2), if it has four, nearly square."""
    if len(hull) < 4:
        return None
    corners = cv2.approxPolyN(hull, 4, ensure_convex=True).reshape(4, 2)
    sides = corners[_NEXT] - corners
    ahead = sides / np.maximum(np.hypot(sides[:, 0], sides[:, 1]), 1e-9)[:, None]
    cosines = np.abs((ahead[_NEXT] * ahead).sum(axis=1))
    is_straight = cv2.contourArea(hull) >= _STRAIGHT * cv2.contourArea(corners)
    if not is_straight or cosines.max() >= _SQUARE:
        return None
    low, high = hull.min(axis=(0, 1)), hull.max(axis=(0, 1))
    return np.asarray(np.clip(np.rint(corners + sides / 2), low, high), np.intp)


def _held(mask: Mask, hull: np.ndarray, box: Box) -> tuple[int, bool]:
    """How long the longest stroke in a cell is, in pixels, 0 if there is none to speak of.

    And whether all strokes in it are together as wide as the cell.
    """
    side = min(box.width, box.height)
    within = cv2.fillConvexPoly(np.zeros((box.height, box.width), np.uint8), hull - box[:2], 1)
    away = cv2.erode(np.pad(within, 1), square(1 + round(_WITHIN * side)))[1:-1, 1:-1]
    held = away * mask[box.y : box.bottom, box.x : box.right]
    _, _, width, _ = cv2.boundingRect(held)
    if width == 0:
        return 0, False
    _, _, stats, _ = cv2.connectedComponentsWithStats(held, connectivity=8)
    longest = int(stats[1:, 2:4].max())
    return longest if longest >= _HELD * side else 0, width >= _WIDE * box.width


def _broken(whole: list[Cell], closed: Components, mask: Mask) -> list[Cell]:
    """Cells whose walls have gaps on a mask (h, w), beside those with whole walls.

    To close gaps may join a digit to a wall, which leaves another cell than there is. So it tells
    nothing of where a cell lies anyway, unless that is larger, also than most: two with a gap
    between.
    """
    areas = sorted(map(_area, whole), reverse=True)
    most = _SEVERAL * areas[len(areas) // 2] if areas else 0
    several = [cell for cell in whole if _area(cell) > most]
    single = [cell for cell in whole if _area(cell) <= most]
    numbers = numbered(several, mask.shape)
    around = [float("inf"), *areas]  # by number, for the larger come first
    return [
        one
        for one in _cells(closed, mask, np.asarray(numbered(single, mask.shape) > 0, np.uint8))
        if around[numbers[_centre(one.box)]] > _SEVERAL * _area(one)
    ]


def _alike(cells: list[Cell]) -> list[Cell]:
    """Cells that are like one that is filled; if none is, like most others, if these are many.

    One that is like no other is none if its walls have gaps, or if what it holds is as wide: that
    is drawn on it, as the curve on a chart.
    """
    if not cells:
        return []
    sizes = np.array([cell.box[2:] for cell in cells], np.float32)
    alike = (np.abs(sizes[:, None] - sizes) <= _ALIKE * sizes).all(axis=2)  # (n, n)
    others = alike.sum(axis=1) - 1
    is_filled = [
        cell.held > 0 and (n > 0 or cell.is_certain)
        for cell, n in zip(cells, others.tolist(), strict=True)
    ]
    if any(is_filled):
        return list(compress(cells, alike[:, is_filled].any(axis=1)))
    middle = np.median(sizes, axis=0)
    usual = (np.abs(sizes - middle) <= _ALIKE * middle).all(axis=1)
    return list(compress(cells, usual)) if np.count_nonzero(usual) >= _MANY else []


def _around(strokes: Components, cells: Sequence[Cell]) -> Mask:
    """The components (h, w) that the walls of some cells are of, with all that touches them."""
    hulls = [cell.hull for cell in cells]
    line = cv2.polylines(np.zeros_like(strokes.mask), hulls, isClosed=True, color=1)
    return strokes.only(strokes.under(line))


def _centre(box: Box) -> tuple[int, int]:
    return box.y + box.height // 2, box.x + box.width // 2


def _area(cell: Cell) -> int:
    return cell.box.width * cell.box.height
