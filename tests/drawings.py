"""Digits drawn by code as strokes, in whatever size, width, colours and place a test wants."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

# Polylines in a box one unit wide and high, y pointing down.
STROKES: dict[int, list[list[tuple[float, float]]]] = {
    0: [[(0.5, 0.05), (0.25, 0.2), (0.2, 0.5), (0.25, 0.8), (0.5, 0.95), (0.75, 0.8), (0.8, 0.5),
         (0.75, 0.2), (0.5, 0.05)]],
    1: [[(0.38, 0.25), (0.55, 0.05), (0.5, 0.95)]],
    2: [[(0.25, 0.25), (0.4, 0.07), (0.65, 0.1), (0.75, 0.3), (0.6, 0.55), (0.22, 0.93),
         (0.8, 0.92)]],
    3: [[(0.25, 0.12), (0.6, 0.06), (0.75, 0.25), (0.6, 0.45), (0.42, 0.48), (0.65, 0.52),
         (0.78, 0.72), (0.6, 0.93), (0.22, 0.88)]],
    4: [[(0.35, 0.08), (0.22, 0.55), (0.8, 0.55)], [(0.65, 0.3), (0.6, 0.95)]],
    5: [[(0.75, 0.07), (0.32, 0.08), (0.27, 0.45), (0.55, 0.42), (0.75, 0.62), (0.65, 0.88),
         (0.25, 0.92)]],
    6: [[(0.65, 0.06), (0.4, 0.25), (0.26, 0.6), (0.35, 0.9), (0.62, 0.92), (0.72, 0.7),
         (0.55, 0.55), (0.3, 0.68)]],
    7: [[(0.2, 0.1), (0.78, 0.08), (0.55, 0.5), (0.42, 0.95)]],
    8: [[(0.55, 0.48), (0.3, 0.3), (0.35, 0.1), (0.6, 0.05), (0.72, 0.2), (0.6, 0.42),
         (0.33, 0.65), (0.3, 0.88), (0.55, 0.95), (0.73, 0.8), (0.66, 0.58), (0.55, 0.48)]],
    9: [[(0.72, 0.3), (0.5, 0.45), (0.28, 0.32), (0.35, 0.1), (0.6, 0.06), (0.73, 0.25),
         (0.68, 0.6), (0.58, 0.95)]],
}  # fmt: skip


FINER = 4  # drawn this much larger and reduced, so that edges are soft
STEPS = 10  # points of a curve between two points of a stroke


def draw_digit(
    label: int, size: int = 200, width: float = 16, ink: str = "black", paper: str = "white"
) -> Image.Image:
    """One digit, `size` pixels square with a margin, its strokes `width` pixels wide."""
    return draw_strokes(STROKES[label], size, width, ink, paper)


def draw_strokes(
    strokes: list[list[tuple[float, float]]],
    size: int,
    width: float,
    ink: str = "black",
    paper: str = "white",
) -> Image.Image:
    """Strokes through points of a box one unit wide and high, y pointing down."""
    large, pen = size * FINER, width * FINER
    image = Image.new("RGB", (large, large), paper)
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        for x, y in smooth(stroke):
            left, top = (0.15 + 0.7 * x) * large - pen / 2, (0.15 + 0.7 * y) * large - pen / 2
            draw.ellipse([left, top, left + pen, top + pen], fill=ink)
    return image.resize((size, size), Image.Resampling.BOX)


def smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points close together along a Catmull-Rom spline through `points`."""
    padded = np.array([points[0], *points, points[-1]])
    curve = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        steps = int(STEPS + 400 * np.linalg.norm(p2 - p1))
        for t in np.linspace(0, 1, steps):
            bend = (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
            curve.append(tuple(p1 + (p2 - p0) * t / 2 + bend / 2))
    return curve
