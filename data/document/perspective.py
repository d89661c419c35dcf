"""A rectangle as a camera sees it: its corners, its true proportions, the map that lays it flat.

After Zhang and He, "Whiteboard scanning and image enhancement", Digital Signal Processing 17(2),
2007; but the focal length, which they work out from the corners and which corners of parallel sides
do not tell, is that of most phones.
"""

from __future__ import annotations

import cv2
import numpy as np

Homography = np.ndarray  # (3, 3) float64, from pixels to pixels
SAME: Homography = np.eye(3)

# Focal length, as a share of the picture's diagonal.
_FOCAL = 0.7
# Cosine of the angle between two sides in space, at most: cameras differ.
_SQUARE = 0.35
# Flat, sides are at most so many times as long as they look; beyond, too little of them is seen.
_STRETCH = 3.0
# A rectangle so many degrees from upright, or more, is turned; ...
_ASKEW = 3.0
# ... beyond so many nobody knows which of its sides is the upper one.
_UNDECIDED = 40.0


def clockwise(corners: np.ndarray) -> np.ndarray:
    """Corners (4, 2), columns and rows, clockwise from the left end of the upper side.

    The upper side is the one that, with the side across from it, is least askew.
    """
    columns, rows = (corners - corners.mean(axis=0)).T
    corners = corners[np.argsort(np.arctan2(rows, columns))].astype(np.float64)
    sides = np.roll(corners, -1, axis=0) - corners
    columns, rows = (sides - np.roll(sides, 2, axis=0)).T
    return np.roll(corners, -int(np.abs(np.arctan2(rows, columns)).argmin()), axis=0)


def is_rectangle(corners: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether corners (4, 2) on a picture (h, w) can be a rectangle's, :func:`clockwise`."""
    across, down = _in_space(corners, shape)
    is_square = abs(across @ down) <= _SQUARE * np.linalg.norm(across) * np.linalg.norm(down)
    return bool(is_square and (_flat(corners, shape) <= _STRETCH * _seen(corners)).all())


def laid_flat(corners: np.ndarray, shape: tuple[int, ...]) -> tuple[Homography, tuple[int, int]]:
    """The map that takes corners (4, 2) on a picture (h, w) to an upright rectangle's.

    Returns:
        It, and columns and rows of that rectangle; what is nearly upright stays as it is on the
        picture, for resampling blurs, and so does what has no upper side.
    """
    askew = _askew(corners)
    if np.abs(askew).max() < _ASKEW or abs(askew[::2].mean()) > _UNDECIDED:
        return SAME, (shape[1], shape[0])
    width, height = np.ceil(_flat(corners, shape)).astype(int).tolist()
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)])
    return _between(corners, flat), (width, height)


def _askew(corners: np.ndarray) -> np.ndarray:
    """How far each side is turned, (4,) degrees, from where it were on an upright rectangle."""
    columns, rows = (np.roll(corners, -1, axis=0) - corners).T
    turned = np.degrees(np.arctan2(rows, columns)) - 90 * np.arange(4)
    return np.asarray((turned + 180) % 360 - 180)


def _seen(corners: np.ndarray) -> np.ndarray:
    """Width and height, (2,) pixels, as they look: the nearer of two sides across."""
    lengths = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return np.asarray(np.maximum(lengths[:2], lengths[2:]))


def _flat(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Width and height, (2,) pixels, in true proportion, neither shorter than it looks."""
    proportions = np.linalg.norm(_in_space(corners, shape), axis=1)
    return np.asarray(proportions * (_seen(corners) / proportions).max())


def _in_space(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The upper and the left side before the camera, (2, 3), of what is one unit away.

    A camera K sees the point (u, v) of the unit square at K (u a + v d + t), so the first two
    columns of the map from the square to the picture are K a and K d.
    """
    height, width = shape
    seen = _between(np.array([(0, 0), (1, 0), (1, 1), (0, 1)]), corners)
    focal = _FOCAL * np.hypot(width, height)
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return np.asarray(np.linalg.solve(camera, seen[:, :2]).T)


def _between(corners: np.ndarray, others: np.ndarray) -> Homography:
    return np.asarray(
        cv2.getPerspectiveTransform(corners.astype(np.float32), others.astype(np.float32))
    )
