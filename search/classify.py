"""From neighbours to a name: labels, votes, confidence. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indexer.votes import Weights, cast_votes, winners


@dataclass(frozen=True)
class Neighbours:
    """The stored digits nearest to n queries; column 0 is the nearest.

    Attributes:
        ids: (n, k) int64, positions in the index.
        labels: (n, k) uint8.
        distances: (n, k) float32, Euclidean.
    """

    ids: np.ndarray
    labels: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Classification:
    """What n queries were named, and why.

    Attributes:
        labels: (n,) uint8.
        confidences: (n,) float64, the share of the vote the label got.
        votes: (n, 10) float64, the share of each class; rows add up to 1.
        neighbours: those who voted.
    """

    labels: np.ndarray
    confidences: np.ndarray
    votes: np.ndarray
    neighbours: Neighbours


def classify(neighbours: Neighbours, weights: Weights) -> Classification:
    """Name each query by the vote of its neighbours."""
    votes = cast_votes(neighbours.labels, neighbours.distances, weights)
    labels = winners(votes, neighbours.labels)
    return Classification(labels, votes[np.arange(len(labels)), labels], votes, neighbours)
