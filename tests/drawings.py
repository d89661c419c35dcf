"""Digits drawn by code as strokes, in whatever size, width, colours and place a test wants."""

from __future__ import annotations

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


def draw_digit(
    label: int, size: int = 200, width: int = 16, ink: str = "black", paper: str = "white"
) -> Image.Image:
    """One digit, `size` pixels square with a margin, its strokes `width` pixels wide."""
    image = Image.new("RGB", (size, size), paper)
    draw = ImageDraw.Draw(image)
    margin, side = 0.15 * size, 0.7 * size
    for stroke in STROKES[label]:
        points = [(margin + x * side, margin + y * side) for x, y in stroke]
        draw.line(points, ink, width, joint="curve")
        for x, y in points:
            draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=ink)
    return image
