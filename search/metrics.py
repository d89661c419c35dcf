"""How good are distances? The measures of metric learning, as pure functions of arrays."""

from __future__ import annotations

import numpy as np

BINS = 15  # of confidence
BLOCK = 256  # queries at a time, so that distances to all references fit in memory


def precision(neighbour_labels: np.ndarray, truth: np.ndarray) -> float:
    """precision@k: the share of neighbours (n, k) that have their query's label (n,)."""
    return float((neighbour_labels == truth[:, None]).mean())


def map_at_r(
    queries: np.ndarray, truth: np.ndarray, references: np.ndarray, labels: np.ndarray
) -> float:
    """MAP@R: how purely the R nearest are of the query's class, R being the size of that class.

    For one query it is 1/R * sum over i <= R of precision@i where the i-th nearest has the query's
    label, else 0. Source: Musgrave, Belongie and Lim, "A Metric Learning Reality Check", ECCV
    2020, section 3.2. Among equal distances other classes count as nearer.

    Args:
        queries: (n, d) float32.
        truth: (n,) integers; a class without references scores 0.
        references: (m, d) float32.
        labels: (m,) integers.
    """
    total = 0.0
    for label in np.unique(truth):
        same, other = references[labels == label], references[labels != label]
        members = queries[truth == label]
        for start in range(0, len(members), BLOCK):
            block = members[start : start + BLOCK]
            to_same = np.sort(_squared_distances(block, same), axis=1)  # (b, r)
            to_other = _squared_distances(block, other)  # (b, m - r)
            total += sum(map(_average_precision, to_same, to_other))
    return total / len(queries)


def _average_precision(to_same: np.ndarray, to_other: np.ndarray) -> float:
    """AP@R of one query, from sorted distances (r,) to its class and distances to all others."""
    r = len(to_same)
    if not r:
        return 0.0
    intruders = np.sort(to_other[to_other <= to_same[-1]])
    found = np.arange(1, r + 1)
    rank = found + np.searchsorted(intruders, to_same, side="right")  # (r,) rank of the i-th found
    return float((found / rank)[rank <= r].sum() / r)


def _squared_distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(a, b) squared Euclidean distances up to a constant for each row of `left`."""
    squared: np.ndarray = (right**2).sum(axis=1) - 2 * left @ right.T
    return squared


def confusion(truth: np.ndarray, named: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64: element [i, j] counts digits of class i that were named j."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, named), 1)
    return counts


def instance_recall(ids: np.ndarray, originals: np.ndarray) -> float:
    """The share of queries whose neighbours (n, k) hold their own original (n,)."""
    return float((ids == originals[:, None]).any(axis=1).mean())


def accuracy_by_coverage(confidences: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Accuracy on the most confident 1, 2, ..., n of n queries: (n,) float64.

    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR
    11, 2010. Among equal confidences the mistakes count as more confident.

    Args:
        confidences: (n,) floats.
        right: (n,) bool.
    """
    order = np.lexsort((right, -confidences))
    return np.asarray(np.cumsum(right[order]) / np.arange(1, len(right) + 1))


def risk_coverage(
    confidences: np.ndarray, right: np.ndarray, shares: tuple[float, ...]
) -> dict[str, float]:
    """Accuracy when only the most confident share of queries is answered, by that share.

    Args:
        confidences: (n,) floats.
        right: (n,) bool.
        shares: in (0, 1].
    """
    accuracy = accuracy_by_coverage(confidences, right)
    counts = {share: max(1, round(share * len(right))) for share in shares}
    return {f"{share:g}": float(accuracy[n - 1]) for share, n in counts.items()}


def expected_calibration_error(confidences: np.ndarray, right: np.ndarray) -> float:
    """How far confidence is from the share of right answers: weighted mean over bins.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3, with 15
    bins of equal width.

    Args:
        confidences: (n,) floats in [0, 1].
        right: (n,) bool.
    """
    bins = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    surplus = np.bincount(bins, weights=confidences - right, minlength=BINS)
    return float(np.abs(surplus).sum() / len(right))
