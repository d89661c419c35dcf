"""Connected components against plain implementations."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from data.document.components import Box, components, holes


def flooded(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """The pixels (y, x) of each component, found one pixel after the other."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = []
    while left:
        reached, new = set(), {left.pop()}
        while new:
            reached |= new
            near = {(y + dy, x + dx) for y, x in new for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
            new = near & left
            left -= new
        found.append(reached)
    return found


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.6, 1.0])
def test_components_and_their_boxes_are_those_of_a_flood(
    share: float, rng: np.random.Generator
) -> None:
    mask = (rng.random((31, 40)) < share).astype(np.uint8)
    found = components(mask)
    expected = {frozenset(pixels) for pixels in flooded(mask)}
    assert len(found.boxes) == len(expected)
    for i in range(len(found.boxes)):
        pixels = [(int(y), int(x)) for y, x in np.argwhere(found.labels == i + 1)]
        assert frozenset(pixels) in expected
        rows, columns = zip(*pixels, strict=True)
        box = Box(min(columns), min(rows), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert found.box(i) == box
        assert found.longest[i] == max(box.width, box.height)
        assert found.only([i], box).sum() == len(pixels)


def test_only_what_is_chosen_is_left(rng: np.random.Generator) -> None:
    mask = (rng.random((50, 60)) < 0.2).astype(np.uint8)
    found = components(mask)
    some = list(range(0, len(found.boxes), 2))
    assert np.array_equal(found.only(some), np.isin(found.labels, np.array(some) + 1))
    assert not found.only([]).any()


@pytest.mark.parametrize("share", [0.0, 0.4, 0.6, 0.8, 1.0])
def test_holes_are_the_outlines_inside_others(share: float, rng: np.random.Generator) -> None:
    mask = (rng.random((60, 50)) < share).astype(np.uint8)
    _, levels = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    inside = 0 if levels is None else int((levels[0, :, 3] >= 0).sum())
    assert holes(mask) == inside


def test_marks_by_the_hundred_thousand_are_no_objects_each() -> None:
    mask = np.zeros((800, 800), np.uint8)
    mask[::2, ::2] = 1
    tracemalloc.start()
    found = components(mask)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.boxes) == 160_000
    assert peak < 5 * found.labels.nbytes
