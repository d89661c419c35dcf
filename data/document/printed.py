"""What is printed around the writing: the walls of cells, the lines of squared paper, captions.

Digits may touch the walls of their cells, or reach across. Where many do, it is squared paper,
whose lines are told from a pen by their width; else what is in each cell is written by itself, and
what is smaller than the writing, outside of all cells, is captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from data.document.cells import Cell, find_cells, numbered
from data.document.components import Components, Mask, components, square
from data.grey import Plane

# This percentile of their widths is the walls'; digits that touch them look like wider ones.
_WALLS = 75
# Paper is squared where more than this share of strokes is written across cells: ...
_ACROSS = 0.25
# ... touches walls, and has less than this share of itself in one cell.
_INSIDE = 0.75
# Strokes shorter than this share of what most cells hold are not counted.
_COUNTED = 0.5
# Cells adjoin if they lie where the next of their size would, but for this share of that; ...
_ADJOIN = 0.3
# ... in squared paper more than this share of them has others beside and below.
_MOSTLY = 0.5
# Captions are shorter than this share of what most cells hold, and of what is longer there is less
# than in cells; ...
_CAPTION = 0.5
# ... dirt in a cell is shorter than this share.
_DIRT = 0.3


class Printed(NamedTuple):
    """What is printed, and where the cells are.

    Attributes:
        marks: (h, w), 1 on walls, less where a stroke crosses them, and on captions.
        numbers: (h, w) int32, which cell each pixel lies in, from 1; 0 outside of all, and all over
            squared paper.
        least: a cell with marks that are all shorter than so many pixels is empty, but for dirt.
    """

    marks: Mask
    numbers: np.ndarray
    least: float


def find_printed(strokes: Components, density: Plane) -> list[Printed]:
    """Find what is printed around what is written in cells, or across; nothing where there is none.

    Args:
        strokes: on a mask (h, w).
        density: of ink (h, w), float32 in [0, 1].

    Returns:
        What shape alone says it is; and if that are cells which may be squared paper, this too.
    """
    cells, around = find_cells(strokes, density)
    if not cells:
        return []
    ink = strokes.mask * around
    numbers = numbered(cells, strokes.mask.shape)
    filled = [cell.held for cell in cells if cell.held]
    held = float(np.median(filled or [max(cell.box[2:]) for cell in cells]))
    walls = _walls(ink, cells, numbers, held)
    found: list[Printed] = []
    if filled and not _are_crossed(components(strokes.mask - walls), ink, numbers, held):
        small, large = _outside(strokes, numbers, _CAPTION * held)
        captions = strokes.only(small if len(large) < len(filled) else [])
        found.append(Printed(walls | captions, numbers, _DIRT * held))
    if not found or _may_be_squared(cells, around):
        width = round(float(np.median([cell.width for cell in cells])))
        found.append(Printed(_hairs(ink, width, _DIRT * held), np.zeros_like(numbers), 0))
    return found


def by_cell(strokes: Components, printed: Printed) -> list[list[int]]:
    """The components in each cell that holds any, and those outside of all."""
    home, _ = _homes(strokes, printed.numbers)
    longest = strokes.longest
    groups = [(number, np.flatnonzero(home == number)) for number in np.unique(home)]
    return [
        group.tolist()
        for number, group in groups
        if number == 0 or longest[group].max() >= printed.least
    ]


def _may_be_squared(cells: Sequence[Cell], walls: Mask) -> bool:
    """Whether most cells have others beside and below, or their walls (h, w) reach all edges."""
    boxes = np.array([cell.box for cell in cells], np.float32)
    apart, sizes = np.abs(boxes[:, None, :2] - boxes[:, :2]), boxes[:, 2:]
    is_level = apart < _ADJOIN * sizes
    is_next = np.abs(apart - sizes) < _ADJOIN * sizes
    is_beside = (is_next[..., 0] & is_level[..., 1]).any(axis=1)
    is_below = (is_next[..., 1] & is_level[..., 0]).any(axis=1)
    edges = (walls[0], walls[-1], walls[:, 0], walls[:, -1])
    return bool(np.mean(is_beside & is_below) > _MOSTLY or all(edge.any() for edge in edges))


def _walls(ink: Mask, cells: Sequence[Cell], numbers: np.ndarray, held: float) -> Mask:
    """The walls of cells among ink (h, w), and their ends, less where a stroke crosses them."""
    width = round(float(np.percentile([cell.width for cell in cells], _WALLS)))
    slack = max(2, 1 + width // 2)
    inside = (numbers > 0).astype(np.uint8)
    near = cv2.dilate(inside, square(width + slack))
    hulls, thickness = [cell.hull for cell in cells], 3 + 2 * slack
    within = cv2.polylines(inside.copy(), hulls, isClosed=True, color=0, thickness=thickness)
    walls = ink * (near - within)
    rest = ink - walls
    crossing = walls * cv2.morphologyEx(rest, cv2.MORPH_CLOSE, square(width + slack))
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
    ends = []
    for i in np.setdiff1d(np.arange(len(outer.boxes)), outer.under(crossing)).tolist():
        points = cv2.findNonZero(outer.only([i], outer.box(i)))
        if outer.longest[i] < short or min(cv2.minAreaRect(points)[1]) <= narrow:
            ends.append(i)
    return outer.only(ends)


def _are_crossed(strokes: Components, ink: Mask, numbers: np.ndarray, held: float) -> bool:
    """Whether many strokes are not within a cell but across walls, whose ink (h, w) they touch."""
    is_counted = strokes.longest >= _COUNTED * held
    home, share = _homes(strokes, numbers)
    is_touching = np.zeros(len(home), np.bool_)
    is_touching[strokes.under(ink)] = True
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
    strokes = components(ink * cv2.dilate(broad, square(1)))
    return np.asarray(ink - strokes.only(np.flatnonzero(strokes.longest >= least)))


def _outside(
    strokes: Components, numbers: np.ndarray, longest: float
) -> tuple[np.ndarray, np.ndarray]:
    """The components outside of all cells that are shorter than `longest`, and the others."""
    outer = np.setdiff1d(np.arange(len(strokes.boxes)), strokes.under(numbers))
    is_small = strokes.longest[outer] < longest
    return outer[is_small], outer[~is_small]
