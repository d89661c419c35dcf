"""The connected components of a mask, and the boxes around them.

Texture has hundreds of thousands, so their boxes are one array; a :class:`Box` is for the few that
matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

Mask = np.ndarray  # (h, w) uint8, 1 on strokes


class Box(NamedTuple):
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

    def moved(self, x: int, y: int) -> Box:
        """The same box, x columns further right and y rows further down."""
        return Box(self.x + x, self.y + y, self.width, self.height)


class Components(NamedTuple):
    """The n connected components of a mask, in the order of their labels.

    Attributes:
        mask: (h, w) uint8, 1 on strokes.
        labels: (h, w) int32, i + 1 on component i, 0 on paper.
        boxes: (n, 4) int32, left and top edge, width and height of each.
    """

    mask: Mask
    labels: np.ndarray
    boxes: np.ndarray

    @property
    def longest(self) -> np.ndarray:
        """The longer side of each box, (n,)."""
        return np.asarray(self.boxes[:, 2:].max(axis=1))

    def box(self, i: int) -> Box:
        """The box around component i."""
        return Box(*self.boxes[i].tolist())

    def under(self, mask: np.ndarray) -> np.ndarray:
        """Which components a mask (h, w) touches, (m,), in the order of their labels."""
        labels = np.unique(self.labels[mask > 0])
        return labels[labels > 0] - 1

    def only(self, chosen: Sequence[int] | np.ndarray, box: Box | None = None) -> Mask:
        """The mask of the chosen components alone, (h, w), or that part of it which is in a box."""
        labels = self.labels[box.y : box.bottom, box.x : box.right] if box else self.labels
        if len(chosen) == 1:  # many times as fast as to look each label up
            return np.asarray(labels == chosen[0] + 1, np.uint8)
        value = np.zeros(len(self.boxes) + 1, np.uint8)  # of each label
        value[np.asarray(chosen, np.intp) + 1] = 1
        mask: Mask = value[labels]
        return mask


def components(mask: Mask) -> Components:
    """Label what is connected, also at corners, on a mask (h, w) uint8."""
    x, y, width, height = cv2.boundingRect(mask)
    labels = np.zeros(mask.shape, np.int32)
    if width == 0:
        return Components(mask, labels, np.empty((0, 4), np.int32))  # OpenCV crashes on none
    inked = np.s_[y : y + height, x : x + width]  # labelling takes time for bare paper too
    _, labels[inked], stats, _ = cv2.connectedComponentsWithStats(mask[inked], connectivity=8)
    return Components(mask, labels, stats[1:, :4] + np.array([x, y, 0, 0], np.int32))


def holes(mask: Mask) -> int:
    """How many pieces of paper a mask (h, w) uint8 encloses; to trace outlines may take seconds."""
    count, _ = cv2.connectedComponents(1 - np.pad(mask, 1), connectivity=4)
    return int(count) - 2  # without the ink, and what is around all of it


def square(reach: int) -> Mask:
    """All pixels at most so many rows and columns away, to dilate or erode by."""
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
