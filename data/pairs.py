"""Pairs of indices for siamese training: every item once with its own class, once with another.

Pairs are positions, not copies of pixels, so 120,000 of them take two megabytes.
"""

from __future__ import annotations

import numpy as np

SAME, DIFFERENT = 0, 1


def make_pairs(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One positive and one negative pair for every item, in random order.

    A partner is drawn uniformly from all items of the anchor's class (itself included, as in the
    notebook), or from all items of other classes.

    Args:
        labels: (n,) integers.
        rng: source of randomness.

    Returns:
        pairs (2n, 2) int64, positions of anchor and partner; targets (2n,) uint8: 0 for the same
        class, 1 for different ones. Of a single class nothing differs, and there are no pairs.
    """
    n = len(labels)
    order = np.argsort(labels, kind="stable")  # (n,) positions grouped by class
    _, class_of, size_of_class = np.unique(labels, return_inverse=True, return_counts=True)
    if len(size_of_class) < 2:
        return np.empty((0, 2), np.int64), np.empty(0, np.uint8)
    start = (np.cumsum(size_of_class) - size_of_class)[class_of]  # (n,)
    size = size_of_class[class_of]  # (n,)

    positive = order[start + rng.integers(size)]
    # Others lie before `start` or from `start + size` on: draw among n - size, step over the class.
    drawn = rng.integers(n - size)
    negative = order[np.where(drawn < start, drawn, drawn + size)]

    anchors = np.arange(n)
    pairs = np.stack([np.tile(anchors, 2), np.concatenate([positive, negative])], axis=1)  # (2n, 2)
    targets = np.repeat(np.array([SAME, DIFFERENT], np.uint8), n)  # (2n,)
    shuffled = rng.permutation(2 * n)
    return pairs[shuffled], targets[shuffled]
