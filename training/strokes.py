"""A canvas, and what is drawn on it by code: lines, curves, and the way to the MNIST convention."""

from __future__ import annotations

import cv2
import numpy as np

from data.convention import SIDE
from data.document.render import render
from data.normalise import scale_to_bytes, scale_to_unit

Points = np.ndarray

CANVAS = 96  # pixels a side
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)


def brought(canvases: list[np.ndarray]) -> np.ndarray:
    """Drawings of any size in the MNIST convention, (n, 28, 28) uint8."""
    digits = [render(scale_to_unit(cropped(canvas))) for canvas in canvases]
    return scale_to_bytes(np.reshape(digits, (-1, SIDE, SIDE)))


def bend(start: Points, end: Points, reach: float, rng: np.random.Generator) -> Points:
    """A quadratic curve from start to end, (n, 2)."""
    t = np.linspace(0, 1, 12)[:, None]
    middle = (start + end) / 2 + rng.uniform(-reach, reach, 2)
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end)


def smoothed(points: Points, rng: np.random.Generator) -> Points:
    """Points close together along a rounded version of a polyline, (n, 2)."""
    step = np.arange(len(points))
    fine = np.linspace(0, len(points) - 1, 12 * len(points))
    path = np.stack([np.interp(fine, step, points[:, axis]) for axis in (0, 1)], axis=1)
    width = int(rng.integers(5, 11)) | 1
    padded = np.pad(path, ((width // 2, width // 2), (0, 0)), mode="edge")
    kernel = np.ones(width) / width
    return np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)


def stroked(points: Points, rng: np.random.Generator) -> np.ndarray:
    """A polyline (n, 2) in the unit square, drawn with a pen of any width and warped."""
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    width = int(rng.integers(3, 12))
    cv2.polylines(canvas, [pixels(points)], False, 255, width, cv2.LINE_AA, 4)
    return warped(canvas, rng)


def pixels(points: Points) -> np.ndarray:
    """Points in the unit square to pixels with four fractional bits, as OpenCV wants them."""
    return np.asarray(np.rint((6 + points * (CANVAS - 12)) * 16), np.int32)


def warped(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random turn, stretch and shear about the middle."""
    angle, shear = rng.uniform(-0.2, 0.2, 2)
    wide, high = rng.uniform(0.6, 0.95, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[wide, shear], [0, high]])
    middle = np.full(2, CANVAS / 2)
    shift = middle - matrix @ middle
    return np.asarray(
        cv2.warpAffine(canvas, np.column_stack([matrix, shift]), (CANVAS, CANVAS)), np.uint8
    )


def cropped(canvas: np.ndarray) -> np.ndarray:
    """The part of a drawing (h, w) that holds all of its ink."""
    x, y, width, height = cv2.boundingRect((canvas > 0).astype(np.uint8))
    return canvas[y : y + height, x : x + width]
