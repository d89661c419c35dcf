"""Ink that is easily overlooked: fine strokes in any shadow, pale strokes beside dark ones.

What is narrower than nearly every shadow, and has sharper edges, is a stroke whatever the light.
"""

from __future__ import annotations

import cv2
import numpy as np

from data.document.components import Components, components, square
from data.document.ink import AS_DARK, DARKEST, EDGE, Ink, inked
from data.document.paper import paper_beside
from data.errors import PictureBlank
from data.grey import Plane

# Strokes are narrower than one of these shares of the short side, a pen's or a broad pen's.
FINE = (0.016, 0.055)

# Along the edges of strokes ink changes by this share from pixel to pixel; a shadow less.
_SHARP = 0.18

# Pale strokes have more than this share of full ink ...
_PALEST = 0.1
# ... and less than this; ...
_PALE = 0.6
# ... the longer side of one is at least so many pixels.
_SMALLEST_PALE = 8
# The soft edges of other strokes end so many pixels from them.
_SOFT = 2
# By so much a mean of equal floats may be larger than they are.
_NEARLY = 0.999


def find_fine_ink(grey: Plane, width: float, *, is_dark: bool) -> Ink:
    """Find strokes that are narrower than most shadows, and sharper than all, whatever the light.

    Args:
        grey: (h, w) float32 in [0, 1].
        width: strokes are narrower than this share of the short side.
        is_dark: whether the ink is darker than the paper.

    Raises:
        PictureBlank, PictureNotDigits: as :func:`data.document.ink.find_ink`.
    """
    dark = grey if is_dark else 1 - grey
    ink, contrast = inked(dark, paper_beside(dark, width), is_dark=is_dark)
    if contrast < DARKEST:
        raise PictureBlank(AS_DARK)
    strokes = ink.strokes.only(np.flatnonzero(_sharpness(ink) >= _SHARP))
    if not strokes.any():
        raise PictureBlank("expected strokes with sharp edges, but all are as soft as shadows'")
    return ink._replace(strokes=components(strokes))


def with_pale(ink: Ink) -> Ink | None:
    """Ink with strokes that are paler than most, each in shares of its own full ink, or none such.

    A pencil's beside a pen's, or those of a coloured marker.
    """
    above = (ink.density > max(_PALEST, ink.faintest)).astype(np.uint8)
    beside = above > cv2.dilate(ink.strokes.mask, square(_SOFT))
    if np.count_nonzero(beside) < _SMALLEST_PALE:
        return None
    every = components(above)
    own, densities = every.labels[above > 0], ink.density[above > 0]
    strong = densities > _NEARLY * _means(own, densities, every)[own]  # at least one of each
    full = _means(own[strong], densities[strong], every)
    pale = (full < _PALE)[1:] & (every.longest >= _SMALLEST_PALE)
    if not pale.any():
        return None
    chosen = every.only(np.flatnonzero(pale)) > 0
    density = ink.density.copy()
    density[chosen] = np.minimum(density[chosen] / full[every.labels[chosen]], 1)
    mask = np.where(chosen, density > EDGE, ink.strokes.mask).astype(np.uint8)
    more = ink._replace(density=density, strokes=components(mask))
    sharp = more.strokes.only(np.flatnonzero(_sharpness(more) >= _SHARP))
    return more._replace(strokes=components(np.where(chosen, sharp, mask)))


def _means(labels: np.ndarray, values: np.ndarray, strokes: Components) -> np.ndarray:
    """The mean of the values (n,) of each label of m strokes: (m + 1,), 0 where there are none."""
    counts, sums = (np.bincount(labels, one, len(strokes.boxes) + 1) for one in (None, values))
    return np.asarray(sums / np.maximum(counts, 1))


def _sharpness(ink: Ink) -> np.ndarray:
    """By what share of full ink it changes at the edges of each stroke, from pixel to pixel: (n,).

    Of three pixels in a row the mean is taken, so ink that ends from one to the next has 1/3.
    """
    edges = ink.strokes.mask - cv2.erode(ink.strokes.mask, square(1))
    smooth = cv2.blur(ink.density, (3, 3))
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *one, scale=1 / 8) for one in ((1, 0), (0, 1)))
    own = ink.strokes.labels[edges > 0]
    change = np.hypot(across[edges > 0], down[edges > 0])
    return _means(own, change, ink.strokes)[1:]
