"""Slightly deformed copies of digits, to ask whether an index finds the original again."""

from __future__ import annotations

import cv2
import numpy as np

from data.convention import SIDE

ROTATION, SHEAR, SHIFT = 0.2, 0.15, 2.0  # radians, columns per row, pixels: either way
SCALE = (0.9, 1.1)


def deformed(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each digit turned, scaled, sheared and shifted by a little, bilinearly.

    Args:
        images: (n, 28, 28) uint8.
        rng: source of chance.

    Returns:
        (n, 28, 28) uint8.
    """
    centre = np.full(2, (SIDE - 1) / 2)
    copies = np.empty_like(images)
    for copy, image in zip(copies, images, strict=True):
        angle, shear = rng.uniform(-ROTATION, ROTATION), rng.uniform(-SHEAR, SHEAR)
        cos, sin = np.cos(angle), np.sin(angle)
        turned = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, shear], [0, 1]])
        matrix = rng.uniform(*SCALE) * turned
        shift = centre - matrix @ centre + rng.uniform(-SHIFT, SHIFT, 2)
        warp = np.column_stack([matrix, shift])
        cv2.warpAffine(image, warp, (SIDE, SIDE), dst=copy, flags=cv2.INTER_LINEAR)
    return copies
