"""Strokes of several shades on one sheet: a pencil's beside a pen's, and what is no stroke."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from data.document.finer_ink import with_pale
from data.document.ink import find_ink
from data.errors import PictureBlank
from data.normalise import find_digits
from data.picture import picture_from_array
from tests.data.drawings import add, pixels
from tests.data.looks import named, thin_strangeness

LABELS = [3, 0, 8, 2, 7, 4]


def written(shades: list[int]) -> Image.Image:
    """Digits side by side, each of a shade in turn."""
    page = Image.new("L", (1000, 260), 250)
    for number, label in enumerate(LABELS):
        ink = shades[number % len(shades)]
        add(page, label, size=120, width=12, at=(60 + 150 * number, 70), ink=ink)
    return page


def noisy(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A page (h, w) with a camera's noise, uint8."""
    return (page + rng.normal(0, 2, page.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("pale", [150, 180, 215])
@pytest.mark.parametrize("others", [1, 5])
def test_pale_digits_beside_dark_ones_are_read(
    pale: int, others: int, rng: np.random.Generator
) -> None:
    picture = picture_from_array(noisy(pixels(written([20] * others + [pale])), rng))
    assert named(find_digits(picture, strangeness=thin_strangeness)) == LABELS


@pytest.mark.parametrize("pale", range(150, 230, 8))
def test_flat_colours_have_no_shades_to_tell_apart(pale: int) -> None:
    page = np.full((120, 400), 255, np.uint8)
    page[20:100, 40:50], page[20:100, 200:210] = 0, pale
    page[30:90, 300:304] = pale
    ink = find_ink(page / np.float32(255))
    more = with_pale(ink)
    assert more is None or len(more.strokes.boxes) == 3


def test_what_is_pale_and_no_digit_changes_nothing(rng: np.random.Generator) -> None:
    page = written([20])
    scribble = np.zeros((260, 1000), np.float32)
    points = rng.integers((0, 190), (1000, 250), (40, 2), np.int32)
    cv2.polylines(scribble, [points], isClosed=False, color=1, thickness=5)
    alone, beside = (
        find_digits(
            picture_from_array(noisy(shades, np.random.default_rng(3))),
            strangeness=thin_strangeness,
        )
        for shades in (pixels(page), pixels(page) - 50 * scribble)
    )
    assert [one.box for one in beside] == [one.box for one in alone]


def test_a_soft_shadow_is_not_pale_ink(rng: np.random.Generator) -> None:
    shadow = np.zeros((260, 1000), np.float32)
    shadow[40:220, 850:960] = 60
    page = pixels(written([20])) - cv2.GaussianBlur(shadow, (0, 0), 12)
    grey = (noisy(page, rng) / np.float32(255)).astype(np.float32)
    ink = find_ink(grey)
    more = with_pale(ink)
    assert more is None or np.array_equal(more.strokes.mask, ink.strokes.mask)


def test_there_is_no_pale_ink_on_a_bare_sheet(rng: np.random.Generator) -> None:
    with pytest.raises(PictureBlank):
        find_digits(
            picture_from_array(noisy(np.full((260, 1000), 250), rng)), strangeness=thin_strangeness
        )
