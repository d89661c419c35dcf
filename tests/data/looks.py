"""What digits look like, so that a test can tell whether the right ones were found."""

from __future__ import annotations

import numpy as np
from PIL import Image

from data.document.reading import Digit
from data.normalise import find_digits
from data.picture import picture_from_array
from tests.data.drawings import STROKES, draw, pixels


def only_digit(image: Image.Image) -> Digit:
    """The one digit on a picture."""
    (digit,) = find_digits(picture_from_array(pixels(image)))
    return digit


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of two images' greys."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


# As normalised when drawn alone, by label.
KNOWN = {label: only_digit(draw(label)).image for label in STROKES}


def named(digits: list[Digit]) -> list[int]:
    """Which of the digits that are drawn by code each looks most like."""
    return [max(KNOWN, key=lambda k: correlation(KNOWN[k], digit.image)) for digit in digits]


def strangeness(images: np.ndarray) -> np.ndarray:
    """How unlike the nearest drawn digit: (n, 28, 28) to (n,), above 1 for what is none."""
    return np.array([4 - 4 * max(correlation(one, k) for k in KNOWN.values()) for one in images])


def thin_strangeness(images: np.ndarray) -> np.ndarray:
    """The same for strokes that are thinner than those of the drawn digits."""
    return strangeness(images) / 4
