"""Cells that digits are written in or across: a form's boxes, a comb, a table, squared paper.

A cell is a piece of paper with four straight sides that strokes enclose. One that holds something
shows that it is printed for that; empty ones like it are no zeros then, nor are many that are
alike. Digits may touch the walls, or reach across. Where many do, it is squared paper; else what is
smaller than the writing, outside of all cells, is captions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import NamedTuple

import cv2
import numpy as np

from data.components import Box, Components, Mask, components
from data.grey import Plane

# Walls have at least this share of full ink; those that are fainter than strokes are narrower than
# so many pixels.
_FAINT, _BROAD = 0.2, 11
# Gaps in walls are shorter than so many pixels; two cells with one between them are more than so
# many times as large as most.
_GAP, _SEVERAL = 5, 1.6
# A cell's sides are at least so many pixels long, and so many times its walls' width.
_SMALLEST, _THIN = 16, 6
# This percentile of their widths is the walls'; digits that touch them look like wider ones.
_WALLS = 75
# More of them are a texture, also if they lie around each other more than so deep; so many that are
# empty are no digits.
_MOST, _DEEPEST, _MANY = 1_000, 10, 4
# All cover more than this share of a picture; in the grain of stone some pieces look like cells.
_COVERED = 0.005
# It fills this share of the tightest quadrilateral around it, an ellipse fills 0.79, ...
_STRAIGHT = 0.92
# ... whose corners have cosines below this.
_SQUARE = 0.4
# What it holds is at least this large beside its shorter side, and this far from its walls.
_HELD, _WITHIN = 0.2, 0.06
# Empty cells are as wide and tall as one that is filled, but for this share.
_ALIKE = 0.25
# Paper is squared where more than this share of strokes is written across cells: touches walls, and
# has less than that share of itself in one cell. Those shorter than the third share of what most
# cells hold are not counted.
_ACROSS, _INSIDE, _COUNTED = 0.25, 0.75, 0.5
# Captions are shorter than this share of what most cells hold, and of what is longer there is less
# than in cells; dirt in a cell is shorter than that share.
_CAPTION, _DIRT = 0.6, 0.3

_NEXT = [1, 2, 3, 0]  # of four


class Cells(NamedTuple):
    """Where cells are.

    Attributes:
        printed: (h, w), 1 on their walls, less where a stroke crosses them, and on captions.
        numbers: (h, w) int32, which cell each pixel lies in, from 1; 0 outside of all, and all over
            squared paper.
        least: a cell with marks that are all shorter than so many pixels is empty, but for dirt.
    """

    printed: Mask
    numbers: np.ndarray
    least: float


class _Cell(NamedTuple):
    """Paper within walls.

    Attributes:
        hull: (n, 1, 2) int32, pixels of the walls around it.
        box: around these.
        width: of the walls, in pixels.
        held: how long what it holds is, in pixels; 0 if that is nothing.
    """

    hull: np.ndarray
    box: Box
    width: float
    held: int


def find_cells(strokes: Components, density: Plane) -> Cells | None:
    """Find cells that hold something, with empty ones like them, or many alike; None without any.

    Args:
        strokes: on a mask (h, w).
        density: of ink (h, w), float32 in [0, 1]; walls may be fainter than strokes.
    """
    faint = np.asarray(density > _FAINT, np.uint8)
    broad = cv2.morphologyEx(faint, cv2.MORPH_OPEN, np.ones((_BROAD, _BROAD)))  # such as shadows
    thin = strokes.mask | faint * (1 - broad)
    mask = cv2.morphologyEx(thin, cv2.MORPH_CLOSE, np.ones((_GAP, _GAP)))
    if not _are_enclosed(strokes.boxes, mask):
        return None
    closed = components(mask)
    cells = list(_cells(strokes, strokes.mask))
    cells = _alike(_with_broken(cells, list(_cells(closed, strokes.mask)), strokes.mask.shape))
    if sum(map(_area, cells)) <= _COVERED * strokes.mask.size:
        return None
    numbers = _numbered(cells, strokes.mask.shape)
    filled = [cell.held for cell in cells if cell.held]
    held = float(np.median(filled or [max(cell.box[2:]) for cell in cells]))
    ink = strokes.mask * _around(closed, cells)
    walls = _walls(ink, cells, numbers, held)
    if not filled or _are_crossed(components(strokes.mask - walls), ink, numbers, held):
        width = round(float(np.median([cell.width for cell in cells])))
        return Cells(_hairs(ink, width, _DIRT * held), np.zeros_like(numbers), 0)
    small, large = _outside(strokes, numbers, _CAPTION * held)
    captions = strokes.only(small if len(large) < len(filled) else [])
    return Cells(walls | captions, numbers, _DIRT * held)


def by_cell(strokes: Components, cells: Cells) -> list[list[int]]:
    """The components in each cell that holds any, and those outside of all."""
    home, _ = _homes(strokes, cells.numbers)
    groups = [(number, np.flatnonzero(home == number)) for number in np.unique(home)]
    return [
        group.tolist()
        for number, group in groups
        if number == 0 or strokes.longest[group].max() >= cells.least
    ]


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


def _cells(strokes: Components, mask: Mask) -> Iterator[_Cell]:
    """All cells that each component alone is around, and what a mask (h, w) has in them."""
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
            paper = np.pad((labels[y : y + rows, x : x + columns] == i).astype(np.uint8), 1)
            paper = cv2.dilate(paper, _square(1))
            outline, _ = cv2.findContours(paper, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            hull = cv2.convexHull(outline[0]) + np.array((x - 1, y - 1), np.int32)
            middles = _middles(hull)
            if middles is None:
                continue
            # A digit that touches a wall looks like a wider one.
            width = sorted(widths[middles[:, 1], middles[:, 0]].tolist())[1]
            if min(columns, rows) >= _THIN * width:
                hull += np.array((around.x - 1, around.y - 1), np.int32)
                box = Box(*cv2.boundingRect(hull))
                yield _Cell(hull, box, width, _held(mask, hull, box))


def _widths(ink: Mask, reach: int) -> np.ndarray:
    """How wide the widest stroke is, so many pixels around each of a mask (h, w): float32."""
    away = cv2.distanceTransform(ink, cv2.DIST_L2, cv2.DIST_MASK_3)
    return np.asarray(2 * cv2.dilate(away, _square(reach)) - 1)


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


def _held(mask: Mask, hull: np.ndarray, box: Box) -> int:
    """How long what a cell holds is, in pixels; 0 if that is nothing."""
    side = min(box.width, box.height)
    within = cv2.fillConvexPoly(np.zeros((box.height, box.width), np.uint8), hull - box[:2], 1)
    away = cv2.erode(np.pad(within, 1), _square(1 + round(_WITHIN * side)))[1:-1, 1:-1]
    *_, width, height = cv2.boundingRect(away * mask[box.y : box.bottom, box.x : box.right])
    longest = max(width, height)
    return longest if longest >= _HELD * side else 0


def _with_broken(whole: list[_Cell], broken: list[_Cell], shape: tuple[int, ...]) -> list[_Cell]:
    """Cells with whole walls on a picture (h, w), and those found where gaps in walls are closed.

    To close gaps may join a digit to a wall, which leaves another cell than there is. So it tells
    nothing of where a cell lies anyway, unless that is larger than most: two with a gap between.
    """
    if not whole:
        return broken
    most = _SEVERAL * float(np.median([_area(cell) for cell in whole]))
    numbers = _numbered([cell for cell in whole if _area(cell) < most], shape)
    return whole + [one for one in broken if not numbers[_centre(one.box)]]


def _alike(cells: list[_Cell]) -> list[_Cell]:
    """Cells that are like one that is filled; if none is, like most others, if these are many."""
    if not cells:
        return []
    sizes = np.array([cell.box[2:] for cell in cells], np.float32)
    patterns, least = sizes[[cell.held > 0 for cell in cells]], 1
    if not len(patterns):
        patterns, least = np.median(sizes, axis=0, keepdims=True), _MANY
    apart = np.abs(sizes[:, None] - patterns) <= _ALIKE * patterns  # (n, m, 2)
    alike = apart.all(axis=2).any(axis=1)
    return list(compress(cells, alike)) if np.count_nonzero(alike) >= least else []


def _numbered(cells: Sequence[_Cell], shape: tuple[int, ...]) -> np.ndarray:
    """Which cell each pixel of a picture (h, w) lies in, from 1: (h, w) int32; 0 outside of all."""
    numbers = np.zeros(shape, np.int32)
    for number, cell in enumerate(sorted(cells, key=_area, reverse=True), start=1):
        cv2.fillConvexPoly(numbers, cell.hull, number)  # inner ones over those around them
    return numbers


def _around(strokes: Components, cells: Sequence[_Cell]) -> Mask:
    """The components (h, w) that the walls of some cells are of, with all that touches them."""
    hulls = [cell.hull for cell in cells]
    line = cv2.polylines(np.zeros_like(strokes.mask), hulls, isClosed=True, color=1)
    return strokes.only(np.setdiff1d(strokes.labels[line > 0], [0]) - 1)


def _walls(ink: Mask, cells: Sequence[_Cell], numbers: np.ndarray, held: float) -> Mask:
    """The walls of cells among ink (h, w), and their ends, less where a stroke crosses them."""
    width = round(float(np.percentile([cell.width for cell in cells], _WALLS)))
    slack = max(2, 1 + width // 2)
    inside = (numbers > 0).astype(np.uint8)
    near = cv2.dilate(inside, _square(width + slack))
    hulls, thickness = [cell.hull for cell in cells], 3 + 2 * slack
    within = cv2.polylines(inside.copy(), hulls, isClosed=True, color=0, thickness=thickness)
    walls = ink * (near - within)
    rest = ink - walls
    crossing = walls * cv2.morphologyEx(rest, cv2.MORPH_CLOSE, _square(width + slack))
    outer = components((rest + crossing) * (1 - inside))
    ends = _ends(outer, crossing, short=_CAPTION * held, narrow=1 + 1.5 * width)
    return np.asarray((walls - crossing) | ends)


def _ends(outer: Components, crossing: Mask, short: float, narrow: float) -> Mask:
    """What of the strokes (h, w) outside of cells is none that crosses a wall, and short or narrow.

    Args:
        outer: what touches walls there.
        crossing: (h, w), where a stroke crosses a wall.
        short: less long than this, in pixels.
        narrow: not wider than this.
    """
    kept = np.unique(outer.labels[crossing > 0]) - 1
    ends = []
    for i in np.setdiff1d(np.arange(len(outer.boxes)), kept).tolist():
        points = cv2.findNonZero(outer.only([i], outer.box(i)))
        if outer.longest[i] < short or min(cv2.minAreaRect(points)[1]) <= narrow:
            ends.append(i)
    return outer.only(ends)


def _are_crossed(strokes: Components, ink: Mask, numbers: np.ndarray, held: float) -> bool:
    """Whether many strokes are not within a cell but across walls, whose ink (h, w) they touch."""
    is_counted = strokes.longest >= _COUNTED * held
    home, share = _homes(strokes, numbers)
    is_touching = np.zeros(len(home), np.bool_)
    is_touching[np.setdiff1d(strokes.labels[ink > 0], [0]) - 1] = True
    is_across = is_touching & ((home == 0) | (share < _INSIDE))
    return bool((is_across & is_counted).sum() > _ACROSS * is_counted.sum())


def _homes(strokes: Components, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which cell most of each component is in, and which share of it: (n,) each."""
    inked = np.flatnonzero(strokes.labels)
    pairs = strokes.labels.ravel()[inked] - 1, numbers.ravel()[inked]
    shared = np.zeros((len(strokes.boxes), int(numbers.max()) + 1), np.int32)
    np.add.at(shared, pairs, 1)
    return shared.argmax(axis=1), shared.max(axis=1) / shared.sum(axis=1)


def _hairs(ink: Mask, width: int, least: float) -> Mask:
    """What of ink (h, w) is hardly wider than `width`, or of nothing that is wider and large."""
    broad = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((width + 2, width + 2), np.uint8))
    strokes = components(ink * cv2.dilate(broad, _square(1)))
    return np.asarray(ink - strokes.only(np.flatnonzero(strokes.longest >= least)))


def _outside(
    strokes: Components, numbers: np.ndarray, longest: float
) -> tuple[np.ndarray, np.ndarray]:
    """The components outside of all cells that are shorter than `longest`, and the others."""
    inner = strokes.labels[numbers > 0] - 1
    outer = np.setdiff1d(np.arange(len(strokes.boxes)), inner)
    is_small = strokes.longest[outer] < longest
    return outer[is_small], outer[~is_small]


def _centre(box: Box) -> tuple[int, int]:
    return box.y + box.height // 2, box.x + box.width // 2


def _area(cell: _Cell) -> int:
    return cell.box.width * cell.box.height


def _square(reach: int) -> Mask:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
