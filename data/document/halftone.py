"""Tell a halftone, greys told by the density of black dots on white, and make greys of it again."""

from __future__ import annotations

import cv2
import numpy as np

from data.grey import Plane

# Share of pixels that differ from both of their neighbours in a row: drawings in two colours have
# a thousandth of them, dithered photos and pencil marks from two hundredths on.
_DOTTED = 0.02
# Dots of dithering are a pixel wide; a Gaussian of this standard deviation, in pixels, melts them.
_SOFT = 1.0


def without_dots(grey: Plane) -> Plane | None:
    """The greys (h, w) that a halftone stands for; None where the picture is none."""
    middle = grey[:, 1:-1]
    if middle.size == 0 or not ((grey == grey.min()) | (grey == grey.max())).all():
        return None
    alone = (middle != grey[:, :-2]) & (middle != grey[:, 2:])
    if alone.mean() < _DOTTED:
        return None
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), _SOFT), np.float32)
