"""Drawings that training sees beside its dataset: plain digits, and things that are no digits.

MNIST's writers did not draw with a mouse. Digits of straight lines and right angles, or as a font
has them, are rare among theirs and common among drawings on a screen; some are drawn here.

People also show a digit tool ticks, letters, shapes and scribbles. An embedder that only ever saw
digits puts each of them near some digit. So a share of every batch is of no class ("outlier
exposure": Hendrycks, Mazeika and Dietterich, ICLR 2019). Nothing that people write for a digit is
drawn as an outlier: no letter like O, l, S or Z, no single upright line, no ring.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from data.convention import DIGITS, SIDE
from data.normalise import scale_to_unit
from data.render import render

Points = np.ndarray
Draw = Callable[[np.random.Generator], np.ndarray]

_CANVAS = 96
_LETTERS = "AEFHKMNRTVWXehkmnrtvwx&@#%*+=<"
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)


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
    return _brought(drawn), names


def draw_outliers(count: int, digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw things that are no digits, each brought to the MNIST convention.

    Args:
        count: how many.
        digits: (n, 28, 28) uint8, of which two put together make another outlier.
        rng: source of chance.

    Returns:
        (count, 28, 28) uint8, ink bright.
    """
    kinds: tuple[Draw, ...] = (
        _letter,
        _letter,
        _tick,
        _tick,
        _polygon,
        _blob,
        _scribble,
        _zigzag,
        _figure,
        lambda rng: _two_digits(digits, rng),
        lambda rng: _two_digits(digits, rng),
    )
    return _brought([kinds[i % len(kinds)](rng) for i in range(count)])


def _brought(canvases: list[np.ndarray]) -> np.ndarray:
    """Drawings of any size in the MNIST convention, (n, 28, 28) uint8."""
    with ThreadPoolExecutor() as pool:  # OpenCV lets go of the interpreter
        digits = list(pool.map(lambda canvas: render(scale_to_unit(_cropped(canvas))), canvases))
    return np.asarray(np.rint(np.reshape(digits, (-1, SIDE, SIDE)) * 255), np.uint8)


def _digit(label: int, rng: np.random.Generator) -> np.ndarray:
    """A digit from a font, or of strokes that are straight or rounded."""
    canvas = np.zeros((_CANVAS, _CANVAS), np.uint8)
    is_tiny = rng.random() < 0.4
    width = int(rng.integers(7, 11) if is_tiny else rng.integers(2, 10))
    if rng.random() < 0.25 and not is_tiny:
        font = int(rng.choice(_FONTS))
        cv2.putText(canvas, str(label), (30, 70), font, 1.8, 255, width, cv2.LINE_AA)
        return _warped(canvas, rng)
    ways = _SKELETONS[label]
    strokes = [np.array(stroke, float) for stroke in ways[int(rng.integers(len(ways)))]]
    rounded = rng.random() < 0.4
    for stroke in strokes:
        moved = np.clip(stroke + rng.normal(0, 0.03, stroke.shape), 0, 1)
        points = _pixels(_smoothed(moved, rng) if rounded else moved)
        cv2.polylines(canvas, [points], False, 255, width, cv2.LINE_AA, 4)
    warped = _warped(canvas, rng)
    return _tiny(warped, rng) if is_tiny else warped


def _tiny(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The drawing 8 to 13 pixels long, as one of several on a small picture, in hard pixels."""
    drawn = _cropped(canvas)
    zoom = int(rng.integers(8, 14)) / max(drawn.shape)
    size = (max(1, round(drawn.shape[1] * zoom)), max(1, round(drawn.shape[0] * zoom)))
    small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    hard = np.clip((small - 100) * rng.uniform(1.5, 6), 0, 255)
    return np.asarray(hard if hard.any() else small, np.uint8)


def _with_scrap(digit: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A digit with a few columns of another beside it, as a cut leaves them."""
    own, neighbour = _cropped(digit), _cropped(other)
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


def _letter(rng: np.random.Generator) -> np.ndarray:
    canvas = np.zeros((_CANVAS, _CANVAS), np.uint8)
    letter, font = rng.choice(list(_LETTERS)), int(rng.choice(_FONTS))
    scale, width = float(rng.uniform(1.2, 2)), int(rng.integers(2, 9))
    cv2.putText(canvas, letter, (24, 68), font, scale, 255, width, cv2.LINE_AA)
    return _warped(canvas, rng)


def _tick(rng: np.random.Generator) -> np.ndarray:
    """A check mark: down a short arm, up a long one, each more or less bent, at times hooked."""
    low = np.array([rng.uniform(0.25, 0.45), rng.uniform(0.75, 0.95)])
    left = np.array([rng.uniform(0.05, 0.2), rng.uniform(0.4, 0.75)])
    right = np.array([rng.uniform(0.65, 0.95), rng.uniform(0.02, 0.25)])
    arms = [_bend(left, low, 0.15, rng), _bend(low, right, 0.15, rng)]
    if rng.random() < 0.4:
        hook = right + np.array([rng.uniform(0, 0.2), rng.uniform(0.05, 0.3)])
        arms.append(_bend(right, hook, 0.1, rng))
    points = np.concatenate(arms)
    return _stroked(_smoothed(points, rng) if rng.random() < 0.5 else points, rng)


def _polygon(rng: np.random.Generator) -> np.ndarray:
    """A triangle or a star, as an outline."""
    corners = int(rng.choice([3, 3, 6, 8, 10]))
    angle = 2 * np.pi * (np.arange(corners) + rng.uniform(0, 1)) / corners
    radius = np.full(corners, 0.45)
    if corners > 3:
        radius[1::2] *= rng.uniform(0.3, 0.6)
    radius *= rng.uniform(0.8, 1, corners)
    points = 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _stroked(np.concatenate([points, points[:1]]), rng)


def _blob(rng: np.random.Generator) -> np.ndarray:
    """A solid shape, at times with a pattern on it."""
    corners = int(rng.integers(3, 12))
    angle = 2 * np.pi * np.sort(rng.uniform(0, 1, corners))
    radius = rng.uniform(0.3, 0.48, corners)
    points = 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    canvas = np.zeros((_CANVAS, _CANVAS), np.uint8)
    if rng.random() < 0.5:
        points = np.array([[x, y] for x in (0.1, 0.9) for y in (0.1, 0.9)])[[0, 1, 3, 2]]
        points = 0.5 + (points - 0.5) * rng.uniform(0.55, 1, 2)
    cv2.fillPoly(canvas, [_pixels(points)], 255, cv2.LINE_AA, 4)
    if rng.random() < 0.5:
        side = int(rng.integers(2, 14))
        pattern = rng.uniform(0.2, 1, (side, side)).astype(np.float32)
        size = (_CANVAS, _CANVAS)
        canvas = np.asarray(canvas * cv2.resize(pattern, size), np.uint8)
    return _warped(canvas, rng)


def _scribble(rng: np.random.Generator) -> np.ndarray:
    """A line that turns again and again."""
    points = rng.uniform(0.05, 0.95, (int(rng.integers(9, 16)), 2))
    return _stroked(_smoothed(points, rng), rng)


def _figure(rng: np.random.Generator) -> np.ndarray:
    """Several rings, boxes and lines on one another: faces, houses, arrows, or nothing known."""
    canvas = np.zeros((_CANVAS, _CANVAS), np.uint8)
    width = int(rng.integers(2, 8))
    for _ in range(int(rng.integers(3, 6))):
        middle, size = rng.uniform(0.25, 0.75, 2), rng.uniform(0.05, 0.3, 2)
        kind = rng.integers(3)
        turn = 2 * np.pi * np.linspace(0, 1, 25)
        outlines = (
            np.stack([np.cos(turn), np.sin(turn)], axis=1),
            np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]),
            rng.choice([-1, 1], 2) * np.array([[-1, -1], [1, 1]]),
        )
        points = _pixels(middle + size * outlines[kind])
        cv2.polylines(canvas, [points], False, 255, width, cv2.LINE_AA, 4)
    return _warped(canvas, rng)


def _zigzag(rng: np.random.Generator) -> np.ndarray:
    """Waves and zigzags, crosses of several lines."""
    if rng.random() < 0.4:
        canvas = np.zeros((_CANVAS, _CANVAS), np.uint8)
        lines = int(rng.integers(2, 5))
        for angle in np.pi * (np.arange(lines) + rng.uniform(-0.3, 0.3, lines)) / lines:
            arm = rng.uniform(0.3, 0.48) * np.array([np.cos(angle), np.sin(angle)])
            centre = rng.uniform(0.4, 0.6, 2)
            canvas |= _stroked(np.stack([centre - arm, centre + arm]), rng)
        return canvas
    turns = int(rng.integers(4, 9))
    x = np.linspace(0.05, 0.95, turns)
    y = 0.5 + rng.uniform(0.15, 0.45, turns) * np.where(np.arange(turns) % 2, 1, -1)
    points = np.stack([x, y], axis=1)
    return _stroked(_smoothed(points, rng) if rng.random() < 0.5 else points, rng)


def _two_digits(digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two digits beside (or above) each other, as one that was not taken apart."""
    first, second = digits[rng.integers(0, len(digits), 2)]
    width, height = 56, 44
    canvas = np.zeros((height, width), np.uint8)
    left, right = _cropped(first), _cropped(second)
    gap = int(rng.integers(-3, 4))
    if rng.random() < 0.2:
        left, right = left.T, right.T
    down = int(rng.integers(0, 6))
    h, w = left.shape
    canvas[4 : 4 + h, 4 : 4 + w] = left
    h2, w2 = right.shape
    start = max(0, 4 + w + gap)
    part = canvas[4 + down : 4 + down + h2, start : start + w2]
    np.maximum(part, right[: part.shape[0], : part.shape[1]], out=part)
    if rng.random() < 0.2:
        canvas = np.ascontiguousarray(canvas.T)
    return canvas


def _bend(start: Points, end: Points, reach: float, rng: np.random.Generator) -> Points:
    """A quadratic curve from start to end, (n, 2)."""
    t = np.linspace(0, 1, 12)[:, None]
    middle = (start + end) / 2 + rng.uniform(-reach, reach, 2)
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end)


def _smoothed(points: Points, rng: np.random.Generator) -> Points:
    """Points close together along a rounded version of a polyline, (n, 2)."""
    step = np.arange(len(points))
    fine = np.linspace(0, len(points) - 1, 12 * len(points))
    path = np.stack([np.interp(fine, step, points[:, axis]) for axis in (0, 1)], axis=1)
    width = int(rng.integers(5, 11)) | 1
    padded = np.pad(path, ((width // 2, width // 2), (0, 0)), mode="edge")
    kernel = np.ones(width) / width
    return np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)


def _stroked(points: Points, rng: np.random.Generator) -> np.ndarray:
    canvas = np.zeros((_CANVAS, _CANVAS), np.uint8)
    width = int(rng.integers(3, 12))
    cv2.polylines(canvas, [_pixels(points)], False, 255, width, cv2.LINE_AA, 4)
    return _warped(canvas, rng)


def _pixels(points: Points) -> np.ndarray:
    """Points in the unit square to pixels with four fractional bits, as OpenCV wants them."""
    return np.asarray(np.rint((6 + points * (_CANVAS - 12)) * 16), np.int32)


def _warped(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random turn, stretch and shear about the middle."""
    angle, shear = rng.uniform(-0.2, 0.2, 2)
    wide, high = rng.uniform(0.6, 0.95, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[wide, shear], [0, high]])
    middle = np.full(2, _CANVAS / 2)
    shift = middle - matrix @ middle
    return np.asarray(
        cv2.warpAffine(canvas, np.column_stack([matrix, shift]), (_CANVAS, _CANVAS)), np.uint8
    )


def _cropped(canvas: np.ndarray) -> np.ndarray:
    x, y, width, height = cv2.boundingRect((canvas > 0).astype(np.uint8))
    return canvas[y : y + height, x : x + width]
