"""Pictures in two colours that were made of grey ones by dots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.document.halftone import without_dots
from data.errors import PictureError
from data.normalise import find_digits
from data.picture import Picture, read_picture
from tests.samples import samples

ROOT = Path(__file__).resolve().parents[3]
COUNTS = {"2026-string.jpg": 4}


def dithered(name: str) -> Picture:
    grey = samples()[name].convert("L").convert("1")  # Floyd-Steinberg
    plane = np.asarray(grey, np.float32)
    return Picture(plane, 1.0, grey.size)


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_dithered_picture_shows_as_many_digits_as_the_grey_one(name: str) -> None:
    grey = find_digits(read_picture(ROOT / "docs" / "samples" / name))
    found = find_digits(dithered(name))
    assert len(found) == len(grey) == COUNTS.get(name, 1)
    for one, other in zip(grey, found, strict=True):
        alike = np.corrcoef(one.image.ravel(), other.image.ravel())[0, 1]
        assert alike > 0.8


@pytest.mark.parametrize("share", [0.5, 0.2, 0.05])
def test_noise_in_two_colours_stays_refused(share: float, rng: np.random.Generator) -> None:
    noise = (rng.random((240, 240)) > share).astype(np.float32)
    with pytest.raises(PictureError):
        find_digits(Picture(noise, 1.0, (240, 240)))


def test_drawings_and_greys_are_no_halftones() -> None:
    drawing = np.asarray(samples()["3-pen.png"].convert("L"), np.float32) / 255
    assert without_dots(drawing) is None
    assert without_dots((drawing > 0.5).astype(np.float32)) is None
    assert without_dots(np.zeros((1, 1), np.float32)) is None


def test_dots_become_the_grey_they_stand_for() -> None:
    page = Image.new("L", (100, 100), 190).convert("1")
    greys = without_dots(np.asarray(page, np.float32))
    assert greys is not None
    np.testing.assert_allclose(greys[10:-10, 10:-10], 190 / 255, atol=0.15)
