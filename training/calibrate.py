"""The distance at which "same" turns into "different", chosen on labelled pairs."""

from __future__ import annotations

import numpy as np

from data.pairs import SAME


def best_threshold(distances: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """The threshold that judges most pairs rightly; pairs up to it are the same.

    Args:
        distances: (n,) floats.
        targets: (n,) integers, 0 for the same class, 1 for different ones.

    Returns:
        The threshold, half-way between the two distances it separates, and its accuracy.
    """
    order = np.argsort(distances, kind="stable")
    ranked = distances[order].astype(np.float64)  # (n,)
    same = targets[order] == SAME
    # right[i]: pairs judged rightly when the i nearest count as the same.
    right = np.concatenate([[0], np.cumsum(same)]) + (~same).sum()
    right[1:] -= np.cumsum(~same)
    # No cut between equal distances, nor below 0.
    splits = np.concatenate([[ranked[0] > 0], np.diff(ranked) > 0, [True]])
    best = int(np.argmax(np.where(splits, right, -1)))
    around = np.concatenate([[0.0], ranked, [ranked[-1] + 1]])
    return float(around[best : best + 2].mean()), float(right[best] / len(ranked))
