"""Cut digits that touch: propose seams that cross little ink.

A seam is a way from top to bottom that may lean; the cheapest ones are found as shortest paths. Too
many seams do no harm: :mod:`data.document.strings` joins what belongs together.
"""

from __future__ import annotations

import cv2
import numpy as np

from data.document.components import Box, Mask
from data.document.segment import Glyph

Seam = np.ndarray  # its column in every row, (h,)

# A seam crosses at most this many stroke widths of ink, ...
_CROSSED = 2.5
# ... and this share of the height, ...
_SOLID = 0.6
# ... and leaves pieces at least this many heights wide.
_APART = 0.15
# So many of the cheapest seams are found for each height of a glyph's width.
_SEAMS = 5
# Seams are searched at this height.
_HEIGHT = 64


def cut_apart(glyph: Glyph) -> tuple[list[Glyph], list[float]]:
    """Cut a glyph wherever touching digits might meet.

    Args:
        glyph: the strokes found as one.

    Returns:
        The n pieces from left to right, and how many stroke widths of ink each of the n - 1 cuts
        between them crosses.
    """
    height, width = glyph.mask.shape
    columns = np.arange(width)
    left = np.zeros(height, np.intp)
    pieces: list[Glyph] = []
    crossed: list[float] = []  # by the cut to the right of each piece
    for right, ink in [*_seams(glyph.mask), (np.full(height, width, np.intp), 0.0)]:
        mask = glyph.mask * ((columns >= left[:, None]) & (columns < right[:, None]))
        if mask.any():
            pieces.append(_trimmed(glyph, mask))
            crossed.append(ink)
        elif crossed:  # two seams with no ink between them are one cut
            crossed[-1] = min(crossed[-1], ink)
        left = right
    return pieces, crossed[:-1]


def _trimmed(glyph: Glyph, mask: Mask) -> Glyph:
    x, y, width, height = cv2.boundingRect(mask)
    box = Box(glyph.box.x + x, glyph.box.y + y, width, height)
    return Glyph(box, mask[y : y + height, x : x + width])


def _seams(mask: Mask) -> list[tuple[Seam, float]]:
    """The cheapest seams, from left to right.

    Returns:
        Of each the first column right of it in every row, (h,), and the stroke widths it crosses.
    """
    h, w = mask.shape
    factor = min(1.0, _HEIGHT / h)
    size = (max(1, round(w * factor)), max(2, round(h * factor)))
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    # Digits touch anywhere, so the ways start at half height, one in each column.
    middle = size[1] // 2
    above, up = _cheapest(small[:middle])
    below, down = _cheapest(small[middle:][::-1])
    cost = above + below
    stroke = stroke_width(mask) * factor
    ends = (np.zeros(size[1], np.intp), np.full(size[1], size[0]))
    found: list[tuple[Seam, float]] = []
    for start in np.argsort(cost, kind="stable"):
        if len(found) == round(_SEAMS * w / h):
            break
        if cost[start] > min(_CROSSED * stroke, _SOLID * size[1]):
            break
        path = np.concatenate([_followed(up, int(start)), _followed(down, int(start))[::-1]])
        if all(
            _are_apart(path, other, _APART * size[1]) for other in (*ends, *(p for p, _ in found))
        ):
            found.append((path, float(cost[start]) / stroke))
    rows = np.minimum((np.arange(h) * factor).astype(np.intp), size[1] - 1)
    found.sort(key=lambda seam: float(seam[0].mean()))
    return [(np.rint(path[rows] * (w / size[0])).astype(np.intp), ink) for path, ink in found]


def _are_apart(seam: Seam, other: Seam, least: float) -> bool:
    """Whether two seams do not cross and are `least` columns apart on average."""
    between = seam - other
    return bool((between >= 0).all() or (between <= 0).all()) and abs(between.mean()) >= least


def stroke_width(mask: Mask) -> float:
    """Mean stroke width in pixels, at least 1, as in data.document.render."""
    # Bare pixels around it: on a mask without any the distance would be infinite.
    distance = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_3)
    return max(1.0, 4 * float(distance[distance > 0].mean()) - 2)


def _cheapest(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
        options = np.stack([padded[:-2] + 0.15, padded[1:-1], padded[2:] + 0.15])  # (3, w)
        choice = options.argmin(axis=0)
        steps[y] = choice - 1
        cost = np.take_along_axis(options, choice[None], axis=0)[0] + ink[y]
    return cost, steps


def _followed(steps: np.ndarray, end: int) -> Seam:
    """The column of a path in every row, (h,), from where it ends at the bottom."""
    path = np.empty(len(steps), np.intp)
    for y in reversed(range(len(steps))):
        path[y] = end
        end += int(steps[y, end])
    return path
