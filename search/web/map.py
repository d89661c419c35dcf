"""The map: a fixed sample of the stored digits in two dimensions, as many of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from search.index import DigitIndex

MOST_POINTS = 3000
DECIMALS = 4


@dataclass(frozen=True)
class MapPoints:
    """Stored digits on the map, in columns; the digit at each place of these is the same.

    Attributes:
        generation: of the index they are of.
        x: to the right.
        y: upwards.
        label: what each is.
        id: what each is called.
    """

    generation: int
    x: list[float]
    y: list[float]
    label: list[int | str]
    id: list[str]


def map_points(index: DigitIndex) -> MapPoints:
    """At most 3,000 digits of an index, spread evenly over its classes and over each class."""
    live = index.live
    labels = index.labels[live]
    classes = np.unique(labels)
    each = max(1, MOST_POINTS // len(classes))
    chosen = np.sort(np.concatenate([_spread(live[labels == label], each) for label in classes]))
    places = np.round(index.map_points(chosen).astype(float), DECIMALS)  # (m, 2)
    return MapPoints(
        index.manifest.generation,
        places[:, 0].tolist(),
        places[:, 1].tolist(),
        [index.called(int(label)) for label in index.labels[chosen]],
        [index.name(int(position)) for position in chosen],
    )


def place(index: DigitIndex, images: np.ndarray) -> list[list[float]]:
    """Where digits (n, 28, 28) float32 lie on the map: (n, 2)."""
    places: list[list[float]] = np.round(
        index.projection.place(index.embed(images)).astype(float), DECIMALS
    ).tolist()
    return places


def _spread(positions: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of positions (n,), at even steps."""
    steps = np.linspace(0, len(positions) - 1, min(most, len(positions)))
    return positions[steps.round().astype(np.int64)]
