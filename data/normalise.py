"""Bring a picture to the MNIST convention: the only normaliser, used for queries and datasets.

MNIST's own recipe (LeCun et al. 1998): ink bright on black, fitted into 20x20 with its aspect
kept, its centre of mass in the middle of 28x28.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from data.errors import PictureBlank
from data.picture import Picture

NORMALISER_VERSION = 1
SIDE = 28
BOX = 20


@dataclass(frozen=True)
class Digit:
    """One digit found in a picture.

    Attributes:
        image: (28, 28) float32 in [0, 1], ink bright.
        box: x, y, width, height in pixels of the original.
    """

    image: np.ndarray
    box: tuple[int, int, int, int]


def scale_to_unit(images: np.ndarray) -> np.ndarray:
    """Min-max scaling of stored images: uint8 in [0, 255] to float32 in [0, 1]."""
    return images.astype(np.float32) / 255


def find_digits(picture: Picture, *, single: bool = False) -> list[Digit]:
    """The digit of a picture, in the MNIST convention.

    Raises:
        PictureBlank: there is no ink.
    """
    del single
    grey = picture.grey
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(border))
    if ink.max() < 0.1:
        raise PictureBlank("expected a digit, received a blank picture")
    ink = ink / ink.max()
    rows, columns = (np.flatnonzero((ink > 0.3).any(axis=axis)) for axis in (1, 0))
    x, y = int(columns[0]), int(rows[0])
    width, height = int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y
    image = fit(ink[y : y + height, x : x + width])
    box = tuple(round(side * picture.scale) for side in (x, y, width, height))
    return [Digit(image, box)]  # type: ignore[arg-type]


def fit(ink: np.ndarray) -> np.ndarray:
    """Fit cropped ink, (h, w) float32, into 20x20 and centre its mass: (28, 28) float32."""
    zoom = BOX / max(ink.shape)
    size = (max(1, round(ink.shape[1] * zoom)), max(1, round(ink.shape[0] * zoom)))
    small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    mass = cv2.moments(small)
    shift = np.array(
        [
            [1, 0, (SIDE - 1) / 2 - mass["m10"] / mass["m00"]],
            [0, 1, (SIDE - 1) / 2 - mass["m01"] / mass["m00"]],
        ]
    )
    return np.clip(cv2.warpAffine(small, np.round(shift), (SIDE, SIDE)), 0, 1)
