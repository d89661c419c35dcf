"""Drawings that are no digits: what the embedder must learn to keep away from every class.

People show a digit tool ticks, letters, shapes and scribbles. An embedder that only ever saw digits
puts each of them near some digit. So a share of every batch is of no class ("outlier exposure":
Hendrycks, Mazeika and Dietterich, ICLR 2019). Nothing that people write for a digit is drawn here:
no letter like O, l, S or Z, no single upright line, no ring.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from training.strokes import (
    CANVAS,
    FONTS,
    bend,
    brought,
    cropped,
    pixels,
    smoothed,
    stroked,
    warped,
)

Draw = Callable[[np.random.Generator], np.ndarray]

_LETTERS = "AEFHKMNRTVWXehkmnrtvwx&@#%*+=<"


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
    return brought([kinds[i % len(kinds)](rng) for i in range(count)])


def _letter(rng: np.random.Generator) -> np.ndarray:
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    letter, font = rng.choice(list(_LETTERS)), int(rng.choice(FONTS))
    scale, width = float(rng.uniform(1.2, 2)), int(rng.integers(2, 9))
    cv2.putText(canvas, letter, (24, 68), font, scale, 255, width, cv2.LINE_AA)
    return warped(canvas, rng)


def _tick(rng: np.random.Generator) -> np.ndarray:
    """A check mark: down a short arm, up a long one, each more or less bent, at times hooked."""
    low = np.array([rng.uniform(0.25, 0.45), rng.uniform(0.75, 0.95)])
    left = np.array([rng.uniform(0.05, 0.2), rng.uniform(0.4, 0.75)])
    right = np.array([rng.uniform(0.65, 0.95), rng.uniform(0.02, 0.25)])
    arms = [bend(left, low, 0.15, rng), bend(low, right, 0.15, rng)]
    if rng.random() < 0.4:
        hook = right + np.array([rng.uniform(0, 0.2), rng.uniform(0.05, 0.3)])
        arms.append(bend(right, hook, 0.1, rng))
    points = np.concatenate(arms)
    return stroked(smoothed(points, rng) if rng.random() < 0.5 else points, rng)


def _polygon(rng: np.random.Generator) -> np.ndarray:
    """A triangle or a star, as an outline."""
    corners = int(rng.choice([3, 3, 6, 8, 10]))
    angle = 2 * np.pi * (np.arange(corners) + rng.uniform(0, 1)) / corners
    radius = np.full(corners, 0.45)
    if corners > 3:
        radius[1::2] *= rng.uniform(0.3, 0.6)
    radius *= rng.uniform(0.8, 1, corners)
    points = 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return stroked(np.concatenate([points, points[:1]]), rng)


def _blob(rng: np.random.Generator) -> np.ndarray:
    """A solid shape, at times with a pattern on it."""
    corners = int(rng.integers(3, 12))
    angle = 2 * np.pi * np.sort(rng.uniform(0, 1, corners))
    radius = rng.uniform(0.3, 0.48, corners)
    points = 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    if rng.random() < 0.5:
        points = np.array([[x, y] for x in (0.1, 0.9) for y in (0.1, 0.9)])[[0, 1, 3, 2]]
        points = 0.5 + (points - 0.5) * rng.uniform(0.55, 1, 2)
    cv2.fillPoly(canvas, [pixels(points)], 255, cv2.LINE_AA, 4)
    if rng.random() < 0.5:
        side = int(rng.integers(2, 14))
        pattern = rng.uniform(0.2, 1, (side, side)).astype(np.float32)
        size = (CANVAS, CANVAS)
        canvas = np.asarray(canvas * cv2.resize(pattern, size), np.uint8)
    return warped(canvas, rng)


def _scribble(rng: np.random.Generator) -> np.ndarray:
    """A line that turns again and again."""
    points = rng.uniform(0.05, 0.95, (int(rng.integers(9, 16)), 2))
    return stroked(smoothed(points, rng), rng)


def _figure(rng: np.random.Generator) -> np.ndarray:
    """Several rings, boxes and lines on one another: faces, houses, arrows, or nothing known."""
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
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
        points = pixels(middle + size * outlines[kind])
        cv2.polylines(canvas, [points], False, 255, width, cv2.LINE_AA, 4)
    return warped(canvas, rng)


def _zigzag(rng: np.random.Generator) -> np.ndarray:
    """Waves and zigzags, crosses of several lines."""
    if rng.random() < 0.4:
        canvas = np.zeros((CANVAS, CANVAS), np.uint8)
        lines = int(rng.integers(2, 5))
        for angle in np.pi * (np.arange(lines) + rng.uniform(-0.3, 0.3, lines)) / lines:
            arm = rng.uniform(0.3, 0.48) * np.array([np.cos(angle), np.sin(angle)])
            centre = rng.uniform(0.4, 0.6, 2)
            canvas |= stroked(np.stack([centre - arm, centre + arm]), rng)
        return canvas
    turns = int(rng.integers(4, 9))
    x = np.linspace(0.05, 0.95, turns)
    y = 0.5 + rng.uniform(0.15, 0.45, turns) * np.where(np.arange(turns) % 2, 1, -1)
    points = np.stack([x, y], axis=1)
    return stroked(smoothed(points, rng) if rng.random() < 0.5 else points, rng)


def _two_digits(digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two digits beside (or above) each other, as one that was not taken apart."""
    first, second = digits[rng.integers(0, len(digits), 2)]
    width, height = 56, 44
    canvas = np.zeros((height, width), np.uint8)
    left, right = cropped(first), cropped(second)
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
