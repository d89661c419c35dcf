"""Straight lines across a whole picture: the rules of its paper, and a margin beside them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import cv2
import numpy as np

from data.document.components import Components, Mask, components

# A ruling runs along this share of the picture's side, ...
_ALONG = 0.95
# ... and is thinner than this share of the other side.
_THIN = 0.02
# It may slant by so many radians, ...
_SLANT = 0.09
# ... is then there in this share of the picture's rows, or more, ...
_THERE = 0.8
# ... and is looked for in steps of so many pixels ...
_STEP = 2
# ... and radians.
_TURN = 0.004
# Of the lines found, so many are looked at.
_MOST_LINES = 32


def level_rulings(strokes: Components) -> np.ndarray | None:
    """Straight lines from edge to edge that are level or upright, less where a stroke crosses them.

    Returns:
        (h, w) bool, if there are any.
    """
    return _both_ways(strokes.mask, _upright_lines)


def slanting_rulings(strokes: Components) -> np.ndarray | None:
    """As :func:`level_rulings`, of thin lines that are not quite level or upright."""
    return _both_ways(strokes.mask, _leaning_lines)


def reaches(mask: Mask) -> tuple[bool, bool]:
    """Whether ink reaches across the picture, and whether it does from top to bottom."""
    height, width = mask.shape
    *_, across, down = cv2.boundingRect(mask)
    return across >= _ALONG * width, down >= _ALONG * height


def _both_ways(mask: Mask, lines_down: Callable[[Mask], np.ndarray]) -> np.ndarray | None:
    across, down = reaches(mask)
    lines = np.zeros(mask.shape, np.bool_)
    if down:
        lines |= lines_down(mask)
    if across:
        lines |= lines_down(np.ascontiguousarray(mask.T)).T
    return lines if lines.any() else None


def _upright_lines(mask: Mask) -> np.ndarray:
    """Vertical lines from edge to edge, except where ink goes on to the left and to the right."""
    h, w = mask.shape
    lines = np.zeros(mask.shape, np.bool_)
    reach = max(3, h // 3)
    if mask.sum(axis=0, dtype=np.int32).max() < reach:
        return lines
    runs = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((reach, 1), np.uint8))
    if cv2.boundingRect(runs)[3] < _ALONG * h:
        return lines
    upright = components(runs)
    widths, heights = upright.boxes[:, 2], upright.boxes[:, 3]
    long = np.flatnonzero((heights >= _ALONG * h) & (widths <= _THIN * w + 1))
    if not len(long):
        return lines
    lines = upright.only(long) > 0
    thickness = int(widths[long].max())
    others = np.pad(mask * ~lines, ((0, 0), (thickness, thickness)))
    left, right = (
        cv2.dilate(np.ascontiguousarray(side), np.ones((2 * thickness + 1, 1), np.uint8)) > 0
        for side in (others[:, : -2 * thickness], others[:, 2 * thickness :])
    )
    return np.asarray(lines & ~(left & right), np.bool_)


def _leaning_lines(mask: Mask) -> np.ndarray:
    """Nearly upright lines from edge to edge, less where a stroke crosses them."""
    height = len(mask)
    least = round(_THERE * height)
    found = [
        cv2.HoughLines(mask, _STEP, _TURN, least, min_theta=start, max_theta=start + _SLANT)
        for start in (0, np.pi - _SLANT)
    ]
    lines = np.zeros(mask.shape, np.bool_)
    rows = np.arange(height)
    for rho, theta in chain(*(one[:_MOST_LINES, 0] for one in found if one is not None)):
        columns = np.round((rho - rows * np.sin(theta)) / np.cos(theta)).astype(np.intp)
        lines |= _line_along(mask, columns)
    return lines


def _line_along(mask: Mask, columns: np.ndarray) -> np.ndarray:
    """The ink of one line that passes through these columns (h,), if it is one, and thin."""
    height, width = mask.shape
    near = int(_THIN * width) + 2 * _STEP
    beside = np.arange(-near, near + 1)
    places = columns[:, None] + beside  # (h, n)
    window = mask[np.arange(height)[:, None], places.clip(0, width - 1)] > 0
    window &= (places >= 0) & (places < width)
    is_alone = window.any(axis=1) & ~(window[:, 0] | window[:, -1])
    rows = np.flatnonzero(is_alone)
    line = np.zeros(mask.shape, np.bool_)
    if len(rows) < _THERE * height or rows[-1] - rows[0] < _ALONG * height:
        return line
    reach = min(near - 1, int(np.median(window[rows].sum(axis=1))) + _STEP)
    is_crossed = window[:, np.abs(beside) == reach + 1].any(axis=1)
    row, place = np.nonzero(window & (np.abs(beside) <= reach) & ~is_crossed[:, None])
    line[row, places[row, place]] = True
    return line
