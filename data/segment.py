"""Take a mask of strokes apart into digits, in reading order.

A stroke component is a digit, a fragment of one (the bar of a 5, a broken loop), several that
touch, or dirt. Sizes decide: digits written together are about as tall as each other, fragments lie
over or close to the digit they belong to, dirt is small, and what is much wider than its neighbours
is cut where a path from top to bottom crosses least ink (a seam, found by dynamic programming).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from data.ink import Mask

# Of the height of the tallest component: smaller parts are dirt, ...
_DIRT = 0.2
# ... taller ones can be digits by themselves, those between are fragments, ...
_BODY = 0.5
# ... which join a digit no further away than this.
_NEAR = 0.5
# Parts above each other belong together when the gap is less than this.
_STACKED = 0.12
# A component wider than this many times its height may be several digits that touch.
_WIDE = 1.2
# A cut between two digits crosses at most this many stroke widths of ink.
_CUT = 1.6
# Seams are searched at this height.
_SEAM_HEIGHT = 64


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: left and top edge, width and height."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column after the box."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row after the box."""
        return self.y + self.height

    def shared_width(self, other: Box) -> int:
        """Columns in both boxes; negative is the gap between them."""
        return min(self.right, other.right) - max(self.x, other.x)

    def shared_height(self, other: Box) -> int:
        """Rows in both boxes; negative is the gap between them."""
        return min(self.bottom, other.bottom) - max(self.y, other.y)

    def gap(self, other: Box) -> int:
        """Distance in pixels, the larger of the horizontal and the vertical gap; 0 if they meet."""
        return max(0, -self.shared_width(other), -self.shared_height(other))

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Box(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)


@dataclass(frozen=True)
class Glyph:
    """The strokes of one digit.

    Attributes:
        box: where it is.
        mask: (box.height, box.width) uint8, 1 on its strokes, 0 on all others'.
    """

    box: Box
    mask: Mask


def find_glyphs(mask: Mask, *, single: bool = False) -> list[Glyph]:
    """Group strokes into digits.

    Args:
        mask: (h, w) uint8, 1 on strokes; at least one pixel is.
        single: take everything but dirt as one digit.

    Returns:
        The digits, lines from top to bottom, each from left to right.
    """
    labels, boxes = _components(mask)
    tall = _height(boxes)
    parts = [i for i, box in enumerate(boxes) if max(box.width, box.height) >= _DIRT * tall]
    groups = [parts] if single else _grouped(boxes, parts, tall)
    glyphs = [_glyph(labels, boxes, group) for group in groups]
    if len(glyphs) > 1:
        width = _stroke_width(mask)
        glyphs = [piece for glyph in glyphs for piece in _separated(glyph, width)]
    return _in_reading_order(glyphs)


def _components(mask: Mask) -> tuple[np.ndarray, list[Box]]:
    """Connected components: labels (h, w), 0 for paper; the box of label i + 1 at i."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return np.asarray(labels, np.int32), [Box(*map(int, row[:4])) for row in stats[1:]]


def _height(boxes: list[Box]) -> int:
    """How tall digits are here: the tallest component, unless all are flat."""
    longest = max(max(box.width, box.height) for box in boxes)
    tallest = max(box.height for box in boxes)
    return tallest if tallest >= 0.3 * longest else longest


def _grouped(boxes: list[Box], parts: list[int], tall: int) -> list[list[int]]:
    """Indices of the parts of each digit; fragments without a digit nearby are dropped."""
    bodies = [i for i in parts if max(boxes[i].height, boxes[i].width / 2) >= _BODY * tall]
    groups: list[list[int]] = []
    for i in sorted(bodies, key=lambda i: boxes[i].x):
        home = next((g for g in groups if _stacked(boxes, g, i, tall)), None)
        groups.append([i]) if home is None else home.append(i)
    for i in set(parts) - set(bodies):
        home = min(groups, key=lambda g: _around(boxes, g).gap(boxes[i]))
        if _around(boxes, home).gap(boxes[i]) <= _NEAR * tall:
            home.append(i)
    return groups


def _stacked(boxes: list[Box], group: list[int], i: int, tall: int) -> bool:
    """Whether part i lies over or just above or below the group: one digit in two pieces."""
    around, box = _around(boxes, group), boxes[i]
    over = around.shared_width(box) > 0.5 * min(around.width, box.width)
    return over and around.shared_height(box) > -_STACKED * tall


def _around(boxes: list[Box], group: list[int]) -> Box:
    box = boxes[group[0]]
    for i in group[1:]:
        box = box.union(boxes[i])
    return box


def _glyph(labels: np.ndarray, boxes: list[Box], group: list[int]) -> Glyph:
    box = _around(boxes, group)
    chosen = np.zeros(len(boxes) + 1, np.uint8)
    chosen[[i + 1 for i in group]] = 1
    return Glyph(box, chosen[labels[box.y : box.bottom, box.x : box.right]])


def _stroke_width(mask: Mask) -> float:
    """Mean stroke width in pixels: across a stroke the mean distance to paper is width / 4."""
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_3)
    return max(1.0, 4 * float(distance[mask > 0].mean()) - 2)


def _separated(glyph: Glyph, stroke: float) -> list[Glyph]:
    """Cut a glyph that is several digits in touch; most are one and come back whole."""
    if glyph.box.width <= _WIDE * glyph.box.height:
        return [glyph]
    left = _left_of_seam(glyph.mask, _CUT * stroke)
    if left is None or not (glyph.mask & left).any() or not (glyph.mask & ~left).any():
        return [glyph]
    halves = (_trimmed(glyph, glyph.mask & left), _trimmed(glyph, glyph.mask & ~left))
    return [piece for half in halves for piece in _separated(half, stroke)]


def _left_of_seam(mask: Mask, most: float) -> Mask | None:
    """Find the cheapest seam that leaves something digit-sized on either side.

    Args:
        mask: (h, w) uint8 strokes of one glyph.
        most: pixels of ink a seam may cross.

    Returns:
        (h, w) uint8, 255 left of the seam, or None when no seam is cheap enough.
    """
    h, w = mask.shape
    factor = min(1.0, _SEAM_HEIGHT / h)
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    ink = np.asarray(small, np.float32)
    cost, steps = _seams(ink)
    margin = max(1, size[1] // 4)
    columns = np.arange(size[0])
    for end in np.argsort(cost, kind="stable"):
        if cost[end] > most * factor:
            return None
        path = _followed(steps, int(end))
        left = columns < path[:, None]
        inside = path.min() >= margin and path.max() < size[0] - margin
        if inside and all(_is_tall(ink * side) for side in (left, ~left)):
            whole = cv2.resize(left.astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST)
            return np.asarray(whole * 255, np.uint8)
    return None


def _seams(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cheapest downward paths through (h, w) ink that move at most one column a row.

    Returns:
        The ink crossed by the best path to each bottom column, (w,), and where each path came from,
        (h, w) in {-1, 0, 1}.
    """
    cost = ink[0].copy()
    steps = np.zeros(ink.shape, np.int8)
    for y in range(1, len(ink)):
        padded = np.pad(cost, 1, constant_values=np.inf)
        # A slanted step is a longer way and costs a little even on bare paper.
        options = np.stack([padded[:-2] + 0.05, padded[1:-1], padded[2:] + 0.05])  # (3, w)
        choice = options.argmin(axis=0)
        steps[y] = choice - 1
        cost = np.take_along_axis(options, choice[None], axis=0)[0] + ink[y]
    return cost, steps


def _followed(steps: np.ndarray, end: int) -> np.ndarray:
    """The column of a path in every row, (h,), from where it ends at the bottom."""
    path = np.empty(len(steps), np.intp)
    for y in reversed(range(len(steps))):
        path[y] = end
        end += int(steps[y, end])
    return path


def _is_tall(ink: np.ndarray) -> bool:
    rows = np.flatnonzero(ink.max(axis=1) > 0.5)
    return rows.size > 0 and bool(np.ptp(rows) >= 0.6 * len(ink))


def _trimmed(glyph: Glyph, mask: Mask) -> Glyph:
    x, y, width, height = cv2.boundingRect(mask)
    box = Box(glyph.box.x + x, glyph.box.y + y, width, height)
    return Glyph(box, mask[y : y + height, x : x + width])


def _in_reading_order(glyphs: list[Glyph]) -> list[Glyph]:
    """Lines from top to bottom; in a line, where boxes share height, from left to right."""
    lines: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda g: g.box.y + g.box.height / 2):
        last = lines[-1][-1].box if lines else None
        least = 0.4 * min(last.height, glyph.box.height) if last else 0
        if last and last.shared_height(glyph.box) > least:
            lines[-1].append(glyph)
        else:
            lines.append([glyph])
    return [g for line in lines for g in sorted(line, key=lambda g: g.box.x + g.box.width / 2)]
