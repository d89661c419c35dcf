"""What lies beyond the edge of something light: a table, or the same paper in a shadow.

A table has a grain, or it is bare. Paper is as smooth in a shadow as in the light, and may be
written on there, also across the shadow's edge.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from data.document.components import Mask, components
from data.document.outlines import Outline
from data.document.paper import quantile, without_strokes
from data.grey import Plane

# Shades are at least this dark: shares of the light are not told apart in the dark.
_DARKEST = 0.03
# A table has a grain of more than this share of the light, ...
_GRAIN = 0.007
# ... and so many times the paper's, ...
_ROUGHER = 3
# ... also where it is least: at this quantile, for paper may be ruled.
_LEAST = 0.3
# What is written has strokes narrower than this share of the thumbnail's length, ...
_STROKE = 0.07
# ... and takes this share of the paper's light.
_INK = 0.15
# So many strokes cross the edge of a shadow; a few pens may lie across that of a page, but around a
# patch of light there are more than half as many strokes as in it.
_CROSSING = 2
# What is within or beyond an edge is at least so many pixels away from it.
_AWAY = 5


class Beyond:
    """What lies beyond outlines on a thumbnail (h, w), float32 in [0, 1]."""

    def __init__(self, small: Plane) -> None:
        """Nothing is looked at before it is asked for."""
        self._small = small

    def is_table(self, outline: Outline) -> bool:
        """Whether what is within may be a page, or the part of one that the picture shows."""
        within, beyond = _sides(outline, self._small.shape)
        if not within.any() or not beyond.any():
            return outline.is_whole
        if self._is_rougher(beyond, within):
            return True
        if outline.is_whole:
            return not self.is_crossed(outline)
        return not self._written(beyond).size

    def is_crossed(self, outline: Outline) -> bool:
        """Whether strokes go on beyond the edge, as they do where light ends on what is written."""
        within, beyond = _sides(outline, self._small.shape)
        inside, outside = self._written(within), self._written(beyond)
        is_crossed = np.intersect1d(inside, outside).size >= _CROSSING
        return is_crossed and (not outline.is_whole or outside.size > inside.size / 2)

    def _is_rougher(self, beyond: Mask, within: Mask) -> bool:
        grain = [quantile(self._grain[side], _LEAST) for side in (beyond, within)]
        return grain[0] > max(_GRAIN, _ROUGHER * grain[1])

    @cached_property
    def _grain(self) -> Plane:
        shades = np.log(np.maximum(self._small, _DARKEST))
        return np.asarray(np.abs(shades - cv2.blur(shades, (5, 5))))

    def _written(self, side: Mask) -> np.ndarray:
        """The strokes (n,) that reach into a side, but for those on the rim.

        Narrow strips of table look like strokes there.
        """
        labels = self._strokes
        on_rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1], [0]])
        return np.setdiff1d(labels[side], on_rim)

    @cached_property
    def _strokes(self) -> np.ndarray:
        """(h, w) int32: a number for each stroke, 0 on paper."""
        paper = without_strokes(self._small, round(_STROKE * max(self._small.shape)) | 1)
        return components((paper - self._small > _INK * paper).astype(np.uint8)).labels


def _sides(outline: Outline, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """What is within an outline and what is beyond, away from its edge: (h, w) bool each."""
    page = outline.mask(shape)
    away = np.ones((2 * _AWAY - 1, 2 * _AWAY - 1), np.uint8)
    return cv2.erode(page, away) > 0, cv2.erode(1 - page, away) > 0
