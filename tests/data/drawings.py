"""Digits drawn by code, so that no test needs a picture file."""

from __future__ import annotations

import io
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[Any]:
    angles = [math.radians(start + (end - start) * i / 24) for i in range(25)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


# Strokes as points in a unit square, y downwards.
STROKES: dict[int, list[list[Any]]] = {
    0: [_arc(0.5, 0.5, 0.28, 0.45, 0, 360)],
    1: [[(0.5, 0.05), (0.5, 0.95)]],
    2: [[*_arc(0.5, 0.3, 0.27, 0.25, 180, 390), (0.25, 0.93), (0.8, 0.93)]],
    3: [_arc(0.45, 0.28, 0.25, 0.22, 200, 450), _arc(0.45, 0.72, 0.28, 0.23, 270, 520)],
    4: [[(0.35, 0.05), (0.2, 0.6), (0.8, 0.6)], [(0.65, 0.3), (0.65, 0.95)]],
    7: [[(0.22, 0.07), (0.78, 0.07), (0.45, 0.95)]],
    8: [_arc(0.5, 0.28, 0.2, 0.22, 0, 360), _arc(0.5, 0.73, 0.25, 0.22, 0, 360)],
}


def draw(
    digit: int,
    *,
    size: int = 200,
    width: int = 18,
    canvas: tuple[int, int] = (320, 320),
    at: tuple[int, int] = (60, 60),
    paper: int = 255,
    ink: int = 0,
) -> Image.Image:
    """One digit on a grey canvas; size and place in pixels."""
    image = Image.new("L", canvas, paper)
    add(image, digit, size=size, width=width, at=at, ink=ink)
    return image


def add(
    image: Image.Image, digit: int, *, size: int, width: int, at: tuple[int, int], ink: int = 0
) -> None:
    """Draw one more digit."""
    pen = ImageDraw.Draw(image)
    for stroke in STROKES[digit]:
        points = [(at[0] + x * size, at[1] + y * size) for x, y in stroke]
        pen.line(points, fill=ink, width=width, joint="curve")


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    """(h, w) or (h, w, c) uint8."""
    return np.asarray(image)


def camera(
    page: tuple[int, int], turned: tuple[float, float, float], focal: float = 0.7
) -> NDArray[np.float64]:
    """How a camera sees a page: the map (3, 3) from its pixels to those of a photo, 1600 x 1200.

    Args:
        page: its columns and rows; its centre is in the middle of the photo.
        turned: degrees by which its upper side leans back, its right side does, and it is turned.
        focal: length, as a share of the photo's diagonal.
    """
    back, aside, clockwise = np.radians(turned)
    tilts = [(-back, 0, 0), (0, aside, 0), (0, 0, clockwise)]
    lean, swing, turn = (cv2.Rodrigues(np.array(tilt, np.float64))[0] for tilt in tilts)
    length = focal * math.hypot(1600, 1200)
    centred = np.array([[1, 0, -page[0] / 2], [0, 1, -page[1] / 2], [0, 0, 0]])
    before = lean @ swing @ turn @ centred
    before[2, 2] += 1.2 * length
    return np.array([[length, 0, 800], [0, length, 600], [0, 0, 1]]) @ before


def photo(
    page: Image.Image, view: NDArray[np.float64], table: int | NDArray[np.uint8]
) -> Image.Image:
    """A page on a table of one shade, or of (1200, 1600), through a :func:`camera`."""
    greys, whole = pixels(page), np.full_like(page, 255)
    seen, share = (
        cv2.warpPerspective(one, view, (1600, 1200), flags=cv2.INTER_AREA) for one in (greys, whole)
    )
    return Image.fromarray(np.where(share > 127, seen, table).astype(np.uint8))


def texture(kind: str, shade: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A table, (1200, 1600): of `"wood"`, `"stone"` or `"cloth"`, about as light as `shade`."""

    def noise(across: float, down: float) -> NDArray[np.float32]:
        small = rng.normal(size=(2 + int(1200 / down), 2 + int(1600 / across)))
        return cv2.resize(small.astype(np.float32), (1600, 1200), interpolation=cv2.INTER_CUBIC)

    rows = np.arange(1200, dtype=np.float32)[:, None]
    grain = {
        "wood": lambda: (
            0.08 * np.sin((rows + 60 * noise(700, 180)) / 14)
            + 0.06 * noise(120, 2)
            + 0.05 * noise(600, 400)
        ),
        "stone": lambda: 0.2 * noise(4, 4) + 0.15 * noise(11, 11),
        "cloth": lambda: 0.08 * noise(3, 3) + 0.1 * noise(300, 300),
    }[kind]()
    return (shade * (1 + grain)).clip(0, 255).astype(np.uint8)
