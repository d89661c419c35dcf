"""Tell strokes from what else is dark on a picture: margins, frames, a page's edges, ruled lines.

Each has a shape that no digit has. A margin runs along a whole side; a frame or a ring holds
something; a ruling runs straight across the picture, an underline straight and level for longer
than a digit is tall; a fold is straight and far longer than that. Nothing is removed unless
something else remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import chain

import cv2
import numpy as np

from data.document.components import Box, Components, Mask, components, holes
from data.document.segment import MOST_PARTS
from data.errors import PictureNotDigits

# On fewer pixels than this a side, a digit's stroke may look like any of it.
_SMALLEST = 48
# A margin, or a ruling, runs along this share of the picture's side.
_ALONG = 0.95
# A ruling is thinner than this share of the picture's height.
_THIN = 0.02
# A ruling may slant by so many radians; it is there in this share of the picture's rows, or more,
# and is looked for in steps of so many pixels and radians; of those found, so many are looked at.
_SLANT, _THERE, _STEP, _TURN, _MOST_LINES = 0.09, 0.8, 2, 0.004, 32
# A level line is at least this many times as wide as tall, and so much narrower than long.
_LEVEL, _NARROW = 3.0, 0.15
# A thread is narrower than this share of its length, and so many times as long as most of at least
# so many marks, leaving out the few that are longest; no digit is found beside one still longer.
_THREAD, _FAR, _OTHERS, _FEW, _LOST = 0.08, 3.0, 5, 2, 30
# A block is broader than this share of its length, and fills this share of the tightest rectangle
# around it; the fattest 1 may be as broad, but has round corners.
_BROAD, _BLOCK = 0.5, 0.95
# What covers a part of the picture is broader than this share of its length, and fills this share
# of its box.
_COVERING, _FULL = 0.25, 0.8
# This share of a frame's ink lies near the sides of its box, within this share of them; ...
_FRAME_INK, _FRAME_WIDTH = 0.85, 0.06
# ... and it holds marks at least this large beside it, and less wide than this.
_HELD, _FILLED = 0.1, 0.85
# Together these are so large beside a frame; or beside a ring, for a dot in a zero is part of it.
_HELD_BY_FRAME, _HELD_BY_RING = 0.15, 0.3
# Edges of a page that is nearly of its table's shade are at least so many pieces, which cover more
# than this share of so many of its sides, in steps of a side; each is at least this share of the
# picture's, and pieces of them lie by all but this share of themselves within this share of it.
_PIECES, _MOSTLY, _SIDES, _STEPS = 4, 0.5, 3, 40
_SIDE, _STRAY, _NEAR_SIDE = 0.2, 0.05, 0.04
# Of more ink than this, every n-th pixel tells how the page lies.
_POINTS = 3_000


def without_clutter(strokes: Components) -> Components:
    """Remove margins, frames, a page's edges, rulings, underlines and folds.

    Args:
        strokes: on a mask (h, w).

    Returns:
        The strokes that remain.

    Raises:
        PictureNotDigits: all there is are pieces of a page's edges.
    """
    if min(strokes.mask.shape) < _SMALLEST or _is_one_outline(strokes):
        return strokes
    for kind in (_margins, _frames, _edges, _rulings, _slanting, _dashes, _threads):
        found = kind(strokes)
        if found is not None:
            rest = strokes.mask * (found == 0)
            if 0 < cv2.countNonZero(rest) < cv2.countNonZero(strokes.mask):
                strokes = components(rest)
    return strokes


def _is_one_outline(strokes: Components) -> bool:
    """Whether all ink is one component without a hole.

    Such ink may still be cut by a ruling, but then it reaches across the picture.
    """
    if len(strokes.boxes) != 1 or any(_reach(strokes.mask)):
        return False
    return holes(strokes.only([0], strokes.box(0))) == 0


def _reach(mask: Mask) -> tuple[bool, bool]:
    """Whether ink reaches across the picture, and whether it does from top to bottom."""
    height, width = mask.shape
    *_, across, down = cv2.boundingRect(mask)
    return across >= _ALONG * width, down >= _ALONG * height


def _margins(strokes: Components) -> Mask | None:
    """Components that cover a whole side of the picture."""
    labels = strokes.labels
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    if max(np.mean(side > 0) for side in sides) < _ALONG:
        return None
    covering = []
    for side in sides:
        label = int(np.bincount(side).argmax())
        if label and np.mean(side == label) >= _ALONG:
            covering.append(label - 1)
    return strokes.only(covering) if covering else None


def _frames(strokes: Components) -> Mask | None:
    """Components drawn around others: rectangles that hold something, and rings."""
    least = _HELD * strokes.longest.max()
    notable = np.flatnonzero(strokes.longest >= least)
    if not 1 < len(notable) <= MOST_PARTS:
        return None
    boxes = {i: strokes.box(i) for i in notable.tolist()}
    frames = []
    for i, box in boxes.items():
        held = [b for b in boxes.values() if b != box and b.union(box) == box]
        is_wide = min(box.width, box.height) >= least
        if is_wide and held and _is_frame(strokes.only([i], box), box, held):
            frames.append(i)
    return strokes.only(frames) if frames else None


def _is_frame(ink: Mask, box: Box, held: list[Box]) -> bool:
    """Whether a component keeps to the sides of its box, or closes around what it holds there.

    What fills it from side to side is drawn on it, as the curve on a chart, and not framed.

    Args:
        ink: (box.height, box.width) uint8, 1 on the component.
        box: around it.
        held: boxes in that, at least one.
    """
    if max(inner.width for inner in held) >= _FILLED * box.width:
        return False
    across, down = (1 + round(_FRAME_WIDTH * n) for n in (box.width, box.height))
    is_rectangle = ink[down:-down, across:-across].sum() <= (1 - _FRAME_INK) * ink.sum()
    if not is_rectangle:
        held = [inner for inner in held if _is_enclosed(inner, box, ink)]
    if not held:
        return False
    inner, least = reduce(Box.union, held), _HELD_BY_FRAME if is_rectangle else _HELD_BY_RING
    return max(inner.width, inner.height) >= least * max(box.width, box.height)


def _edges(strokes: Components) -> Mask | None:
    """Pieces of the edges of a page that is nearly of its table's shade.

    They lie along the sides of the tightest rectangle around all ink, and cover most of three.

    Raises:
        PictureNotDigits: there is nothing else.
    """
    if len(strokes.boxes) < _PIECES:
        return None
    points = cv2.findNonZero(strokes.mask).reshape(-1, 2)
    some = np.ascontiguousarray(points[:: 1 + len(points) // _POINTS])
    centre, sides, angle = cv2.minAreaRect(some)
    if min(sides) < _SIDE * min(strokes.mask.shape):
        return None
    turn = cv2.getRotationMatrix2D(centre, angle, 1)[:, :2]
    along = (points - np.array(centre)) @ turn.T / np.array(sides) + 0.5  # (n, 2) in [0, 1]
    own = strokes.labels[points[:, 1], points[:, 0]]
    from_side = np.minimum(along, 1 - along) * sides  # (n, 2) pixels
    near = from_side.min(axis=1) <= _NEAR_SIDE * min(sides) + 1
    counted = np.bincount(own)
    chosen = np.bincount(own, near) >= (1 - _STRAY) * np.maximum(counted, 1)
    of_edges = near & chosen[own]
    if sum(share > _MOSTLY for share in _covered(along[of_edges])) < _SIDES:
        return None
    if chosen[1:].all():
        raise PictureNotDigits(
            "expected digits, but the picture shows the edges of a bare page; crop to the digits"
        )
    return strokes.only(np.flatnonzero(chosen[1:]))


def _covered(along: np.ndarray) -> Iterator[float]:
    """Which share of each side of the unit square the points (n, 2) nearest to it cover."""
    nearest = np.concatenate([along, 1 - along], axis=1).argmin(axis=1)
    for side in range(4):
        places = (along[nearest == side, 1 - side % 2] * _STEPS).astype(np.intp)
        yield len(np.unique(places)) / _STEPS


def _is_enclosed(inner: Box, outer: Box, ink: Mask) -> bool:
    """Whether no way leads from a box to the outside without crossing the ink of the outer one."""
    walls = np.pad(ink, 1)
    cv2.floodFill(walls, None, (0, 0), 2, flags=4)
    x, y = inner.x - outer.x + 1, inner.y - outer.y + 1
    return not (walls[y : y + inner.height, x : x + inner.width] == 2).any()


def _dashes(strokes: Components) -> Mask | None:
    """Straight level lines longer than the tallest other mark: underlines, fraction bars."""
    if len(strokes.boxes) > MOST_PARTS:
        return None
    boxes = [strokes.box(i) for i in range(len(strokes.boxes))]
    level = [is_dash(strokes.only([i], box)) for i, box in enumerate(boxes)]
    tallest = max((b.height for b, dash in zip(boxes, level, strict=True) if not dash), default=0)
    dashes = [i for i, box in enumerate(boxes) if level[i] and 0 < tallest <= box.width]
    return strokes.only(dashes) if dashes else None


def _threads(strokes: Components) -> Mask | None:
    """Straight lines far longer than most marks: folds, and what is left of a frame."""
    ordered = np.sort(strokes.longest)[:-_FEW]
    if len(ordered) < _OTHERS:
        return None
    # Half of all marks, laid end to end, are no longer than this: dirt hardly counts.
    typical = int(ordered[np.searchsorted(ordered.cumsum(), ordered.sum() / 2)])
    is_far = (strokes.longest > _FAR * typical) & (strokes.longest < _LOST * typical)
    found = np.flatnonzero(is_far).tolist()
    threads = [i for i in found if _is_thread(strokes.only([i], strokes.box(i)))]
    return strokes.only(threads) if threads else None


def _is_thread(mask: Mask) -> bool:
    _, sides, _ = cv2.minAreaRect(cv2.findNonZero(mask))
    return bool(min(sides) <= _THREAD * max(sides))


def is_block(mask: Mask) -> bool:
    """Whether strokes (h, w), cropped to their box, fill a rectangle that no pen is as wide as."""
    ink = np.count_nonzero(mask)
    if min(mask.shape) < _SMALLEST or ink < _BLOCK * mask.size / 2:
        return False  # a digit of few pixels; or less than half of the box, which a block fills
    _, sides, _ = cv2.minAreaRect(cv2.findNonZero(mask))
    area = (sides[0] + 1) * (sides[1] + 1)
    return bool(min(sides) > _BROAD * max(sides) and ink >= _BLOCK * area)


def is_part_of_ground(mask: Mask, picture: tuple[int, ...]) -> bool:
    """Whether strokes (h, w), cropped to their box, are a shade that covers a part of a picture.

    That reaches from side to side, is broad, and fills its box but for a slanting edge.
    """
    is_across = mask.shape[0] >= _ALONG * picture[0] or mask.shape[1] >= _ALONG * picture[1]
    is_broad = min(mask.shape) > _COVERING * max(mask.shape)
    return bool(is_across and is_broad and np.count_nonzero(mask) > _FULL * mask.size)


def is_dash(mask: Mask) -> bool:
    """Whether strokes (h, w), cropped to their box, are one straight level line."""
    height, width = mask.shape
    if width < _LEVEL * height:
        return False
    _, sides, _ = cv2.minAreaRect(cv2.findNonZero(mask))
    return bool(min(sides) <= _NARROW * max(sides))


def _rulings(strokes: Components) -> np.ndarray | None:
    """Straight lines across the whole picture, less where a stroke crosses them."""
    mask = strokes.mask
    across, down = _reach(mask)
    if not across and not down:
        return None
    lines = np.zeros(mask.shape, np.bool_)
    if across:
        lines |= _lines_across(mask)
    if down:
        lines |= _lines_across(np.ascontiguousarray(mask.T)).T
    return lines


def _slanting(strokes: Components) -> np.ndarray | None:
    """Thin straight lines across the whole picture that are not quite level or upright."""
    mask = strokes.mask
    across, down = _reach(mask)
    lines = np.zeros(mask.shape, np.bool_)
    if down:
        lines |= _lines_down(mask)
    if across:
        lines |= _lines_down(np.ascontiguousarray(mask.T)).T
    return lines if lines.any() else None


def _lines_down(mask: Mask) -> np.ndarray:
    """Nearly upright lines from edge to edge, less where a stroke crosses them."""
    height = len(mask)
    least = round(_THERE * height)
    found = [
        cv2.HoughLines(mask, _STEP, _TURN, least, min_theta=start, max_theta=start + _SLANT)
        for start in (0, np.pi - _SLANT)
    ]
    lines = np.zeros(mask.shape, np.bool_)
    rows = np.arange(height)
    for rho, theta in chain(*(one[:_MOST_LINES, 0] for one in found if one is not None)):
        columns = np.round((rho - rows * np.sin(theta)) / np.cos(theta)).astype(np.intp)
        lines |= _line_along(mask, columns)
    return lines


def _line_along(mask: Mask, columns: np.ndarray) -> np.ndarray:
    """The ink of one line that passes through these columns (h,), if it is one, and thin."""
    height, width = mask.shape
    near = int(_THIN * width) + 2 * _STEP
    beside = np.arange(-near, near + 1)
    places = columns[:, None] + beside  # (h, n)
    window = mask[np.arange(height)[:, None], places.clip(0, width - 1)] > 0
    window &= (places >= 0) & (places < width)
    is_alone = window.any(axis=1) & ~(window[:, 0] | window[:, -1])
    rows = np.flatnonzero(is_alone)
    line = np.zeros(mask.shape, np.bool_)
    if len(rows) < _THERE * height or rows[-1] - rows[0] < _ALONG * height:
        return line
    reach = min(near - 1, int(np.median(window[rows].sum(axis=1))) + _STEP)
    is_crossed = window[:, np.abs(beside) == reach + 1].any(axis=1)
    row, place = np.nonzero(window & (np.abs(beside) <= reach) & ~is_crossed[:, None])
    line[row, places[row, place]] = True
    return line


def _lines_across(mask: Mask) -> np.ndarray:
    """Horizontal lines from edge to edge, except where ink goes on above and below."""
    h, w = mask.shape
    lines = np.zeros(mask.shape, np.bool_)
    reach = max(3, w // 3)
    if mask.sum(axis=1, dtype=np.int32).max() < reach:
        return lines
    runs = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, reach), np.uint8))
    if cv2.boundingRect(runs)[2] < _ALONG * w:
        return lines
    level = components(runs)
    widths, heights = level.boxes[:, 2], level.boxes[:, 3]
    long = np.flatnonzero((widths >= _ALONG * w) & (heights <= _THIN * h + 1))
    if not len(long):
        return lines
    lines = level.only(long) > 0
    thickness = int(heights[long].max())
    others = np.pad(mask * ~lines, ((thickness, thickness), (0, 0)))
    above, below = (
        cv2.dilate(side, np.ones((1, 2 * thickness + 1), np.uint8)) > 0
        for side in (others[: -2 * thickness], others[2 * thickness :])
    )
    return np.asarray(lines & ~(above & below), np.bool_)
