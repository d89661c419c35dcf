"""A rectangle as a camera sees it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from data.document.perspective import SAME, clockwise, is_rectangle, laid_flat
from tests.data.drawings import camera

PHOTO = (1200, 1600)  # rows and columns of a camera's
PAGE = np.array([(0, 0), (900, 0), (900, 640), (0, 640)], np.float64)
SLANTS = [(20, 0, 0), (45, 0, 0), (0, 35, 0), (30, -20, 10), (40, 15, -25), (-35, 10, 5)]


def _seen(
    corners: np.ndarray, turned: tuple[float, float, float], focal: float = 0.7
) -> np.ndarray:
    return cv2.perspectiveTransform(corners[None], camera((900, 640), turned, focal))[0]


@pytest.mark.parametrize("turned", [(0, 0, 12), (0, 0, -38), *SLANTS])
def test_a_rectangle_lies_flat_and_upright_in_its_true_proportions(
    turned: tuple[float, float, float], rng: np.random.Generator
) -> None:
    corners = _seen(PAGE, turned)
    ordered = clockwise(rng.permutation(corners))
    np.testing.assert_array_equal(ordered, corners)
    assert is_rectangle(ordered, PHOTO)
    flatten, (width, height) = laid_flat(ordered, PHOTO)
    assert width / height == pytest.approx(900 / 640, rel=0.01)
    inside = np.array([(0, 0), (900, 0), (450, 320), (225, 480), (900, 640)], np.float64)
    flat = cv2.perspectiveTransform(_seen(inside, turned)[None], flatten)[0]
    np.testing.assert_allclose(flat, inside * (width / 900, height / 640), atol=0.5)
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    assert width >= sides[[0, 2]].max() - 1
    assert height >= sides[[1, 3]].max() - 1


@pytest.mark.parametrize("focal", [0.5, 1.0])
@pytest.mark.parametrize("turned", SLANTS)
def test_another_camera_spoils_proportions_a_little(
    turned: tuple[float, float, float], focal: float
) -> None:
    corners = _seen(PAGE, turned, focal)
    assert is_rectangle(corners, PHOTO)
    _, (width, height) = laid_flat(corners, PHOTO)
    assert width / height == pytest.approx(900 / 640, rel=0.3)


@pytest.mark.parametrize("turned", [(0, 0, 0), (0, 0, 2), (0, 0, 45)])
def test_what_is_upright_or_has_no_upper_side_stays(turned: tuple[float, float, float]) -> None:
    flatten, size = laid_flat(clockwise(_seen(PAGE, turned)), PHOTO)
    assert flatten is SAME
    assert size == (1600, 1200)


@pytest.mark.parametrize(
    "corners",
    [
        [(400, 200), (1200, 200), (900, 900), (100, 900)],  # leans, as letters do
        [(500, 400), (1100, 400), (1500, 500), (100, 500)],  # nearly from the side
    ],
)
def test_not_every_quadrilateral_is_a_rectangle(corners: list[tuple[int, int]]) -> None:
    assert not is_rectangle(clockwise(np.array(corners, np.float64)), PHOTO)
