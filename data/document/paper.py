"""The bare paper of a picture: the light on its rim, and its shade under what is drawn.

Light varies slowly, so all of it is studied on a thumbnail.
"""

from __future__ import annotations

import cv2
import numpy as np

from data.grey import Plane
from data.reduce import reduced

# Length of the thumbnail.
THUMB = 128
# Share of the short side that counts as the rim, where paper is likelier than ink.
_RIM = 0.06
# Strokes on paper of many shades are narrower than this share of the short side.
_STROKE = 0.15
# Shadows between strokes of less than so many pixels may be hardly wider than these.
_NARROW = (7, 5)
# Both take this share of the light; ...
_INK = 0.15
# ... shadows take less than this share of what ink does, ...
_SHADE = 0.75
# ... as this quantile of all strokes tells.
_DARK = 0.8
# Greys closer than this are one shade; ...
_ONE_SHADE = 0.01
# ... the paper has a single one if so much of the rim has it.
_MOSTLY = 0.25
# Light is uneven if this share of the rim is neither of the paper's shade ...
_UNEVEN = 0.05
# ... nor as dark as this share of what the darkest ink takes.
_MOST_OF_INK = 0.8
# If the paper has a single shade, this quantile of the rim has it; ink on the rim is less.
_BARE = 0.8
# The light on the rim is fitted to at most so many pixels.
_SAMPLE = 1_000


def is_evenly_lit(grey: Plane) -> bool:
    """Whether nearly all of the rim of a picture (h, w) has one shade, but for ink."""
    small = reduced(grey, THUMB)
    rim = rim_of(small)
    shade = median(rim)
    apart, ink = np.abs(rim - shade), _MOST_OF_INK * np.abs(small - shade).max()
    return bool(np.mean((apart > _ONE_SHADE) & (apart < ink)) < _UNEVEN)


def light_by_rim(small: Plane) -> Plane:
    """Fit the light on the rim by a quadratic surface, robustly, and extend it over the picture.

    Iteratively reweighted least squares with Cauchy-like weights: ink that touches the rim is an
    outlier. The ridge on all but the constant keeps the fit level where the rim says little.
    """
    h, w = small.shape
    y, x = np.linspace(-1, 1, h), np.linspace(-1, 1, w)
    rim = rim_of(np.arange(small.size).reshape(h, w))
    rim = rim[:: 1 + rim.size // _SAMPLE]
    rows = np.stack(_quadratic(x[rim % w], y[rim // w]), axis=1)
    shades = small.ravel()[rim]
    level = median(shades)
    target = residual = shades - level
    ridge = np.diag(np.array([1e-9, 0.02, 0.02, 0.02, 0.02, 0.02]))
    for _ in range(4):
        scale = max(3 * median(np.abs(residual)), 0.04)
        weight = np.reciprocal(1 + np.square(residual / scale)) ** 2
        weighted = rows * weight[:, None]
        normal = weighted.T @ rows + ridge * weight.sum()
        coefficients = np.linalg.solve(normal, weighted.T @ target)
        residual = target - rows @ coefficients
    terms = zip(coefficients, _quadratic(x[None], y[:, None]), strict=True)
    return np.asarray(level + sum(factor * term for factor, term in terms), np.float32)


def _quadratic(x: Plane, y: Plane) -> tuple[Plane, ...]:
    """The six terms of a quadratic in x and y, whose shapes broadcast; the first is like x."""
    return np.ones_like(x), x, y, x * y, x * x, y * y


def paper_under(
    small: Plane, shape: tuple[int, ...], *, shaded: bool, narrow_shadows: bool = False
) -> Plane:
    """The shade of the paper under and around the dark ink of a thumbnail, of `shape` (h, w).

    A closing fills strokes narrower than its window and leaves the light's slow changes and hard
    shadows alone. Paper of a single shade, as paint programs have it, is known without a window,
    so brushes may be of any width and touch the edge. Where it is `shaded`, the edge of a shadow
    is no ink: around it paper is taken for as dark as it is in the shadow. There may also be
    `narrow_shadows`, of fingers or a blind.
    """
    paper = without_strokes(small, window(small, _STROKE))
    if shaded:
        for side in _NARROW if narrow_shadows else ():
            narrow = without_strokes(small, side)
            paper = narrow if _are_shadows(small, narrow, paper) else paper
        paper = cv2.erode(paper, np.ones((3, 3), np.uint8))  # as far as enlarging will smear it
    else:
        side = window(small, _STROKE) // 2 | 1
        paper = cv2.blur(paper, (side, side))
        rim = rim_of(small)
        shade = quantile(rim, _BARE)
        if np.mean(np.abs(rim - shade) < _ONE_SHADE) > _MOSTLY:
            paper = np.maximum(paper, shade)
    return np.asarray(cv2.resize(paper, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def paper_beside(dark: Plane, width: float) -> Plane:
    """The shade of the paper (h, w) right beside dark strokes, and of all that is wider than these.

    Args:
        dark: (h, w) greys.
        width: strokes are narrower than this share of the short side.
    """
    return without_strokes(cv2.blur(dark, (3, 3)), window(dark, width))


def _are_shadows(small: Plane, narrow: Plane, paper: Plane) -> bool:
    """Whether what a narrower window does not fill is shadow, which is lighter than strokes are.

    Args:
        small: thumbnail (h, w).
        narrow: it without the strokes that a narrower window fills.
        paper: it without those that a wider one does.
    """
    beside = paper - narrow > _INK * paper
    inked = narrow - small > _INK * narrow
    strokes = 1 - small[inked] / narrow[inked]
    if not beside.any() or not strokes.size:
        return False
    return median(1 - small[beside] / paper[beside]) < _SHADE * quantile(strokes, _DARK)


def without_strokes(plane: Plane, side: int) -> Plane:
    """A plane (h, w) where dark strokes narrower than so many pixels are filled."""
    return np.asarray(cv2.morphologyEx(plane, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)))


def window(small: Plane, share: float) -> int:
    """An odd side in pixels, at least 7, for a share of the short side."""
    return max(7, round(share * int(min(small.shape))) | 1)


def rim_of(plane: np.ndarray) -> np.ndarray:
    """The pixels along the four edges of a plane (h, w): (n,)."""
    k = max(1, round(_RIM * min(plane.shape)))
    inner = plane[k:-k]
    bands = (plane[:k], plane[-k:], inner[:, :k], inner[:, -k:])
    return np.concatenate([band.ravel() for band in bands])


def quantile(values: np.ndarray, share: float) -> float:
    """The lower quantile; numpy's own would import its masked arrays, a twentieth of a query."""
    place = int(share * (values.size - 1))
    return float(np.partition(values.ravel(), place)[place])


def median(values: np.ndarray) -> float:
    """The upper median."""
    flat = values.ravel()
    return float(np.partition(flat, flat.size // 2)[flat.size // 2])
