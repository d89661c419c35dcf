"""Strokes in shadows that are hardly wider, or cut through the midst of a sheet."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from data.document.finer_ink import FINE, find_fine_ink
from data.errors import PictureBlank, PictureNotDigits
from data.normalise import find_digits
from data.picture import picture_from_array
from tests.data.drawings import add, pixels
from tests.data.looks import named, thin_strangeness

LABELS = [3, 0, 8, 2, 7, 4]
ROWS, COLUMNS = np.mgrid[:960, :1280]
SHADOWS = {
    "phone": (abs(COLUMNS - 640) < 240) & (abs(ROWS - 480) < 300),
    "slats": ROWS % 260 < 60,
    "window": (abs(COLUMNS - 400) < 35) | (abs(ROWS - 560) < 35),
}


def written(ink: int) -> Image.Image:
    """Small digits, a pen's width, on paper."""
    page = Image.new("L", (1280, 960), 235)
    for number, label in enumerate(LABELS):
        at = (250 + 330 * (number % 3), 270 + 270 * (number // 3))
        add(page, label, size=110, width=10, at=at, ink=ink)
    return page


def in_shadow(page: Image.Image, kind: str, soft: float, rng: np.random.Generator) -> np.ndarray:
    """A page (h, w) uint8 in half of the light where it is shaded."""
    light = cv2.GaussianBlur(np.where(SHADOWS[kind], 0.5, 1).astype(np.float32), (0, 0), soft)
    grain = rng.normal(0, 2, light.shape)
    return (pixels(page) * light + grain).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("soft", [3, 8])
@pytest.mark.parametrize(
    ("kind", "ink"), [("phone", 40), ("phone", 120), ("slats", 40), ("slats", 120), ("window", 40)]
)
def test_small_digits_are_read_in_any_shadow(
    kind: str, soft: float, ink: int, rng: np.random.Generator
) -> None:
    picture = picture_from_array(in_shadow(written(ink), kind, soft, rng))
    assert named(find_digits(picture, strangeness=thin_strangeness)) == LABELS


@pytest.mark.parametrize("kind", ["phone", "slats"])
def test_small_digits_on_two_pages_are_read_in_any_shadow(
    kind: str, rng: np.random.Generator
) -> None:
    page = in_shadow(written(40), kind, 3, rng)
    table = rng.normal(60, 2, (1100, 2700)).clip(0, 255).astype(np.uint8)
    for left in (40, 1380):
        table[70:1030, left : left + 1280] = page
    digits = find_digits(picture_from_array(table), strangeness=thin_strangeness)
    assert sorted(named(digits)) == sorted(2 * LABELS)


@pytest.mark.parametrize("soft", [3, 8])
@pytest.mark.parametrize("kind", SHADOWS)
def test_bare_paper_in_a_shadow_is_no_digits(
    kind: str, soft: float, rng: np.random.Generator
) -> None:
    picture = picture_from_array(in_shadow(Image.new("L", (1280, 960), 235), kind, soft, rng))
    try:
        digits = find_digits(picture, strangeness=thin_strangeness)
    except (PictureBlank, PictureNotDigits):
        return
    assert thin_strangeness(np.stack([digit.image for digit in digits])).min() > 0.1


@pytest.mark.parametrize("width", FINE)
def test_the_soft_edges_of_a_shadow_are_no_ink(width: float, rng: np.random.Generator) -> None:
    shades = in_shadow(Image.new("L", (1280, 960), 235), "window", 8, rng) / np.float32(255)
    with pytest.raises(PictureBlank):
        find_fine_ink(shades.astype(np.float32), width, is_dark=True)
