"""Make `docs/samples/*`, the pictures of the demo: `python -m tests.samples`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from tests.drawings import draw_digit, draw_strokes

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "samples"


def samples() -> dict[str, Image.Image]:
    """Pictures by name: pens, colours, papers and sizes as people have them."""
    return {
        "0-pencil.png": draw_digit(0, 240, 5, "#777777", "#f4f1ea"),
        "1-marker.png": draw_digit(1, 160, 24, "#102a8c"),
        "2-chalk.png": draw_digit(2, 240, 14, "#f0f0e8", "#24443a"),
        "3-pen.png": draw_digit(3, 300, 12),
        "4-brush.png": draw_digit(4, 200, 26),
        "5-hairline.png": draw_digit(5, 400, 2),
        "6-screen.png": draw_digit(6, 140, 14, "white", "black"),
        "7-photo.jpg": in_a_shadow(draw_digit(7, 320, 15, "#3a3a42", "#e9e4d8")),
        "8-tilted.png": draw_digit(8, 240, 14).rotate(14, fillcolor="white"),
        "9-corner.png": in_a_corner(draw_digit(9, 120, 9)),
        "2026-string.jpg": in_a_shadow(side_by_side("2026", 110, 6, "#3a3a42", "#e9e4d8")),
        "tick.png": draw_strokes([[(0.15, 0.55), (0.38, 0.9), (0.92, 0.12)]], 220, 13),
    }


def side_by_side(digits: str, size: int, width: float, ink: str, paper: str) -> Image.Image:
    """Several digits on one page, as a year or a number is written."""
    page = Image.new("RGB", (size * len(digits), 2 * size), paper)
    for place, digit in enumerate(digits):
        page.paste(draw_digit(int(digit), size, width, ink, paper), (size * place, size // 2))
    return page


def in_a_shadow(page: Image.Image) -> Image.Image:
    """Light that falls off towards one corner, and the grain of paper."""
    height, width = page.height, page.width
    fall = np.linspace(1, 0.55, width)[None, :, None] * np.linspace(1, 0.85, height)[:, None, None]
    grain = np.random.default_rng(7).normal(0, 4, (height, width, 1))
    lit = np.asarray(page.filter(ImageFilter.GaussianBlur(1))) * fall + grain
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


def in_a_corner(digit: Image.Image) -> Image.Image:
    """A small digit far from the middle of a large page."""
    page = Image.new("RGB", (360, 260), "white")
    page.paste(digit, (225, 130))
    return page


if __name__ == "__main__":
    for name, image in samples().items():
        image.save(FOLDER / name, optimize=True)
