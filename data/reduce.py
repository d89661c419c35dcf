"""How far a picture may be reduced: to a length, but not until a strip's digits are lost.

A strip is longer than four times what lies across it. There may be digits side by side on it by the
hundred, so its length says nothing of how large they are: it keeps as much across as any other
picture, or as the pixels of a square of the allowed length give it.
"""

from __future__ import annotations

import cv2
import numpy as np

_STRIP = 4


def reduced_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) that `size` is reduced to, at least 1.

    Args:
        size: (width, height) in pixels.
        side: the length allowed, in pixels.
    """
    longest, across = max(size), min(size)
    strip = min(side / _STRIP / across, side / (longest * across) ** 0.5)
    factor = min(1.0, max(side / longest, strip))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def reduced(plane: np.ndarray, side: int) -> np.ndarray:
    """A plane (h, w) as :func:`reduced_size` says, by averaging areas; dtype kept."""
    fitting = reduced_size(plane.shape[::-1], side)
    while plane.shape[::-1] != fitting:
        height, width = plane.shape
        # Two by two is many times as fast, and where all divides, the mean of means is the mean.
        is_halved = width % (2 * fitting[0]) == 0 and height % (2 * fitting[1]) == 0
        size = (width // 2, height // 2) if is_halved else fitting
        plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))
    return plane
