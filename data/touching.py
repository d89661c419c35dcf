"""Cut digits that touch: propose seams, and let whoever recognises digits choose among them.

No rule on shape alone tells a wide 0 from a 1 and a 0 that touch. So a glyph wider than tall is cut
in every way that crosses little ink, and the way whose pieces look most like known digits wins, not
cutting included: segmentation by recognition (LeCun et al., Proc. IEEE 86(11), 1998, section V).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise

import cv2
import numpy as np

from data.ink import Mask
from data.segment import Box, Glyph

Strangeness = Callable[[list[Glyph]], list[float]]
Path = np.ndarray

# A glyph wider than this many times its height may be several digits.
_WIDE = 1.15
# A seam crosses at most this many stroke widths of ink ...
_CROSSED = 1.6
# ... and leaves pieces at least this many heights wide, seams this far apart.
_APART = 0.25
# So many of the cheapest seams are tried: all their subsets are.
_SEAMS = 6
# Every cut must make the pieces less strange by this share.
_CUT_COST = 0.05
# Seams are searched at this height.
_HEIGHT = 64


def separated(glyph: Glyph, strangeness: Strangeness) -> list[Glyph]:
    """Cut a glyph into the digits that touch in it.

    Args:
        glyph: the strokes found as one.
        strangeness: how unlike any known digit each of some glyphs looks, at least 0.

    Returns:
        The pieces from left to right; most glyphs are one digit and come back whole.
    """
    if glyph.box.width <= _WIDE * glyph.box.height:
        return [glyph]
    options = [[glyph], *_divisions(glyph, _seams(glyph.mask))]
    pieces = {piece.box: piece for option in options for piece in option}
    scores = dict(zip(pieces, strangeness(list(pieces.values())), strict=True))

    def cost(option: list[Glyph]) -> float:
        mean = float(np.mean([scores[piece.box] for piece in option]))
        return mean * (1 + _CUT_COST) ** (len(option) - 1)

    return min(options, key=cost)


def _divisions(glyph: Glyph, seams: list[Path]) -> Iterator[list[Glyph]]:
    """The pieces for every choice of seams that leaves nothing too small."""
    height, width = glyph.mask.shape
    columns = np.arange(width)
    ends = (np.zeros(height, np.intp), np.full(height, width, np.intp))
    for count in range(1, len(seams) + 1):
        for chosen in combinations(seams, count):
            paths = (ends[0], *chosen, ends[1])
            pieces = [
                _trimmed(glyph, (columns >= left[:, None]) & (columns < right[:, None]))
                for left, right in pairwise(paths)
            ]
            if all(piece.box.height >= 0.5 * height for piece in pieces):
                yield pieces


def _trimmed(glyph: Glyph, part: np.ndarray) -> Glyph:
    mask = glyph.mask * part.astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    box = Box(glyph.box.x + x, glyph.box.y + y, width, height)
    return Glyph(box, mask[y : y + height, x : x + width])


def _seams(mask: Mask) -> list[Path]:
    """The cheapest seams, from left to right, as the column of each in every row, (h,)."""
    h, w = mask.shape
    factor = min(1.0, _HEIGHT / h)
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    cost, steps = _cheapest(np.asarray(small, np.float32))
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_3)
    stroke = max(1.0, 4 * float(distance[mask > 0].mean()) - 2)  # as in data.render
    apart = max(1.0, _APART * size[1])
    found: list[Path] = []
    for end in np.argsort(cost, kind="stable"):
        if len(found) == _SEAMS or cost[end] > _CROSSED * stroke * factor:
            break
        path = _followed(steps, int(end))
        neighbours = (np.zeros_like(path), np.full_like(path, size[0]), *found)
        if all(np.abs(path - other).min() >= apart for other in neighbours):
            found.append(path)
    rows = np.minimum((np.arange(h) * factor).astype(np.intp), size[1] - 1)
    whole = [np.asarray(np.rint(path[rows] * (w / size[0])), np.intp) for path in found]
    return sorted(whole, key=lambda path: float(path.mean()))


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


def _followed(steps: np.ndarray, end: int) -> Path:
    """The column of a path in every row, (h,), from where it ends at the bottom."""
    path = np.empty(len(steps), np.intp)
    for y in reversed(range(len(steps))):
        path[y] = end
        end += int(steps[y, end])
    return path
