"""Plain digits drawn by code, which training sees beside its dataset.

MNIST's writers did not draw with a mouse. Digits of straight lines and right angles, as a font has
them, or tiny, are rare among theirs and common among drawings on a screen; some are drawn here.
"""

from __future__ import annotations

import cv2
import numpy as np

from data.convention import DIGITS
from training.strokes import CANVAS, FONTS, brought, cropped, pixels, smoothed, warped

# Digits as strokes, each a line through points of the unit square, y downwards; several ways to
# write each: with right angles, as a pen or a mouse makes them.
_SKELETONS: dict[int, list[list[list[tuple[float, float]]]]] = {
    0: [
        [[(0.2, 0), (0.8, 0), (0.8, 1), (0.2, 1), (0.2, 0)]],
        [[(0.5, 0), (0.15, 0.2), (0.15, 0.8), (0.5, 1), (0.85, 0.8), (0.85, 0.2), (0.5, 0)]],
        [[(0.5, 0.2), (0, 0.35), (0, 0.65), (0.5, 0.8), (1, 0.65), (1, 0.35), (0.5, 0.2)]],
    ],
    1: [
        [[(0.5, 0), (0.5, 1)]],
        [[(0.15, 0.35), (0.55, 0), (0.55, 1)]],
        [[(0.1, 0.5), (0.6, 0), (0.6, 1)]],
        [[(0.2, 0.25), (0.35, 0.22), (0.55, 0), (0.55, 1)]],
        [[(0.3, 0.2), (0.5, 0), (0.5, 1)], [(0.2, 1), (0.8, 1)]],
    ],
    2: [
        [[(0.2, 0), (0.8, 0), (0.8, 0.5), (0.2, 0.5), (0.2, 1), (0.85, 1)]],
        [[(0.15, 0.25), (0.4, 0), (0.75, 0.1), (0.75, 0.4), (0.15, 1), (0.85, 1)]],
    ],
    3: [
        [[(0.2, 0), (0.8, 0), (0.8, 0.5), (0.3, 0.5)], [(0.8, 0.5), (0.8, 1), (0.2, 1)]],
        [[(0.2, 0), (0.8, 0), (0.45, 0.42), (0.8, 0.6), (0.7, 0.95), (0.2, 1)]],
    ],
    4: [
        [[(0.2, 0), (0.2, 0.5), (0.8, 0.5)], [(0.8, 0), (0.8, 1)]],
        [[(0.65, 1), (0.65, 0), (0.1, 0.65), (0.95, 0.65)]],
        [[(0.5, 0), (0.1, 0.65), (0.9, 0.6)], [(0.75, 0.3), (0.5, 1)]],
    ],
    5: [
        [[(0.85, 0), (0.2, 0), (0.2, 0.5), (0.8, 0.5), (0.8, 1), (0.15, 1)]],
        [[(0.8, 0), (0.3, 0), (0.2, 0.45), (0.65, 0.4), (0.8, 0.7), (0.6, 1), (0.15, 0.9)]],
    ],
    6: [
        [[(0.8, 0), (0.2, 0), (0.2, 1), (0.8, 1), (0.8, 0.5), (0.2, 0.5)]],
        [[(0.2, 0), (0.2, 1), (0.8, 1), (0.8, 0.5), (0.2, 0.5)]],
        [[(0.6, 0), (0.2, 0.5), (0.25, 0.95), (0.7, 0.95), (0.75, 0.6), (0.22, 0.6)]],
    ],
    7: [
        [[(0.15, 0), (0.85, 0), (0.85, 1)]],
        [[(0.15, 0), (0.85, 0), (0.4, 1)]],
        [[(0.15, 0), (0.85, 0), (0.4, 1)], [(0.3, 0.5), (0.8, 0.5)]],
    ],
    8: [
        [[(0.2, 0.5), (0.2, 0), (0.8, 0), (0.8, 1), (0.2, 1), (0.2, 0.5), (0.8, 0.5)]],
        [[(0.7, 0.1), (0.3, 0.1), (0.75, 0.9), (0.25, 0.9), (0.7, 0.1)]],
    ],
    9: [
        [[(0.8, 0.5), (0.2, 0.5), (0.2, 0), (0.8, 0), (0.8, 1), (0.15, 1)]],
        [[(0.8, 0.45), (0.2, 0.45), (0.2, 0), (0.8, 0), (0.8, 1)]],
        [[(0.75, 0.4), (0.35, 0.5), (0.25, 0.1), (0.7, 0.05), (0.6, 1)]],
        [[(0.75, 0.25), (0.5, 0), (0.25, 0.2), (0.5, 0.4), (0.75, 0.2), (0.7, 0.9), (0.15, 1)]],
    ],
}


def draw_digits(
    count: int, digits: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw plain digits, each brought to the MNIST convention.

    Every fourth is a digit of the dataset that kept a scrap of its neighbour when they were cut
    apart.

    Args:
        count: how many.
        digits: (n, 28, 28) uint8, with `labels` (n,).
        labels: of `digits`.
        rng: source of chance.

    Returns:
        images (count, 28, 28) uint8, ink bright, and labels (count,) int32.
    """
    names = rng.integers(0, len(DIGITS), count).astype(np.int32)
    drawn = []
    for i in range(count):
        if i % 4:
            drawn.append(_digit(int(names[i]), rng))
        else:
            one, neighbour = rng.integers(0, len(digits), 2)
            drawn.append(_with_scrap(digits[one], digits[neighbour], rng))
            names[i] = labels[one]
    return brought(drawn), names


def _digit(label: int, rng: np.random.Generator) -> np.ndarray:
    """A digit from a font, or of strokes that are straight or rounded."""
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    is_tiny = rng.random() < 0.4
    width = int(rng.integers(7, 11) if is_tiny else rng.integers(2, 10))
    if rng.random() < 0.25 and not is_tiny:
        font = int(rng.choice(FONTS))
        cv2.putText(canvas, str(label), (30, 70), font, 1.8, 255, width, cv2.LINE_AA)
        return warped(canvas, rng)
    ways = _SKELETONS[label]
    strokes = [np.array(stroke, float) for stroke in ways[int(rng.integers(len(ways)))]]
    rounded = rng.random() < 0.4
    for stroke in strokes:
        moved = np.clip(stroke + rng.normal(0, 0.03, stroke.shape), 0, 1)
        points = pixels(smoothed(moved, rng) if rounded else moved)
        cv2.polylines(canvas, [points], False, 255, width, cv2.LINE_AA, 4)
    drawn = warped(canvas, rng)
    return _tiny(drawn, rng) if is_tiny else drawn


def _tiny(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The drawing 8 to 13 pixels long, as one of several on a small picture, in hard pixels."""
    drawn = cropped(canvas)
    zoom = int(rng.integers(8, 14)) / max(drawn.shape)
    size = (max(1, round(drawn.shape[1] * zoom)), max(1, round(drawn.shape[0] * zoom)))
    small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    hard = np.clip((small - 100) * rng.uniform(1.5, 6), 0, 255)
    return np.asarray(hard if hard.any() else small, np.uint8)


def _with_scrap(digit: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A digit with a few columns of another beside it, as a cut leaves them."""
    own, neighbour = cropped(digit), cropped(other)
    columns = int(rng.integers(2, 6))
    canvas = np.zeros((36, 44), np.uint8)
    top, left = 8, 12
    canvas[top : top + own.shape[0], left : left + own.shape[1]] = own
    on_left = rng.random() < 0.5
    scrap = neighbour[:, -columns:] if on_left else neighbour[:, :columns]
    start = left - columns + 1 if on_left else left + own.shape[1] - 1
    height = int(rng.integers(3, 9))  # more would be another digit
    first = int(rng.integers(0, max(1, scrap.shape[0] - height)))
    scrap = scrap[first : first + height]
    down = top + int(rng.integers(0, max(1, own.shape[0] - height)))
    part = canvas[down : down + scrap.shape[0], start : start + scrap.shape[1]]
    np.maximum(part, scrap, out=part)
    return canvas
