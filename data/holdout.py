"""Hold digits out of training, so that thresholds can be read off digits nobody learned by heart.

Training holds them out, building an index asks about them again: both draw the same ones, because
a draw depends on nothing but the labels, the count and the seed.
"""

from __future__ import annotations

import numpy as np

LARGEST_SHARE = 0.1


def hold_out(labels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split positions into training and held-out ones, class by class in proportion.

    Args:
        labels: (n,) integers.
        count: about how many to hold out; at most a tenth of `labels`.
        seed: of the draw.

    Returns:
        Positions to train on and positions held out, each sorted; together 0..n-1.
    """
    rng = np.random.default_rng(seed)
    share = min(count / len(labels), LARGEST_SHARE)
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        held_out[rng.choice(members, int(len(members) * share), replace=False)] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
