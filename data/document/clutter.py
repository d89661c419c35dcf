"""Tell strokes from what else is dark on a picture: margins, frames, a page's edges, ruled lines.

Each has a shape that no digit has. A margin runs along a whole side; a frame or a ring holds
something; a ruling runs straight across the picture, an underline straight and level for longer
than a digit is tall; a fold is straight and far longer than that. Nothing is removed unless
something else remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import cv2
import numpy as np

from data.document.components import Box, Components, Mask, components, holes
from data.document.rulings import level_rulings, reaches, slanting_rulings
from data.document.segment import MOST_PARTS
from data.errors import PictureNotDigits

# On fewer pixels than this a side, a digit's stroke may look like any of it.
_SMALLEST = 48
# A margin runs along this share of the picture's side.
_ALONG = 0.95
# A level line is at least this many times as wide as tall, ...
_LEVEL = 3.0
# ... and narrower than this share of its length.
_NARROW = 0.15
# A thread is narrower than this share of its length, ...
_THREAD = 0.08
# ... and so many times as long as most others; ...
_FAR = 3.0
# ... no digit is found beside one so many times as long.
_LOST = 30
# There are at least so many others, ...
_OTHERS = 5
# ... not counting so many that are longest.
_FEW = 2
# A block is broader than this share of its length, ...
_BROAD = 0.5
# ... and fills this share of the tightest rectangle around it; the fattest 1 may be as broad, but
# has round corners.
_BLOCK = 0.95
# What covers a part of the picture is broader than this share of its length, ...
_COVERING = 0.25
# ... and fills this share of its box.
_FULL = 0.8
# This share of a frame's ink lies near the sides of its box, ...
_FRAME_INK = 0.85
# ... within this share of them; ...
_FRAME_WIDTH = 0.06
# ... and it holds marks at least this large beside it, ...
_HELD = 0.1
# ... and less wide than this.
_FILLED = 0.85
# Together these are so large beside a frame; ...
_HELD_BY_FRAME = 0.15
# ... or beside a ring, for a dot in a zero is part of it.
_HELD_BY_RING = 0.3
# Edges of a page that is nearly of its table's shade are at least so many pieces, ...
_PIECES = 4
# ... which cover more than this share ...
_MOSTLY = 0.5
# ... of so many of its sides, ...
_SIDES = 3
# ... in so many steps of a side.
_STEPS = 40
# Each side is at least this share of the picture's; ...
_SIDE = 0.2
# ... a piece lies along it, but for this share of the piece, ...
_STRAY = 0.05
# ... within this share of the page's shorter side.
_NEAR_SIDE = 0.04
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
    for kind in (_margins, _frames, _edges, level_rulings, slanting_rulings, _dashes, _threads):
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
    if len(strokes.boxes) != 1 or any(reaches(strokes.mask)):
        return False
    return holes(strokes.only([0], strokes.box(0))) == 0


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
