"""What neighbours say: their labels become votes, and leave-one-out tells how many to ask.

Pure functions of arrays.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np

Weights = Literal["uniform", "distance"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)
DEFAULT_WEIGHTS: Weights = "distance"


def vote_weights(distances: np.ndarray, weights: Weights) -> np.ndarray:
    """How much each neighbour's vote counts.

    Args:
        distances: (n, k) floats.
        weights: `"uniform"`: one vote each; `"distance"`: 1/distance^2 each, and where a neighbour
            lies at distance 0, only such neighbours vote.

    Returns:
        (n, k) float64.

    Source: Shepard, "A two-dimensional interpolation function for irregularly-spaced data", ACM
    1968, whose exponent is 2, for values; neighbours' votes weighted by distance: Dudani, "The
    Distance-Weighted k-Nearest-Neighbor Rule", IEEE Transactions on Systems, Man, and Cybernetics
    1976.
    """
    if weights == "uniform":
        return np.ones(distances.shape)
    exact = distances == 0
    weight = np.where(exact, 1.0, 1 / np.where(exact, 1.0, distances.astype(np.float64)) ** 2)
    weight[exact.any(axis=1)[:, None] & ~exact] = 0
    return np.asarray(weight)


def cast_votes(
    labels: np.ndarray, distances: np.ndarray, weights: Weights, classes: int
) -> np.ndarray:
    """The share of the vote each class gets.

    Args:
        labels: (n, k) integers below `classes`, nearest first.
        distances: (n, k) floats.
        weights: as for :func:`vote_weights`.
        classes: how many there are.

    Returns:
        (n, classes) float64 whose rows add up to 1.
    """
    votes = np.zeros((len(labels), classes))
    rows = np.arange(len(labels))[:, None]
    np.add.at(votes, (rows, labels), vote_weights(distances, weights))
    shares: np.ndarray = votes / votes.sum(axis=1, keepdims=True)
    return shares


def winners(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The class with most votes, (n,) uint8; among equals, that of the nearest neighbour."""
    rows = np.arange(len(labels))[:, None]
    leading = votes[rows, labels] >= votes.max(axis=1, keepdims=True) * (1 - 1e-12)  # (n, k)
    nearest = leading.argmax(axis=1)  # (n,) the first neighbour of a leading class
    return np.asarray(labels[rows[:, 0], nearest], np.uint8)


def best_k(
    labels: np.ndarray, distances: np.ndarray, truth: np.ndarray, weights: Weights
) -> tuple[int, float]:
    """How many neighbours should vote: the most that name about as many items rightly as the best.

    "About" is within one standard error of the best, below which a sample cannot tell them apart:
    the more vote, the less a single odd neighbour decides (the one-standard-error rule: Breiman,
    Friedman, Olshen and Stone, "Classification and Regression Trees", 1984, section 3.4.3).

    Args:
        labels: (n, m) integers, neighbours' labels, nearest first; k is tried from 1 to m.
        distances: (n, m) floats.
        truth: (n,) integers.
        weights: as for :func:`cast_votes`.

    Returns:
        k and its accuracy.
    """
    classes = int(labels.max()) + 1
    accuracies = []
    for k in range(1, labels.shape[1] + 1):
        votes = cast_votes(labels[:, :k], distances[:, :k], weights, classes)
        accuracies.append(float((winners(votes, labels[:, :k]) == truth).mean()))
    best = max(accuracies)
    least = best - math.sqrt(best * (1 - best) / len(truth))
    k = max(k for k, accuracy in enumerate(accuracies, start=1) if accuracy >= least)
    return k, accuracies[k - 1]
